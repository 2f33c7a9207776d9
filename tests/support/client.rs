//! HTTP/1.1 over one kept-alive connection, and nothing that a test does not need.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::document::assert_documented;

const PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN_DRIPS: Duration = Duration::from_millis(50);

/// A connection to a node.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    key: Option<String>,
}

/// What the node has answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let same = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        self.headers.iter().find(same).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("no JSON ({error}): {}", String::from_utf8_lossy(&self.body))
        })
    }

    /// The body, when the status is the one that was expected.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// The stable code of a problem document, when it is one with that status.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> String {
        let problem = self.expect(status);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(problem["status"], status);
        for field in ["type", "title", "detail", "error"] {
            assert!(problem[field].is_string(), "{field} in {problem}");
        }
        problem["code"].as_str().expect("a code").to_owned()
    }

    /// The fields that a problem document complains of.
    pub(crate) fn wrong_fields(&self) -> Vec<String> {
        let problem = self.json();
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["field"].as_str().unwrap_or("?").to_owned()).collect()
    }
}

impl Client {
    pub(crate) fn new(port: u16) -> Self {
        Self::try_new(port).expect("the node takes connections")
    }

    pub(crate) fn try_new(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), key: None })
    }

    pub(crate) fn with_key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.try_send("GET", path, &[], b"").expect("an answer")
    }

    #[track_caller]
    pub(crate) fn delete(&mut self, path: &str) -> Answer {
        self.try_send("DELETE", path, &[], b"").expect("an answer")
    }

    #[track_caller]
    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.try_post(path, body).expect("an answer")
    }

    #[track_caller]
    pub(crate) fn try_post(&mut self, path: &str, body: &Value) -> io::Result<Answer> {
        let body = body.to_string();
        self.try_send("POST", path, &[("content-type", "application/json")], body.as_bytes())
    }

    /// Sends a request, and holds its answer to the OpenAPI document.
    #[track_caller]
    pub(crate) fn try_send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: node\r\n");
        if let Some(key) = &self.key {
            head += &format!("authorization: Bearer {key}\r\n");
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", body.len());
        let mut request = head.into_bytes();
        request.extend_from_slice(body);
        self.stream.get_mut().write_all(&request)?;
        let answer = self.read_answer()?;
        assert_documented(method, path, &answer);
        Ok(answer)
    }

    /// Everybody who waits, page after page.
    pub(crate) fn whole_list(&mut self) -> Vec<Value> {
        let mut list = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.get(&format!("/api/waitlist?limit=1000{after}")).expect(200);
            list.extend(page["items"].as_array().expect("items").iter().cloned());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return list,
            }
        }
    }

    /// Sends bytes as they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Says that nothing more will come, and goes on listening.
    pub(crate) fn finish_writing(&mut self) -> io::Result<()> {
        self.stream.get_mut().shutdown(Shutdown::Write)
    }

    /// Sends a byte now and then until there is an answer.
    pub(crate) fn drip(&mut self, byte: u8) -> io::Result<Answer> {
        let deadline = Instant::now() + PATIENCE;
        self.stream.get_mut().set_read_timeout(Some(BETWEEN_DRIPS))?;
        while let Err(error) = self.stream.fill_buf() {
            if error.kind() != io::ErrorKind::WouldBlock || Instant::now() > deadline {
                return Err(error);
            }
            // The node may have hung up; then its answer is there to be read.
            let _ = self.write(&[byte]);
        }
        self.stream.get_mut().set_read_timeout(Some(PATIENCE))?;
        self.read_answer()
    }

    pub(crate) fn read_answer(&mut self) -> io::Result<Answer> {
        let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| broken("no status"))?;
        let (mut headers, mut length) = (Vec::new(), 0);
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().map_err(|_| broken("no length"))?;
            }
            headers.push((name.to_owned(), value.to_owned()));
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status, headers, body })
    }
}
