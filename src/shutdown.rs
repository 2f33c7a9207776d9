//! When to stop, told once to everybody who has to know.
//!
//! A [`Shutdown`] is a one-way switch: it is asked for at most once and never taken back. Whoever
//! accepts connections, serves one, or keeps a timer holds a clone and looks at it. Stopping in the
//! right order (say so at `/readyz`, stop accepting, finish what is under way, commit) is the
//! business of [`crate::run`]; this file only knows the switch and the signals that throw it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

/// Work ended before it was done, because somebody wanted that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted; nothing half done is left")]
pub struct Interrupted;

/// A one-way switch that says "stop"; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(Arc<Switch>);

#[derive(Debug, Default)]
struct Switch {
    requested: AtomicBool,
    waiting: Notify,
}

impl Shutdown {
    /// A switch that nobody has thrown yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A switch that SIGTERM or SIGINT throws. A second signal ends the process at once, with
    /// status 130: whatever was answered is on disk by then, so impatience costs nothing.
    ///
    /// # Errors
    /// When the signal handlers cannot be installed.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Self::new();
        let switch = shutdown.clone();
        let listening = Builder::new_current_thread().enable_io().build()?;
        let both = {
            let _within = listening.enter();
            signal(SignalKind::terminate())
                .and_then(|terminate| Ok((terminate, signal(SignalKind::interrupt())?)))
        };
        let (mut terminate, mut interrupt) = match both {
            Ok(both) => both,
            Err(error) => {
                listening.shutdown_background();
                return Err(error);
            }
        };
        // With a runtime of its own, which listens while another one waits for work to end.
        let listen = move || {
            listening.block_on(async {
                either(&mut terminate, &mut interrupt).await;
                tracing::info!("asked to stop");
                switch.request();
                either(&mut terminate, &mut interrupt).await;
                std::process::exit(130);
            });
        };
        thread::Builder::new().name("signals".to_owned()).spawn(listen)?;
        Ok(shutdown)
    }

    /// Throws the switch; doing so again changes nothing.
    pub fn request(&self) {
        self.0.requested.store(true, Ordering::SeqCst);
        self.0.waiting.notify_waiters();
    }

    /// Whether the switch has been thrown.
    pub fn is_requested(&self) -> bool {
        self.0.requested.load(Ordering::SeqCst)
    }

    /// For work that does not wait, and so looks now and then whether to go on.
    ///
    /// # Errors
    /// [`Interrupted`] once the switch has been thrown.
    pub fn go_on(&self) -> Result<(), Interrupted> {
        if self.is_requested() { Err(Interrupted) } else { Ok(()) }
    }

    /// Resolves once the switch has been thrown, at once if it already was.
    pub async fn requested(&self) {
        let notified = self.0.waiting.notified();
        let mut notified = std::pin::pin!(notified);
        // Listed as waiting before the look, so that a throw between the two is not missed.
        notified.as_mut().enable();
        if !self.is_requested() {
            notified.await;
        }
    }
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_before_and_after_the_request_is_told() {
        let shutdown = Shutdown::new();
        assert!(!shutdown.is_requested());
        let early = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.requested().await }
        });
        tokio::task::yield_now().await;
        shutdown.request();
        early.await.expect("the waiting task ends");
        shutdown.requested().await;
        assert!(shutdown.is_requested());
    }
}
