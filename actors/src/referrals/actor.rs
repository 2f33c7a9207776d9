//! The referral graph as an actor: messages in, rules applied, answers when durable.

use std::io;

use snapshots::Section;

use crate::answers::UnderWay;
use crate::cell::{Cell, Domain};
use crate::committer::Committed;
use crate::error::Error;
use crate::event::{self, Stream};
use crate::fraud::Signals;
use crate::ids::{PersonId, Timestamp};
use crate::image::{ImageReader, ImageWriter};
use crate::mailbox::{Ask, Mailbox};
use crate::record::Unreadable;
use crate::{invites, quality, waitlist};

use super::command::{Earn, Earned, Share, Shared, Stats};
use super::reads::{self, Analytics, Chain, Leader, Network};
use super::review::{self, Arrival, Cursor, Review, Reviewed, Risk, Waiting};
use super::score::{self, Quality};
use super::{Event, Policy, Rejection, State, apply, decide, image};

const RESUMED_MAX: usize = 1_000;

/// What the graph is asked.
#[derive(Debug)]
pub(crate) enum Message {
    Share(Share, Vec<Section>, Ask<Shared>),
    Earn(Earn, Ask<Earned>),
    Review(Review, Ask<Reviewed>),
    /// What a verdict would do.
    Preview(Review, Ask<Reviewed>),
    Risk(PersonId, Ask<Risk>),
    Waiting(Option<Cursor>, usize, Ask<Waitings>),
    Quality(PersonId, Ask<Quality>),
    Chain(PersonId, Ask<Chain>),
    Analytics(PersonId, Ask<Analytics>),
    Top(usize, Ask<Vec<Leader>>),
    Network(Ask<Network>),
    Stats(Ask<Stats>),
    Digest(Ask<[u8; 32]>),
}

/// Asks the graph.
#[derive(Clone, Debug)]
pub(crate) struct Handle(pub(crate) Mailbox<Message>);

type Request = Option<UnderWay>;
/// A page of those who wait for a verdict, and where it goes on.
type Waitings = (Vec<Waiting>, Option<Cursor>);

impl Handle {
    pub(crate) async fn share(
        &self,
        now: Timestamp,
        request: Request,
        share: Share,
        sections: Vec<Section>,
    ) -> Result<Shared, Error> {
        self.0.ask(now, request, |ask| Message::Share(share, sections, ask)).await
    }

    pub(crate) async fn earn(
        &self,
        now: Timestamp,
        request: Request,
        earn: Earn,
    ) -> Result<Earned, Error> {
        self.0.ask(now, request, |ask| Message::Earn(earn, ask)).await
    }

    pub(crate) async fn review(
        &self,
        now: Timestamp,
        request: Request,
        review: Review,
    ) -> Result<Reviewed, Error> {
        self.0.ask(now, request, |ask| Message::Review(review, ask)).await
    }

    pub(crate) async fn preview(&self, now: Timestamp, review: Review) -> Result<Reviewed, Error> {
        self.0.ask(now, None, |ask| Message::Preview(review, ask)).await
    }

    pub(crate) async fn risk(&self, now: Timestamp, person: PersonId) -> Result<Risk, Error> {
        self.0.ask(now, None, |ask| Message::Risk(person, ask)).await
    }

    pub(crate) async fn waiting(
        &self,
        now: Timestamp,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Waitings, Error> {
        self.0.ask(now, None, |ask| Message::Waiting(after, limit, ask)).await
    }

    pub(crate) async fn quality(&self, now: Timestamp, person: PersonId) -> Result<Quality, Error> {
        self.0.ask(now, None, |ask| Message::Quality(person, ask)).await
    }

    pub(crate) async fn chain(&self, now: Timestamp, person: PersonId) -> Result<Chain, Error> {
        self.0.ask(now, None, |ask| Message::Chain(person, ask)).await
    }

    pub(crate) async fn analytics(
        &self,
        now: Timestamp,
        person: PersonId,
    ) -> Result<Analytics, Error> {
        self.0.ask(now, None, |ask| Message::Analytics(person, ask)).await
    }

    pub(crate) async fn top(&self, now: Timestamp, limit: usize) -> Result<Vec<Leader>, Error> {
        self.0.ask(now, None, |ask| Message::Top(limit, ask)).await
    }

    pub(crate) async fn network(&self, now: Timestamp) -> Result<Network, Error> {
        self.0.ask(now, None, Message::Network).await
    }

    pub(crate) async fn stats(&self, now: Timestamp) -> Result<Stats, Error> {
        self.0.ask(now, None, Message::Stats).await
    }

    pub(crate) async fn digest(&self, now: Timestamp) -> Result<[u8; 32], Error> {
        self.0.ask(now, None, Message::Digest).await
    }
}

/// The domain of the graph.
pub(crate) struct Referrals;

impl Domain for Referrals {
    const IMAGE_VERSION: u16 = 5;
    const STREAM: Stream = Stream::Referrals;
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
            1..=5 => image::restore(version, input),
            _ => Err(Unreadable::new(format!("referrals image version {version}"))),
        }
    }

    fn follows(event: &event::Event) -> bool {
        matches!(
            event,
            event::Event::Waitlist(waitlist::Event::Joined { .. } | waitlist::Event::Left { .. })
                | event::Event::Invites(
                    invites::Event::Redeemed { .. }
                        | invites::Event::Withdrawn { .. }
                        | invites::Event::Restored { withdrawn_from: Some(_), .. }
                )
                | event::Event::Quality(
                    quality::Event::Observed { .. }
                        | quality::Event::GateMoved { .. }
                        | quality::Event::Sampled { .. }
                )
        )
    }

    fn react(cell: &mut Cell<Self>, causes: &[&Committed]) {
        for cause in causes {
            let id = decide::id_caused_by(cause.seq, cause.at);
            let (state, policy) = (&cell.state, &cell.policy);
            let caused = match &cause.event {
                Some(event::Event::Waitlist(waitlist::Event::Joined {
                    person,
                    referrer,
                    marks,
                    signals,
                    ..
                })) => {
                    let arrival = Arrival { person: *person, marks: *marks, signals: *signals };
                    decide::on_joined(state, policy, &arrival, *referrer, id)
                }
                Some(event::Event::Waitlist(waitlist::Event::Left { person, was })) => {
                    decide::on_left(state, *person, *was)
                }
                Some(event::Event::Invites(invites::Event::Redeemed {
                    person,
                    holder,
                    marks,
                    ..
                })) => {
                    let (person, marks, signals) = (*person, *marks, Signals::NONE);
                    let arrival = Arrival { person, marks, signals };
                    let now = cell.time(cause.at);
                    Some(decide::on_redeemed(state, policy, &arrival, *holder, id, now))
                }
                Some(event::Event::Invites(invites::Event::Withdrawn { people, .. })) => {
                    Some(decide::on_withdrawn(people))
                }
                Some(event::Event::Invites(invites::Event::Restored {
                    withdrawn_from, ..
                })) => withdrawn_from.map(decide::on_restored),
                Some(event::Event::Quality(quality::Event::GateMoved { gate, .. })) => {
                    decide::on_gate_moved(state, gate.colour)
                }
                Some(event::Event::Quality(quality::Event::Observed { seen })) => {
                    decide::on_observed(state, policy, seen, cell.time(cause.at))
                }
                _ => None,
            };
            if let Some(event) = caused {
                cell.record(event, cause.at, Some(cause.seq));
            }
        }
        if let Some(newest) = causes.last() {
            resume(cell, newest.at);
        }
    }

    fn handle(cell: &mut Cell<Self>, message: Message) {
        match message {
            Message::Share(share, sections, ask) => {
                let decided = decide::share(&cell.state, &cell.policy, &share);
                cell.settle(ask, decided, sections, |_, _, _| Shared {
                    referral: share.id,
                    already: false,
                });
            }
            Message::Earn(earn, ask) => {
                let now = ask.now;
                if let Some(event) = decide::on_red_claim(&cell.state, earn.gate) {
                    cell.record(event, now, None);
                }
                let decided = decide::earn(&cell.state, &cell.policy, &earn, cell.time(ask.now));
                cell.settle(ask, decided, Vec::new(), |cell, event, at| {
                    decide::earned(&cell.state, &cell.policy, &earn, granted(event), at)
                });
                // The gate may have opened while the claim was on its way.
                resume(cell, now);
            }
            Message::Review(verdict, ask) => judge(cell, verdict, ask),
            Message::Preview(verdict, ask) => {
                let reviewed =
                    review::preview(&cell.state, &cell.policy, &verdict, cell.time(ask.now));
                cell.answer(ask, reviewed);
            }
            Message::Risk(person, ask) => {
                let risk = review::risk(&cell.state, &cell.policy, person);
                cell.answer(ask, Ok(risk));
            }
            Message::Waiting(after, limit, ask) => {
                let page = review::waiting(&cell.state, &cell.policy, after, limit);
                cell.answer(ask, Ok(page));
            }
            Message::Quality(person, ask) => {
                let now = cell.time(ask.now);
                let quality = score::quality(&cell.state, &cell.policy, person, now);
                cell.answer(ask, Ok(quality));
            }
            Message::Chain(person, ask) => {
                let chain = reads::chain(&cell.state, person);
                cell.answer(ask, Ok(chain));
            }
            Message::Analytics(person, ask) => {
                let now = cell.time(ask.now);
                let analytics = reads::analytics(&cell.state, &cell.policy, person, now);
                cell.answer(ask, Ok(analytics));
            }
            Message::Top(limit, ask) => {
                let now = cell.time(ask.now);
                let top = reads::top(&cell.state, &cell.policy, limit, now);
                cell.answer(ask, Ok(top));
            }
            Message::Network(ask) => {
                let network = reads::network(&cell.state);
                cell.answer(ask, Ok(network));
            }
            Message::Digest(ask) => {
                let digest = cell.state.digest();
                cell.answer(ask, Ok(digest));
            }
            Message::Stats(ask) => {
                let stats = cell.state.stats();
                cell.answer(ask, Ok(stats));
            }
        }
    }
}

/// Takes a verdict, with all that follows from it.
fn judge(cell: &mut Cell<Referrals>, verdict: Review, ask: Ask<Reviewed>) {
    let decided = review::review(&cell.state, &cell.policy, &verdict, cell.time(ask.now));
    let withheld = cell.state.suspects.is_withheld(verdict.person);
    cell.settle(ask, decided, Vec::new(), |cell, event, _| {
        review::reviewed(&cell.state, &verdict, event, withheld)
    });
}

/// Gives what a red gate has held, once it is open, to so many people that nobody waits long. The
/// next ones come with the next event that is followed.
fn resume(cell: &mut Cell<Referrals>, now: Timestamp) {
    for _ in 0..RESUMED_MAX {
        let next = decide::resume(&cell.state, &cell.policy, cell.time(now));
        let Some(event) = next else { return };
        cell.record(event, now, None);
    }
}

fn granted(event: &Event) -> Vec<super::Reward> {
    match event {
        Event::Rewarded { rewards, .. } => rewards.clone(),
        Event::Referred { .. }
        | Event::Progressed { .. }
        | Event::Reviewed { .. }
        | Event::Held { .. }
        | Event::GateSeen { .. }
        | Event::Reclaimed { .. } => Vec::new(),
    }
}
