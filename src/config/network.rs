//! A network or a single address, as an operator writes it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Addresses that share a prefix. `10.0.0.0/8`, or one address: `10.0.0.1` means `10.0.0.1/32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

/// The text is neither an address nor a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is neither an address nor a network in CIDR notation, such as 10.0.0.0/8")]
pub struct NetworkError;

impl Network {
    /// Whether `address` belongs to it. An IPv4 address that arrives mapped into IPv6, as it does
    /// on a listener that serves both, counts as the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let address = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
        address.or_else(|_| text.parse()).map(Self).map_err(|_| NetworkError)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            return write!(f, "{}", self.0.addr());
        }
        write!(f, "{}", self.0)
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Self, NetworkError> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let network: Network = "10.0.0.0/8".parse().expect("a network");
        for (address, inside) in
            [("10.9.8.7", true), ("::ffff:10.9.8.7", true), ("11.0.0.1", false), ("::1", false)]
        {
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(network.contains(address), inside, "{address}");
        }
    }

    #[test]
    fn an_address_alone_is_a_network_of_one_and_prints_as_it_was_written() {
        for text in ["10.0.0.1", "2001:db8::1", "10.0.0.0/8", "2001:db8::/64"] {
            let network: Network = text.parse().expect("a network");
            assert_eq!(network.to_string(), text);
        }
        assert_eq!("10.0.0.0/33".parse::<Network>(), Err(NetworkError));
        assert_eq!("proxy.example".parse::<Network>(), Err(NetworkError));
    }
}
