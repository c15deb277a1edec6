//! A client whose requests are signed, against the real router with the real auth layer before it.

use std::sync::Arc;

use bench::Bench;
use pusher_api::auth::{KeyPair, Schemes, Scope, Scopes};
use pusher_api::{Auth, Options as ApiOptions};
use pusher_client::{Batch, Client, ClientError, Credentials, Options, Scheme};
use pusher_core::signing::Secret;
use pusher_core::{ContactFields, PushRequest, SenderName, Tag};

use crate::bench;
use crate::operations::{id, serve_with};

const NOW: i64 = 1_700_000_000;

/// A router that takes requests of `k1`, signed by `schemes`.
fn bench(schemes: Schemes, scopes: Scopes) -> Bench {
    let pair = KeyPair::new("k1", Secret::new("s1"), scopes).unwrap();
    let auth = Auth::new([pair], || NOW).unwrap().schemes(schemes);
    Bench::with_options(ApiOptions { auth: Some(auth), ..ApiOptions::default() })
}

async fn client(bench: &Bench, secret: &str, scheme: Scheme) -> Client {
    let credentials = Credentials::new("k1", Secret::new(secret), scheme, Arc::new(|| NOW)).unwrap();
    serve_with(bench, Options { credentials: Some(credentials), retries: 0, ..Options::default() }).await
}

/// Everything that both schemes can sign.
async fn does_everything(client: &Client) {
    let (odd, sender, tag) = (id("a/b?c ✓&"), SenderName::parse("s/1").unwrap(), Tag::parse("t 1").unwrap());
    let fields = ContactFields { email: Some("a+b&c=d%20✓".into()), ..ContactFields::default() };
    client.create(&odd, &fields).await.unwrap();
    client.update(&odd, &fields).await.unwrap();
    client.add_sender(&odd, &sender).await.unwrap();
    client.add_tag(&odd, &tag).await.unwrap();
    assert_eq!(client.get(&odd).await.unwrap().email, "a+b&c=d%20✓");
    assert_eq!(client.list(0, 9).await.unwrap().total, 1);
    assert_eq!(client.list_after(None, 9).await.unwrap().total, 1);
    let request =
        PushRequest { sender: sender.clone(), pusher: odd.clone(), data: "&=".into(), sched_at: 0, force: false };
    let name = client.push(&request).await.unwrap();
    client.cancel(&sender, &name).await.unwrap();
    client.pushall(&sender, tag.as_str(), "&=", 5).await.unwrap();
    client.remove_tag(&odd, &tag).await.unwrap();
    client.remove_sender(&odd, &sender).await.unwrap();
    client.delete(&odd).await.unwrap();
}

#[tokio::test]
async fn both_schemes_sign_every_operation_as_the_server_wants_it() {
    for (scheme, schemes) in [(Scheme::V1, Schemes::V1), (Scheme::V2, Schemes::V2)] {
        let bench = bench(schemes, Scopes::ALL);
        does_everything(&client(&bench, "s1", scheme).await).await;
    }
}

#[tokio::test]
async fn v2_signs_a_batch_that_is_longer_than_any_other_body_may_be() {
    let bench = bench(Schemes::V2, Scopes::ALL);
    let client = client(&bench, "s1", Scheme::V2).await;
    let mut batch = Batch::new();
    for n in 0..5_000 {
        batch.add_line(&format!("{{\"id\":\"{n}\",\"nickname\":\"{}\"}}", "x".repeat(800))).unwrap();
    }
    assert!(batch.bytes() > 4_000_000);
    assert_eq!(client.bulk(batch).await.unwrap().created, 5_000);
}

#[tokio::test]
async fn who_is_not_trusted_is_refused() {
    let bench = bench(Schemes::Both, [Scope::Read].into_iter().collect());
    let refused = |result: Result<_, ClientError>| match result {
        Err(ClientError::Refused { status, sentence }) => (status, sentence),
        other => panic!("{other:?}"),
    };
    let stranger = serve_with(&bench, Options::default()).await;
    assert_eq!(refused(stranger.delete(&id("x")).await), (400, "Invalid X-App-Key".into()));
    let liar = client(&bench, "s2", Scheme::V2).await;
    assert_eq!(refused(liar.delete(&id("x")).await), (400, "Invalid X-Request-Signature".into()));
    let reader = client(&bench, "s1", Scheme::V2).await;
    assert_eq!(refused(reader.delete(&id("x")).await).0, 403);
    assert_eq!(reader.list(0, 1).await.unwrap().total, 0);
}
