//! `[server]`: listeners, deadlines, and whom the node believes.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::Network;
use super::rule::{Allowed, Rule, Syntax};

/// Listeners, deadlines, trusted proxies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// The address that every listener binds.
    pub host: IpAddr,
    /// The port that serves everything; 0 lets the system choose one.
    pub port: u16,
    /// The ports of the four services.
    pub ports: Ports,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Whether keys are switched off; only with every listener on loopback.
    pub open: bool,
    /// How long a client may take to send a request's head.
    pub header_timeout_seconds: u32,
    /// How long a client may take to send a request's body.
    pub body_timeout_seconds: u32,
    /// How long a client may take in nothing of its answer.
    pub write_timeout_seconds: u32,
    /// How long the engine may take over a request; after that the answer is 503, fate unknown.
    pub request_timeout_seconds: u32,
    /// How long a stop waits for requests in flight.
    pub drain_seconds: u32,
}

/// One port for each service; 0 switches it off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// The waitlist service.
    pub waitlist: u16,
    /// The invite code service.
    pub invites: u16,
    /// The referral service.
    pub referrals: u16,
    /// The quality gates service.
    pub quality: u16,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 5000,
            ports: Ports::default(),
            trusted_proxies: Vec::new(),
            open: false,
            header_timeout_seconds: 10,
            body_timeout_seconds: 10,
            write_timeout_seconds: 60,
            request_timeout_seconds: 10,
            drain_seconds: 10,
        }
    }
}

impl Default for Ports {
    fn default() -> Self {
        Self { waitlist: 5010, invites: 5011, referrals: 5012, quality: 5013 }
    }
}

impl Ports {
    /// Every port with the key that sets it.
    fn with_keys(self) -> [(&'static str, u16); 4] {
        [
            ("server.ports.waitlist", self.waitlist),
            ("server.ports.invites", self.invites),
            ("server.ports.referrals", self.referrals),
            ("server.ports.quality", self.quality),
        ]
    }
}

pub(super) const RULES: &[Rule] = &[
    Rule::text("server.host", "an IP address, such as \"127.0.0.1\" or \"0.0.0.0\"", |text| {
        text.parse::<IpAddr>().is_ok()
    }),
    Rule::whole("server.port", 0, 65_535),
    Rule::whole("server.ports.waitlist", 0, 65_535),
    Rule::whole("server.ports.invites", 0, 65_535),
    Rule::whole("server.ports.referrals", 0, 65_535),
    Rule::whole("server.ports.quality", 0, 65_535),
    Rule {
        key: "server.trusted_proxies",
        allowed: Allowed::Texts {
            each: Syntax {
                what: "an address or a network, such as \"10.0.0.0/8\"",
                holds: |text| text.parse::<Network>().is_ok(),
            },
            count_max: 256,
        },
    },
    Rule::flag("server.open"),
    Rule::whole("server.header_timeout_seconds", 1, 600),
    Rule::whole("server.body_timeout_seconds", 1, 600),
    Rule::whole("server.write_timeout_seconds", 1, 600),
    Rule::whole("server.request_timeout_seconds", 1, 600),
    Rule::whole("server.drain_seconds", 0, 600),
];

impl Server {
    /// What single values cannot show: the key at fault and what is wrong.
    pub(super) fn conflicts(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let mut taken = vec![("server.port", self.port)];
        for (key, port) in self.ports.with_keys() {
            if let Some((other, _)) = taken.iter().find(|(_, used)| port != 0 && *used == port) {
                found.push((key, format!("{key} = {port} is also the port of {other}")));
            }
            taken.push((key, port));
        }
        if self.open && !self.host.to_canonical().is_loopback() {
            let host = self.host;
            let message = format!(
                "server.open = true needs every listener on loopback, and server.host is {host}"
            );
            found.push(("server.open", message));
        }
        found
    }
}
