//! The code registry as an actor: messages in, rules applied, answers when durable.

use std::io;

use snapshots::Section;

use crate::answers::UnderWay;
use crate::cell::{Cell, Domain};
use crate::committer::Committed;
use crate::entropy;
use crate::error::Error;
use crate::event::{self, Stream};
use crate::ids::{InviteCode, PersonId, Timestamp, Uuid};
use crate::image::{ImageReader, ImageWriter};
use crate::mailbox::{Ask, Mailbox};
use crate::record::Unreadable;
use crate::referrals::{self, Bind};
use crate::waitlist;

use super::command::{
    Amend, CodeView, Filter, Generate, Generated, Page, Redeem, Redeemed, Reserve, Reserved, Stats,
    Wave,
};
use super::{Event, Policy, Rejection, State, apply, decide, image};

/// Candidates beyond what is wanted, in case some were issued before.
pub(crate) const CANDIDATES_SPARE: u32 = 16;

/// What the registry is asked.
#[derive(Debug)]
pub(crate) enum Message {
    Generate(Generate, Vec<Section>, Ask<Generated>),
    Redeem(Redeem, Vec<Section>, Ask<Redeemed>),
    Reserve(Reserve, Vec<Section>, Ask<Reserved>),
    Confirm(Uuid, Ask<Redeemed>),
    Release(Uuid, Ask<()>),
    Amend(InviteCode, Amend, Ask<()>),
    View(InviteCode, Ask<CodeView>),
    Page(Filter, Ask<Page>),
    Wave(String, Ask<Wave>),
    MayGive { code: InviteCode, inviter: PersonId, recipient: PersonId, ask: Ask<()> },
    Give { inviter: PersonId, recipient: PersonId, bind: Bind, ask: Ask<Option<InviteCode>> },
    Given { holder: PersonId, person: PersonId, ask: Ask<Option<InviteCode>> },
    Free(PersonId, Ask<Vec<InviteCode>>),
    Stats(Ask<Stats>),
    Digest(Ask<[u8; 32]>),
}

/// Asks the registry.
#[derive(Clone, Debug)]
pub(crate) struct Handle(pub(crate) Mailbox<Message>);

type Request = Option<UnderWay>;

impl Handle {
    pub(crate) async fn generate(
        &self,
        now: Timestamp,
        request: Request,
        generate: Generate,
        sections: Vec<Section>,
    ) -> Result<Generated, Error> {
        self.0.ask(now, request, |ask| Message::Generate(generate, sections, ask)).await
    }

    pub(crate) async fn redeem(
        &self,
        now: Timestamp,
        request: Request,
        redeem: Redeem,
        sections: Vec<Section>,
    ) -> Result<Redeemed, Error> {
        self.0.ask(now, request, |ask| Message::Redeem(redeem, sections, ask)).await
    }

    pub(crate) async fn reserve(
        &self,
        now: Timestamp,
        request: Request,
        reserve: Reserve,
        sections: Vec<Section>,
    ) -> Result<Reserved, Error> {
        self.0.ask(now, request, |ask| Message::Reserve(reserve, sections, ask)).await
    }

    pub(crate) async fn confirm(
        &self,
        now: Timestamp,
        request: Request,
        reservation: Uuid,
    ) -> Result<Redeemed, Error> {
        self.0.ask(now, request, |ask| Message::Confirm(reservation, ask)).await
    }

    pub(crate) async fn release(
        &self,
        now: Timestamp,
        request: Request,
        reservation: Uuid,
    ) -> Result<(), Error> {
        self.0.ask(now, request, |ask| Message::Release(reservation, ask)).await
    }

    pub(crate) async fn amend(
        &self,
        now: Timestamp,
        request: Request,
        code: InviteCode,
        amend: Amend,
    ) -> Result<(), Error> {
        self.0.ask(now, request, |ask| Message::Amend(code, amend, ask)).await
    }

    pub(crate) async fn page(&self, now: Timestamp, filter: Filter) -> Result<Page, Error> {
        self.0.ask(now, None, |ask| Message::Page(filter, ask)).await
    }

    pub(crate) async fn wave(&self, now: Timestamp, batch: String) -> Result<Wave, Error> {
        self.0.ask(now, None, |ask| Message::Wave(batch, ask)).await
    }

    pub(crate) async fn view(&self, now: Timestamp, code: InviteCode) -> Result<CodeView, Error> {
        self.0.ask(now, None, |ask| Message::View(code, ask)).await
    }

    pub(crate) async fn may_give(
        &self,
        now: Timestamp,
        code: InviteCode,
        inviter: PersonId,
        recipient: PersonId,
    ) -> Result<(), Error> {
        self.0.ask(now, None, |ask| Message::MayGive { code, inviter, recipient, ask }).await
    }

    /// The code that the inviter has given to the recipient; given now, if there was none.
    pub(crate) async fn give(
        &self,
        now: Timestamp,
        inviter: PersonId,
        recipient: PersonId,
        bind: Bind,
    ) -> Result<Option<InviteCode>, Error> {
        self.0.ask(now, None, |ask| Message::Give { inviter, recipient, bind, ask }).await
    }

    pub(crate) async fn given(
        &self,
        now: Timestamp,
        holder: PersonId,
        person: PersonId,
    ) -> Result<Option<InviteCode>, Error> {
        self.0.ask(now, None, |ask| Message::Given { holder, person, ask }).await
    }

    pub(crate) async fn free(
        &self,
        now: Timestamp,
        holder: PersonId,
    ) -> Result<Vec<InviteCode>, Error> {
        self.0.ask(now, None, |ask| Message::Free(holder, ask)).await
    }

    pub(crate) async fn stats(&self, now: Timestamp) -> Result<Stats, Error> {
        self.0.ask(now, None, Message::Stats).await
    }

    pub(crate) async fn digest(&self, now: Timestamp) -> Result<[u8; 32], Error> {
        self.0.ask(now, None, Message::Digest).await
    }
}

/// The domain of codes.
pub(crate) struct Invites;

impl Domain for Invites {
    const IMAGE_VERSION: u16 = 4;
    const STREAM: Stream = Stream::Invites;
    type Policy = Policy;
    type State = State;
    type Event = Event;
    type Rejection = Rejection;
    type Message = Message;

    fn state(_: &Policy) -> State {
        State::default()
    }

    fn apply(state: &mut State, event: &Event, at: Timestamp) {
        apply::apply(state, event, at);
    }

    fn save(state: &State, out: &mut ImageWriter<'_>) -> io::Result<()> {
        image::save(state, out)
    }

    fn fingerprint(state: &State, turn: u64, out: &mut ImageWriter<'_>) -> io::Result<()> {
        image::fingerprint(state, turn, out)
    }

    fn restore(version: u16, input: &mut ImageReader<'_>) -> Result<State, Unreadable> {
        match version {
            1 => image::restore_v1(input),
            2..=4 => image::restore(version, input),
            _ => Err(Unreadable::new(format!("invites image version {version}"))),
        }
    }

    fn follows(event: &event::Event) -> bool {
        match event {
            event::Event::Referrals(referrals::Event::Referred { bind, .. }) => {
                *bind != referrals::Bind::Nothing
            }
            event::Event::Referrals(referrals::Event::Rewarded { .. })
            | event::Event::Waitlist(
                waitlist::Event::Left { .. }
                | waitlist::Event::Forgotten { .. }
                | waitlist::Event::Waved { .. },
            ) => true,
            event::Event::Referrals(referrals::Event::Reviewed { withdrawn, .. }) => {
                !withdrawn.is_empty()
            }
            event::Event::Referrals(
                referrals::Event::Progressed { .. }
                | referrals::Event::Held { .. }
                | referrals::Event::GateSeen { .. }
                | referrals::Event::Reclaimed { .. },
            )
            | event::Event::Waitlist(_)
            | event::Event::Invites(_)
            | event::Event::Quality(_) => false,
        }
    }

    fn react(cell: &mut Cell<Self>, causes: &[&Committed]) {
        for cause in causes {
            let now = cell.time(cause.at);
            let caused = match &cause.event {
                Some(event::Event::Referrals(event)) => on_referrals(cell, event, now),
                Some(event::Event::Waitlist(
                    waitlist::Event::Left { person, .. } | waitlist::Event::Forgotten { person },
                )) => {
                    let mut caused = decide::on_left(&cell.state, *person);
                    let last = caused.pop();
                    // The last one alone says that the cause is dealt with: where it is missing
                    // after a crash, the next start does what is left to do.
                    caused.into_iter().for_each(|event| cell.record(event, cause.at, None));
                    last
                }
                Some(event::Event::Waitlist(waitlist::Event::Waved {
                    batch,
                    people,
                    expires_days,
                    ..
                })) => {
                    let wanted = people.len() + CANDIDATES_SPARE as usize;
                    let candidates = entropy::codes(wanted, cell.policy.digits);
                    let expires_at = now.plus_days(*expires_days);
                    let policy = &cell.policy;
                    decide::on_waved(&cell.state, policy, batch, people, &candidates, expires_at)
                }
                _ => None,
            };
            if let Some(event) = caused {
                cell.record(event, cause.at, Some(cause.seq));
            }
        }
    }

    fn handle(cell: &mut Cell<Self>, message: Message) {
        match message {
            Message::Generate(generate, sections, ask) => {
                let now = cell.time(ask.now);
                let decided = decide::generate(&cell.state, &cell.policy, &generate, now);
                cell.settle(ask, decided, sections, |_, event, _| generated(generate, event));
            }
            Message::Redeem(redeem, sections, ask) => {
                let decided = decide::redeem(&cell.state, &redeem, cell.time(ask.now));
                cell.settle(ask, decided, sections, |cell, event, at| Redeemed {
                    at,
                    issued_at: issued_at(cell, event).unwrap_or(at),
                    already: false,
                });
            }
            Message::Reserve(reserve, sections, ask) => {
                let decided = decide::reserve(&cell.state, &reserve, cell.time(ask.now));
                cell.settle(ask, decided, sections, |_, event, _| reserved(event));
            }
            Message::Confirm(reservation, ask) => {
                let decided = decide::confirm(&cell.state, reservation, cell.time(ask.now));
                cell.settle(ask, decided, Vec::new(), |cell, event, at| Redeemed {
                    at,
                    issued_at: issued_at(cell, event).unwrap_or(at),
                    already: false,
                });
            }
            Message::Release(reservation, ask) => {
                let decided = decide::release(&cell.state, reservation, cell.time(ask.now));
                cell.settle(ask, decided, Vec::new(), |_, _, _| ());
            }
            Message::Amend(code, amend, ask) => {
                let decided = decide::amend(&cell.state, code, amend, cell.time(ask.now));
                cell.settle(ask, decided, Vec::new(), |_, _, _| ());
            }
            Message::Page(filter, ask) => {
                let page = cell.state.page(&filter, cell.time(ask.now));
                cell.answer(ask, Ok(page));
            }
            Message::Wave(batch, ask) => {
                cell.answer(ask, cell.state.wave(&batch).ok_or(Rejection::UnknownBatch));
            }
            Message::View(code, ask) => {
                let view = cell.state.view(code, cell.time(ask.now));
                cell.answer(ask, view.ok_or(Rejection::UnknownCode));
            }
            Message::MayGive { code, inviter, recipient, ask } => {
                let now = cell.time(ask.now);
                let may = decide::may_give(&cell.state, code, inviter, recipient, now);
                cell.answer(ask, may);
            }
            Message::Give { inviter, recipient, bind, ask } => {
                let now = cell.time(ask.now);
                let decided = decide::give(&cell.state, inviter, recipient, bind, now);
                cell.settle(ask, Ok(decided), Vec::new(), |_, event, _| bound(event));
            }
            Message::Given { holder, person, ask } => {
                cell.answer(ask, Ok(cell.state.given(holder, person)));
            }
            Message::Free(holder, ask) => {
                let free = cell.state.free(holder, cell.time(ask.now)).collect();
                cell.answer(ask, Ok(free));
            }
            Message::Digest(ask) => cell.answer(ask, Ok(cell.state.digest())),
            Message::Stats(ask) => {
                let stats = cell.state.stats(cell.time(ask.now));
                cell.answer(ask, Ok(stats));
            }
        }
    }
}

fn on_referrals(cell: &Cell<Invites>, event: &referrals::Event, now: Timestamp) -> Option<Event> {
    match event {
        referrals::Event::Referred { inviter, recipient, bind, .. } => {
            decide::on_referred(&cell.state, *inviter, *recipient, *bind, now)
        }
        referrals::Event::Rewarded { person, codes, .. } => {
            let wanted = (codes + CANDIDATES_SPARE) as usize;
            let candidates = entropy::codes(wanted, cell.policy.digits);
            decide::on_rewarded(&cell.state, &cell.policy, *person, *codes, &candidates, now)
        }
        referrals::Event::Reviewed { withdrawn, .. } => {
            Some(decide::on_withdrawn(&cell.state, withdrawn, now))
        }
        referrals::Event::Progressed { .. }
        | referrals::Event::Held { .. }
        | referrals::Event::GateSeen { .. }
        | referrals::Event::Reclaimed { .. } => None,
    }
}

/// When the code was issued that somebody came in with.
fn issued_at(cell: &Cell<Invites>, event: &Event) -> Option<Timestamp> {
    let Event::Redeemed { code, .. } = event else { return None };
    let index = cell.state.find(*code)?;
    Some(cell.state.code(index).1.created_at)
}

/// The code that somebody was given.
fn bound(event: &Event) -> Option<InviteCode> {
    if let Event::Bound { code, .. } = event { Some(*code) } else { None }
}

fn reserved(event: &Event) -> Reserved {
    let Event::Reserved { reservation, until, .. } = event else {
        unreachable!("a wish to hold a code is settled by a hold")
    };
    Reserved { reservation: *reservation, until: *until, already: false }
}

fn generated(generate: Generate, event: &Event) -> Generated {
    let Event::Issued { codes, expires_at, .. } = event else {
        unreachable!("a demand for codes is settled by issuing them")
    };
    let (codes, expires_at) = (codes.clone(), *expires_at);
    let Generate { batch: batch_id, count: requested, gate, .. } = generate;
    Generated { batch_id, requested, codes, expires_at, gate }
}
