//! Whatever is wrong with a request is said, all at once, and nothing else comes of it: no state
//! changes, nothing panics, and the log repeats none of what was sent.

mod fields;
mod transport;
mod witness;
