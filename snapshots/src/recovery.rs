//! The walk that tells the journal from a torn tail and from damage.
//!
//! The journal is the longest prefix of frames that are whole, follow on one another and continue
//! the hash chain. What lies behind it and above the watermark was never acknowledged: a torn
//! tail, cut off and counted. If the prefix ends below the watermark, or passes it with another
//! hash, acknowledged records are gone, and that is damage: nothing is changed and the start is
//! refused, unless the operator has said to go on.
//!
//! The walk begins behind the newest good snapshot and goes through the epochs after it in order.

use sled::IVec;

use crate::frame::{self, Assembler, Flaw};
use crate::snapshot::Position;
use crate::store::Frame;
use crate::watermark::{Found, Watermark};
use crate::{Error, chain};

/// Where the walk begins: behind a snapshot, or at the very beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Base {
    /// The first record that the walk expects.
    pub(crate) next_seq: u64,
    /// The link before it.
    pub(crate) chain: [u8; 32],
}

impl Base {
    pub(crate) const BEGINNING: Base = Base { next_seq: 1, chain: chain::START };
}

impl From<Position> for Base {
    fn from(Position { seq, chain, .. }: Position) -> Base {
        Base { next_seq: seq + 1, chain }
    }
}

/// The longest good prefix, and what was wrong behind it.
pub(crate) struct Walked {
    pub(crate) next_seq: u64,
    pub(crate) frames: u64,
    pub(crate) chain: [u8; 32],
    /// Where each epoch begins and ends, in the order in which they were walked.
    pub(crate) epochs: Vec<Extent>,
    /// The first flaw behind the prefix, if there is anything behind it.
    pub(crate) flaw: Option<Flaw>,
    /// Why acknowledged records count as missing.
    pub(crate) damage: Option<Damage>,
}

/// The good part of one epoch.
pub(crate) struct Extent {
    pub(crate) first_seq: u64,
    pub(crate) next_seq: u64,
    pub(crate) chain: [u8; 32],
    /// The key of its last good frame.
    pub(crate) last_key: Option<IVec>,
    /// Whether something lies behind that frame.
    pub(crate) torn: bool,
}

/// The first hole in what was acknowledged, and the last record that is known to have been.
pub(crate) struct Damage {
    missing_from: u64,
    missing_to: u64,
    what: String,
    pub(crate) newest: u64,
}

impl From<Damage> for Error {
    fn from(damage: Damage) -> Error {
        let Damage { missing_from, missing_to, what, .. } = damage;
        Error::Damaged { missing_from, missing_to, what }
    }
}

/// The walk, epoch after epoch.
pub(crate) struct Walk {
    walked: Walked,
    mark: Watermark,
    /// The link at the watermark; `None` as long as the walk has not come there.
    chain_at_mark: Option<[u8; 32]>,
    /// The first and the last record behind the first flaw that can still be read.
    good_behind: Option<(u64, u64)>,
    /// Something good lies in a later epoch than the flaw. An epoch begins when all before it is
    /// durable, so what is missing was. (A hole just before the later epoch looks like one in it;
    /// there the watermark tells, which is synced when an epoch ends.)
    later_epoch: bool,
}

impl Walk {
    pub(crate) fn new(base: Base, found: Found) -> Walk {
        let mark = found.mark().unwrap_or(Watermark { seq: 0, chain: chain::START });
        // A snapshot beyond the watermark was made of durable records: nothing to compare with.
        let chain_at_mark = match (mark.seq + 1).cmp(&base.next_seq) {
            std::cmp::Ordering::Less => Some(mark.chain),
            std::cmp::Ordering::Equal => Some(base.chain),
            std::cmp::Ordering::Greater => None,
        };
        let Base { next_seq, chain } = base;
        let walked =
            Walked { next_seq, frames: 0, chain, epochs: Vec::new(), flaw: None, damage: None };
        Walk { walked, mark, chain_at_mark, good_behind: None, later_epoch: false }
    }

    /// Walks the frames of the next epoch.
    ///
    /// # Errors
    /// [`Error::Newer`] for a frame of a later format, wherever it lies; [`Error::Store`].
    pub(crate) fn epoch(&mut self, frames: impl Iterator<Item = Frame>) -> Result<(), Error> {
        let mut frames = frames;
        let mut extent = Extent {
            first_seq: self.walked.next_seq,
            next_seq: self.walked.next_seq,
            chain: self.walked.chain,
            last_key: None,
            torn: false,
        };
        let mut flawed = None;
        if self.walked.flaw.is_none() {
            flawed = self.good_frames(&mut frames, &mut extent)?;
        } else {
            let before = self.good_behind;
            self.behind(frames.by_ref())?;
            self.later_epoch |= self.good_behind != before;
            extent.torn = true;
        }
        // The flawed frame may be sound in itself, and only lie behind a hole.
        self.behind(flawed.into_iter().map(Ok).chain(frames))?;
        self.walked.epochs.push(extent);
        Ok(())
    }

    /// As far as the frames are good; the first that is not.
    fn good_frames(
        &mut self,
        frames: &mut impl Iterator<Item = Frame>,
        extent: &mut Extent,
    ) -> Result<Option<(IVec, IVec)>, Error> {
        let mut parts = Assembler::default();
        let mut unfinished = 0;
        for item in frames {
            let (key, value) = item?;
            match step(&mut parts, &self.walked, &key, &value) {
                Ok(Some((next_seq, chain))) => {
                    self.walked.frames += unfinished + 1;
                    unfinished = 0;
                    (self.walked.next_seq, self.walked.chain) = (next_seq, chain);
                    *extent = Extent { next_seq, chain, last_key: Some(key), ..*extent };
                    if next_seq == self.mark.seq + 1 {
                        self.chain_at_mark = Some(chain);
                    }
                }
                Ok(None) => unfinished += 1,
                Err(flaw) => {
                    self.walked.flaw = Some(flaw.refuse_newer()?);
                    extent.torn = true;
                    return Ok(Some((key, value)));
                }
            }
        }
        if parts.is_open() {
            self.walked.flaw = Some(Flaw::Parts);
            extent.torn = true;
        }
        Ok(None)
    }

    /// Looks for records behind the hole that can still be read. Also finds later formats there.
    fn behind(&mut self, frames: impl Iterator<Item = Frame>) -> Result<(), Error> {
        for item in frames {
            let (key, value) = item?;
            match frame::decode(&key, &value) {
                Ok((header, _)) if header.first_seq > self.walked.next_seq => {
                    let last = header.first_seq + u64::from(header.count) - 1;
                    let first = self.good_behind.map_or(header.first_seq, |(first, _)| first);
                    self.good_behind = Some((first, last));
                }
                Ok(_) => {}
                Err(flaw) => {
                    flaw.refuse_newer()?;
                }
            }
        }
        Ok(())
    }

    /// What the walk has found.
    pub(crate) fn end(mut self) -> Walked {
        self.walked.damage = self.damage();
        self.walked
    }

    fn damage(&self) -> Option<Damage> {
        let Walk { walked, mark, good_behind, .. } = self;
        let newest = good_behind.map_or(0, |(_, last)| last).max(mark.seq);
        if walked.next_seq <= mark.seq || self.later_epoch {
            let acknowledged = if self.later_epoch { newest } else { mark.seq };
            let missing_to = good_behind.map_or(acknowledged, |(seq, _)| acknowledged.min(seq - 1));
            let what = walked.flaw.map_or_else(
                || format!("the journal ends although record {} was acknowledged", mark.seq),
                |flaw| flaw.to_string(),
            );
            return Some(Damage { missing_from: walked.next_seq, missing_to, what, newest });
        }
        (self.chain_at_mark != Some(mark.chain)).then(|| Damage {
            missing_from: 1,
            missing_to: mark.seq,
            what: "the hash chain is another one than was acknowledged".to_owned(),
            newest,
        })
    }
}

/// Where the journal is after this frame, or `None` in the middle of a large record.
fn step(
    parts: &mut Assembler,
    walked: &Walked,
    key: &[u8],
    value: &[u8],
) -> Result<Option<(u64, [u8; 32])>, Flaw> {
    let first_seq = frame::parse_key(key).ok_or(Flaw::Key)?.0;
    let Some(whole) = parts.push(key, value)? else {
        return if first_seq == walked.next_seq { Ok(None) } else { Err(Flaw::Order) };
    };
    if first_seq != walked.next_seq {
        return Err(Flaw::Order);
    }
    let count = whole.header.count;
    let chain = chain::next(&walked.chain, first_seq, count, whole.payload).ok_or(Flaw::Records)?;
    if chain != whole.header.chain {
        return Err(Flaw::Chain);
    }
    Ok(Some((first_seq + u64::from(count), chain)))
}
