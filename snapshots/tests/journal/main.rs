//! The journal from outside: real files, real kills, and sled opened behind its back.

mod damage;
mod epochs;
mod failing_disk;
mod kept;
mod kill_and_reopen;
mod owner;
mod round_trip;
mod support;
mod torn_tail;
mod verify;
