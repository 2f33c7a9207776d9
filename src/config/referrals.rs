//! `[referrals]`: what a referral is worth.

use serde::{Deserialize, Serialize};

use super::rule::{Allowed, Rule};

/// Quality score, tiers and bonuses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Referrals {
    /// Referrals in the graph; past it none are taken.
    pub edges_max: u32,
    /// Days after which a referral counts half in the recency part.
    pub half_life_days: f64,
    /// Points for the inviter's own place for each redeemed referral.
    pub points_per_redeemed: i32,
    /// Below this quality score, with `quality_bonus.referred_min` referrals, rewards pause.
    pub pause_below: f64,
    /// What each part of the quality score counts; they sum to 1.
    pub weights: ReferralWeights,
    /// Codes for those whose referrals turn out well.
    pub quality_bonus: QualityBonus,
    /// Codes for those who stay.
    pub loyalty: Loyalty,
    /// Rewards by number of redeemed referrals, from few to many.
    pub tiers: Vec<Tier>,
}

/// What each part of the referral quality score counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReferralWeights {
    /// How recent the referrals are.
    pub recency: f64,
    /// How many of those referred redeemed a code.
    pub conversion: f64,
    /// How many of those who redeemed are active.
    pub activity: f64,
    /// How many of those who redeemed have stayed.
    pub retention: f64,
}

/// Codes for a high quality score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct QualityBonus {
    /// The score that must be exceeded; 1 is never.
    pub score: f64,
    /// Referrals that it takes before the score says something.
    pub referred_min: u32,
    /// Codes granted, once.
    pub codes: u32,
}

/// Codes for active membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loyalty {
    /// Days as an active member.
    pub days: u32,
    /// Codes granted, once.
    pub codes: u32,
}

/// The rewards for one number of redeemed referrals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// Redeemed referrals that reach it.
    pub redeemed: u32,
    /// What the person is told it is for.
    pub reason: String,
    /// Invite codes.
    #[serde(default)]
    pub invite_codes: u32,
    /// Months of premium.
    #[serde(default)]
    pub premium_months: u32,
    /// Premium for life.
    #[serde(default)]
    pub lifetime: bool,
}

impl Default for Referrals {
    fn default() -> Self {
        let tier =
            |redeemed, reason: &str| Tier { redeemed, reason: reason.into(), ..Tier::default() };
        Self {
            edges_max: 100_000_000,
            half_life_days: 30.0,
            points_per_redeemed: 0,
            pause_below: 0.2,
            weights: ReferralWeights::default(),
            quality_bonus: QualityBonus { score: 0.85, referred_min: 5, codes: 2 },
            loyalty: Loyalty { days: 14, codes: 1 },
            tiers: vec![
                Tier { invite_codes: 3, ..tier(3, "First 3 referrals") },
                Tier { invite_codes: 5, ..tier(10, "First 10 referrals") },
                Tier { premium_months: 1, ..tier(25, "First 25 referrals") },
                Tier { invite_codes: 10, premium_months: 3, ..tier(50, "First 50 referrals") },
                Tier { lifetime: true, ..tier(100, "First 100 referrals") },
            ],
        }
    }
}

impl Default for ReferralWeights {
    fn default() -> Self {
        Self { recency: 0.2, conversion: 0.3, activity: 0.25, retention: 0.25 }
    }
}

pub(super) const RULES: &[Rule] = &[
    Rule::whole("referrals.edges_max", 1, 1_000_000_000),
    Rule::number("referrals.half_life_days", 0.01, 3_650.0),
    Rule::whole("referrals.points_per_redeemed", 0, 1_000_000),
    Rule::number("referrals.pause_below", 0.0, 1.0),
    Rule::number("referrals.weights.recency", 0.0, 1.0),
    Rule::number("referrals.weights.conversion", 0.0, 1.0),
    Rule::number("referrals.weights.activity", 0.0, 1.0),
    Rule::number("referrals.weights.retention", 0.0, 1.0),
    Rule::number("referrals.quality_bonus.score", 0.0, 1.0),
    Rule::whole("referrals.quality_bonus.referred_min", 1, 1_000),
    Rule::whole("referrals.quality_bonus.codes", 1, 1_000),
    Rule::whole("referrals.loyalty.days", 1, 36_500),
    Rule::whole("referrals.loyalty.codes", 1, 1_000),
    Rule {
        key: "referrals.tiers",
        allowed: Allowed::Tables {
            fields: &[
                Rule::whole("redeemed", 1, 1_000_000),
                Rule::text("reason", "a text of 1 to 200 characters", |text| {
                    (1..=200).contains(&text.chars().count())
                }),
                Rule::whole("invite_codes", 0, 1_000),
                Rule::whole("premium_months", 0, 1_200),
                Rule::flag("lifetime"),
            ],
            required: &["redeemed", "reason"],
            count_max: 32,
        },
    },
];

impl Referrals {
    /// What single values cannot show: the key at fault and what is wrong.
    pub(super) fn conflicts(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let ReferralWeights { recency, conversion, activity, retention } = self.weights;
        let sum = recency + conversion + activity + retention;
        if (sum - 1.0).abs() > 1e-9 {
            let message = format!(
                "referrals.weights sum to {sum}, and must sum to 1 so that the score stays in 0..1"
            );
            found.push(("referrals.weights.recency", message));
        }
        if !self.tiers.is_sorted_by(|lower, higher| lower.redeemed < higher.redeemed) {
            let message = "referrals.tiers must be in rising order of redeemed, each number once";
            found.push(("referrals.tiers", message.to_owned()));
        }
        for tier in &self.tiers {
            if tier.invite_codes == 0 && tier.premium_months == 0 && !tier.lifetime {
                let redeemed = tier.redeemed;
                let message = format!("the tier of referrals.tiers at {redeemed} rewards nothing");
                found.push(("referrals.tiers", message));
            }
        }
        found
    }
}
