//! The last acknowledged record, kept beside the journal so that a lost tail is noticed.
//!
//! Two slots, 4 KiB apart, take turns, so that a torn write leaves the other one. A slot is
//! written after its records are durable and is not synced by itself: it may lag behind the
//! journal, and never runs ahead of it.
//!
//! ```text
//!  0 magic "vobw"   6 zero u16         16 seq u64     56 CRC-32C u32 over all before it
//!  4 format u16     8 generation u64   24 chain [32]
//! ```

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::{Error, files};

const NAME: &str = "watermark";
const MAGIC: [u8; 4] = *b"vobw";
const FORMAT: u16 = 1;
pub(crate) const SLOTS: u64 = 2;
const SLOT_STRIDE: u64 = 4096;
pub(crate) const SLOT_BYTES: usize = 60;
const CRC_AT: usize = 56;

/// Everything up to `seq` was acknowledged, and `chain` is the link there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watermark {
    pub(crate) seq: u64,
    pub(crate) chain: [u8; 32],
}

/// What the file says at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// There is no file.
    Absent,
    /// There is a file, and neither slot is whole.
    Unreadable,
    /// The newer of the whole slots.
    Mark(Watermark),
}

impl Found {
    pub(crate) fn mark(self) -> Option<Watermark> {
        match self {
            Found::Mark(mark) => Some(mark),
            Found::Absent | Found::Unreadable => None,
        }
    }
}

/// The two slots, wherever they are.
pub(crate) trait Slots: Send {
    /// What is in a slot; `None` where the file ends before it does.
    fn read(&self, slot: u64) -> Result<Option<[u8; SLOT_BYTES]>, Error>;
    /// Durable when the operating system gets to it.
    fn write(&self, slot: u64, bytes: &[u8; SLOT_BYTES]) -> Result<(), Error>;
    /// Makes all writes durable.
    fn sync(&self) -> Result<(), Error>;
}

/// The slots in a file of a data directory.
pub(crate) struct SlotFile {
    file: File,
    path: PathBuf,
}

impl SlotFile {
    /// Opens the file as it is, if there is one, to read it.
    pub(crate) fn look(dir: &Path) -> Result<Option<SlotFile>, Error> {
        let path = dir.join(NAME);
        match File::open(&path) {
            Ok(file) => Ok(Some(SlotFile { file, path })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("open", &path)(error)),
        }
    }

    /// Opens the file at its full size, so that no later write extends it.
    pub(crate) fn open(dir: &Path) -> Result<SlotFile, Error> {
        let path = dir.join(NAME);
        let file = files::open_or_create(&path)?;
        file.set_len(SLOTS * SLOT_STRIDE).map_err(Error::io("extend", &path))?;
        file.sync_all().map_err(Error::io("sync", &path))?;
        files::sync_dir(dir)?;
        Ok(SlotFile { file, path })
    }
}

impl Slots for SlotFile {
    fn read(&self, slot: u64) -> Result<Option<[u8; SLOT_BYTES]>, Error> {
        let mut bytes = [0; SLOT_BYTES];
        match self.file.read_exact_at(&mut bytes, slot * SLOT_STRIDE) {
            Ok(()) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(Error::io("read", &self.path)(error)),
        }
    }

    fn write(&self, slot: u64, bytes: &[u8; SLOT_BYTES]) -> Result<(), Error> {
        let at = slot * SLOT_STRIDE;
        self.file.write_all_at(bytes, at).map_err(Error::io("write", &self.path))
    }

    fn sync(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(Error::io("sync", &self.path))
    }
}

/// The watermark of an open journal.
pub(crate) struct WatermarkFile {
    slots: Box<dyn Slots>,
    generation: u64,
}

impl WatermarkFile {
    /// Reads the newer slot without changing anything.
    pub(crate) fn read(disk: &dyn Disk) -> Result<Found, Error> {
        match disk.look_at_slots()? {
            Some(slots) => Ok(newest(slots.as_ref())?.1),
            None => Ok(Found::Absent),
        }
    }

    /// Opens the slots to write them.
    pub(crate) fn open(disk: &dyn Disk) -> Result<WatermarkFile, Error> {
        let slots = disk.open_slots()?;
        let (generation, _) = newest(slots.as_ref())?;
        Ok(WatermarkFile { slots, generation })
    }

    /// Writes the older slot. Durable when the operating system gets to it.
    pub(crate) fn write(&mut self, mark: &Watermark) -> Result<(), Error> {
        self.generation += 1;
        let slot = encode(self.generation, mark);
        self.slots.write(self.generation % SLOTS, &slot)
    }

    /// Makes the last write durable.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.slots.sync()
    }
}

fn newest(slots: &dyn Slots) -> Result<(u64, Found), Error> {
    let mut newest = (0, Found::Unreadable);
    for slot in 0..SLOTS {
        let Some(bytes) = slots.read(slot)? else { continue };
        if let Some((generation, mark)) = decode(&bytes)?
            && generation > newest.0
        {
            newest = (generation, Found::Mark(mark));
        }
    }
    Ok(newest)
}

fn encode(generation: u64, mark: &Watermark) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    slot[..4].copy_from_slice(&MAGIC);
    slot[4..6].copy_from_slice(&FORMAT.to_le_bytes());
    slot[8..16].copy_from_slice(&generation.to_le_bytes());
    slot[16..24].copy_from_slice(&mark.seq.to_le_bytes());
    slot[24..56].copy_from_slice(&mark.chain);
    let crc = crc32c::crc32c(&slot[..CRC_AT]);
    slot[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
    slot
}

fn decode(slot: &[u8; SLOT_BYTES]) -> Result<Option<(u64, Watermark)>, Error> {
    if slot[..4] != MAGIC {
        return Ok(None);
    }
    // First, and where every format has it: a bit that fell over is not a newer release.
    if u32::from_le_bytes(field(slot, CRC_AT)) != crc32c::crc32c(&slot[..CRC_AT]) {
        return Ok(None);
    }
    let format = u16::from_le_bytes([slot[4], slot[5]]);
    if format > FORMAT {
        return Err(Error::Newer { found: format, known: FORMAT });
    }
    let mark = Watermark { seq: u64::from_le_bytes(field(slot, 16)), chain: field(slot, 24) };
    Ok(Some((u64::from_le_bytes(field(slot, 8)), mark)))
}

fn field<const N: usize>(slot: &[u8; SLOT_BYTES], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&slot[at..at + N]);
    field
}
