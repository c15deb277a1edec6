//! Bad input is refused with a 4xx and a reason, and changes nothing.

use axum::body::Body;
use axum::http::Request;
use pusher_core::{MAX_CONTACT_BYTES, MAX_ID_BYTES, MAX_SENDER_BYTES, MAX_SENDERS, MAX_TAG_BYTES, MAX_TAGS};

use crate::bench::{Answer, Bench, FORM};

const JSON: &str = "application/json";
const MULTIPART: &str = "multipart/form-data; boundary=b";

async fn refused(bench: &Bench, status: u16, request: Request<Body>) -> Answer {
    let what = format!("{} {}", request.method(), request.uri());
    let before = bench.state();
    let answer = bench.send(request).await;
    assert_eq!(answer.status, status, "{what}: {answer:?}");
    assert_eq!(bench.state(), before, "{what} changed something");
    answer
}

/// POSTs `body` and expects `{"err": …}` with `status`; the sentence.
async fn refused_post(bench: &Bench, status: u16, target: &str, body: impl Into<Body>) -> String {
    let request = Request::post(target).header("content-type", FORM).body(body.into()).unwrap();
    let answer = refused(bench, status, request).await;
    answer.sentence().unwrap_or_else(|| panic!("{target}: no sentence in {answer:?}"))
}

/// POSTs to push and expects the binding errors `body` with `status`.
async fn does_not_bind(bench: &Bench, status: u16, content_type: &str, body: &[u8], errors: &str) {
    let mut request = Request::post("/pusher/sample/push");
    if !content_type.is_empty() {
        request = request.header("content-type", content_type);
    }
    let answer = refused(bench, status, request.body(Body::from(body.to_vec())).unwrap()).await;
    assert_eq!((answer.body.as_str(), answer.content_type()), (errors, "application/json; charset=utf-8"));
}

#[tokio::test]
async fn words_that_are_too_long_or_reserved_are_refused_wherever_they_stand() {
    let bench = Bench::new().with_lupino().await;
    let (id, sender, tag) =
        ("i".repeat(MAX_ID_BYTES + 1), "s".repeat(MAX_SENDER_BYTES + 1), "t".repeat(MAX_TAG_BYTES + 1));
    for (target, body) in [
        ("/pusher/pushers/".to_owned(), format!("pusher={id}")),
        (format!("/pusher/pushers/{id}/"), "email=x".to_owned()),
        (format!("/pusher/pushers/{id}/tag/"), String::new()),
        (format!("/pusher/pushers/lupino/{tag}/"), String::new()),
        (format!("/pusher/{sender}/add"), "pusher=lupino".to_owned()),
        ("/pusher/dead:sample/add".to_owned(), "pusher=lupino".to_owned()),
        ("/pusher/dead%3Asample/push".to_owned(), "pusher=lupino&data=x&force=1".to_owned()),
        ("/pusher/sample/add".to_owned(), format!("pusher={id}")),
        ("/pusher/sample/push".to_owned(), format!("pusher={id}&data=x")),
        (format!("/pusher/{sender}/pushall"), "data=x".to_owned()),
        ("/pusher/sample/pushall".to_owned(), format!("data=x&tag={tag}")),
        ("/pusher/sample/cancelpush".to_owned(), format!("name={}", "n".repeat(256))),
    ] {
        let sentence = refused_post(&bench, 400, &target, body).await;
        assert!(sentence.contains("the limit is") || sentence.contains("reserved"), "{target}: {sentence}");
    }
    let get = Request::get(format!("/pusher/pushers/{id}/")).body(Body::empty()).unwrap();
    refused(&bench, 400, get).await;
}

#[tokio::test]
async fn numbers_that_are_none_are_refused() {
    let bench = Bench::new().with_lupino().await;
    for (target, body, name) in [
        ("/pusher/pushers/", "pusher=x&createdAt=1.5", "createdAt"),
        ("/pusher/pushers/lupino/", "email=x&createdAt=now", "createdAt"),
        ("/pusher/sample/push", "pusher=lupino&data=x&schedat=1e9", "schedat"),
        ("/pusher/sample/pushall", "data=x&schedat=tomorrow", "schedat"),
    ] {
        assert_eq!(refused_post(&bench, 400, target, body).await, format!("{name} is not a whole number"), "{target}");
    }
    const RANGE: &str = "a whole number from -9223372036854775808 to 9223372036854775807";
    for (target, body, name) in [
        ("/pusher/pushers/", "pusher=x&createdAt=9223372036854775808", "createdAt"),
        ("/pusher/pushers/lupino/", "createdAt=-9223372036854775809", "createdAt"),
        ("/pusher/sample/push", "pusher=lupino&data=x&schedat=99999999999999999999", "schedat"),
    ] {
        let sentence = format!("{name} is out of range: it is {RANGE}");
        assert_eq!(refused_post(&bench, 400, target, body).await, sentence, "{target}");
    }
    for (query, sentence) in [
        ("from=-1", "from is negative"),
        ("size=-1", "size is negative"),
        ("from=x", "from is not a whole number"),
        ("size=2.5", "size is not a whole number"),
        ("after=&from=1", "give from or after, not both"),
        ("after=&size=0", "with after, size must be at least 1: a list of nothing never ends"),
        ("after=lupino", "this is no cursor; give back what the list gave as \"next\", or begin with an empty one"),
    ] {
        let answer = bench.get(&format!("/pusher/pushers/?{query}")).await;
        assert_eq!((answer.status, answer.sentence().as_deref()), (400, Some(sentence)), "{query}");
    }
}

#[tokio::test]
async fn an_empty_number_is_as_good_as_none() {
    let bench = Bench::new().with_lupino().await;
    assert_eq!(bench.post("/pusher/pushers/", FORM, "pusher=x&createdAt=").await.status, 200);
    assert_eq!(bench.post("/pusher/sample/push", FORM, "pusher=lupino&data=x&schedat=").await.status, 200);
    assert_eq!(bench.state().1[0].sched_at, 0);
    assert_eq!(bench.get("/pusher/pushers/?from=&size=").await.status, 200);
}

#[tokio::test]
async fn what_is_required_is_asked_for() {
    let bench = Bench::new().with_lupino().await;
    for (target, body, status, sentence) in [
        ("/pusher/pushers/", "email=x", 406, "pusher is required."),
        ("/pusher/sample/cancelpush", "", 406, "name is required."),
        ("/pusher/sample/add", "", 404, "pusher  not exists."),
        ("/pusher/sample/delete", "pusher=", 404, "pusher  not exists."),
    ] {
        assert_eq!(refused_post(&bench, status, target, body).await, sentence, "{target}");
    }
}

#[tokio::test]
async fn forms_with_broken_bytes_are_refused() {
    let bench = Bench::new().with_lupino().await;
    for body in ["pusher=x&email=%FF", "pusher=%FF", "pusher=x&email=%zz", "pusher=x&a;b&email=%4", "pusher=x&%C3=1"] {
        refused_post(&bench, 400, "/pusher/pushers/", body).await;
    }
    refused_post(&bench, 400, "/pusher/pushers/", b"pusher=x&email=\xff".to_vec()).await;
    refused_post(&bench, 400, "/pusher/pushers/?email=%FF", "pusher=x").await;
    refused_post(&bench, 400, "/pusher/pushers/lupino/", "email=%FF").await;
    refused_post(&bench, 400, "/pusher/new/add", "pusher=lupino&x=%FF").await;
    refused_post(&bench, 400, "/pusher/sample/cancelpush", "name=x&x=%zz").await;
}

#[tokio::test]
async fn a_push_that_does_not_bind_is_refused_in_the_librarys_words() {
    let bench = Bench::new().with_lupino().await;
    let deserialization =
        |message: &str| format!(r#"[{{"classification":"DeserializationError","message":"{message}"}}]"#);
    for (content_type, body, message) in [
        (FORM, &b"pusher=lupino;data=x"[..], "invalid semicolon separator in query"),
        (FORM, b"pusher=lupino&data=%zz", r#"invalid URL escape \"%zz\""#),
        (FORM, b"pusher=lupino&data=%FF", "the form is not UTF-8"),
        (JSON, b"{\"pusher\":\"lupino\",", "unexpected EOF"),
        (JSON, b"pusher=lupino", "invalid character 'p' looking for beginning of value"),
        (JSON, b"[]", "json: cannot unmarshal array into Go value of type pusher.pushForm"),
        (MULTIPART, b"no part at all", "multipart: NextPart: EOF"),
        (MULTIPART, b"--b\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\nx", "multipart: NextPart: EOF"),
        ("multipart/form-data", b"--b--", "no multipart boundary param in Content-Type"),
        (
            MULTIPART,
            b"--b\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\n\xff\r\n--b--\r\n",
            "the form is not UTF-8",
        ),
    ] {
        does_not_bind(&bench, 400, content_type, body, &deserialization(message)).await;
    }
    does_not_bind(
        &bench,
        400,
        JSON,
        b"{\"pusher\":\"\xff\",\"data\":\"x\"}",
        &deserialization("invalid unicode code point at line 1 column 12"),
    )
    .await;
}

#[tokio::test]
async fn a_push_in_an_unknown_form_or_with_fields_missing_is_refused() {
    const REQUIRED: &str = concat!(
        r#"{"fieldNames":["pusher"],"classification":"RequiredError","message":"Required"},"#,
        r#"{"fieldNames":["data"],"classification":"RequiredError","message":"Required"}]"#
    );
    let bench = Bench::new().with_lupino().await;
    let unsupported = r#"[{"classification":"ContentTypeError","message":"Unsupported Content-Type"}]"#;
    does_not_bind(&bench, 415, "text/plain", b"pusher=lupino&data=x", unsupported).await;
    let empty = format!(r#"[{{"classification":"ContentTypeError","message":"Empty Content-Type"}},{REQUIRED}"#);
    does_not_bind(&bench, 415, "", b"pusher=lupino&data=x", &empty).await;
    for (content_type, body) in [(JSON, &b""[..]), (JSON, b"null"), (FORM, b""), (MULTIPART, b"--b--\r\n")] {
        does_not_bind(&bench, 400, content_type, body, &format!("[{REQUIRED}")).await;
    }
    let wrong = concat!(
        r#"[{"fieldNames":["force"],"classification":"TypeError","#,
        r#""message":"strconv.ParseBool: parsing \"yes\": invalid syntax"},"#,
        r#"{"fieldNames":["data"],"classification":"RequiredError","message":"Required"}]"#
    );
    does_not_bind(&bench, 400, FORM, b"pusher=lupino&force=yes", wrong).await;
}

#[tokio::test]
async fn a_query_alone_is_enough_to_push() {
    let bench = Bench::new().with_lupino().await;
    let answer = bench.post("/pusher/sample/push?pusher=lupino&data=x", "", "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn a_multipart_file_is_no_field() {
    let bench = Bench::new().with_lupino().await;
    let part = |disposition: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{value}\r\n")
    };
    let body = [
        part(r#"name="pusher""#, "lupino"),
        part(r#"name="data"; filename="f""#, "from the file"),
        part(r#"name="data""#, "from the field"),
        "--b--\r\n".to_owned(),
    ];
    assert_eq!(bench.post("/pusher/sample/push", MULTIPART, body.concat()).await.status, 200);
    assert_eq!(bench.state().1[0].workload, "from the field");
}

#[tokio::test]
async fn a_contact_field_has_a_limit_so_that_a_page_of_recipients_has_one() {
    let bench = Bench::new().with_lupino().await;
    let (longest, too_long) = ("x".repeat(MAX_CONTACT_BYTES), "x".repeat(MAX_CONTACT_BYTES + 1));
    for name in ["email", "nickname", "phoneNumber"] {
        let sentence = format!("{name} is 16385 bytes long; the limit is 16384");
        for (target, rest) in [("/pusher/pushers/", "&pusher=new"), ("/pusher/pushers/lupino/", "")] {
            let body = format!("{name}={too_long}{rest}");
            assert_eq!(refused_post(&bench, 400, target, body).await, sentence, "{target}");
        }
        let before = bench.state();
        let line = |text: &str| format!(r#"{{"id":"lupino","{name}":"{text}"}}"#);
        let answer = bench.post("/pusher/pushers/_bulk", "", line(&too_long)).await;
        assert!(answer.body.contains(&format!("the line is no pusher: {sentence}")), "{answer:?}");
        assert_eq!(bench.state(), before, "{name}");
        let answer = bench.post("/pusher/pushers/_bulk", "", line(&longest)).await;
        assert!(answer.body.starts_with(r#"{"created":0,"changed":1"#), "{name}: {}", &answer.body[..80]);
        let answer = bench.post("/pusher/pushers/", FORM, format!("pusher={name}&{name}={longest}")).await;
        assert_eq!(answer.status, 200, "{name}");
    }
}

#[tokio::test]
async fn more_senders_or_tags_than_a_recipient_may_have_are_refused() {
    let bench = Bench::new().with_lupino().await;
    // It has one sender already.
    for n in 1..MAX_SENDERS {
        assert_eq!(bench.post(&format!("/pusher/s{n}/add"), FORM, "pusher=lupino").await.status, 200);
    }
    let sentence = refused_post(&bench, 400, "/pusher/one-more/add", "pusher=lupino").await;
    assert_eq!(sentence, "pusher lupino would have more than 64 senders, which is the limit; take one off first");
    for n in 0..MAX_TAGS {
        assert_eq!(bench.post(&format!("/pusher/pushers/lupino/t{n}/"), "", "").await.status, 200);
    }
    let sentence = refused_post(&bench, 400, "/pusher/pushers/lupino/one-more/", "").await;
    assert_eq!(sentence, "pusher lupino would have more than 256 tags, which is the limit; take one off first");
}
