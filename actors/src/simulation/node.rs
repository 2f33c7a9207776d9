//! The engine on a simulated disk: six actors, the committer, and who gets the next turn.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use snapshots::simulation::SimulatedDisk;
use snapshots::{Epochs, Journal, Position, Reader, Recovered, Snapshot};

use crate::answers::Answers;
use crate::cell::Cell;
use crate::clock::Clock;
use crate::committer::{Committer, Desk};
use crate::engine::Policies;
use crate::invites::Invites;
use crate::mailbox::{Live, Probe};
use crate::people::People;
use crate::quality::Quality;
use crate::referrals::Referrals;
use crate::role::Role;
use crate::snapshotter::{self, Worker};
use crate::supervisor::{Child, Supervised};
use crate::waitlist::Waitlist;

use super::post::{Post, Stage, Trouble};

pub(super) const ACTORS: usize = 6;
/// Times that an actor may die on the way back.
const STARTS_MAX: usize = 8;

/// What outlives a crash, and what a test turns.
pub(super) struct World {
    pub(super) disk: SimulatedDisk,
    pub(super) dir: PathBuf,
    pub(super) clock: Clock,
    pub(super) policies: Policies,
}

impl World {
    fn options(&self) -> snapshots::Options {
        snapshots::Options { dir: self.dir.clone(), cache_bytes: 0, accept_loss: false }
    }

    /// The journal alone, as a start opens it.
    pub(super) fn try_open(&self) -> Result<(), snapshots::Error> {
        self.disk.open(self.options()).map(|_| ())
    }
}

/// The six actors.
pub(super) struct Posts {
    pub(super) waitlist: Post<Cell<Waitlist>>,
    pub(super) invites: Post<Cell<Invites>>,
    pub(super) referrals: Post<Cell<Referrals>>,
    pub(super) quality: Post<Cell<Quality>>,
    pub(super) people: Post<People>,
    pub(super) answers: Post<Answers>,
}

/// A running engine.
pub(super) struct Node {
    pub(super) posts: Posts,
    pub(super) reader: Box<dyn Reader>,
    pub(super) committer: Committer,
    desk: Desk,
    epochs: Epochs,
    children: Arc<[Arc<dyn Supervised>]>,
    clock: Clock,
    /// An epoch that has ended and has no snapshot yet, and where the actors stood before.
    ended: Option<(Position, Vec<Option<Probe>>)>,
}

impl Posts {
    fn new(policies: &Policies, committer: &Committer) -> Self {
        let Policies { waitlist, invites, referrals, quality } = policies.clone();
        let own = || committer.clone();
        let (a, b, c, d) = (own(), own(), own(), own());
        Self {
            waitlist: Post::new("waitlist", move || Cell::new(waitlist.clone(), a.clone())),
            invites: Post::new("invites", move || Cell::new(invites.clone(), b.clone())),
            referrals: Post::new("referrals", move || Cell::new(referrals.clone(), c.clone())),
            quality: Post::new("quality", move || Cell::new(quality, d.clone())),
            people: Post::new("people", People::default),
            answers: Post::new("answers", Answers::default),
        }
    }

    pub(super) fn stages(&mut self) -> [&mut dyn Stage; ACTORS] {
        [
            &mut self.waitlist,
            &mut self.invites,
            &mut self.referrals,
            &mut self.quality,
            &mut self.people,
            &mut self.answers,
        ]
    }
}

impl Node {
    /// Opens the journal and starts the actors, in an order that `first` decides.
    pub(super) fn open(world: &World, first: usize) -> Result<(Self, Recovered), Trouble> {
        let disk = |error: snapshots::Error| Trouble::Disk(error.to_string());
        let (journal, recovered) = world.disk.open(world.options()).map_err(disk)?;
        let (reader, epochs) = (journal.reader(), journal.epochs());
        let (desk, committer) = Desk::new(Box::new(journal), world.clock.clone());
        let mut node = Self {
            posts: Posts::new(&world.policies, &committer),
            reader,
            committer,
            desk,
            epochs,
            children: Arc::new([]),
            clock: world.clock.clone(),
            ended: None,
        };
        node.children = node.folders();
        for index in 0..ACTORS {
            node.start((first + index) % ACTORS)?;
        }
        Ok((node, recovered))
    }

    /// What takes part in a snapshot, as the supervisor has it.
    fn folders(&self) -> Arc<[Arc<dyn Supervised>]> {
        Arc::new([
            self.folder(&self.posts.waitlist),
            self.folder(&self.posts.invites),
            self.folder(&self.posts.referrals),
            self.folder(&self.posts.quality),
            self.folder(&self.posts.people),
            self.folder(&self.posts.answers),
        ])
    }

    fn folder<R: Role>(&self, post: &Post<R>) -> Arc<dyn Supervised> {
        let make = Arc::clone(&post.make);
        Arc::new(Child {
            name: post.name,
            live: Live::default(),
            make: Box::new(move || make()),
            committer: self.committer.clone(),
            reader: self.reader.box_clone(),
        })
    }

    /// Starts an actor, again and again when it dies on the way.
    fn start(&mut self, index: usize) -> Result<(), Trouble> {
        for _ in 0..STARTS_MAX {
            let stage = &mut self.posts.stages()[index];
            match stage.start(&self.committer, self.reader.as_ref(), &mut self.desk) {
                Err(Trouble::Armed) => stage.vacate(),
                started => return started,
            }
        }
        Err(Trouble::Bug("an actor never comes back".to_owned()))
    }

    /// Lets one actor take its next envelope, and starts it again when it dies of that; false when
    /// nothing waits for it.
    pub(super) fn run(&mut self, index: usize) -> Result<bool, Trouble> {
        let mut stages = self.posts.stages();
        let stage = &mut stages[index];
        match stage.run() {
            Err(Trouble::Armed) => {
                stage.vacate();
                self.start(index).map(|()| true)
            }
            ran => ran,
        }
    }

    /// The committing thread's next turn. When it fails the herald still says what it was told.
    pub(super) fn commit(&mut self) -> Result<bool, Trouble> {
        let desk = &mut self.desk;
        let committing = std::panic::AssertUnwindSafe(|| desk.commit());
        let committed = match std::panic::catch_unwind(committing) {
            Ok(committed) => committed.map_err(|error| Trouble::Disk(error.to_string())),
            Err(payload) => Err(match Trouble::of_panic("the committer", payload.as_ref()) {
                Trouble::Armed => Trouble::Disk("the committer panicked".to_owned()),
                trouble @ (Trouble::Disk(_) | Trouble::Bug(_)) => trouble,
            }),
        };
        if committed.is_err() {
            while self.desk.announce() {}
        }
        committed
    }

    pub(super) fn announce(&mut self) -> bool {
        self.desk.announce()
    }

    /// Ends the epoch, unless one waits for its snapshot; where, when that worked.
    pub(super) fn rotate(&mut self) -> Result<Option<Position>, Trouble> {
        if self.epochs.uncovered().is_some() || self.epochs.prepare().is_err() {
            return Ok(None);
        }
        let probes = self.posts.stages().iter().map(|stage| stage.probe()).collect();
        let committer = self.committer.clone();
        let mut rotating = std::pin::pin!(committer.rotate());
        loop {
            let mut context = Context::from_waker(Waker::noop());
            if let Poll::Ready(end) = rotating.as_mut().poll(&mut context) {
                self.ended = end.as_ref().ok().map(|end| (*end, probes));
                return Ok(end.ok());
            }
            if !self.commit()? && !self.announce() {
                return Err(Trouble::Bug("nobody ends an epoch".to_owned()));
            }
        }
    }

    /// Takes the snapshot of an epoch that has ended, archives and retires, as far as no crash
    /// point is on the way.
    pub(super) fn fold(&mut self) -> Result<bool, Trouble> {
        let uncovered = self.epochs.uncovered().map(|end| (end, Vec::new()));
        let Some((end, probes)) = self.ended.take().or(uncovered) else { return Ok(false) };
        let worker = Worker {
            epochs: self.epochs.clone(),
            children: Arc::clone(&self.children),
            archive: snapshotter::Archive::Forever,
        };
        let now = self.clock.now();
        let taking = std::panic::AssertUnwindSafe(|| {
            worker.take(end, &probes, now)?;
            worker.tidy(now)
        });
        match std::panic::catch_unwind(taking) {
            Ok(Ok(_)) => Ok(true),
            Ok(Err(snapshotter::Error::Differs { actor, seq })) => {
                let what = format!("the live state of {actor} differs from record {seq}'s");
                Err(Trouble::Bug(what))
            }
            Ok(Err(error)) => Err(Trouble::Disk(error.to_string())),
            Err(payload) => match Trouble::of_panic("the snapshotter", payload.as_ref()) {
                Trouble::Armed => Ok(false),
                trouble @ (Trouble::Disk(_) | Trouble::Bug(_)) => Err(trouble),
            },
        }
    }
}

/// The snapshots on disk, oldest first.
fn snapshots(world: &World) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(world.dir.join("snapshots")).into_iter().flatten();
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let is_whole = |path: &PathBuf| path.extension().is_some_and(|end| end == "snap");
    let mut snapshots: Vec<PathBuf> = paths.filter(is_whole).collect();
    snapshots.sort();
    snapshots
}

/// The last record that the newest snapshot on disk covers, whether anybody knows of it yet or not.
pub(super) fn covered(world: &World) -> u64 {
    let newest = snapshots(world).pop();
    let newest = newest.and_then(|path| Snapshot::open(&path).ok());
    newest.map_or(0, |snapshot| snapshot.position().seq)
}

/// Flips a bit in the middle of the newest snapshot, if the journal can do without it.
pub(super) fn rot_snapshot(world: &World) {
    let snapshots = snapshots(world);
    let from_the_beginning = world.disk.epoch_numbers().first() == Some(&1);
    if let Some(newest) = snapshots.last()
        && (snapshots.len() > 1 || from_the_beginning)
    {
        flip(newest);
    }
}

fn flip(path: &Path) {
    let flipped = std::fs::read(path).and_then(|mut bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes)
    });
    flipped.expect("a file in memory can be read and written");
}
