//! Collections of millions of items that grow a little at a time.
//!
//! A list or a hash table that is full moves all that it holds into one of twice the size. With a
//! million items that takes tens of milliseconds, in which the actor that owns it answers nobody.
//! What is here moves a small part of itself at once: of a table with a million items some
//! thousand, of a list none.
//!
//! Deliberately absent: an order, memory given back (what is removed leaves its room to what
//! comes), and hashes with a secret, so keys that a client chooses, such as those of requests in
//! `answers/`, do not belong here.

mod list;
mod table;

pub(crate) use list::List;
pub(crate) use table::{Map, Table};
