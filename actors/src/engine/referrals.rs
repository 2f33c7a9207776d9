//! Asking the referral graph, and the registry for the codes that go with it.

use futures_util::future::try_join;

use crate::entropy;
use crate::error::{Error, Rejection};
use crate::ids::{Email, InviteCode, PersonId, Timestamp, Uuid};
use crate::people::{Profile, Text};
use crate::referrals::{
    self, Analytics, Bind, Chain, Cursor, Leader, Milestone, Network, RecipientIs, Reviewed,
    Reward, Risk, Waiting, Withdrawn,
};
use crate::request::RequestTag;
use crate::waitlist::{self, EntryState};

use super::Engine;

/// Where a list of those who are suspected goes on, as it was told.
fn parse_cursor(text: &str) -> Option<Cursor> {
    let (at, person) = text.split_once('-')?;
    let micros = i64::from_str_radix(at, 16).ok()?;
    let person = u128::from_str_radix(person, 16).ok()?;
    Some((Timestamp::from_micros(micros), PersonId(person)))
}

/// The answer to a share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shared {
    /// Names the referral.
    pub referral: Uuid,
    /// Whether the same inviter had shared with the same recipient before.
    pub already: bool,
    /// The code that is the recipient's now.
    pub invite_code: Option<InviteCode>,
}

/// What a verdict has done, or would do, and who the people in it are.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What it does.
    pub reviewed: Reviewed,
    /// The addresses of those in it, as far as they are known.
    pub addresses: Vec<(PersonId, Option<String>)>,
}

/// The answer to a claim.
#[derive(Clone, Debug, PartialEq)]
pub struct Earned {
    /// Whether anything is new.
    pub earned: bool,
    /// What is new.
    pub granted: Vec<Reward>,
    /// Codes that the person holds and can give away.
    pub codes: Vec<InviteCode>,
    /// What comes next.
    pub next: Option<Milestone>,
    /// Whether rewards are paused because the referrals are of poor quality.
    pub paused: bool,
    /// Whether codes are due and come by themselves when the gate opens.
    pub held: bool,
}

impl Engine {
    /// Notes who brought whom, and makes one of the inviter's codes the recipient's.
    ///
    /// # Errors
    /// [`referrals::Rejection`]; [`invites::Rejection`](crate::invites::Rejection) when `code` is
    /// not one that the inviter can give away; [`waitlist::Rejection::HasLeft`] when either has.
    pub async fn share(
        &self,
        inviter: Email,
        recipient: Email,
        code: Option<InviteCode>,
        tag: Option<RequestTag>,
    ) -> Result<Shared, Error> {
        let now = self.now();
        let identity = self.identity();
        let (from, to) = (identity.person(&inviter), identity.person(&recipient));
        let bind = code.map_or(Bind::Oldest, Bind::Code);
        let mut is_first = false;
        let run = async |request| {
            is_first = true;
            if let Some(code) = code {
                self.0.invites.may_give(now, code, from, to).await?;
            }
            let recipient_is = self.recipient(from, to).await?;
            let command = referrals::Share {
                id: entropy::uuid(now),
                inviter: from,
                recipient: to,
                mailbox: identity.mailbox(&inviter),
                marks: self.marks(&recipient, None),
                recipient_is: match recipient_is {
                    Some(EntryState::Waiting) => RecipientIs::Waiting,
                    Some(EntryState::Invited) | None => RecipientIs::Unknown,
                    Some(EntryState::Member) => RecipientIs::Member,
                },
                bind,
            };
            let sections = vec![
                Self::section(from, &Text::Address(&inviter)),
                Self::section(to, &Text::Address(&recipient)),
            ];
            self.0.referrals.share(now, request, command, sections).await
        };
        let shared = self.once::<_, referrals::Rejection, _>(tag, run).await;
        super::stats::count_share(&shared);
        let referrals::Shared { referral, already } = shared?;
        // The registry has been told of the share before its answer came here. A friend who came
        // without a share, or was told when the inviter had no code, has none from that.
        let gives = is_first || self.take_writes().is_ok() && self.are_here(from, to).await?;
        let invite_code = if gives {
            self.0.invites.give(now, from, to, bind).await?
        } else {
            self.0.invites.given(now, from, to).await?
        };
        Ok(Shared { referral, already, invite_code })
    }

    /// The state of the recipient's entry, if there is one. Refused when one of both has left:
    /// whoever has stays forgotten, also if somebody else types the address.
    async fn recipient(&self, from: PersonId, to: PersonId) -> Result<Option<EntryState>, Error> {
        let (_, recipient) = try_join(self.entry(from), self.entry(to)).await?;
        Ok(recipient)
    }

    /// Whether neither has left.
    async fn are_here(&self, from: PersonId, to: PersonId) -> Result<bool, Error> {
        match self.recipient(from, to).await {
            Ok(_) => Ok(true),
            Err(Error::Rejected(_)) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// The state of somebody's entry, if there is one; refused for somebody who has left.
    async fn entry(&self, person: PersonId) -> Result<Option<EntryState>, Error> {
        match self.standing(person).await {
            Ok(standing) => Ok(Some(standing.state)),
            Err(Error::Rejected(Rejection::Waitlist(waitlist::Rejection::UnknownPerson))) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Grants what somebody has earned and not been given, and tells which codes the person can
    /// give away.
    ///
    /// # Errors
    /// A [`Failure`](crate::error::Failure) only.
    pub async fn earn(&self, email: Email, tag: Option<RequestTag>) -> Result<Earned, Error> {
        let now = self.now();
        let person = self.identity().person(&email);
        let run = async |request| {
            let gate = self.0.quality.evaluate(now, None).await?.colour;
            self.0.referrals.earn(now, request, referrals::Earn { person, gate }).await
        };
        let earned = self.once::<_, referrals::Rejection, _>(tag, run).await?;
        let codes = self.0.invites.free(now, person).await?;
        let referrals::Earned { granted, next, paused, held } = earned;
        Ok(Earned { earned: !granted.is_empty(), granted, codes, next, paused, held })
    }

    /// What is known against somebody.
    ///
    /// # Errors
    /// [`waitlist::Rejection`] when neither the graph nor the list knows the person.
    pub async fn risk(&self, person: PersonId) -> Result<Risk, Error> {
        let risk = self.0.referrals.risk(self.now(), person).await?;
        match self.standing(person).await {
            // Who was only told of it, or came in by a code alone, is on no list.
            Err(Error::Rejected(Rejection::Waitlist(waitlist::Rejection::UnknownPerson)))
                if risk.known =>
            {
                Ok(risk)
            }
            Err(error) => Err(error),
            Ok(_) => Ok(risk),
        }
    }

    /// Those on whom a verdict is awaited, longest first, each with the addresses of the person and
    /// of the inviter as far as they are known, and where the list goes on.
    ///
    /// # Errors
    /// [`referrals::Rejection::UnknownCursor`].
    pub async fn reviews(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<(Waiting, [Option<String>; 2])>, Option<String>), Error> {
        let unknown = referrals::Rejection::UnknownCursor;
        let after = after.map(|cursor| parse_cursor(cursor).ok_or(unknown)).transpose()?;
        let (waiting, next) = self.0.referrals.waiting(self.now(), after, limit).await?;
        let people = waiting.iter().map(|waiting| waiting.person).collect();
        // Who has no inviter is not held up; a person of id 0 has no address.
        let inviters = waiting.iter().map(|waiting| waiting.risk.inviter.unwrap_or(PersonId(0)));
        let inviters = self.addresses(inviters.collect()).await;
        let addresses = self.addresses(people).await.into_iter().zip(inviters);
        let addresses = addresses.map(|(person, inviter)| [person, inviter]);
        let next = next.map(|(at, person)| format!("{:x}-{:032x}", at.micros(), person.get()));
        Ok((waiting.into_iter().zip(addresses).collect(), next))
    }

    /// A verdict on somebody: accepted like others, or rejected, which undoes what the false
    /// account has caused.
    ///
    /// # Errors
    /// [`referrals::Rejection::NothingToReview`].
    pub async fn review(
        &self,
        person: PersonId,
        accept: bool,
        tag: Option<RequestTag>,
    ) -> Result<Verdict, Error> {
        let now = self.now();
        let run = async |request| {
            // A code that is revoked is not free any more, so they are counted before.
            let holding = self.holding(person, accept).await?;
            let review = referrals::Review { person, accept, holding };
            self.0.referrals.review(now, request, review).await
        };
        let reviewed = self.once::<_, referrals::Rejection, _>(tag, run).await?;
        Ok(self.verdict(reviewed).await)
    }

    /// What [`review`](Self::review) would do, as things stand.
    ///
    /// # Errors
    /// As for [`review`](Self::review).
    pub async fn preview(&self, person: PersonId, accept: bool) -> Result<Verdict, Error> {
        let holding = self.holding(person, accept).await?;
        let review = referrals::Review { person, accept, holding };
        let reviewed = self.0.referrals.preview(self.now(), review).await?;
        Ok(self.verdict(reviewed).await)
    }

    /// How many codes those can give away whom a verdict would cost some.
    async fn holding(&self, person: PersonId, accept: bool) -> Result<Vec<(PersonId, u32)>, Error> {
        let review = referrals::Review { person, accept, holding: Vec::new() };
        let withdrawn = match self.0.referrals.preview(self.now(), review).await {
            Ok(reviewed) => reviewed.withdrawn,
            // The verdict itself says so.
            Err(Error::Rejected(_)) => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut holding = Vec::new();
        for Withdrawn { person, .. } in withdrawn {
            let free = self.0.invites.free(self.now(), person).await?;
            holding.push((person, free.len() as u32));
        }
        Ok(holding)
    }

    async fn verdict(&self, reviewed: Reviewed) -> Verdict {
        let withdrawn = reviewed.withdrawn.iter().map(|withdrawn| withdrawn.person);
        let credits = reviewed.credits.iter().map(|credit| credit.inviter);
        let people: Vec<PersonId> = withdrawn.chain(credits).chain(reviewed.inviter).collect();
        let addresses = self.addresses(people.clone()).await;
        let known = people.into_iter().zip(addresses).collect();
        Verdict { reviewed, addresses: known }
    }

    /// How good somebody's referrals are.
    ///
    /// # Errors
    /// A [`Failure`](crate::error::Failure) only.
    pub async fn referral_quality(&self, person: PersonId) -> Result<referrals::Quality, Error> {
        self.0.referrals.quality(self.now(), person).await
    }

    /// Who stands above somebody and how many below, and the addresses of those above, in their
    /// order, as far as they are known.
    ///
    /// # Errors
    /// [`waitlist::Rejection`] when neither the graph nor the list knows the person.
    pub async fn referral_chain(
        &self,
        person: PersonId,
    ) -> Result<(Chain, Vec<Option<String>>), Error> {
        let chain = self.0.referrals.chain(self.now(), person).await?;
        if !chain.known {
            self.standing(person).await?;
        }
        let people = chain.above.iter().map(|ancestor| ancestor.person).collect();
        Ok((chain, self.addresses(people).await))
    }

    /// What became of somebody's referrals, and the addresses of the recipients in its history, in
    /// their order, as far as they are known.
    ///
    /// # Errors
    /// [`waitlist::Rejection`] when neither the graph nor the list knows the person.
    pub async fn referral_analytics(
        &self,
        person: PersonId,
    ) -> Result<(Analytics, Vec<Option<String>>), Error> {
        let analytics = self.0.referrals.analytics(self.now(), person).await?;
        if !analytics.known {
            self.standing(person).await?;
        }
        let people = analytics.history.iter().map(|past| past.recipient).collect();
        Ok((analytics, self.addresses(people).await))
    }

    /// The best inviters, at most `limit`, each with the address, as far as it is known.
    ///
    /// # Errors
    /// A [`Failure`](crate::error::Failure) only.
    pub async fn top_referrers(
        &self,
        limit: usize,
    ) -> Result<Vec<(Leader, Option<String>)>, Error> {
        let top = self.0.referrals.top(self.now(), limit).await?;
        let addresses = self.addresses(top.iter().map(|leader| leader.person).collect()).await;
        Ok(top.into_iter().zip(addresses).collect())
    }

    /// The graph as a whole.
    ///
    /// # Errors
    /// A [`Failure`](crate::error::Failure) only.
    pub async fn referral_network(&self) -> Result<Network, Error> {
        self.0.referrals.network(self.now()).await
    }

    /// Addresses in the order of `people`. Where the book of them is being rebuilt there are none,
    /// and the rest of an answer holds all the same.
    async fn addresses(&self, people: Vec<PersonId>) -> Vec<Option<String>> {
        let none = vec![None; people.len()];
        let profiles = self.0.people.profiles(self.now(), people).await;
        let address = |profile: Option<Profile>| profile.map(|profile| profile.email);
        profiles.map_or(none, |profiles| profiles.into_iter().map(address).collect())
    }
}
