//! Asking the code registry.

use std::net::IpAddr;

use crate::entropy;
use crate::error::Error;
use crate::ids::{Email, InviteCode, PersonId, Timestamp, Uuid};
use crate::invites::{
    self, Amend, CANDIDATES_SPARE, CodeView, Filter, Generated, Redeemed, Rejection, Reserved,
};
use crate::people::{Profile, Text};
use crate::request::RequestTag;

use super::Engine;

/// What somebody who wants codes says.
#[derive(Clone, Debug, Default)]
pub struct Generate {
    /// How many, 1 to 10,000.
    pub count: u32,
    /// Label of the batch; `BATCH-` and the time when absent.
    pub batch_id: Option<String>,
    /// The one person who can redeem them.
    pub issued_to: Option<Email>,
    /// Days that they are valid; the policy's when absent.
    pub expires_in_days: Option<u32>,
    /// How often each can be redeemed; once when absent.
    pub max_uses: Option<u32>,
    /// Issue them whatever the gate says.
    pub force: bool,
}

impl Engine {
    /// Fresh codes, as many as the gate allows.
    ///
    /// # Errors
    /// [`invites::Rejection`] when the gate is red or the registry is full.
    pub async fn generate(
        &self,
        generate: Generate,
        tag: Option<RequestTag>,
    ) -> Result<Generated, Error> {
        let now = self.now();
        let person = generate.issued_to.as_ref().map(|email| self.identity().person(email));
        let address = generate.issued_to.as_ref().map(Text::Address);
        let sections = person.zip(address).map(|(person, text)| Self::section(person, &text));
        let policy = &self.0.policies.invites;
        let run = async |request| {
            let gate = self.0.quality.evaluate(now, None).await?;
            let wanted = generate.count + CANDIDATES_SPARE;
            let command = invites::Generate {
                count: generate.count,
                batch: generate.batch_id.unwrap_or_else(|| batch_at(now)),
                bound: person,
                expires_days: generate.expires_in_days.unwrap_or(policy.expires_days),
                max_uses: generate.max_uses.unwrap_or(1),
                force: generate.force,
                gate: gate.colour,
                reasons: gate.reasons(),
                candidates: entropy::codes(wanted as usize, policy.digits),
            };
            let sections = sections.into_iter().collect();
            let generated = self.0.invites.generate(now, request, command, sections).await;
            super::stats::count_decision(gate.colour, generate.force);
            generated
        };
        self.once::<_, Rejection, _>(tag, run).await
    }

    /// Lets somebody in, who has asked from `client`, as far as that is known.
    ///
    /// # Errors
    /// [`invites::Rejection`] as its variants say.
    pub async fn redeem(
        &self,
        code: InviteCode,
        email: Email,
        client: Option<IpAddr>,
        tag: Option<RequestTag>,
    ) -> Result<Redeemed, Error> {
        let person = self.identity().person(&email);
        let sections = vec![Self::section(person, &Text::Address(&email))];
        let marks = self.marks(&email, client);
        let command = invites::Redeem { code, person, marks };
        let now = self.now();
        let run = |request| self.0.invites.redeem(now, request, command, sections);
        let redeemed = self.once::<_, Rejection, _>(tag, run).await;
        super::stats::count_redemption(&redeemed);
        redeemed
    }

    /// A code kept for somebody who is signing up.
    ///
    /// # Errors
    /// [`invites::Rejection`] as for [`redeem`](Self::redeem).
    pub async fn reserve(
        &self,
        code: InviteCode,
        email: Email,
        seconds: u32,
        client: Option<IpAddr>,
        tag: Option<RequestTag>,
    ) -> Result<Reserved, Error> {
        let person = self.identity().person(&email);
        let sections = vec![Self::section(person, &Text::Address(&email))];
        let now = self.now();
        let reservation = entropy::uuid(now);
        let marks = self.marks(&email, client);
        let command = invites::Reserve { reservation, code, person, seconds, marks };
        let run = |request| self.0.invites.reserve(now, request, command, sections);
        self.once::<_, Rejection, _>(tag, run).await
    }

    /// Lets in who holds a code.
    ///
    /// # Errors
    /// [`invites::Rejection`] when the hold is over, or the code is not good any more.
    pub async fn confirm(
        &self,
        reservation: Uuid,
        tag: Option<RequestTag>,
    ) -> Result<Redeemed, Error> {
        let now = self.now();
        let run = |request| self.0.invites.confirm(now, request, reservation);
        let redeemed = self.once::<_, Rejection, _>(tag, run).await;
        super::stats::count_redemption(&redeemed);
        redeemed
    }

    /// Gives a held code back before its time.
    ///
    /// # Errors
    /// [`invites::Rejection`] when the hold is unknown, or somebody came in with it.
    pub async fn release(&self, reservation: Uuid, tag: Option<RequestTag>) -> Result<(), Error> {
        let now = self.now();
        let run = |request| self.0.invites.release(now, request, reservation);
        self.once::<_, Rejection, _>(tag, run).await
    }

    /// Takes a code back. Holds of it cannot be confirmed.
    ///
    /// # Errors
    /// [`invites::Rejection`] when it is unknown or used up.
    pub async fn revoke(&self, code: InviteCode, tag: Option<RequestTag>) -> Result<(), Error> {
        self.amend(code, Amend::Revoke, tag).await
    }

    /// Makes a code good again that was taken back.
    ///
    /// # Errors
    /// As for [`revoke`](Self::revoke).
    pub async fn restore(&self, code: InviteCode, tag: Option<RequestTag>) -> Result<(), Error> {
        self.amend(code, Amend::Restore, tag).await
    }

    /// Gives a code so many more days, from its expiry or, when that has passed, from now.
    ///
    /// # Errors
    /// As for [`revoke`](Self::revoke).
    pub async fn extend(
        &self,
        code: InviteCode,
        days: u32,
        tag: Option<RequestTag>,
    ) -> Result<(), Error> {
        self.amend(code, Amend::Extend(days), tag).await
    }

    async fn amend(
        &self,
        code: InviteCode,
        amend: Amend,
        tag: Option<RequestTag>,
    ) -> Result<(), Error> {
        let now = self.now();
        let run = |request| self.0.invites.amend(now, request, code, amend);
        self.once::<_, Rejection, _>(tag, run).await
    }

    /// Codes in the order of issue. A page may be short, and still not be the last.
    ///
    /// # Errors
    /// A [`Failure`](crate::error::Failure) only.
    pub async fn codes(&self, filter: Filter) -> Result<invites::Page, Error> {
        self.0.invites.page(self.now(), filter).await
    }

    /// What several people have typed; None where nothing is known.
    ///
    /// # Errors
    /// A [`Failure`](crate::error::Failure) only.
    pub async fn profiles(&self, people: Vec<PersonId>) -> Result<Vec<Option<Profile>>, Error> {
        self.0.people.profiles(self.now(), people).await
    }

    /// What a code is good for. Reading changes nothing.
    ///
    /// # Errors
    /// [`invites::Rejection::UnknownCode`].
    pub async fn code_status(&self, code: InviteCode) -> Result<CodeView, Error> {
        self.0.invites.view(self.now(), code).await
    }
}

/// `BATCH-20251220T093000Z`.
fn batch_at(now: Timestamp) -> String {
    let time = now.to_string();
    let seconds = time.split(['.', 'Z']).next().unwrap_or_default();
    format!("BATCH-{}Z", seconds.replace(['-', ':'], ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_without_a_label_is_named_after_the_second() {
        let now = "2025-12-20T09:30:00.25Z".parse().expect("a good time");
        assert_eq!(batch_at(now), "BATCH-20251220T093000Z");
    }
}
