//! Go's template forms, translated to minijinja's: the ones that the [parent](super) lists, and no others.

/// What is open, so that `else` and `end` know what they belong to.
struct Block {
    kind: Kind,
    /// Has it had its `else`?
    otherwise: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    If,
    /// A `range`; inside, the item is the dot.
    Range,
}

/// Translates a Go template.
///
/// # Errors
/// What it says that is not understood, as the second half of a sentence about the template.
pub(super) fn translate(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    let mut open = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        literal(before, &mut out);
        let action = Action::split(after)?;
        rest = action.rest;
        let translated = translate_action(action.inner, &mut open)?;
        // The dashes are minijinja's too; they go just inside its own delimiters.
        let (left, right) = translated.split_at(2);
        let (inner, right) = right.split_at(right.len() - 2);
        out.extend([left, action.trim_left, inner, action.trim_right, right]);
    }
    literal(rest, &mut out);
    if open.is_empty() { Ok(out) } else { Err("lacks an {{end}}".to_owned()) }
}

/// What stands between `{{` and `}}`, and what comes after.
struct Action<'a> {
    inner: &'a str,
    trim_left: &'static str,
    trim_right: &'static str,
    rest: &'a str,
}

impl<'a> Action<'a> {
    fn split(text: &'a str) -> Result<Self, String> {
        // Go asks for white space between a dash and what it trims for.
        let (trim_left, text) = match text.strip_prefix('-') {
            Some(trimmed) if trimmed.starts_with(char::is_whitespace) => ("-", trimmed),
            _ => ("", text),
        };
        // A comment may hold anything, `}}` included.
        let from = if text.trim_start().starts_with("/*") {
            text.find("*/").ok_or("has a comment that does not end")? + 2
        } else {
            0
        };
        let end = text[from..].find("}}").ok_or("has a {{ without its }}")? + from;
        let (inner, rest) = (&text[..end], &text[end + 2..]);
        let (trim_right, inner) = match inner.strip_suffix('-') {
            Some(trimmed) if trimmed.ends_with(char::is_whitespace) => ("-", trimmed),
            _ => ("", inner),
        };
        Ok(Self { inner: inner.trim(), trim_left, trim_right, rest })
    }
}

/// One action as one pair of minijinja's delimiters.
fn translate_action(action: &str, open: &mut Vec<Block>) -> Result<String, String> {
    let unknown = || format!("has {{{{{action}}}}}, which is not one of the forms that are understood");
    if action.starts_with("/*") {
        return if action.ends_with("*/") { Ok("{##}".to_owned()) } else { Err(unknown()) };
    }
    let words: Vec<_> = action.split_whitespace().collect();
    Ok(match words[..] {
        ["if", what] => {
            let test = format!("{{%if {}%}}", value(what, open).ok_or_else(unknown)?);
            open.push(Block { kind: Kind::If, otherwise: false });
            test
        }
        ["range", what] => {
            let list = value(what, open).ok_or_else(unknown)?;
            open.push(Block { kind: Kind::Range, otherwise: false });
            format!("{{%for {} in {list}%}}", dot(open))
        }
        ["else", "if", what] => match open.last() {
            Some(Block { kind: Kind::If, otherwise: false }) => {
                format!("{{%elif {}%}}", value(what, open).ok_or_else(unknown)?)
            }
            _ => return Err("has an {{else if}} that belongs to no {{if}}".to_owned()),
        },
        ["else"] => match open.last_mut() {
            Some(block) if !block.otherwise => {
                block.otherwise = true;
                "{%else%}".to_owned()
            }
            _ => return Err("has an {{else}} that belongs to nothing".to_owned()),
        },
        ["end"] => match open.pop() {
            Some(Block { kind: Kind::If, .. }) => "{%endif%}".to_owned(),
            Some(Block { kind: Kind::Range, .. }) => "{%endfor%}".to_owned(),
            None => return Err("has an {{end}} that belongs to nothing".to_owned()),
        },
        [what] => format!("{{{{{}}}}}", value(what, open).ok_or_else(unknown)?),
        _ => return Err(unknown()),
    })
}

/// `.`, `.Field` or `$.Field` as an expression.
fn value(text: &str, open: &[Block]) -> Option<String> {
    let (field, dot) = match text.strip_prefix("$.") {
        Some(field) => (field, String::new()),
        None => (text.strip_prefix('.')?, dot(open)),
    };
    let is_name = field.starts_with(|c: char| c.is_ascii_alphabetic())
        && field.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match (field, dot.as_str()) {
        // The whole recipient cannot be printed; Go would print a struct.
        ("", "") => None,
        ("", item) => Some(item.to_owned()),
        (_, "") if is_name => Some(field.to_owned()),
        (_, item) if is_name => Some(format!("{item}.{field}")),
        _ => None,
    }
}

/// What the dot is called here: the innermost range's item (not in its `else`), or nothing for the recipient.
fn dot(open: &[Block]) -> String {
    let depth = open.iter().filter(|block| block.kind == Kind::Range && !block.otherwise).count();
    if depth == 0 { String::new() } else { format!("item{depth}") }
}

/// Text outside the actions, with what minijinja would take for its own said as strings.
fn literal(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find("{%").into_iter().chain(rest.find("{#")).min() {
        out.push_str(&rest[..at]);
        out.push_str(if rest[at..].starts_with("{%") { "{{'{%'}}" } else { "{{'{#'}}" });
        rest = &rest[at + 2..];
    }
    // A brace at the end must not join with the delimiter that follows it.
    match rest.strip_suffix('{') {
        Some(rest) => out.extend([rest, "{{'{'}}"]),
        None => out.push_str(rest),
    }
}
