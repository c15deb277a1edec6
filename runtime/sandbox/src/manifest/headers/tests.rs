//! What can be written in `[http.headers]`, and what is said about the rest.

use crate::manifest::Manifest;

/// Parses a manifest with these lines from line 5 on, and what is wrong with it.
fn wrong(lines: &str) -> String {
    let text = format!(
        "[secrets]\nkey = {{ env = \"KEY\" }}\n[http]\n\
         allow = [\"https://a.example\", \"https://*.b.example\"]\n{lines}"
    );
    Manifest::parse(&text).map(|_| ()).unwrap_err().to_string()
}

fn wrong_header(line: &str) -> String {
    wrong(&format!("[http.headers.\"https://a.example\"]\nx-good = \"1\"\n{line}"))
}

#[test]
fn headers_are_read_in_every_form_and_use_up_their_secrets() {
    let text = "[http]\nallow = [\"https://*.a.example\"]\n\
                [http.headers.\"https://*.a.example\"]\nX-Version = \"2\"\n\
                [http.headers.\"https://api.a.example\"]\nauthorization = { secret = \"key\", prefix = \"Bearer \" }\n\
                x-login = { basic = \"me\", secret = \"password\" }\n\
                [secrets]\nkey = { env = \"KEY\" }\nother = { env = \"OTHER\" }\npassword = { file = \"p\" }";
    let manifest = Manifest::parse(text).unwrap();
    let named: Vec<_> =
        manifest.http.headers.iter().map(|(origin, header)| format!("{origin} {}", header.name)).collect();
    assert_eq!(
        named,
        ["https://*.a.example x-version", "https://api.a.example authorization", "https://api.a.example x-login"]
    );
    assert_eq!(manifest.told_secrets().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["other"]);
}

#[test]
fn an_origin_that_is_not_allowed_or_stands_there_twice_is_an_error_with_its_line() {
    let headers = |origin: &str| format!("\n[http.headers.\"{origin}\"]\nx = \"1\"\n");
    assert_eq!(
        wrong(&headers("https://c.example")),
        "line 6: headers for \"https://c.example\", which [http] allow does not have; put it in there, or take them out"
    );
    for origin in ["http://a.example", "https://a.example:444", "https://*.a.example", "https://b.example"] {
        assert!(wrong(&headers(origin)).starts_with("line 6: headers for "), "{origin}");
    }
    assert!(wrong(&headers("a.example")).starts_with("line 6: \"a.example\" is not an origin"));
    let twice = headers("https://a.example") + &headers("https://a.example:443");
    assert_eq!(wrong(&twice), "line 9: [http.headers] has \"https://a.example\" twice; make one table of them");
    assert!(wrong("headers = \"x\"").starts_with("line 5: "));
}

#[test]
fn a_name_that_is_none_or_the_hosts_or_there_twice_is_an_error_with_its_line() {
    assert!(wrong_header("\"a b\" = \"1\"").starts_with("line 7: \"a b\" is not the name of a header"));
    assert!(wrong_header("\"a\\nb\" = \"1\"").starts_with("line 7: "));
    for name in ["Host", "content-length", "TRANSFER-ENCODING", "proxy-authorization"] {
        assert_eq!(
            wrong_header(&format!("{name} = \"1\"")),
            format!(
                "line 7: the header {} concerns the connection, and cannot be set; take it out",
                name.to_lowercase()
            )
        );
    }
    assert_eq!(
        wrong_header("X-Good = \"2\""),
        "line 7: the header x-good stands there twice, since case does not count; take one out"
    );
}

#[test]
fn a_value_that_is_none_or_names_a_secret_that_is_none_is_an_error_with_its_line() {
    assert_eq!(
        wrong_header("x = { secret = \"kex\" }"),
        "line 7: the header x wants \"kex\", which [secrets] does not have; put it in there: kex = { env = \"NAME\" }"
    );
    for value in [
        "\"a\\r\\nb: c\"",
        "\"a\\u0000\"",
        "{ secret = \"key\", prefix = \"a\\n\" }",
        "{ prefix = \"Bearer \" }",
        "{ basic = \"me\" }",
        "{ basic = \"me\", secret = \"key\", prefix = \"x\" }",
        "{ basic = \"a:b\", secret = \"key\" }",
        "{ secret = \"key\", env = \"KEY\" }",
        "{ env = \"KEY\" }",
        "{}",
        "1",
        "[\"1\"]",
    ] {
        assert!(wrong_header(&format!("x = {value}")).starts_with("line 7: "), "{value}");
    }
}
