//! `pushers export | pushers import`: what goes out comes back, whatever it is.

use serde_json::{Value, json};

use super::{House, lines};

/// Recipients as odd as they may be.
fn odd() -> Vec<Value> {
    let texts = [
        "a/b?c#d",
        "..",
        ".",
        "%2F",
        "with,comma",
        "with \"quotes\"",
        "line\nbreak\r\n",
        "\r",
        "\ttab ",
        " blanks ",
        "日本 ✓",
        "=1+1",
        "'",
        ";",
        "\\",
        "\\;",
        "null",
        "\u{1}\u{7f}\u{2028}",
        "\u{feff}bom",
        "-",
        "--json",
        "<b>&amp;</b>",
        "0",
    ];
    let mut all: Vec<_> = texts
        .iter()
        .zip(0..)
        .map(|(text, at)| {
            json!({
                "id": text, "email": text, "nickname": text, "phoneNumber": text,
                "senders": [text, "sendmail"], "tags": [format!("{text} "), text, format!(" {text}")], "createdAt": at,
            })
        })
        .collect();
    for (id, at) in [("empty", 0), ("oldest", i64::MIN), ("newest", i64::MAX)] {
        let nothing = json!(null);
        all.push(json!({
            "id": id, "email": "", "nickname": "", "phoneNumber": "", "senders": nothing, "tags": nothing, "createdAt": at,
        }));
    }
    all
}

fn sorted(mut all: Vec<Value>) -> Vec<String> {
    all.sort_by_key(|one| one["id"].as_str().unwrap().to_owned());
    all.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn what_is_exported_can_be_imported_and_is_the_same_in_both_forms() {
    let first = House::new().await;
    let file: String = odd().iter().map(|one| format!("{one}\n")).collect();
    first.run_with(&["pushers", "import", "-", "--format", "jsonl"], file.as_bytes()).await.ok();
    let exported = first.run(&["pushers", "export"]).await.ok();
    assert_eq!(sorted(lines(&exported)), sorted(odd()));
    for format in ["jsonl", "csv"] {
        let file = first.run(&["pushers", "export", "--format", format]).await.ok();
        let import = ["pushers", "import", "-", "--format", format];
        let second = House::new().await;
        let said = second.run_with(&import, file.as_bytes()).await.ok();
        assert_eq!(
            said,
            format!("{0} lines: {0} created, 0 changed, 0 unchanged, 0 failed.\n", odd().len()),
            "{format}"
        );
        assert_eq!(second.run(&["pushers", "export"]).await.ok(), exported, "{format}");
        let again = first.run_with(&import, file.as_bytes()).await.ok();
        assert!(again.contains(&format!(" {} unchanged, 0 failed", odd().len())), "{format}: {again}");
    }
}

#[tokio::test]
async fn an_export_of_nothing_is_a_file_all_the_same() {
    let house = House::new().await;
    assert_eq!(house.run(&["pushers", "export"]).await.ok(), "");
    let table = house.run(&["pushers", "export", "--format", "csv"]).await.ok();
    assert_eq!(table, "id,email,nickname,phoneNumber,senders,tags,createdAt\n");
    let said = house.run_with(&["pushers", "import", "-", "--format", "csv"], table.as_bytes()).await.ok();
    assert_eq!(said, "0 lines: 0 created, 0 changed, 0 unchanged, 0 failed.\n");
}

#[tokio::test]
async fn an_export_can_be_of_what_a_query_finds() {
    let house = House::new().await;
    let file: String = (0..350).map(|n| format!("{{\"id\":\"{n}\",\"tags\":[\"t{}\"]}}\n", n % 2)).collect();
    house.run_with(&["pushers", "import", "-", "--format", "jsonl"], file.as_bytes()).await.ok();
    let found = lines(&house.run(&["pushers", "export", "--query", "tags:t1"]).await.ok());
    let mut ids: Vec<_> = found.iter().map(|one| one["id"].as_str().unwrap().parse::<u32>().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..350).filter(|n| n % 2 == 1).collect::<Vec<_>>());
}
