//! A sender that makes its requests through `wasi:http/outgoing-handler` as the message's data tells it to, for tests of
//! the host:
//!
//! | data | does |
//! | --- | --- |
//! | `fetch:URL` | fails with the status and the body, or the error |
//! | `method:METHOD URL` `header:NAME=VALUE URL` | the same, with this method or header |
//! | `headers:N URL` | the same, with N headers |
//! | `parts:AUTHORITY PATH` | the same, of a URL in these two parts |
//! | `post:N URL` | the same, with a body of N bytes, which are written after the request has begun |
//! | `length:N URL` | the same, with a body of two bytes that is declared to have N |
//! | `unfinished:URL` `given-up:URL` | the same, with a body that is never finished, or given up |
//! | `trailers:URL` | the same, with trailers after the body |
//! | `patience:MS URL` | the same, waiting so long for the first byte |
//! | `many:N URL` | begins N requests before it waits for the first, then fails with what became of them, and how often |
//! | `keep:N URL` | makes N requests and keeps the responses, then fails with what became of them, and how often |
//! | `drop:N URL` | begins N requests and drops them, then is done |
//! | `leave:URL` | begins a request, and is done |
//! | `follow:URL` | makes a request, reads its answer, and is done |
//! | `bodies:N` | writes into N bodies that it never sends, then fails with how many bytes the host took in all |
//! | `fields:N` | makes a header of N bytes, then is done |
//! | `config:KEY` | fails with the value, or `none` |
//!
//! "Fails with" is a permanent failure with that reason: the one way for a sender to say something to a test.

mod exchange;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use exchange::{Body, Request};
use pusher_sender_sdk::{Failure, Message, Outcome, Sender, config};
use wasip2::http::types::Fields;

struct Outgoing;

impl Sender for Outgoing {
    fn send(message: Message) -> Result<Outcome, Failure> {
        let (what, rest) = message.data.split_once(':').unwrap_or((&message.data, ""));
        let (argument, url) = rest.rsplit_once(' ').unwrap_or(("", rest));
        let number = || argument.parse::<usize>();
        let request = Request::to(url);
        match what {
            "fetch" => say(request.fetch()),
            "method" => say(request.method(argument).fetch()),
            "header" => {
                let (name, value) = argument.split_once('=').ok_or("told nonsense")?;
                say(request.header(name, value).fetch())
            }
            "headers" => say((0..number()?).fold(request, |request, n| request.header(&format!("x-{n}"), "")).fetch()),
            "parts" => say(Request::of("http", argument, url).fetch()),
            "post" => say(request.method("POST").body(Body::Written(number()?)).fetch()),
            "length" => say(request.header("content-length", argument).body(Body::Written(2)).fetch()),
            "unfinished" => say(request.body(Body::Unfinished).fetch()),
            "given-up" => say(request.body(Body::GivenUp).fetch()),
            "trailers" => say(request.body(Body::Trailers).fetch()),
            "patience" => say(request.patience(Duration::from_millis(number()? as u64)).fetch()),
            "many" => {
                let begun: Vec<_> = (0..number()?).map(|_| Request::to(url).begin()).collect();
                say(count(begun.into_iter().map(|begun| begun.and_then(exchange::Begun::status))))
            }
            "keep" => {
                let kept: Vec<_> = (0..number()?).map(|_| Request::to(url).begin()?.response()).collect();
                say(count(kept.iter().map(|kept| kept.as_ref().map(|kept| kept.status()).map_err(Clone::clone))))
            }
            "drop" => {
                for _ in 0..number()? {
                    drop(Request::to(url).begin());
                }
                Ok(Outcome::Done)
            }
            "leave" => {
                std::mem::forget(request.begin());
                Ok(Outcome::Done)
            }
            "follow" => {
                request.fetch()?;
                Ok(Outcome::Done)
            }
            "bodies" => say(Ok(exchange::fill_bodies(url.parse()?))),
            "fields" => {
                let fields = Fields::new();
                let _ = fields.append("x", &vec![b'x'; url.parse()?]);
                Ok(Outcome::Done)
            }
            "config" => Err(Failure::Permanent(config::get(rest).unwrap_or_else(|| "none".to_owned()))),
            _ => Err("told nonsense")?,
        }
    }
}

/// How often each of them came.
fn count(results: impl Iterator<Item = Result<u16, String>>) -> Result<BTreeMap<String, usize>, String> {
    let mut counts = BTreeMap::new();
    for result in results {
        *counts.entry(result.map_or_else(|error| error, |status| status.to_string())).or_default() += 1;
    }
    Ok(counts)
}

fn say(result: Result<impl Debug, String>) -> Result<Outcome, Failure> {
    Err(Failure::Permanent(result.map_or_else(|error| error, |value| format!("{value:?}"))))
}

pusher_sender_sdk::export!(Outgoing as "outgoing");
