//! `[archive]`: what becomes of the events that a snapshot covers.

use actors::snapshotter;
use serde::{Deserialize, Serialize};

use super::rule::Rule;

const FOREVER: &str = "forever";
const OFF: &str = "off";

/// Whether history is kept, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    /// `forever`, `off`, or a number of days such as `90d`.
    pub keep: String,
}

impl Default for Archive {
    fn default() -> Self {
        Self { keep: FOREVER.to_owned() }
    }
}

impl Archive {
    /// The same for the engine.
    #[must_use]
    pub fn policy(&self) -> snapshotter::Archive {
        match self.keep.as_str() {
            OFF => snapshotter::Archive::Off,
            text => days(text).map_or(snapshotter::Archive::Forever, snapshotter::Archive::Days),
        }
    }
}

fn days(text: &str) -> Option<u32> {
    text.strip_suffix('d')?.parse().ok().filter(|days| (1..=36_500).contains(days))
}

pub(super) const RULES: &[Rule] =
    &[Rule::text("archive.keep", "\"forever\", \"off\" or days such as \"90d\"", |text| {
        text == FOREVER || text == OFF || days(text).is_some()
    })];

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(text: &str) -> snapshotter::Archive {
        Archive { keep: text.to_owned() }.policy()
    }

    #[test]
    fn what_is_kept_is_forever_off_or_a_number_of_days() {
        assert_eq!(keep("forever"), snapshotter::Archive::Forever);
        assert_eq!(keep("off"), snapshotter::Archive::Off);
        assert_eq!(keep("90d"), snapshotter::Archive::Days(90));
        assert_eq!(days("0d"), None);
        assert_eq!(days("9"), None);
    }
}
