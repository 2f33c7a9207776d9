//! The power goes: what the file system had not given to the device is gone. Here a sync that was
//! left out, or one of the wrong file, loses what was answered.

use super::disk::Disk;
use super::kills::unfinished;
use super::rounds::{Luck, report, setting};
use super::story::{Books, Round, SETTINGS};
use crate::support::Server;

const CUTS: usize = 4;
const ANSWERS_MIN: usize = 200;
const ANSWERS_MORE: usize = 1200;
const DISK_MEBIBYTES: u64 = 1024;

#[test]
#[ignore = "needs root and loop mounts; scripts/test runs it where they are there"]
fn power_cuts_lose_nothing_that_was_answered() {
    let cuts = setting("VOBEE_TORTURE_CUTS", CUTS);
    let mut luck = Luck::new();
    let mut books = Books::default();
    let mut disk = Disk::new(DISK_MEBIBYTES);
    let mut server = Server::at(&disk.path().join("data"), &SETTINGS);
    let mut snapshots = 0;
    for cut in 0..cuts {
        luck.note(format!("round {cut}"));
        let answers = ANSWERS_MIN + luck.below(ANSWERS_MORE);
        let mut copy = None;
        let played = Round::new(&server, cut).play(&mut server, |server, progress| {
            progress.wait_for_answers(answers);
            if cut % 2 == 1 {
                progress.wait_until(|| unfinished(server.data(), "snapshots"));
            }
            server.freeze();
            copy = Some(disk.copy());
            server.kill();
        });
        disk.power_on(copy.expect("the disk was copied"));
        snapshots += usize::from(unfinished(server.data(), "snapshots"));
        server.start_again();
        books.check(&server, &played);
    }
    books.check_everybody(&server);
    assert!(books.unknown > 0, "no cut has met a request under way");
    server.kill();
    report(
        "power cut",
        &[
            ("rounds", &cuts),
            ("acknowledged writes checked", &books.acknowledged),
            ("under way when the power went", &books.unknown),
            ("snapshots cut short", &snapshots),
            ("lost", &0),
        ],
    );
}
