//! The description of the API: it is the one that is checked in, and it holds together.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::bench::Bench;

#[test]
fn the_document_that_is_checked_in_is_the_one_that_the_code_makes() {
    let made = pusher_api::openapi().to_pretty_json().unwrap();
    let checked_in = include_str!("../../../../docs/openapi.json").trim_end();
    let lines = made.lines().zip(checked_in.lines()).enumerate().find(|(_, (made, checked_in))| made != checked_in);
    if let Some((at, (made, checked_in))) = lines {
        let line = at + 1;
        panic!(
            "docs/openapi.json is not what the code says any more; from line {line} on:\n  checked in: {checked_in}\n  \
             the code:   {made}\n`cargo xtask openapi` renews it"
        );
    }
    assert_eq!(made.lines().count(), checked_in.lines().count(), "`cargo xtask openapi` renews docs/openapi.json");
}

#[test]
fn every_reference_leads_somewhere() {
    let document = serde_json::to_value(pusher_api::openapi()).unwrap();
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    assert!(references.contains("#/components/responses/Unavailable"), "{references:?}");
    for reference in references {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[tokio::test]
async fn what_the_pattern_of_a_time_admits_is_taken() {
    let bench = Bench::new().with_lupino().await;
    let document = serde_json::to_value(pusher_api::openapi()).unwrap();
    for (shape, operation) in [("PushJson", "push"), ("PushAllJson", "pushall")] {
        let pattern = &document["components"]["schemas"][shape]["properties"]["schedat"]["pattern"];
        assert_eq!(pattern, "^([+-]?[0-9]{1,18})?$", "{shape}");
        for sign in ["", "+", "-"] {
            let body = format!(r#"{{"pusher":"lupino","data":"x","schedat":"{sign}{}"}}"#, "9".repeat(18));
            let answer = bench.post(&format!("/pusher/sample/{operation}"), "application/json", body).await;
            assert_eq!(answer.status, 200, "{operation} {sign}: {answer:?}");
        }
    }
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get("$ref") {
                references.insert(reference.clone());
            }
            map.values().for_each(|value| collect(value, references));
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}
