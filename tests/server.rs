//! The program as its users meet it, and what is shipped around it.

mod backup;
mod bad_input;
mod contract;
mod durability;
mod interrupted;
mod launch;
mod observability;
mod postgres;
mod schemathesis;
mod shipped;
mod support;
mod surroundings;
mod tidy;
mod tokens;
mod torture;
