//! The accept loop: connections in, requests to a service, and an orderly end.
//!
//! It knows sockets, deadlines and HTTP/1, and nothing of VoBee: a benchmark serves a router of its
//! own through the very same loop. `axum::serve` is not used because it installs no timer, so a
//! client that sends half a header would hold its connection for ever.
//!
//! Each connection is one task. Under load its costs are the request's costs, so nothing here
//! allocates or locks for each request beyond what hyper does, and a small answer is one write.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tower::Service;

use super::stalled::Impatient;
use crate::shutdown::Shutdown;

/// Read buffer of a connection and so the most that a request's head may take.
const BUFFER_BYTES_MAX: usize = 32 * 1024;

/// How long to leave the listener alone when the system has no descriptor left to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long, and for how many reads, to listen to a client that was told all there is to say.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_READS_MAX: u32 = 1024;

/// Sent to whoever connects when every connection is taken. A constant, because being out of
/// connections is no moment for work.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
content-type: application/problem+json\r\nretry-after: 1\r\nconnection: close\r\n\
content-length: 192\r\n\r\n\
{\"type\":\"urn:vobee:problem:too-many-connections\",\"title\":\"Too many connections\",\
\"status\":503,\"detail\":\"try again shortly\",\"code\":\"too-many-connections\",\
\"errors\":[],\"error\":\"try again shortly\"}";

/// Sent to whoever began a request and did not finish its head in time.
const SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\n\
content-type: application/problem+json\r\nconnection: close\r\n\
content-length: 211\r\n\r\n\
{\"type\":\"urn:vobee:problem:request-timeout\",\"title\":\"Request timeout\",\
\"status\":408,\"detail\":\"the request did not arrive in time\",\"code\":\"request-timeout\",\
\"errors\":[],\"error\":\"the request did not arrive in time\"}";

/// The address a request came from, as the socket sees it; in every request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// What the accept loop allows. Clones share the connections, so several listeners can too.
#[derive(Clone, Debug)]
pub struct Limits {
    /// One permit a connection; without one a caller gets 503 and is let go.
    pub connections: Arc<Semaphore>,
    /// From the first wait for a request to the end of its head. An idle connection is closed
    /// after the same time.
    pub header_read: Duration,
    /// As long as a client may take in nothing of its answer.
    pub write: Duration,
    /// From the request to stop until what is still under way is cut off.
    pub drain: Duration,
}

impl Limits {
    /// At most `connections_max` at once.
    pub fn new(
        connections_max: usize,
        header_read: Duration,
        write: Duration,
        drain: Duration,
    ) -> Self {
        let connections = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
        Self { connections, header_read, write, drain }
    }
}

/// Serves `service` on `listener` until `shutdown` is requested; then stops accepting, closes idle
/// connections, lets the others finish their request, and cuts them off after `limits.drain`.
pub async fn serve<S, B>(listener: TcpListener, service: S, limits: Limits, shutdown: Shutdown)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Unpin + 'static,
    S::Future: Send + Unpin + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let builder = builder(limits.header_read);
    let mut tasks = JoinSet::new();
    let mut stop = pin!(shutdown.requested());
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                report(ended);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Ok(permit) = Arc::clone(&limits.connections).try_acquire_owned() else {
                    // Best effort: whoever does not read it sees a closed connection.
                    let _ = stream.try_write(FULL);
                    continue;
                };
                let stream = Impatient::new(stream, limits.write);
                let attendant = Attendant { service: service.clone(), peer: Peer(peer) };
                tasks.spawn(attend(builder.clone(), stream, attendant, permit, shutdown.clone()));
            }
            Err(error) => pause_after(&error).await,
        }
    }
    drop(listener);
    let finish = async {
        while let Some(ended) = tasks.join_next().await {
            report(ended);
        }
    };
    if tokio::time::timeout(limits.drain, finish).await.is_err() {
        tracing::warn!(connections = tasks.len(), "cut off what did not finish in time");
        tasks.shutdown().await;
    }
}

fn builder(header_read: Duration) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(header_read)
        .max_buf_size(BUFFER_BYTES_MAX)
        // Whoever has sent a request and says that no more comes gets its answer. And nothing is
        // read while an answer is made, which would cost a new buffer for each request.
        .half_close(true)
        // Head and body copied into one buffer: for answers of some hundred bytes one plain write
        // is cheaper than a vectored one. `pipeline_flush` stays off: with it, an answer waits for
        // the rest of a half-sent next request, and the 400 for a malformed one is never sent.
        .writev(false);
    builder
}

/// A connection that the client broke off is not worth an error; running out of descriptors is.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    if ![ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted].contains(&error.kind())
    {
        tracing::error!(%error, "cannot accept a connection; raise the limit on open files");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connection's task panicked");
    }
}

/// Drives one connection to its end.
async fn attend<S, B>(
    builder: http1::Builder,
    stream: Impatient<TcpStream>,
    attendant: Attendant<S>,
    permit: OwnedSemaphorePermit,
    shutdown: Shutdown,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Unpin,
    S::Future: Unpin,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let _permit = permit;
    // Only delays answers if it fails; nothing to do about it.
    let _ = stream.inner.set_nodelay(true);
    let mut connection = builder.serve_connection(TokioIo::new(stream), attendant);
    let mut stop = pin!(shutdown.requested());
    let mut listening = false;
    let mut draining = false;
    let ended = poll_fn(|cx: &mut Context<'_>| {
        // A task's waker never changes, so one poll is enough to be woken by the request to stop;
        // polling it each time would take the switch's lock for every request.
        if !listening {
            listening = true;
            let _ = stop.as_mut().poll(cx);
        }
        if !draining && shutdown.is_requested() {
            draining = true;
            std::pin::Pin::new(&mut connection).graceful_shutdown();
        }
        connection.poll_without_shutdown(cx)
    })
    .await;
    let late = ended.is_err_and(|error| error.is_timeout());
    let parts = connection.into_parts();
    let mut stream = parts.io.into_inner().inner;
    // An idle connection that times out has sent nothing and is closed without a word.
    if late && !parts.read_buf.is_empty() {
        let _ = stream.try_write(SLOW);
    }
    // Whether the client has gone or goes on sending is all the same now. At the end of everything
    // there is no time to wait for more than what has come.
    let patience = if draining { Duration::ZERO } else { LINGER };
    let _ = tokio::time::timeout(patience, linger(&mut stream)).await;
}

/// Says that no more comes, and takes in what the client still sends. Closing with unread bytes
/// would reset the connection, and the client might lose an answer such as 413 with it.
async fn linger(stream: &mut TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut discarded = [0; 4096];
    for _ in 0..LINGER_READS_MAX {
        if stream.read(&mut discarded).await? == 0 {
            break;
        }
    }
    Ok(())
}

/// One connection's view of the service: adds the peer to each request.
#[derive(Debug)]
struct Attendant<S> {
    service: S,
    peer: Peer,
}

impl<S> hyper::service::Service<Request<Incoming>> for Attendant<S>
where
    S: Service<Request<Incoming>> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        let mut service = self.service.clone();
        // A router is always ready; nothing with a queue of its own is served through here.
        let ready = service.poll_ready(&mut Context::from_waker(std::task::Waker::noop()));
        debug_assert!(matches!(ready, Poll::Ready(Ok(()))), "the service is always ready");
        service.call(request)
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn who_sends_on_while_the_node_stops_gets_the_answer_and_an_orderly_end() {
        const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (tell, wait) = (Arc::clone(&asked), Arc::clone(&go));
        let handler = async move || {
            tell.notify_one();
            wait.notified().await;
            "done"
        };
        let router = Router::new().route("/", get(handler));
        let (shutdown, patience) = (Shutdown::new(), Duration::from_secs(60));
        let limits = Limits::new(1, patience, patience, patience);
        let serving = tokio::spawn(serve(listener, router, limits, shutdown.clone()));
        let mut client = TcpStream::connect(address).await.expect("a connection");
        client.write_all(REQUEST).await.expect("the first request");
        asked.notified().await;
        client.write_all(REQUEST).await.expect("the second one, which nobody will read");
        shutdown.request();
        go.notify_one();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.expect("an end and no reset");
        assert!(answer.ends_with(b"done"), "{}", String::from_utf8_lossy(&answer));
        serving.await.expect("the node stops");
    }

    fn body_matches_its_length(raw: &[u8]) {
        let text = std::str::from_utf8(raw).expect("constant answers are text");
        let (head, body) = text.split_once("\r\n\r\n").expect("head and body");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
        serde_json::from_str::<serde_json::Value>(body).expect("the body is JSON");
    }

    #[test]
    fn constant_answers_state_their_own_length() {
        body_matches_its_length(FULL);
        body_matches_its_length(SLOW);
    }
}
