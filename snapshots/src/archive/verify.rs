//! The walk over everything.

use std::os::unix::fs::FileExt;

use sha2::{Digest, Sha256};

use super::format::{HASH_BYTES, Header, STRANGE_RECORDS, Totals, damaged};
use super::reader::Archive;
use crate::{Error, chain};

const READ_BYTES: usize = 256 * 1024;

impl Archive {
    /// Checks everything: the whole file against its SHA-256, every block, every record, and the
    /// hash chain over all of them. Reads the file twice.
    ///
    /// # Errors
    /// [`Error::DamagedFile`]; [`Error::Io`].
    pub fn verify(&self) -> Result<(), Error> {
        if self.hash()? != self.sha256 {
            return Err(damaged(&self.path, "it fails its SHA-256"));
        }
        if self.walk()? != self.footer.totals {
            return Err(damaged(&self.path, "its totals are not those of its links"));
        }
        Ok(())
    }

    /// What the links come to, when each of them follows from the one before.
    fn walk(&self) -> Result<Totals, Error> {
        let Header { first_seq, chain, .. } = self.header;
        let mut walked = Totals { links: 0, next_seq: first_seq, chain, plain_bytes: 0 };
        let mut blocks = self.blocks()?;
        for at in 0..self.footer.index.len() {
            for link in blocks.links(at)? {
                let next = chain::next(&walked.chain, link.first_seq, link.count, link.payload)
                    .ok_or_else(|| damaged(&self.path, STRANGE_RECORDS))?;
                if next != link.chain {
                    return Err(damaged(&self.path, "a link breaks the hash chain"));
                }
                walked.chain = next;
                walked.links += 1;
                // No overflow: the numbers of all links were checked to go on without a gap.
                walked.next_seq += u64::from(link.count);
            }
            walked.plain_bytes += blocks.plain_bytes();
        }
        Ok(walked)
    }

    fn hash(&self) -> Result<[u8; HASH_BYTES], Error> {
        let mut hash = Sha256::new();
        let mut buffer = vec![0; READ_BYTES];
        let mut at = 0;
        while at < self.hashed_bytes {
            let left = usize::try_from(self.hashed_bytes - at).unwrap_or(READ_BYTES);
            let read = &mut buffer[..left.min(READ_BYTES)];
            self.file.read_exact_at(read, at).map_err(Error::io("read", &self.path))?;
            hash.update(&*read);
            at += read.len() as u64;
        }
        Ok(hash.finalize().into())
    }
}
