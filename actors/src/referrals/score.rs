//! The quality score of an inviter's referrals: four parts in 0..1, weighted.
//!
//! The formula is VoBee's own. With `n` referrals, of which `r` came in, `a` of those are active
//! and `g` are gone or were false, and with ages in days and a half-life `h`:
//!
//! ```text
//! recency    = mean over the n referrals of 0.5 ^ (age / h)
//! conversion = r / n
//! activity   = a / r          (0 while nobody came in)
//! retention  = (r - g) / r    (0 while nobody came in)
//! score      = sum of weight * part / sum of weights, to two decimals; 0 without referrals
//! ```

use crate::ids::{PersonId, Timestamp};

use super::event::Reward;
use super::state::{Edge, Policy, ReferralState, State};

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

/// How good somebody's referrals are.
#[derive(Clone, Debug, PartialEq)]
pub struct Quality {
    /// How many there are.
    pub referred: u32,
    /// In 0..1, to two decimals.
    pub score: f64,
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
    let (mut referred, mut redeemed, mut active, mut gone) = (0_u32, 0_u32, 0_u32, 0_u32);
    let mut recency = 0.0;
    for Edge { state, at, .. } in state.from(inviter) {
        referred += 1;
        redeemed += u32::from(state.is_in());
        active += u32::from(*state == ReferralState::Active);
        gone += u32::from(matches!(state, ReferralState::Churned | ReferralState::Fraud));
        recency += 0.5_f64.powf(now.days_since(*at) / policy.half_life_days);
    }
    let share = |part: f64, whole: u32| if whole == 0 { 0.0 } else { part / f64::from(whole) };
    let weights = policy.weights;
    let part = |name, value, weight| Part { name, value, weight };
    let parts = [
        part("recency", share(recency, referred), weights.recency),
        part("conversion", share(f64::from(redeemed), referred), weights.conversion),
        part("activity", share(f64::from(active), redeemed), weights.activity),
        part("retention", share(f64::from(redeemed - gone), redeemed), weights.retention),
    ];
    let weighted: f64 = parts.iter().map(|part| part.value * part.weight).sum();
    let total: f64 = parts.iter().map(|part| part.weight).sum();
    let score = if total > 0.0 { (weighted / total * 100.0).round() / 100.0 } else { 0.0 };
    Quality { referred, score, parts, rewards: state.granted(inviter).to_vec() }
}
