//! A record as changes of rows: a pure function, without any state.

use std::sync::Arc;

use snapshots::{RecordView, SectionView};

use crate::event::Event;
use crate::ids::{PersonId, Timestamp};
use crate::record::{self, NO_EVENT, Unreadable};
use crate::{invites, people, quality, referrals, waitlist};

use super::change::{Change, Issue, Joined, Redeemed, Referred, Waved};

/// Appends what a record changes. Text that was erased meanwhile is passed over: whoever it was of
/// is forgotten by a later record.
pub(super) fn project(record: &RecordView<'_>, out: &mut Vec<Change>) -> Result<(), Unreadable> {
    for section in record.sections() {
        if let SectionView::Kept { owner, text, .. } = section
            && let Some((profile, whole)) = people::told(text)
        {
            out.push(Change::Named { person: PersonId::from_owner(owner), profile, whole });
        }
    }
    let record = record::read(record.body)?;
    if record.head.tag == NO_EVENT {
        return Ok(());
    }
    let at = record.head.at;
    match Event::decode(record.head, record.payload)? {
        Event::Waitlist(event) => on_list(event, at, out),
        Event::Invites(event) => on_codes(event, at, out),
        Event::Referrals(event) => on_referrals(event, at, out),
        Event::Quality(event) => on_quality(event, at, out),
    }
    Ok(())
}

fn on_list(event: waitlist::Event, at: Timestamp, out: &mut Vec<Change>) {
    match event {
        waitlist::Event::Joined { person, score, .. } => {
            out.push(Change::Joined(Joined { person, score, at, place: None }));
        }
        waitlist::Event::Boosted { person, points } => {
            out.push(Change::Boosted { person, points });
        }
        waitlist::Event::Credited { people } => {
            let boosted = |(person, _, points)| Change::Boosted { person, points };
            out.extend(people.into_iter().map(boosted));
        }
        waitlist::Event::Left { person, .. } | waitlist::Event::Forgotten { person } => {
            out.push(Change::Forgotten { person })
        }
        waitlist::Event::Invited { person } | waitlist::Event::Admitted { person } => {
            out.push(Change::Invited { person, at });
        }
        waitlist::Event::Waved { batch, people, requested, order, gate, .. } => {
            let invited = u32::try_from(people.len()).unwrap_or(u32::MAX);
            out.extend(people.into_iter().map(|person| Change::Invited { person, at }));
            out.push(Change::Waved(Waved { batch, requested, invited, order, gate, at }));
        }
    }
}

fn on_codes(event: invites::Event, at: Timestamp, out: &mut Vec<Change>) {
    match event {
        invites::Event::Issued {
            batch,
            codes,
            bound,
            holder,
            expires_at,
            max_uses,
            channel,
            ..
        } => {
            let batch: Arc<str> = batch.into();
            out.extend(codes.into_iter().map(|code| {
                let (batch, uses, revoked) = (Arc::clone(&batch), 0, false);
                let created_at = at;
                Change::Issued(Issue {
                    code,
                    batch,
                    channel,
                    created_at,
                    expires_at,
                    max_uses,
                    uses,
                    revoked,
                    bound,
                    holder,
                })
            }));
        }
        invites::Event::Sent { batch, codes, expires_at } => {
            let batch: Arc<str> = batch.into();
            out.extend(codes.into_iter().map(|(code, person)| {
                Change::Issued(Issue {
                    code,
                    batch: Arc::clone(&batch),
                    channel: invites::Channel::Wave,
                    created_at: at,
                    expires_at,
                    max_uses: 1,
                    uses: 0,
                    revoked: false,
                    bound: Some(person),
                    holder: None,
                })
            }));
        }
        invites::Event::Redeemed { code, person, .. } => {
            out.push(Change::Redeemed(Redeemed { person, code, at, counts: true }));
        }
        invites::Event::Bound { code, person } => out.push(Change::Bound { code, person }),
        invites::Event::Departed { person } => out.push(Change::Departed { person }),
        invites::Event::Withdrawn { codes, .. } => {
            out.extend(codes.into_iter().map(|code| Change::Revoked { code, revoked: true }));
        }
        invites::Event::Revoked { code } => out.push(Change::Revoked { code, revoked: true }),
        invites::Event::Restored { code, .. } => {
            out.push(Change::Revoked { code, revoked: false });
        }
        invites::Event::Extended { code, expires_at } => {
            out.push(Change::Extended { code, expires_at });
        }
        // Holds are over before anybody could look them up in a table.
        invites::Event::Reserved { .. } | invites::Event::Released { .. } => {}
    }
}

fn on_referrals(event: referrals::Event, at: Timestamp, out: &mut Vec<Change>) {
    match event {
        referrals::Event::Referred { id, inviter, recipient, state, .. } => {
            out.push(Change::Referred(Referred { id, inviter, recipient, state, at }));
        }
        referrals::Event::Progressed { people, .. } => {
            let progressed = |(person, state)| Change::Progressed { person, state };
            out.extend(people.into_iter().map(progressed));
        }
        referrals::Event::Rewarded { person, rewards, .. } => {
            out.extend(rewards.into_iter().map(|reward| Change::Rewarded { person, reward }));
        }
        referrals::Event::Reviewed { person, state, withdrawn, .. } => {
            out.extend(state.map(|state| Change::Progressed { person, state }));
            for referrals::Withdrawn { person, rewards, .. } in withdrawn {
                let withdrawn = |reward| Change::Withdrawn { person, reward };
                out.extend(rewards.into_iter().map(withdrawn));
            }
        }
        // What is held back or taken back for later is in no table.
        referrals::Event::Held { .. }
        | referrals::Event::GateSeen { .. }
        | referrals::Event::Reclaimed { .. } => {}
    }
}

fn on_quality(event: quality::Event, at: Timestamp, out: &mut Vec<Change>) {
    match event {
        quality::Event::GateMoved { gate, reason } => {
            out.push(Change::GateMoved { colour: gate.colour, at, reason });
        }
        quality::Event::Sampled { point } => out.push(Change::Sampled(point)),
        quality::Event::Observed { .. }
        | quality::Event::Counted { .. }
        | quality::Event::Drilled { .. }
        | quality::Event::LoadMoved { .. } => {}
    }
}
