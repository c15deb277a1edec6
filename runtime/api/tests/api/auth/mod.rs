//! Signed requests, and what is refused.

mod changes;
mod elsewhere;
mod scopes;
mod v1;
mod v2;

use axum::body::Body;
use axum::http::Request;
use percent_encoding::percent_decode_str;
use pusher_api::Options;
use pusher_api::auth::{Auth, KeyPair, Schemes, Scopes};
use pusher_core::signing::{APP_KEY, REQUEST_NONCE, REQUEST_SIGNATURE, REQUEST_TIME, V1, V2};

use crate::bench::{Answer, Bench, FORM};

/// The time by which requests are signed and checked.
pub(crate) const NOW: i64 = 1_700_000_000;
const NONCE: &str = "0123456789abcdef";

/// Pairs that may do everything, and a clock that stands at [`NOW`].
pub(crate) fn auth<const N: usize>(pairs: [(&str, &str); N]) -> Auth {
    let pair = |(key, secret): (&str, &str)| KeyPair::new(key, secret.into(), Scopes::ALL).unwrap();
    Auth::new(pairs.map(pair), || NOW).unwrap()
}

fn bench(auth: Auth) -> Bench {
    Bench::with_options(Options { auth: Some(auth), ..Options::default() })
}

/// A bench for the pairs k1, s1 and k2, s2 and these schemes.
fn bench_of(schemes: Schemes) -> Bench {
    bench(auth([("k1", "s1"), ("k2", "s2")]).schemes(schemes))
}

/// A request before it is signed. It is of k1 and at [`NOW`], unless a test says otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    method: String,
    /// Path and query, encoded.
    pub(crate) target: String,
    content_type: &'static str,
    body: Vec<u8>,
    key: String,
    secret: String,
    time: String,
    nonce: String,
}

impl Draft {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.into(),
            target: target.into(),
            content_type: "",
            body: Vec::new(),
            key: "k1".into(),
            secret: "s1".into(),
            time: NOW.to_string(),
            nonce: NONCE.into(),
        }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn post(target: &str, form: &str) -> Self {
        Self { content_type: FORM, body: form.into(), ..Self::new("POST", target) }
    }

    fn at(self, time: i64) -> Self {
        Self { time: time.to_string(), ..self }
    }

    pub(crate) fn nonce(self, nonce: impl Into<String>) -> Self {
        Self { nonce: nonce.into(), ..self }
    }

    /// Of another key.
    pub(crate) fn by(self, key: &str, secret: &str) -> Self {
        Self { key: key.into(), secret: secret.into(), ..self }
    }

    /// With a body of JSON.
    pub(crate) fn json(self, body: String) -> Self {
        Self { content_type: "application/json", body: body.into(), ..self }
    }

    fn path_and_query(&self) -> (&str, &str) {
        self.target.split_once('?').unwrap_or((&self.target, ""))
    }

    fn v1_signature(&self) -> String {
        let (path, query) = self.path_and_query();
        let form = if self.method == "POST" && self.content_type == FORM { &self.body[..] } else { b"" };
        let params: Vec<_> = form_urlencoded::parse(form).chain(form_urlencoded::parse(query.as_bytes())).collect();
        let path = percent_decode_str(path).decode_utf8().unwrap();
        let signed = V1 { app_key: &self.key, path: &path, timestamp: &self.time, params: &params };
        signed.sign(&self.secret.as_str().into())
    }

    fn v2_signature(&self) -> String {
        let (path, query) = self.path_and_query();
        let signed = V2 {
            app_key: &self.key,
            method: &self.method,
            path,
            query,
            timestamp: &self.time,
            nonce: &self.nonce,
            body: &self.body,
        };
        signed.sign(&self.secret.as_str().into())
    }

    /// The request with this signature; `None` if it cannot be sent at all.
    fn try_signed(&self, signature: &[u8]) -> Option<Request<Body>> {
        let mut request = Request::builder()
            .method(self.method.as_bytes())
            .uri(&self.target)
            .header(APP_KEY, self.key.as_bytes())
            .header(REQUEST_TIME, self.time.as_bytes())
            .header(REQUEST_SIGNATURE, signature)
            .header(REQUEST_NONCE, self.nonce.as_bytes());
        if !self.content_type.is_empty() {
            request = request.header("content-type", self.content_type);
        }
        request.body(Body::from(self.body.clone())).ok()
    }

    fn signed(&self, signature: &str) -> Request<Body> {
        self.try_signed(signature.as_bytes()).unwrap()
    }

    fn v1(&self) -> Request<Body> {
        self.signed(&self.v1_signature())
    }

    pub(crate) fn v2(&self) -> Request<Body> {
        self.signed(&self.v2_signature())
    }
}

/// Sends what must be refused with this status and sentence, and change nothing.
async fn refused(bench: &Bench, request: Request<Body>, status: u16, sentence: &str) {
    let what = format!("{} {} {:?}", request.method(), request.uri(), request.headers());
    let before = bench.state();
    let answer = bench.send(request).await;
    assert_eq!((answer.status, answer.sentence().as_deref()), (status, Some(sentence)), "{what}");
    assert_eq!(answer.content_type(), "application/json; charset=UTF-8");
    assert_eq!(bench.state(), before, "{what} changed something");
}

/// Sends what must be done.
async fn done(bench: &Bench, request: Request<Body>) -> Answer {
    let what = format!("{} {} {:?}", request.method(), request.uri(), request.headers());
    let answer = bench.send(request).await;
    assert_eq!(answer.status, 200, "{what}: {answer:?}");
    answer
}

#[tokio::test]
async fn without_keys_nothing_need_be_signed() {
    assert_eq!(Bench::new().get("/pusher/pushers/").await.status, 200);
}

#[tokio::test]
async fn what_is_wrong_is_said_in_the_go_programs_order() {
    let bench = bench_of(Schemes::Both);
    let list = || Request::get("/pusher/pushers/");
    let time = NOW.to_string();
    for (request, header) in [
        (list(), "X-App-Key"),
        (list().header(APP_KEY, "k3"), "X-App-Key"),
        (list().header(APP_KEY, ""), "X-App-Key"),
        (list().header(APP_KEY, "k1"), "X-Request-Time"),
        (list().header(APP_KEY, "k1").header(REQUEST_TIME, "x"), "X-Request-Time"),
        (list().header(APP_KEY, "k1").header(REQUEST_TIME, &time), "X-Request-Signature"),
        (
            list().header(APP_KEY, "k1").header(REQUEST_TIME, &time).header(REQUEST_SIGNATURE, "0"),
            "X-Request-Signature",
        ),
        (list().header(APP_KEY, "k1").header(REQUEST_TIME, &time).header(REQUEST_SIGNATURE, "v2=0"), "X-Request-Nonce"),
    ] {
        refused(&bench, request.body(Body::empty()).unwrap(), 400, &format!("Invalid {header}")).await;
    }
}

#[tokio::test]
async fn the_time_may_be_ten_minutes_off_either_way() {
    let bench = bench_of(Schemes::Both);
    for off in [-600, -599, 0, 599, 600] {
        let draft = Draft::get("/pusher/pushers/").at(NOW + off).nonce(format!("0123456789abcdef{off}"));
        done(&bench, draft.v1()).await;
        done(&bench, draft.v2()).await;
    }
    for off in [-601, 601, -NOW, NOW * 999, i64::MAX - NOW] {
        let draft = Draft::get("/pusher/pushers/").at(NOW + off);
        refused(&bench, draft.v1(), 400, "Invalid X-Request-Time").await;
        refused(&bench, draft.v2(), 400, "Invalid X-Request-Time").await;
    }
}

#[tokio::test]
async fn the_time_is_digits_and_nothing_else() {
    let bench = bench_of(Schemes::Both);
    for time in ["", "+1700000000", "-1700000000", "1700000000.0", "1.7e9", "0x6553f100", "99999999999999999999"] {
        let draft = Draft { time: time.into(), ..Draft::get("/pusher/pushers/") };
        refused(&bench, draft.v1(), 400, "Invalid X-Request-Time").await;
        refused(&bench, draft.v2(), 400, "Invalid X-Request-Time").await;
    }
}

#[tokio::test]
async fn each_key_has_its_own_secret() {
    let bench = bench_of(Schemes::Both);
    let k2 = Draft { key: "k2".into(), secret: "s2".into(), ..Draft::get("/pusher/pushers/") };
    done(&bench, k2.v1()).await;
    done(&bench, k2.v2()).await;
    let swapped = Draft { secret: "s1".into(), ..k2 };
    refused(&bench, swapped.v1(), 400, "Invalid X-Request-Signature").await;
    refused(&bench, swapped.v2(), 400, "Invalid X-Request-Signature").await;
}

#[tokio::test]
async fn a_scheme_that_is_not_taken_is_refused_however_right_the_signature_is() {
    let draft = Draft::post("/pusher/pushers/", "pusher=x");
    let only = |scheme: &str| format!("Invalid X-Request-Signature: this server takes {scheme} signatures only");
    let bench = bench_of(Schemes::V1);
    refused(&bench, draft.v2(), 400, &only("v1")).await;
    done(&bench, draft.v1()).await;
    let bench = bench_of(Schemes::V2);
    refused(&bench, draft.v1(), 400, &only("v2")).await;
    done(&bench, draft.v2()).await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_not_read_to_be_checked() {
    let bench = bench_of(Schemes::Both);
    let large = Draft::post("/pusher/pushers/", &format!("pusher={}", "x".repeat(2 * 1024 * 1024)));
    let sentence = "the body is longer than the limit of 2097152 bytes";
    refused(&bench, large.v1(), 413, sentence).await;
    refused(&bench, large.v2(), 413, sentence).await;
}
