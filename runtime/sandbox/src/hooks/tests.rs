//! What is in a file of hooks, and every way in which it is not.

use super::*;

/// The entries of a file, and what is wrong with it.
fn parsed(text: &str) -> (Vec<Entry>, Vec<String>) {
    let (entries, problems) = parse(text).unwrap();
    (entries, problems.into_iter().map(|(_, reason)| reason).collect())
}

/// The one entry of a file.
fn only(text: &str) -> Entry {
    let (mut entries, problems) = parsed(text);
    assert_eq!((entries.len(), problems.as_slice()), (1, &[][..]), "{text}");
    entries.remove(0)
}

/// Why the one entry of a file is none, in the words of a report.
fn wrong(text: &str) -> String {
    only(text).manifest().unwrap_err().to_string()
}

fn secret_of(entry: &Entry) -> String {
    entry.manifest().unwrap().secrets["secret"].resolve("secret", Path::new(""), &|_| None).unwrap()
}

#[test]
fn an_entry_is_a_manifest_that_reaches_its_url_and_nothing_else() {
    let text = r#"[{"name": "orders", "url": "http://10.0.0.5:8080/pushed?x=1", "secret": "s3cret"}]"#;
    let entry = only(text);
    let manifest = entry.manifest().unwrap();
    assert_eq!(manifest.name.as_ref().map(SenderName::as_str), Some("orders"));
    assert_eq!(manifest.http.allow.iter().map(ToString::to_string).collect::<Vec<_>>(), ["http://10.0.0.5:8080"]);
    assert!(manifest.http.private);
    assert!(!manifest.pushers.read && !manifest.pushers.push && !manifest.pushers.fan_out);
    assert_eq!(manifest.config["url"], ConfigValue::Text("http://10.0.0.5:8080/pushed?x=1".into()));
    assert_eq!(secret_of(&entry), "s3cret");
    assert_eq!(entry.warnings().count(), 0);
    for shown in [format!("{entry:?}"), format!("{:?}", manifest.secrets)] {
        assert!(!shown.contains("s3cret") && !shown.contains("x=1"), "{shown}");
    }
}

#[test]
fn an_origin_is_that_of_the_url_in_any_form() {
    let allowed = |url: &str| {
        let entry = only(&format!(r#"[{{"name": "a", "url": "{url}", "secret": "s"}}]"#));
        entry.manifest().unwrap().http.allow[0].to_string()
    };
    assert_eq!(allowed("https://EXAMPLE.com/a/b#c"), "https://example.com");
    assert_eq!(allowed("https://example.com:443"), "https://example.com");
    assert_eq!(allowed("http://localhost"), "http://localhost");
    assert_eq!(allowed("http://[::1]:81/x"), "http://[::1]:81");
}

#[test]
fn what_the_go_program_took_is_taken() {
    let any_case = only(r#"[{"Name": "a", "URL": "http://localhost/", "sEcret": "s"}]"#);
    assert_eq!((any_case.warnings().count(), secret_of(&any_case).as_str()), (0, "s"));
    let unknown = only(r#"[{"name": "a", "url": "http://localhost/", "secret": "s", "retry": 3}]"#);
    let warnings: Vec<_> = unknown.warnings().collect();
    assert_eq!(warnings, ["the key \"retry\" means nothing; there are name, url and secret"]);
    for none in ["", r#", "secret": """#, r#", "secret": null"#] {
        let entry = only(&format!(r#"[{{"name": "a", "url": "http://localhost/"{none}}}]"#));
        // To HMAC, a key of zeros is an empty one.
        assert_eq!(secret_of(&entry), "\0");
        assert!(entry.warnings().any(|warning| warning.starts_with("it has no secret")));
    }
    assert_eq!(parsed("[]"), (vec![], vec![]));
}

#[test]
fn a_file_that_is_no_list_is_refused_as_a_whole() {
    assert_eq!(parse("[{").unwrap_err(), "it is not JSON: EOF while parsing an object at line 1 column 2");
    assert!(parse("[] []").unwrap_err().starts_with("it is not JSON: trailing characters at line 1"));
    for text in ["{}", "null", "\"hooks\"", r#"{"name": "a", "url": "http://localhost/", "secret": "s3cret"}"#] {
        let reason = parse(text).unwrap_err();
        assert!(reason.starts_with("it is not a list; write [{"), "{reason}");
    }
}

#[test]
fn an_entry_without_a_name_of_its_own_is_refused_by_its_number() {
    let good = r#"{"name": "a", "url": "http://localhost/", "secret": "s"}"#;
    let refused = |entry: &str, reason: &str| {
        let (entries, problems) = parsed(&format!("[{good}, {entry}]"));
        assert_eq!(entries.len(), 1, "the other one is there");
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        assert!(problem.starts_with(&format!("entry 2: {reason}")), "{problem}");
    };
    refused("{}", "it has no name; give it the sender's");
    refused("null", "it is not {\"name\":");
    refused("[]", "it is not {\"name\":");
    refused(r#"{"name": ""}"#, "it has no name");
    refused(r#"{"name": 7}"#, "its name is not a text; put it into quotation marks");
    refused(r#"{"name": "dead:a"}"#, "\"dead:a\" is no name for a sender: ");
    refused(&format!(r#"{{"name": "{}"}}"#, "x".repeat(181)), "\"xxx");
    refused(good, "the name \"a\" is that of entry 1, too; give one of them another name");
}

#[test]
fn an_entry_that_cannot_be_called_is_refused_by_its_name_and_tells_no_secret() {
    let of = |rest: &str| wrong(&format!(r#"[{{"name": "a"{rest}}}]"#));
    for none in ["", r#", "url": """#, r#", "url": null"#] {
        assert!(of(none).starts_with("entry 1: it has no url; write where to send"), "{none}");
    }
    assert_eq!(of(r#", "url": 1"#), "entry 1: its url is not a text; put it into quotation marks");
    assert!(of(r#", "url": "http://localhost/", "secret": 12345"#).starts_with("entry 1: its secret is not a text"));
    let cannot = |url: &str, why: &str| {
        let told = of(&format!(r#", "url": "{url}", "secret": "s3cret""#));
        assert!(told.starts_with(&format!("entry 1: its url cannot be called: {why}")), "{told}");
        assert!(!told.contains("pa55") && !told.contains("s3cret"), "{told}");
    };
    // The Go program's own example.
    cannot("url1", "relative URL without a base");
    cannot("http://", "empty host");
    cannot("ftp://example.com/pa55", "its scheme is neither http nor https");
    cannot("https://user:pa55@example.com/", "a user or password is not part of one");
    cannot("https://*.example.com/", "there is a * in its host");
}

#[test]
fn no_two_names_have_one_label() {
    let file = HooksFile::new(Path::new("/etc/hooks.json"));
    assert_eq!(file.label("orders"), Path::new("/etc/hooks.json#orders"));
    assert_eq!(file.label("a//b"), Path::new("/etc/hooks.json#a%2F%2Fb"));
    assert_ne!(file.label("a/b"), file.label("a//b"));
    assert_ne!(file.label("a/b"), file.label("a%2Fb"));
}

#[test]
fn a_file_is_read_once_for_each_change_and_what_was_understood_last_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hooks.json");
    let mut file = HooksFile::new(&path);
    let refused = file.update();
    assert!(refused[0].reason.starts_with("the file of hooks cannot be read: "), "{refused:?}");
    assert_eq!(file.update(), [], "said once");
    fs::write(&path, r#"[{"name": "a", "url": "http://localhost/", "secret": "s"}, {}]"#).unwrap();
    let refused = file.update();
    assert_eq!((refused.len(), &refused[0].path), (1, &dir.path().join("hooks.json#2")));
    assert_eq!((file.candidates(dir.path()).count(), file.update()), (1, vec![]));
    fs::write(&path, "[").unwrap();
    let refused = file.update();
    assert_eq!(refused[0].path, path);
    assert!(refused[0].reason.ends_with("; the hooks from before go on"), "{refused:?}");
    assert_eq!((file.candidates(dir.path()).count(), file.update()), (1, vec![]));
    fs::write(&path, " ".repeat((1 << 20) + 1)).unwrap();
    assert!(file.update()[0].reason.contains("it is larger than 1MiB"));
}
