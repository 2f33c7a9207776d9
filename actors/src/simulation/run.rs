//! One run, step after step; and the shortest one that still fails.

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use snapshots::simulation::SimulatedDisk;
use tempfile::TempDir;

use crate::cell::Domain;
use crate::clock::Clock;
use crate::crash;
use crate::engine::Policies;
use crate::entropy;
use crate::error::Error;
use crate::event::Stream;
use crate::identity::Identity;
use crate::ids::{Email, InviteCode, PersonId, Timestamp};
use crate::invites::{self, Amend};
use crate::mailbox::Ask;
use crate::quality::{self, DrillRates, Drilling, Ratio};
use crate::request::RequestTag;
use crate::{referrals, waitlist};

use super::edge::{Edge, Order, Said};
use super::history::History;
use super::ledger::{Ledger, Sent};
use super::node::{ACTORS, Node, World, covered, rot_snapshot};
use super::post::Trouble;
use super::rest;
use super::workload::{PEOPLE, Step, Wish, steps};

/// 2026-01-05T12:00:00Z.
const NOON: Timestamp = Timestamp::from_micros(1_767_614_400_000_000);
/// 2025-12-20T12:00:00Z: further back than the clock ever goes, and within the window of rates.
const LONG_AGO: Timestamp = Timestamp::from_micros(1_766_232_000_000_000);
const MICROS_PER_MINUTE: i64 = 60_000_000;
/// A key counts for a day; sent again later it would be another request.
const KEY_MINUTES_MAX: i64 = 12 * 60;
/// So that a request that was sent in time is also dealt with in time.
const PASS_MINUTES_MAX: i64 = 15;
/// Turns after which a run that does not come to rest never will.
const TURNS_MAX: usize = 100_000;
/// Runs that looking for a shorter one may take.
const SHRINKS_MAX: usize = 1_500;

/// What a run has gone through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// Steps.
    pub steps: u64,
    /// Durable records at the end.
    pub records: u64,
    /// Of those, in the order of the streams' numbers.
    pub by_stream: [u64; 4],
    /// Requests that were answered.
    pub answers: u64,
    /// Requests whose answer was lost.
    pub lost: u64,
    /// Power cuts, and disks that failed.
    pub crashes: u64,
    /// Starts that were refused because of damage, as they had to be.
    pub refusals: u64,
    /// Snapshots that were taken.
    pub snapshots: u64,
    /// Times that everything was compared.
    pub rests: u64,
}

impl std::ops::AddAssign for Played {
    fn add_assign(&mut self, other: Self) {
        self.steps += other.steps;
        self.records += other.records;
        for (sum, count) in self.by_stream.iter_mut().zip(other.by_stream) {
            *sum += count;
        }
        self.answers += other.answers;
        self.lost += other.lost;
        self.crashes += other.crashes;
        self.refusals += other.refusals;
        self.snapshots += other.snapshots;
        self.rests += other.rests;
    }
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { steps, records, by_stream, answers, lost, .. } = self;
        let Self { crashes, refusals, snapshots, rests, .. } = self;
        write!(
            f,
            "{steps} steps, {records} records {by_stream:?}, {answers} answers, {lost} lost, "
        )?;
        write!(f, "{crashes} crashes, {refusals} refusals, {snapshots} snapshots, {rests} rests")
    }
}

/// A run that broke a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// The promise.
    pub what: String,
    /// The shortest list of steps that was found to break one.
    pub steps: Vec<Step>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, what, steps } = self;
        writeln!(f, "seed {seed}: {what}")?;
        writeln!(f, "after these {} steps:", steps.len())?;
        for step in steps {
            writeln!(f, "  {step:?}")?;
        }
        write!(f, "again: cargo run --release -p vobee-actors --example simulate -- --seed {seed}")
    }
}

/// Plays the run of a seed.
///
/// # Errors
/// The promise that it breaks, with the shortest run that does.
pub fn simulate(seed: u64) -> Result<Played, Failure> {
    let steps = steps(seed);
    match play(seed, &steps) {
        Ok(played) => Ok(played),
        Err((what, last)) => {
            Err(shortest(seed, steps[..=last.min(steps.len() - 1)].to_vec(), what))
        }
    }
}

/// Leaves out what can be left out: halves, then quarters, then single steps.
fn shortest(seed: u64, steps: Vec<Step>, what: String) -> Failure {
    let mut best = Failure { seed, what, steps };
    let mut chunk = best.steps.len().div_ceil(2);
    let mut plays = 0;
    while plays < SHRINKS_MAX {
        let (mut from, before) = (0, best.steps.len());
        while from < best.steps.len() && plays < SHRINKS_MAX {
            let to = (from + chunk).min(best.steps.len());
            let mut fewer = best.steps[..from].to_vec();
            fewer.extend_from_slice(&best.steps[to..]);
            plays += 1;
            match play(seed, &fewer) {
                Err((what, last)) => {
                    fewer.truncate(last + 1);
                    best = Failure { seed, what, steps: fewer };
                }
                Ok(_) => from = to,
            }
        }
        if chunk == 1 && best.steps.len() == before {
            break;
        }
        chunk = chunk.div_ceil(2);
    }
    best
}

/// Plays steps; the promise that is broken, and at which step.
fn play(seed: u64, steps: &[Step]) -> Result<Played, (String, usize)> {
    let mut run = Run::new(seed).map_err(|what| (what, 0))?;
    for (index, step) in steps.iter().enumerate() {
        run.step(step).map_err(|what| (what, index))?;
    }
    Ok(run.played())
}

type Calling = Pin<Box<dyn Future<Output = Result<Said, Error>>>>;

struct Run {
    world: World,
    node: Option<Node>,
    edge: Edge,
    identity: Identity,
    calls: Vec<(Sent, Calling)>,
    ledger: Ledger,
    history: History,
    people: Vec<PersonId>,
    /// The furthest that the clock has ever been.
    latest: Timestamp,
    played: Played,
    _dir: TempDir,
}

/// Rules under which few people and codes are enough for everything to happen.
/// Codes that the registry takes, so few that it fills up now and then.
pub(super) const CODES_MAX: u32 = 120;

fn policies() -> Policies {
    let mut policies = Policies {
        waitlist: waitlist::Policy { entries_max: 60, ..waitlist::Policy::default() },
        invites: invites::Policy { codes_max: CODES_MAX, ..invites::Policy::default() },
        quality: quality::Policy { members_min: 3, ..quality::Policy::default() },
        referrals: referrals::Policy::default(),
    };
    policies.referrals.points_per_redeemed = 3;
    for (tier, redeemed) in policies.referrals.tiers.iter_mut().zip(1..) {
        tier.redeemed = redeemed;
    }
    policies
}

/// A directory in memory, where there is one: nothing here tests the files in it.
fn directory() -> Result<TempDir, String> {
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    dir.map_err(|error| format!("no directory: {error}"))
}

impl Run {
    fn new(seed: u64) -> Result<Self, String> {
        entropy::seed(seed);
        crash::disarm_here();
        let dir = directory()?;
        let (clock, identity) = (Clock::manual(NOON), Identity::new(&[7; 32]));
        let world = World {
            disk: SimulatedDisk::new(seed),
            dir: dir.path().to_owned(),
            clock,
            policies: policies(),
        };
        let (node, _) = Node::open(&world, 0).map_err(told)?;
        let edge = Edge::new(&world.clock, &identity, &node.posts, &world.policies.invites);
        let people = (0..PEOPLE).map(|who| identity.person(&email(who))).collect();
        Ok(Self {
            world,
            node: Some(node),
            edge,
            identity,
            calls: Vec::new(),
            ledger: Ledger::default(),
            history: History::default(),
            people,
            latest: NOON,
            played: Played::default(),
            _dir: dir,
        })
    }

    fn played(&self) -> Played {
        let streams = [Stream::Waitlist, Stream::Invites, Stream::Referrals, Stream::Quality];
        Played {
            records: self.history.newest(),
            by_stream: streams.map(|stream| self.history.of_stream(stream) as u64),
            answers: self.ledger.answers,
            lost: self.ledger.lost,
            ..self.played
        }
    }

    fn node(&mut self) -> &mut Node {
        self.node.as_mut().expect("a node runs but in the midst of a crash")
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        self.played.steps += 1;
        match self.take(step) {
            Ok(()) => {}
            Err(Trouble::Bug(what)) => return Err(what),
            // The process ends and starts again: the failed write may have happened, or not.
            Err(Trouble::Disk(what)) => {
                if self.world.disk.failures() == 0 && !what.contains("panicked") {
                    return Err(what);
                }
                self.hear()?;
                let seed = self.played.steps;
                self.crash(seed, false, false, false).map_err(told)?;
            }
            Err(Trouble::Armed) => return Err("a crash point that nobody expects".to_owned()),
        }
        self.hear()?;
        self.ledger.hold(&self.history)
    }

    fn take(&mut self, step: &Step) -> Result<(), Trouble> {
        match step {
            Step::Ask(wish, keyed) => self.ask(wish, *keyed),
            Step::Again(back) => self.ask_again(usize::from(*back)),
            Step::Run(actor) => drop(self.node().run(usize::from(*actor) % ACTORS)?),
            Step::Commit => drop(self.commit()?),
            Step::Announce => drop(self.node().announce()),
            Step::Rest => return self.rest(),
            Step::Pass(minutes) => {
                let waits = self.calls.iter().any(|(sent, _)| sent.has_key());
                let most = if waits { PASS_MINUTES_MAX } else { i64::MAX };
                let minutes = *minutes.min(&most);
                let passed = self.world.clock.now().micros() + minutes * MICROS_PER_MINUTE;
                self.world.clock.set(Timestamp::from_micros(passed));
                self.latest = self.latest.max(self.world.clock.now());
            }
            Step::Rotate => {
                let rotated = self.node().rotate();
                self.follow()?;
                if let Some(end) = rotated? {
                    self.history.link(end.seq, end.chain).map_err(Trouble::Bug)?;
                }
            }
            Step::Fold => self.played.snapshots += u64::from(self.node().fold()?),
            Step::Panic(point, nth) => crash::arm_here(point, *nth),
            Step::Fail(fault) => self.world.disk.fail_next(Some(*fault)),
            Step::Crash { seed, forget, rot, spoil } => {
                return self.crash(*seed, *forget, *rot, *spoil);
            }
        }
        Ok(())
    }

    fn ask(&mut self, wish: &Wish, keyed: bool) {
        let count = self.played.steps;
        let person = |who: u8| self.people[usize::from(who)];
        let order = match wish {
            Wish::Join(who, referrer) => Order::Join(email(*who), referrer.map(person)),
            Wish::Boost(who, points) => Order::Boost(person(*who), *points),
            Wish::Leave(who) => Order::Leave(person(*who)),
            Wish::Generate { count: codes, uses, to, force } => Order::Generate {
                batch: format!("B{count}"),
                count: *codes,
                uses: *uses,
                to: to.map(email),
                force: *force,
            },
            Wish::Redeem(number, who) => {
                let Some(code) = self.late_code(*number) else { return };
                Order::Redeem(code, email(*who))
            }
            Wish::Wave(people, lottery) => {
                let (batch, count, lottery) = (format!("W{count}"), *people, *lottery);
                Order::Wave { batch, count, lottery }
            }
            Wish::Reserve(number, who) => {
                let Some(code) = self.late_code(*number) else { return };
                Order::Reserve(code, email(*who))
            }
            Wish::Settle(back, give_back) => {
                let holds = self.history.holds.iter().rev();
                let Some(&(hold, code, person)) = holds.clone().nth(usize::from(*back)) else {
                    return;
                };
                if *give_back { Order::Release(hold) } else { Order::Confirm(hold, code, person) }
            }
            Wish::Drill(percent, minutes) => {
                let churn = Ratio::new(f64::from(*percent) / 100.0);
                let rates = DrillRates { churn, ..DrillRates::default() };
                Order::Drill(Drilling { rates, minutes: *minutes })
            }
            Wish::Share(from, to) => Order::Share(email(*from), email(*to)),
            Wish::Earn(who) => Order::Earn(person(*who)),
            Wish::Review(who, accept) => Order::Review(person(*who), *accept),
            Wish::Amend(number, revoke) => {
                // Codes that were earned first: what comes of those matters to others.
                let earned = self.history.codes.iter().rev().filter(|code| code.holder.is_some());
                let earned = earned.map(|code| code.code).nth(usize::from(*number % 8));
                let Some(code) = earned.or_else(|| self.late_code(*number)) else { return };
                Order::Amend(code, if *revoke { Amend::Revoke } else { Amend::Restore })
            }
            Wish::Observe(who, kind) => {
                let at = Timestamp::from_micros(LONG_AGO.micros() + count as i64);
                Order::Observe(person(*who), *kind, at)
            }
            Wish::Evaluate => Order::Evaluate,
            Wish::Look(who) => Order::Look(person(*who)),
        };
        let keyless =
            matches!(order, Order::Leave(_) | Order::Drill(_) | Order::Evaluate | Order::Look(_));
        let key = (keyed && !keyless).then_some(self.ledger.keys.len());
        self.call(order, key);
    }

    /// Late ones are tried more often: they are not used up yet.
    fn late_code(&self, number: u8) -> Option<InviteCode> {
        let codes = &self.history.codes;
        let last = codes.len().checked_sub(1)?;
        Some(codes[last - usize::from(number) % codes.len().min(6)].code)
    }

    fn ask_again(&mut self, back: usize) {
        let Some(key) = self.ledger.keys.len().checked_sub(1 + back) else { return };
        let keyed = &self.ledger.keys[key];
        let age = self.latest.micros() - keyed.sent.micros();
        if age < KEY_MINUTES_MAX * MICROS_PER_MINUTE {
            self.call(keyed.order.clone(), Some(key));
        }
    }

    fn call(&mut self, order: Order, key: Option<usize>) {
        let (now, identity) = (self.world.clock.now(), &self.identity);
        let sent = self.ledger.send(order.clone(), key, now, |email| identity.person(email));
        let tag = key.map(|key| {
            RequestTag::new("caller", &key.to_string(), "POST /", format!("{order:?}").as_bytes())
        });
        self.calls.push((sent, Box::pin(self.edge.clone().carry_out(order, tag))));
    }

    /// A commit, and what it has made durable.
    fn commit(&mut self) -> Result<bool, Trouble> {
        let committed = self.node().commit();
        self.follow()?;
        committed
    }

    fn follow(&mut self) -> Result<(), Trouble> {
        let from = self.history.newest() + 1;
        let node = self.node.as_ref().expect("a node runs but in the midst of a crash");
        self.history.follow(node.reader.as_ref(), from).map_err(Trouble::Bug)
    }

    /// Lets every caller go on, and takes down what those say who have their answer.
    fn hear(&mut self) -> Result<(), String> {
        self.follow().map_err(told)?;
        let mut index = 0;
        while let Some((_, calling)) = self.calls.get_mut(index) {
            match calling.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => index += 1,
                Poll::Ready(answer) => {
                    let (sent, _) = self.calls.remove(index);
                    self.ledger.hear(sent, answer, &mut self.history)?;
                }
            }
        }
        Ok(())
    }

    /// Power goes, and comes back.
    fn crash(&mut self, seed: u64, forget: bool, rot: bool, spoil: bool) -> Result<(), Trouble> {
        self.follow()?;
        self.played.crashes += 1;
        self.calls.clear();
        crash::disarm_here();
        self.world.disk.crash(seed, forget);
        self.node = None;
        if spoil {
            self.spoil(seed)?;
        }
        if rot {
            rot_snapshot(&self.world);
        }
        let first = (seed % ACTORS as u64) as usize;
        let opened = Node::open(&self.world, first);
        let (node, recovered) = opened.map_err(|trouble| Trouble::Bug(told(trouble)))?;
        let known = self.history.newest();
        if recovered.next_seq <= known {
            let (next, what) = (recovered.next_seq, "were durable and are gone");
            return Err(Trouble::Bug(format!("records {next} to {known} {what}")));
        }
        self.edge =
            Edge::new(&self.world.clock, &self.identity, &node.posts, &self.world.policies.invites);
        let from = node.reader.base().map_or(0, |base| base.position().seq) + 1;
        self.history.follow(node.reader.as_ref(), from).map_err(Trouble::Bug)?;
        self.node = Some(node);
        let (newest, chain) = (recovered.next_seq - 1, recovered.chain);
        self.history.link(newest, chain).map_err(Trouble::Bug)
    }

    /// What was acknowledged is damaged: the start is refused, and changes nothing.
    fn spoil(&mut self, seed: u64) -> Result<(), Trouble> {
        let seqs = covered(&self.world) + 1..=self.world.disk.marked();
        let Some(spoiled) = self.world.disk.spoil(seed, seqs) else { return Ok(()) };
        let opened = self.world.try_open();
        let refused = matches!(
            opened,
            Err(snapshots::Error::Damaged { .. } | snapshots::Error::Newer { .. })
        );
        if !refused {
            let first_seq = spoiled.first_seq;
            return Err(Trouble::Bug(format!("damage at {first_seq} is opened: {opened:?}")));
        }
        self.played.refusals += 1;
        self.world.disk.mend(spoiled);
        Ok(())
    }

    /// Runs until nothing is under way, and compares everything.
    fn rest(&mut self) -> Result<(), Trouble> {
        crash::disarm_here();
        self.world.disk.fail_next(None);
        for _ in 0..TURNS_MAX {
            if self.turn()? {
                continue;
            }
            let before = self.history.newest();
            self.touch()?;
            if self.history.newest() == before {
                if !self.calls.is_empty() {
                    return Err(Trouble::Bug("an answer never comes".to_owned()));
                }
                self.played.rests += 1;
                let now = self.world.clock.now();
                let Self { node, history, people, .. } = self;
                let node = node.as_mut().expect("a node runs but in the midst of a crash");
                return rest::compare(node, history, people, now);
            }
        }
        Err(Trouble::Bug("the engine does not come to rest".to_owned()))
    }

    /// Everybody has a turn; false when nobody had anything to do.
    fn turn(&mut self) -> Result<bool, Trouble> {
        let mut moved = false;
        for actor in 0..ACTORS {
            while self.node().run(actor)? {
                moved = true;
            }
        }
        moved |= self.commit()?;
        moved |= self.node().announce();
        self.hear().map_err(Trouble::Bug)?;
        Ok(moved)
    }

    /// Reads from every domain, so that reactions that nobody waits for are committed too.
    fn touch(&mut self) -> Result<(), Trouble> {
        let now = self.world.clock.now();
        let posts = &self.node().posts;
        let (mine, _a) = Ask::simulated(now, None);
        posts.waitlist.queue.send(<waitlist::Waitlist as Domain>::Message::Digest(mine));
        let (mine, _b) = Ask::simulated(now, None);
        posts.invites.queue.send(<invites::Invites as Domain>::Message::Digest(mine));
        let (mine, _c) = Ask::simulated(now, None);
        posts.referrals.queue.send(<referrals::Referrals as Domain>::Message::Digest(mine));
        let (mine, _d) = Ask::simulated(now, None);
        posts.quality.queue.send(<quality::Quality as Domain>::Message::Digest(mine));
        while self.turn()? {}
        Ok(())
    }
}

fn email(who: u8) -> Email {
    Email::parse(&format!("person{who}@example.com")).expect("a good address")
}

/// What a trouble says.
fn told(trouble: Trouble) -> String {
    match trouble {
        Trouble::Armed => "a crash point".to_owned(),
        Trouble::Disk(what) | Trouble::Bug(what) => what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality::Seen;

    const ONE_CODE: Wish = Wish::Generate { count: 1, uses: 2, to: None, force: true };

    fn play(steps: &[Step]) -> Result<Played, String> {
        super::play(0, steps).map_err(|(what, _)| what)
    }

    #[test]
    fn an_actor_that_is_rebuilt_behind_a_snapshot_newer_than_the_news_reads_nothing_twice() {
        let played = play(&[
            Step::Ask(Wish::Join(12, None), false),
            Step::Run(0),
            Step::Ask(Wish::Observe(13, Seen::Active), true),
            Step::Rotate,
            Step::Fold,
            Step::Run(5),
            Step::Panic("cell.before_append", 1),
            Step::Run(3),
            Step::Rest,
        ]);
        assert_eq!(played.map(|played| (played.snapshots, played.lost)), Ok((1, 1)));
    }

    #[test]
    fn whoever_leaves_while_a_redemption_is_under_way_is_in_nowhere() {
        let played = play(&[
            Step::Ask(ONE_CODE, false),
            Step::Ask(Wish::Join(12, None), false),
            Step::Rest,
            Step::Ask(Wish::Redeem(0, 12), false),
            Step::Ask(Wish::Leave(12), false),
            Step::Rest,
        ]);
        assert_eq!(played.map(|played| played.answers), Ok(4));
    }
}
