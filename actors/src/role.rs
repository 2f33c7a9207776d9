//! One actor and its life: rebuilt from snapshot and journal, then fed with messages and durable
//! batches.
//!
//! A cold start and a restart after a panic are the same path: the image in the newest snapshot,
//! every record of the journal behind it, then the mailbox. A snapshot is made on that path too:
//! restored, caught up, written down. The actor catches up while others go on writing, and asks the
//! committer to be followed only when it is close behind, so that what waits for it stays small.

use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use snapshots::{Position, Reader, Section, SectionView, Snapshot, SnapshotWriter};

use crate::committer::{Committed, Committer, Delivery, Follower};
use crate::ids::Seq;
use crate::image::{ImageReader, ImageWriter};
use crate::mailbox::{Envelope, Probe};
use crate::record::Unreadable;

/// Records that may be missing when an actor asks to follow the committer.
const CLOSE_BEHIND: u64 = 20_000;

/// What an actor does; [`Runner`] gives it a mailbox.
pub(crate) trait Role: Sized + Send + 'static {
    type Message: Send + 'static;
    /// Under which version an image of it is written.
    const IMAGE_VERSION: u16;

    /// The newest record that the state rests on.
    fn at(&self) -> Seq;
    /// A hash of the state, the same for equal states at the same turn, which chooses what is
    /// looked at; None where replay need not equal live.
    fn fingerprint(&self, turn: Seq) -> Option<u64>;
    /// Writes the state as it is.
    fn save(&self, out: &mut ImageWriter<'_>) -> io::Result<()>;
    /// Takes over what `save` of that version wrote. The state is fresh before.
    fn restore(&mut self, version: u16, input: &mut ImageReader<'_>) -> Result<(), Unreadable>;
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
    /// Names the role's part in a snapshot.
    pub(crate) name: &'static str,
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
        let Start { name, role, committer, reader } = start;
        let (mut role, mut from) = begin(name, role, reader.base()).await?;
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
            Envelope::Probe(reply) => {
                let probe = Probe { seq: role.at(), fingerprint: role.fingerprint(role.at()) };
                // Whoever asked has given up.
                let _ = reply.send(probe);
            }
            Envelope::Condemn => panic!("its state is another one than the journal has"),
        }
        Ok(())
    }
}

/// The role as the snapshot has it, and the first record behind that. On a thread that may block.
async fn begin<R: Role>(
    name: &'static str,
    role: R,
    base: Option<Arc<Snapshot>>,
) -> Result<(R, Seq), ReplayError> {
    let restoring = tokio::task::spawn_blocking(move || {
        let mut role = role;
        let next = restore(name, &mut role, base.as_deref())?;
        Ok((role, next))
    });
    restoring.await.map_err(|_| ReplayError::Panicked)?
}

/// Takes over the role's image; the first record behind it.
pub(crate) fn restore<R: Role>(
    name: &str,
    role: &mut R,
    base: Option<&Snapshot>,
) -> Result<Seq, ReplayError> {
    let Some(base) = base else { return Ok(1) };
    let absent = || Unreadable::new(format!("a snapshot without a part named {name}"));
    let (version, mut part) = base.part(name).ok_or_else(absent)?;
    role.restore(version, &mut ImageReader(&mut part))?;
    Ok(base.position().seq + 1)
}

/// Why a role's image was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FoldError {
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error("cannot write the image: {0}")]
    Write(#[from] io::Error),
    #[error("at record {0} the live state is another one than the journal has")]
    Differs(Seq),
}

impl From<snapshots::Error> for FoldError {
    fn from(error: snapshots::Error) -> Self {
        Self::Replay(error.into())
    }
}

/// Writes the role's image as of `end` into a snapshot: restored from the one before, caught up
/// and compared with the live state at `probe`. `role` is fresh. Blocks.
pub(crate) fn fold<R: Role>(
    name: &str,
    role: R,
    reader: &dyn Reader,
    end: Position,
    probe: Option<Probe>,
    snapshot: &mut SnapshotWriter,
) -> Result<(), FoldError> {
    let mut role = role;
    let base = reader.base();
    let from = restore(name, &mut role, base.as_deref())?;
    let expected = probe.and_then(|probe| probe.fingerprint.map(|hash| (probe.seq, hash)));
    let differs = |role: &R, at: Seq| match expected {
        Some((seq, hash)) => seq == at && role.fingerprint(seq) != Some(hash),
        None => false,
    };
    let mut differing = differs(&role, role.at());
    let mut sections = Vec::new();
    let mut unreadable = None;
    reader.scan(from, end.seq + 1, &mut |record| {
        if unreadable.is_some() || differing {
            return;
        }
        sections.clear();
        sections.extend(record.sections().filter_map(kept));
        unreadable = role.replay(record.seq, record.body, &sections).err();
        differing = differs(&role, record.seq);
    })?;
    if let Some(unreadable) = unreadable {
        return Err(ReplayError::from(unreadable).into());
    }
    if let Some((seq, _)) = expected.filter(|_| differing) {
        return Err(FoldError::Differs(seq));
    }
    let mut part = snapshot.part(name, R::IMAGE_VERSION)?;
    role.save(&mut ImageWriter(&mut part))?;
    part.close()?;
    Ok(())
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
        let next = replay(&mut role, reader.as_ref(), from, to)?;
        Ok((role, next))
    });
    folding.await.map_err(|_| ReplayError::Panicked)?
}

/// Folds the records from `from` up to but not including `to` into `role`; the first that it has
/// not come to. That is behind `to` when a snapshot is newer than what was announced. Blocks.
pub(crate) fn replay<R: Role>(
    role: &mut R,
    reader: &dyn Reader,
    from: Seq,
    to: Seq,
) -> Result<Seq, ReplayError> {
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
    unreadable.map_or(Ok(from.max(to)), |error| Err(error.into()))
}

/// A section with its text, unless that was erased.
pub(crate) fn kept(view: SectionView<'_>) -> Option<Section> {
    match view {
        SectionView::Kept { owner, salt, text } => Some(Section { owner, salt, text: text.into() }),
        SectionView::Erased { .. } => None,
    }
}
