//! The copy in PostgreSQL and the way in from there, with a real cluster of the test's own.

mod cluster;
mod commands;
mod export;
mod failures;
mod import;
mod tables;

pub(crate) use cluster::Cluster;
pub(crate) use export::{exporting, live};
pub(crate) use tables::{assert_equal, wait_until_caught_up, wait_until_it_says};
