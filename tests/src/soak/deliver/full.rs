//! A full disk: a server whose map is filled with messages for later takes no more, delivers what it has, and takes
//! messages again when there is room.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use pusher::config::{File, ServeConfig, ServeSettings};
use pusher::serve;
use pusher_core::DeliveryState;
use tokio::sync::mpsc::unbounded_channel;
use tokio_util::sync::CancellationToken;

use super::audit;
use super::provider::Sent;
use crate::build;
use crate::queue::client;
use crate::rest::Rest;
use crate::senders;
use crate::wait::{must, until};

/// The size of the map: full after some dozens of messages.
const MAP: u64 = 4 << 20;
/// Messages that come due while it is full, and after that.
const MESSAGES: usize = 40;
/// How long each of the others is.
const LARGE: usize = 50_000;
/// In how many seconds what is to come due while it is full does.
const SOON: i64 = 3;
const FULL: u16 = 507;

/// Fills it and makes room. How many messages were refused.
pub(super) async fn full() -> usize {
    let dir = must("a temporary directory", tempfile::tempdir());
    let (data, folder) = (dir.path().join("data"), dir.path().join("senders"));
    must("the sender", senders::sample(&folder));
    let config = must("the settings", config(&data, &folder));
    let (stop, (said, mut lines)) = (CancellationToken::new(), unbounded_channel());
    let running = tokio::spawn(serve::run(config, stop.clone(), move |line| drop(said.send(line.to_owned()))));
    let (mut api, mut periodic) = (String::new(), String::new());
    while let Some(line) = lines.recv().await {
        match line.split_once(": ") {
            Some(("api", url)) => url.clone_into(&mut api),
            Some(("periodic", url)) => url.clone_into(&mut periodic),
            _ if line == "ready" => break,
            _ => {}
        }
    }
    let rest = Rest::new(&api);
    rest.recipient("lupino", "sample").await;
    let push = async |data: &str, at: i64| {
        let form = [("pusher", "lupino"), ("data", data), ("schedat", &at.to_string())];
        rest.post("/pusher/sample/push", &form).await
    };
    let now = periodic::Clock::now(&periodic::SystemClock);
    let mut accepted: HashSet<Sent> = HashSet::new();
    for n in 0..MESSAGES {
        let data = format!("while it is full {n}");
        assert_eq!(push(&data, now + SOON).await.status, 200);
        accepted.insert(("lupino".into(), data));
    }
    let mut fillers = Vec::new();
    loop {
        let reply = push(&format!("{} {}", fillers.len(), "x".repeat(LARGE)), now + 3600).await;
        if reply.status == FULL {
            break;
        }
        assert_eq!(reply.status, 200, "{reply:?}");
        fillers.push(reply.body.split('"').nth(3).unwrap_or_default().to_owned());
    }
    let refused = AtomicUsize::new(1);
    let left = async || {
        let status = must("STATUS", client(&periodic).status().await);
        status.into_iter().find(|line| line.func == "pusher:sample").map_or(0, |line| line.jobs)
    };
    // Whoever pushes meanwhile is refused, and what is accepted goes out.
    until("what came due to be delivered", async || {
        let reply = push(&"x".repeat(LARGE), now + 3600).await;
        assert_eq!(reply.status, FULL, "{reply:?}");
        refused.fetch_add(1, Relaxed);
        (left().await == fillers.len() as u64).then_some(())
    })
    .await;
    for name in &fillers {
        assert_eq!(rest.post("/pusher/sample/cancelpush", &[("name", name)]).await.status, 200);
    }
    for n in 0..MESSAGES {
        let data = format!("when there is room again {n}");
        assert_eq!(push(&data, 0).await.status, 200);
        accepted.insert(("lupino".into(), data));
    }
    until("everything to be delivered", async || (left().await == 0).then_some(())).await;
    let log = audit::log(&api).await;
    stop.cancel();
    must("the server", must("the server", running.await));
    for sent in &accepted {
        assert_eq!(log.get(&audit::name(sent)), Some(&DeliveryState::Delivered), "{sent:?}");
    }
    refused.into_inner()
}

fn config(data: &Path, folder: &Path) -> Result<ServeConfig, pusher::config::ConfigError> {
    let free = || Some("127.0.0.1:0".to_owned());
    let settings = ServeSettings {
        host: free(),
        admin: free(),
        work_dir: Some(data.to_owned()),
        senders: Some(folder.to_owned()),
        cache: Some(build::root().join("target/senders-cache")),
        periodic_listen: Some("tcp://127.0.0.1:0".into()),
        ..ServeSettings::default()
    };
    Ok(ServeConfig { map_size: MAP, ..ServeConfig::resolve(settings, File::default())? })
}
