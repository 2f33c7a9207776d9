//! Whether the node lives, takes writes, and how it does.

use std::io::{self, BufWriter, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use actors::Timestamp;
use actors::snapshotter::Taken;
use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, Response};
use http_body_util::channel::{Channel, Sender};
use serde::Serialize;
use utoipa::ToSchema;

use super::text::Text;
use crate::backup::{self, Source};
use crate::http::answer::{Answer, ok};
use crate::http::call::Call;
use crate::http::error::{FieldError, Problem};
use crate::http::openapi;
use crate::telemetry;

#[derive(Serialize, ToSchema)]
#[schema(as = NodeHealth)]
pub(in crate::http) struct Health {
    #[schema(value_type = openapi::HealthWord)]
    status: &'static str,
    #[schema(value_type = openapi::ServiceName)]
    service: &'static str,
    #[schema(value_type = openapi::Time)]
    timestamp: Text<Timestamp>,
}

pub(in crate::http) async fn health(call: Call) -> Answer {
    let healthy = call.node.checks().iter().all(|(_, found)| found.is_ok());
    ok(&Health {
        status: if healthy { "healthy" } else { "unhealthy" },
        service: call.service.name(),
        timestamp: Text(call.node.engine.now()),
    })
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Alive {
    #[schema(value_type = openapi::AliveWord)]
    status: &'static str,
}

pub(in crate::http) async fn livez(_: Call) -> Answer {
    ok(&Alive { status: "alive" })
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Ready {
    #[schema(value_type = openapi::ReadyWord)]
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    checks: Vec<Check>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Check {
    #[schema(value_type = openapi::CheckName)]
    name: &'static str,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    says: Option<String>,
}

pub(in crate::http) async fn readyz(call: Call) -> Answer {
    let checks = call.node.checks();
    let wrong = checks.iter().filter_map(|(name, found)| {
        let message = found.as_ref().err()?.clone().into();
        Some(FieldError { field: (*name).to_owned(), message })
    });
    let wrong: Vec<FieldError> = wrong.collect();
    if !wrong.is_empty() {
        return Err(Problem::not_ready(wrong));
    }
    let verbose = call.parts.uri.query().is_some_and(|query| query.starts_with("verbose"));
    let checks = checks.iter().filter(|_| verbose);
    let checks = checks.map(|(name, found)| Check { name, ok: found.is_ok(), says: None });
    // The node takes writes whatever becomes of the copy.
    let export = call.node.export.iter().filter(|_| verbose).map(|export| {
        let (ok, says) = export.check();
        Check { name: "postgres", ok, says: Some(says) }
    });
    let checks = checks.chain(export).collect();
    ok(&Ready { status: "ready", checks })
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Snapshot {
    #[schema(value_type = openapi::Success)]
    status: &'static str,
    epoch: u64,
    seq: u64,
    bytes: u64,
    seconds: f64,
    erased_sections: u64,
}

impl Snapshot {
    fn of(taken: &Taken) -> Self {
        Self {
            status: "success",
            epoch: taken.epoch,
            seq: taken.seq,
            bytes: taken.bytes,
            seconds: taken.took.as_secs_f64(),
            erased_sections: taken.erased,
        }
    }
}

pub(in crate::http) async fn snapshot(call: Call) -> Answer {
    let (node, _) = call.no_input().await?;
    let taken = node.engine.snapshot().await?;
    ok(&Snapshot::of(&taken))
}

pub(in crate::http) async fn compact(call: Call) -> Answer {
    let (node, _) = call.no_input().await?;
    let taken = node.engine.compact().await?;
    ok(&Snapshot::of(&taken))
}

/// The backup as it is written. An answer that ends without its manifest is none.
pub(in crate::http) async fn backup(call: Call) -> Answer {
    let (node, _) = call.no_input().await?;
    let engine = node.engine.clone();
    let moment = tokio::task::spawn_blocking(move || engine.moment()).await;
    let moment = moment.map_err(|_| Problem::panicked())??;
    let (sender, body) = Channel::<Bytes, io::Error>::new(CHUNKS_WAITING_MAX);
    let runtime = tokio::runtime::Handle::current();
    let write = move || {
        let source = Source {
            dir: &node.dir,
            moment,
            time: actors::snapshotter::time,
            made_at: node.engine.now().to_string(),
        };
        let chunks = Chunks { sender, runtime };
        let mut out = BufWriter::with_capacity(CHUNK_BYTES, chunks);
        // A panic must not end the answer as if it were whole.
        let written = catch_unwind(AssertUnwindSafe(|| backup::write(&source, &mut out)));
        // Before anybody hears that it has ended: nothing stays on disk for it any more.
        drop(source);
        let panicked = |_| Err(io::Error::other("writing it panicked; the journal may be damaged"));
        match written.unwrap_or_else(panicked) {
            Ok(manifest) => tracing::info!(seq = manifest.seq, "wrote a backup"),
            Err(error) => {
                tracing::error!(%error, "a backup broke off");
                // The caller has to see that it is not whole.
                if let Ok(chunks) = out.into_inner().map_err(|error| error.into_error()) {
                    chunks.sender.abort(error);
                }
            }
        }
    };
    tokio::task::spawn_blocking(write);
    let mut response = Response::new(Body::new(body));
    let tar = HeaderValue::from_static("application/x-tar");
    response.headers_mut().insert(CONTENT_TYPE, tar);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

const CHUNK_BYTES: usize = 256 * 1024;
const CHUNKS_WAITING_MAX: usize = 4;

/// Writes into the body of an answer, as fast as its reader reads.
struct Chunks {
    sender: Sender<Bytes, io::Error>,
    runtime: tokio::runtime::Handle,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let chunk = Bytes::copy_from_slice(bytes);
        let sent = self.runtime.block_on(self.sender.send_data(chunk));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(in crate::http) async fn metrics(call: Call) -> Answer {
    let node = &call.node;
    if !node.metrics_enabled {
        return Err(Problem::not_found());
    }
    telemetry::fill(&node.engine.stats().await);
    let ready = node.checks().iter().all(|(_, found)| found.is_ok());
    let connections = node.connections_max.saturating_sub(node.connections.available_permits());
    telemetry::fill_edge(ready, connections, node.free_bytes().ok());
    let mut response = Response::new(Body::from(node.recorder.render(node.start)));
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The document, made once.
pub(in crate::http) async fn openapi(_: Call) -> Answer {
    static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| openapi::text().into());
    let mut response = Response::new(Body::from(DOCUMENT.clone()));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Index {
    name: &'static str,
    version: &'static str,
    about: &'static str,
    documentation: &'static str,
    see: [&'static str; 5],
}

pub(in crate::http) async fn index(_: Call) -> Answer {
    ok(&Index {
        name: "vobee",
        version: env!("CARGO_PKG_VERSION"),
        about: env!("CARGO_PKG_DESCRIPTION"),
        documentation: "README.md, beside the program",
        see: ["/health", "/readyz?verbose", "/metrics", "/openapi.json", "/api/waitlist/join"],
    })
}
