//! The quality score of an inviter's referrals: four parts in 0..1, weighted.
//!
//! The formula is VoBee's own. Referrals for which credit is withheld are not looked at. With `n`
//! others, of which `r` came in, `a` of those are active and `g` are gone or were false, and with
//! ages in days and a half-life `h`:
//!
//! ```text
//! recency    = mean over those of them among the newest 1,000 referrals of 0.5 ^ (age / h)
//! conversion = (r - f) / n    with f that were false
//! activity   = a / r          (0 while nobody came in)
//! retention  = (r - g) / r    (0 while nobody came in)
//! score      = sum of weight * part / sum of weights, to two decimals; 0 without referrals
//! ```

use crate::ids::{PersonId, Timestamp};

use super::event::Reward;
use super::policy::Policy;
use super::state::{Counts, Edge, ReferralState, State};

/// Referrals of an inviter that recency is taken from, so that no score takes long.
const RECENT_MAX: usize = 1_000;

/// How much each part counts; their sum is what they are measured against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// Of how fresh the referrals are.
    pub recency: f64,
    /// Of how many came in.
    pub conversion: f64,
    /// Of how many of those are active.
    pub activity: f64,
    /// Of how many of those stayed.
    pub retention: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { recency: 0.2, conversion: 0.3, activity: 0.25, retention: 0.25 }
    }
}

/// One part of the score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// What it measures.
    pub name: &'static str,
    /// In 0..1.
    pub value: f64,
    /// How much it counts.
    pub weight: f64,
}

/// What a score comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Good,
    /// It is worth a warning.
    Warning,
    /// Rewards are paused.
    Paused,
    /// Rewards are paused, and somebody should look.
    Review,
}

impl Standing {
    /// All of them, from good to bad.
    pub const ALL: [Self; 4] = [Self::Good, Self::Warning, Self::Paused, Self::Review];

    /// The name in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Paused => "paused",
            Self::Review => "review",
        }
    }

    fn of(policy: &Policy, judged: u32, score: f64) -> Self {
        match score {
            _ if judged < policy.quality_bonus.referred_min => Self::Good,
            _ if score < policy.review_below => Self::Review,
            _ if score < policy.pause_below => Self::Paused,
            _ if score < policy.warn_below => Self::Warning,
            _ => Self::Good,
        }
    }
}

/// How good somebody's referrals are.
#[derive(Clone, Debug, PartialEq)]
pub struct Quality {
    /// How many there are.
    pub referred: u32,
    /// How many of them are looked at: those for which no credit is withheld.
    pub judged: u32,
    /// In 0..1, to two decimals.
    pub score: f64,
    /// What it comes to.
    pub standing: Standing,
    /// What it is made of.
    pub parts: [Part; 4],
    /// What the person was granted.
    pub rewards: Vec<Reward>,
}

/// The quality of `inviter`'s referrals at `now`.
pub(super) fn quality(
    state: &State,
    policy: &Policy,
    inviter: PersonId,
    now: Timestamp,
) -> Quality {
    let counts = state.counts(inviter);
    Quality {
        rewards: state.granted(inviter).to_vec(),
        ..judge(state, policy, inviter, counts, now)
    }
}

/// The same as if an inviter's referrals stood like that, and without what was granted.
pub(super) fn judge(
    state: &State,
    policy: &Policy,
    inviter: PersonId,
    counts: Counts,
    now: Timestamp,
) -> Quality {
    let (referred, judged, redeemed) = (counts.all(), counts.judged(), counts.came());
    let active = counts.of(ReferralState::Active);
    let gone = counts.of(ReferralState::Churned) + counts.of(ReferralState::Fraud);
    let freshness = |edge: &Edge| 0.5_f64.powf(now.days_since(edge.at) / policy.half_life_days);
    let newest = state.from(inviter).take(RECENT_MAX).filter(|edge| !edge.withheld);
    let (recent, recency) =
        newest.fold((0, 0.0), |(count, sum), edge| (count + 1, sum + freshness(edge)));
    let share = |part: f64, whole: u32| if whole == 0 { 0.0 } else { part / f64::from(whole) };
    let weights = policy.weights;
    let part = |name, value, weight| Part { name, value, weight };
    let parts = [
        part("recency", share(recency, recent), weights.recency),
        part("conversion", share(f64::from(counts.redeemed()), judged), weights.conversion),
        part("activity", share(f64::from(active), redeemed), weights.activity),
        part("retention", share(f64::from(redeemed - gone), redeemed), weights.retention),
    ];
    let weighted: f64 = parts.iter().map(|part| part.value * part.weight).sum();
    let total: f64 = parts.iter().map(|part| part.weight).sum();
    let score = if total > 0.0 { (weighted / total * 100.0).round() / 100.0 } else { 0.0 };
    let standing = Standing::of(policy, judged, score);
    Quality { referred, judged, score, standing, parts, rewards: Vec::new() }
}
