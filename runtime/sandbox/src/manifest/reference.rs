//! The reference of manifests, made of the types that parse them and of what is said beside each of their fields: a JSON
//! Schema for editors, and a page for people. Both are checked in below `docs/`; `cargo xtask manifest` renews them, and a
//! test fails when they are not what the code says.

use std::fmt::Write;

use schemars::generate::SchemaSettings;
use schemars::transform::{RestrictFormats, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::{Bytes, Digest, Manifest, Origin, Time};

/// What the page says before the first key.
const INTRODUCTION: &str = "\
# The manifest

Every key that can stand in a sender's manifest, by its section. [senders.md](senders.md#the-manifest) has a whole one to
copy. What is not granted is denied, and a key that is not listed here is an error that names the line.

This page and [manifest.schema.json](manifest.schema.json) are written from the code by `cargo xtask manifest`. Editors that
understand TOML (Taplo, Even Better TOML) check a manifest while it is written, and say what each key means, if its first
line says where the schema is:

```toml
#:schema ./manifest.schema.json
```

Values are of these kinds, besides texts, numbers and `true` or `false`:

";

/// The JSON Schema of a manifest: draft 7, which is what editors of TOML know best.
#[must_use]
pub fn schema() -> Value {
    generate::<Manifest>().to_value()
}

fn generate<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let settings = settings.with_transform(RestrictFormats::default()).with_transform(tidy);
    SchemaGenerator::new(settings).into_root_schema_for::<T>()
}

/// Takes out what TOML does not have (null), the defaults of whole tables, which are those of their keys, and the line ends
/// of comments.
fn tidy(schema: &mut Schema) {
    let kinds = schema.get("type").and_then(Value::as_array).cloned();
    if let Some([kind, Value::String(null)]) = kinds.as_deref()
        && null == "null"
    {
        schema.insert("type".to_owned(), kind.clone());
    }
    if matches!(schema.get("default"), Some(Value::Null | Value::Object(_))) {
        schema.remove("default");
    }
    if let Some(text) = schema.get("description").and_then(Value::as_str) {
        let text = text.replace('\n', " ");
        schema.insert("description".to_owned(), text.into());
    }
    transform_subschemas(&mut tidy, schema);
}

/// The page `docs/manifest.md`.
#[must_use]
pub fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    for kind in [generate::<Bytes>(), generate::<Digest>(), generate::<Origin>(), generate::<Time>()] {
        line(&mut page, &format!("- {}", text(kind.as_value())));
    }
    let manifest = schema();
    let is_section = |key: &Value| key["type"] == "object";
    line(&mut page, "\n## Before the first section");
    for (key, value) in members(&manifest).filter(|(_, value)| !is_section(value)) {
        entry(&mut page, key, value, &manifest);
    }
    for (name, section) in members(&manifest).filter(|(_, value)| is_section(value)) {
        let (what, _) = split(text(section));
        let what = what.strip_prefix(&format!("`[{name}]`: ")).unwrap_or(what);
        line(&mut page, &format!("\n## `[{name}]`\n\n{}", capital(what)));
        for (key, value) in members(section) {
            entry(&mut page, &format!("[{name}] {key}"), value, section);
        }
        values(&mut page, section);
    }
    page
}

/// What the values of a table of any keys can be.
fn values(page: &mut String, table: &Value) {
    let values = &table["additionalProperties"];
    let values = values["anyOf"].as_array().or(values["oneOf"].as_array());
    for (at, value) in values.into_iter().flatten().enumerate() {
        line(page, &format!("{}- {}", if at == 0 { "\n" } else { "" }, text(value)));
    }
}

/// One key: what it is, what it is if it is not there, and what its field's comment says.
fn entry(page: &mut String, title: &str, value: &Value, parent: &Value) {
    let (what, said) = split(text(value));
    let key = title.rsplit(' ').next().unwrap_or(title);
    let is_required = parent["required"].as_array().is_some_and(|required| required.iter().any(|name| name == key));
    let default = match (&value["default"], said) {
        _ if is_required => "Required.".to_owned(),
        (Value::Null, said) => format!("Default: {}", said.unwrap_or("none.")),
        (default, _) => format!("Default: `{default}`."),
    };
    line(page, &format!("\n### `{title}`\n\n{}. {default}\n\n{what}", capital(&kind(value))));
    values(page, value);
}

/// A kind of value in words.
fn kind(value: &Value) -> String {
    if let Some(title) = value["title"].as_str() {
        return title.to_owned();
    }
    let bound = |name: &str| value.get(name).map(Value::to_string);
    let from = bound("minimum").map(|least| format!(" from {}", least.trim_end_matches(".0")));
    let above = bound("exclusiveMinimum").map(|least| format!(" above {least}"));
    let to = bound("maximum").map(|most| format!(" to {}", most.trim_end_matches(".0")));
    let range: String = [from, above, to].into_iter().flatten().collect();
    match value["type"].as_str() {
        Some("boolean") => "`true` or `false`".to_owned(),
        Some("integer") => format!("whole number{range}"),
        Some("number") => format!("number{range}"),
        Some("array") => format!("list, each of them: {}", kind(&value["items"])),
        Some("object") => "table".to_owned(),
        _ => "text".to_owned(),
    }
}

fn members(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

fn text(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}

/// A comment without its last sentence, if that is about the default; and that.
fn split(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(" Default: ") {
        Some((what, default)) => (what, Some(default)),
        None => (text, None),
    }
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}

fn line(page: &mut String, text: &str) {
    // Writing to a text cannot fail.
    let _ = writeln!(page, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_says_what_it_is_and_what_its_default_is_as_the_code_has_it() {
        let check = |title: &str, value: &Value, parent: &Value| {
            let (what, said) = split(text(value));
            assert!(!what.is_empty(), "{title} has no comment");
            let required = parent["required"].as_array().is_some_and(|required| !required.is_empty());
            assert!(said.is_some() || required, "{title} does not say its default");
            let code = value["default"].to_string().replace(['"', '[', ']'], "");
            if let (Some(said), false) = (said, value["default"].is_null() || code.is_empty()) {
                // "64 MiB." in a sentence is "64MiB" in a manifest.
                let said = said.replace(' ', "");
                assert!(said.starts_with(&format!("{code}.")), "{title} says {said}, and the code {code}");
            }
        };
        let manifest = schema();
        for (key, value) in members(&manifest) {
            check(key, value, &manifest);
            for (name, member) in members(value) {
                check(&format!("[{key}] {name}"), member, value);
            }
        }
    }
}
