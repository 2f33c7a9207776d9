//! `kill -9` at every kind of moment. The system lives on, so all that was written is there: what
//! could be missing was answered before it was written.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::rounds::{Luck, report, setting};
use super::story::{Books, Progress, Round, SETTINGS};
use crate::support::{PROGRAM, Server};

const KILLS: usize = 12;
const ANSWERS_MIN: usize = 200;
const ANSWERS_MORE: usize = 1200;
/// How often in a row a start is cut short.
const STARTS_CUT: usize = 3;
/// A start takes about as long.
const START_MICROS: usize = 400_000;
const LATER_MICROS: usize = 3_000;

/// What is going on when the process is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    Load,
    Snapshot,
    Rotation,
    Archive,
    Compaction,
    Start,
}

const MOMENTS: [Moment; 6] = [
    Moment::Load,
    Moment::Snapshot,
    Moment::Rotation,
    Moment::Archive,
    Moment::Compaction,
    Moment::Start,
];

/// Names in a folder of the data directory, which may not be there yet.
pub(super) fn names(data: &Path, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(data.join(folder)).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Whether a snapshot or an archive is being written.
pub(super) fn unfinished(data: &Path, folder: &str) -> bool {
    names(data, folder).iter().any(|name| name.ends_with(".tmp"))
}

fn wait_for(moment: Moment, data: &Path, progress: &Progress) {
    match moment {
        Moment::Load | Moment::Start => {}
        Moment::Snapshot => progress.wait_until(|| unfinished(data, "snapshots")),
        Moment::Archive => progress.wait_until(|| unfinished(data, "archive")),
        Moment::Rotation => {
            let newest = names(data, "journal").into_iter().max();
            progress.wait_until(|| names(data, "journal").into_iter().max() > newest);
        }
        Moment::Compaction => {
            let compacting = || progress.compacting.load(std::sync::atomic::Ordering::Relaxed);
            progress.wait_until(|| compacting() && unfinished(data, "archive"));
        }
    }
}

/// Kills starts in their middle, and then lets one through.
fn start(server: &mut Server, moment: Moment, luck: &mut Luck) {
    let cut = if matches!(moment, Moment::Start) { STARTS_CUT } else { 0 };
    for _ in 0..cut {
        server.start_without_waiting();
        thread::sleep(Duration::from_micros(luck.below(START_MICROS) as u64));
        server.kill();
    }
    server.start_again();
}

fn assert_sound(server: &mut Server) {
    assert_eq!(server.stop().code(), Some(0), "{}", server.last_words());
    let walk = Command::new(PROGRAM).args(["verify", "--data-dir"]).arg(server.data()).output();
    let walk = walk.expect("the program runs");
    assert_eq!(walk.status.code(), Some(0), "{}", String::from_utf8_lossy(&walk.stderr));
}

#[test]
fn kills_at_every_moment_leave_every_domain_with_the_same_story() {
    let kills = setting("VOBEE_TORTURE_KILLS", KILLS);
    let mut luck = Luck::new();
    let mut books = Books::default();
    let mut server = Server::with(&SETTINGS);
    let (mut snapshots, mut archives) = (0, 0);
    for kill in 0..kills {
        let moment = MOMENTS[kill % MOMENTS.len()];
        luck.note(format!("round {kill}: {moment:?}"));
        let answers = ANSWERS_MIN + luck.below(ANSWERS_MORE);
        let later = Duration::from_micros(luck.below(LATER_MICROS) as u64);
        let played = Round::new(&server, kill).play(&mut server, |server, progress| {
            progress.wait_for_answers(answers);
            wait_for(moment, server.data(), progress);
            thread::sleep(later);
            server.kill();
        });
        snapshots += usize::from(unfinished(server.data(), "snapshots"));
        archives += usize::from(unfinished(server.data(), "archive"));
        start(&mut server, moment, &mut luck);
        books.check(&server, &played);
    }
    books.check_everybody(&server);
    assert!(books.unknown > 0, "no kill has met a request under way");
    assert_sound(&mut server);
    report(
        "kill -9",
        &[
            ("rounds", &kills),
            ("acknowledged writes checked", &books.acknowledged),
            ("under way when the process ended", &books.unknown),
            ("snapshots and", &snapshots),
            ("archives cut short", &archives),
            ("lost", &0),
        ],
    );
}
