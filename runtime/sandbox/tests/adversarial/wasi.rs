//! Files, sockets and names: nothing is behind them. `wasi:http` is not even there.

use std::net::UdpSocket;

use tokio::net::TcpListener;

use crate::guest::Guest;
use crate::scene::{PATIENT, SMALL, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn no_socket_connects_binds_or_resolves() {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    // Even the grant for private addresses is for requests only.
    let origin = format!("http://{}", tcp.local_addr().unwrap());
    let scene = Scene::faulty(&format!("{PATIENT}[http]\nallow = [\"{origin}\"]\nprivate = true\n")).await;
    for data in [
        format!("connect:{}", tcp.local_addr().unwrap()),
        format!("connect:{}", udp.local_addr().unwrap()),
        "connect:localhost:80".into(),
        "bind:127.0.0.1:0".into(),
        "bind:0.0.0.0:0".into(),
        "udp:127.0.0.1:0".into(),
        "resolve:localhost".into(),
    ] {
        let said = scene.ask(&data).await;
        assert!(said.starts_with("Err("), "{data}: {said}");
    }
    let nobody = tokio::time::timeout(std::time::Duration::from_millis(50), tcp.accept()).await;
    assert!(nobody.is_err(), "{nobody:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_opens_and_no_directory_is_there() {
    let scene = Scene::faulty(SMALL).await;
    for path in ["/", ".", "..", "/etc/passwd", "/proc/self/environ", "faulty.toml", "/dev/null", "\u{0}"] {
        let said = scene.ask(&format!("file:{path}")).await;
        assert!(said.starts_with("Err("), "{path}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_host_does_not_have_refuses_the_sender_with_its_name() {
    for (package, interface, function) in [
        (
            "package wasi:http@0.2.0; interface incoming-handler { handle: func(); }",
            "wasi:http/incoming-handler@0.2.0",
            "handle",
        ),
        (
            "package pusher:sender-extra@0.1.0; interface root { shell: func(); }",
            "pusher:sender-extra/root@0.1.0",
            "shell",
        ),
        // A later version of ours has functions that this host lacks.
        ("package pusher:sender@0.2.0; interface config { get: func(); }", "pusher:sender/config@0.2.0", "get"),
    ] {
        let guest = Guest::new()
            .package(package)
            .import(interface)
            .item(&format!(r#"(import "{interface}" "{function}" (func))"#));
        let scene = Scene::hand(&guest, SMALL).await;
        let reason = scene.refusal().await;
        assert!(reason.starts_with("faulty.wasm imports something that this host does not have: "), "{reason}");
        assert!(reason.contains(interface), "{reason}");
    }
}
