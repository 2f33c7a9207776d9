//! The keys as a running node holds them.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use arc_swap::ArcSwap;
use subtle::ConstantTimeEq;

use super::file::{KeyFile, Record, Stamp};
use super::key::Token;
use super::{KeyId, Scope};

/// Who a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The key.
    pub id: KeyId,
    /// What it allows.
    pub scope: Scope,
}

/// Every key of the node, for looking up without a lock.
#[derive(Debug)]
pub struct Keyring {
    file: KeyFile,
    keys: ArcSwap<HashMap<KeyId, Record>>,
    /// The version of the file last looked at, readable or not. Held while it is read.
    seen: Mutex<Option<Stamp>>,
}

impl Keyring {
    /// The keys of a data directory. The first time there are none: then the directory is made,
    /// and one admin key, which [`Keyring::admin_key`] finds.
    ///
    /// # Errors
    /// When the files cannot be read or written, or are not key files.
    pub fn open(data_dir: &Path) -> io::Result<Self> {
        let file = KeyFile::of(data_dir);
        file.first_start(
            chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now()).timestamp(),
        )?;
        let (stamp, records) = file.read()?;
        Ok(Self {
            file,
            keys: ArcSwap::from_pointee(by_id(records)),
            seen: Mutex::new(Some(stamp)),
        })
    }

    /// Where the first admin key lies, unless it has been revoked or taken away.
    #[must_use]
    pub fn admin_key(&self) -> Option<PathBuf> {
        self.file.admin_key()
    }

    /// Who sends this token (what follows `Bearer `) at `now_unix`, in seconds; none for a token
    /// that is malformed, unknown, wrong, revoked or expired. Takes no lock. An unknown key takes
    /// as long as a wrong secret.
    pub fn authenticate(&self, bearer: &str, now_unix: i64) -> Option<Caller> {
        let token = Token::parse(bearer)?;
        let keys = self.keys.load();
        let record = keys.get(&token.id);
        let kept = record.map_or([0; 32], |record| record.sha256);
        let same = bool::from(kept.ct_eq(&token.digest()));
        let record = record.filter(|_| same)?;
        let alive = record.expires_at.is_none_or(|expires_at| now_unix < expires_at);
        alive.then_some(Caller { id: record.id, scope: record.scope })
    }

    /// Reads the file again if it has changed, and says whether it had. Called every second, it
    /// makes a revoked key dead within one.
    ///
    /// # Errors
    /// When the file cannot be read; the keys stay as they were. A file that is there but wrong is
    /// an error once, not every second.
    pub fn reload_if_changed(&self) -> io::Result<bool> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.file.stamp().inspect_err(|_| *seen = None)?;
        if *seen == Some(now) {
            return Ok(false);
        }
        *seen = Some(now);
        let (stamp, records) = self.file.read()?;
        *seen = Some(stamp);
        self.keys.store(by_id(records).into());
        Ok(true)
    }
}

fn by_id(records: Vec<Record>) -> HashMap<KeyId, Record> {
    records.into_iter().map(|record| (record.id, record)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::super::NewKey;
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn new_key(scope: Scope, expires_at: Option<i64>) -> NewKey {
        NewKey { name: "backend".into(), scope, expires_at }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("the file is there").permissions().mode() & 0o777
    }

    #[test]
    fn the_first_start_leaves_an_admin_key_that_only_the_owner_can_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let data = dir.path().join("deep/vobee-data");
        let keyring = Keyring::open(&data).expect("a keyring");
        let path = keyring.admin_key().expect("an admin key");
        let token = fs::read_to_string(&path).expect("readable");
        let caller = keyring.authenticate(token.trim_end(), NOW).expect("a caller");
        assert_eq!(caller.scope, Scope::Admin);
        for name in ["admin.key", "api-keys.json", "api-keys.lock"] {
            assert_eq!(mode(&data.join("keys").join(name)), 0o600, "{name}");
        }
        assert_eq!(mode(&data.join("keys")), 0o700);
        let kept = fs::read_to_string(data.join("keys/api-keys.json")).expect("readable");
        assert!(!kept.contains(&token.trim_end()[15..]), "the secret is not kept");

        let again = Keyring::open(&data).expect("a keyring");
        assert_eq!(again.authenticate(token.trim_end(), NOW), Some(caller));
        assert_eq!(KeyFile::of(&data).list().expect("keys").len(), 1);
    }

    #[test]
    fn a_key_made_beside_the_node_opens_after_a_reload_and_a_revoked_one_no_more() {
        let dir = tempfile::tempdir().expect("a directory");
        let keyring = Keyring::open(dir.path()).expect("a keyring");
        let file = KeyFile::of(dir.path());
        assert!(!keyring.reload_if_changed().expect("readable"));

        let issued = file.create(new_key(Scope::App, None), NOW).expect("a key");
        assert_eq!(keyring.authenticate(&issued.token, NOW), None);
        assert!(keyring.reload_if_changed().expect("readable"));
        let caller = Caller { id: issued.record.id, scope: Scope::App };
        assert_eq!(keyring.authenticate(&issued.token, NOW), Some(caller));

        let revoked = file.revoke(issued.record.id).expect("writable");
        assert_eq!(revoked, Some(issued.record.clone()));
        assert!(keyring.reload_if_changed().expect("readable"));
        assert_eq!(keyring.authenticate(&issued.token, NOW), None);
        assert_eq!(file.revoke(issued.record.id).expect("writable"), None);
    }

    #[test]
    fn a_wrong_secret_and_an_expired_key_open_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        Keyring::open(dir.path()).expect("a keyring");
        let file = KeyFile::of(dir.path());
        let issued = file.create(new_key(Scope::App, Some(NOW + 60)), NOW).expect("a key");
        let other = file.create(new_key(Scope::App, None), NOW).expect("a key");
        let keyring = Keyring::open(dir.path()).expect("a keyring");

        let mixed = format!("{}{}", &issued.token[..15], &other.token[15..]);
        assert_eq!(keyring.authenticate(&mixed, NOW), None);
        let unknown = format!("vobee_00000000_{}", &other.token[15..]);
        assert_eq!(keyring.authenticate(&unknown, NOW), None);
        assert!(keyring.authenticate(&issued.token, NOW + 59).is_some());
        assert_eq!(keyring.authenticate(&issued.token, NOW + 60), None);
    }

    #[test]
    fn a_broken_file_is_told_once_and_leaves_the_keys_as_they_were() {
        let dir = tempfile::tempdir().expect("a directory");
        let keyring = Keyring::open(dir.path()).expect("a keyring");
        let file = KeyFile::of(dir.path());
        let issued = file.create(new_key(Scope::Metrics, None), NOW).expect("a key");
        keyring.reload_if_changed().expect("readable");

        let path = dir.path().join("keys/api-keys.json");
        fs::write(&path, "{\"format\": 9, \"keys\": []}").expect("writable");
        let error = keyring.reload_if_changed().expect_err("a newer format");
        assert!(error.to_string().contains("has format 9"), "{error}");
        assert!(!keyring.reload_if_changed().expect("told already"));
        assert!(keyring.authenticate(&issued.token, NOW).is_some());
    }

    #[test]
    fn revoking_the_first_admin_key_removes_it_in_clear() {
        let dir = tempfile::tempdir().expect("a directory");
        let keyring = Keyring::open(dir.path()).expect("a keyring");
        let file = KeyFile::of(dir.path());
        let first = file.list().expect("keys")[0].clone();
        let second = file.create(new_key(Scope::Admin, None), NOW).expect("a key");
        file.revoke(second.record.id).expect("writable");
        assert!(keyring.admin_key().is_some());
        file.revoke(first.id).expect("writable");
        assert_eq!(keyring.admin_key(), None);
    }

    #[test]
    fn without_a_key_file_there_is_nothing_to_list_and_the_error_says_what_to_do() {
        let dir = tempfile::tempdir().expect("a directory");
        let error = KeyFile::of(dir.path()).list().expect_err("no file");
        assert!(error.to_string().contains("--data-dir"), "{error}");
        let error = KeyFile::of(dir.path()).create(new_key(Scope::App, None), NOW).err();
        assert_eq!(error.map(|error| error.kind()), Some(io::ErrorKind::NotFound));
        assert!(!dir.path().join("keys").exists());
    }
}
