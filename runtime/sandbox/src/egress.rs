//! Which network addresses a sender may reach: the public ones, unless its manifest says `[http] private = true`.
//!
//! Addresses are judged in two places, because a client that is given an IP literal asks no resolver: [`judge_host`] for
//! the host of a URL, and [`PublicResolver`] for what a name resolves to, at the moment of connecting.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Host;

/// An address that only `[http] private = true` grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Private(String);

impl fmt::Display for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not a public address", self.0)
    }
}

impl std::error::Error for Private {}

/// Judges the host of a URL, as far as that can be done without resolving it.
pub(crate) fn judge_host(host: &Host<&str>) -> Result<(), Private> {
    let public = match host {
        Host::Ipv4(ip) => is_public(IpAddr::V4(*ip)),
        Host::Ipv6(ip) => is_public(IpAddr::V6(*ip)),
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            name != "localhost" && !name.ends_with(".localhost")
        }
    };
    if public { Ok(()) } else { Err(Private(host.to_string())) }
}

/// Is this an address of the public internet? What the registries of special-purpose addresses (RFC 6890 and after)
/// hold back is not.
pub(crate) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// IPv4 ranges that are not public: network, prefix length, what it is.
const SPECIAL_V4: [(Ipv4Addr, u32, &str); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "this network"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "carrier-grade NAT"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local, and the metadata services of clouds"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "protocol assignments"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "6to4 relays"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "benchmarks"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved, and broadcast"),
];

/// IPv6 ranges inside 2000::/3 that are not public. Outside of it nothing is: loopback, link-local, unique local,
/// multicast, discard and NAT64 addresses all lie there.
const SPECIAL_V6: [(Ipv6Addr, u32, &str); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "protocol assignments, Teredo among them"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "documentation"),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "6to4, which can hold any IPv4 address"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "documentation"),
];

fn is_public_v4(ip: Ipv4Addr) -> bool {
    !SPECIAL_V4.iter().any(|(net, length, _)| (ip.to_bits() ^ net.to_bits()) >> (32 - length) == 0)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(ip) = ip.to_ipv4_mapped() {
        return is_public_v4(ip);
    }
    let is_global_unicast = ip.segments()[0] & 0xe000 == 0x2000;
    is_global_unicast
        && !SPECIAL_V6.iter().any(|(net, length, _)| (ip.to_bits() ^ net.to_bits()) >> (128 - length) == 0)
}

/// Resolves names to their public addresses only.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PublicResolver;

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // Port 0 stands for the one in the URL.
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let public: Vec<_> = found.iter().copied().filter(|address| is_public(address.ip())).collect();
            if public.is_empty() && !found.is_empty() {
                return Err(Private(name.as_str().to_owned()).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
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

    #[tokio::test]
    async fn a_name_that_resolves_to_this_machine_is_refused() {
        let error = PublicResolver.resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert!(error.is::<Private>());
    }
}
