//! The one test binary of the root package: one module a behaviour.

mod shipped;
mod surroundings;
mod tidy;
mod tokens;
