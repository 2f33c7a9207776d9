//! A share of a whole.

use serde::{Deserialize, Serialize};

/// A finite number in 0..=1.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Ratio(f64);

impl Eq for Ratio {}

impl Ratio {
    /// `value` when it is finite and in 0..=1.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        // Adding zero makes zero of minus zero, so that equal shares have equal bytes.
        (0.0..=1.0).contains(&value).then_some(Self(value + 0.0))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_finite_and_within_zero_and_one() {
        for good in [0.0, 0.25, 1.0, f64::MIN_POSITIVE] {
            assert_eq!(Ratio::new(good).map(Ratio::get), Some(good));
        }
        for bad in [-0.01, 1.01, 7.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Ratio::new(bad), None, "{bad}");
        }
        let bits = Ratio::new(-0.0).map(|zero| zero.get().to_bits());
        assert_eq!(bits, Some(0), "there is one zero");
    }
}
