//! The callers: one thread, one epoll, a number of keep-alive connections.
//!
//! Closed loop: a connection sends its next request when its answer has arrived. The generator
//! shares the machine's cores with the server that it drives, so what it costs is taken from what
//! it measures; hence no runtime, no HTTP library, one buffer for all requests, and one `read` and
//! one `write` a request. Its own CPU time is reported beside the server's.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use crate::scenario::Requests;

/// A server that answers nobody for so long has failed.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// An answer longer than this is not one that a scenario asks for.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const EVENTS_MAX: usize = 1024;
const LATENCY_MAX: Duration = Duration::from_secs(60);

/// What one window of driving a server gave.
pub(crate) struct Driven {
    /// The number of answers; each was one that the scenario expects.
    pub(crate) answers: u64,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// In nanoseconds.
    pub(crate) latency: Histogram<u64>,
    /// The bytes of all answers, heads included.
    pub(crate) answer_bytes: u64,
}

struct Connection {
    stream: TcpStream,
    sent: Instant,
    /// The beginning of an answer that came in pieces; almost always empty.
    partial: Vec<u8>,
}

/// Keep-alive connections to one server.
pub(crate) struct Generator {
    epoll: OwnedFd,
    connections: Vec<Connection>,
    request: Vec<u8>,
    input: Box<[u8]>,
}

impl Generator {
    /// Opens the connections.
    pub(crate) fn connect(address: SocketAddr, count: usize) -> Result<Generator, String> {
        let failed = |error: std::io::Error| format!("cannot connect to {address}: {error}");
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
        let mut connections = Vec::with_capacity(count);
        for index in 0..count {
            let stream = TcpStream::connect(address).map_err(failed)?;
            stream.set_nodelay(true).map_err(failed)?;
            stream.set_nonblocking(true).map_err(failed)?;
            // Edge-triggered, or each wait would look again at every connection that was just read.
            let flags = EventFlags::IN | EventFlags::ET;
            epoll::add(&epoll, &stream, EventData::new_u64(index as u64), flags)
                .map_err(|error| failed(error.into()))?;
            connections.push(Connection { stream, sent: Instant::now(), partial: Vec::new() });
        }
        Ok(Generator {
            epoll,
            connections,
            request: Vec::with_capacity(1024),
            input: vec![0; ANSWER_BYTES_MAX].into_boxed_slice(),
        })
    }

    /// Sends requests until there are none left or the time is over, then waits for the answers
    /// that are under way. Every answer must have `status`; any other is the error, with its body.
    pub(crate) fn drive(
        &mut self,
        requests: &mut Requests<'_>,
        status: u16,
        time: Duration,
    ) -> Result<Driven, String> {
        let latency = Histogram::new_with_bounds(1, LATENCY_MAX.as_nanos() as u64, 3)
            .map_err(|error| error.to_string())?;
        let mut driven = Driven { answers: 0, elapsed: Duration::ZERO, latency, answer_bytes: 0 };
        let start = Instant::now();
        let deadline = start + time;
        let mut under_way = 0_usize;
        for index in 0..self.connections.len() {
            under_way += usize::from(self.send(index, requests)?);
        }
        let mut events =
            [Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; EVENTS_MAX];
        while under_way > 0 {
            let ready = self.wait(&mut events)?;
            for event in &events[..ready] {
                let index = event.data.u64() as usize;
                let Some(size) = self.receive(index, status)? else { continue };
                let now = Instant::now();
                driven.answers += 1;
                driven.answer_bytes += size as u64;
                let waited = now.duration_since(self.connections[index].sent);
                driven.latency.saturating_record(waited.as_nanos() as u64);
                if now >= deadline || !self.send(index, requests)? {
                    under_way -= 1;
                }
            }
        }
        driven.elapsed = start.elapsed();
        Ok(driven)
    }

    fn wait(&self, events: &mut [Event]) -> Result<usize, String> {
        let silence = rustix::event::Timespec { tv_sec: SILENCE_MAX.as_secs() as i64, tv_nsec: 0 };
        loop {
            match epoll::wait(&self.epoll, &mut *events, Some(&silence)) {
                Ok(0) => return Err(format!("no answer for {SILENCE_MAX:?}")),
                Ok(ready) => return Ok(ready),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(format!("epoll failed: {error}")),
            }
        }
    }

    fn send(&mut self, index: usize, requests: &mut Requests<'_>) -> Result<bool, String> {
        if !requests.write(&mut self.request) {
            return Ok(false);
        }
        let connection = &mut self.connections[index];
        connection.sent = Instant::now();
        // A few hundred bytes always fit into the send buffer of a connection that was idle.
        match connection.stream.write(&self.request) {
            Ok(written) if written == self.request.len() => Ok(true),
            Ok(written) => Err(format!("only {written} bytes of a request could be sent")),
            Err(error) => Err(format!("a request could not be sent: {error}")),
        }
    }

    /// Reads what has arrived; the size of the answer when it is whole.
    fn receive(&mut self, index: usize, status: u16) -> Result<Option<usize>, String> {
        let connection = &mut self.connections[index];
        let kept = connection.partial.len();
        if kept == self.input.len() {
            return Err(format!("an answer is longer than {ANSWER_BYTES_MAX} bytes"));
        }
        self.input[..kept].copy_from_slice(&connection.partial);
        let fresh = match connection.stream.read(&mut self.input[kept..]) {
            Ok(0) => return Err("the server closed a connection before its answer".to_owned()),
            Ok(fresh) => fresh,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(format!("an answer could not be read: {error}")),
        };
        let input = &self.input[..kept + fresh];
        let Some(head) = Head::parse(input)? else {
            connection.partial = input.to_vec();
            return Ok(None);
        };
        let size = head.size + head.body;
        if input.len() < size {
            connection.partial = input.to_vec();
            return Ok(None);
        }
        if input.len() > size || head.status != status {
            return Err(format!("expected {status}, got {}", String::from_utf8_lossy(input)));
        }
        if kept > 0 {
            connection.partial = Vec::new();
        }
        Ok(Some(size))
    }
}

/// What has to be known of an answer's head.
struct Head {
    status: u16,
    /// The bytes of the head with its empty line.
    size: usize,
    /// The bytes of the body.
    body: usize,
}

const LENGTH: &[u8] = b"content-length: ";

impl Head {
    /// None when the head is not whole yet.
    fn parse(input: &[u8]) -> Result<Option<Head>, String> {
        let malformed = || format!("not an answer: {}", String::from_utf8_lossy(input));
        let mut body = None;
        let mut start = 0;
        // A head has few and short lines: looking for their ends byte by byte is cheap enough.
        while let Some(length) = input[start..].iter().position(|byte| *byte == b'\n') {
            let line = &input[start..start + length];
            start += length + 1;
            if line == b"\r" {
                let status = input.get(9..12).and_then(number).ok_or_else(malformed)?;
                let body = body.ok_or_else(malformed)?;
                return Ok(Some(Head { status: status as u16, size: start, body }));
            }
            if line.len() > LENGTH.len() && line[..LENGTH.len()].eq_ignore_ascii_case(LENGTH) {
                let digits = line[LENGTH.len()..].trim_ascii_end();
                body = Some(number(digits).ok_or_else(malformed)?);
            }
        }
        Ok(None)
    }
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
