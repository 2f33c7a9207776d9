//! The walk that tells the journal from a torn tail and from damage.
//!
//! The journal is the longest prefix of frames that are whole, follow on one another and continue
//! the hash chain. What lies behind it and above the watermark was never acknowledged: a torn
//! tail, cut off and counted. If the prefix ends below the watermark, or passes it with another
//! hash, acknowledged records are gone, and that is damage: nothing is changed and the start is
//! refused, unless the operator has said to go on.

use sled::{Db, IVec};

use crate::frame::{self, Assembler, Flaw};
use crate::watermark::{Found, Watermark};
use crate::{Error, chain};

/// The longest good prefix, and what was wrong behind it.
pub(crate) struct Walked {
    pub(crate) next_seq: u64,
    pub(crate) frames: u64,
    pub(crate) chain: [u8; 32],
    /// The key of the last frame of the prefix.
    pub(crate) last_key: Option<IVec>,
    /// The first flaw behind the prefix, if there is anything behind it.
    pub(crate) flaw: Option<Flaw>,
    /// Why acknowledged records count as missing.
    pub(crate) damage: Option<Damage>,
}

/// The first hole in what was acknowledged.
pub(crate) struct Damage {
    missing_from: u64,
    missing_to: u64,
    what: String,
}

impl From<Damage> for Error {
    fn from(damage: Damage) -> Error {
        let Damage { missing_from, missing_to, what } = damage;
        Error::Damaged { missing_from, missing_to, what }
    }
}

/// Walks everything in the store.
///
/// # Errors
/// [`Error::Newer`] for a frame of a later format, wherever it lies; [`Error::Store`].
pub(crate) fn walk(db: &Db, found: Found) -> Result<Walked, Error> {
    let mut walked = Walked {
        next_seq: 1,
        frames: 0,
        chain: chain::START,
        last_key: None,
        flaw: None,
        damage: None,
    };
    let mark = found.mark().unwrap_or(Watermark { seq: 0, chain: chain::START });
    let mut chain_at_mark = (mark.seq == 0).then_some(chain::START);
    let mut parts = Assembler::default();
    let mut behind = db.iter();
    let mut flawed = None;
    for (frames, item) in (1..).zip(&mut behind) {
        let (key, value) = item?;
        match step(&mut parts, &walked, &key, &value) {
            Ok(Some((next_seq, chain))) => {
                walked = Walked { next_seq, chain, frames, last_key: Some(key), ..walked };
                if next_seq == mark.seq + 1 {
                    chain_at_mark = Some(chain);
                }
            }
            Ok(None) => {}
            Err(flaw) => {
                walked.flaw = Some(flaw.refuse_newer()?);
                flawed = Some(Ok((key, value)));
                break;
            }
        }
    }
    if walked.flaw.is_none() && parts.is_open() {
        walked.flaw = Some(Flaw::Parts);
    }
    // The flawed frame may be sound in itself, and only lie behind a hole.
    let next_good = next_good(flawed.into_iter().chain(behind), walked.next_seq)?;
    walked.damage = damage(&walked, &mark, chain_at_mark, next_good);
    Ok(walked)
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

/// The first record behind the hole that can still be read. Also finds later formats there.
fn next_good(
    frames: impl Iterator<Item = sled::Result<(IVec, IVec)>>,
    next_seq: u64,
) -> Result<Option<u64>, Error> {
    let mut good = None;
    for item in frames {
        let (key, value) = item?;
        match frame::decode(&key, &value) {
            Ok((header, _)) if header.first_seq > next_seq => {
                good = good.or(Some(header.first_seq));
            }
            Ok(_) => {}
            Err(flaw) => {
                flaw.refuse_newer()?;
            }
        }
    }
    Ok(good)
}

fn damage(
    walked: &Walked,
    mark: &Watermark,
    chain_at_mark: Option<[u8; 32]>,
    next_good: Option<u64>,
) -> Option<Damage> {
    if walked.next_seq <= mark.seq {
        let missing_to = next_good.map_or(mark.seq, |seq| mark.seq.min(seq - 1));
        let what = walked.flaw.map_or_else(
            || format!("the journal ends although record {} was acknowledged", mark.seq),
            |flaw| flaw.to_string(),
        );
        return Some(Damage { missing_from: walked.next_seq, missing_to, what });
    }
    (chain_at_mark != Some(mark.chain)).then(|| Damage {
        missing_from: 1,
        missing_to: mark.seq,
        what: "the hash chain is another one than was acknowledged".to_owned(),
    })
}
