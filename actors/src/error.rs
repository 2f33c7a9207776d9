//! What the engine says when it does not do what it was asked.

use crate::{invites, quality, referrals, request, waitlist};

/// Why a call has no ordinary answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    /// A rule said no. Nothing changed.
    Rejected(Rejection),
    /// The engine could not do it now.
    Failed(Failure),
}

/// The rejections of all domains.
#[derive(Clone, Debug, PartialEq)]
pub enum Rejection {
    /// From the queue.
    Waitlist(waitlist::Rejection),
    /// From the code registry.
    Invites(invites::Rejection),
    /// From the referral graph.
    Referrals(referrals::Rejection),
    /// From the window and gate.
    Quality(quality::Rejection),
    /// From the memory of repeated requests.
    Request(request::Rejection),
}

/// Why the engine could not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// As many requests wait as may wait. Nothing changed.
    #[error("too many requests are waiting, try again later")]
    Busy,
    /// No answer in time. Whether it happened is unknown.
    #[error("no answer in time, whether it happened is unknown")]
    TimedOut,
    /// The disk is almost full. Nothing changed.
    #[error("the disk is almost full, nothing is written until there is room again")]
    StorageLow,
    /// The part that would answer is being restarted, or the engine is stopping. Whether it
    /// happened is unknown.
    #[error("this part is restarting, whether it happened is unknown")]
    Unavailable,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

macro_rules! rejection {
    ($($domain:ident, $variant:ident);+) => {$(
        impl From<$domain::Rejection> for Error {
            fn from(rejection: $domain::Rejection) -> Self {
                Self::Rejected(Rejection::$variant(rejection))
            }
        }
    )+};
}

rejection!(
    waitlist, Waitlist; invites, Invites; referrals, Referrals; quality, Quality; request, Request
);
