//! A caller: what the engine's edge makes of one request, stage after stage.

use snapshots::Section;

use crate::answers::{Answers, Begun, UnderWay};
use crate::cell::{Cell, Domain};
use crate::clock::Clock;
use crate::entropy;
use crate::error::{Error, Failure, Rejection};
use crate::identity::Identity;
use crate::ids::{Email, InviteCode, PersonId, Timestamp, Uuid};
use crate::invites::{self, Amend, CANDIDATES_SPARE, Invites};
use crate::mailbox::Ask;
use crate::people::Text;
use crate::quality::{self, Drilling, Observe, Quality, Seen};
use crate::record;
use crate::referrals::{self, Bind, RecipientIs, Referrals};
use crate::request::RequestTag;
use crate::role::Role;
use crate::waitlist::{self, EntryState, Persona, Referrer, Waitlist};

use super::node::Posts;
use super::post::Queue;

/// So long a code is kept: shorter than most steps of the clock.
const HOLD_SECONDS: u32 = 1_800;

/// A wish with people, codes and labels in the place of numbers.
#[derive(Clone, Debug)]
pub(super) enum Order {
    Join(Email, Option<PersonId>),
    Boost(PersonId, i32),
    Leave(PersonId),
    Generate {
        batch: String,
        count: u32,
        uses: u32,
        to: Option<Email>,
        force: bool,
    },
    Redeem(InviteCode, Email),
    Wave {
        batch: String,
        count: u32,
        lottery: bool,
    },
    Reserve(InviteCode, Email),
    /// A hold, and the code and person that it is for.
    Confirm(Uuid, InviteCode, PersonId),
    Release(Uuid),
    Drill(Drilling),
    Share(Email, Email),
    Earn(PersonId),
    /// A verdict on somebody, and whether it is a good one.
    Review(PersonId, bool),
    Amend(InviteCode, Amend),
    Observe(PersonId, Seen, Timestamp),
    Evaluate,
    Look(PersonId),
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    Joined(waitlist::Joined),
    Boosted(waitlist::Standing),
    Left(waitlist::Left),
    Generated(invites::Generated),
    Redeemed(invites::Redeemed),
    Waved(waitlist::Invited),
    Reserved(invites::Reserved),
    Released,
    Shared(referrals::Shared),
    Earned(referrals::Earned),
    Reviewed(referrals::Reviewed),
    Amended,
    Observed,
    Evaluated,
    Stands(waitlist::Standing),
}

type Message<D> = <D as Domain>::Message;
type Waits<D> = Queue<<Cell<D> as Role>::Message>;
type Remembered = <Answers as Role>::Message;

/// The way to all actors. Cheap to clone.
#[derive(Clone)]
pub(super) struct Edge {
    clock: Clock,
    pub(super) identity: Identity,
    waitlist: Waits<Waitlist>,
    invites: Waits<Invites>,
    referrals: Waits<Referrals>,
    quality: Waits<Quality>,
    answers: Queue<Remembered>,
    digits: u8,
    expires_days: u32,
}

/// Tells the memory of answers that a request has ended, however it did.
struct Ending<'a>(&'a Queue<Remembered>, RequestTag);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.send(Remembered::Release(self.1));
    }
}

async fn ask<M, T>(
    queue: &Queue<M>,
    now: Timestamp,
    request: Option<UnderWay>,
    make: impl FnOnce(Ask<T>) -> M,
) -> Result<T, Error> {
    let (ask, answer) = Ask::simulated(now, request);
    queue.send(make(ask));
    answer.await.unwrap_or(Err(Failure::Unavailable.into()))
}

impl Edge {
    pub(super) fn new(
        clock: &Clock,
        identity: &Identity,
        posts: &Posts,
        policy: &invites::Policy,
    ) -> Self {
        Self {
            clock: clock.clone(),
            identity: identity.clone(),
            waitlist: posts.waitlist.queue.clone(),
            invites: posts.invites.queue.clone(),
            referrals: posts.referrals.queue.clone(),
            quality: posts.quality.queue.clone(),
            answers: posts.answers.queue.clone(),
            digits: policy.digits,
            expires_days: policy.expires_days,
        }
    }

    pub(super) async fn carry_out(
        self,
        order: Order,
        tag: Option<RequestTag>,
    ) -> Result<Said, Error> {
        match order {
            Order::Join(email, referrer) => self.join(email, referrer, tag).await,
            Order::Boost(person, points) => self.boost(person, points, tag).await,
            Order::Leave(person) => {
                let leave = waitlist_leave(person);
                ask(&self.waitlist, self.clock.now(), None, leave).await.map(Said::Left)
            }
            Order::Generate { .. } => self.generate(order, tag).await,
            Order::Redeem(code, email) => self.redeem(code, email, tag).await,
            Order::Wave { batch, count, lottery } => self.wave(batch, count, lottery, tag).await,
            Order::Reserve(code, email) => self.reserve(code, email, tag).await,
            Order::Confirm(reservation, ..) => self.confirm(reservation, tag).await,
            Order::Release(reservation) => self.release(reservation, tag).await,
            Order::Drill(drilling) => {
                let drill = |ask| Message::<Quality>::Drill(drilling, ask);
                ask(&self.quality, self.clock.now(), None, drill).await.map(|_| Said::Evaluated)
            }
            Order::Share(from, to) => self.share(from, to, tag).await,
            Order::Earn(person) => self.earn(person, tag).await,
            Order::Review(person, accept) => self.review(person, accept, tag).await,
            Order::Amend(code, amend) => self.amend(code, amend, tag).await,
            Order::Observe(person, kind, at) => self.observe(person, kind, at, tag).await,
            Order::Evaluate => {
                let now = self.clock.now();
                let evaluate = Message::<Quality>::Evaluate;
                ask(&self.quality, now, None, evaluate).await.map(|_| Said::Evaluated)
            }
            Order::Look(person) => self.standing(person).await.map(Said::Stands),
        }
    }

    async fn join(
        &self,
        email: Email,
        referrer: Option<PersonId>,
        tag: Option<RequestTag>,
    ) -> Result<Said, Error> {
        let referrer = match referrer {
            Some(person) => Some(match self.standing(person).await {
                Ok(standing) => Referrer::Entry(standing.index),
                Err(Error::Rejected(_)) => Referrer::Unknown,
                Err(error) => return Err(error),
            }),
            None => None,
        };
        let (use_case, persona) = (format!("{} wants in", email.as_str()), "agency");
        let metadata = [("source".to_owned(), email.as_str().to_owned())];
        let text =
            Text::Profile { email: &email, use_case: &use_case, persona, metadata: &metadata };
        let person = self.identity.person(&email);
        let sections = vec![section(person, &text)];
        let client = [203, 0, 113, (person.get() % 5) as u8].into();
        let marks = self.identity.marks(&email, person.get().is_multiple_of(7), Some(client));
        // Three scores, so that ties and differences both occur.
        let personas = [Persona::Agency, Persona::Other, Persona::SoloFounder];
        let persona = personas[(person.get() % 3) as usize];
        let join = waitlist::Join { person, persona, use_case: use_case.into(), referrer, marks };
        let now = self.clock.now();
        let run = |request| {
            ask(&self.waitlist, now, request, |ask| Message::<Waitlist>::Join(join, sections, ask))
        };
        self.once::<_, waitlist::Rejection, _>(tag, run).await.map(Said::Joined)
    }

    async fn boost(
        &self,
        person: PersonId,
        points: i32,
        tag: Option<RequestTag>,
    ) -> Result<Said, Error> {
        let sections = vec![section(person, &Text::Note("a boost"))];
        let boost = waitlist::Boost { person, points };
        let now = self.clock.now();
        let run = |request| {
            ask(&self.waitlist, now, request, |ask| {
                Message::<Waitlist>::Boost(boost, sections, ask)
            })
        };
        let boosted = self.once::<waitlist::Boosted, waitlist::Rejection, _>(tag, run).await?;
        Ok(Said::Boosted(boosted.standing))
    }

    async fn generate(&self, order: Order, tag: Option<RequestTag>) -> Result<Said, Error> {
        let Order::Generate { batch, count, uses, to, force } = order else {
            return Err(Failure::Unavailable.into());
        };
        let now = self.clock.now();
        let bound = to.as_ref().map(|email| self.identity.person(email));
        let address = to.as_ref().map(Text::Address);
        let sections = bound.zip(address).map(|(person, text)| section(person, &text));
        let run = async |request| {
            let gate = ask(&self.quality, now, None, Message::<Quality>::Evaluate).await?;
            let command = invites::Generate {
                count,
                batch,
                bound,
                expires_days: self.expires_days,
                max_uses: uses,
                force,
                gate: gate.colour,
                reasons: gate.alerts.into_iter().map(|alert| alert.message).collect(),
                candidates: entropy::codes((count + CANDIDATES_SPARE) as usize, self.digits),
            };
            let sections = sections.into_iter().collect();
            ask(&self.invites, now, request, |ask| {
                Message::<Invites>::Generate(command, sections, ask)
            })
            .await
        };
        self.once::<_, invites::Rejection, _>(tag, run).await.map(Said::Generated)
    }

    async fn redeem(
        &self,
        code: InviteCode,
        email: Email,
        tag: Option<RequestTag>,
    ) -> Result<Said, Error> {
        let person = self.identity.person(&email);
        let sections = vec![section(person, &Text::Address(&email))];
        let marks = self.identity.marks(&email, false, None);
        let redeem = invites::Redeem { code, person, marks };
        let now = self.clock.now();
        let run = |request| {
            ask(&self.invites, now, request, |ask| {
                Message::<Invites>::Redeem(redeem, sections, ask)
            })
        };
        self.once::<_, invites::Rejection, _>(tag, run).await.map(Said::Redeemed)
    }

    async fn share(&self, from: Email, to: Email, tag: Option<RequestTag>) -> Result<Said, Error> {
        let now = self.clock.now();
        let (inviter, recipient) = (self.identity.person(&from), self.identity.person(&to));
        let recipient_is = match self.standing(recipient).await {
            Ok(standing) => match standing.state {
                EntryState::Waiting => RecipientIs::Waiting,
                EntryState::Invited => RecipientIs::Unknown,
                EntryState::Member => RecipientIs::Member,
            },
            Err(Error::Rejected(Rejection::Waitlist(_))) => RecipientIs::Unknown,
            Err(error) => return Err(error),
        };
        let (id, bind) = (entropy::uuid(now), Bind::Oldest);
        let (mailbox, marks) = (None, self.identity.marks(&to, false, None));
        let share = referrals::Share { id, inviter, recipient, mailbox, marks, recipient_is, bind };
        let sections =
            vec![section(inviter, &Text::Address(&from)), section(recipient, &Text::Address(&to))];
        let run = |request| {
            ask(&self.referrals, now, request, |ask| {
                Message::<Referrals>::Share(share, sections, ask)
            })
        };
        let shared = self.once::<_, referrals::Rejection, _>(tag, run).await?;
        let give = |ask| Message::<Invites>::Give { inviter, recipient, bind, ask };
        ask(&self.invites, now, None, give).await?;
        Ok(Said::Shared(shared))
    }

    async fn wave(
        &self,
        batch: String,
        count: u32,
        lottery: bool,
        tag: Option<RequestTag>,
    ) -> Result<Said, Error> {
        let now = self.clock.now();
        let run = async |request| {
            let gate = ask(&self.quality, now, None, Message::<Quality>::Evaluate).await?;
            let wave = waitlist::Wave {
                batch,
                count,
                order: if lottery { waitlist::Order::Lottery } else { waitlist::Order::Priority },
                gate: gate.colour,
                reasons: Vec::new(),
                expires_days: self.expires_days,
                seed: entropy::seed_of_a_draw(),
                rolled: 0,
                room: u64::MAX,
            };
            ask(&self.waitlist, now, request, |ask| Message::<Waitlist>::Wave(wave, ask)).await
        };
        self.once::<_, waitlist::Rejection, _>(tag, run).await.map(Said::Waved)
    }

    async fn reserve(
        &self,
        code: InviteCode,
        email: Email,
        tag: Option<RequestTag>,
    ) -> Result<Said, Error> {
        let (now, person) = (self.clock.now(), self.identity.person(&email));
        let sections = vec![section(person, &Text::Address(&email))];
        let marks = self.identity.marks(&email, false, None);
        let (reservation, seconds) = (entropy::uuid(now), HOLD_SECONDS);
        let reserve = invites::Reserve { reservation, code, person, seconds, marks };
        let run = |request| {
            ask(&self.invites, now, request, |ask| {
                Message::<Invites>::Reserve(reserve, sections, ask)
            })
        };
        self.once::<_, invites::Rejection, _>(tag, run).await.map(Said::Reserved)
    }

    async fn confirm(&self, hold: Uuid, tag: Option<RequestTag>) -> Result<Said, Error> {
        let now = self.clock.now();
        let run = |request| {
            ask(&self.invites, now, request, |ask| Message::<Invites>::Confirm(hold, ask))
        };
        self.once::<_, invites::Rejection, _>(tag, run).await.map(Said::Redeemed)
    }

    async fn release(&self, hold: Uuid, tag: Option<RequestTag>) -> Result<Said, Error> {
        let now = self.clock.now();
        let run = |request| {
            ask(&self.invites, now, request, |ask| Message::<Invites>::Release(hold, ask))
        };
        self.once::<(), invites::Rejection, _>(tag, run).await.map(|()| Said::Released)
    }

    async fn review(
        &self,
        person: PersonId,
        accept: bool,
        tag: Option<RequestTag>,
    ) -> Result<Said, Error> {
        let (now, review) =
            (self.clock.now(), referrals::Review { person, accept, holding: Vec::new() });
        let run = |request| {
            ask(&self.referrals, now, request, |ask| Message::<Referrals>::Review(review, ask))
        };
        self.once::<_, referrals::Rejection, _>(tag, run).await.map(Said::Reviewed)
    }

    async fn amend(
        &self,
        code: InviteCode,
        amend: Amend,
        tag: Option<RequestTag>,
    ) -> Result<Said, Error> {
        let now = self.clock.now();
        let run = |request| {
            ask(&self.invites, now, request, |ask| Message::<Invites>::Amend(code, amend, ask))
        };
        self.once::<(), invites::Rejection, _>(tag, run).await.map(|()| Said::Amended)
    }

    async fn earn(&self, person: PersonId, tag: Option<RequestTag>) -> Result<Said, Error> {
        let now = self.clock.now();
        let run = async |request| {
            let gate = ask(&self.quality, now, None, Message::<Quality>::Evaluate).await?.colour;
            let earn = referrals::Earn { person, gate };
            ask(&self.referrals, now, request, |ask| Message::<Referrals>::Earn(earn, ask)).await
        };
        self.once::<_, referrals::Rejection, _>(tag, run).await.map(Said::Earned)
    }

    async fn observe(
        &self,
        person: PersonId,
        kind: Seen,
        at: Timestamp,
        tag: Option<RequestTag>,
    ) -> Result<Said, Error> {
        let now = self.clock.now();
        let seen = Observe { seen: vec![(person, kind, Some(at))] };
        let run = |request| {
            ask(&self.quality, now, request, |ask| Message::<Quality>::Observe(seen, ask))
        };
        let observed = self.once::<quality::Observed, quality::Rejection, _>(tag, run).await;
        observed.map(|_| Said::Observed)
    }

    async fn standing(&self, person: PersonId) -> Result<waitlist::Standing, Error> {
        let standing = |ask| Message::<Waitlist>::Standing(person, ask);
        ask(&self.waitlist, self.clock.now(), None, standing).await
    }

    /// As the engine's edge does it: the memory of answers first.
    async fn once<T, R, F>(
        &self,
        tag: Option<RequestTag>,
        run: impl FnOnce(Option<UnderWay>) -> F,
    ) -> Result<T, Error>
    where
        T: serde::de::DeserializeOwned,
        R: serde::de::DeserializeOwned + Into<Error>,
        F: Future<Output = Result<T, Error>>,
    {
        let Some(tag) = tag else { return run(None).await };
        let begin = |ask| Remembered::Begin(UnderWay::simulated(tag), ask);
        match ask(&self.answers, self.clock.now(), None, begin).await? {
            Begun::Fresh(under_way) => {
                let _ending = Ending(&self.answers, tag);
                run(Some(under_way)).await
            }
            Begun::Answered(outcome) => {
                let outcome: Result<T, R> = record::decode(&outcome)
                    .map_err(|_| Error::from(crate::request::Rejection::OtherBody))?;
                outcome.map_err(Into::into)
            }
        }
    }
}

fn waitlist_leave(person: PersonId) -> impl FnOnce(Ask<waitlist::Left>) -> Message<Waitlist> {
    // Of some, others have told.
    let known = person.number().is_multiple_of(2);
    move |ask| Message::<Waitlist>::Leave(waitlist::Leave { person, known }, ask)
}

fn section(person: PersonId, text: &Text<'_>) -> Section {
    Section { owner: person.get(), salt: entropy::salt(), text: text.encode() }
}
