//! Every operation, against the real router.

use bench::Bench;
use pusher_api::Limits;
use pusher_client::{Client, ClientError, Options, base_url};
use pusher_core::{
    ContactFields, JobName, MAX_TAG_BYTES, PushRequest, PusherId, Pushers, PushersError, QueueError, SenderName, Tag,
};
use tokio::net::TcpListener;

use crate::bench;

/// Serves a router until the test ends.
pub(crate) async fn serve(bench: &Bench) -> Client {
    serve_with(bench, Options { retries: 0, ..Options::default() }).await
}

pub(crate) async fn serve_with(bench: &Bench, options: Options) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let router = bench.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Client::new(base_url(&address).unwrap(), options).unwrap()
}

pub(crate) fn id(text: &str) -> PusherId {
    PusherId::parse(text).unwrap()
}

fn sender(text: &str) -> SenderName {
    SenderName::parse(text).unwrap()
}

fn push_to(pusher: &str) -> PushRequest {
    PushRequest { sender: sender("sample"), pusher: id(pusher), data: "a&b=c+d ✓".into(), sched_at: 0, force: false }
}

#[tokio::test]
async fn recipients_are_created_changed_listed_and_forgotten() {
    let bench = Bench::new();
    let client = serve(&bench).await;
    for name in ["lupino", "a/b?c#d", "100% 日本", "%2F"] {
        let name = id(name);
        let fields = ContactFields { email: Some("a+b@c.d".into()), created_at: Some(-7), ..ContactFields::default() };
        client.create(&name, &fields).await.unwrap();
        client
            .update(&name, &ContactFields { nickname: Some("<b>".into()), ..ContactFields::default() })
            .await
            .unwrap();
        client.add_sender(&name, &sender("s/1")).await.unwrap();
        client.add_sender(&name, &sender("s2")).await.unwrap();
        client.remove_sender(&name, &sender("s2")).await.unwrap();
        client.add_tag(&name, &Tag::parse("t/1").unwrap()).await.unwrap();
        client.add_tag(&name, &Tag::parse("t2").unwrap()).await.unwrap();
        client.remove_tag(&name, &Tag::parse("t2").unwrap()).await.unwrap();
        let pusher = client.get(&name).await.unwrap();
        assert_eq!((pusher.email.as_str(), pusher.nickname.as_str(), pusher.created_at), ("a+b@c.d", "<b>", -7));
        assert_eq!((pusher.senders, pusher.tags), (vec![sender("s/1")], vec![Tag::parse("t/1").unwrap()]));
    }
    let list = client.list(1, 2).await.unwrap();
    assert_eq!((list.total, list.pushers.len()), (4, 2));
    client.delete(&id("a/b?c#d")).await.unwrap();
    assert!(matches!(client.get(&id("a/b?c#d")).await, Err(ClientError::NotFound(_))));
    assert_eq!(client.list(9, 9).await.unwrap().pushers, []);
}

#[tokio::test]
async fn pushes_are_accepted_under_their_names_and_cancelled() {
    let bench = Bench::new().with_lupino().await;
    let client = serve(&bench).await;
    let request = PushRequest { sched_at: 4_102_444_800, ..push_to("lupino") };
    let name = client.push(&request).await.unwrap();
    assert_eq!(name, JobName::for_push(&request.pusher, &request.data));
    let all = client.pushall(&sender("sample"), "vip", "hi", 5).await.unwrap();
    let jobs = bench.state().1;
    assert_eq!((jobs[0].workload.as_str(), jobs[0].sched_at), ("a&b=c+d ✓", 4_102_444_800));
    assert_eq!((jobs[1].workload.as_str(), jobs[1].sched_at), (r#"{"data":"hi","tag":"vip"}"#, 5));
    client.cancel(&sender("sample"), &name).await.unwrap();
    client.cancel(&sender("pushall"), &all).await.unwrap();
    assert!(bench.state().1.is_empty());
}

#[tokio::test]
async fn refusals_come_back_as_what_they_are() {
    let bench = Bench::new().with_lupino().await;
    let client = serve(&bench).await;
    let nobody = client.push(&push_to("nobody")).await.unwrap_err();
    assert!(matches!(&nobody, ClientError::NotFound(s) if s == "pusher nobody not exists."), "{nobody:?}");
    let other = PushRequest { sender: sender("other"), ..push_to("lupino") };
    let refused = client.push(&other).await.unwrap_err();
    assert!(matches!(&refused, ClientError::Refused { status: 406, .. }), "{refused:?}");
    client.push(&PushRequest { force: true, ..other }).await.unwrap();
    let empty = client.push(&PushRequest { data: String::new(), ..push_to("lupino") }).await.unwrap_err();
    assert_eq!(empty.to_string(), "refused with status 400: data: Required");
    let dots = client.get(&id("..")).await.unwrap_err();
    assert!(matches!(&dots, ClientError::Unaddressable(_)), "{dots:?}");
    *bench.queue.failure.lock().unwrap() = Some(QueueError::Full("the disk".into()));
    let full = client.push(&push_to("lupino")).await.unwrap_err();
    assert!(matches!(&full, ClientError::Failed { status: 507, .. }), "{full:?}");
}

#[tokio::test]
async fn a_worker_that_runs_alone_sees_what_one_inside_the_server_sees() {
    let bench = Bench::new().with_lupino().await;
    let client = serve(&bench).await;
    let pushers: &dyn Pushers = &client;
    assert_eq!(pushers.get(&id("lupino")).await.unwrap().unwrap().senders, [sender("sample")]);
    assert_eq!(pushers.get(&id("nobody")).await.unwrap(), None);
    pushers.push(push_to("lupino")).await.unwrap();
    let refused = pushers.push(push_to("nobody")).await;
    assert!(matches!(&refused, Err(PushersError::Refused(s)) if s == "pusher nobody not exists."), "{refused:?}");
    *bench.queue.failure.lock().unwrap() = Some(QueueError::Unavailable("stopping".into()));
    let unavailable = pushers.push(push_to("lupino")).await;
    assert!(matches!(unavailable, Err(PushersError::Unavailable(_))), "{unavailable:?}");
}

#[tokio::test]
async fn a_client_sees_the_refusal_of_a_body_that_is_far_too_long() {
    let client = serve(&Bench::new().with_lupino().await).await;
    let data = "x".repeat(11 * 1024 * 1024);
    let refused = client.push(&PushRequest { data, ..push_to("lupino") }).await.unwrap_err();
    assert!(matches!(&refused, ClientError::Refused { status: 413, .. }), "{refused:?}");
}

#[tokio::test]
async fn longest_words_fit_a_request() {
    let bench = Bench::with_options(Limits::default()).with_lupino().await;
    let client = serve(&bench).await;
    let tag = Tag::parse(&"/".repeat(MAX_TAG_BYTES)).unwrap();
    client.add_tag(&id("lupino"), &tag).await.unwrap();
    assert_eq!(client.get(&id("lupino")).await.unwrap().tags, [tag]);
}
