//! What the operator watches.

use metrics::counter;

use crate::error::{Error, Rejection};
use crate::invites::{self, Redeemed};
use crate::mailbox::Mailbox;
use crate::quality::{self, Colour};
use crate::referrals;
use crate::waitlist::{self, Joined};

use super::Engine;

/// How one actor is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActorStats {
    /// Which.
    pub name: &'static str,
    /// Messages sent to it since the start.
    pub messages: u64,
    /// Messages it has not answered yet.
    pub in_flight: usize,
    /// Messages that were not sent because too many were under way.
    pub refused: u64,
}

/// All domains at once. A domain that is being restarted is None.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    /// The queue.
    pub waitlist: Option<waitlist::Stats>,
    /// The registry.
    pub invites: Option<invites::Stats>,
    /// The graph.
    pub referrals: Option<referrals::Stats>,
    /// The gates.
    pub quality: Option<quality::Stats>,
    /// People whose text is known.
    pub people: Option<u64>,
    /// The actors.
    pub actors: [ActorStats; 6],
    /// Seq of the newest durable record.
    pub durable_seq: u64,
}

impl Engine {
    /// How everything stands.
    pub async fn stats(&self) -> Stats {
        let now = self.now();
        let inner = &self.0;
        Stats {
            waitlist: inner.waitlist.stats(now).await.ok(),
            invites: inner.invites.stats(now).await.ok(),
            referrals: inner.referrals.stats(now).await.ok(),
            quality: inner.quality.stats(now).await.ok(),
            people: inner.people.count(now).await.ok(),
            actors: self.actors(),
            durable_seq: inner.committer.durable(),
        }
    }

    /// How the actors are doing. Asks none of them.
    #[must_use]
    pub fn actors(&self) -> [ActorStats; 6] {
        let inner = &self.0;
        [
            actor("waitlist", &inner.waitlist.0),
            actor("invites", &inner.invites.0),
            actor("referrals", &inner.referrals.0),
            actor("quality", &inner.quality.0),
            actor("people", &inner.people.0),
            actor("answers", &inner.answers.0),
        ]
    }

    /// Digests of what the four domains and the people book hold, in the order of the actors in
    /// [`Stats`]. Engines with the same history have the same digests.
    ///
    /// # Errors
    /// A [`Failure`](crate::error::Failure) only.
    pub async fn digests(&self) -> Result<[[u8; 32]; 5], Error> {
        let now = self.now();
        let inner = &self.0;
        Ok([
            inner.waitlist.digest(now).await?,
            inner.invites.digest(now).await?,
            inner.referrals.digest(now).await?,
            inner.quality.digest(now).await?,
            inner.people.digest(now).await?,
        ])
    }
}

fn actor<M: Send + 'static>(name: &'static str, mailbox: &Mailbox<M>) -> ActorStats {
    let gate = mailbox.gate();
    ActorStats {
        name,
        messages: gate.messages(),
        in_flight: gate.in_flight(),
        refused: gate.refused(),
    }
}

pub(super) fn count_join(outcome: &Result<Joined, Error>) {
    let reason = match outcome {
        Ok(joined) if joined.already => "already_waiting",
        Err(Error::Rejected(Rejection::Waitlist(rejection))) => match rejection {
            waitlist::Rejection::AlreadyMember => "already_member",
            waitlist::Rejection::UnknownReferralCode => "unknown_referral_code",
            waitlist::Rejection::ListFull => "list_full",
            waitlist::Rejection::UnknownPerson
            | waitlist::Rejection::HasLeft { .. }
            | waitlist::Rejection::NotWaiting
            | waitlist::Rejection::InvitesPaused { .. }
            | waitlist::Rejection::NobodyWaits
            | waitlist::Rejection::NoRoomForCodes
            | waitlist::Rejection::UnknownCursor => return,
        },
        Ok(_) | Err(Error::Rejected(_) | Error::Failed(_)) => return,
    };
    counter!("vobee_waitlist_join_rejections_total", "reason" => reason).increment(1);
}

pub(super) fn count_redemption(outcome: &Result<Redeemed, Error>) {
    let result = match outcome {
        Ok(redeemed) => {
            if !redeemed.already {
                let micros = redeemed.at.micros() - redeemed.issued_at.micros();
                metrics::histogram!("vobee_invite_redemption_delay_seconds")
                    .record(micros.max(0) as f64 / 1e6);
            }
            "redeemed"
        }
        Err(Error::Rejected(Rejection::Invites(rejection))) => match rejection {
            invites::Rejection::UnknownCode => "unknown",
            invites::Rejection::CodeUsed => "used",
            invites::Rejection::CodeExpired => "expired",
            invites::Rejection::CodeRevoked => "revoked",
            invites::Rejection::CodeBound => "bound",
            invites::Rejection::AlreadyMember => "already_member",
            invites::Rejection::CodeReserved => "reserved",
            invites::Rejection::UnknownReservation => "unknown_reservation",
            invites::Rejection::ReservationExpired
            | invites::Rejection::ReservationReleased
            | invites::Rejection::ReservationConfirmed => "reservation_over",
            invites::Rejection::InvitesPaused { .. }
            | invites::Rejection::RegistryFull
            | invites::Rejection::UnknownBatch
            | invites::Rejection::UnknownCursor
            | invites::Rejection::NotHolder => return,
        },
        Err(Error::Rejected(_) | Error::Failed(_)) => return,
    };
    counter!("vobee_invite_redemption_attempts_total", "result" => result).increment(1);
}

pub(super) fn count_share(outcome: &Result<referrals::Shared, Error>) {
    let Err(Error::Rejected(Rejection::Referrals(rejection))) = outcome else { return };
    let reason = match rejection {
        referrals::Rejection::SelfReferral => "self_referral",
        referrals::Rejection::ReferralCycle => "referral_cycle",
        referrals::Rejection::AlreadyReferred => "already_referred",
        referrals::Rejection::AlreadyMember => "already_member",
        referrals::Rejection::GraphFull => "graph_full",
        referrals::Rejection::UnknownCursor | referrals::Rejection::NothingToReview => return,
    };
    counter!("vobee_referral_rejections_total", "reason" => reason).increment(1);
}

pub(super) fn count_decision(gate: Colour, forced: bool) {
    let decision = match gate {
        Colour::Green => "open",
        _ if forced => "forced",
        Colour::Yellow => "halved",
        Colour::Red => "paused",
    };
    counter!("vobee_gate_decisions_total", "decision" => decision).increment(1);
}
