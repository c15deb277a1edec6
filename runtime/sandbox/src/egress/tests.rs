//! Every range at both its ends, in every form, and what a resolver makes of it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use reqwest::dns::Resolve;

use super::*;

fn public(ip: &str) -> bool {
    is_public(ip.parse().unwrap())
}

#[test]
fn public_addresses_are_public() {
    for ip in [
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.0.1",
        "172.32.0.1",
        "198.17.0.1",
        "223.255.255.255",
    ] {
        assert!(public(ip), "{ip}");
    }
    for ip in ["2606:4700::1111", "2001:200::1", "2a00::1", "::ffff:8.8.8.8"] {
        assert!(public(ip), "{ip}");
    }
}

#[test]
fn every_special_range_is_refused_at_both_ends() {
    for (net, length, what) in SPECIAL_V4 {
        let last = Ipv4Addr::from_bits(net.to_bits() | (u32::MAX >> length));
        assert!(!is_public(net.into()) && !is_public(last.into()), "{net}/{length}: {what}");
        let mapped = net.to_ipv6_mapped();
        assert!(!is_public(mapped.into()), "{mapped}: {what}");
    }
    for (net, length, what) in SPECIAL_V6 {
        let last = Ipv6Addr::from_bits(net.to_bits() | (u128::MAX >> length));
        assert!(!is_public(net.into()) && !is_public(last.into()), "{net}/{length}: {what}");
    }
    for ip in [
        "::",
        "::1",
        "::7f00:1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "fc00::1",
        "fd00::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ] {
        assert!(!public(ip), "{ip}");
    }
}

#[test]
fn a_literal_is_judged_in_whatever_form_it_is_written() {
    for url in [
        "http://127.0.0.1",
        "http://127.1",
        "http://2130706433",
        "http://0x7f.0.0.1",
        "http://0177.0.0.1",
        "http://[::1]",
        "http://[::ffff:127.0.0.1]",
        "http://[::ffff:7f00:1]",
        "http://localhost",
        "http://LOCALHOST.",
        "http://a.localhost",
        "http://169.254.169.254",
        "http://0",
        "http://[100::1]",
    ] {
        let url = url::Url::parse(url).unwrap();
        assert!(judge_host(&url.host().unwrap()).is_err(), "{url}");
    }
    let url = url::Url::parse("https://api.sendgrid.com").unwrap();
    assert!(judge_host(&url.host().unwrap()).is_ok());
}

/// A resolver of public addresses over one that gives these answers in turn.
fn resolver(answers: &[&[&str]]) -> Resolver {
    let answers: VecDeque<Vec<IpAddr>> =
        answers.iter().map(|answer| answer.iter().map(|ip| ip.parse().unwrap()).collect()).collect();
    let answers = Mutex::new(answers);
    Resolver::public(Arc::new(move |_| Ok(answers.lock().unwrap().pop_front().unwrap())))
}

async fn resolve(resolver: &Resolver) -> Result<Vec<IpAddr>, String> {
    let found = resolver.resolve("api.example.com".parse().unwrap()).await;
    match found {
        Ok(found) => Ok(found.map(|address: SocketAddr| address.ip()).collect()),
        Err(error) => {
            assert!(error.is::<Private>(), "{error}");
            Err(error.to_string())
        }
    }
}

#[tokio::test]
async fn a_name_that_was_public_and_is_private_now_is_refused() {
    // Rebinding: the answer that is judged is the one that is connected to, each time.
    let resolver = resolver(&[&["8.8.8.8"], &["127.0.0.1"], &["::ffff:10.0.0.1"], &["8.8.8.8"]]);
    let refused = Err("api.example.com is not a public address".to_owned());
    assert_eq!(resolve(&resolver).await, Ok(vec!["8.8.8.8".parse().unwrap()]));
    assert_eq!(resolve(&resolver).await, refused);
    assert_eq!(resolve(&resolver).await, refused);
    assert_eq!(resolve(&resolver).await, Ok(vec!["8.8.8.8".parse().unwrap()]));
}

#[tokio::test]
async fn of_several_addresses_only_the_public_ones_are_connected_to() {
    let resolver = resolver(&[
        &["169.254.169.254", "8.8.8.8", "::ffff:127.0.0.1", "2a00::1", "64:ff9b::a00:1"],
        &["10.0.0.1", "fd00::1", "::ffff:192.168.0.1"],
    ]);
    assert_eq!(resolve(&resolver).await, Ok(vec!["8.8.8.8".parse().unwrap(), "2a00::1".parse().unwrap()]));
    assert!(resolve(&resolver).await.is_err());
}

#[tokio::test]
async fn the_systems_own_names_for_this_machine_are_refused() {
    let resolver = Resolver::public(system_lookup());
    assert!(resolver.resolve("localhost".parse().unwrap()).await.err().unwrap().is::<Private>());
}
