//! Something is wrong with one file: a bit flipped, 4 KiB zeroed, the end or the whole of it gone.
//! Either everything that was answered is there, or the start is refused with a message about the
//! damage. Never is there silently less.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::rounds::{Luck, report, setting};
use super::story::{Books, Round, SETTINGS};
use crate::support::{PROGRAM, Server};

const DAMAGES: usize = 50;
const ANSWERS: usize = 700;
const JOINED_AFTER: usize = 40;
const PAGE: usize = 4096;
/// Nothing to be found out when a file is already as the damage would leave it.
const TRIES_MAX: usize = 100;

/// What a file is for. Damage is dealt out evenly over these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    ActiveJournal,
    CoveredJournal,
    StoreConf,
    StoreSnap,
    Watermark,
    NewestSnapshot,
    OlderSnapshot,
    Archive,
    Lock,
    Identity,
}

/// A data directory and what was answered about it.
struct Original {
    dir: TempDir,
    books: Books,
    /// Events that are in no archive, since the node was killed before it came to that.
    unarchived: Vec<serde_json::Value>,
}

impl Original {
    /// One with snapshots, archives and a tail behind them, its node killed or stopped.
    fn new(killed: bool) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let mut books = Books::default();
        let mut server = Server::at(dir.path(), &SETTINGS);
        let played = Round::new(&server, 0).play(&mut server, |server, progress| {
            progress.wait_for_answers(ANSWERS);
            server.kill();
        });
        server.start_again();
        books.check(&server, &played);
        let snapshot = server.admin().post("/api/operations/snapshot", &serde_json::json!({}));
        assert_eq!(snapshot.status, 200, "there is always one to harm");
        books.join(&server, JOINED_AFTER);
        if killed {
            server.kill();
        } else {
            assert_eq!(server.stop().code(), Some(0), "{}", server.last_words());
        }
        drop(server);
        let unarchived = unarchived(dir.path()).expect("a whole archive");
        Self { dir, books, unarchived }
    }

    fn copy(&self) -> TempDir {
        let copy = TempDir::new().expect("a temporary directory");
        let (from, to) = (self.dir.path().join("."), copy.path());
        let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp runs");
        assert!(copied.success());
        copy
    }
}

/// The files of each kind.
fn subjects(data: &Path) -> BTreeMap<Kind, Vec<PathBuf>> {
    let files = |folder: PathBuf| {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        // What a kill left half written counts for nothing, whole or damaged.
        let is_finished = |path: &PathBuf| path.extension().is_none_or(|end| end != "tmp");
        let mut paths: Vec<_> = paths.filter(is_finished).collect();
        paths.sort();
        paths
    };
    let epochs = files(data.join("journal"));
    let (active, covered) = epochs.split_last().expect("a journal has an epoch");
    let in_stores = |name: &'static str| {
        let all = epochs.iter().flat_map(|epoch| files(epoch.clone()));
        all.filter(move |path| {
            path.file_name().is_some_and(|found| found.to_string_lossy().starts_with(name))
        })
    };
    let snapshots = files(data.join("snapshots"));
    let (newest, older) = snapshots.split_last().expect("there are snapshots");
    BTreeMap::from([
        (Kind::ActiveJournal, vec![active.join("db")]),
        (Kind::CoveredJournal, covered.iter().map(|epoch| epoch.join("db")).collect()),
        (Kind::StoreConf, in_stores("conf").collect()),
        (Kind::StoreSnap, in_stores("snap").collect()),
        (Kind::Watermark, vec![data.join("watermark")]),
        (Kind::NewestSnapshot, vec![newest.clone()]),
        (Kind::OlderSnapshot, older.to_vec()),
        (Kind::Archive, files(data.join("archive"))),
        (Kind::Lock, vec![data.join("LOCK")]),
        (Kind::Identity, vec![data.join("keys/identity.key")]),
    ])
}

/// Does something to the file; what, or nothing when it makes no difference.
fn harm(path: &Path, luck: &mut Luck) -> Option<String> {
    let before = std::fs::read(path).expect("a file");
    let mut bytes = before.clone();
    let what = match luck.below(4) {
        0 => {
            let bit = luck.below((bytes.len() * 8).max(1));
            *bytes.get_mut(bit / 8)? ^= 1 << (bit % 8);
            format!("bit {bit} flipped")
        }
        1 => {
            let from = luck.below(bytes.len().div_ceil(PAGE).max(1)) * PAGE;
            let to = (from + PAGE).min(bytes.len());
            bytes.get_mut(from..to)?.fill(0);
            format!("zeroed from {from} to {to}")
        }
        2 => {
            bytes.truncate(luck.below(bytes.len().max(1)));
            format!("cut to {} of {} bytes", bytes.len(), before.len())
        }
        _ => {
            std::fs::remove_file(path).expect("a file");
            return Some("removed".to_owned());
        }
    };
    if bytes == before {
        return None;
    }
    std::fs::write(path, bytes).expect("a writable file");
    Some(what)
}

/// Harms one file of a kind that has any.
fn harm_one(data: &Path, round: usize, luck: &mut Luck) -> (Kind, String) {
    let subjects: Vec<_> =
        subjects(data).into_iter().filter(|(_, paths)| !paths.is_empty()).collect();
    let (kind, paths) = &subjects[round % subjects.len()];
    for _ in 0..TRIES_MAX {
        let path = &paths[luck.below(paths.len())];
        if let Some(what) = harm(path, luck) {
            let path = path.strip_prefix(data).expect("a file of the data directory");
            return (*kind, format!("{} {what}", path.display()));
        }
    }
    panic!("nothing makes a difference to {paths:?}");
}

/// What `vobee verify` says about the archive: damage, or which events are in none of its files.
fn unarchived(data: &Path) -> Result<Vec<serde_json::Value>, String> {
    let walk = Command::new(PROGRAM).args(["verify", "--json", "--data-dir"]).arg(data).output();
    let walk = walk.expect("the program runs");
    let said = String::from_utf8_lossy(&walk.stderr).into_owned();
    if walk.status.code() == Some(5) {
        return Err(said);
    }
    assert_eq!(walk.status.code(), Some(0), "{said}");
    let found: serde_json::Value = serde_json::from_slice(&walk.stdout).expect("JSON");
    Ok(found["unarchived"].as_array().expect("a list").clone())
}

/// Whoever wants to rely on the archive asks, since a start does not read it. Damage to a file is
/// named, and so are the events of one that is gone: whether an operator has thrown it away on
/// purpose, nobody can tell.
fn assert_archive_tells(original: &Original, data: &Path, what: &str) {
    match unarchived(data) {
        Err(said) => assert!(names_the_damage(&said), "{what}: {said}"),
        Ok(gaps) => {
            assert!(what.ends_with("removed"), "{what}");
            assert_ne!(gaps, original.unarchived, "{what}");
        }
    }
}

/// A refusal says that something is damaged, missing, or of a format that is unknown.
fn names_the_damage(said: &str) -> bool {
    let last = said.lines().rfind(|line| line.starts_with("vobee:")).unwrap_or_default();
    ["damaged", "missing", "instead of", "newer than", "journal store failed", "not what was"]
        .iter()
        .any(|word| last.contains(word))
}

#[test]
fn one_damaged_file_is_overcome_or_refused_and_never_ignored() {
    let damages = setting("VOBEE_TORTURE_DAMAGES", DAMAGES);
    let mut luck = Luck::new();
    let originals = [Original::new(true), Original::new(false)];
    let (mut overcome, mut refused) = (0, 0);
    let mut refusals: BTreeMap<Kind, usize> = BTreeMap::new();
    for round in 0..damages {
        let original = &originals[luck.below(originals.len())];
        let copy = original.copy();
        let (kind, what) = harm_one(copy.path(), round, &mut luck);
        luck.note(format!("round {round}: {what}"));
        if kind == Kind::Archive {
            assert_archive_tells(original, copy.path(), &what);
        }
        let (mut server, ended) = Server::attempt(copy.path(), &[], &[]);
        match ended {
            None => {
                original.books.check_everybody(&server);
                overcome += 1;
            }
            Some(status) => {
                let said = server.last_words();
                assert!(status.code().is_some_and(|code| code > 0), "{what}: {status} {said}");
                assert!(names_the_damage(&said), "{what}: {said}");
                assert!(!matches!(kind, Kind::Lock | Kind::Archive), "{what}: {said}");
                *refusals.entry(kind).or_default() += 1;
                refused += 1;
            }
        }
    }
    report(
        "damage",
        &[
            ("rounds", &damages),
            ("overcome", &overcome),
            ("refused", &refused),
            ("silently less", &0),
        ],
    );
    let each: Vec<_> = refusals.iter().map(|(kind, count)| format!("{kind:?} {count}")).collect();
    eprintln!("torture: refused were {}", each.join(", "));
}
