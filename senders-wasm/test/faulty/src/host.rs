//! Loops whose time is spent in the host and not in the guest.

use std::hint::black_box;
use std::time::{Duration, Instant};

use pusher_sender_sdk::{config, http, pushers};

/// Calls one function of the host for ever.
pub(crate) fn call_for_ever(what: &str) -> ! {
    let call: fn() = match what {
        "clock" => || {
            black_box(Instant::now());
        },
        "config" => || {
            black_box(config::get("key"));
        },
        "http" => || {
            black_box(http::get("http://example.com/").send().is_ok());
        },
        "log" => || eprintln!("x"),
        "pushers" => || {
            black_box(pushers::get("ada").is_ok());
        },
        "sleep" => || std::thread::sleep(Duration::from_nanos(1)),
        other => panic!("told nonsense: {other}"),
    };
    loop {
        call();
    }
}
