//! Signs that somebody is not who they seem to be: what they are, how they are noticed, and what
//! they weigh together.
//!
//! It promises that a sign is explained (each has a name, a weight and a sentence), that it is
//! noticed once, when somebody arrives, and that nobody is refused because of it. What a request
//! shows of itself is kept as keyed hashes beside the person's id, which is one too: whoever has
//! the journal alone can read no address from them, neither of a mailbox nor of a network. Whoever
//! has the node's secret as well can test guesses at either.
//!
//! Here are only pure parts. The [`waitlist`](crate::waitlist) notices signs among those who join,
//! the [`referrals`](crate::referrals) graph those among the people whom somebody brings; that
//! graph also keeps them, and holds back the credit for whoever has too many.

mod arrivals;
mod disposable;
mod marks;
mod signals;

pub(crate) use arrivals::Arrivals;
pub use disposable::DisposableDomains;
pub use marks::{Marks, Origin};
pub use signals::{Policy, Signal, Signals};
