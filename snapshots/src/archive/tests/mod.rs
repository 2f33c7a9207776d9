//! The archive as a whole, seen from its interface and, where a lie has to be told under a valid
//! checksum, from within.

mod damage;
mod erasing;
mod names;
mod round_trip;
mod support;
