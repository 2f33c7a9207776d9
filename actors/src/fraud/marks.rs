//! What an address and a request show, without keeping either.

use serde::{Deserialize, Serialize};

use crate::ids::PersonId;

/// Where a request came from, as keyed hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The IPv4 address, or the /64 of the IPv6 address.
    pub site: u64,
    /// The /24 of the IPv4 address, or the /48 of the IPv6 address.
    pub network: u64,
}

/// What somebody shows who joins, is told of, or comes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// The mailbox, named like the person with its plain address; None where the address is plain.
    pub mailbox: Option<PersonId>,
    /// A keyed hash of the address without digits: addresses that differ in these share it.
    pub shape: u32,
    /// Whether the domain is one of disposable addresses.
    pub disposable: bool,
    /// Where the request came from; None where that says nothing.
    pub origin: Option<Origin>,
}
