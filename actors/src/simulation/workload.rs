//! The steps of a run, drawn from a seed.
//!
//! A step says all that it needs, so that a run with some of its steps left out is a run too.

use snapshots::simulation::{Fault, Rng};

use crate::quality::Seen;

/// People there are: few, so that they get into each other's way.
pub(super) const PEOPLE: u8 = 14;
/// Those of them of whom most is said.
const TALKED_ABOUT: u8 = 3;
const STEPS_MIN: u64 = 120;
const STEPS_SPREAD: u64 = 240;

const POINTS: [&str; 10] = [
    "cell.before_apply",
    "cell.before_append",
    "cell.after_append",
    "cell.before_reaction",
    "committer.before_append",
    "snapshotter.before_fold",
    "snapshotter.before_adopt",
    "snapshotter.before_erase",
    "snapshotter.before_archive",
    "snapshotter.before_retire",
];

/// What somebody asks for. People and codes are numbers, codes counted in the order of their issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A place, through the referral code of somebody else.
    Join(u8, Option<u8>),
    /// Points up or down.
    Boost(u8, i32),
    /// To be forgotten.
    Leave(u8),
    /// Codes.
    Generate {
        /// How many.
        count: u32,
        /// How often each can be used.
        uses: u32,
        /// For whom only.
        to: Option<u8>,
        /// Whatever the gate says.
        force: bool,
    },
    /// The next people invited, or drawn.
    Wave(u32, bool),
    /// To come in with a code.
    Redeem(u8, u8),
    /// To have a code kept.
    Reserve(u8, u8),
    /// To come in with a code that is kept, counted back from the newest, or to give it back.
    Settle(u8, bool),
    /// Other rates for a while: percent of members lost, and minutes.
    Drill(u8, u32),
    /// To bring somebody.
    Share(u8, u8),
    /// What has been earned.
    Earn(u8),
    /// To say what somebody is.
    Review(u8, bool),
    /// A code taken back by hand, or made good again.
    Amend(u8, bool),
    /// To say what was seen of somebody.
    Observe(u8, Seen),
    /// The gate's next move.
    Evaluate,
    /// Where somebody stands.
    Look(u8),
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Somebody asks, under a key or without.
    Ask(Wish, bool),
    /// A request with a key is sent again: the newest, the one before and so on.
    Again(u8),
    /// One actor takes its next envelope.
    Run(u8),
    /// The committing thread has a turn.
    Commit,
    /// The herald has a turn.
    Announce,
    /// Everything runs until nothing is under way, and is compared.
    Rest,
    /// The clock goes on, or back, by so many minutes.
    Pass(i64),
    /// The epoch ends.
    Rotate,
    /// The snapshot of an epoch that has ended is taken.
    Fold,
    /// The nth passage of a crash point panics.
    Panic(&'static str, u32),
    /// The next operation of a kind fails.
    Fail(Fault),
    /// Power goes, in a way of its own for each number, and comes back.
    Crash {
        /// Of the way.
        seed: u64,
        /// The watermark is gone.
        forget: bool,
        /// The newest snapshot is damaged.
        rot: bool,
        /// First a durable frame is damaged, and the start has to refuse.
        spoil: bool,
    },
}

/// The steps of a seed.
pub(super) fn steps(seed: u64) -> Vec<Step> {
    let mut rng = Rng::new(seed);
    let count = STEPS_MIN + rng.below(STEPS_SPREAD);
    let mut steps: Vec<Step> = (0..count).map(|_| step(&mut rng)).collect();
    steps.push(Step::Rest);
    steps
}

fn step(rng: &mut Rng) -> Step {
    match rng.below(100) {
        0..=39 => Step::Ask(wish(rng), rng.once_in(3)),
        40..=42 => Step::Again(small(rng, 6)),
        43..=67 => Step::Run(small(rng, 6)),
        68..=77 => Step::Commit,
        78..=86 => Step::Announce,
        87..=88 => Step::Rest,
        89..=91 => Step::Pass(minutes(rng)),
        92 => Step::Rotate,
        93..=94 => Step::Fold,
        95 => Step::Panic(POINTS[usize::from(small(rng, POINTS.len() as u8))], 1 + small32(rng, 3)),
        96 => Step::Fail(Fault::ALL[usize::from(small(rng, 4))]),
        _ => Step::Crash {
            seed: rng.draw(),
            forget: rng.once_in(8),
            rot: rng.once_in(5),
            spoil: rng.once_in(3),
        },
    }
}

fn wish(rng: &mut Rng) -> Wish {
    let someone = |rng: &mut Rng| small(rng, PEOPLE);
    // What is said of somebody matters together with what else is said of the same person.
    let talked_about =
        |rng: &mut Rng| if rng.once_in(3) { small(rng, PEOPLE) } else { small(rng, TALKED_ABOUT) };
    match rng.below(48) {
        0..=7 => Wish::Join(someone(rng), rng.once_in(2).then(|| talked_about(rng))),
        8..=9 => Wish::Boost(someone(rng), small32(rng, 41) as i32 - 20),
        10..=11 => Wish::Leave(someone(rng)),
        12..=14 => Wish::Generate {
            count: 1 + small32(rng, 3),
            uses: 1 + small32(rng, 3),
            to: rng.once_in(3).then(|| someone(rng)),
            force: rng.once_in(2),
        },
        15..=21 => Wish::Redeem(small(rng, 255), talked_about(rng)),
        22..=23 => Wish::Share(talked_about(rng), someone(rng)),
        24 | 42 => Wish::Earn(talked_about(rng)),
        25..=26 | 43..=45 => {
            Wish::Observe(talked_about(rng), Seen::ALL[usize::from(small(rng, 4))])
        }
        27 => Wish::Evaluate,
        28..=29 | 46..=47 => Wish::Review(talked_about(rng), rng.once_in(2)),
        30..=31 => Wish::Wave(1 + small32(rng, 4), rng.once_in(2)),
        32..=34 => Wish::Reserve(small(rng, 255), someone(rng)),
        35..=36 => Wish::Settle(small(rng, 4), rng.once_in(3)),
        38..=39 => Wish::Amend(small(rng, 255), rng.once_in(3)),
        37 => Wish::Drill(small(rng, 40), small32(rng, 60)),
        _ => Wish::Look(someone(rng)),
    }
}

/// A minute, an hour or some days, now and then back.
fn minutes(rng: &mut Rng) -> i64 {
    let most = [2, 90, 6_000][usize::from(small(rng, 3))];
    let passed = i64::from(small32(rng, most));
    if rng.once_in(4) { -passed / 10 } else { passed }
}

fn small(rng: &mut Rng, bound: u8) -> u8 {
    rng.below(u64::from(bound)) as u8
}

fn small32(rng: &mut Rng, bound: u32) -> u32 {
    rng.below(u64::from(bound)) as u32
}
