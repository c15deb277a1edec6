//! The description of the API on the operator listener, for programs and for people.

use pusher_tests::process::Pusher;
use pusher_tests::rest::Rest;

#[tokio::test]
async fn the_operator_listener_describes_the_api_that_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let server = Pusher::serve(dir.path(), &[]).await;
    let served = Rest::new(&server.admin).get("/openapi.json").await;
    assert_eq!(served.status, 200);
    let mut served: serde_json::Value = serde_json::from_str(&served.body).unwrap();
    assert_eq!(served["servers"][0]["url"], server.api.as_str());
    let mut checked_in: serde_json::Value = serde_json::from_str(include_str!("../../docs/openapi.json")).unwrap();
    for document in [&mut served, &mut checked_in] {
        document["servers"].take();
    }
    assert_eq!(served, checked_in);
    server.stop().await;
}

#[tokio::test]
async fn the_page_brings_all_that_it_needs_and_may_ask_no_other_host() {
    let dir = tempfile::tempdir().unwrap();
    let server = Pusher::serve(dir.path(), &[]).await;
    let operator = Rest::new(&server.admin);
    let page = operator.get("/docs/").await;
    assert_eq!(page.status, 200);
    let mut parts = 0;
    for attribute in ["src=\"", "href=\""] {
        for piece in page.body.split(attribute).skip(1) {
            let target = piece.split('"').next().unwrap().trim_start_matches("./");
            assert!(!target.contains("//"), "the page asks another host for {target}");
            assert_eq!(operator.get(&format!("/docs/{target}")).await.status, 200, "{target}");
            parts += 1;
        }
    }
    assert!(parts >= 4, "scripts and styles:\n{}", page.body);
    let settings = operator.get("/docs/swagger-initializer.js").await.body;
    assert!(settings.contains("\"/openapi.json\""), "{settings}");
    assert!(settings.contains("\"supportedSubmitMethods\": []"), "{settings}");
    assert!(settings.contains("\"validatorUrl\": \"none\""), "{settings}");
    let answer = reqwest::get(format!("{}/docs/", server.admin)).await.unwrap();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("connect-src 'self'"), "{policy}");
    server.stop().await;
}
