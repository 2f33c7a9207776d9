//! The book of what people typed: the one owner of personal data in memory.
//!
//! Domains and events know people by id. The text itself (address, use case, metadata) travels
//! beside an event, in sections of its journal record, and ends up here; the edge joins it in where
//! an answer needs it. Erasing somebody therefore touches this book and the sections on disk, and
//! leaves every rank and every chain as it was.
//!
//! The book writes nothing to the journal: it follows what the committer has made durable.

mod actor;
mod book;
mod text;

pub(crate) use actor::{Handle, People, saved};
pub use text::Profile;
pub(crate) use text::{Text, told};
