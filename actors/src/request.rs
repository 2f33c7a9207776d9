//! How a repeated request is recognised.

use sha2::{Digest, Sha256};

/// The bit of an id that says that nobody has said who it is. No released version wrote another.
const ANONYMOUS: u128 = 1;

/// Names a request that may be repeated: who sent it under which key, and what was in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestTag {
    pub(crate) id: u128,
    pub(crate) body: u128,
}

impl RequestTag {
    /// The tag of one request: `caller` and `key` say which request it is, `target` (method and
    /// path) and `body` what it asks for.
    #[must_use]
    pub fn new(caller: &str, key: &str, target: &str, body: &[u8]) -> Self {
        Self {
            id: digest(&[caller.as_bytes(), key.as_bytes()]) & !ANONYMOUS,
            body: digest(&[target.as_bytes(), body]),
        }
    }

    /// The same for a request from `address`, of somebody who has not said who it is.
    #[must_use]
    pub fn anonymous(address: &str, key: &str, target: &str, body: &[u8]) -> Self {
        let Self { id, body } = Self::new(address, key, target, body);
        Self { id: id | ANONYMOUS, body }
    }
}

/// Whether that is the id of a request of somebody who has not said who it is.
pub(crate) const fn is_anonymous(id: u128) -> bool {
    id & ANONYMOUS != 0
}

fn digest(parts: &[&[u8]]) -> u128 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let hash: [u8; 32] = hash.finalize().into();
    let mut head = [0; 16];
    head.copy_from_slice(&hash[..16]);
    u128::from_le_bytes(head)
}

/// Why a request with a key is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The first request with this key has not been answered yet.
    InFlight,
    /// The key was used for another request.
    OtherBody,
    /// As many keys are remembered as there is room for.
    TooMany,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caller_and_key_name_the_request_and_nothing_runs_together() {
        let tag = RequestTag::new("a", "bc", "POST /x", b"{}");
        assert_eq!(tag, RequestTag::new("a", "bc", "POST /x", b"{}"));
        assert_ne!(tag.id, RequestTag::new("ab", "c", "POST /x", b"{}").id);
        assert_eq!(tag.id, RequestTag::new("a", "bc", "POST /y", b"{}").id);
        assert_ne!(tag.body, RequestTag::new("a", "bc", "POST /y", b"{}").body);
        assert_ne!(tag.body, RequestTag::new("a", "bc", "POST /x", b"{ }").body);
    }
}
