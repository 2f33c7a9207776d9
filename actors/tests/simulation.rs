//! The engine's parts on a disk that fails on purpose: a fixed number of seeds.
//!
//! For as many as one likes:
//! `cargo run --release -p vobee-actors --example simulate -- --seeds N`.

use actors::simulation::simulate;

const SEEDS: u64 = 200;

#[test]
fn no_seed_breaks_a_promise() {
    let mut records = 0;
    for seed in 0..SEEDS {
        match simulate(seed) {
            Ok(played) => records += played.records,
            Err(failure) => panic!("{failure}"),
        }
    }
    assert!(records > SEEDS, "a workload that does nothing proves nothing");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [3, 14, 159] {
        assert_eq!(simulate(seed), simulate(seed));
    }
}
