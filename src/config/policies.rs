//! From settings to the policies that the engine decides by.

use actors::referrals::RewardKind;
use actors::{Policies, fraud, invites, quality, referrals, waitlist};

use super::{Config, Invites, Lines, Quality, Referrals, Tier, Waitlist};

impl Config {
    /// The policies of the domains.
    #[must_use]
    pub fn policies(&self) -> Policies {
        Policies {
            waitlist: waitlist::Policy { fraud: self.fraud.policy(), ..self.waitlist.policy() },
            invites: self.invites.policy(),
            referrals: referrals::Policy { fraud: self.fraud.policy(), ..self.referrals.policy() },
            quality: self.quality.policy(),
        }
    }
}

impl Waitlist {
    pub(crate) fn policy(&self) -> waitlist::Policy {
        let scoring = &self.scoring;
        let personas = &scoring.personas;
        waitlist::Policy {
            persona_points: waitlist::Persona::ALL.map(|persona| match persona {
                waitlist::Persona::SoloFounder => personas.solo_founder,
                waitlist::Persona::SmallTeam => personas.small_team,
                waitlist::Persona::Agency => personas.agency,
                waitlist::Persona::ContentCreator => personas.content_creator,
                waitlist::Persona::Other => personas.other,
            }),
            words_over: scoring.words_over,
            words_points: scoring.words_points,
            keywords: scoring.keywords.clone(),
            keyword_points: scoring.keyword_points,
            entries_max: self.entries_max,
            fraud: fraud::Policy::default(),
        }
    }
}

impl Invites {
    fn policy(&self) -> invites::Policy {
        invites::Policy {
            prefix: self.prefix.clone(),
            digits: self.digits,
            expires_days: self.expires_days,
            codes_max: self.codes_max,
        }
    }
}

impl Referrals {
    fn policy(&self) -> referrals::Policy {
        let weights = &self.weights;
        referrals::Policy {
            weights: referrals::Weights {
                recency: weights.recency,
                conversion: weights.conversion,
                activity: weights.activity,
                retention: weights.retention,
            },
            half_life_days: self.half_life_days,
            pause_below: self.pause_below,
            tiers: self.tiers.iter().map(Tier::policy).collect(),
            quality_bonus: referrals::QualityBonus {
                score: self.quality_bonus.score,
                referred_min: self.quality_bonus.referred_min,
                codes: self.quality_bonus.codes,
            },
            loyalty: referrals::Loyalty { days: self.loyalty.days, codes: self.loyalty.codes },
            edges_max: self.edges_max,
            points_per_redeemed: self.points_per_redeemed,
            fraud: fraud::Policy::default(),
        }
    }
}

impl Tier {
    fn policy(&self) -> referrals::Tier {
        let rewards = [
            (RewardKind::InviteCodes, self.invite_codes),
            (RewardKind::PremiumMonths, self.premium_months),
            (RewardKind::Lifetime, u32::from(self.lifetime)),
        ];
        let rewards = rewards.into_iter().filter(|(_, amount)| *amount > 0).collect();
        referrals::Tier { redeemed: self.redeemed, rewards, reason: self.reason.clone() }
    }
}

impl Quality {
    fn policy(&self) -> quality::Policy {
        let lines = |Lines { warning, critical }| quality::Lines { warning, critical };
        quality::Policy {
            weights: quality::Weights {
                churn: self.weights.churn,
                fraud: self.weights.fraud,
                engagement: self.weights.engagement,
            },
            members_min: self.members_min,
            inactive_days: self.inactive_days,
            engaged_days: self.engaged_days,
            thresholds: quality::Thresholds {
                churn: lines(self.thresholds.churn),
                trust: lines(self.thresholds.trust),
                fraud: lines(self.thresholds.fraud),
                engagement: lines(self.thresholds.engagement),
                load: lines(self.thresholds.load),
            },
            resume_minutes: self.resume_minutes,
            half_rate_minutes: self.half_rate_minutes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_of_the_settings_are_the_defaults_of_the_engine() {
        let policies = Config::default().policies();
        assert_eq!(policies.waitlist, waitlist::Policy::default());
        assert_eq!(policies.invites, invites::Policy::default());
        assert_eq!(policies.referrals, referrals::Policy::default());
        assert_eq!(policies.quality, quality::Policy::default());
    }
}
