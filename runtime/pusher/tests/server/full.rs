//! A database that is full to nine tenths.

use crate::Server;
use crate::http::Connection;

const FULL: u16 = 507;

/// Pushes until the server refuses; the names of the accepted ones.
async fn push_until_full(api: &mut Connection) -> Vec<String> {
    let data = "x".repeat(50_000);
    let mut names = Vec::new();
    loop {
        let form = format!("pusher=lupino&data={}{data}", names.len());
        let answer = api.post("/pusher/sample/push", &form).await.unwrap();
        if answer.status == FULL {
            assert!(answer.body.starts_with(r#"{"err":""#) && answer.body.contains("delete something"), "{answer:?}");
            return names;
        }
        assert_eq!(answer.status, 200, "{answer:?}");
        names.push(answer.body.split('"').nth(3).unwrap().to_owned());
    }
}

#[tokio::test]
async fn it_takes_no_more_pushes_and_everything_else_that_frees_or_reads() {
    let server = Server::start(|config| config.map_size = 4 << 20).await;
    let mut api = server.connect().await;
    for (target, form) in [("/pusher/pushers/", "pusher=lupino"), ("/pusher/sample/add", "pusher=lupino")] {
        assert_eq!(api.post(target, form).await.unwrap().status, 200);
    }
    let names = push_until_full(&mut api).await;
    assert!(names.len() > 20, "the map was used: {}", names.len());

    assert_eq!(api.get("/pusher/pushers/lupino/").await.unwrap().status, 200);
    // What the last push was too large for may hold some recipients yet, as large as they may be.
    let text = "x".repeat(16_000);
    let mut refused = None;
    for n in 0..10 {
        let long = format!("pusher=new{n}&email={text}&nickname={text}&phoneNumber={text}");
        if api.post("/pusher/pushers/", &long).await.unwrap().status == FULL {
            refused = Some(n);
            break;
        }
    }
    let refused = refused.expect("it takes no more recipients, either");
    assert_eq!(api.get(&format!("/pusher/pushers/new{refused}/")).await.unwrap().status, 404);
    for name in &names {
        let form = format!("name={name}");
        assert_eq!(api.post("/pusher/sample/cancelpush", &form).await.unwrap().status, 200);
    }
    assert!(push_until_full(&mut api).await.len() > 20, "and there is room again");
    assert_eq!(api.delete("/pusher/pushers/lupino/").await.unwrap().status, 200);
    server.stopped().await;
}
