//! The HTTP contract, endpoint by endpoint: every field with its type, the published examples to
//! the letter, and who may call what how often.

mod access;
mod document;
mod invites;
mod limits;
mod operations;
mod policies;
mod quality;
mod referrals;
mod review;
mod waitlist;
