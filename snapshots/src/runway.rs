//! Zeros ahead of what sled writes.
//!
//! A write that makes the file longer, or that fills a block for the first time, changes the
//! file's inode, and `fdatasync` then waits for that as well: 144 µs a commit instead of 88 on the
//! disk where this was measured. So there is always a segment of zeros behind the one that sled
//! fills. sled knows such segments: it makes them itself when it recovers, and takes them for free.
//!
//! Zeros are appended and never written at a place, so whatever sled does meanwhile, they cannot
//! cover anything of its own. Where there is no room for them, only speed is lost.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// As much of a segment's header as tells whether sled has begun to fill it.
const LOOK_BYTES: usize = 16;

/// Bytes of zeros that are written at once: few enough for the processor's cache. A whole segment
/// of them is memory that the system has to clear first.
const ZEROS_AT_ONCE: usize = 64 * 1024;

pub(crate) struct Runway {
    file: File,
    segment_bytes: u64,
    /// Where the file was seen to end, in whole segments.
    end: AtomicU64,
}

impl Runway {
    /// For the file of segments at `path`, which exists.
    pub(crate) fn open(path: &Path, segment_bytes: u64) -> io::Result<Runway> {
        let file = File::options().read(true).append(true).open(path)?;
        let end = file.metadata()?.len() / segment_bytes * segment_bytes;
        Ok(Runway { file, segment_bytes, end: AtomicU64::new(end) })
    }

    /// Appends a segment of zeros once sled has begun to fill the last one.
    pub(crate) fn extend(&self) -> io::Result<()> {
        if self.last_is_empty() {
            return Ok(());
        }
        let len = self.file.metadata()?.len();
        let end = (len + self.segment_bytes).next_multiple_of(self.segment_bytes);
        let mut zeros = io::repeat(0).take(end - len);
        let mut file = BufWriter::with_capacity(ZEROS_AT_ONCE, &self.file);
        io::copy(&mut zeros, &mut file)?;
        file.flush()?;
        self.end.store(end, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the last segment is there and nothing has been written into it.
    fn last_is_empty(&self) -> bool {
        let mut header = [0; LOOK_BYTES];
        let last = self.end.load(Ordering::Relaxed).checked_sub(self.segment_bytes);
        // It cannot be read when sled has made the file shorter.
        last.is_some_and(|last| self.file.read_exact_at(&mut header, last).is_ok())
            && header == [0; LOOK_BYTES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: u64 = 4096;

    fn with_file(content: &[u8]) -> (tempfile::TempDir, std::path::PathBuf, Runway) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("db");
        std::fs::write(&path, content).expect("a file");
        let runway = Runway::open(&path, SEGMENT).expect("opens");
        (dir, path, runway)
    }

    fn len(path: &Path) -> u64 {
        std::fs::metadata(path).expect("the file").len()
    }

    #[test]
    fn a_whole_segment_of_zeros_lies_behind_the_one_that_is_being_filled() {
        let (_dir, path, runway) = with_file(b"data");
        runway.extend().expect("extends");
        assert_eq!(len(&path), 2 * SEGMENT);
        let content = std::fs::read(&path).expect("reads");
        assert_eq!(&content[..4], b"data");
        assert!(content[4..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn a_segment_that_is_written_in_several_pieces_is_whole() {
        let (_dir, path, _) = with_file(b"data");
        let segment = 3 * ZEROS_AT_ONCE as u64;
        let runway = Runway::open(&path, segment).expect("opens");
        runway.extend().expect("extends");
        assert_eq!(len(&path), 2 * segment);
        assert!(runway.last_is_empty());
        let content = std::fs::read(&path).expect("reads");
        assert!(content[4..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn nothing_is_appended_while_the_last_segment_is_empty() {
        let (_dir, path, runway) = with_file(b"data");
        for _ in 0..3 {
            runway.extend().expect("extends");
        }
        assert_eq!(len(&path), 2 * SEGMENT);
        let again = Runway::open(&path, SEGMENT).expect("opens");
        again.extend().expect("extends");
        assert_eq!(len(&path), 2 * SEGMENT, "nor after a restart");
    }

    #[test]
    fn the_next_one_comes_when_the_last_has_been_begun() {
        let (_dir, path, runway) = with_file(b"data");
        runway.extend().expect("extends");
        let writer = File::options().write(true).open(&path).expect("opens");
        writer.write_all_at(&[7], SEGMENT).expect("writes");
        runway.extend().expect("extends");
        assert_eq!(len(&path), 3 * SEGMENT);
        assert_eq!(std::fs::read(&path).expect("reads")[SEGMENT as usize], 7);
    }

    #[test]
    fn a_file_that_was_made_shorter_gets_its_zeros_again() {
        let (_dir, path, runway) = with_file(b"data");
        runway.extend().expect("extends");
        let writer = File::options().write(true).open(&path).expect("opens");
        writer.set_len(SEGMENT).expect("shortens");
        runway.extend().expect("extends");
        assert_eq!(len(&path), 2 * SEGMENT);
    }
}
