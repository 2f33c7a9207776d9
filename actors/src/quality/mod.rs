//! Quality gates: how the people who were let in are doing, and whether to let in more.
//!
//! It promises rates from what really happened, exact to the hour, over a window of 30 days; a
//! trust score that is a published formula of them; and a gate that turns yellow or red by
//! published thresholds, leaves red slowly, and writes down every change of colour with its reason.
//!
//! Whoever is in counts as false while the product says so, or an operator has rejected the person:
//! `cleared` takes back only the one, and a verdict only the other. Both outlast that somebody
//! leaves, and count from when the person comes in again.
//!
//! With fewer members than `members_min` nothing is concluded from the rates: the gate stays as
//! open as it is, and the answer says that the sample is too small.
//!
//! Somebody may put other rates in the place of the measured ones for a while (a drill); the gate
//! then does what it would do, and every number says where it comes from. How full the machine is
//! comes in from outside and is one metric more.
//!
//! What is deliberately absent: the queue and the codes. Others ask for the colour and act on it.

mod actor;
mod apply;
mod command;
mod decide;
mod drill;
mod event;
mod gate;
mod history;
mod image;
#[cfg(test)]
mod model;
mod ratio;
mod rows;
mod state;
mod trust;
mod window;

pub(crate) use actor::{Handle, Quality};
pub(crate) use command::Observe;
pub use command::{Drilling, Observed, Stats};
pub use drill::{DRILL_MINUTES_MAX, Drill, DrillRates, Source};
pub use event::{Event, Observation, Rejection, Seen};
pub use gate::{Colour, GateState, Level, Levels, METRICS};
pub use history::{
    ANSWER_POINTS_MAX, POINT_MINUTES, Point, STEP_MINUTES_MAX, StepTooSmall, Window,
};
pub use ratio::Ratio;
pub(crate) use state::State;
pub use state::{Lines, Policy, Thresholds, Weights};
pub(crate) use trust::report;
pub use trust::{Alert, Health, Trust};
