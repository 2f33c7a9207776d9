//! The archive: a closed epoch of the journal in one file, for as long as anybody may ask.
//!
//! ```text
//! file     header | blocks | footer | trailer
//! header   magic "voba" | format u16 | zero u16 | epoch u64 | first seq u64 | chain before [32]
//!          | CRC-32C u32
//! block    compressed length u32 | plain length u32 | CRC-32C u32 of both and of what follows
//!          | one zstd frame: links one after the other
//! link     first seq u64 | count u32 | payload length u32 | time i64 | chain after [32] | payload
//! footer   for each block: offset u64 | first seq u64 | last seq u64 | earliest i64 | latest i64
//!          | links u64 | records u64 | next seq u64 | chain after [32] | plain bytes u64
//!          | SHA-256 [32] of everything before it
//! trailer  footer offset u64 | CRC-32C u32 of the footer | magic "vobt"
//!          | CRC-32C u32 of the trailer
//! ```
//! Numbers are little-endian. A link is what one step of the hash chain covers: the records of one
//! frame of the journal in disk form, or one large record put together again. So the chain can be
//! computed over an archive exactly as over the journal, and an archive whose chain starts where
//! the one before ended holds the records that follow on it.
//!
//! Promised:
//! - A file bears its name only once it was whole, on the disk, and read back and verified in
//!   full. A power cut leaves the old file, the new one, or none, and perhaps a temporary one.
//! - Damage is an [`Error`](crate::Error). [`Archive::open`] and every read check what they touch
//!   with CRC-32C; [`Archive::verify`] checks the file with SHA-256 and the records with the chain.
//! - Reading allocates for one block, at most 16 MiB, whatever a file claims, and for the index.
//! - Erasing replaces text by its commitment. Links, seqs, times and the chain stay.
//!
//! Deliberately absent: appending to a file that has its name, records of more than one epoch in
//! a file, and repair. Times are numbers that the caller gives: they may go back, and then
//! [`Archive::seq_at`] still answers as it says. Erasing does not reach a descriptor that was
//! opened before, nor backups, nor what the disk keeps of a removed file.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `link.rs` | one link, and the links of a block |
//! | `block.rs` | compression, its bound and its checksum |
//! | `format.rs` | header, index, totals and trailer |
//! | `output.rs` | a file that gets its name when it has been verified |
//! | `writer.rs` | links into blocks |
//! | `reader.rs` | links, records and seqs out of a file |
//! | `verify.rs` | the walk over everything |
//! | `erase.rs` | text out of a payload and out of a file |
//! | `names.rs` | which archives a directory has |

mod block;
mod erase;
mod format;
mod link;
mod names;
mod output;
mod reader;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

pub use erase::{erase, erase_payload};
pub use link::Link;
pub use names::{list, remove_before, remove_unfinished};
pub use output::Archived;
pub use reader::Archive;
pub use writer::ArchiveWriter;
