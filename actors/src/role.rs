//! One actor and its life: rebuilt from the journal, then fed with messages and durable batches.
//!
//! A cold start and a restart after a panic are the same path: a fresh state, every record of the
//! journal, then the mailbox. The actor catches up while others go on writing, and asks the
//! committer to be followed only when it is close behind, so that what waits for it stays small.

use std::marker::PhantomData;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use snapshots::{Reader, Section, SectionView};

use crate::committer::{Committed, Committer, Delivery, Follower};
use crate::ids::Seq;
use crate::mailbox::Envelope;
use crate::record::Unreadable;

/// Records that may be missing when an actor asks to follow the committer.
const CLOSE_BEHIND: u64 = 20_000;

/// What an actor does; [`Runner`] gives it a mailbox.
pub(crate) trait Role: Sized + Send + 'static {
    type Message: Send + 'static;

    /// Folds one record of the journal into the state.
    fn replay(&mut self, seq: Seq, body: &[u8], sections: &[Section]) -> Result<(), Unreadable>;
    /// Called once, after the newest record and before the first message.
    fn on_replayed(&mut self) {}
    /// Whether a durable record matters to it.
    fn wants(record: &Committed) -> bool;
    /// Follows a durable batch in which something matters.
    fn on_delivery(&mut self, delivery: &Delivery);
    /// Answers one message.
    fn handle(&mut self, message: Self::Message);
}

/// What a role's actor starts from.
pub(crate) struct Start<R> {
    pub(crate) role: R,
    pub(crate) committer: Committer,
    pub(crate) reader: Box<dyn Reader>,
}

/// Why a role could not be rebuilt.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error(transparent)]
    Journal(#[from] snapshots::Error),
    #[error("the committer has stopped")]
    Stopped,
    #[error("replay panicked")]
    Panicked,
}

/// Runs a role as a ractor actor.
pub(crate) struct Runner<R>(PhantomData<fn() -> R>);

impl<R> Runner<R> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<R: Role> Actor for Runner<R> {
    type Msg = Envelope<R::Message>;
    type State = R;
    type Arguments = Start<R>;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        start: Start<R>,
    ) -> Result<R, ActorProcessingErr> {
        let Start { mut role, committer, reader } = start;
        let mut from = 1;
        loop {
            let durable = committer.durable();
            (role, from) = catch_up(role, reader.box_clone(), from, durable + 1).await?;
            if committer.durable() - durable < CLOSE_BEHIND {
                break;
            }
        }
        let deliver = move |delivery| myself.cast(Envelope::Delivery(delivery)).is_ok();
        let follower = Follower { wants: R::wants, deliver: Box::new(deliver) };
        let newest = committer.follow(follower).await.ok_or(ReplayError::Stopped)?;
        (role, _) = catch_up(role, reader, from, newest + 1).await?;
        role.on_replayed();
        Ok(role)
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        envelope: Self::Msg,
        role: &mut R,
    ) -> Result<(), ActorProcessingErr> {
        match envelope {
            Envelope::Message(message) => role.handle(message),
            Envelope::Delivery(delivery) => role.on_delivery(&delivery),
        }
        Ok(())
    }
}

/// Folds the records from `from` up to but not including `to` into `role`, on a thread that may
/// block.
async fn catch_up<R: Role>(
    mut role: R,
    reader: Box<dyn Reader>,
    from: Seq,
    to: Seq,
) -> Result<(R, Seq), ReplayError> {
    let folding = tokio::task::spawn_blocking(move || {
        let mut unreadable = None;
        let mut sections = Vec::new();
        reader.scan(from, to, &mut |record| {
            if unreadable.is_some() {
                return;
            }
            sections.clear();
            sections.extend(record.sections().filter_map(kept));
            unreadable = role.replay(record.seq, record.body, &sections).err();
        })?;
        match unreadable {
            Some(error) => Err(error.into()),
            None => Ok((role, to)),
        }
    });
    folding.await.map_err(|_| ReplayError::Panicked)?
}

fn kept(view: SectionView<'_>) -> Option<Section> {
    match view {
        SectionView::Kept { owner, salt, text } => Some(Section { owner, salt, text: text.into() }),
        SectionView::Erased { .. } => None,
    }
}
