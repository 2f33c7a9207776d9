//! Who may call what.
//!
//! A route demands an [`Access`]; a key carries a scope. `app` and `admin` are steps of one ladder,
//! `metrics` stands beside it. A person token is no key: it names one person on the list and opens
//! nothing but that person's own entry.

use std::time::{SystemTime, UNIX_EPOCH};

use actors::{Identity, PersonId};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::client::Client;
use super::error::Problem;
use crate::keys::{Caller, Keyring, Scope};

/// What every key starts with. Other credentials on a public route are not ours to judge.
const KEY_PREFIX: &str = "vobee_";

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing, and no limit either: whoever watches the node must get through when it is busy.
    Probe,
    /// Nothing.
    Public,
    /// A person token, which the handler checks because it needs the person.
    Person,
    /// The operator's own backend.
    App,
    /// The operator.
    Admin,
    /// Whoever collects metrics; on this machine everybody.
    Metrics,
}

/// The keys there are, and whether they are asked for at all.
pub(crate) struct Doorkeeper {
    pub(crate) keys: Keyring,
    /// `--open`: everybody may do everything.
    pub(crate) open: bool,
    /// Everybody may read the metrics.
    pub(crate) metrics_public: bool,
}

impl Doorkeeper {
    /// The caller's key, if it has one; a problem if it has not and needs one.
    pub(crate) fn admit(
        &self,
        access: Access,
        client: Client,
        headers: &HeaderMap,
    ) -> Result<Option<Caller>, Problem> {
        let needed = match access {
            Access::Probe | Access::Person => return Ok(None),
            Access::Metrics if client.local || self.metrics_public => return Ok(None),
            Access::Public | Access::App | Access::Admin | Access::Metrics if self.open => None,
            Access::Public => None,
            Access::App => Some(Scope::App),
            Access::Admin => Some(Scope::Admin),
            Access::Metrics => Some(Scope::Metrics),
        };
        let bearer = bearer(headers).filter(|bearer| bearer.starts_with(KEY_PREFIX));
        let Some(bearer) = bearer else {
            return match needed {
                None => Ok(None),
                Some(_) => Err(Problem::unauthorized("this needs Authorization: Bearer <key>")),
            };
        };
        let caller = self.keys.authenticate(bearer, now_unix());
        match (caller, needed) {
            (Some(caller), None) => Ok(Some(caller)),
            (Some(caller), Some(needed)) if caller.scope.allows(needed) => Ok(Some(caller)),
            (Some(_), Some(needed)) => Err(Problem::forbidden(needed.as_str())),
            (None, None) if self.open => Ok(None),
            (None, _) => Err(Problem::unauthorized("this key is unknown or has expired")),
        }
    }
}

/// The person whose token the request carries.
pub(crate) fn person(identity: &Identity, headers: &HeaderMap) -> Result<PersonId, Problem> {
    let token = bearer(headers)
        .ok_or_else(|| Problem::unauthorized("this needs Authorization: Bearer <person_token>"))?;
    identity
        .person_of_token(token)
        .ok_or_else(|| Problem::unauthorized("this is not a person token of this node"))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, credentials) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| credentials.trim())
}

fn now_unix() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn credentials_are_found_whatever_the_case_of_their_scheme() {
        let mut headers = HeaderMap::new();
        assert_eq!(bearer(&headers), None);
        for (given, found) in [
            ("Bearer vobee_a_b", Some("vobee_a_b")),
            ("bearer  vobee_a_b ", Some("vobee_a_b")),
            ("Basic dXNlcg==", None),
            ("Bearer", None),
        ] {
            headers.insert(AUTHORIZATION, HeaderValue::from_static(given));
            assert_eq!(bearer(&headers), found, "{given}");
        }
    }
}
