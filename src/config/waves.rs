//! `[waves]`: inviting by itself.

use actors::waitlist::{Order, Schedule};
use serde::{Deserialize, Serialize};

use super::rule::Rule;

const ORDERS: &[&str] = &["priority", "lottery"];

/// When people are invited without anybody asking, and how many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waves {
    /// Minutes from one wave to the next; 0 is never.
    pub every_minutes: u32,
    /// People in each.
    pub count: u32,
    /// `priority` or `lottery`.
    pub order: String,
    /// Hours of the UTC day between which waves are sent, `HH:MM-HH:MM`.
    pub window: String,
    /// Whether expired invitations go to the next people.
    pub roll_on: bool,
}

impl Default for Waves {
    fn default() -> Self {
        Self {
            every_minutes: 0,
            count: 100,
            order: "priority".to_owned(),
            window: "00:00-00:00".to_owned(),
            roll_on: false,
        }
    }
}

impl Waves {
    /// The same for the engine; None when nobody is invited by itself.
    #[must_use]
    pub fn schedule(&self) -> Option<Schedule> {
        let named = |order: &Order| order.as_str() == self.order;
        let order = Order::ALL.into_iter().find(named).unwrap_or_default();
        let Self { every_minutes, count, roll_on, .. } = *self;
        let window = window(&self.window).unwrap_or((0, 0));
        (every_minutes > 0).then_some(Schedule { every_minutes, count, order, window, roll_on })
    }
}

fn window(text: &str) -> Option<(u32, u32)> {
    let (from, to) = text.split_once('-')?;
    Some((minute(from)?, minute(to)?))
}

fn minute(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

pub(super) const RULES: &[Rule] = &[
    Rule::whole("waves.every_minutes", 0, 1_440),
    Rule::whole("waves.count", 1, 10_000),
    Rule::one_of("waves.order", ORDERS),
    Rule::text("waves.window", "two times of day such as \"09:00-17:30\"", |text| {
        window(text).is_some()
    }),
    Rule::flag("waves.roll_on"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_two_times_of_day() {
        assert_eq!(window("09:00-17:30"), Some((540, 1050)));
        assert_eq!(window("22:00-06:00"), Some((1320, 360)));
        for bad in ["", "9:00-17:00", "09:00", "24:00-01:00", "09:60-10:00", "+9:00-10:00"] {
            assert_eq!(window(bad), None, "{bad}");
        }
    }

    #[test]
    fn nobody_is_invited_by_itself_unless_somebody_says_so() {
        assert_eq!(Waves::default().schedule(), None);
        let waves = Waves { every_minutes: 60, ..Waves::default() };
        assert!(waves.schedule().is_some_and(|schedule| schedule.count == 100));
    }
}
