//! Crash points: places where a test makes an actor panic. Compiled out unless the feature
//! `crash-points` is on.

/// Panics here when a test has armed this point.
#[cfg(feature = "crash-points")]
macro_rules! crash_point {
    ($name:literal) => {
        $crate::crash::reach($name);
    };
}

/// Nothing: the feature `crash-points` is off.
#[cfg(not(feature = "crash-points"))]
macro_rules! crash_point {
    ($name:literal) => {};
}

#[cfg(feature = "crash-points")]
pub use armed::arm;
#[cfg(feature = "crash-points")]
pub(crate) use armed::reach;

#[cfg(feature = "crash-points")]
mod armed {
    use std::collections::HashMap;
    use std::sync::{LazyLock, Mutex, PoisonError};

    static ARMED: LazyLock<Mutex<HashMap<&'static str, u32>>> = LazyLock::new(Mutex::default);

    /// Makes the `nth` passage of the point `name` from now on panic, once; 0 disarms it. For the
    /// whole process.
    pub fn arm(name: &'static str, nth: u32) {
        ARMED.lock().unwrap_or_else(PoisonError::into_inner).insert(name, nth);
    }

    pub(crate) fn reach(name: &'static str) {
        let mut armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(left) = armed.get_mut(name).filter(|left| **left > 0) else { return };
        *left -= 1;
        if *left == 0 {
            drop(armed);
            panic!("crash point {name}");
        }
    }
}
