//! How long one question to a large referral graph takes, asked of a running engine: mailbox,
//! answer and all, but no HTTP. `cargo bench -p vobee-actors --bench forest [-- --edges N]`.
//!
//! Everybody is brought by somebody from before, drawn at random (a random recursive tree), so that
//! there is one tree, and its root has the largest subtree there is.

use std::fmt::Display;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use actors::fraud::DisposableDomains;
use actors::{Clock, Email, Engine, Identity, Options, Policies, snapshotter};
use tokio::task::JoinSet;

const EDGES: u32 = 1_000_000;
/// Shares under way at once.
const ABREAST: usize = 512;
const ROUNDS: usize = 200;
const SECRET: [u8; 32] = [7; 32];

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let edges = edges(std::env::args().skip(1)).unwrap_or(EDGES);
    let dir = tempfile::tempdir()?;
    let options = Options {
        dir: dir.path().to_owned(),
        policies: Policies::default(),
        in_flight_max: 2 * ABREAST,
        timeout: Duration::from_secs(60),
        cache_bytes: 56 << 20,
        accept_loss: false,
        snapshots: snapshotter::Policy::default(),
        disposable: DisposableDomains::default(),
        clock: Clock::system(),
    };
    let (engine, _) = Engine::open(options, Identity::new(&SECRET)).await?;
    grow(&engine, edges).await?;
    let root = engine.identity().person(&email(0)?);
    let leaf = engine.identity().person(&email(edges)?);
    tell("chain of the root", &mut times(async || engine.referral_chain(root).await).await?);
    tell("chain of the last", &mut times(async || engine.referral_chain(leaf).await).await?);
    tell("quality of the root", &mut times(async || engine.referral_quality(root).await).await?);
    tell("quality of the last", &mut times(async || engine.referral_quality(leaf).await).await?);
    tell(
        "analytics of the root",
        &mut times(async || engine.referral_analytics(root).await).await?,
    );
    tell("risk of the last", &mut times(async || engine.risk(leaf).await).await?);
    tell("the best ten", &mut times(async || engine.top_referrers(10).await).await?);
    tell("the network", &mut times(async || engine.referral_network().await).await?);
    engine.close().await;
    Ok(())
}

/// What follows `--edges`; cargo adds flags of its own.
fn edges(mut arguments: impl Iterator<Item = String>) -> Option<u32> {
    arguments.find(|argument| argument == "--edges")?;
    arguments.next()?.parse().ok()
}

fn email(number: u32) -> Result<Email, actors::EmailError> {
    Email::parse(&format!("person-{number}@example.com"))
}

async fn grow(engine: &Engine, edges: u32) -> Result<(), Failure> {
    let began = Instant::now();
    let (mut under_way, mut draw) = (JoinSet::new(), 0x9e37_79b9_7f4a_7c15_u64);
    for person in 1..=edges {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let inviter = u32::try_from((draw >> 33) % u64::from(person))?;
        let (engine, from, to) = (engine.clone(), email(inviter)?, email(person)?);
        under_way.spawn(async move { engine.share(from, to, None, None).await });
        while under_way.len() >= ABREAST
            && let Some(shared) = under_way.join_next().await
        {
            shared?.map_err(told)?;
        }
    }
    while let Some(shared) = under_way.join_next().await {
        shared?.map_err(told)?;
    }
    say(&format!("{edges} shares in {:.1} s", began.elapsed().as_secs_f64()));
    Ok(())
}

async fn times<T>(
    mut ask: impl AsyncFnMut() -> Result<T, actors::Error>,
) -> Result<Vec<Duration>, Failure> {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        ask().await.map_err(told)?;
        times.push(began.elapsed());
    }
    Ok(times)
}

fn tell(what: impl Display, times: &mut [Duration]) {
    times.sort_unstable();
    let micros = |at: usize| times[at].as_secs_f64() * 1e6;
    let (median, worst) = (micros(times.len() / 2), micros(times.len() - 1));
    say(&format!("{what}: median {median:.0} µs, slowest {worst:.0} µs"));
}

/// A reader that has gone away wants no more.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn told(error: impl std::fmt::Debug) -> Failure {
    format!("{error:?}").into()
}
