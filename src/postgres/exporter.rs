//! The export as an actor: one step after the other, each of which the process may end at.

use std::time::Duration;

use actors::export::{self, Feed, Place, Read};
use actors::{Engine, Uuid};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::time::Instant;

use super::address::Address;
use super::backoff::Backoff;
use super::batch::Batch;
use super::error::Error;
use super::load::load_from;
use super::portion::Portion;
use super::session::Session;
use super::status::Status;

/// So many events behind, there is no pause between one transaction and the next.
const FAR: usize = 4_096;
/// With nothing to do it looks again after this; what gathers meanwhile goes in one transaction.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// With nothing to write, PostgreSQL is asked for something after this.
const TOUCH_EVERY: Duration = Duration::from_secs(10);
/// After a panic of the exporter.
const START_AGAIN: Duration = Duration::from_secs(5);

/// What an export is started with.
#[derive(Clone)]
pub(crate) struct Export {
    pub(crate) address: Address,
    /// What every code starts with.
    pub(crate) code_prefix: String,
    /// Bytes of closed epochs that may stay for it.
    pub(crate) lag_bytes_max: u64,
}

/// Starts the export, and starts it again when it has panicked. It ends with the future.
pub(crate) fn watch(engine: Engine, export: Export) -> (Status, impl Future<Output = ()> + Send) {
    let seconds = engine.now().micros() as f64 / 1e6;
    let status = Status::new(seconds);
    let told = status.clone();
    let watching = async move {
        loop {
            let arguments = (engine.clone(), export.clone(), told.clone());
            match Actor::spawn(None, Exporter, arguments).await {
                Ok((actor, ended)) => {
                    let _stop = KillOnDrop(actor);
                    // How it ended stands in the log already.
                    let _ = ended.await;
                }
                Err(error) => tracing::error!(%error, "cannot start the export to PostgreSQL"),
            }
            told.failing("the exporter has panicked", 0);
            tokio::time::sleep(START_AGAIN).await;
        }
    };
    (status, watching)
}

struct KillOnDrop(ActorRef<Step>);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// The only message: do what is next.
struct Step;

struct Exporter;

impl Actor for Exporter {
    type Msg = Step;
    type State = State;
    type Arguments = (Engine, Export, Status);

    async fn pre_start(
        &self,
        myself: ActorRef<Step>,
        (engine, export, status): Self::Arguments,
    ) -> Result<State, ActorProcessingErr> {
        myself.cast(Step)?;
        let (feed, node) = (engine.feed(), engine.identity().node());
        let now = Instant::now();
        Ok(State {
            engine,
            feed,
            node,
            export,
            status,
            session: None,
            reached: None,
            portion: Portion::default(),
            backoff: Backoff::default(),
            touch_at: now,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Step>,
        _: Step,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let pause = state.step().await;
        myself.send_after(pause, || Step);
        Ok(())
    }
}

struct State {
    engine: Engine,
    feed: Feed,
    node: Uuid,
    export: Export,
    status: Status,
    session: Option<Session>,
    /// The newest record in the tables, by what was read from them or committed to them.
    reached: Option<u64>,
    portion: Portion,
    backoff: Backoff,
    touch_at: Instant,
}

impl State {
    /// Does what is next; how long to pause then.
    async fn step(&mut self) -> Duration {
        match self.advance().await {
            Ok(pause) => {
                self.backoff.reset();
                if self.lag() == 0 {
                    self.portion.reset();
                }
                self.status.following(self.lag());
                pause
            }
            Err(error) => {
                if error.is_missing() {
                    // The next connection makes it again, and everything in it.
                    self.reached = None;
                }
                self.session = None;
                self.status.failing(&error.to_string(), self.lag());
                self.backoff.next(rand::random())
            }
        }
    }

    fn lag(&self) -> u64 {
        self.feed.durable().saturating_sub(self.reached.unwrap_or(0))
    }

    async fn advance(&mut self) -> Result<Duration, Error> {
        if self.session.is_none() {
            self.connect().await?;
        }
        let Some(reached) = self.reached else { return self.load().await };
        self.keep(reached);
        let halvings = self.portion.halvings();
        let read = self.of_journal(move |feed| feed.read(reached + 1, halvings)).await?;
        match read {
            Ok(Read { changes, end }) if end.seq > reached => {
                self.write(Batch::of(changes), reached, end).await
            }
            Ok(_) => self.idle(reached).await,
            Err(export::Error::NotKept(from)) => {
                tell_not_kept(from);
                self.load().await
            }
            Err(error @ export::Error::Failed(_)) => Err(error.into()),
        }
    }

    /// Begins a session, and finds out how far the tables have come with what this node has.
    async fn connect(&mut self) -> Result<(), Error> {
        let Export { address, code_prefix, .. } = &self.export;
        let mut session = Session::open(address, code_prefix).await?;
        self.reached = None;
        if let Some(place) = session.prepare(self.node, false).await?.place {
            match self.of_journal(move |feed| feed.knows(place)).await?? {
                Some(true) => self.reached = Some(place.seq),
                // Whoever restored the data directory has taken back what was exported.
                Some(false) => {
                    tracing::warn!(
                        seq = place.seq,
                        "PostgreSQL holds events that this journal does not have"
                    );
                    session.prepare(self.node, true).await?;
                }
                None => tell_not_kept(place.seq),
            }
        }
        self.session = Some(session);
        Ok(())
    }

    /// Asks the journal, which blocks.
    async fn of_journal<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Feed) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let feed = self.feed.clone();
        let asking = tokio::task::spawn_blocking(move || question(&feed));
        asking.await.map_err(|error| Error::Journal(error.to_string()))
    }

    async fn write(&mut self, batch: Batch, before: u64, end: Place) -> Result<Duration, Error> {
        let mut batch = batch;
        let people = batch.unplaced();
        // A place that is not known now is known when the row changes next.
        if let Ok(places) = self.engine.places(&people).await {
            batch.place(&people, &places);
        }
        let session = self.session.as_mut().expect("a step begins with a session");
        match session.write(&batch, before, end).await {
            Ok(rows) => {
                self.answered();
                self.status.wrote(rows);
            }
            Err(error) => {
                self.status.lost(batch.len());
                self.portion.after(&error);
                return Err(error);
            }
        }
        self.reached = Some(end.seq);
        self.keep(end.seq);
        self.idle(end.seq).await?;
        let caught_up = self.lag() == 0;
        Ok(if caught_up { LOOK_EVERY } else { LOOK_EVERY.min(self.pace()) })
    }

    /// Far behind there is no reason to pause; close behind, more gathers for one transaction.
    /// Small portions begin closer, or they would stay small: there would always be a rest.
    fn pace(&self) -> Duration {
        if self.lag() > self.portion.of(FAR) as u64 { Duration::ZERO } else { LOOK_EVERY }
    }

    /// Now and then codes are told that their time is over, and it is noticed when somebody has
    /// emptied the tables.
    async fn idle(&mut self, reached: u64) -> Result<Duration, Error> {
        if Instant::now() >= self.touch_at {
            let session = self.session.as_mut().expect("a step begins with a session");
            session.look_after(reached).await?;
            self.answered();
            self.touch_at = Instant::now() + TOUCH_EVERY;
        }
        Ok(LOOK_EVERY)
    }

    /// Everything anew, from the newest snapshot or, before the first, from nothing.
    async fn load(&mut self) -> Result<Duration, Error> {
        self.status.loading(self.lag());
        let feed = self.feed.clone();
        self.keep(feed.snapshot_seq());
        let session = self.session.as_mut().expect("a step begins with a session");
        let loading = load_from(session, self.portion, move |visit| match feed.whole() {
            Some(whole) => whole.visit(visit).map(|()| whole.place()),
            None => Ok(Place { seq: 0, chain: None }),
        });
        let loaded = loading.await.inspect_err(|error| self.portion.after(error));
        let (Place { seq, .. }, rows) = loaded?;
        self.portion.reset();
        self.answered();
        self.status.wrote(rows);
        self.reached = Some(seq);
        self.keep(seq);
        Ok(Duration::ZERO)
    }

    /// PostgreSQL has done what it was asked for.
    fn answered(&self) {
        self.status.answered(self.engine.now().micros() as f64 / 1e6);
    }

    /// What comes behind `reached` is still needed.
    fn keep(&self, reached: u64) {
        self.feed.need(Some(reached + 1), self.export.lag_bytes_max);
    }
}

fn tell_not_kept(from: u64) {
    tracing::warn!(from, "events that PostgreSQL has not got are not kept any more");
}
