//! What each key may do.

use pusher_api::auth::{Auth, KeyPair, Scope, Scopes};

use super::{Draft, NOW, bench, done, refused};
use crate::bench::Bench;

fn bench_for(scopes: &[Scope]) -> Bench {
    let pair = |key, secret: &str, scopes| KeyPair::new(key, secret.into(), scopes).unwrap();
    let all = pair("k0", "s0", Scopes::ALL);
    let some = pair("k1", "s1", scopes.iter().copied().collect());
    bench(Auth::new([all, some], || NOW).unwrap())
}

/// Every kind of request, with the scope it needs.
fn requests() -> [(Scope, Draft); 12] {
    [
        (Scope::Read, Draft::get("/pusher/pushers/")),
        (Scope::Read, Draft::get("/pusher/pushers/lupino/")),
        (Scope::Write, Draft::post("/pusher/pushers/", "pusher=lupino")),
        (Scope::Write, Draft::post("/pusher/pushers/lupino/", "email=x")),
        (Scope::Write, Draft::new("POST", "/pusher/pushers/lupino/push/")),
        (Scope::Write, Draft::new("DELETE", "/pusher/pushers/lupino/push/")),
        (Scope::Write, Draft::post("/pusher/push/add", "pusher=lupino")),
        (Scope::Write, Draft::post("/pusher/push/delete", "pusher=lupino")),
        (Scope::Push, Draft::post("/pusher/sample/push", "pusher=lupino&data=x")),
        (Scope::Push, Draft::post("/pusher/sample/pushall", "data=x")),
        (Scope::Push, Draft::post("/pusher/sample/cancelpush", "name=lupino_x")),
        (Scope::Write, Draft::new("DELETE", "/pusher/pushers/somebody/")),
    ]
}

#[tokio::test]
async fn a_key_may_do_what_its_scopes_say_and_nothing_else() {
    for granted in [Scope::Read, Scope::Write, Scope::Push] {
        let bench = bench_for(&[granted]);
        for (n, target) in ["/pusher/pushers/", "/pusher/sample/add"].into_iter().enumerate() {
            let all = Draft { key: "k0".into(), secret: "s0".into(), ..Draft::post(target, "pusher=lupino") };
            done(&bench, all.nonce(format!("0123456789abcdef{n}")).v2()).await;
        }
        for (n, (needed, draft)) in requests().into_iter().enumerate() {
            let draft = draft.nonce(format!("fedcba9876543210{n}"));
            for request in [draft.v1(), draft.v2()] {
                if needed == granted {
                    done(&bench, request).await;
                } else {
                    let sentence = format!("the key \"k1\" has not the scope {needed}, which this needs");
                    refused(&bench, request, 403, &sentence).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn scopes_add_up() {
    let bench = bench_for(&[Scope::Write, Scope::Push]);
    done(&bench, Draft::post("/pusher/pushers/", "pusher=lupino").v1()).await;
    done(&bench, Draft::post("/pusher/sample/pushall", "data=x").v1()).await;
    assert_eq!(bench.send(Draft::get("/pusher/pushers/").v1()).await.status, 403);
}

#[tokio::test]
async fn a_wrong_signature_does_not_learn_what_the_key_may_do() {
    let bench = bench_for(&[Scope::Push]);
    let list = Draft { secret: "s0".into(), ..Draft::get("/pusher/pushers/") };
    refused(&bench, list.v1(), 400, "Invalid X-Request-Signature").await;
    refused(&bench, list.v2(), 400, "Invalid X-Request-Signature").await;
}
