//! Bad input: each is told what is wrong, and nothing is stored.

use pusher_tests::process::Pusher;
use pusher_tests::rest::Rest;

use crate::queue::jobs;

/// Longer than a pusher's id may be: with it a job's name would not fit Periodic's 255 bytes.
const LONG: usize = 223;

#[tokio::test]
async fn what_cannot_be_is_refused_with_a_sentence_and_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let server = Pusher::serve(dir.path(), &[]).await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "sample").await;
    let before = rest.get("/pusher/pushers/").await;
    let long = "x".repeat(LONG);

    for (target, form, status) in [
        ("/pusher/pushers/", vec![("pusher", long.as_str())], 400),
        ("/pusher/pushers/", vec![("email", "a@b.c")], 406),
        ("/pusher/pushers/", vec![("pusher", "new"), ("createdAt", "yesterday")], 400),
        ("/pusher/sample/push", vec![("pusher", long.as_str()), ("data", "x")], 400),
        ("/pusher/sample/push", vec![("pusher", "nobody"), ("data", "x")], 404),
        ("/pusher/sendmail/push", vec![("pusher", "lupino"), ("data", "x")], 406),
        ("/pusher/sample/push", vec![("pusher", "lupino")], 400),
        ("/pusher/sample/push", vec![("pusher", "lupino"), ("data", "x"), ("schedat", "soon")], 400),
        ("/pusher/sample/add", vec![("pusher", "nobody")], 404),
        ("/pusher/sample/cancelpush", vec![], 406),
    ] {
        let reply = rest.post(target, &form).await;
        assert_eq!(reply.status, status, "{target} {form:?}: {reply:?}");
        assert!(reply.body.contains("err") || reply.body.contains("message"), "{target} {form:?}: {reply:?}");
    }
    for (content_type, body, status) in [
        ("text/plain", "pusher=lupino&data=x", 415),
        ("application/json", r#"{"pusher": "lupino", "data": 7}"#, 400),
        ("application/json", r#"{"pusher": "lupino", "data": "#, 400),
        ("multipart/form-data", "pusher=lupino&data=x", 400),
    ] {
        let reply = rest.post_as("/pusher/sample/push", content_type, body).await;
        assert_eq!(reply.status, status, "{content_type} {body}: {reply:?}");
    }

    assert_eq!(rest.get("/pusher/pushers/").await, before, "no recipient was made or changed");
    assert_eq!(jobs(&server, "pusher:sample").await, 0, "no message was accepted");
    server.stop().await;
}
