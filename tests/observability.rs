//! A real Prometheus scrapes a real node with the shipped configuration and rules, and answers
//! every query of every dashboard and rule with data.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::postgres::Cluster;
use crate::shipped::{dashboard_queries, list, root, selectors, text, yaml};
use crate::support::Server;

/// Long enough for a loaded machine; a run on an idle one takes a few seconds.
const PATIENCE: Duration = Duration::from_secs(90);
const BETWEEN_TRIES: Duration = Duration::from_millis(100);
const SOCKET_TIMEOUT: Duration = Duration::from_secs(30);

/// What Grafana would put in for `$__rate_interval` at the shortest zoom.
const RATE_INTERVAL: &str = "1m";

#[test]
fn a_real_prometheus_answers_every_shipped_query_with_data() {
    let cluster = Cluster::start();
    let server = Server::with(&[("VOBEE_POSTGRES__URL_FILE", &cluster.url_file())]);
    launch(&server);
    let prometheus = Prometheus::scraping(host_of(server.base_url()));
    wait_for("a first scrape", || prometheus.value("up{job=\"vobee\"} == 1"));

    let mut open: Vec<(String, String)> = dashboard_queries()
        .into_iter()
        .map(|query| (query.origin, query.text.replace("$__rate_interval", RATE_INTERVAL)))
        .collect();
    open.extend(rule_queries(&prometheus));
    let started = Instant::now();
    let mut late = 0;
    while !open.is_empty() && started.elapsed() < PATIENCE {
        late += 1;
        let person = json!({
            "email": format!("late{late}@example.com"),
            "use_case": "A rate needs change",
            "persona": "other",
        });
        assert_eq!(call(&server, "POST", "/api/waitlist/join", &person).0, 201);
        open.retain(|(_, query)| prometheus.value(query).is_err());
        sleep(BETWEEN_TRIES);
    }
    let without_data: Vec<String> = open
        .iter()
        .map(|(origin, query)| {
            let answer = prometheus.value(query).err().unwrap_or_default();
            format!("{origin}: {query}: {answer}")
        })
        .collect();
    assert!(without_data.is_empty(), "without data:\n{}", without_data.join("\n"));
    assert_eq!(prometheus.lint(host_of(server.base_url())), "", "promtool check metrics");
}

/// What has to have data for the rules to mean something: each recorded series, and each selector
/// of each alert, because a silent alert has no data itself. A rule that cannot be evaluated fails
/// here.
fn rule_queries(prometheus: &Prometheus) -> Vec<(String, String)> {
    let rules = wait_for("an evaluation of every rule", || {
        let rules = prometheus.rules()?;
        let pending = rules.iter().find(|rule| rule["health"] != "ok");
        match pending {
            Some(rule) => Err(format!("{}: {}", rule["name"], rule["lastError"])),
            None if rules.is_empty() => Err("no rule is loaded".to_owned()),
            None => Ok(rules),
        }
    });
    let mut queries = Vec::new();
    for rule in rules {
        let name = text(&rule["name"]).to_owned();
        if rule["type"] == "recording" {
            queries.push((name.clone(), name));
        } else {
            let asked = selectors(text(&rule["query"]));
            queries.extend(asked.into_iter().map(|selector| (name.clone(), selector)));
        }
    }
    queries
}

/// A small launch that leaves something in every part of the node.
fn launch(server: &Server) {
    let post = |path: &str, body: Value| {
        let (status, answer) = call(server, "POST", path, &body);
        assert!((200..300).contains(&status), "{path} {body}: {status} {answer}");
        answer
    };
    let join = |person: usize, referral_code: Option<&str>| {
        let mut body = json!({
            "email": format!("person{person}@example.com"),
            "use_case": "Marketing automation for my startup",
            "persona": "solo_founder",
        });
        if let Some(code) = referral_code {
            body["referral_code"] = json!(code);
        }
        post("/api/waitlist/join", body)
    };
    let first = join(0, None);
    for person in 1..10 {
        join(person, Some(text(&first["referral_code"])).filter(|_| person == 1));
    }
    let batch = post("/api/invites/generate", json!({ "batch_size": 6 }));
    let codes = list(&batch["codes"]);
    for (person, code) in codes.iter().enumerate().take(3) {
        let email = format!("person{person}@example.com");
        post("/api/invites/redeem", json!({ "code": code, "email": email }));
    }
    let unknown = json!({ "code": "VOBEE-000000000000", "email": "nobody@example.com" });
    assert_eq!(call(server, "POST", "/api/invites/redeem", &unknown).0, 404);
    let pair = json!({
        "inviter_email": "person0@example.com",
        "recipient_email": "friend@example.com",
    });
    post("/api/referrals/share", pair);
    post("/api/referrals/earn", json!({ "user_email": "person0@example.com" }));
    let seen = json!({ "email": "person0@example.com", "type": "active" });
    post("/api/quality/events", json!({ "events": [seen] }));
    post("/api/quality/evaluate-gate", json!({}));
}

fn call(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let authorization = format!("Bearer {}", server.admin_key());
    let host = host_of(server.base_url());
    let (status, answer) = exchange(host, method, path, &authorization, &body.to_string())
        .unwrap_or_else(|error| panic!("{method} {path}: {error}"));
    (status, serde_json::from_str(&answer).unwrap_or(Value::String(answer)))
}

fn host_of(base_url: &str) -> &str {
    base_url.trim_start_matches("http://").trim_end_matches('/')
}

/// One request over a connection of its own. HTTP/1.0, so that the answer ends with the connection
/// and comes in one piece.
fn exchange(
    host: &str,
    method: &str,
    path: &str,
    authorization: &str,
    body: &str,
) -> Result<(u16, String), String> {
    let connect = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(SOCKET_TIMEOUT))?;
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: {host}\r\nAuthorization: {authorization}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = connect().map_err(|error| format!("{host}: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("an answer without a head")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or("an answer without a status")?, body.to_owned()))
}

/// Asks again until there is something, and fails with the last reason why there was not.
fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let started = Instant::now();
    loop {
        match ask() {
            Ok(found) => return found,
            Err(reason) if started.elapsed() > PATIENCE => panic!("waited for {what}: {reason}"),
            Err(_) => sleep(BETWEEN_TRIES),
        }
    }
}

/// A Prometheus on a free port, with its data in a folder that goes when it does.
struct Prometheus {
    child: Child,
    host: String,
    _dir: TempDir,
}

impl Prometheus {
    fn scraping(target: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let config = dir.path().join("prometheus.yml");
        fs::write(&config, configuration(target).to_string()).expect("its folder is writable");
        let log = dir.path().join("log");
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).expect("its folder is writable"))
            .spawn()
            .expect("prometheus starts; scripts/test installs it from the Debian package");
        let mut this = Self { child, host: String::new(), _dir: dir };
        this.host = wait_for("the port of Prometheus", || address_in(&log));
        wait_for("Prometheus", || match this.get("/-/ready")? {
            (200, _) => Ok(()),
            (status, answer) => Err(format!("{status} {answer}")),
        });
        this
    }

    fn get(&self, path: &str) -> Result<(u16, String), String> {
        exchange(&self.host, "GET", path, "", "")
    }

    fn data(&self, path: &str) -> Result<Value, String> {
        let (status, answer) = self.get(path)?;
        let answer: Value = serde_json::from_str(&answer).map_err(|error| error.to_string())?;
        if status == 200 { Ok(answer["data"].clone()) } else { Err(answer["error"].to_string()) }
    }

    /// A number that the query has now, from any of its series.
    fn value(&self, query: &str) -> Result<f64, String> {
        let data = self.data(&format!("/api/v1/query?query={}", escaped(query)))?;
        list(&data["result"])
            .iter()
            .filter_map(|series| text(&series["value"][1]).parse::<f64>().ok())
            .find(|number| !number.is_nan())
            .ok_or_else(|| format!("no number in {}", data["result"]))
    }

    fn rules(&self) -> Result<Vec<Value>, String> {
        let data = self.data("/api/v1/rules")?;
        let groups = list(&data["groups"]).iter();
        Ok(groups.flat_map(|group| list(&group["rules"]).to_vec()).collect())
    }

    /// What promtool finds wrong with the metrics that the node shows.
    fn lint(&self, target: &str) -> String {
        let (status, metrics) =
            exchange(target, "GET", "/metrics", "", "").expect("the node that was scraped answers");
        assert_eq!(status, 200, "{metrics}");
        let mut promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("promtool starts; scripts/test installs it with prometheus");
        let mut input = promtool.stdin.take().expect("its input was piped");
        input.write_all(metrics.as_bytes()).expect("promtool reads its input");
        drop(input);
        let output = promtool.wait_with_output().expect("promtool ends");
        let said = [output.stdout, output.stderr].concat();
        format!(
            "{}{}",
            if output.status.success() { "" } else { "failed: " },
            String::from_utf8_lossy(&said).trim()
        )
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The shipped configuration with the node under test as its target, and with intervals for a test.
/// Written as JSON, which is YAML too.
fn configuration(target: &str) -> Value {
    let mut config = yaml("config/prometheus/prometheus.yml");
    config["global"]["scrape_interval"] = json!("1s");
    config["global"]["evaluation_interval"] = json!("1s");
    config["scrape_configs"][0]["static_configs"][0]["targets"] = json!([target]);
    // Paths of rules count from the configuration file, which stands elsewhere here.
    let shipped = root().join("config/prometheus");
    let rules = list(&config["rule_files"]).iter().map(|rule| shipped.join(text(rule)));
    config["rule_files"] = rules.map(|path| json!(path)).collect();
    config
}

/// The address that Prometheus writes into its log when it listens.
fn address_in(log: &Path) -> Result<String, String> {
    let log = fs::read_to_string(log).map_err(|error| error.to_string())?;
    log.lines()
        .filter(|line| line.contains("msg=\"Listening on\""))
        .find_map(|line| line.split(' ').find_map(|word| word.strip_prefix("address=")))
        .map(str::to_owned)
        .ok_or_else(|| format!("it does not listen yet:\n{log}"))
}

/// A query as it may stand in a URL.
fn escaped(query: &str) -> String {
    let escape = |byte: u8| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    query.bytes().map(escape).collect()
}
