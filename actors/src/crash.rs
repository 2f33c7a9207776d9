//! Crash points: places where a test makes an actor panic, or holds it up. Compiled out unless the
//! feature `crash-points` is on.

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
pub(crate) use armed::reach;
#[cfg(feature = "crash-points")]
pub use armed::{Held, arm, hold, reached};
#[cfg(feature = "simulation")]
pub(crate) use armed::{Passed, arm_here, disarm_here};

#[cfg(feature = "crash-points")]
mod armed {
    use std::collections::{HashMap, HashSet};
    use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};

    #[derive(Default)]
    struct Points {
        armed: HashMap<&'static str, u32>,
        held: HashSet<&'static str>,
        reached: HashMap<&'static str, u64>,
    }

    static POINTS: LazyLock<Mutex<Points>> = LazyLock::new(Mutex::default);
    static LET_GO: Condvar = Condvar::new();

    fn points() -> MutexGuard<'static, Points> {
        POINTS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the `nth` passage of the point `name` from now on panic, once; 0 disarms it. For the
    /// whole process.
    pub fn arm(name: &'static str, nth: u32) {
        points().armed.insert(name, nth);
    }

    /// How often the point `name` was reached, in the whole process.
    #[must_use]
    pub fn reached(name: &'static str) -> u64 {
        points().reached.get(name).copied().unwrap_or(0)
    }

    /// Holds up whoever comes to the point `name` until the answer is dropped. For the whole
    /// process.
    #[must_use]
    pub fn hold(name: &'static str) -> Held {
        points().held.insert(name);
        Held(name)
    }

    /// A point that nobody passes.
    #[derive(Debug)]
    pub struct Held(&'static str);

    impl Drop for Held {
        fn drop(&mut self) {
            points().held.remove(self.0);
            LET_GO.notify_all();
        }
    }

    #[cfg(feature = "simulation")]
    thread_local! {
        static ARMED_HERE: std::cell::Cell<Option<(&'static str, u32)>> =
            const { std::cell::Cell::new(None) };
    }

    /// What a point that was armed with [`arm_here`] panics with.
    #[cfg(feature = "simulation")]
    pub(crate) struct Passed;

    /// As [`arm`], for this thread only, and without a word on the terminal.
    #[cfg(feature = "simulation")]
    pub(crate) fn arm_here(name: &'static str, nth: u32) {
        ARMED_HERE.set(Some((name, nth)));
    }

    /// Disarms it.
    #[cfg(feature = "simulation")]
    pub(crate) fn disarm_here() {
        ARMED_HERE.set(None);
    }

    #[cfg(feature = "simulation")]
    fn reach_here(name: &'static str) {
        let Some((armed, left)) = ARMED_HERE.get().filter(|(armed, _)| *armed == name) else {
            return;
        };
        ARMED_HERE.set((left > 1).then_some((armed, left - 1)));
        if left <= 1 {
            std::panic::resume_unwind(Box::new(Passed));
        }
    }

    pub(crate) fn reach(name: &'static str) {
        #[cfg(feature = "simulation")]
        reach_here(name);
        let mut points = points();
        *points.reached.entry(name).or_default() += 1;
        while points.held.contains(name) {
            points = LET_GO.wait(points).unwrap_or_else(PoisonError::into_inner);
        }
        let Some(left) = points.armed.get_mut(name).filter(|left| **left > 0) else { return };
        *left -= 1;
        if *left == 0 {
            drop(points);
            panic!("crash point {name}");
        }
    }
}
