//! Waves that nobody has to ask for.

use crate::ids::Timestamp;

use super::Order;

const MICROS_PER_MINUTE: i64 = 60_000_000;
const MINUTES_PER_DAY: i64 = 24 * 60;

/// When waves are sent, and how large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Minutes from one wave to the next, from midnight UTC on; 1 to 1,440.
    pub every_minutes: u32,
    /// People in each.
    pub count: u32,
    /// How they are found.
    pub order: Order,
    /// Minutes of the UTC day between which waves are sent; a window that ends before it begins
    /// spans midnight, and one that ends where it begins is the whole day.
    pub window: (u32, u32),
    /// Whether as many people more are invited as codes of earlier waves ran out unused.
    pub roll_on: bool,
}

impl Schedule {
    /// The beginning of the stretch that `now` is in, when a wave belongs to it. What is sent in it
    /// is one wave, whenever and however often it is asked for.
    #[must_use]
    pub fn slot(&self, now: Timestamp) -> Option<Timestamp> {
        let minute = now.micros().div_euclid(MICROS_PER_MINUTE);
        let (day, of_day) =
            (minute.div_euclid(MINUTES_PER_DAY), minute.rem_euclid(MINUTES_PER_DAY));
        let every = i64::from(self.every_minutes.max(1));
        let begin = of_day / every * every;
        let (from, to) = (i64::from(self.window.0), i64::from(self.window.1));
        let open = if from < to {
            (from..to).contains(&begin)
        } else {
            from == to || begin >= from || begin < to
        };
        let begin = (day * MINUTES_PER_DAY + begin) * MICROS_PER_MINUTE;
        open.then(|| Timestamp::from_micros(begin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(every_minutes: u32, window: (u32, u32), now: &str) -> Option<String> {
        let schedule =
            Schedule { every_minutes, count: 1, order: Order::Priority, window, roll_on: false };
        schedule.slot(now.parse().expect("a time")).map(|slot| slot.to_string())
    }

    #[test]
    fn a_slot_begins_at_a_multiple_from_midnight_on() {
        let whole = (0, 0);
        let begin = |every, now| slot(every, whole, now).expect("the whole day");
        assert_eq!(begin(30, "2026-01-05T12:29:59Z"), "2026-01-05T12:00:00Z");
        assert_eq!(begin(30, "2026-01-05T12:30:00Z"), "2026-01-05T12:30:00Z");
        assert_eq!(begin(1440, "2026-01-05T23:59:59Z"), "2026-01-05T00:00:00Z");
        assert_eq!(begin(7 * 60, "2026-01-05T23:00:00Z"), "2026-01-05T21:00:00Z");
    }

    #[test]
    fn no_wave_belongs_to_a_slot_outside_the_window() {
        let office = (9 * 60, 17 * 60);
        assert_eq!(slot(60, office, "2026-01-05T08:59:00Z"), None);
        assert!(slot(60, office, "2026-01-05T09:00:00Z").is_some());
        assert!(slot(60, office, "2026-01-05T16:59:00Z").is_some());
        assert_eq!(slot(60, office, "2026-01-05T17:00:00Z"), None);
        let night = (22 * 60, 6 * 60);
        assert!(slot(60, night, "2026-01-05T23:10:00Z").is_some());
        assert!(slot(60, night, "2026-01-05T05:10:00Z").is_some());
        assert_eq!(slot(60, night, "2026-01-05T12:10:00Z"), None);
    }
}
