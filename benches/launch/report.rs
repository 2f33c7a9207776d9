//! What is printed.

use std::fmt::Write as _;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::long_list::Prefill;
use crate::machine::Machine;
use crate::options::Options;
use crate::scenario::{self, Scenario};
use crate::workload::{Findings, Row, Window};

/// Requests/s of durable joins over those of the no-op server, by connections.
const GOALS: [(usize, f64); 2] = [(64, 0.5), (256, 0.6)];
/// How far joins into the long list may be from joins into the empty one.
const GOAL_SPREAD: f64 = 0.10;
/// Resident memory a person.
const GOAL_BYTES: f64 = 300.0;
/// A run with fewer people or shorter windows is not judged.
const GOAL_PEOPLE: u64 = 1_000_000;
const GOAL_WINDOW: Duration = Duration::from_secs(1);
/// How far the size of the no-op server's answers may be from that of the real ones.
const ANSWER_SPREAD_MAX: f64 = 0.05;
/// How much of the machine others may use before the figures are in doubt.
const OTHERS_SHARE_MAX: f64 = 0.05;

/// The whole report.
pub(crate) fn full(options: &Options, machine: &Machine, findings: &Findings) -> String {
    let mut text = String::new();
    let doubtful = if cfg!(debug_assertions) {
        "debug build: the figures mean nothing"
    } else if is_small(options) {
        "a small run: it shows that the bench works; the goals are not judged"
    } else {
        ""
    };
    let lines = [
        format!("{} cores, {}, shared by server and generator", machine.cores, machine.cpu),
        format!("data directories in {}", options.dir.display()),
        format!(
            "4 KiB append and fdatasync there: p50 {} ms, p99 {} ms",
            millis(machine.sync_p50),
            millis(machine.sync_p99)
        ),
        format!(
            "windows of {:?}, {} for each server in turn; medians, and ratios of neighbours",
            options.window, options.rounds
        ),
        doubtful.to_owned(),
    ];
    for line in lines.iter().filter(|line| !line.is_empty()) {
        push_line(&mut text, line, options.markdown);
    }
    text.push('\n');
    text.push_str(&figures(options, machine, &findings.rows).print(options.markdown));
    if !options.noop_only {
        text.push('\n');
        text.push_str(&ratios(options, &findings.rows).print(options.markdown));
        text.push('\n');
        let prefill = findings.prefill.iter().flat_map(filling);
        for line in
            prefill.chain(goals(options, machine, findings)).chain(doubts(machine, &findings.rows))
        {
            push_line(&mut text, &line, options.markdown);
        }
    }
    text
}

fn push_line(text: &mut String, line: &str, markdown: bool) {
    text.push_str(if markdown { "- " } else { "" });
    text.push_str(line);
    text.push('\n');
}

/// One line to watch while the bench runs.
pub(crate) fn brief(row: &Row) -> String {
    let rate = |windows: &[Window]| match windows {
        [] => "-".to_owned(),
        windows => thousands(median(windows.iter().map(per_second)) as u64),
    };
    format!(
        "{}, {} connections: no-op {}/s, vobee {}/s",
        row.scenario.name(),
        row.connections,
        rate(&row.noop),
        rate(&row.real)
    )
}

fn figures(options: &Options, machine: &Machine, rows: &[Row]) -> Table {
    let mut table = Table::new(&[
        "scenario",
        "clients",
        "server",
        "requests/s",
        "(lowest, highest)",
        "CPU µs",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "commits/s",
        "events a commit",
        "answer B",
        "generator µs",
        "others %",
    ]);
    for row in rows {
        for (name, windows) in [("no-op", &row.noop), ("vobee", &row.real)] {
            if !windows.is_empty() {
                let mut cells =
                    vec![label(row.scenario, options), row.connections.to_string(), name.into()];
                cells.extend(measured(windows));
                cells.push(format!("{:.0}", 100.0 * others_share(machine.cores, windows)));
                table.rows.push(cells);
            }
        }
    }
    table
}

fn measured(windows: &[Window]) -> Vec<String> {
    let rates: Vec<f64> = windows.iter().map(per_second).collect();
    let lowest = rates.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = rates.iter().copied().fold(0.0, f64::max);
    let latency = latency(windows);
    let quantile = |quantile| millis(Duration::from_nanos(latency.value_at_quantile(quantile)));
    let seconds = total(windows, |window| window.driven.elapsed.as_secs_f64());
    let journals = windows.iter().filter_map(|window| window.journal);
    let (commits, events) = journals
        .map(|journal| (journal.commits, journal.events))
        .fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let journal = if commits > 0.0 {
        [thousands((commits / seconds) as u64), format!("{:.1}", events / commits)]
    } else {
        ["-".to_owned(), "-".to_owned()]
    };
    let [commit_rate, batch] = journal;
    vec![
        thousands(median(rates) as u64),
        format!("({}, {})", thousands(lowest as u64), thousands(highest as u64)),
        format!("{:.1}", server_micros(windows)),
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
        commit_rate,
        batch,
        format!("{:.0}", answer_bytes(windows)),
        format!("{:.1}", micros_each(windows, |window| window.generator_cpu)),
    ]
}

fn ratios(options: &Options, rows: &[Row]) -> Table {
    let mut table =
        Table::new(&["vobee / no-op", "clients", "requests/s", "server CPU", "p50", "p99"]);
    for row in rows.iter().filter(|row| !row.real.is_empty()) {
        let (noop, real) = (latency(&row.noop), latency(&row.real));
        let slower = |q| real.value_at_quantile(q) as f64 / noop.value_at_quantile(q).max(1) as f64;
        table.rows.push(vec![
            label(row.scenario, options),
            row.connections.to_string(),
            format!("{:.2}", ratio(row)),
            format!("{:.2}", server_micros(&row.real) / server_micros(&row.noop)),
            format!("{:.2}", slower(0.5)),
            format!("{:.2}", slower(0.99)),
        ]);
    }
    table
}

fn filling(prefill: &Prefill) -> Vec<String> {
    let Prefill { people, took, before, after, restarted_in, after_restart, .. } = prefill;
    let Prefill { snapshotting, data_bytes, .. } = prefill;
    let each = |bytes: u64| format!("{:.0}", bytes as f64 / *people as f64);
    let mebibytes = |bytes: u64| bytes / (1 << 20);
    vec![
        format!(
            "{} people joined in {:.1} s ({}/s)",
            thousands(*people),
            took.as_secs_f64(),
            thousands((*people as f64 / took.as_secs_f64()) as u64)
        ),
        format!(
            "resident bytes a person: {} (anonymous {}); {} MiB before, {} MiB after; {} bytes \
             of it typed, in the mean",
            each(after.all.saturating_sub(before.all)),
            each(after.anonymous.saturating_sub(before.anonymous)),
            mebibytes(before.all),
            mebibytes(after.all),
            scenario::typed_bytes_mean() as u64
        ),
        format!(
            "while a snapshot is taken up to {} MiB resident, {} bytes a person",
            mebibytes(snapshotting.all),
            each(snapshotting.all.saturating_sub(before.all))
        ),
        format!(
            "started again in {:.2} s; then {} MiB resident (anonymous {}), {} bytes a person",
            restarted_in.as_secs_f64(),
            mebibytes(after_restart.all),
            mebibytes(after_restart.anonymous),
            each(after_restart.all.saturating_sub(before.all))
        ),
        format!("{} MiB on disk, {} bytes a person", mebibytes(*data_bytes), each(*data_bytes)),
    ]
}

fn is_small(options: &Options) -> bool {
    options.people < GOAL_PEOPLE || options.window < GOAL_WINDOW
}

/// Whether the figures are those that the project wants; only what was measured is judged.
fn goals(options: &Options, machine: &Machine, findings: &Findings) -> Vec<String> {
    if is_small(options) || cfg!(debug_assertions) {
        return Vec::new();
    }
    let joins = |scenario: Scenario, connections: usize| {
        let mut rows = findings.rows.iter();
        let row = rows.find(|row| row.scenario == scenario && row.connections == connections);
        row.filter(|row| !row.real.is_empty()).map(|row| (ratio(row), is_quiet(machine, row)))
    };
    let mut lines = Vec::new();
    for (connections, goal) in GOALS {
        let empty = joins(Scenario::JoinEmpty, connections);
        let full = joins(Scenario::JoinFull, connections);
        for (which, found) in [("empty", empty), ("long", full)] {
            lines.extend(found.map(|(ratio, quiet)| {
                format!(
                    "goal {}: joins, {which} list, {connections} clients: {ratio:.2} of no-op, \
                     wanted {goal:.2}",
                    verdict(ratio >= goal, quiet)
                )
            }));
        }
        lines.extend(empty.zip(full).map(|((empty, empty_quiet), (full, full_quiet))| {
            let spread = (full / empty - 1.0).abs();
            format!(
                "goal {}: long over empty list, {connections} clients: {:.2}, wanted 1 ± {:.2}",
                verdict(spread <= GOAL_SPREAD, empty_quiet && full_quiet),
                full / empty,
                GOAL_SPREAD
            )
        }));
    }
    if let Some(prefill) = &findings.prefill {
        let ways = [("joined", prefill.after), ("recovered", prefill.after_restart)];
        lines.extend(ways.map(|(way, resident)| {
            let grown = resident.all.saturating_sub(prefill.before.all);
            let bytes = grown as f64 / prefill.people as f64;
            let met = verdict(bytes <= GOAL_BYTES, true);
            format!("goal {met}: {bytes:.0} resident bytes a person {way}, wanted {GOAL_BYTES}")
        }));
    }
    lines
}

/// A ratio that was measured beside somebody else's work is no verdict: when both servers get less
/// of the machine, they come closer to each other.
fn verdict(met: bool, quiet: bool) -> &'static str {
    match (quiet, met) {
        (true, true) => "met",
        (true, false) => "MISSED",
        (false, _) => "NOT JUDGED, the machine was busy",
    }
}

fn is_quiet(machine: &Machine, row: &Row) -> bool {
    let servers = [&row.noop, &row.real];
    servers.iter().all(|all| others_share(machine.cores, all) <= OTHERS_SHARE_MAX)
}

/// Why not to believe the figures: something else used the cores, or the no-op server, which
/// imitates the real answers by hand, has fallen behind.
fn doubts(machine: &Machine, rows: &[Row]) -> Vec<String> {
    let mut lines = Vec::new();
    let windows = rows.iter().flat_map(|row| [&row.noop, &row.real]).filter(|all| !all.is_empty());
    let most = windows.map(|all| others_share(machine.cores, all)).fold(0.0, f64::max);
    if most > OTHERS_SHARE_MAX {
        lines.push(format!(
            "doubt: others used up to {:.0} % of the cores; measure on a quiet machine",
            100.0 * most
        ));
    }
    for row in rows.iter().filter(|row| !row.real.is_empty()) {
        let (noop, real) = (answer_bytes(&row.noop), answer_bytes(&row.real));
        if (real / noop - 1.0).abs() > ANSWER_SPREAD_MAX {
            let name = row.scenario.name();
            lines.push(format!(
                "doubt: {name}: answers of {real:.0} bytes, of no-op {noop:.0}; make them alike"
            ));
        }
    }
    lines
}

fn label(scenario: Scenario, options: &Options) -> String {
    let people = thousands(options.people);
    match scenario {
        Scenario::JoinEmpty => "join, empty list".to_owned(),
        Scenario::JoinFull => format!("join, list of {people}"),
        Scenario::Status => "code status".to_owned(),
        Scenario::Position => format!("position in {people}"),
        Scenario::Redeem => "redeem".to_owned(),
    }
}

fn per_second(window: &Window) -> f64 {
    window.driven.answers as f64 / window.driven.elapsed.as_secs_f64()
}

/// The median over the pairs of windows that lie side by side.
fn ratio(row: &Row) -> f64 {
    let pairs = row.real.iter().zip(&row.noop);
    median(pairs.map(|(real, noop)| per_second(real) / per_second(noop)))
}

/// The part of the machine that neither server nor generator used and that was not idle.
fn others_share(cores: usize, windows: &[Window]) -> f64 {
    let seconds = total(windows, |window| window.driven.elapsed.as_secs_f64());
    total(windows, |window| window.others_cpu.as_secs_f64()) / (seconds * cores as f64)
}

fn server_micros(windows: &[Window]) -> f64 {
    micros_each(windows, |window| window.server_cpu)
}

fn micros_each(windows: &[Window], cpu: impl Fn(&Window) -> Duration) -> f64 {
    let answers = total(windows, |window| window.driven.answers as f64);
    total(windows, |window| cpu(window).as_secs_f64()) * 1e6 / answers
}

fn answer_bytes(windows: &[Window]) -> f64 {
    let answers = total(windows, |window| window.driven.answers as f64);
    total(windows, |window| window.driven.answer_bytes as f64) / answers
}

fn total(windows: &[Window], of: impl Fn(&Window) -> f64) -> f64 {
    windows.iter().map(of).sum()
}

fn latency(windows: &[Window]) -> Histogram<u64> {
    let mut rest = windows.iter().map(|window| window.driven.latency.clone());
    let first = rest.next().expect("a row that is printed has at least one window");
    rest.fold(first, |mut all, one| {
        all.add(one).expect("all histograms have the same bounds");
        all
    })
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

fn millis(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}

/// 1000000 as 1,000,000.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Rows under a head, the first columns to the left, figures to the right.
struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(head: &[&str]) -> Table {
        Table { head: head.iter().map(|name| (*name).to_owned()).collect(), rows: Vec::new() }
    }

    fn print(&self, markdown: bool) -> String {
        let lines = || std::iter::once(&self.head).chain(&self.rows);
        let widths: Vec<usize> = (0..self.head.len())
            .map(|column| lines().map(|cells| cells[column].chars().count()).max().unwrap_or(0))
            .collect();
        let mut text = String::new();
        for (index, cells) in lines().enumerate() {
            for ((column, cell), width) in cells.iter().enumerate().zip(&widths) {
                let before = if markdown { "| " } else { "" };
                let written = if column == 0 {
                    write!(text, "{before}{cell:<width$}")
                } else {
                    write!(text, "{before}{cell:>width$}")
                };
                written.expect("writing to a String cannot fail");
                text.push_str(if markdown { " " } else { "  " });
            }
            text.push_str(if markdown { "|\n" } else { "\n" });
            if markdown && index == 0 {
                text.push_str("| --- |");
                text.push_str(&" ---: |".repeat(widths.len() - 1));
                text.push('\n');
            }
        }
        text
    }
}
