//! The secret that turns addresses into ids.

use std::fs;
use std::io;
use std::path::Path;

use super::key;
use super::private::{Vault, named};

const IDENTITY: &str = "identity.key";

/// The secret of a data directory; made when the directory is new.
///
/// # Errors
/// When it is missing though there is a journal: every id in the journal was made with it, and
/// under another one nobody could be found by address again. When it has not 32 bytes, or cannot be
/// read or written.
pub fn identity_secret(data_dir: &Path) -> io::Result<[u8; 32]> {
    let vault = Vault::of(data_dir);
    let path = vault.path(IDENTITY);
    let read = || match fs::read(&path) {
        Ok(bytes) => {
            Some(<[u8; 32]>::try_from(bytes).map_err(|bytes| wrong_size(&path, bytes.len())))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(Err(named("read", &path)(error))),
    };
    if let Some(secret) = read() {
        return secret;
    }
    if has_entries(&data_dir.join("journal"))? {
        return Err(orphans(&path));
    }
    vault.create()?;
    let guard = vault.lock()?;
    if let Some(secret) = read() {
        return secret;
    }
    let mut secret = [0; 32];
    key::fill(&mut secret)?;
    vault.replace(&guard, IDENTITY, &secret)?;
    Ok(secret)
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
        "{} is missing, but there is a journal beside it whose people are only known by it; put \
         it back from a backup of the data directory",
        path.display()
    );
    io::Error::new(io::ErrorKind::NotFound, message)
}

fn wrong_size(path: &Path, bytes: usize) -> io::Error {
    let path = path.display();
    let message = format!("{path} has {bytes} bytes instead of 32; put it back from a backup");
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
        assert_eq!((file.permissions().mode() & 0o777, file.len()), (0o600, 32));
    }

    #[test]
    fn a_journal_without_its_secret_is_refused_and_nothing_is_made() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(dir.path().join("journal/1")).expect("a journal");
        let error = identity_secret(dir.path()).expect_err("no secret");
        assert!(error.to_string().contains("identity.key is missing"), "{error}");
        assert!(!dir.path().join("keys").exists());
    }

    #[test]
    fn an_empty_journal_directory_orphans_nobody_and_a_cut_secret_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("journal")).expect("a directory");
        identity_secret(dir.path()).expect("a secret");
        fs::write(dir.path().join("keys/identity.key"), [7; 31]).expect("writable");
        let error = identity_secret(dir.path()).expect_err("31 bytes");
        assert!(error.to_string().contains("31 bytes instead of 32"), "{error}");
    }
}
