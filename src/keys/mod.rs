//! Who may call: API keys, and the secret that people's ids are made with.
//!
//! A key is `vobee_<id>_<secret>`. The secret is shown once; what is kept is its SHA-256, which is
//! enough because 160 random bits cannot be guessed. The key file is the one source of truth, and
//! it is replaced as a whole, so a reader needs no lock and never sees half of it. A running node
//! looks at it again and again, which is how a command beside the node revokes a key of that node.
//!
//! ```text
//! <data>/keys/api-keys.json   the keys, without their secrets
//! <data>/keys/api-keys.lock   held by whoever changes anything in this directory
//! <data>/keys/admin.key       the first admin key, in clear, until it is revoked
//! <data>/keys/identity.key    a secret and its check; without it nobody can be found by address
//! ```
//!
//! Deliberately absent: a way to read a secret back, and keys in the journal, where they would
//! outlive their revocation.

mod file;
mod identity;
mod key;
mod keyring;
mod private;

pub use file::{Issued, KeyFile, NewKey, Record};
pub use identity::identity_secret;
pub use key::{KeyId, KeyIdError, Scope, ScopeError};
pub use keyring::{Caller, Keyring};
