//! Sends the waves that `[waves]` asks for.

use std::time::Duration;

use actors::waitlist::{self, Schedule};
use actors::{Engine, Error, Rejection, Timestamp};

/// How often it is looked whether a wave is due, and whether a red gate has opened.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Sends one wave in each slot of the schedule. A node that was away, or whose gate was red, sends
/// the wave of the slot it is in, and none of those that have gone by.
pub(crate) async fn send(engine: Engine, schedule: Schedule) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut done = None;
    let mut said = None;
    loop {
        tick.tick().await;
        let slot = engine.slot(&schedule);
        if slot.is_none() || slot == done {
            continue;
        }
        match engine.wave_of(&schedule).await {
            Ok(sent) => {
                done = slot;
                if let Some(sent) = sent.filter(|sent| !sent.invited.already) {
                    let (batch, invited) = (sent.invited.batch_id, sent.invited.invited);
                    tracing::info!(batch, invited, "sent a wave by schedule");
                }
            }
            Err(error) => note(&error, slot, &mut said),
        }
    }
}

/// Says once a slot why there is no wave yet.
fn note(error: &Error, slot: Option<Timestamp>, said: &mut Option<Timestamp>) {
    let waits =
        matches!(error, Error::Rejected(Rejection::Waitlist(waitlist::Rejection::NobodyWaits)));
    if *said != slot && !waits {
        *said = slot;
        tracing::warn!(?error, "the wave of this slot is not sent yet");
    }
}
