//! The secret that turns addresses into ids.

use std::fs;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::key;
use super::private::{Vault, named};

const IDENTITY: &str = "identity.key";
const SECRET_BYTES: usize = 32;
/// The beginning of the secret's SHA-256, behind it: with one wrong bit nobody would be found.
const CHECK_BYTES: usize = 8;

/// The secret of a data directory; made when the directory is new.
///
/// # Errors
/// When it is missing though there is a journal, a snapshot or an archive: every id in them was
/// made with it, and under another one nobody could be found by address again. When it is not what
/// was written, or cannot be read or written.
pub fn identity_secret(data_dir: &Path) -> io::Result<[u8; SECRET_BYTES]> {
    let vault = Vault::of(data_dir);
    let path = vault.path(IDENTITY);
    let read = || match fs::read(&path) {
        Ok(bytes) => Some(checked(&bytes).ok_or_else(|| damaged(&path))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(Err(named("read", &path)(error))),
    };
    if let Some(secret) = read() {
        return secret;
    }
    for state in ["journal", "snapshots", "archive"] {
        if has_entries(&data_dir.join(state))? {
            return Err(orphans(&path));
        }
    }
    vault.create()?;
    let guard = vault.lock()?;
    if let Some(secret) = read() {
        return secret;
    }
    let mut secret = [0; SECRET_BYTES];
    key::fill(&mut secret)?;
    vault.replace(&guard, IDENTITY, &[&secret[..], &check(&secret)].concat())?;
    Ok(secret)
}

/// The secret in a file that is whole.
fn checked(bytes: &[u8]) -> Option<[u8; SECRET_BYTES]> {
    let (secret, found) = bytes.split_first_chunk::<SECRET_BYTES>()?;
    (found == check(secret)).then_some(*secret)
}

fn check(secret: &[u8; SECRET_BYTES]) -> [u8; CHECK_BYTES] {
    let digest: [u8; 32] = Sha256::digest(secret).into();
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&digest[..CHECK_BYTES]);
    check
}

fn has_entries(dir: &Path) -> io::Result<bool> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(named("list", dir)(error)),
    }
}

fn orphans(path: &Path) -> io::Error {
    let message = format!(
        "{} is missing, but there is a journal, a snapshot or an archive beside it whose people \
         are only known by it; put it back from a backup of the data directory",
        path.display()
    );
    io::Error::new(io::ErrorKind::NotFound, message)
}

fn damaged(path: &Path) -> io::Error {
    let message = format!(
        "{} is damaged: it is not what was written; put it back from a backup of the data \
         directory",
        path.display()
    );
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_secret_is_made_once_and_read_ever_after() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = identity_secret(dir.path()).expect("a secret");
        assert_ne!(first, [0; 32]);
        fs::create_dir_all(dir.path().join("journal/1")).expect("a journal");
        assert_eq!(identity_secret(dir.path()).expect("the secret"), first);
        let file = fs::metadata(dir.path().join("keys/identity.key")).expect("the file");
        assert_eq!((file.permissions().mode() & 0o777, file.len()), (0o600, 40));
    }

    #[test]
    fn a_state_without_its_secret_is_refused_and_nothing_is_made() {
        for state in ["journal/1", "snapshots/1.snap", "archive/1.events.zst"] {
            let dir = tempfile::tempdir().expect("a directory");
            fs::create_dir_all(dir.path().join(state)).expect("some state");
            let error = identity_secret(dir.path()).expect_err("no secret");
            assert!(error.to_string().contains("identity.key is missing"), "{error}");
            assert!(!dir.path().join("keys").exists());
        }
    }

    #[test]
    fn an_empty_journal_directory_orphans_nobody() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("journal")).expect("a directory");
        identity_secret(dir.path()).expect("a secret");
    }

    #[test]
    fn a_secret_with_one_bit_that_is_wrong_or_without_its_end_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        identity_secret(dir.path()).expect("a secret");
        let path = dir.path().join("keys/identity.key");
        let whole = fs::read(&path).expect("the file");
        let mut harmed: Vec<Vec<u8>> = (0..whole.len()).map(|end| whole[..end].to_vec()).collect();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            harmed.push(flipped);
        }
        harmed.push(vec![0; whole.len()]);
        for bytes in harmed {
            fs::write(&path, &bytes).expect("writable");
            let error = identity_secret(dir.path()).expect_err("damage");
            assert!(error.to_string().contains("identity.key is damaged"), "{error}");
        }
    }
}
