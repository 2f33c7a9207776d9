//! Asking the waitlist and the people book.

use std::net::IpAddr;

use futures_util::FutureExt;

use crate::entropy;
use crate::error::Error;
use crate::ids::{Email, InviteCode, PersonId, Timestamp};
use crate::people::{Profile, Text};
use crate::request::RequestTag;
use crate::waitlist::{
    self, Invited, Joined, Leave, Left, Order, Persona, Referrer, Rejection, Schedule, Standing,
};

use super::Engine;

/// So many people more than asked for are in one wave, at most.
const ROLLED_MAX: u32 = 10_000;

/// What somebody who joins says.
#[derive(Clone, Debug)]
pub struct Join {
    /// Address.
    pub email: Email,
    /// What the product is wanted for.
    pub use_case: String,
    /// Persona, as it was written.
    pub persona: String,
    /// Somebody's referral code.
    pub referral_code: Option<String>,
    /// Pairs of the caller's own.
    pub metadata: Vec<(String, String)>,
    /// Where the request came from, as far as that is known.
    pub client: Option<IpAddr>,
}

/// Whom to invite.
#[derive(Clone, Debug, Default)]
pub struct Wave {
    /// How many, 1 to 10,000.
    pub count: u32,
    /// Label of the wave; `WAVE-` and the time when absent.
    pub batch_id: Option<String>,
    /// How they are found.
    pub order: Order,
    /// Days that their codes are valid; the policy's when absent.
    pub expires_in_days: Option<u32>,
}

/// A wave that was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// The wave.
    pub invited: Invited,
    /// Everybody's code, in the order of the wave.
    pub codes: Vec<(InviteCode, PersonId)>,
    /// When the codes stop being valid.
    pub expires_at: Timestamp,
}

/// `WAVE-20251220T093000.250000Z`: to the microsecond, since a wave without a label is a new one
/// each time.
fn label(kind: &str, now: Timestamp) -> String {
    let fraction = now.micros().rem_euclid(1_000_000);
    let time = now.to_string();
    let seconds = time.split(['.', 'Z']).next().unwrap_or_default();
    format!("{kind}-{}.{fraction:06}Z", seconds.replace(['-', ':'], ""))
}

/// A stretch of the queue with what is known of the people in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// In queue order.
    pub items: Vec<(Standing, Option<Profile>)>,
    /// Opaque; names where to go on.
    pub next: Option<String>,
}

impl Engine {
    /// A place for somebody, or the place that the person has. Sent when it is called, within a
    /// runtime; what comes back waits for the answer.
    ///
    /// # Errors
    /// [`waitlist::Rejection`] when the person is in, the referral code names nobody or the list is
    /// full.
    pub fn join(
        &self,
        join: Join,
        tag: Option<RequestTag>,
    ) -> impl Future<Output = Result<Joined, Error>> {
        let person = self.identity().person(&join.email);
        let referrer = join.referral_code.as_deref().map(|code| {
            self.identity().index_of_referral_code(code).map_or(Referrer::Unknown, Referrer::Entry)
        });
        let text = Text::Profile {
            email: &join.email,
            use_case: &join.use_case,
            persona: &join.persona,
            metadata: &join.metadata,
        };
        let sections = vec![Self::section(person, &text)];
        let command = waitlist::Join {
            person,
            persona: Persona::named(&join.persona),
            use_case: join.use_case.into(),
            referrer,
            marks: self.marks(&join.email, join.client),
        };
        let now = self.now();
        let run = move |request| self.0.waitlist.join(now, request, command, sections);
        self.once::<_, Rejection, _>(tag, run).inspect(super::stats::count_join)
    }

    /// Somebody's entry and place.
    ///
    /// # Errors
    /// [`waitlist::Rejection::UnknownPerson`].
    pub async fn standing(&self, person: PersonId) -> Result<Standing, Error> {
        self.0.waitlist.standing(self.now(), person).await
    }

    /// The code that somebody gives to friends.
    #[must_use]
    pub fn referral_code(&self, standing: &Standing) -> String {
        self.identity().referral_code(standing.index)
    }

    /// What somebody has typed; None when nothing is known.
    ///
    /// # Errors
    /// A [`Failure`](crate::error::Failure) only.
    pub async fn profile(&self, person: PersonId) -> Result<Option<Profile>, Error> {
        let mut profiles = self.0.people.profiles(self.now(), vec![person]).await?;
        Ok(profiles.pop().flatten())
    }

    /// Up to `limit` people in queue order, behind the cursor `after`.
    ///
    /// # Errors
    /// [`waitlist::Rejection::UnknownCursor`].
    pub async fn page(&self, after: Option<String>, limit: usize) -> Result<Page, Error> {
        let print = |key: u64| format!("{key:016x}");
        // Only as it was handed out, to the letter.
        let parse = |cursor: String| {
            let key = u64::from_str_radix(&cursor, 16).ok().filter(|key| print(*key) == cursor);
            key.ok_or(Rejection::UnknownCursor)
        };
        let after = after.map(parse).transpose()?;
        let page = self.0.waitlist.page(self.now(), after, limit).await?;
        let people = page.standings.iter().map(|standing| standing.person).collect();
        let profiles = self.0.people.profiles(self.now(), people).await?;
        let items = page.standings.into_iter().zip(profiles).collect();
        Ok(Page { items, next: page.next.map(print) })
    }

    /// Moves somebody who waits up, or down, by `points`.
    ///
    /// # Errors
    /// [`waitlist::Rejection`] when the person is unknown or does not wait.
    pub async fn boost(
        &self,
        person: PersonId,
        points: i32,
        reason: String,
        tag: Option<RequestTag>,
    ) -> Result<Standing, Error> {
        let sections = vec![Self::section(person, &Text::Note(&reason))];
        let command = waitlist::Boost { person, points };
        let now = self.now();
        let run = |request| self.0.waitlist.boost(now, request, command, sections);
        let boosted = self.once::<_, Rejection, _>(tag, run).await?;
        Ok(boosted.standing)
    }

    /// Invites the next people: their places, their codes, all of them or none. The same label
    /// again is the same wave.
    ///
    /// # Errors
    /// [`waitlist::Rejection`] when the gate is red or nobody waits.
    pub async fn wave(&self, wave: Wave, tag: Option<RequestTag>) -> Result<Sent, Error> {
        self.send(wave, 0, tag).await
    }

    /// The slot of the schedule that it is now, if a wave belongs to it.
    #[must_use]
    pub fn slot(&self, schedule: &Schedule) -> Option<Timestamp> {
        schedule.slot(self.now())
    }

    /// The wave of the slot that it is now: sent now, or before; None when none belongs to it.
    ///
    /// # Errors
    /// As for [`wave`](Self::wave).
    pub async fn wave_of(&self, schedule: &Schedule) -> Result<Option<Sent>, Error> {
        self.take_writes()?;
        let Some(slot) = schedule.slot(self.now()) else { return Ok(None) };
        let mut rolled = 0;
        if schedule.roll_on {
            let lapsed = self.0.invites.stats(self.now()).await?.lapsed;
            let before = self.0.waitlist.stats(self.now()).await?.rolled;
            let more = lapsed.saturating_sub(before).min(u64::from(ROLLED_MAX));
            rolled = u32::try_from(more).unwrap_or(ROLLED_MAX);
        }
        let wave = Wave {
            count: schedule.count.saturating_add(rolled),
            batch_id: Some(label("AUTO", slot)),
            order: schedule.order,
            expires_in_days: None,
        };
        self.send(wave, rolled, None).await.map(Some)
    }

    async fn send(&self, wave: Wave, rolled: u32, tag: Option<RequestTag>) -> Result<Sent, Error> {
        let now = self.now();
        let policy = &self.0.policies.invites;
        let batch = wave.batch_id.unwrap_or_else(|| label("WAVE", now));
        let run = async |request| {
            let gate = self.0.quality.evaluate(now, None).await?;
            // What others issue at the same moment is not in it.
            let issued: u64 = self.0.invites.stats(now).await?.issued.into_iter().sum();
            let command = waitlist::Wave {
                batch: batch.clone(),
                count: wave.count,
                order: wave.order,
                gate: gate.colour,
                reasons: gate.reasons(),
                expires_days: wave.expires_in_days.unwrap_or(policy.expires_days),
                seed: entropy::seed_of_a_draw(),
                rolled,
                room: u64::from(policy.codes_max).saturating_sub(issued),
            };
            let invited = self.0.waitlist.wave(now, request, command).await;
            super::stats::count_decision(gate.colour, false);
            invited
        };
        let invited = self.once::<_, Rejection, _>(tag, run).await?;
        // The registry has heard of the wave before its answer left, so it answers behind that. The
        // first answer to a key names the wave that was sent then.
        let sent = invited.batch_id.clone();
        let (codes, expires_at) = self.0.invites.wave(self.now(), sent).await?;
        Ok(Sent { invited, codes, expires_at })
    }

    /// Takes somebody off the list, or out, and forgets what the person has typed, and what others
    /// have typed of the person.
    ///
    /// # Errors
    /// [`waitlist::Rejection::UnknownPerson`], [`waitlist::Rejection::HasLeft`].
    pub async fn leave(&self, person: PersonId) -> Result<Left, Error> {
        self.take_writes()?;
        let leave = |known| self.0.waitlist.leave(self.now(), Leave { person, known });
        match leave(false).await {
            Err(absent @ Error::Rejected(_)) => match self.profile(person).await? {
                Some(_) => leave(true).await,
                None => Err(absent),
            },
            left => left,
        }
    }

    /// How the list stands.
    ///
    /// # Errors
    /// A [`Failure`](crate::error::Failure) only.
    pub async fn waitlist_stats(&self) -> Result<waitlist::Stats, Error> {
        self.0.waitlist.stats(self.now()).await
    }
}
