//! The other senders we ship, each with its shipped manifest, against a server that stands in for its provider: the
//! request is the one that the provider documents, and each of its answers means what it should.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

mod common;

use std::sync::Arc;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use common::{Asked, Directory, Loaded, Server, message, send};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use pusher_core::{Failure, Message, Outcome, Pusher, PusherId, SendError, Sender, Tag};
use serde_json::{Value, json};
use sha2::Sha256;

/// The sender `name` as it is shipped, but that `changes` are made to its manifest, and its provider is `server`.
async fn shipped(name: &str, server: &Server, changes: &[(&str, &str)], env: &[(&str, &str)]) -> Loaded {
    let path = format!("{}/../../senders-wasm/{name}/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let mut manifest = std::fs::read_to_string(path).unwrap();
    let allow = manifest.lines().find(|line| line.starts_with("allow = ")).unwrap().to_owned();
    let here = format!("allow = [\"{}\"]\nprivate = true", server.origin);
    for (from, to) in [(allow.as_str(), here.as_str())].iter().chain(changes) {
        assert!(manifest.contains(from), "{name}.toml has no {from}");
        manifest = manifest.replace(from, to);
    }
    let dir = env.iter().fold(Directory::new(), |dir, (name, value)| dir.env(name, value));
    let ada = |id: &str, phone: &str| {
        let mut pusher = Pusher::new(PusherId::parse(id).unwrap());
        (pusher.email, pusher.nickname, pusher.phone_number) = ("ada@example.com".into(), "Ada".into(), phone.into());
        pusher
    };
    let mut phones = ada("phones", "");
    phones.tags = ["vip", "fcm:one:APA91b", "fcm:two:APA91b"].map(|tag| Tag::parse(tag).unwrap()).into();
    let dir = dir.pusher(ada("ada", "123456")).pusher(ada("nophone", "")).pusher(phones);
    let loaded = dir.component(name).file(&format!("{name}.toml"), manifest).load().await;
    assert_eq!((loaded.report.refused.as_slice(), loaded.names()), (&[][..], vec![name]));
    loaded
}

/// What the sender makes of `data` when the server gives `answer`.
async fn told(server: &Server, sender: &Arc<dyn Sender>, data: &str, answer: &str) -> Result<Outcome, SendError> {
    server.answer(answer);
    send(&**sender, data).await
}

fn permanent(reason: &str) -> Result<Outcome, SendError> {
    Err(SendError::Failure(Failure::Permanent(reason.into())))
}

fn limited(seconds: u32) -> Result<Outcome, SendError> {
    Err(SendError::Failure(Failure::Limited(Some(seconds))))
}

/// The one request there was, which must begin so, and its body as JSON.
fn request(server: &Server, begins: &str) -> (Asked, Value) {
    let asked = server.only_request();
    assert!(asked.sent.starts_with(begins), "{}", asked.sent);
    let body = serde_json::from_str(&asked.body).unwrap_or(Value::Null);
    (asked, body)
}

/// The value of a form's field.
fn field(body: &str, name: &str) -> Option<String> {
    url::form_urlencoded::parse(body.as_bytes()).find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

fn header<'a>(asked: &'a Asked, name: &str) -> &'a str {
    let found = asked.sent.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    });
    found.unwrap_or_else(|| panic!("no {name}: {}", asked.sent))
}

#[tokio::test(flavor = "multi_thread")]
async fn pushall_asks_for_page_after_page_under_the_name_of_its_job() {
    let path = format!("{}/../../senders-wasm/pushall/pushall.toml", env!("CARGO_MANIFEST_DIR"));
    let manifest = std::fs::read_to_string(path).unwrap();
    let loaded = Directory::new().component("pushall").file("pushall.toml", manifest).load().await;
    assert!(loaded.report.refused.is_empty() && loaded.report.senders[0].warnings.is_empty(), "{:?}", loaded.report);
    let pushall = loaded.sender("pushall");
    let job = message(pushall.name(), "sendmail", r#"{"data":"x","tag":"vip"}"#);
    assert_eq!(pushall.send(job.clone()).await, Ok(Outcome::Done));
    let asked = loaded.recipients.fanned_out.lock().unwrap().clone();
    assert_eq!(asked.len(), 3, "the stand-in has three pages");
    assert!(asked.iter().all(|page| *page == asked[0]));
    assert_eq!((asked[0].id.clone(), asked[0].sender.as_str(), asked[0].limit), (job.id, "sendmail", 10_000));
    assert_eq!((asked[0].data.as_str(), asked[0].tag.as_str()), ("x", "vip"));
    assert!(matches!(send(&*pushall, "no JSON").await, Err(SendError::Failure(Failure::Permanent(_)))));
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_speaks_to_slack() {
    let server = Server::start("200 OK\r\n\r\nok").await;
    let url = format!("{}/services/T0/B0/x", server.origin);
    let chat = shipped("chat", &server, &[], &[("CHAT_URL", &url)]).await.sender("chat");
    assert_eq!(send(&*chat, "hi \"x\"").await, Ok(Outcome::Done));
    let (asked, body) = request(&server, "POST /services/T0/B0/x HTTP/1.1\r\n");
    assert_eq!((body, header(&asked, "content-type")), (json!({ "text": "hi \"x\"" }), "application/json"));
    let gone = told(&server, &chat, "hi", "404 Not Found\r\n\r\nchannel_not_found").await;
    assert_eq!(gone, permanent("the server answered 404: channel_not_found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_speaks_to_discord_and_pings_nobody() {
    let server = Server::start("204 No Content\r\n\r\n").await;
    let url = format!("{}/api/webhooks/1/x", server.origin);
    let style = [("style = \"slack\"", "style = \"discord\"")];
    let chat = shipped("chat", &server, &style, &[("CHAT_URL", &url)]).await.sender("chat");
    assert_eq!(send(&*chat, r#"{"text": "@everyone"}"#).await, Ok(Outcome::Done));
    let (_, body) = request(&server, "POST /api/webhooks/1/x HTTP/1.1\r\n");
    assert_eq!(body, json!({ "content": "@everyone", "allowed_mentions": { "parse": [] } }));
    assert_eq!(told(&server, &chat, "hi", "429 Slow down\r\n\r\n{\"retry_after\":64.57}").await, limited(65));
    let long = send(&*chat, &"x".repeat(2001)).await;
    assert_eq!(long, permanent("the text has 2001 characters; Discord takes 2000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_speaks_to_teams() {
    let server = Server::start("202 Accepted\r\n\r\n").await;
    let url = format!("{}/workflows/1/triggers/manual/paths/invoke?sig=x", server.origin);
    let style = [("style = \"slack\"", "style = \"teams\"")];
    let chat = shipped("chat", &server, &style, &[("CHAT_URL", &url)]).await.sender("chat");
    assert_eq!(send(&*chat, "hi").await, Ok(Outcome::Done));
    let (_, body) = request(&server, "POST /workflows/1/triggers/manual/paths/invoke?sig=x HTTP/1.1\r\n");
    let card = &body["attachments"][0];
    assert_eq!(
        (&body["type"], &card["contentType"]),
        (&json!("message"), &json!("application/vnd.microsoft.card.adaptive"))
    );
    assert_eq!(card["content"]["body"], json!([{ "type": "TextBlock", "text": "hi", "wrap": true }]));
    let refused = told(&server, &chat, "hi", "400 Bad Request\r\n\r\n{\"error\":{\"message\":\"no such flow\"}}").await;
    assert_eq!(refused, permanent("the server answered 400: no such flow"));
}

#[tokio::test(flavor = "multi_thread")]
async fn telegram_sends_to_the_chat_that_is_named() {
    let server = Server::start("200 OK\r\n\r\n{\"ok\":true}").await;
    let base = [("[config]", &*format!("[config]\nbase = \"{}\"", server.origin))];
    let telegram = shipped("telegram", &server, &base, &[("TELEGRAM_TOKEN", "1:x")]).await.sender("telegram");
    assert_eq!(send(&*telegram, r#"{"text": "hi", "chat_id": "@news"}"#).await, Ok(Outcome::Done));
    let (_, body) = request(&server, "POST /bot1:x/sendMessage HTTP/1.1\r\n");
    assert_eq!(body, json!({ "chat_id": "@news", "text": "hi" }));
    assert_eq!(send(&*telegram, "hello").await, Ok(Outcome::Done), "to the recipient's own");
    let body: Value = serde_json::from_str(&server.asked.lock().unwrap()[1].body).unwrap();
    assert_eq!(body, json!({ "chat_id": 123_456, "text": "hello" }));

    let slow = "429 Too Many\r\n\r\n{\"ok\":false,\"error_code\":429,\"parameters\":{\"retry_after\":7},\"description\":\"slow\"}";
    assert_eq!(told(&server, &telegram, "hi", slow).await, limited(7));
    let blocked =
        "403 Forbidden\r\n\r\n{\"ok\":false,\"error_code\":403,\"description\":\"Forbidden: bot was blocked\"}";
    let Err(SendError::Failure(Failure::Permanent(reason))) = told(&server, &telegram, "hi", blocked).await else {
        panic!("a bot that is blocked is a permanent failure")
    };
    assert!(reason.contains("bot was blocked") && !reason.contains("1:x"), "{reason}");
    let before = server.asked.lock().unwrap().len();
    for (pusher, data) in [("nophone", "hi".to_owned()), ("ada", "x".repeat(4097))] {
        let result = telegram.send(message(telegram.name(), pusher, &data)).await;
        assert!(matches!(result, Err(SendError::Failure(Failure::Permanent(_)))), "{pusher}: {result:?}");
    }
    assert_eq!(server.asked.lock().unwrap().len(), before, "nothing went out");
}

/// What Google answers who exchanges an assertion.
const GRANTED: &str = "200 OK\r\n\r\n{\"access_token\":\"ya29.x\",\"expires_in\":3599,\"token_type\":\"Bearer\"}";
/// What FCM answers when it takes a message.
const TAKEN: &str = "200 OK\r\n\r\n{\"name\":\"projects/test-project/messages/1\"}";

/// The sender `fcm` with the tests' own service account, which has its access tokens from `google`.
async fn fcm(server: &Server, google: &Server) -> Arc<dyn Sender> {
    let account = include_str!("../../../senders-wasm/fcm/testdata/service-account.json");
    let account = account.replace("https://oauth2.googleapis.com", &google.origin);
    let one = format!("[\"{}\"]", server.origin);
    let two = format!("[\"{}\", \"{}\"]", server.origin, google.origin);
    let base = format!("[config]\nbase = \"{}\"", server.origin);
    let key = ("{ file = \"fcm.json\" }", "{ env = \"FCM_KEY\" }");
    shipped("fcm", server, &[(&*one, &*two), ("[config]", &*base), key], &[("FCM_KEY", &*account)]).await.sender("fcm")
}

/// What FCM answers with this code, which is one of its own.
fn fcm_error(status: &str, code: &str) -> String {
    let error = json!({ "message": "why", "status": "X", "details": [{ "@type": "FcmError", "errorCode": code }] });
    format!("{status}\r\n\r\n{}", json!({ "error": error }))
}

/// Claims of a JWT that the test key's public half verifies.
fn verified(jwt: &str) -> Value {
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let pem = include_str!("../../../senders-wasm/fcm/testdata/public_key.pem");
    let der = STANDARD.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der).verify(signed.as_bytes(), &signature).unwrap();
    let (_header, claims) = signed.split_once('.').unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn fcm_sends_with_the_access_token_that_its_signed_assertion_is_exchanged_for() {
    let (server, google) = (Server::start(TAKEN).await, Server::start(GRANTED).await);
    let fcm = fcm(&server, &google).await;
    let data = r#"{"title": "Hi", "data": {"id": "7"}, "topic": "news"}"#;
    assert_eq!(send(&*fcm, data).await, Ok(Outcome::Done));
    let (asked, _) = request(&google, "POST /token HTTP/1.1\r\n");
    assert_eq!(header(&asked, "content-type"), "application/x-www-form-urlencoded");
    assert_eq!(field(&asked.body, "grant_type").unwrap(), "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let claims = verified(&field(&asked.body, "assertion").unwrap());
    assert_eq!(claims["iss"], "pusher@test-project.iam.gserviceaccount.com");
    assert_eq!(claims["scope"], "https://www.googleapis.com/auth/firebase.messaging");
    assert_eq!(claims["aud"], format!("{}/token", google.origin));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 3600);

    let (asked, body) = request(&server, "POST /v1/projects/test-project/messages:send HTTP/1.1\r\n");
    assert_eq!(header(&asked, "authorization"), "Bearer ya29.x");
    let message = json!({ "notification": { "title": "Hi" }, "data": { "id": "7" }, "topic": "news" });
    assert_eq!(body, json!({ "message": message }));

    google.answer("400 Bad Request\r\n\r\n{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT\"}");
    let Err(SendError::Failure(Failure::Temporary(reason))) = send(&*fcm, data).await else {
        panic!("credentials are the operator's to mend")
    };
    assert!(reason.contains("invalid_grant: Invalid JWT"), "{reason}");
    server.only_request();
}

#[tokio::test(flavor = "multi_thread")]
async fn fcm_sends_to_each_device_of_a_recipient_and_passes_over_those_that_are_gone() {
    let (server, google) = (Server::start(TAKEN).await, Server::start(GRANTED).await);
    let fcm = fcm(&server, &google).await;
    let to = |pusher| fcm.send(message(fcm.name(), pusher, r#"{"message": {"notification": {"body": "hi"}}}"#));
    let gone = fcm_error("404 Not Found", "UNREGISTERED");
    server.answer_in_turn(&[&gone, TAKEN]);
    assert_eq!(to("phones").await, Ok(Outcome::Done));
    let bodies: Vec<Value> =
        server.asked.lock().unwrap().iter().map(|asked| serde_json::from_str(&asked.body).unwrap()).collect();
    let expected = ["one:APA91b", "two:APA91b"]
        .map(|token| json!({ "message": { "notification": { "body": "hi" }, "token": token } }));
    assert_eq!(bodies, expected);

    server.answer(&gone);
    let reason = "none of the recipient's 2 devices takes it; the first: FCM answered 404 UNREGISTERED: why";
    assert_eq!(to("phones").await, permanent(reason));
    server.answer_in_turn(&[&gone, &fcm_error("503 Service Unavailable\r\nretry-after: 90", "UNAVAILABLE")]);
    assert_eq!(to("phones").await, limited(90));
    let before = server.asked.lock().unwrap().len();
    let nobody = to("ada").await;
    assert!(matches!(nobody, Err(SendError::Failure(Failure::Permanent(_)))), "{nobody:?}");
    assert_eq!(server.asked.lock().unwrap().len(), before, "nothing went out");
}

#[tokio::test(flavor = "multi_thread")]
async fn fcm_knows_what_each_error_means() {
    let (server, google) = (Server::start(TAKEN).await, Server::start(GRANTED).await);
    let fcm = fcm(&server, &google).await;
    let data = r#"{"body": "hi", "token": "abc:x"}"#;
    for (status, code) in [
        ("400 Bad Request", "INVALID_ARGUMENT"),
        ("403 Forbidden", "SENDER_ID_MISMATCH"),
        ("404 Not Found", "UNREGISTERED"),
    ] {
        let number = status.split(' ').next().unwrap();
        let refused = told(&server, &fcm, data, &fcm_error(status, code)).await;
        assert_eq!(refused, permanent(&format!("FCM answered {number} {code}: why")));
    }
    for (status, code) in [
        ("401 Unauthorized", "THIRD_PARTY_AUTH_ERROR"),
        ("403 Forbidden", "PERMISSION_DENIED"),
        ("500 Internal Server Error", "INTERNAL"),
        ("503 Service Unavailable", "UNAVAILABLE"),
    ] {
        let later = told(&server, &fcm, data, &fcm_error(status, code)).await;
        assert!(matches!(later, Err(SendError::Failure(Failure::Temporary(_)))), "{code}: {later:?}");
    }
    let slow = told(&server, &fcm, data, &fcm_error("429 Too Many Requests", "QUOTA_EXCEEDED")).await;
    assert_eq!(slow, Err(SendError::Failure(Failure::Limited(None))));
    let slow = fcm_error("429 Too Many Requests\r\nretry-after: 7", "QUOTA_EXCEEDED");
    assert_eq!(told(&server, &fcm, data, &slow).await, limited(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn twilio_sends_a_form_with_basic_authentication() {
    let server = Server::start("201 Created\r\n\r\n{}").await;
    let base = [("[config]", &*format!("[config]\nbase = \"{}\"", server.origin))];
    let env = [("TWILIO_ACCOUNT_SID", "AC1"), ("TWILIO_FROM", "+15005550006"), ("TWILIO_AUTH_TOKEN", "seCret")];
    let twilio = shipped("twilio", &server, &base, &env).await.sender("twilio");
    assert_eq!(send(&*twilio, "hello +1 & co").await, Ok(Outcome::Done));
    let (asked, _) = request(&server, "POST /2010-04-01/Accounts/AC1/Messages.json HTTP/1.1\r\n");
    assert_eq!(header(&asked, "authorization"), format!("Basic {}", STANDARD.encode("AC1:seCret")));
    let fields = ["To", "From", "Body"].map(|name| field(&asked.body, name).unwrap());
    assert_eq!(fields, ["123456", "+15005550006", "hello +1 & co"]);

    let invalid = "400 Bad Request\r\n\r\n{\"code\":21211,\"message\":\"Invalid To\",\"status\":400}";
    let refused = told(&server, &twilio, "hi", invalid).await;
    assert_eq!(refused, permanent("the server answered 400: Invalid To (error 21211)"));
    let slow = told(&server, &twilio, "hi", "429 Too Many\r\nretry-after: 5\r\n\r\n{\"code\":20429}").await;
    assert_eq!(slow, limited(5));
    let nobody = twilio.send(message(twilio.name(), "nophone", "hi")).await;
    assert!(matches!(nobody, Err(SendError::Failure(Failure::Permanent(_)))), "{nobody:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn httpsend_sends_what_the_manifest_describes() {
    let server = Server::start("200 OK\r\n\r\n").await;
    let url = [("https://api.example.com/users", &*format!("{}/users", server.origin))];
    let env = [("HTTPSEND_AUTHORIZATION", "Bearer seCret-value")];
    let httpsend = shipped("httpsend", &server, &url, &env).await.sender("httpsend");
    let data = r#"{"text": "say \"hi\""}"#;
    assert_eq!(send(&*httpsend, data).await, Ok(Outcome::Done));
    let (asked, body) = request(&server, "POST /users/ada/messages HTTP/1.1\r\n");
    assert_eq!(body, json!({ "to": "ada@example.com", "text": "say \"hi\"" }));
    assert_eq!(header(&asked, "authorization"), "Bearer seCret-value");
    assert_eq!(header(&asked, "idempotency-key"), message(httpsend.name(), "ada", data).id.as_str());

    let told_back = told(&server, &httpsend, data, "404 Not Found\r\n\r\nno Bearer seCret-value here").await;
    let Err(SendError::Failure(Failure::Permanent(reason))) = told_back else { panic!("a 404 is permanent") };
    assert!(reason.contains("404") && !reason.contains("seCret"), "{reason}");
    let before = server.asked.lock().unwrap().len();
    assert!(matches!(send(&*httpsend, "{}").await, Err(SendError::Failure(Failure::Permanent(_)))));
    assert_eq!(server.asked.lock().unwrap().len(), before, "nothing went out");
}

#[tokio::test(flavor = "multi_thread")]
async fn hook_signs_a_form_as_the_go_program_does() {
    let server = Server::start("200 OK\r\n\r\n").await;
    let url = format!("{}/go", server.origin);
    let hook = shipped("hook", &server, &[], &[("HOOK_URL", &url), ("HOOK_SECRET", "secret1")]).await.sender("hook");
    assert_eq!(send(&*hook, "some & data").await, Ok(Outcome::Done));
    let (asked, _) = request(&server, "POST /go HTTP/1.1\r\n");
    assert_eq!(header(&asked, "content-type"), "application/x-www-form-urlencoded");
    assert_eq!(asked.body, "data=some+%26+data&pusher=ada&sender=hook");
    let mut mac = Hmac::<Md5>::new_from_slice(b"secret1").unwrap();
    let time = header(&asked, "x-request-time");
    mac.update(format!("datasome & datapusheradasenderhooktimestamp{time}").as_bytes());
    let expected: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(header(&asked, "x-request-signature"), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn hook_speaks_standard_webhooks() {
    let server = Server::start("204 No Content\r\n\r\n").await;
    let url = format!("{}/hooks", server.origin);
    let keys = [[7_u8; 32], [9; 32]];
    let secrets = keys.map(|key| format!("whsec_{}", STANDARD.encode(key))).join(" ");
    let standard = [("standard = \"false\"", "standard = \"true\"")];
    let env = [("HOOK_URL", &*url), ("HOOK_SECRET", &*secrets)];
    let hook = shipped("hook", &server, &standard, &env).await.sender("hook");
    let data = r#"{"type": "invoice.paid"}"#;
    let sent: Message = message(hook.name(), "ada", data);
    assert_eq!(hook.send(sent.clone()).await, Ok(Outcome::Done));
    let (asked, _) = request(&server, "POST /hooks HTTP/1.1\r\n");
    assert_eq!((asked.body.as_str(), header(&asked, "content-type")), (data, "application/json"));
    assert_eq!(header(&asked, "webhook-id"), sent.id.as_str());
    let signed = format!("{}.{}.{data}", sent.id, header(&asked, "webhook-timestamp"));
    let signature = |key: [u8; 32]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(signed.as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    };
    assert_eq!(header(&asked, "webhook-signature"), keys.map(signature).join(" "));

    assert_eq!(told(&server, &hook, data, "410 Gone\r\n\r\n").await, permanent("the endpoint is gone"));
    assert_eq!(told(&server, &hook, data, "503 Busy\r\nretry-after: 120\r\n\r\n").await, limited(120));
    let other = told(&server, &hook, data, "404 Not Found\r\n\r\n").await;
    assert!(matches!(other, Err(SendError::Failure(Failure::Temporary(_)))), "{other:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sendsms_signs_its_request_as_alidayu_wants_it() {
    let done = "200 OK\r\n\r\n{\"alibaba_aliqin_fc_sms_num_send_response\":{\"result\":{\"err_code\":\"0\",\"success\":true}}}";
    let server = Server::start(done).await;
    let base = [("[config]", &*format!("[config]\nbase = \"{}\"", server.origin))];
    let env = [("ALIDAYU_KEY", "k1"), ("ALIDAYU_SECRET", "s1")];
    let sendsms = shipped("sendsms", &server, &base, &env).await.sender("sendsms");
    let data = r#"{"signName": "测试", "template": "SMS_1", "params": "{\"name\":\"{{.NickName}}\"}"}"#;
    assert_eq!(send(&*sendsms, data).await, Ok(Outcome::Done));
    let (asked, _) = request(&server, "POST /router/rest HTTP/1.1\r\n");
    let mut fields: Vec<(String, String)> = url::form_urlencoded::parse(asked.body.as_bytes()).into_owned().collect();
    fields.sort();
    let sign = field(&asked.body, "sign").unwrap();
    let mut mac = Hmac::<Md5>::new_from_slice(b"s1").unwrap();
    for (name, value) in fields.iter().filter(|(name, _)| name != "sign") {
        mac.update(format!("{name}{value}").as_bytes());
    }
    let expected: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(sign, expected);
    for (name, value) in [
        ("app_key", "k1"),
        ("method", "alibaba.aliqin.fc.sms.num.send"),
        ("rec_num", "123456"),
        ("sign_method", "hmac"),
        ("sms_free_sign_name", "测试"),
        ("sms_param", r#"{"name":"Ada"}"#),
        ("sms_template_code", "SMS_1"),
        ("sms_type", "normal"),
        ("v", "2.0"),
    ] {
        assert_eq!(field(&asked.body, name).as_deref(), Some(value), "{name}");
    }

    let error = |error: Value| format!("200 OK\r\n\r\n{}", json!({ "error_response": error }));
    let illegal =
        error(json!({ "code": 15, "msg": "m", "sub_code": "isv.MOBILE_NUMBER_ILLEGAL", "sub_msg": "号码格式错误" }));
    let refused = told(&server, &sendsms, data, &illegal).await;
    assert_eq!(refused, permanent("the platform answered 15 isv.MOBILE_NUMBER_ILLEGAL: 号码格式错误"));
    let broken =
        told(&server, &sendsms, data, &error(json!({ "code": 15, "msg": "m", "sub_code": "isp.SYSTEM_ERROR" }))).await;
    assert!(matches!(broken, Err(SendError::Failure(Failure::Temporary(_)))), "{broken:?}");
    let ban =
        error(json!({ "code": 7, "msg": "App Call Limited", "sub_msg": "This ban will last for 71 more seconds" }));
    assert_eq!(told(&server, &sendsms, data, &ban).await, limited(71));
    let nobody = sendsms.send(message(sendsms.name(), "nophone", data)).await;
    assert!(matches!(nobody, Err(SendError::Failure(Failure::Permanent(_)))), "{nobody:?}");
}

/// Whoever copies the manifest from a sender's page gets the one that is shipped.
#[test]
fn every_page_shows_the_manifest_as_it_is_shipped() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages = 0;
    for page in std::fs::read_dir(root.join("docs/senders")).unwrap() {
        let page = page.unwrap().path();
        let name = page.file_stem().unwrap().to_str().unwrap();
        let manifest = std::fs::read_to_string(root.join(format!("senders-wasm/{name}/{name}.toml"))).unwrap();
        let shown = std::fs::read_to_string(&page).unwrap();
        assert!(shown.contains(&format!("```toml\n{manifest}```")), "{}", page.display());
        pages += 1;
    }
    assert_eq!(pages, 8);
}
