//! From the bytes of a body to checked values.
//!
//! [`read`] takes the bytes off the connection within a size and a time; [`fields`] turns them into
//! values. Good and bad input take the same path: a reader is asked for each field by name, notes
//! everything that is wrong, and only its last step says whether there is a value or a problem. So
//! a caller learns of every wrong field at once.
//!
//! What is absent: any logging. What people send does not leave this module except as a checked
//! value; messages name fields, positions and bounds, never contents.

mod fields;
mod nearest;
mod read;

pub(crate) use fields::Fields;
pub(crate) use nearest::nearest;
pub(crate) use read::{demand_json, read};
