//! Every address that is not public, as the host of a URL. Names that resolve to one are in `src/egress/tests.rs`, where
//! the resolver can be played.

use crate::scene::{PATIENT, Scene};

/// One address of each range that the registries (RFC 6890 and after) hold back, in the forms that people have got past
/// filters with.
const HOSTS: [&str; 41] = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "169.254.169.254",
    "0xa9fea9fe",
    "172.16.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "localhost",
    "localhost.",
    "metadata.localhost",
    "[::]",
    "[::1]",
    "[::127.0.0.1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::10.0.0.1]",
    "[64:ff9b:1::1]",
    "[100::1]",
    "[2001::1]",
    "[2001:db8::1]",
    "[2002:7f00:1::]",
    "[3fff::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[ff02::1]",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_public_is_denied_in_every_form() {
    let origins: Vec<_> = HOSTS.iter().map(|host| format!("\"http://{host}:9\"")).collect();
    let scene = Scene::faulty(&format!("{PATIENT}[http]\nallow = [{}]\n", origins.join(", "))).await;
    for host in HOSTS {
        let said = scene.ask(&format!("fetch:http://{host}:9/")).await;
        assert!(said.starts_with("Error::Denied(") && said.contains("[http] private = true"), "{host}: {said}");
    }
}
