//! What is shipped around the binary: Prometheus, Grafana and container files, held to each other
//! and to the metrics that the node exports.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::shipped::{
    dashboard_queries, dashboards, list, panels, paths, root, rules, selectors, text, yaml,
};

/// Every family that the node exports, under the name that its series have.
const METRICS: [&str; 62] = [
    "vobee_waitlist_joins_total",
    "vobee_waitlist_join_rejections_total",
    "vobee_waitlist_entries",
    "vobee_invites_issued_total",
    "vobee_invite_redemption_attempts_total",
    "vobee_invites",
    "vobee_referral_shares_total",
    "vobee_referral_conversions_total",
    "vobee_referral_rejections_total",
    "vobee_referrals",
    "vobee_trust_score_ratio",
    "vobee_churn_ratio",
    "vobee_fraud_ratio",
    "vobee_engagement_ratio",
    "vobee_system_load_ratio",
    "vobee_gate_state",
    "vobee_gate_transitions_total",
    "vobee_gate_decisions_total",
    "vobee_alerts_raised_total",
    "vobee_alerts_active",
    "vobee_actor_messages_total",
    "vobee_actor_in_flight",
    "vobee_actor_restarts_total",
    "vobee_admission_rejections_total",
    "vobee_journal_commit_seconds_bucket",
    "vobee_journal_commit_seconds_sum",
    "vobee_journal_commit_seconds_count",
    "vobee_journal_batch_events_bucket",
    "vobee_journal_batch_events_sum",
    "vobee_journal_batch_events_count",
    "vobee_journal_events_total",
    "vobee_journal_bytes_total",
    "vobee_journal_failures_total",
    "vobee_journal_last_commit_timestamp_seconds",
    "vobee_recovery_seconds",
    "vobee_recovered_events",
    "vobee_snapshot_last_success_timestamp_seconds",
    "vobee_postgres_export_rows_total",
    "vobee_postgres_export_lag_events",
    "vobee_postgres_export_last_success_timestamp_seconds",
    "vobee_storage_free_bytes",
    "vobee_http_requests_total",
    "vobee_http_request_duration_seconds_bucket",
    "vobee_http_request_duration_seconds_sum",
    "vobee_http_request_duration_seconds_count",
    "vobee_http_connections",
    "vobee_rate_limited_total",
    "vobee_wrong_codes_total",
    "vobee_build_info",
    "vobee_ready",
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_max_fds",
    "process_virtual_memory_bytes",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_threads",
    // Made by Prometheus for every target that it scrapes.
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
];

/// The names under which other containers look for the four services.
const SERVICES: [&str; 4] = ["waitlist", "invites", "referrals", "quality-gates"];

#[test]
fn promtool_accepts_the_configuration_and_its_rules() {
    promtool(&["check", "config", "config/prometheus/prometheus.yml"]);
}

#[test]
fn every_rule_does_what_its_tests_say() {
    let files = paths("config/prometheus/tests", ".yml");
    let files: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    let mut arguments = vec!["test", "rules"];
    arguments.extend(files.iter().map(String::as_str));
    promtool(&arguments);
}

fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool")
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("promtool runs; scripts/test installs it with the Debian package prometheus");
    assert!(
        output.status.success(),
        "promtool {arguments:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn every_alert_has_a_test_in_which_it_fires_and_one_in_which_it_stays_silent() {
    let cases: Vec<Value> =
        rule_tests().iter().flat_map(|test| list(&test["alert_rule_test"]).to_vec()).collect();
    let tested = |alert: &str, fires: bool| {
        cases.iter().any(|case| {
            text(&case["alertname"]) == alert && list(&case["exp_alerts"]).is_empty() != fires
        })
    };
    let alerts: Vec<Value> = rules().into_iter().filter(|rule| rule["alert"].is_string()).collect();
    assert!(!alerts.is_empty(), "no alert is shipped");
    for alert in alerts.iter().map(|rule| text(&rule["alert"])) {
        assert!(tested(alert, true), "{alert} fires in no test");
        assert!(tested(alert, false), "{alert} is silent in no test");
    }
}

#[test]
fn every_recorded_series_has_a_test() {
    let tested: BTreeSet<String> = rule_tests()
        .iter()
        .flat_map(|test| list(&test["promql_expr_test"]).to_vec())
        .flat_map(|case| selectors(text(&case["expr"])))
        .collect();
    for rule in rules().iter().filter(|rule| rule["record"].is_string()) {
        let name = text(&rule["record"]);
        assert!(tested.contains(name), "{name} is in no test");
    }
}

fn rule_tests() -> Vec<Value> {
    paths("config/prometheus/tests", ".yml")
        .iter()
        .flat_map(|path| list(&yaml(path)["tests"]).to_vec())
        .collect()
}

#[test]
fn every_alert_says_what_is_wrong_and_how_bad_it_is() {
    for rule in rules().iter().filter(|rule| rule["alert"].is_string()) {
        let severity = text(&rule["labels"]["severity"]);
        assert!(["critical", "warning", "info"].contains(&severity), "{}", rule["alert"]);
        for part in ["summary", "description"] {
            assert!(!text(&rule["annotations"][part]).is_empty(), "{}: {part}", rule["alert"]);
        }
    }
}

#[test]
fn every_query_asks_for_metrics_that_exist() {
    let rules = rules();
    let recorded: BTreeSet<&str> = rules.iter().map(|rule| text(&rule["record"])).collect();
    let mut queries: Vec<(String, String)> =
        dashboard_queries().into_iter().map(|query| (query.origin, query.text)).collect();
    queries.extend(rules.iter().map(|rule| {
        let name = format!("{}{}", text(&rule["alert"]), text(&rule["record"]));
        (name, text(&rule["expr"]).to_owned())
    }));
    for (origin, query) in queries {
        let selectors = selectors(&query);
        assert!(!selectors.is_empty(), "{origin} asks for nothing: {query}");
        for selector in selectors {
            let name = selector.split('{').next().unwrap_or_default();
            let exists = METRICS.contains(&name) || recorded.contains(name);
            assert!(exists, "{origin}: there is no metric {name}");
        }
    }
}

#[test]
fn every_panel_can_be_understood_alone() {
    for (file, dashboard) in dashboards() {
        assert_eq!(panel_faults(&dashboard), Vec::<String>::new(), "{file}");
    }
}

/// What a reader of a panel would miss.
fn panel_faults(dashboard: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let panels = panels(dashboard);
    if panels.is_empty() {
        faults.push("no panel at all".to_owned());
    }
    for panel in panels {
        let title = text(&panel["title"]);
        let mut require = |holds: bool, what: &str| {
            if !holds {
                faults.push(format!("panel {} \"{title}\" {what}", panel["id"]));
            }
        };
        require(!title.is_empty(), "has no title");
        require(!text(&panel["description"]).is_empty(), "has no description");
        require(!text(&panel["fieldConfig"]["defaults"]["unit"]).is_empty(), "has no unit");
        require(!list(&panel["targets"]).is_empty(), "asks for nothing");
        for target in list(&panel["targets"]) {
            let query = text(&target["expr"]);
            let ranges = query.matches('[').count();
            let fitting = query.matches("[$__rate_interval]").count();
            require(ranges == fitting, "has a range that does not follow the zoom");
            require(target["datasource"]["uid"] == "vobee-prometheus", "asks another source");
        }
    }
    faults
}

#[test]
fn a_panel_without_unit_or_with_a_fixed_range_is_refused() {
    let target =
        |expr: &str| serde_json::json!({"expr": expr, "datasource": {"uid": "vobee-prometheus"}});
    let panel = |unit: &str, expr: &str| {
        serde_json::json!({"id": 1, "title": "Joins", "description": "New entries.",
            "fieldConfig": {"defaults": {"unit": unit}}, "targets": [target(expr)]})
    };
    let dashboard = |panels: &[Value]| serde_json::json!({ "panels": panels });
    let good = panel("short", "rate(a[$__rate_interval])");
    assert_eq!(panel_faults(&dashboard(&[good])), Vec::<String>::new());
    assert_eq!(panel_faults(&dashboard(&[panel("", "a")])).len(), 1);
    assert_eq!(panel_faults(&dashboard(&[panel("short", "rate(a[5m])")])).len(), 1);
    assert_eq!(panel_faults(&dashboard(&[])).len(), 1);
}

#[test]
fn grafana_finds_its_dashboards_and_their_source() {
    let provisioning = "config/grafana/provisioning";
    let sources = yaml(format!("{provisioning}/datasources/prometheus.yml"));
    assert_eq!(sources["datasources"][0]["uid"], "vobee-prometheus");
    assert_eq!(sources["datasources"][0]["url"], "http://prometheus:9090");
    let scrape = yaml("config/prometheus/prometheus.yml");
    let interval = &scrape["global"]["scrape_interval"];
    assert_eq!(&sources["datasources"][0]["jsonData"]["timeInterval"], interval);

    let providers = yaml(format!("{provisioning}/dashboards/vobee.yml"));
    let folder = text(&providers["providers"][0]["options"]["path"]);
    let compose = yaml("docker-compose.yml");
    let mount = format!("./config/grafana/dashboards:{folder}:ro");
    assert!(list(&compose["services"]["grafana"]["volumes"]).iter().any(|v| *v == mount));

    let uids: Vec<Value> = dashboards().into_iter().map(|(_, d)| d["uid"].clone()).collect();
    assert_eq!(uids, ["vobee-launch"]);
}

#[test]
fn compose_starts_one_process_under_the_names_of_four_services() {
    let compose = yaml("docker-compose.yml");
    let vobee = &compose["services"]["vobee"];
    assert_eq!(vobee["networks"]["default"]["aliases"], serde_json::json!(SERVICES));
    let scrape = yaml("config/prometheus/prometheus.yml");
    let target = &scrape["scrape_configs"][0]["static_configs"][0]["targets"][0];
    assert_eq!(target, "vobee:5000", "Prometheus looks for the service by its name");
    for service in ["prometheus", "grafana"] {
        assert!(compose["services"][service]["image"].is_string(), "{service}");
    }
}

#[test]
fn compose_publishes_on_loopback_and_mounts_what_is_there() {
    let compose = yaml("docker-compose.yml");
    let services = compose["services"].as_object().expect("compose has services");
    for (name, service) in services {
        for port in list(&service["ports"]) {
            assert!(text(port).starts_with("127.0.0.1:"), "{name} publishes {port}");
        }
        for volume in list(&service["volumes"]) {
            let source = text(volume).split(':').next().unwrap_or_default();
            let there = match source.strip_prefix("./") {
                Some(path) => root().join(path).is_dir(),
                None => compose["volumes"].get(source).is_some(),
            };
            assert!(there, "{name} mounts {volume}");
        }
    }
}

#[test]
fn the_image_is_built_with_the_toolchain_of_the_manifest() {
    let manifest: toml::Table =
        read("Cargo.toml").parse().expect("a manifest that cargo reads is TOML");
    let version = manifest["workspace"]["package"]["rust-version"].as_str().unwrap_or_default();
    let dockerfile = read("Dockerfile");
    assert!(!version.is_empty(), "the manifest names no toolchain");
    assert!(dockerfile.contains(&format!("FROM rust:{version}-")), "the image has another");
    assert!(dockerfile.lines().any(|line| line.starts_with("USER ") && line != "USER root"));
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).expect("a file that is shipped can be read")
}

#[test]
fn the_scripts_refuse_what_they_do_not_know() {
    for script in ["scripts/test", "scripts/pgo"] {
        let output = Command::new(root().join(script))
            .arg("--unknown")
            .output()
            .expect("a script can be executed");
        assert_eq!(output.status.code(), Some(2), "{script}");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains(&format!("usage: {script}")), "{script}: {told}");
        assert!(output.stdout.is_empty(), "{script}: what was wrong is no data");
    }
}
