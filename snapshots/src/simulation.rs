//! A disk that fails, tears and forgets on purpose, the same way for the same seed.
//!
//! It keeps what a power cut keeps: what was synced, for certain; of everything else any part. At a
//! crash every write that was not synced is there, cut short or gone, each by itself, and each slot
//! of the watermark has its old content, its new one, or none. Opening an epoch is durable when it
//! returns. The journal over it is the one of every release; only its lock, snapshots and archive
//! lie in a directory of the file system.

use std::collections::BTreeMap;
use std::ops::{Bound, RangeInclusive};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sled::IVec;

use crate::disk::Disk;
use crate::frame;
use crate::store::{Frame, Store};
use crate::watermark::{Found, SLOT_BYTES, SLOTS, Slots, WatermarkFile};
use crate::{Error, Options, Recovered, SledJournal};

/// SplitMix64 (Steele, Lea and Flood 2014): one number in, the same numbers out, everywhere.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// A generator of its own for every seed.
    #[must_use]
    pub const fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// Which operation fails next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A frame is refused.
    Insert,
    /// A commit fails. What it was to make durable is so in part.
    Commit,
    /// A write of the watermark fails, behind a commit that has not.
    Mark,
    /// An epoch cannot be opened.
    Open,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 4] = [Fault::Insert, Fault::Commit, Fault::Mark, Fault::Open];
}

/// A durable write that was undone behind the journal's back.
#[derive(Debug, Clone)]
pub struct Spoiled {
    epoch: u64,
    key: Vec<u8>,
    frame: Vec<u8>,
    /// The first record in it.
    pub first_seq: u64,
}

/// The disk. A clone is the same disk.
#[derive(Clone)]
pub struct SimulatedDisk(Arc<Mutex<Platter>>);

struct Platter {
    rng: Rng,
    fault: Option<Fault>,
    /// Operations that have failed.
    failures: u64,
    epochs: BTreeMap<u64, Frames>,
    slots: Option<[Slot; SLOTS as usize]>,
}

/// The frames of one epoch as the process sees them.
#[derive(Default)]
struct Frames {
    seen: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What is durable under the keys that were written to since the last sync; `None` for nothing.
    durable: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

#[derive(Clone, Copy)]
struct Slot {
    seen: [u8; SLOT_BYTES],
    durable: [u8; SLOT_BYTES],
}

impl Frames {
    fn put(&mut self, key: &[u8], frame: Option<&[u8]>) {
        let before = match frame {
            Some(frame) => self.seen.insert(key.to_vec(), frame.to_vec()),
            None => self.seen.remove(key),
        };
        self.durable.entry(key.to_vec()).or_insert(before);
    }

    /// Power is gone: every write since the last sync is there, cut short or gone.
    fn crash(&mut self, rng: &mut Rng) {
        for (key, durable) in std::mem::take(&mut self.durable) {
            match rng.below(3) {
                0 => {}
                1 if self.seen.contains_key(&key) => {
                    let frame = self.seen.entry(key).or_default();
                    let length = rng.below(frame.len() as u64 + 1);
                    frame.truncate(usize::try_from(length).unwrap_or(0));
                }
                _ => match durable {
                    Some(frame) => drop(self.seen.insert(key, frame)),
                    None => drop(self.seen.remove(&key)),
                },
            }
        }
    }

    /// A sync that fails half way: some writes are durable, and nobody knows which.
    fn sync_in_part(&mut self, rng: &mut Rng) {
        self.durable.retain(|_, _| !rng.once_in(2));
    }
}

impl SimulatedDisk {
    /// An empty disk whose every whim follows from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> SimulatedDisk {
        let platter = Platter {
            rng: Rng::new(seed),
            fault: None,
            failures: 0,
            epochs: BTreeMap::new(),
            slots: None,
        };
        SimulatedDisk(Arc::new(Mutex::new(platter)))
    }

    /// Opens the journal on this disk. Lock, snapshots and archive lie in the options' directory.
    ///
    /// # Errors
    /// As [`SledJournal::open`].
    pub fn open(&self, options: Options) -> Result<(SledJournal, Recovered), Error> {
        SledJournal::open_on(Arc::new(self.clone()), options)
    }

    /// Makes the next operation of that kind fail; `None` makes all succeed.
    pub fn fail_next(&self, fault: Option<Fault>) {
        self.platter().fault = fault;
    }

    /// How many operations have failed so far.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.platter().failures
    }

    /// The epochs that are there, oldest first.
    #[must_use]
    pub fn epoch_numbers(&self) -> Vec<u64> {
        self.platter().epochs.keys().copied().collect()
    }

    /// The record that the watermark names; 0 without one.
    #[must_use]
    pub fn marked(&self) -> u64 {
        let found = WatermarkFile::read(self).ok().and_then(Found::mark);
        found.map_or(0, |mark| mark.seq)
    }

    /// Cuts the power, in a way of its own for each seed. With `forget`, the watermark goes too.
    pub fn crash(&self, seed: u64, forget: bool) {
        let mut platter = self.platter();
        let platter = &mut *platter;
        platter.rng = Rng::new(seed);
        platter.fault = None;
        for frames in platter.epochs.values_mut() {
            frames.crash(&mut platter.rng);
        }
        for slot in platter.slots.iter_mut().flatten() {
            if slot.seen != slot.durable {
                slot.seen = match platter.rng.below(4) {
                    0 => slot.durable,
                    1 => [0xff; SLOT_BYTES],
                    _ => slot.seen,
                };
            }
            slot.durable = slot.seen;
        }
        if forget {
            platter.slots = None;
        }
    }

    /// Damages or removes a durable frame whose first record is one of these, while nobody has the
    /// journal open; `None` if there is none.
    #[must_use]
    pub fn spoil(&self, seed: u64, seqs: RangeInclusive<u64>) -> Option<Spoiled> {
        let mut rng = Rng::new(seed);
        let mut platter = self.platter();
        let places = platter
            .epochs
            .iter()
            .flat_map(|(&epoch, frames)| frames.seen.keys().map(move |key| (epoch, key.clone())));
        let behind = |(_, key): &(u64, Vec<u8>)| {
            frame::parse_key(key).is_some_and(|(first_seq, _)| seqs.contains(&first_seq))
        };
        let places: Vec<_> = places.filter(behind).collect();
        let last = u64::try_from(places.len()).ok().filter(|count| *count > 0)?;
        let (epoch, key) = places.get(usize::try_from(rng.below(last)).ok()?)?.clone();
        let frames = platter.epochs.get_mut(&epoch)?;
        let whole = frames.seen.remove(&key)?;
        if rng.once_in(2) {
            let mut flipped = whole.clone();
            let at = usize::try_from(rng.below(flipped.len() as u64)).ok()?;
            flipped[at] ^= 1 << rng.below(8);
            frames.seen.insert(key.clone(), flipped);
        }
        let (first_seq, _) = frame::parse_key(&key)?;
        Some(Spoiled { epoch, key, frame: whole, first_seq })
    }

    /// Takes the damage back.
    pub fn mend(&self, spoiled: Spoiled) {
        if let Some(frames) = self.platter().epochs.get_mut(&spoiled.epoch) {
            frames.seen.insert(spoiled.key, spoiled.frame);
        }
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Platter {
    /// Fails if this operation was to fail.
    fn meet(&mut self, fault: Fault, what: &'static str) -> Result<(), Error> {
        if self.fault != Some(fault) {
            return Ok(());
        }
        self.fault = None;
        self.failures += 1;
        Err(Error::io(what, Path::new("the simulated disk"))(std::io::Error::other("no luck")))
    }

    fn frames(&mut self, epoch: u64) -> &mut Frames {
        self.epochs.entry(epoch).or_default()
    }
}

impl Disk for SimulatedDisk {
    fn epochs(&self) -> Result<Vec<u64>, Error> {
        Ok(self.epoch_numbers())
    }

    fn open_store(&self, epoch: u64) -> Result<Box<dyn Store>, Error> {
        let mut platter = self.platter();
        let failed = platter.meet(Fault::Open, "open");
        if failed.is_ok() || platter.rng.once_in(2) {
            platter.frames(epoch).durable.clear();
        }
        failed?;
        Ok(Box::new(SimulatedStore { disk: self.clone(), epoch }))
    }

    fn remove_epoch(&self, epoch: u64) -> Result<(), Error> {
        self.platter().epochs.remove(&epoch);
        Ok(())
    }

    fn look_at_slots(&self) -> Result<Option<Box<dyn Slots>>, Error> {
        let there = self.platter().slots.is_some();
        Ok(if there { Some(Box::new(self.clone())) } else { None })
    }

    fn open_slots(&self) -> Result<Box<dyn Slots>, Error> {
        let empty = Slot { seen: [0; SLOT_BYTES], durable: [0; SLOT_BYTES] };
        self.platter().slots.get_or_insert([empty; SLOTS as usize]);
        Ok(Box::new(self.clone()))
    }
}

impl Slots for SimulatedDisk {
    fn read(&self, slot: u64) -> Result<Option<[u8; SLOT_BYTES]>, Error> {
        Ok(self.platter().slots.map(|slots| slots[(slot % SLOTS) as usize].seen))
    }

    fn write(&self, slot: u64, bytes: &[u8; SLOT_BYTES]) -> Result<(), Error> {
        let mut platter = self.platter();
        platter.meet(Fault::Mark, "write")?;
        if let Some(slots) = &mut platter.slots {
            slots[(slot % SLOTS) as usize].seen = *bytes;
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), Error> {
        for slot in self.platter().slots.iter_mut().flatten() {
            slot.durable = slot.seen;
        }
        Ok(())
    }
}

struct SimulatedStore {
    disk: SimulatedDisk,
    epoch: u64,
}

impl Store for SimulatedStore {
    fn insert(&self, key: &[u8], frame: &[u8]) -> Result<(), Error> {
        let mut platter = self.disk.platter();
        platter.meet(Fault::Insert, "write")?;
        platter.frames(self.epoch).put(key, Some(frame));
        Ok(())
    }

    fn commit(&self) -> Result<(), Error> {
        let mut platter = self.disk.platter();
        let failed = platter.meet(Fault::Commit, "sync");
        if failed.is_err() {
            let mut rng = platter.rng.clone();
            platter.frames(self.epoch).sync_in_part(&mut rng);
            platter.rng = rng;
        } else {
            platter.frames(self.epoch).durable.clear();
        }
        failed
    }

    fn cut_after(&self, last_good: Option<&[u8]>) -> Result<u64, Error> {
        let from = last_good.map_or(Bound::Unbounded, Bound::Excluded);
        let mut cut = 0;
        {
            let mut platter = self.disk.platter();
            let frames = platter.frames(self.epoch);
            let range = frames.seen.range::<[u8], _>((from, Bound::Unbounded));
            let keys: Vec<Vec<u8>> = range.map(|(key, _)| key.clone()).collect();
            for key in keys {
                frames.put(&key, None);
                cut += 1;
            }
        }
        if cut > 0 {
            self.commit()?;
        }
        Ok(cut)
    }

    fn frames(&self, from: &[u8]) -> Box<dyn Iterator<Item = Frame> + '_> {
        let mut platter = self.disk.platter();
        let range = (Bound::Included(from), Bound::Unbounded);
        let frames = platter.frames(self.epoch).seen.range::<[u8], _>(range);
        let owned = |(key, frame): (&Vec<u8>, &Vec<u8>)| {
            Ok((key.as_slice().into(), frame.as_slice().into()))
        };
        let frames: Vec<Frame> = frames.map(owned).collect();
        Box::new(frames.into_iter())
    }

    fn key_up_to(&self, key: &[u8]) -> Result<Option<IVec>, Error> {
        let mut platter = self.disk.platter();
        let range = (Bound::Unbounded, Bound::Included(key));
        let last = platter.frames(self.epoch).seen.range::<[u8], _>(range).next_back();
        Ok(last.map(|(key, _)| key.as_slice().into()))
    }
}
