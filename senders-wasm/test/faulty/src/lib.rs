//! A sender that misbehaves as the message's data tells it to, for tests of the host:
//!
//! | data | does |
//! | --- | --- |
//! | `trap` | crashes |
//! | `spin` | computes for ever |
//! | `spin:MS` | computes for so long, then is done |
//! | `alloc` | takes memory for ever |
//! | `grow` | asks for 2 GiB in one step, and crashes if it does not get them |
//! | `loop:WHAT` | calls the host for ever: `clock`, `config`, `http`, `log`, `pushers` or `sleep` |
//! | `sleep:MS` | waits, then is done |
//! | `log:N` | writes N bytes to stderr in lines of 100, then is done |
//! | `say:TEXT` | writes one line to stdout and one to stderr, then is done |
//! | `mutter:TEXT` | writes the text to stderr without ending the line, then is done |
//! | `count` | fails with how many messages this instance has had, this one included |
//! | `tally` | is put off by as many seconds |
//! | `config:KEY` | fails with the value, or `none` |
//! | `env:KEY` | fails with the environment variable, or `none` |
//! | `file:PATH` | fails with what opening the file says |
//! | `fetch:URL` | fails with the status and the body, or the error |
//! | `post:N URL` | the same, having posted N bytes |
//! | `posts:K N URL` | posts N bytes K times, one after the other, then is done |
//! | `header:NAME=VALUE URL` | the same, having sent a header |
//! | `headers:N URL` | the same, having sent N headers |
//! | `method:METHOD URL` | the same, with this method |
//! | `patience:MS URL` | the same, but waits no longer than that |
//! | `inspect:URL` | fails with the status, the headers and the length of the body, or the error |
//! | `fetch-trap:URL` | fetches, then crashes |
//! | `url:N` | fetches a URL of N bytes |
//! | `key:N` | asks for a config key of N bytes |
//! | `connect:ADDRESS` `bind:ADDRESS` `udp:ADDRESS` `resolve:NAME` | fails with what the socket says |
//! | `get:ID` | fails with the recipient's e-mail address, or the error |
//! | `push:SENDER ID DATA` | fails with the job's name, or the error |
//! | `search:QUERY` | fails with how many recipients there are and the ids of the first hundred, or the error |
//! | `fan-out` | fails with the error |
//! | `later:S` `temporary` `limited` `permanent` | answers that |
//! | `reason:N` | fails with a reason of N bytes |
//! | anything else | is done |
//!
//! "Fails with" is a permanent failure with that reason: the one way for a sender to say something to a test.

mod host;

use std::fmt::Debug;
use std::hint::black_box;
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use pusher_sender_sdk::{Failure, Message, Outcome, Sender, config, http, pushers};

struct Faulty;

static COUNT: AtomicU32 = AtomicU32::new(0);

impl Sender for Faulty {
    fn send(message: Message) -> Result<Outcome, Failure> {
        let messages = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
        let (what, rest) = message.data.split_once(':').unwrap_or((&message.data, ""));
        match what {
            "trap" => panic!("told to"),
            "spin" => spin(rest.parse().ok().map(Duration::from_millis)),
            "alloc" => take_memory(),
            "grow" => assert!(core::arch::wasm32::memory_grow(0, 2 << 14) != usize::MAX, "there is no memory"),
            "loop" => host::call_for_ever(rest),
            "sleep" => std::thread::sleep(Duration::from_millis(rest.parse()?)),
            "log" => write_lines(rest.parse()?),
            "say" => {
                println!("{rest}");
                eprintln!("{rest}");
            }
            "mutter" => eprint!("{rest}"),
            "count" => return say(messages),
            "tally" => return Ok(Outcome::Later(messages)),
            "config" => return say(config::get(rest).as_deref().unwrap_or("none")),
            "env" => return say(env(rest)),
            "file" => return say(std::fs::read_to_string(rest).map_err(|error| error.kind())),
            "fetch" => return fetch(http::get(rest)),
            "posts" => return post_many(rest),
            "post" | "header" | "headers" | "method" | "patience" => return exchange(what, rest),
            "inspect" => return inspect(rest),
            "fetch-trap" => panic!("told to, after {:?}", http::get(rest).send()),
            "url" => return fetch(http::get(&format!("http://127.0.0.1/{}", "x".repeat(rest.parse()?)))),
            "key" => return say(config::get(&"k".repeat(rest.parse()?))),
            "connect" => return say(TcpStream::connect(rest).map_err(|error| error.kind())),
            "bind" => return say(TcpListener::bind(rest).map_err(|error| error.kind())),
            "udp" => return say(UdpSocket::bind(rest).map_err(|error| error.kind())),
            "resolve" => return say((rest, 80).to_socket_addrs().map(Vec::from_iter).map_err(|error| error.kind())),
            "get" => return answer(pushers::get(rest).map(|pusher| pusher.email)),
            "push" => return push(rest),
            "search" => return answer(pushers::search(rest, 0, u32::MAX).map(ids)),
            "fan-out" => return answer(pushers::fan_out(&message.id, "s", "", "", 1).map(|progress| progress.pushed)),
            "later" => return Ok(Outcome::Later(rest.parse()?)),
            "temporary" => return Err(Failure::temporary("told to")),
            "limited" => return Err(Failure::limited(rest.parse().ok())),
            "permanent" => return Err(Failure::permanent("told to")),
            "reason" => return say("é".repeat(rest.parse::<usize>()? / 2)),
            _ => {}
        }
        Ok(Outcome::Done)
    }
}

fn ids(page: pushers::Page) -> (u64, Vec<String>) {
    (page.total, page.pushers.into_iter().map(|pusher| pusher.id).collect())
}

fn say(text: impl Debug) -> Result<Outcome, Failure> {
    Err(Failure::Permanent(format!("{text:?}")))
}

fn answer<T: Debug, E: Debug>(result: Result<T, E>) -> Result<Outcome, Failure> {
    match result {
        Ok(value) => say(value),
        Err(error) => say(error),
    }
}

fn spin(limit: Option<Duration>) {
    let start = Instant::now();
    let mut n = 0_u64;
    while limit.is_none_or(|limit| start.elapsed() < limit) {
        for _ in 0..10_000 {
            n = black_box(n.wrapping_add(1));
        }
    }
}

fn take_memory() {
    let mut all = Vec::new();
    loop {
        all.push(black_box(vec![1_u8; 1 << 20]));
    }
}

fn write_lines(bytes: usize) {
    for _ in 0..bytes / 100 {
        eprintln!("{}", "x".repeat(99));
    }
}

#[expect(clippy::disallowed_methods, reason = "the test is that there is none")]
fn env(key: &str) -> String {
    std::env::var(key).unwrap_or_else(|_| "none".to_owned())
}

fn fetch(request: http::Request) -> Result<Outcome, Failure> {
    answer(request.send().map(|response| (response.status(), response.text())))
}

fn exchange(what: &str, rest: &str) -> Result<Outcome, Failure> {
    let (argument, url) = rest.rsplit_once(' ').ok_or("told nonsense")?;
    let request = http::post(url);
    fetch(match (what, argument.split_once('=')) {
        ("header", Some((name, value))) => request.header(name, value),
        ("headers", _) => (0..argument.parse()?).fold(request, |request, n: u32| request.header(&format!("x-{n}"), "")),
        ("method", _) => http::request(argument, url),
        ("patience", _) => request.timeout(Duration::from_millis(argument.parse()?)),
        _ => request.body("application/octet-stream", vec![b'x'; argument.parse()?]),
    })
}

fn post_many(rest: &str) -> Result<Outcome, Failure> {
    let [times, bytes, url] = rest.splitn(3, ' ').collect::<Vec<_>>()[..] else { Err("told nonsense")? };
    let body = vec![b'x'; bytes.parse()?];
    for _ in 0..times.parse::<u32>()? {
        http::post(url).body("application/octet-stream", body.clone()).send()?.error_for_status()?;
    }
    Ok(Outcome::Done)
}

fn inspect(url: &str) -> Result<Outcome, Failure> {
    answer(http::get(url).send().map(|response| {
        let headers = ["content-encoding", "set-cookie", "x-more"].map(|name| response.header(name).map(str::to_owned));
        (response.status(), headers, response.bytes().len())
    }))
}

fn push(rest: &str) -> Result<Outcome, Failure> {
    let [sender, pusher, data] = rest.splitn(3, ' ').collect::<Vec<_>>()[..] else { Err("told nonsense")? };
    answer(pushers::push(sender, pusher, data, 0))
}

pusher_sender_sdk::export!(Faulty as "faulty");
