//! A request that has been let in, as its handler sees it.

use std::fmt::Display;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use actors::{Email, InviteCode, PersonId, RequestTag, Uuid};
use axum::RequestPartsExt;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::HeaderName;
use axum::http::request::Parts;

use super::auth;
use super::body::{self, Fields};
use super::client::Client;
use super::endpoint::Service;
use super::error::Problem;
use super::node::Node;
use crate::keys::Caller;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

const KEY_CHARACTERS_MAX: usize = 255;

/// A request, who sent it, and what answers it. In a box, because handlers are futures that move it
/// about and keep room for it.
pub(crate) struct Call(Box<Received>);

/// What there is of a request that has been let in.
pub(crate) struct Received {
    pub(crate) node: Arc<Node>,
    pub(crate) service: Service,
    pub(crate) parts: Parts,
    pub(crate) body: Body,
    pub(crate) client: Client,
    pub(crate) caller: Option<Caller>,
}

impl Deref for Call {
    type Target = Received;

    fn deref(&self) -> &Received {
        &self.0
    }
}

/// The input of a POST.
pub(crate) struct Input {
    pub(crate) node: Arc<Node>,
    pub(crate) client: Client,
    /// Where the person sits whom it is about: with a key it is the operator who calls, and the
    /// person's address is known only if a proxy tells it.
    pub(crate) origin: Option<IpAddr>,
    /// Set when the caller may repeat the request.
    pub(crate) tag: Option<RequestTag>,
    pub(crate) fields: Fields,
}

impl Call {
    pub(crate) fn new(received: Received) -> Self {
        Self(Box::new(received))
    }

    /// The JSON object of the body. The call ends with it: the answer may take its time, and what
    /// the caller sent would keep the connection's read buffer, and go cold, for as long.
    pub(crate) async fn input(mut self) -> Result<Input, Problem> {
        body::demand_json(&self.parts.headers)?;
        let (tag, bytes) = self.bytes().await?;
        let client = self.client;
        let origin = (client.told || self.caller.is_none()).then_some(client.address);
        let (node, fields) = (Arc::clone(&self.node), Fields::parse(&bytes)?);
        Ok(Input { node, client, origin, tag, fields })
    }

    /// For a POST that takes no input: an empty body or an empty object. The call ends with it, as
    /// with [`input`](Self::input).
    pub(crate) async fn no_input(mut self) -> Result<(Arc<Node>, Option<RequestTag>), Problem> {
        let (tag, bytes) = self.bytes().await?;
        if !bytes.is_empty() {
            Fields::parse(&bytes)?.finish(Some(()))?;
        }
        Ok((Arc::clone(&self.node), tag))
    }

    async fn bytes(&mut self) -> Result<(Option<RequestTag>, Bytes), Problem> {
        let Received { node, parts, body, client, caller, .. } = self.0.as_mut();
        let key = idempotency_key(parts)?;
        let (size, time) = (node.body_bytes_max, node.body_time_max);
        let bytes = body::read(&parts.headers, body, size, time).await?;
        let tag = key.map(|key| {
            let target = format!("{} {}", parts.method, parts.uri.path());
            match caller {
                Some(caller) => RequestTag::new(&caller.id.to_string(), key, &target, &bytes),
                None => {
                    let address = client.address.to_string();
                    RequestTag::anonymous(&address, key, &target, &bytes)
                }
            }
        });
        Ok((tag, bytes))
    }

    /// The address in the path, where the route has `{email}`.
    pub(crate) async fn email(&mut self) -> Result<Email, Problem> {
        self.path("email", Email::parse).await
    }

    /// Whom the path names where the route has `{email}`: by address, or by id where the address is
    /// erased.
    pub(crate) async fn person_or_id(&mut self) -> Result<PersonId, Problem> {
        let node = Arc::clone(&self.node);
        let identity = node.engine.identity();
        self.path("email", |text| match Uuid::parse(text) {
            Ok(id) => Ok(PersonId::from_owner(id.0)),
            Err(_) => Email::parse(text).map(|email| identity.person(&email)),
        })
        .await
    }

    /// The invite code in the path, where the route has `{code}`.
    pub(crate) async fn code(&mut self) -> Result<InviteCode, Problem> {
        let node = Arc::clone(&self.node);
        self.path("code", |text| InviteCode::parse(text, &node.code_prefix)).await
    }

    /// The id in the path, where the route has `{id}`.
    pub(crate) async fn id(&mut self) -> Result<Uuid, Problem> {
        self.path("id", Uuid::parse).await
    }

    async fn path<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Problem> {
        let Path(text) = self
            .0
            .parts
            .extract::<Path<String>>()
            .await
            .map_err(|_| Problem::field(name, "must be percent-encoded UTF-8"))?;
        parse(&text).map_err(|error| Problem::field(name, error.to_string()))
    }

    /// The person whose token the request carries.
    pub(crate) fn person(&self) -> Result<PersonId, Problem> {
        auth::person(self.node.engine.identity(), &self.parts.headers)
    }
}

fn idempotency_key(parts: &Parts) -> Result<Option<&str>, Problem> {
    let Some(value) = parts.headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let visible = value.to_str().ok().filter(|key| {
        (1..=KEY_CHARACTERS_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic())
    });
    visible.map(Some).ok_or_else(|| {
        Problem::field("Idempotency-Key", "must be 1 to 255 visible ASCII characters")
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, Request};

    use super::*;

    fn parts(key: Option<&[u8]>) -> Parts {
        let mut request = Request::new(());
        if let Some(key) = key {
            let value = HeaderValue::from_bytes(key).expect("a header's value");
            request.headers_mut().insert(IDEMPOTENCY_KEY, value);
        }
        request.into_parts().0
    }

    #[test]
    fn an_idempotency_key_is_visible_ascii_of_at_most_255_characters() {
        assert_eq!(idempotency_key(&parts(None)), Ok(None));
        let longest = [b'x'; 255];
        for good in [&b"a"[..], b"8e03978e-40d5-43dd-bc93-6894a57f9324", &longest] {
            let text = std::str::from_utf8(good).expect("ASCII");
            assert_eq!(idempotency_key(&parts(Some(good))), Ok(Some(text)));
        }
        for bad in [&b""[..], b"a b", b"\xff", &[b'x'; 256]] {
            let problem = idempotency_key(&parts(Some(bad))).expect_err("a bad key");
            assert_eq!(problem.errors()[0].field, "Idempotency-Key");
        }
    }
}
