//! Talking to a running node: commands beside it go through HTTP, since the data directory has one
//! owner.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, bail};
use axum::body::Body;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HOST};
use hyper::http::request::Builder;
use hyper::{Request, Response, client};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::config::Config;
use crate::keys::KeyFile;

const CONNECT_MAX: Duration = Duration::from_secs(5);
const PROBLEM_BYTES_MAX: usize = 64 * 1024;

/// Where the node is, and as whom to ask.
#[derive(Clone, Debug, clap::Args)]
pub struct NodeOptions {
    /// Address of the node [default: server.host and server.port]
    #[arg(long, value_name = "ADDRESS:PORT")]
    node: Option<SocketAddr>,
    /// Admin key [default: the first one, in the data directory]
    #[arg(long, env = "VOBEE_KEY", hide_env_values = true, value_name = "KEY")]
    key: Option<String>,
}

/// The node did not answer, or said no.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

/// A node that can be asked.
pub struct Node {
    address: SocketAddr,
    key: Option<String>,
}

impl NodeOptions {
    /// The node that these options and the configuration name.
    ///
    /// # Errors
    /// When the key file cannot be read.
    pub fn node(&self, config: &Config) -> anyhow::Result<Node> {
        let loopback = if config.server.host.is_ipv6() { "::1" } else { "127.0.0.1" };
        let host = match config.server.host {
            host if host.is_unspecified() => loopback.parse::<IpAddr>()?,
            host => host,
        };
        let address = self.node.unwrap_or(SocketAddr::new(host, config.server.port));
        let key = match &self.key {
            Some(key) => Some(key.clone()),
            None => first_key(config)?,
        };
        Ok(Node { address, key })
    }
}

fn first_key(config: &Config) -> anyhow::Result<Option<String>> {
    let Some(path) = KeyFile::of(&config.storage.dir).admin_key() else { return Ok(None) };
    let key = std::fs::read_to_string(&path);
    let key = key.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Some(key.trim().to_owned()))
}

impl Node {
    /// Sends a POST without a body and gives back an answer of success.
    ///
    /// # Errors
    /// [`Refused`] when the node cannot be reached or says no, with what it says.
    pub async fn post(&self, path: &str) -> anyhow::Result<Response<Incoming>> {
        self.send(Request::post(path)).await
    }

    /// Gets an answer of success.
    ///
    /// # Errors
    /// As for [`post`](Self::post), and when the answer is no JSON.
    pub async fn get_json(&self, path: &str) -> anyhow::Result<serde_json::Value> {
        let body = self.send(Request::get(path)).await?.into_body();
        let body = Limited::new(body, PROBLEM_BYTES_MAX).collect().await;
        let text = body.map_err(|_| Refused("the answer breaks off".to_owned()))?.to_bytes();
        Ok(serde_json::from_slice(&text)?)
    }

    async fn send(&self, request: Builder) -> anyhow::Result<Response<Incoming>> {
        let address = self.address;
        let unreachable = || Refused(format!("no node answers at {address}; is it running?"));
        let stream = tokio::time::timeout(CONNECT_MAX, TcpStream::connect(address)).await;
        let stream = stream.map_err(|_| unreachable())?.map_err(|_| unreachable())?;
        let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let mut request = request.header(HOST, address.to_string());
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        let response = sender.send_request(request.body(Body::empty())?).await;
        let response = response.map_err(|_| unreachable())?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = Limited::new(response.into_body(), PROBLEM_BYTES_MAX).collect().await;
        let text = body.map(|body| body.to_bytes()).unwrap_or_default();
        let problem: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        let said = problem["detail"].as_str().unwrap_or("it does not say why");
        bail!(Refused(format!("the node at {address} refuses ({status}): {said}")))
    }
}
