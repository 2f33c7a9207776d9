//! The key file: what is kept of each key, and how it changes.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::key::Token;
use super::private::{Guard, Vault, named};
use super::{KeyId, Scope};

const KEYS: &str = "api-keys.json";
const ADMIN: &str = "admin.key";
const FORMAT: u32 = 1;
/// Far more than anybody manages by hand, few enough to read the file every time it changes.
const KEYS_MAX: usize = 10_000;

/// What is kept of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What it is called by.
    pub id: KeyId,
    /// What its maker called it.
    pub name: String,
    /// What its holder may do.
    pub scope: Scope,
    /// SHA-256 of the secret.
    #[serde(with = "digest")]
    pub(super) sha256: [u8; 32],
    /// Unix seconds.
    #[serde(with = "time")]
    pub created_at: i64,
    /// Unix seconds from which on it opens nothing.
    #[serde(default, with = "time_or_never", skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}

/// What a new key is to be.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// For people; empty is fine.
    pub name: String,
    /// What its holder may do.
    pub scope: Scope,
    /// Unix seconds.
    pub expires_at: Option<i64>,
}

/// A key that was just made. The token cannot be had again; there is no `Debug` form on purpose.
pub struct Issued {
    /// What is kept.
    pub record: Record,
    /// What its holder sends.
    pub token: String,
}

/// The key file of a data directory.
#[derive(Clone, Debug)]
pub struct KeyFile {
    vault: Vault,
}

/// Which version of the file was read. The number of the file changes with every replacement, so
/// two changes within one tick of the clock are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    number: u64,
}

#[derive(Serialize, Deserialize)]
struct Content {
    format: u32,
    keys: Vec<Record>,
}

impl KeyFile {
    /// The one in `data_dir`, whether it exists yet or not.
    #[must_use]
    pub fn of(data_dir: &Path) -> Self {
        Self { vault: Vault::of(data_dir) }
    }

    /// Where the first admin key lies, unless it has been revoked or taken away.
    #[must_use]
    pub fn admin_key(&self) -> Option<PathBuf> {
        Some(self.vault.path(ADMIN)).filter(|path| path.is_file())
    }

    /// Every key, in the order of their making.
    ///
    /// # Errors
    /// When the file is missing, cannot be read, or is not a key file.
    pub fn list(&self) -> io::Result<Vec<Record>> {
        Ok(self.read()?.1)
    }

    /// Makes a key. `now` is in Unix seconds.
    ///
    /// # Errors
    /// As [`KeyFile::list`]; when the file cannot be replaced; when it is full.
    pub fn create(&self, new: NewKey, now: i64) -> io::Result<Issued> {
        self.read()?;
        let guard = self.vault.lock()?;
        let mut records = self.read()?.1;
        if records.len() >= KEYS_MAX {
            let message = format!("there are {KEYS_MAX} keys already; revoke some first");
            return Err(io::Error::other(message));
        }
        let issued = issue(&records, new, now)?;
        records.push(issued.record.clone());
        self.write(&guard, records)?;
        Ok(issued)
    }

    /// Takes a key away; none when there is no such key. The file that holds the first admin key
    /// in clear goes with it.
    ///
    /// # Errors
    /// As [`KeyFile::list`], and when the file cannot be replaced.
    pub fn revoke(&self, id: KeyId) -> io::Result<Option<Record>> {
        self.read()?;
        let guard = self.vault.lock()?;
        let mut records = self.read()?.1;
        let Some(index) = records.iter().position(|record| record.id == id) else {
            return Ok(None);
        };
        let revoked = records.remove(index);
        self.write(&guard, records)?;
        let first = std::fs::read_to_string(self.vault.path(ADMIN)).unwrap_or_default();
        if Token::parse(first.trim()).is_some_and(|token| token.id == id) {
            self.vault.remove(ADMIN)?;
        }
        Ok(Some(revoked))
    }

    /// Makes the file with one admin key in it, when there is no file yet. The key is written
    /// before the file that makes it count, so a start that was cut short is simply repeated.
    pub(super) fn first_start(&self, now: i64) -> io::Result<()> {
        self.vault.create()?;
        let guard = self.vault.lock()?;
        if self.vault.path(KEYS).exists() {
            return Ok(());
        }
        let new = NewKey { name: "first start".into(), scope: Scope::Admin, expires_at: None };
        let issued = issue(&[], new, now)?;
        self.vault.replace(&guard, ADMIN, format!("{}\n", issued.token).as_bytes())?;
        self.write(&guard, vec![issued.record])
    }

    /// The keys and the version of the file that they were read from.
    pub(super) fn read(&self) -> io::Result<(Stamp, Vec<Record>)> {
        let path = self.vault.path(KEYS);
        let file = File::open(&path).map_err(|error| {
            let absent = error.kind() == io::ErrorKind::NotFound;
            if absent { missing(&path) } else { named("open", &path)(error) }
        });
        let mut file = file?;
        let stamp = Stamp::of(&file.metadata().map_err(named("look at", &path))?);
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(named("read", &path))?;
        let content: Content = serde_json::from_str(&text).map_err(|error| {
            let message = format!("{} is not a key file: {error}", path.display());
            io::Error::new(io::ErrorKind::InvalidData, message)
        })?;
        if content.format != FORMAT {
            let (path, found) = (path.display(), content.format);
            let message = format!("{path} has format {found}; this program reads {FORMAT}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok((stamp, content.keys))
    }

    /// The version of the file that is there now.
    pub(super) fn stamp(&self) -> io::Result<Stamp> {
        let path = self.vault.path(KEYS);
        let metadata = std::fs::metadata(&path).map_err(named("look at", &path))?;
        Ok(Stamp::of(&metadata))
    }

    fn write(&self, guard: &Guard, keys: Vec<Record>) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(&Content { format: FORMAT, keys })?;
        text.push('\n');
        self.vault.replace(guard, KEYS, text.as_bytes())
    }
}

impl Stamp {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self { modified: metadata.modified().ok(), bytes: metadata.len(), number: metadata.ino() }
    }
}

fn missing(path: &Path) -> io::Error {
    let message = format!(
        "there are no keys at {}; start vobee once, or name its data directory with --data-dir",
        path.display()
    );
    io::Error::new(io::ErrorKind::NotFound, message)
}

fn issue(taken: &[Record], new: NewKey, now: i64) -> io::Result<Issued> {
    let token = loop {
        let token = Token::random()?;
        if taken.iter().all(|record| record.id != token.id) {
            break token;
        }
    };
    let NewKey { name, scope, expires_at } = new;
    let sha256 = token.digest();
    let record = Record { id: token.id, name, scope, sha256, created_at: now, expires_at };
    Ok(Issued { record, token: token.reveal() })
}

/// A digest as hex digits.
mod digest {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::keys::key;

    pub(super) fn serialize<S: Serializer>(digest: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&key::hex(digest))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(from)?;
        key::bytes(&text).ok_or_else(|| de::Error::custom("sha256 must be 64 hex digits"))
    }
}

/// Unix seconds as RFC 3339.
mod time {
    use chrono::{DateTime, SecondsFormat};
    use serde::{Deserialize, Deserializer, Serializer, de, ser};

    pub(super) fn serialize<S: Serializer>(seconds: &i64, to: S) -> Result<S::Ok, S::Error> {
        let time = DateTime::from_timestamp(*seconds, 0)
            .ok_or_else(|| ser::Error::custom("a time beyond the calendar"))?;
        to.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Secs, true))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
        let text = String::deserialize(from)?;
        let time = DateTime::parse_from_rfc3339(&text).map_err(de::Error::custom)?;
        Ok(time.timestamp())
    }
}

/// As `time`, for a time that may be absent.
mod time_or_never {
    use serde::{Deserializer, Serializer};

    use super::time;

    pub(super) fn serialize<S: Serializer>(at: &Option<i64>, to: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(seconds) => time::serialize(seconds, to),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
        time::deserialize(from).map(Some)
    }
}
