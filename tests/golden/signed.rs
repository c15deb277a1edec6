//! The requests of `http-auth.jsonl`, signed. Times and signatures were not kept, because they hold for minutes only:
//! the name of a case says what was right or wrong with them. The recording leaves requests out on whose effect later
//! ones rest; those are sent between.

use percent_encoding::percent_decode_str;
use pusher_core::signing::{APP_KEY, REQUEST_SIGNATURE, REQUEST_TIME, Secret, V1};

use super::Request;

/// The key that the server of the recording had.
pub(crate) const KEY: &str = "k1";
/// Its secret.
pub(crate) const SECRET: &str = "s1";

const HOUR: i64 = 3600;

/// Signs each request as its case says, at `now` in Unix seconds, after those that the recording leaves out before it.
pub(crate) fn signed_at(now: i64) -> impl Fn(&str, Request) -> Vec<Request> {
    move |case, request| {
        let left_out = match case {
            "196_auth_ok_list_query" => Some(("/pusher/pushers/", "pusher=lupino&email=a%40b.c")),
            "199_auth_get_after_update" => Some(("/pusher/pushers/lupino/", "email=new%40x.y&nickname=nn")),
            "202_auth_ok_search_query" | "205_auth_ok_push" => Some(("/pusher/sample_sender/add", "pusher=lupino")),
            _ => None,
        };
        let left_out = left_out.map(|(target, body)| {
            let request = Request {
                method: "POST".into(),
                target: target.into(),
                content_type: Some("application/x-www-form-urlencoded".into()),
                headers: Vec::new(),
                body: body.into(),
            };
            let headers = right(&request, now);
            Request { headers, ..request }
        });
        left_out.into_iter().chain([of_case(case, request, now)]).collect()
    }
}

fn of_case(case: &str, mut request: Request, now: i64) -> Request {
    if case == "208_auth_push_json_body" {
        request.content_type = Some("application/json".into());
    }
    let with = |changed: Request| right(&changed, now);
    let keep = |count: usize| right(&request, now).into_iter().take(count).collect();
    request.headers = match case {
        "178_auth_no_headers" | "179_auth_no_headers_unknown_route" => keep(0),
        "181_auth_key_only" => keep(1),
        "182_auth_key_badtime" => vec![(APP_KEY, KEY.into()), (REQUEST_TIME, "yesterday".into())],
        "184_auth_future_time" => right(&request, now + HOUR),
        "185_auth_time_ms" => right(&request, now * 1000),
        "187_auth_no_sig" => keep(2),
        "188_auth_wrong_sig" => headers(&request, &decoded(&request), now, "another secret"),
        "190_auth_lowercase_sig" => {
            right(&request, now).into_iter().map(|(name, value)| (name, value.to_lowercase())).collect()
        }
        "193_auth_create_unsigned_body" => with(Request { body: Vec::new(), ..request.clone() }),
        "194_auth_create_body_param_missing_in_sig" => {
            with(Request { body: b"pusher=lupino".to_vec(), ..request.clone() })
        }
        "197_auth_list_query_not_signed" => with(Request { target: path(&request).to_owned(), ..request.clone() }),
        "217_auth_escaped_path" => headers(&request, path(&request), now, SECRET),
        _ => right(&request, now),
    };
    request
}

/// Key, time and signature, in this order, all right.
fn right(request: &Request, time: i64) -> Vec<(&'static str, String)> {
    headers(request, &decoded(request), time, SECRET)
}

fn headers(request: &Request, path: &str, time: i64, secret: &str) -> Vec<(&'static str, String)> {
    let is_form = request.content_type.as_deref() == Some("application/x-www-form-urlencoded");
    let form = if request.method == "POST" && is_form { &request.body[..] } else { b"" };
    let query = request.target.split_once('?').map_or("", |(_, query)| query);
    let params: Vec<_> = form_urlencoded::parse(form).chain(form_urlencoded::parse(query.as_bytes())).collect();
    let timestamp = time.to_string();
    let signed = V1 { app_key: KEY, path, timestamp: &timestamp, params: &params };
    let signature = signed.sign(&Secret::new(secret));
    vec![(APP_KEY, KEY.into()), (REQUEST_TIME, timestamp), (REQUEST_SIGNATURE, signature)]
}

fn path(request: &Request) -> &str {
    request.target.split('?').next().unwrap_or_default()
}

fn decoded(request: &Request) -> String {
    percent_decode_str(path(request)).decode_utf8().unwrap().into_owned()
}
