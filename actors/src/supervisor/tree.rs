//! The supervision tree: one supervisor, one child for each role.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use snapshots::{Position, Reader, SnapshotWriter};
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::committer::{Committer, Fatal};
use crate::mailbox::{Envelope, Live, Probe};
use crate::role::{FoldError, Role, Runner, Start, fold};

use super::restart::Budget;

type Probing = Pin<Box<dyn Future<Output = Option<Probe>> + Send>>;
type Starting<'a> = Pin<Box<dyn Future<Output = Result<ActorId, String>> + Send + 'a>>;

/// Something the supervisor can start, again and again.
pub(crate) trait Supervised: Send + Sync {
    fn name(&self) -> &'static str;
    fn start<'a>(&'a self, supervisor: ActorCell) -> Starting<'a>;
    /// Takes the address of the dead actor away, so that callers learn at once.
    fn vacate(&self);
    /// How far the live state has come; None while there is none.
    fn probe(&self) -> Probing;
    /// Writes the state as of `end` into a snapshot, from what is on disk. Blocks.
    fn fold(
        &self,
        end: Position,
        probe: Option<Probe>,
        snapshot: &mut SnapshotWriter,
    ) -> Result<(), FoldError>;
    /// Makes the live actor end, and be rebuilt from the journal.
    fn condemn(&self);
}

/// A role, how to make it from nothing, and where its live actor is published.
pub(crate) struct Child<R: Role> {
    pub(crate) name: &'static str,
    pub(crate) live: Live<R::Message>,
    pub(crate) make: Box<dyn Fn() -> R + Send + Sync>,
    pub(crate) committer: Committer,
    pub(crate) reader: Box<dyn Reader>,
}

impl<R: Role> Supervised for Child<R> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn start<'a>(&'a self, supervisor: ActorCell) -> Starting<'a> {
        Box::pin(async move {
            let start = Start {
                name: self.name,
                role: (self.make)(),
                committer: self.committer.clone(),
                reader: self.reader.box_clone(),
            };
            let (actor, _): (ActorRef<Envelope<R::Message>>, _) =
                Actor::spawn_linked(None, Runner::<R>::new(), start, supervisor)
                    .await
                    .map_err(|error| format!("{} cannot be rebuilt: {error}", self.name))?;
            let id = actor.get_id();
            self.live.store(Some(Arc::new(actor)));
            Ok(id)
        })
    }

    fn vacate(&self) {
        self.live.store(None);
    }

    fn probe(&self) -> Probing {
        let (sender, probe) = oneshot::channel();
        let live = self.live.load();
        let asked = live.as_ref().map(|actor| actor.cast(Envelope::Probe(sender)));
        let asked = matches!(asked, Some(Ok(())));
        Box::pin(async move { if asked { probe.await.ok() } else { None } })
    }

    fn fold(
        &self,
        end: Position,
        probe: Option<Probe>,
        snapshot: &mut SnapshotWriter,
    ) -> Result<(), FoldError> {
        fold(self.name, (self.make)(), self.reader.as_ref(), end, probe, snapshot)
    }

    fn condemn(&self) {
        if let Some(actor) = self.live.load().as_ref() {
            // An actor that is gone is being rebuilt already.
            let _ = actor.cast(Envelope::Condemn);
        }
    }
}

/// Watches over the children that it is given.
pub(crate) struct Supervisor {
    clock: Clock,
    fatal: Fatal,
}

/// The running children.
pub(crate) struct Tree {
    children: Vec<Arc<dyn Supervised>>,
    running: HashMap<ActorId, usize>,
    budgets: Vec<Budget>,
}

impl Supervisor {
    /// Starts the supervisor and all children.
    ///
    /// # Errors
    /// The text of the first child's failure.
    pub(crate) async fn start(
        clock: Clock,
        fatal: Fatal,
        children: Vec<Arc<dyn Supervised>>,
    ) -> Result<ActorCell, String> {
        let (supervisor, _) = Actor::spawn(None, Self { clock, fatal }, children)
            .await
            .map_err(|error| error.to_string())?;
        Ok(supervisor.get_cell())
    }

    /// Starts a dead child again, and again when it dies on the way, until it runs or the budget is
    /// spent.
    async fn restart(&self, supervisor: ActorCell, tree: &mut Tree, index: usize, reason: String) {
        let child = Arc::clone(&tree.children[index]);
        child.vacate();
        let mut reason = reason;
        loop {
            restarts(child.name()).increment(1);
            let Some(wait) = tree.budgets[index].spend(self.clock.now()) else {
                return self.fatal.raise(format!(
                    "the {} actor panicked again and again, last with: {reason}; its state cannot \
                     be trusted, start again or report this",
                    child.name()
                ));
            };
            let actor = child.name();
            tracing::error!(actor, reason, "an actor panicked and is rebuilt from the journal");
            tokio::time::sleep(wait).await;
            let began = Instant::now();
            match child.start(supervisor.clone()).await {
                Ok(id) => {
                    tree.running.insert(id, index);
                    let millis = began.elapsed().as_millis();
                    tracing::info!(actor, millis, "an actor is back");
                    return;
                }
                Err(died_again) => reason = died_again,
            }
        }
    }
}

fn restarts(actor: &'static str) -> metrics::Counter {
    metrics::counter!("vobee_actor_restarts_total", "actor" => actor, "reason" => "panic")
}

impl Actor for Supervisor {
    type Msg = ();
    type State = Tree;
    type Arguments = Vec<Arc<dyn Supervised>>;

    async fn pre_start(
        &self,
        myself: ActorRef<()>,
        children: Self::Arguments,
    ) -> Result<Tree, ActorProcessingErr> {
        let mut starting = tokio::task::JoinSet::new();
        for (index, child) in children.iter().cloned().enumerate() {
            restarts(child.name()).increment(0);
            let supervisor = myself.get_cell();
            starting.spawn(async move { (index, child.start(supervisor).await) });
        }
        let mut running = HashMap::new();
        while let Some(joined) = starting.join_next().await {
            let (index, started) = joined?;
            running.insert(started?, index);
        }
        let budgets = children.iter().map(|_| Budget::default()).collect();
        Ok(Tree { children, running, budgets })
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<()>,
        event: SupervisionEvent,
        tree: &mut Tree,
    ) -> Result<(), ActorProcessingErr> {
        let (id, reason) = match event {
            SupervisionEvent::ActorFailed(actor, error) => (actor.get_id(), error.to_string()),
            SupervisionEvent::ActorTerminated(actor, _, reason) => {
                (actor.get_id(), reason.unwrap_or_else(|| "it stopped".to_owned()))
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {
                return Ok(());
            }
        };
        if let Some(index) = tree.running.remove(&id) {
            self.restart(myself.get_cell(), tree, index, reason).await;
        }
        Ok(())
    }
}
