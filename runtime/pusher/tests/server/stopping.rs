//! Told to stop: what is being served is finished, what comes is sent away, then nobody listens.

use std::time::Duration;

use tokio::time::sleep;

use crate::Server;
use crate::http::{Answer, Connection};

const BODY: &str = "pusher=lupino";

fn is_sent_away(answer: &Answer) -> bool {
    let headers = (answer.header("retry-after"), answer.header("connection"));
    let told = answer.body == r#"{"err":"the server is stopping; ask again"}"#;
    answer.status == 503 && headers == (Some("1"), Some("close")) && told
}

#[tokio::test]
async fn requests_that_have_begun_are_finished_and_others_are_told_to_ask_again() {
    let server = Server::start(|_| {}).await;
    let mut begun = server.connect().await;
    begun.begin_post("/pusher/pushers/", BODY.len()).await;
    let mut kept_alive = server.connect().await;
    assert_eq!(kept_alive.get("/pusher/pushers/").await.unwrap().status, 200);

    server.stop.cancel();
    // The signal takes a moment to arrive; a request before that is served.
    let mut answer = kept_alive.get("/pusher/pushers/").await.unwrap();
    while answer.status == 200 {
        answer = kept_alive.get("/pusher/pushers/").await.unwrap();
    }
    assert!(is_sent_away(&answer), "{answer:?}");
    assert_eq!(kept_alive.closed().await, "");
    let answer = server.connect().await.post("/pusher/pushers/", "pusher=late").await.unwrap();
    assert!(is_sent_away(&answer), "{answer:?}");

    begun.send(BODY).await.unwrap();
    assert_eq!(begun.answer().await.unwrap().status, 200);
    assert_eq!(begun.closed().await, "");
    let address = server.address.clone();
    server.stopped().await;
    assert!(Connection::open(&address).await.is_err(), "still listening");
}

#[tokio::test]
async fn connections_without_a_request_do_not_hold_it_up() {
    let server = Server::start(|_| {}).await;
    let (mut silent, mut half) = (server.connect().await, server.connect().await);
    half.send("GET /pusher/pushers/ HTTP/1.1\r\n").await.unwrap();
    let mut served = server.connect().await;
    assert_eq!(served.get("/pusher/pushers/").await.unwrap().status, 200);
    server.stopped().await;
    for connection in [&mut silent, &mut half, &mut served] {
        assert_eq!(connection.closed().await, "");
    }
}

/// Pushes without pause over connections that are kept; what was answered 200 is there when the next server starts, and
/// nothing was answered anything but 200 or told to ask again.
#[tokio::test]
async fn nothing_that_was_accepted_is_lost() {
    let server = Server::start(|_| {}).await;
    let mut api = server.connect().await;
    assert_eq!(api.post("/pusher/pushers/", "pusher=lupino").await.unwrap().status, 200);
    assert_eq!(api.post("/pusher/sample/add", "pusher=lupino").await.unwrap().status, 200);
    let clients = (0..16).map(|client| {
        let address = server.address.clone();
        tokio::spawn(async move {
            let mut api = Connection::open(&address).await.unwrap();
            let mut accepted = Vec::new();
            loop {
                let form = format!("pusher=lupino&data={client}-{}&schedat=4102444800", accepted.len());
                match api.post("/pusher/sample/push", &form).await {
                    Ok(answer) if answer.status == 200 => {
                        accepted.push(answer.body.split('"').nth(3).unwrap().to_owned());
                    }
                    Ok(answer) => {
                        assert!(is_sent_away(&answer), "{answer:?}");
                        return accepted;
                    }
                    // It came as the connection was being closed.
                    Err(_) => return accepted,
                }
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    sleep(Duration::from_millis(300)).await;
    let dir = server.stopped().await;
    let mut accepted: u64 = 0;
    for client in clients {
        accepted += client.await.unwrap().len() as u64;
    }
    assert!(accepted > 100, "only {accepted} were accepted");
    let again = Server::start_in(dir, |_| {}).await;
    assert_eq!(again.jobs("pusher:sample").await, accepted);
    again.stopped().await;
}
