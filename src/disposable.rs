//! The list of domains of disposable addresses: built in, or a file that is read again whenever it
//! changes.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use actors::fraud::DisposableDomains;

/// The list that is built in.
const BUILT_IN: &str = include_str!("../config/disposable-domains.txt");

const EVERY: Duration = Duration::from_secs(10);

/// The list, and where it comes from.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) domains: DisposableDomains,
    /// And when it was changed, as far as that is known.
    file: Option<(PathBuf, Option<SystemTime>)>,
}

impl Source {
    /// The list in `file`, or the one that is built in where that is empty.
    ///
    /// # Errors
    /// Why the file cannot be read.
    pub(crate) fn open(file: &str) -> std::io::Result<Self> {
        if file.is_empty() {
            return Ok(Self { domains: DisposableDomains::parse(BUILT_IN), file: None });
        }
        let changed = changed_at(Path::new(file));
        let domains = DisposableDomains::parse(&std::fs::read_to_string(file)?);
        Ok(Self { domains, file: Some((file.into(), changed)) })
    }

    /// Takes over the file whenever it has changed; does not end while there is one.
    pub(crate) async fn follow(mut self) {
        let mut ticks = tokio::time::interval(EVERY);
        while self.file.is_some() {
            ticks.tick().await;
            self.look();
        }
    }

    fn look(&mut self) {
        let Some((file, seen)) = &mut self.file else { return };
        let now = changed_at(file);
        if now == *seen {
            return;
        }
        *seen = now;
        match std::fs::read_to_string(&file) {
            Ok(text) => {
                let count = self.domains.replace(&text);
                tracing::info!(count, "took over the list of disposable domains");
            }
            Err(error) => {
                let file = file.display();
                tracing::warn!(%file, %error, "kept the old list of disposable domains");
            }
        }
    }
}

fn changed_at(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|metadata| metadata.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_that_is_built_in_has_thousands_of_domains() {
        let source = Source::open("").expect("always there");
        assert!(source.domains.len() > 5_000, "{:?}", source.domains);
    }

    #[test]
    fn a_file_that_changes_is_taken_over_and_one_that_is_gone_is_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("domains.txt");
        let write = |text: &str, age: u64| {
            std::fs::write(&file, text).expect("writes");
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(age);
            let file = std::fs::File::options().write(true).open(&file).expect("opens");
            file.set_modified(time).expect("a time");
        };
        write("a.test\nb.test\n", 1);
        let mut source = Source::open(file.to_str().expect("a plain name")).expect("reads");
        assert_eq!(source.domains.len(), 2);
        write("c.test\n", 2);
        source.look();
        assert_eq!(source.domains.len(), 1);
        std::fs::remove_file(&file).expect("removes");
        source.look();
        assert_eq!(source.domains.len(), 1, "the old list is kept");
        assert!(Source::open("/no/such/file").is_err());
    }
}
