//! The Go program's scheme.

use pusher_api::auth::Schemes;

use super::{Draft, bench_of, done, refused};
use crate::bench::{Bench, FORM};

const WRONG: &str = "Invalid X-Request-Signature";

fn bench() -> Bench {
    bench_of(Schemes::V1)
}

#[tokio::test]
async fn a_signed_form_is_served_as_it_came() {
    let bench = bench();
    done(&bench, Draft::post("/pusher/pushers/?nickname=q", "pusher=%E6%97%A5&email=a%2Bb+c&phoneNumber=").v1()).await;
    let pusher = bench.state().0.into_values().next().unwrap();
    assert_eq!((pusher.id.as_str(), pusher.email.as_str(), pusher.nickname.as_str()), ("日", "a+b c", "q"));
    done(&bench, Draft::get("/pusher/pushers/%E6%97%A5/").v1()).await;
    done(&bench, Draft::new("DELETE", "/pusher/pushers/%E6%97%A5/").v1()).await;
    assert!(bench.state().0.is_empty());
}

#[tokio::test]
async fn the_first_value_of_a_name_is_signed_and_the_bodys_comes_first() {
    let bench = bench();
    done(&bench, Draft::post("/pusher/pushers/?pusher=query", "pusher=one&pusher=two").v1()).await;
    assert_eq!(bench.state().0.into_keys().next().unwrap().as_str(), "one");
    let other = Draft::post("/pusher/pushers/?pusher=query", "pusher=two&pusher=one");
    let signature = Draft::post("/pusher/pushers/", "pusher=one").v1_signature();
    refused(&bench, other.signed(&signature), 400, WRONG).await;
}

#[tokio::test]
async fn a_signature_in_lower_case_is_refused() {
    let bench = bench();
    let list = Draft::get("/pusher/pushers/");
    refused(&bench, list.signed(&list.v1_signature().to_lowercase()), 400, WRONG).await;
}

#[tokio::test]
async fn a_signature_holds_for_its_path_its_parameters_and_its_time_only() {
    let bench = bench();
    let draft = Draft::post("/pusher/pushers/x/?a=1", "email=a");
    let signature = draft.v1_signature();
    for changed in [
        Draft { target: "/pusher/pushers/y/?a=1".into(), ..draft.clone() },
        Draft { target: "/pusher/pushers/x/?a=2".into(), ..draft.clone() },
        Draft { target: "/pusher/pushers/x/".into(), ..draft.clone() },
        Draft { body: "email=b".into(), ..draft.clone() },
        Draft { body: "email=a&b=c".into(), ..draft.clone() },
        Draft { content_type: "", ..draft.clone() },
        Draft { time: "1700000001".into(), ..draft.clone() },
    ] {
        refused(&bench, changed.signed(&signature), 400, WRONG).await;
    }
}

#[tokio::test]
async fn no_parameter_stands_in_for_the_path() {
    let bench = bench();
    // The Go program signed the parameter in the place of the path, so that one request could be made another.
    let signature = Draft::get("/pusher/pushers/x/").v1_signature();
    let other = Draft::new("DELETE", "/pusher/pushers/y/?path=/pusher/pushers/x/");
    refused(&bench, other.signed(&signature), 400, WRONG).await;
    for name in ["app_key", "path", "timestamp"] {
        let reason = format!("{WRONG}: a parameter called {name} cannot be signed by the v1 scheme");
        refused(&bench, Draft::get(&format!("/pusher/pushers/?{name}=x")).v1(), 400, &reason).await;
    }
}

#[tokio::test]
async fn a_body_that_is_not_the_form_of_a_post_is_refused_because_nothing_signs_it() {
    let bench = bench();
    let json = r#"{"pusher":"lupino","data":"x"}"#;
    let multipart = "--b\r\nContent-Disposition: form-data; name=\"pusher\"\r\n\r\nlupino\r\n--b--\r\n";
    for (method, content_type, body) in [
        ("POST", "application/json", json),
        ("POST", "multipart/form-data; boundary=b", multipart),
        ("POST", "", "pusher=lupino"),
        ("POST", "text/plain", "pusher=lupino"),
        ("DELETE", FORM, "pusher=lupino"),
        ("PUT", FORM, "pusher=lupino"),
    ] {
        let draft = Draft { content_type, body: body.into(), ..Draft::new(method, "/pusher/sample/push") };
        refused(&bench, draft.v1(), 400, "a body that is not a form must be signed by the v2 scheme").await;
        refused(&bench, Draft { secret: "s2".into(), ..draft }.v1(), 400, WRONG).await;
    }
}

#[tokio::test]
async fn what_is_signed_as_a_form_is_read_as_nothing_else_whatever_the_content_type_says() {
    const UNSIGNED: &str = "a body that is not a form must be signed by the v2 scheme";
    let bench = bench();
    let json = r#"{"pusher":"lupino","data":"x"}"#;
    let multipart = "--b--\r\n";
    done(&bench, Draft::post("/pusher/pushers/", "pusher=lupino").v1()).await;
    for (target, content_type, body) in [
        ("/pusher/pushers/_bulk", FORM, r#"{"id":"x"}"#),
        ("/pusher/deliveries/_report", FORM, "[]"),
        // A form to whoever compares as HTTP does, and something else to whoever looks for a piece of the text.
        ("/pusher/sample/push?force=1", "Application/X-WWW-Form-Urlencoded; json", json),
        (
            "/pusher/sample/push?force=1",
            "Application/X-WWW-Form-Urlencoded; multipart/form-data; boundary=b",
            multipart,
        ),
    ] {
        let draft = Draft { content_type, ..Draft::post(target, body) };
        let signature = Draft { content_type: FORM, ..draft.clone() }.v1_signature();
        refused(&bench, draft.signed(&signature), 400, UNSIGNED).await;
    }
}

#[tokio::test]
async fn a_bulk_request_cannot_be_replayed_with_other_records() {
    let bench = bench();
    let signed = Draft::post("/pusher/pushers/_bulk", r#"{"id":"good"}"#);
    // The first value of each name is the same, so the signature is, too.
    let body = format!("{0}&{0}=\n{1}", r#"{"id":"good"}"#, r#"{"id":"evil"}"#);
    let other = Draft::post("/pusher/pushers/_bulk", &body);
    assert_eq!(other.v1_signature(), signed.v1_signature());
    let unsigned = "a body that is not a form must be signed by the v2 scheme";
    refused(&bench, other.signed(&signed.v1_signature()), 400, unsigned).await;
}

#[tokio::test]
async fn a_pair_that_cannot_be_signed_is_refused() {
    let bench = bench();
    for (form, sentence) in [
        ("pusher=x&a;b=c", "invalid semicolon separator in query"),
        ("pusher=x&email=%zz", "invalid URL escape \"%zz\""),
        ("pusher=x&email=%FF", "the form is not UTF-8"),
    ] {
        refused(&bench, Draft::post("/pusher/pushers/", form).v1(), 400, sentence).await;
        refused(&bench, Draft::get(&format!("/pusher/pushers/?{form}")).v1(), 400, sentence).await;
    }
    let not_utf8 = Draft::get("/pusher/pushers/%FF/");
    refused(&bench, not_utf8.signed("0"), 400, WRONG).await;
}

#[tokio::test]
async fn the_same_request_may_come_twice() {
    let bench = bench();
    let create = Draft::post("/pusher/pushers/", "pusher=x");
    done(&bench, create.v1()).await;
    done(&bench, create.v1()).await;
}
