//! Which network addresses a sender may reach: the public ones, unless its manifest says `[http] private = true`.
//!
//! Addresses are judged in two places, because a client that is given an IP literal asks no resolver: [`judge_host`] for
//! the host of a URL, and [`Resolver`] for what a name resolves to, at the moment of connecting.

mod resolver;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Host;

pub(crate) use resolver::{Lookup, Lookups, Resolver, system_lookup};

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

#[cfg(test)]
mod tests;
