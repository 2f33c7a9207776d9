//! The numbers of scores and rewards.

use crate::fraud;

use super::event::RewardKind;
use super::score::Weights;

/// One step of what referrals earn.
#[derive(Clone, Debug, PartialEq)]
pub struct Tier {
    /// Redeemed referrals that it takes.
    pub redeemed: u32,
    /// What it gives.
    pub rewards: Vec<(RewardKind, u32)>,
    /// What it is called.
    pub reason: String,
}

/// What referrals of high quality earn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QualityBonus {
    /// A score above this earns it,
    pub score: f64,
    /// with at least so many referrals.
    pub referred_min: u32,
    /// Codes that it gives.
    pub codes: u32,
}

/// What staying earns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loyalty {
    /// Days as an active member.
    pub days: u32,
    /// Codes that they give.
    pub codes: u32,
}

/// The numbers of scores and rewards.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// How much each part of the quality score counts.
    pub weights: Weights,
    /// Days after which a referral counts half in the recency part.
    pub half_life_days: f64,
    /// What redeemed referrals earn.
    pub tiers: Vec<Tier>,
    /// What good ones earn.
    pub quality_bonus: QualityBonus,
    /// What staying earns.
    pub loyalty: Loyalty,
    /// Below this score, with `quality_bonus.referred_min` referrals or more, rewards are paused.
    pub pause_below: f64,
    /// Referrals that the graph takes.
    pub edges_max: u32,
    /// Points for an inviter's own place for each redeemed referral.
    pub points_per_redeemed: i32,
    /// When something is a sign of fraud, and when credit is withheld.
    pub fraud: fraud::Policy,
}

impl Default for Policy {
    fn default() -> Self {
        use RewardKind::{InviteCodes, Lifetime, PremiumMonths};
        let tier = |redeemed, rewards: &[(RewardKind, u32)]| Tier {
            redeemed,
            rewards: rewards.to_vec(),
            reason: format!("First {redeemed} referrals"),
        };
        Self {
            weights: Weights::default(),
            half_life_days: 30.0,
            tiers: vec![
                tier(3, &[(InviteCodes, 3)]),
                tier(10, &[(InviteCodes, 5)]),
                tier(25, &[(PremiumMonths, 1)]),
                tier(50, &[(InviteCodes, 10), (PremiumMonths, 3)]),
                tier(100, &[(Lifetime, 1)]),
            ],
            quality_bonus: QualityBonus { score: 0.85, referred_min: 5, codes: 2 },
            loyalty: Loyalty { days: 14, codes: 1 },
            pause_below: 0.2,
            edges_max: 100_000_000,
            points_per_redeemed: 0,
            fraud: fraud::Policy::default(),
        }
    }
}
