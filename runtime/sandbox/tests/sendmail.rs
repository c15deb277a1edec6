//! The shipped `sendmail` against a server that stands in for SendGrid.

mod common;

use common::{Directory, Loaded, Server, message, send};
use pusher_core::{Failure, Outcome, SendError};

async fn sendmail(origin: &str) -> Loaded {
    let manifest = format!(
        "[http]\nallow = [\"{origin}\"]\nprivate = true\n[pushers]\nread = true\n[config]\nbase = \"{origin}\"\n\
         from = \"us@example.com\"\nfrom_name = \"Us\"\n[secrets]\napi_key = {{ env = \"SENDGRID_KEY\" }}\n\
         [limits]\ntime = \"2s\"\n"
    );
    let dir = Directory::new().component("sendmail").file("sendmail.toml", manifest).env("SENDGRID_KEY", "SG.key");
    dir.recipient("ada", "ada@example.com").recipient("nomail", "").load().await
}

const MAIL: &str = r#"{"subject": "Hi", "text": "<b>{{.NickName}}</b>", "createdAt": 1}"#;

/// What sendmail makes of each of these answers.
async fn failures<const N: usize>(answers: [&str; N]) -> [Failure; N] {
    let server = Server::start("").await;
    let sender = sendmail(&server.origin).await.sender("sendmail");
    let mut failures = Vec::new();
    for answer in answers {
        server.answer(answer);
        match send(&*sender, MAIL).await {
            Err(SendError::Failure(failure)) => failures.push(failure),
            other => panic!("{answer}: {other:?}"),
        }
    }
    failures.try_into().expect("one failure for each answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_goes_out_as_the_provider_wants_it() {
    let server = Server::start("202 Accepted\r\n\r\n").await;
    let loaded = sendmail(&server.origin).await;
    assert_eq!(send(&*loaded.sender("sendmail"), MAIL).await, Ok(Outcome::Done));
    let asked = server.only_request();
    assert!(asked.head.starts_with("post /v3/mail/send http/1.1\r\n"), "{}", asked.head);
    assert!(asked.head.contains("\r\nauthorization: bearer sg.key\r\n"));
    assert!(asked.head.contains("\r\ncontent-type: application/json\r\n"));
    let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "personalizations": [{ "to": [{ "email": "ada@example.com", "name": "Ada" }] }],
            "from": { "email": "us@example.com", "name": "Us" },
            "subject": "Hi",
            "content": [{ "type": "text/html", "value": "<b>Ada</b>" }],
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_refuses_is_permanent_with_its_reason() {
    let bad_request = "400 Bad Request\r\n\r\n{\"errors\":[{\"message\":\"The from address is wrong\"}]}";
    assert_eq!(
        failures([bad_request, "401 Unauthorized\r\n\r\nno"]).await,
        [
            Failure::Permanent("the server answered 400: The from address is wrong".into()),
            Failure::Permanent("the server answered 401: no".into()),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_is_temporary() {
    let temporary = Failure::Temporary("the server answered 500: sorry".into());
    assert_eq!(failures(["500 Oops\r\n\r\nsorry"]).await, [temporary]);

    // Nobody listens here, and there somebody listens who never answers.
    let closed = "http://127.0.0.1:1".to_owned();
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    for origin in [closed, format!("http://{}", silent.local_addr().unwrap())] {
        let loaded = sendmail(&origin).await;
        let result = send(&*loaded.sender("sendmail"), MAIL).await;
        assert!(matches!(result, Err(SendError::Failure(Failure::Temporary(_)))), "{result:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_is_passed_on() {
    let by_date =
        "429 Slow down\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\nretry-after: Sun, 06 Nov 1994 08:50:37 GMT\r\n\r\n";
    assert_eq!(
        failures(["429 Slow down\r\nretry-after: 17\r\n\r\n", by_date, "429 Slow down\r\n\r\n"]).await,
        [Failure::Limited(Some(17)), Failure::Limited(Some(60)), Failure::Limited(None)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_can_never_be_sent_is_permanent_and_nothing_goes_out() {
    let server = Server::start("202 Accepted\r\n\r\n").await;
    let sender = sendmail(&server.origin).await.sender("sendmail");
    for (pusher, data) in [("ada", "not json"), ("ada", "{\"subject\": \"s\"}"), ("gone", MAIL), ("nomail", MAIL)] {
        let result = sender.send(message(sender.name(), pusher, data)).await;
        assert!(matches!(result, Err(SendError::Failure(Failure::Permanent(_)))), "{pusher} {data}: {result:?}");
    }
    let result = sender.send(message(sender.name(), "unavailable", MAIL)).await;
    assert!(matches!(result, Err(SendError::Failure(Failure::Temporary(_)))), "{result:?}");
    assert!(server.asked.lock().unwrap().is_empty());
}
