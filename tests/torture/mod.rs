//! What may happen to a machine, done to the real program on purpose, and what has to hold after
//! it: whatever was answered with success is there exactly once, and whatever was not answered has
//! happened wholly or not at all.
//!
//! | file | what is done |
//! | --- | --- |
//! | `kills.rs` | `kill -9` under load, in a start, snapshot, rotation, archive, compaction |
//! | `power.rs` | the power goes: only what the block device was given is left |
//! | `errors.rs` | the system refuses a sync, a write, a rename; a disk is full, PostgreSQL's too |
//! | `damage.rs` | a bit flips, a page is zeroed, a file is cut or gone, in each kind of file |
//! | `clock.rs` | the clock jumps an hour back and a year ahead |
//! | `volume.rs` | so many events that only rotation keeps memory and start small |
//!
//! and with what: `story.rs` is the load and the memory of what was answered, which lies in this
//! process and on no disk that is harmed; `disk.rs` a file system in a file; `rounds.rs` how often,
//! and the line of figures at the end.
//!
//! Each test takes its number of rounds from the environment (`VOBEE_TORTURE_…`); without, it is
//! a short form. `scripts/test --torture` is the long one. What needs root and loop mounts is
//! ignored unless `scripts/test` has found that they are there, and it says so when they are not.
//!
//! Not here: disks that lie about a sync, and two faults at once.

mod clock;
mod damage;
mod disk;
mod errors;
mod kills;
mod power;
mod rounds;
mod story;
mod volume;
