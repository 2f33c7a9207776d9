//! Whose request it is, as far as addresses can tell.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::{HeaderMap, HeaderName};

use crate::config::Network;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Bits of an IPv6 address that name a site; whoever has one address of it has all of them.
const SITE_BITS: u32 = 64;

/// The address that a request is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    /// Came straight from this machine, not through a proxy.
    pub(crate) local: bool,
    /// A proxy that is trusted has told the address.
    pub(crate) told: bool,
}

impl Client {
    /// The address, or for IPv6 its /64, as a number.
    pub(crate) fn site(self) -> u128 {
        match self.address {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits() >> (Ipv6Addr::BITS - SITE_BITS) << SITE_BITS,
        }
    }
}

/// The proxies whose word about the client is taken.
#[derive(Debug)]
pub(crate) struct Proxies {
    trusted: Vec<Network>,
    warned: AtomicBool,
}

impl Proxies {
    pub(crate) fn new(trusted: Vec<Network>) -> Self {
        Self { trusted, warned: AtomicBool::new(false) }
    }

    /// The client behind `peer`: the right-most hop of `X-Forwarded-For` that is no trusted proxy.
    ///
    /// Anybody can send the header, so each hop is believed only from a trusted one. A hop that is
    /// no address ends the search at the hop that reported it.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Client {
        let peer = peer.to_canonical();
        if !headers.contains_key(FORWARDED_FOR) {
            return Client { address: peer, local: peer.is_loopback(), told: false };
        }
        if !self.trusts(peer) {
            if !self.warned.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    "ignored X-Forwarded-For from a peer that is not in server.trusted_proxies; \
                     add the proxy there, or all its clients count as one"
                );
            }
            return Client { address: peer, local: false, told: false };
        }
        let values = headers.get_all(FORWARDED_FOR).iter().rev();
        let hops = values.flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
        let mut address = peer;
        for hop in hops {
            let Some(hop) = parse(hop.trim()) else { break };
            address = hop;
            if !self.trusts(hop) {
                break;
            }
        }
        Client { address, local: false, told: true }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }
}

/// An address, also with the port that some proxies add.
fn parse(hop: &str) -> Option<IpAddr> {
    let address = hop.parse().or_else(|_| hop.parse().map(|socket: SocketAddr| socket.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn client(trusted: &[&str], peer: &str, forwarded: &[&'static str]) -> Client {
        let trusted = trusted.iter().map(|network| network.parse().expect("a network")).collect();
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(value));
        }
        Proxies::new(trusted).client(address(peer), &headers)
    }

    #[test]
    fn without_the_header_the_peer_is_the_client() {
        let far = client(&[], "203.0.113.9", &[]);
        assert_eq!(far, Client { address: address("203.0.113.9"), local: false, told: false });
        assert!(client(&[], "127.0.0.1", &[]).local);
        assert!(client(&[], "::ffff:127.0.0.1", &[]).local);
    }

    #[test]
    fn a_stranger_cannot_choose_its_address() {
        let liar = client(&["10.0.0.0/8"], "203.0.113.9", &["198.51.100.1"]);
        assert_eq!(liar.address, address("203.0.113.9"));
        assert!(!client(&[], "127.0.0.1", &["127.0.0.1"]).local);
    }

    #[test]
    fn the_right_most_hop_that_is_no_proxy_is_the_client() {
        let trusted = ["10.0.0.0/8", "127.0.0.1"];
        for (forwarded, expected) in [
            (&["198.51.100.1"][..], "198.51.100.1"),
            (&["1.1.1.1, 198.51.100.1, 10.1.2.3"], "198.51.100.1"),
            (&["1.1.1.1", "198.51.100.1,10.9.9.9"], "198.51.100.1"),
            (&["198.51.100.1:4711"], "198.51.100.1"),
            (&["[2001:db8::1]:80"], "2001:db8::1"),
            (&["1.1.1.1, nonsense, 10.1.2.3"], "10.1.2.3"),
            (&["10.7.7.7, 10.1.2.3"], "10.7.7.7"),
            (&["nonsense"], "127.0.0.1"),
        ] {
            let found = client(&trusted, "127.0.0.1", forwarded);
            assert_eq!(found.address, address(expected), "{forwarded:?}");
            assert!(!found.local);
        }
    }

    #[test]
    fn ipv6_counts_by_site_and_ipv4_by_address() {
        let site = |text| Client { address: address(text), local: false, told: false }.site();
        assert_eq!(site("2001:db8:1:2::1"), site("2001:db8:1:2:ffff::9"));
        assert_ne!(site("2001:db8:1:2::1"), site("2001:db8:1:3::1"));
        assert_ne!(site("203.0.113.9"), site("203.0.113.8"));
    }
}
