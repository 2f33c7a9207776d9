//! What happens in the graph.

use serde::{Deserialize, Serialize};

use crate::fraud::{Origin, Signals};
use crate::ids::{InviteCode, PersonId, Timestamp, Uuid};
use crate::record::{self, Persisted, Unreadable};

use super::ReferralState;

/// Which of the inviter's codes goes to the recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bind {
    /// None: the recipient came without a share.
    Nothing,
    /// The oldest that is free, if any.
    Oldest,
    /// This one.
    Code(InviteCode),
}

/// What a reward consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RewardKind {
    /// Codes to give away.
    InviteCodes,
    /// Months of premium.
    PremiumMonths,
    /// Membership for life.
    Lifetime,
}

impl RewardKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::InviteCodes, Self::PremiumMonths, Self::Lifetime];

    /// The name in answers and settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InviteCodes => "invite_codes",
            Self::PremiumMonths => "premium_months",
            Self::Lifetime => "lifetime",
        }
    }
}

/// Something granted once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reward {
    /// The rule that granted it, which grants it to a person once.
    pub rule: String,
    /// Of what.
    pub kind: RewardKind,
    /// How much.
    pub amount: u32,
    /// Why, for people to read.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// What was noticed about somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspicion {
    /// All signs so far.
    pub signals: Signals,
    /// Whether the inviter's credit for the person waits for a verdict.
    pub withheld: bool,
}

/// Points for an inviter's own place: more, fewer, or the same told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    /// Whose place.
    pub inviter: PersonId,
    /// Because of whom; None where only what the inviter may keep changes.
    pub recipient: Option<PersonId>,
    /// How many more because of that person; negative when they are lost.
    pub points: i32,
    /// How many the inviter has from then on, all in all.
    pub total: i32,
}

/// What is taken back from somebody who has it unduly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Withdrawn {
    /// From whom.
    pub person: PersonId,
    /// Rewards, which may be earned again.
    pub rewards: Vec<Reward>,
    /// At most so many codes, of those that nobody was given yet.
    pub codes: u32,
}

/// What has happened. Tags are persisted and never reused: 1 Referred, 2 Progressed, 3 Rewarded, 4
/// Reviewed, 5 Held, 6 GateSeen, 7 Reclaimed.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Somebody has an inviter now.
    Referred {
        /// Names the referral.
        id: Uuid,
        /// Who brought.
        inviter: PersonId,
        /// Whom.
        recipient: PersonId,
        /// Where the recipient stands.
        state: ReferralState,
        /// Which code goes with it.
        bind: Bind,
        /// The inviter's mailbox and the recipient's, named like the person with its plain address;
        /// None where the address is plain or unknown.
        mailboxes: [Option<PersonId>; 2],
        /// The shape of the recipient's address; 0 where nobody has looked.
        shape: u32,
        /// What was noticed about the recipient.
        suspicion: Option<Suspicion>,
        /// Points for the inviter.
        credits: Vec<Credit>,
        /// Where the recipient came in from, if that is how it began.
        from: Option<Origin>,
    },
    /// Somebody's life went on, or that of several people by one cause; or something was noticed
    /// about somebody.
    Progressed {
        /// Whose, and to where; later ones of the same person count.
        people: Vec<(PersonId, ReferralState)>,
        /// Of whom the address is not plain, and the mailbox.
        mailboxes: Vec<(PersonId, PersonId)>,
        /// What was noticed about them.
        suspicions: Vec<(PersonId, Suspicion)>,
        /// Points for those who have brought them.
        credits: Vec<Credit>,
        /// Where somebody came in from.
        from: Option<Origin>,
        /// Whose life went on under a verdict that hides it, and to where.
        hidden: Vec<(PersonId, ReferralState)>,
    },
    /// Somebody got what was earned.
    Rewarded {
        /// Who.
        person: PersonId,
        /// What.
        rewards: Vec<Reward>,
        /// How many codes that is.
        codes: u32,
        /// Whether more is due, and waits for the gate to open.
        held: bool,
    },
    /// Somebody has looked into it.
    Reviewed {
        /// Whom it is about.
        person: PersonId,
        /// Whether it is a person like others.
        accepted: bool,
        /// Where the person stands now, where that changes.
        state: Option<ReferralState>,
        /// What is taken back, and from whom.
        withdrawn: Vec<Withdrawn>,
        /// Whether the registry of codes tells in any case what it could take; in version 1 it told
        /// only of some.
        awaited: bool,
        /// Points that are given, or taken back.
        credits: Vec<Credit>,
    },
    /// Codes are due to somebody and wait for the gate to open, or do not any more.
    Held {
        /// To whom.
        person: PersonId,
        /// Whether they wait.
        waits: bool,
    },
    /// The gate closed, or opened.
    GateSeen {
        /// Which.
        open: bool,
    },
    /// Codes of rewards that were taken back are out of the world, or in it again.
    Reclaimed {
        /// Whose they were, and how many; fewer than none where they are back.
        people: Vec<(PersonId, i64)>,
    },
}

impl Event {
    /// Points that are given or taken back because of it.
    pub(crate) fn credits(&self) -> &[Credit] {
        match self {
            Self::Referred { credits, .. }
            | Self::Progressed { credits, .. }
            | Self::Reviewed { credits, .. } => credits,
            Self::Rewarded { .. }
            | Self::Held { .. }
            | Self::GateSeen { .. }
            | Self::Reclaimed { .. } => &[],
        }
    }

    /// Somebody has an inviter, and nothing else is known of it.
    pub(crate) fn referral(
        id: Uuid,
        [inviter, recipient]: [PersonId; 2],
        state: ReferralState,
        bind: Bind,
    ) -> Self {
        Self::Referred {
            id,
            inviter,
            recipient,
            state,
            bind,
            mailboxes: [None; 2],
            shape: 0,
            suspicion: None,
            credits: Vec::new(),
            from: None,
        }
    }

    /// Somebody's life went on, and nothing else.
    pub(crate) fn progressed(people: Vec<(PersonId, ReferralState)>) -> Self {
        Self::lived(people, Vec::new())
    }

    /// The same, with those whose life a verdict hides.
    pub(crate) fn lived(
        people: Vec<(PersonId, ReferralState)>,
        hidden: Vec<(PersonId, ReferralState)>,
    ) -> Self {
        let (mailboxes, suspicions, credits) = (Vec::new(), Vec::new(), Vec::new());
        Self::Progressed { people, mailboxes, suspicions, credits, from: None, hidden }
    }
}

/// Of a referral: id, inviter, recipient, state, bind, mailboxes.
type ReferredV2 = (Uuid, PersonId, PersonId, u8, Bind, [Option<PersonId>; 2]);
/// Of a referral since version 3: shape, suspicion, credits, from where.
type Showed = (u32, Option<Suspicion>, Vec<Credit>, Option<Origin>);
/// Of a life: people, mailboxes, suspicions, credits.
type ProgressedV2 = (
    Vec<(PersonId, u8)>,
    Vec<(PersonId, PersonId)>,
    Vec<(PersonId, Suspicion)>,
    Vec<Credit>,
    Option<Origin>,
);
/// As before, and who is hidden.
type ProgressedV3 = (ProgressedV2, Vec<(PersonId, u8)>);
/// Of a verdict: person, whether accepted, state, withdrawn, credits.
type ReviewedV1 = (PersonId, bool, Option<u8>, Vec<Withdrawn>, Vec<Credit>);
/// As before, and whether the registry is awaited.
type ReviewedV2 = (ReviewedV1, bool);

impl Persisted for Event {
    fn kind(&self) -> (u8, u8) {
        match self {
            Self::Referred { .. } => (1, 3),
            Self::Progressed { .. } => (2, 3),
            Self::Rewarded { .. } => (3, 2),
            Self::Reviewed { .. } => (4, 2),
            Self::Held { .. } => (5, 1),
            Self::GateSeen { .. } => (6, 1),
            Self::Reclaimed { .. } => (7, 2),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Referred {
                id,
                inviter,
                recipient,
                state,
                bind,
                mailboxes,
                shape,
                suspicion,
                credits,
                from,
            } => {
                let first: ReferredV2 =
                    (*id, *inviter, *recipient, state.number(), *bind, *mailboxes);
                record::encode(&(first, (shape, suspicion, credits, from)), out);
            }
            Self::Progressed { people, mailboxes, suspicions, credits, from, hidden } => {
                let first = (numbers(people), mailboxes, suspicions, credits, from);
                record::encode(&(first, numbers(hidden)), out);
            }
            Self::Rewarded { person, rewards, codes, held } => {
                record::encode(&(person, rewards, codes, held), out);
            }
            Self::Reclaimed { people } => record::encode(people, out),
            Self::Reviewed { person, accepted, state, withdrawn, awaited, credits } => {
                let state = state.map(ReferralState::number);
                record::encode(&((person, accepted, state, withdrawn, credits), awaited), out);
            }
            Self::Held { person, waits } => record::encode(&(person, waits), out),
            Self::GateSeen { open } => record::encode(open, out),
        }
    }

    fn decode(tag: u8, version: u8, payload: &[u8]) -> Result<Self, Unreadable> {
        Ok(match (tag, version) {
            (1, 1) => {
                let (id, inviter, recipient, state, bind) = record::decode(payload)?;
                referred((id, inviter, recipient, state, bind, [None; 2]), Showed::default())?
            }
            (1, 2) => referred(record::decode(payload)?, Showed::default())?,
            (1, 3) => {
                let (first, showed) = record::decode(payload)?;
                referred(first, showed)?
            }
            (2, 1) => Self::lived(named(record::decode(payload)?)?, Vec::new()),
            (2, 2) => progressed((record::decode(payload)?, Vec::new()))?,
            (2, 3) => progressed(record::decode(payload)?)?,
            (3, 1) => {
                let (person, rewards, codes) = record::decode(payload)?;
                Self::Rewarded { person, rewards, codes, held: false }
            }
            (3, 2) => {
                let (person, rewards, codes, held) = record::decode(payload)?;
                Self::Rewarded { person, rewards, codes, held }
            }
            (4, 1) => reviewed((record::decode(payload)?, false))?,
            (4, 2) => reviewed(record::decode(payload)?)?,
            (5, 1) => {
                let (person, waits) = record::decode(payload)?;
                Self::Held { person, waits }
            }
            (6, 1) => Self::GateSeen { open: record::decode(payload)? },
            (7, 1) => {
                let people: Vec<(PersonId, u32)> = record::decode(payload)?;
                let people = people.into_iter().map(|(person, codes)| (person, codes.into()));
                Self::Reclaimed { people: people.collect() }
            }
            (7, 2) => Self::Reclaimed { people: record::decode(payload)? },
            _ => return Err(Unreadable::new(format!("referrals event {tag} version {version}"))),
        })
    }
}

fn reviewed((first, awaited): ReviewedV2) -> Result<Event, Unreadable> {
    let (person, accepted, state, withdrawn, credits) = first;
    let state = state.map(known).transpose()?;
    Ok(Event::Reviewed { person, accepted, state, withdrawn, awaited, credits })
}

fn known(number: u8) -> Result<ReferralState, Unreadable> {
    ReferralState::from_number(number)
        .ok_or_else(|| Unreadable::new(format!("referral state {number}")))
}

fn numbers(people: &[(PersonId, ReferralState)]) -> Vec<(PersonId, u8)> {
    people.iter().map(|(person, state)| (*person, state.number())).collect()
}

fn named(people: Vec<(PersonId, u8)>) -> Result<Vec<(PersonId, ReferralState)>, Unreadable> {
    people.into_iter().map(|(person, number)| Ok((person, known(number)?))).collect()
}

fn progressed((first, hidden): ProgressedV3) -> Result<Event, Unreadable> {
    let (people, mailboxes, suspicions, credits, from) = first;
    let (people, hidden) = (named(people)?, named(hidden)?);
    Ok(Event::Progressed { people, mailboxes, suspicions, credits, from, hidden })
}

fn referred(
    (id, inviter, recipient, state, bind, mailboxes): ReferredV2,
    (shape, suspicion, credits, from): Showed,
) -> Result<Event, Unreadable> {
    let state = known(state)?;
    Ok(Event::Referred {
        id,
        inviter,
        recipient,
        state,
        bind,
        mailboxes,
        shape,
        suspicion,
        credits,
        from,
    })
}

/// Why the graph does not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rejection {
    /// Both addresses are one person's.
    SelfReferral,
    /// The recipient has brought the inviter, directly or through others.
    ReferralCycle,
    /// The recipient has another inviter, who was first.
    AlreadyReferred,
    /// The recipient is in.
    AlreadyMember,
    /// As many referrals as the policy allows.
    GraphFull,
    /// The cursor is none of ours.
    UnknownCursor,
    /// Nothing was noticed about that person, and nobody has brought them.
    NothingToReview,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_and_rewards_of_version_1_are_read() {
        let mut old = Vec::new();
        record::encode(&vec![(PersonId(2), 3_u8)], &mut old);
        let active = Event::progressed(vec![(PersonId(2), ReferralState::Active)]);
        assert_eq!(Event::decode(2, 1, &old).ok(), Some(active));
        let mut old = Vec::new();
        record::encode(&(PersonId(2), Vec::<Reward>::new(), 3_u32), &mut old);
        let (person, rewards) = (PersonId(2), Vec::new());
        let rewarded = Event::Rewarded { person, rewards, codes: 3, held: false };
        assert_eq!(Event::decode(3, 1, &old).ok(), Some(rewarded));
    }

    #[test]
    fn a_life_of_version_2_is_hidden_by_no_verdict() {
        let old: ProgressedV2 = (vec![(PersonId(2), 3)], Vec::new(), Vec::new(), Vec::new(), None);
        let mut bytes = Vec::new();
        record::encode(&old, &mut bytes);
        let active = vec![(PersonId(2), ReferralState::Active)];
        assert_eq!(Event::decode(2, 2, &bytes).ok(), Some(Event::progressed(active.clone())));
        let event = Event::lived(Vec::new(), active);
        let mut bytes = Vec::new();
        event.encode(&mut bytes);
        let (tag, version) = event.kind();
        assert_eq!(Event::decode(tag, version, &bytes).ok(), Some(event));
    }

    #[test]
    fn codes_that_version_1_reclaimed_are_as_many() {
        let mut old = Vec::new();
        record::encode(&vec![(PersonId(2), 3_u32)], &mut old);
        let people = vec![(PersonId(2), 3)];
        assert_eq!(Event::decode(7, 1, &old).ok(), Some(Event::Reclaimed { people }));
    }

    #[test]
    fn of_a_verdict_of_version_1_no_codes_are_awaited() {
        let old: ReviewedV1 = (PersonId(2), false, Some(5), Vec::new(), Vec::new());
        let mut bytes = Vec::new();
        record::encode(&old, &mut bytes);
        let reviewed = |awaited| Event::Reviewed {
            person: PersonId(2),
            accepted: false,
            state: Some(ReferralState::Fraud),
            withdrawn: Vec::new(),
            awaited,
            credits: Vec::new(),
        };
        assert_eq!(Event::decode(4, 1, &bytes).ok(), Some(reviewed(false)));
        let mut bytes = Vec::new();
        reviewed(true).encode(&mut bytes);
        let (tag, version) = reviewed(true).kind();
        assert_eq!(Event::decode(tag, version, &bytes).ok(), Some(reviewed(true)));
    }

    #[test]
    fn a_referral_of_version_2_has_no_shape() {
        let mut old = Vec::new();
        let mailboxes = [None, Some(PersonId(4))];
        record::encode(
            &(Uuid(1), PersonId(2), PersonId(3), 1_u8, Bind::Oldest, mailboxes),
            &mut old,
        );
        let Ok(Event::Referred { mailboxes: read, shape, suspicion, .. }) =
            Event::decode(1, 2, &old)
        else {
            panic!("it is not read");
        };
        assert_eq!((read, shape, suspicion), (mailboxes, 0, None));
    }

    #[test]
    fn a_referral_of_version_1_has_no_mailboxes() {
        let (inviter, recipient, bind) = (PersonId(2), PersonId(3), Bind::Oldest);
        let mut old = Vec::new();
        record::encode(&(Uuid(1), inviter, recipient, 1_u8, bind), &mut old);
        let state = ReferralState::Waiting;
        let referred = |mailboxes| Event::Referred {
            id: Uuid(1),
            inviter,
            recipient,
            state,
            bind,
            mailboxes,
            shape: 0,
            suspicion: None,
            credits: Vec::new(),
            from: None,
        };
        assert_eq!(Event::decode(1, 1, &old).ok(), Some(referred([None; 2])));
        let event = referred([None, Some(PersonId(4))]);
        let mut new = Vec::new();
        event.encode(&mut new);
        let (tag, version) = event.kind();
        assert_eq!(Event::decode(tag, version, &new).ok(), Some(event));
    }
}
