//! `pusher sender check`: what a sender is, asks for and is granted, and whether a worker would load it.

use std::time::Duration;

use pusher::sandbox::{Binary, Inspection, Served};
use serde_json::{Value, json};

use super::super::output::Output;
use super::super::table::shown;
use super::sandbox;
use crate::cli::sender::CheckArgs;
use crate::commands::CommandError;

/// Prints what is found out about each sender.
///
/// # Errors
/// If one of them would be refused, or there is none.
pub(crate) async fn run(args: CheckArgs) -> Result<(), CommandError> {
    let sandbox = sandbox()?;
    let mut out = Output::new(args.json);
    let (mut all, mut refused) = (0, 0);
    for file in &args.files {
        let found = sandbox.inspect(file).await.map_err(|error| CommandError::Failed(error.to_string()))?;
        if found.is_empty() {
            let reason = "holds no manifest (NAME.toml) and no component (NAME.wasm)";
            return Err(CommandError::Failed(format!("{} {reason}", file.display())));
        }
        for inspection in &found {
            if out.is_json() {
                out.line(&object(inspection).to_string())?;
            } else {
                for line in report(inspection) {
                    out.line(&line)?;
                }
            }
            all += 1;
            refused += usize::from(!inspection.would_load());
        }
    }
    out.flush()?;
    match (refused, all) {
        (0, _) => Ok(()),
        (_, 1) => Err(CommandError::Failed("a worker would refuse it".to_owned())),
        _ => Err(CommandError::Failed(format!("a worker would refuse {refused} of {all}"))),
    }
}

/// What a person is told: a word on the left, what it is on the right.
fn report(inspection: &Inspection) -> Vec<String> {
    let mut rows: Vec<(&str, String)> = Vec::new();
    match (&inspection.component, inspection.has_manifest) {
        (Some(component), true) => rows.push(("component", component.display().to_string())),
        (_, true) => {}
        (_, false) => rows.push(("manifest", "none, so nothing is granted".to_owned())),
    }
    if let Some(binary) = &inspection.binary {
        rows.push(("kind", binary.kind.to_string()));
        rows.push(("SHA-256", binary.sha256.to_string()));
        rows.push(("size", bytes(binary.size as u64)));
        rows.extend(binary.exports.iter().map(|export| ("exports", export.clone())));
        rows.extend(imports(binary));
    }
    rows.extend(inspection.grants.iter().map(|grant| ("grants", grant.clone())));
    if let Some(name) = &inspection.name {
        rows.push(("channel", name.to_string()));
    }
    rows.extend(inspection.own_name.iter().map(|name| ("own name", name.clone())));
    rows.extend(
        inspection.binary.iter().filter_map(|b| b.compile).map(|t| ("compiles", format!("in {}", duration(t)))),
    );
    if let Some(start) = inspection.start {
        rows.push(("starts", format!("in {}, with {} of memory", duration(start.time), bytes(start.memory))));
    }
    rows.extend(inspection.warnings.iter().map(|warning| ("warning", warning.clone())));
    rows.extend(inspection.reasons.iter().map(|reason| ("refused", reason.clone())));
    if inspection.would_load() {
        rows.push(("verdict", "a worker would load it".to_owned()));
    }
    let mut before = "";
    let mut lines = vec![shown(&inspection.path.display().to_string())];
    for (word, text) in rows {
        let label = if word == before { "" } else { word };
        lines.push(format!("  {label:<10} {}", shown(&text)));
        before = word;
    }
    lines
}

fn imports(binary: &Binary) -> impl Iterator<Item = (&'static str, String)> {
    let width = binary.imports.iter().map(|import| import.name.len()).max().unwrap_or(0);
    binary.imports.iter().map(move |import| {
        let served = match import.served {
            Served::Always => "always there".to_owned(),
            Served::Empty => "there, with nothing behind it".to_owned(),
            Served::Granted { key, granted: true } => format!("granted by {key}"),
            Served::Granted { key, granted: false } => format!("NOT GRANTED: the manifest has no {key}"),
            Served::Absent => "NOT THERE: this host does not have it".to_owned(),
        };
        ("imports", format!("{:<width$}  {served}", import.name))
    })
}

/// What a program is told.
fn object(inspection: &Inspection) -> Value {
    let binary = inspection.binary.as_ref();
    json!({
        "path": inspection.path.display().to_string(),
        "component": inspection.component.as_ref().map(|path| path.display().to_string()),
        "manifest": inspection.has_manifest,
        "kind": binary.map(|binary| binary.kind.to_string()),
        "sha256": binary.map(|binary| binary.sha256.to_string()),
        "size": binary.map(|binary| binary.size),
        "exports": binary.map(|binary| &binary.exports),
        "imports": binary.map(|binary| binary.imports.iter().map(|import| {
            let (served, key) = match import.served {
                Served::Always => ("always", None),
                Served::Empty => ("empty", None),
                Served::Granted { key, granted: true } => ("granted", Some(key)),
                Served::Granted { key, granted: false } => ("not granted", Some(key)),
                Served::Absent => ("absent", None),
            };
            json!({ "name": import.name, "served": served, "key": key })
        }).collect::<Vec<_>>()),
        "grants": inspection.grants,
        "channel": inspection.name.as_ref().map(|name| name.as_str()),
        "ownName": inspection.own_name,
        "compileMs": binary.and_then(|binary| binary.compile).map(millis),
        "startMs": inspection.start.map(|start| millis(start.time)),
        "startMemory": inspection.start.map(|start| start.memory),
        "warnings": inspection.warnings,
        "reasons": inspection.reasons,
        "loads": inspection.would_load(),
    })
}

/// Milliseconds, to the microsecond.
pub(super) fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

/// A time as people say it.
pub(super) fn duration(time: Duration) -> String {
    match time.as_micros() {
        micros @ 0..1000 => format!("{micros} µs"),
        micros @ 1000..100_000 => format!("{:.1} ms", micros as f64 / 1e3),
        micros @ 100_000..10_000_000 => format!("{} ms", micros / 1000),
        micros => format!("{:.1} s", micros as f64 / 1e6),
    }
}

/// A size as people say it.
pub(super) fn bytes(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} bytes"),
        10_240..10_485_760 => format!("{} KiB", bytes.div_ceil(1024)),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_have_a_unit_that_suits_them() {
        assert_eq!(duration(Duration::from_micros(87)), "87 µs");
        assert_eq!(duration(Duration::from_micros(1250)), "1.2 ms");
        assert_eq!(duration(Duration::from_millis(312)), "312 ms");
        assert_eq!(duration(Duration::from_millis(12_340)), "12.3 s");
        assert_eq!(bytes(512), "512 bytes");
        assert_eq!(bytes(57_000), "56 KiB");
        assert_eq!(bytes(18 << 20), "18.0 MiB");
    }
}
