//! The rules of the house that no compiler and no lint holds. Every rule is a function from a file
//! to its faults, and every one has a bad sample below that it must refuse.

use std::fs;
use std::path::{Component, Path};

use crate::shipped::root;
use crate::tokens::{Token, functions, matches_at, test_items, tokens, without_tests};

const COLUMNS_MAX: usize = 100;
const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 600;
const MAIN_LINES_MAX: usize = 60;

const DOMAINS: [&str; 4] = ["waitlist", "invites", "referrals", "quality"];

/// The one list of routes is code, and belongs where a reader looks first.
const MODULES_WITH_CODE: [&str; 1] = ["src/http/mod.rs"];

/// What the crates below the root package may never depend on: those above them, and what only the
/// edge knows.
const FORBIDDEN_DEPENDENCIES: [(&str, &[&str]); 2] = [
    ("actors/Cargo.toml", &["vobee", "axum", "hyper", "hyper-util", "http", "tower", "clap"]),
    (
        "snapshots/Cargo.toml",
        &[
            "vobee",
            "actors",
            "vobee-actors",
            "ractor",
            "tokio",
            "axum",
            "hyper",
            "hyper-util",
            "http",
            "tower",
            "clap",
        ],
    ),
];

/// Modules and crates through which a decision could see more than its arguments.
const IMPURE_ROOTS: [&str; 15] = [
    "tokio", "ractor", "rand", "tracing", "log", "metrics", "fs", "io", "net", "env", "process",
    "thread", "clock", "entropy", "chrono",
];
const IMPURE_NAMES: [&str; 4] = ["Instant", "SystemTime", "Clock", "Entropy"];
const IMPURE_MACROS: [&str; 12] = [
    "trace",
    "debug",
    "info",
    "warn",
    "error",
    "print",
    "println",
    "eprint",
    "eprintln",
    "counter",
    "gauge",
    "histogram",
];

/// Beginnings of words that mean nothing to a journal.
const BUSINESS_WORDS: [&str; 6] =
    ["waitlist", "invit", "referral", "redeem", "redemption", "churn"];

/// First folders of paths that exist on somebody's machine only.
const PRIVATE_FOLDERS: [&str; 4] = ["root", "home", "work", "Users"];

#[test]
fn crates_depend_one_way_only() {
    let faults = FORBIDDEN_DEPENDENCIES.iter().flat_map(|(path, forbidden)| {
        let manifest = fs::read_to_string(root().join(path)).expect("the crate has a manifest");
        dependency_faults(path, &manifest, forbidden)
    });
    assert_none(faults.collect());
}

#[test]
fn lines_have_at_most_100_columns() {
    assert_rust_has_none(column_faults);
}

#[test]
fn functions_have_at_most_70_lines() {
    assert_rust_has_none(function_faults);
}

#[test]
fn files_have_at_most_600_lines_of_production_code() {
    assert_rust_has_none(length_faults);
}

#[test]
fn every_mod_file_is_an_essay_and_holds_no_code() {
    assert_rust_has_none(module_faults);
}

#[test]
fn every_expect_names_the_invariant_that_makes_it_true() {
    assert_rust_has_none(expect_faults);
}

#[test]
fn only_the_actor_file_of_a_domain_knows_that_there_are_actors() {
    assert_rust_has_none(isolation_faults);
}

#[test]
fn decide_and_apply_see_nothing_but_their_arguments() {
    assert_rust_has_none(purity_faults);
}

#[test]
fn the_journal_knows_no_business_word() {
    assert_rust_has_none(business_faults);
}

#[test]
fn nothing_names_a_place_outside_the_repository() {
    // A list of domains names none, though some look like pages.
    let files = files(|path| !path.ends_with("disposable-domains.txt"));
    let pages: Vec<String> =
        files.iter().filter(|file| file.path.ends_with(".md")).map(|file| file.name()).collect();
    assert_none(files.iter().flat_map(|file| outside_faults(file, &pages)).collect());
}

/// One file, with its path from the root of the repository.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn name(&self) -> String {
        self.path.rsplit('/').next().unwrap_or_default().to_owned()
    }

    fn is_production(&self) -> bool {
        ["src/", "actors/src/", "snapshots/src/"].iter().any(|dir| self.path.starts_with(dir))
    }

    fn fault(&self, line: usize, message: &str) -> String {
        format!("{}:{line}: {message}", self.path)
    }

    /// The tokens without those that only tests see.
    fn production_tokens(&self) -> Vec<Token> {
        without_tests(tokens(&self.text))
    }
}

fn assert_rust_has_none(rule: fn(&Source) -> Vec<String>) {
    let files = files(|path| path.ends_with(".rs"));
    assert!(!files.is_empty(), "found no Rust file at all");
    assert_none(files.iter().flat_map(rule).collect());
}

fn assert_none(faults: Vec<String>) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Every text file of the repository that is wanted, in the order of their paths; what git ignores
/// at the top is left out.
fn files(wanted: fn(&str) -> bool) -> Vec<Source> {
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap_or_default();
    let mut skipped: Vec<String> =
        ignored.lines().map(|line| line.trim().trim_matches('/').to_owned()).collect();
    skipped.push(".git".to_owned());
    let mut found = Vec::new();
    collect(&root(), "", &skipped, wanted, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn collect(
    dir: &Path,
    prefix: &str,
    skipped: &[String],
    wanted: fn(&str) -> bool,
    found: &mut Vec<Source>,
) {
    for entry in fs::read_dir(dir).expect("a folder of the repository can be listed") {
        let entry = entry.expect("an entry of the repository can be read");
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().expect("an entry of the repository has a type");
        if skipped.contains(&path) {
            continue;
        }
        if kind.is_dir() {
            collect(&entry.path(), &format!("{path}/"), skipped, wanted, found);
        } else if kind.is_file() && wanted(&path) {
            // What is no text has no lines to hold to anything.
            if let Ok(text) = fs::read_to_string(entry.path()) {
                found.push(Source { path, text });
            }
        }
    }
}

fn column_faults(source: &Source) -> Vec<String> {
    let columns = source.text.lines().map(|line| line.chars().count());
    (1..)
        .zip(columns)
        .filter(|(_, columns)| *columns > COLUMNS_MAX)
        .map(|(line, columns)| source.fault(line, &format!("{columns} columns")))
        .collect()
}

fn function_faults(source: &Source) -> Vec<String> {
    functions(&tokens(&source.text))
        .iter()
        .filter(|function| function.lines > FUNCTION_LINES_MAX)
        .map(|function| {
            let message = format!("fn {} has {} lines", function.name, function.lines);
            source.fault(function.line, &message)
        })
        .collect()
}

fn length_faults(source: &Source) -> Vec<String> {
    if !source.is_production() {
        return Vec::new();
    }
    let all = tokens(&source.text);
    let tests: usize = test_items(&all)
        .into_iter()
        .map(|item| all[item.end - 1].line + 1 - all[item.start].line)
        .sum();
    let lines = source.text.lines().count() - tests;
    let lines_max = if source.path == "src/main.rs" { MAIN_LINES_MAX } else { FILE_LINES_MAX };
    if lines > lines_max {
        vec![source.fault(1, &format!("{lines} lines, at most {lines_max}"))]
    } else {
        Vec::new()
    }
}

fn module_faults(source: &Source) -> Vec<String> {
    if !source.is_production() || source.name() != "mod.rs" {
        return Vec::new();
    }
    let mut faults = Vec::new();
    if !source.text.starts_with("//!") {
        faults.push(source.fault(1, "opens without an essay"));
    }
    if !MODULES_WITH_CODE.contains(&source.path.as_str()) {
        let code = functions(&source.production_tokens());
        faults.extend(code.iter().map(|function| {
            source.fault(function.line, &format!("fn {} belongs into a file", function.name))
        }));
    }
    faults
}

fn expect_faults(source: &Source) -> Vec<String> {
    if !source.is_production() {
        return Vec::new();
    }
    let tokens = source.production_tokens();
    (0..tokens.len())
        .filter(|at| matches_at(&tokens, *at, &[".", "expect", "("]))
        .filter(|at| {
            let message = tokens.get(at + 3).map(|token| token.text.as_str()).unwrap_or_default();
            !(message.contains('"') && message.contains(' '))
        })
        .map(|at| source.fault(tokens[at + 1].line, "an expect without a sentence that says why"))
        .collect()
}

fn isolation_faults(source: &Source) -> Vec<String> {
    let in_domain =
        DOMAINS.iter().any(|domain| source.path.starts_with(&format!("actors/src/{domain}/")));
    if !in_domain || source.name() == "actor.rs" {
        return Vec::new();
    }
    source
        .production_tokens()
        .iter()
        .filter(|token| ["ractor", "tokio", "committer"].contains(&token.text.as_str()))
        .map(|token| source.fault(token.line, &format!("{} outside actor.rs", token.text)))
        .collect()
}

fn purity_faults(source: &Source) -> Vec<String> {
    let is_rule = ["decide.rs", "apply.rs"].contains(&source.name().as_str());
    if !is_rule || !source.path.starts_with("actors/src/") {
        return Vec::new();
    }
    let tokens = source.production_tokens();
    let mut importing = false;
    let mut faults = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "use" => importing = true,
            ";" => importing = false,
            _ => {}
        }
        let text = token.text.as_str();
        let is_path = importing || matches_at(&tokens, at + 1, &[":", ":"]);
        let is_macro = matches_at(&tokens, at + 1, &["!", "("]);
        if IMPURE_NAMES.contains(&text)
            || (is_path && IMPURE_ROOTS.contains(&text))
            || (is_macro && IMPURE_MACROS.contains(&text))
        {
            faults.push(source.fault(token.line, &format!("a rule may not know {text}")));
        }
    }
    faults
}

fn business_faults(source: &Source) -> Vec<String> {
    if !source.path.starts_with("snapshots/src/") {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for (line, text) in (1..).zip(source.text.lines()) {
        let text = text.to_lowercase();
        let words = text.split(|letter: char| !letter.is_alphanumeric());
        for word in words.filter(|word| BUSINESS_WORDS.iter().any(|bad| word.starts_with(bad))) {
            faults.push(source.fault(line, &format!("{word} is a word of the business")));
        }
    }
    faults
}

/// Paths of somebody's machine, paths that leave the repository, and pages that it does not have.
fn outside_faults(source: &Source, pages: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    let is_path = |letter: char| letter.is_alphanumeric() || "._-/".contains(letter);
    for (line, text) in (1..).zip(source.text.lines()) {
        for path in text.split(|letter| !is_path(letter)).filter(|path| !path.starts_with("//")) {
            let path = path.trim_end_matches('.');
            let mut folders = path.strip_prefix('/').unwrap_or_default().split('/');
            if PRIVATE_FOLDERS.contains(&folders.next().unwrap_or_default())
                && folders.next().is_some()
            {
                faults.push(source.fault(line, &format!("{path} is on one machine only")));
            }
            if path.starts_with("../") && leaves_repository(&source.path, path) {
                faults.push(source.fault(line, &format!("{path} leaves the repository")));
            }
            let page = path.rsplit('/').next().unwrap_or_default();
            if page.len() > ".md".len() && page.ends_with(".md") && !pages.iter().any(|p| p == page)
            {
                faults.push(source.fault(line, &format!("there is no page {page}")));
            }
        }
    }
    faults
}

fn leaves_repository(file: &str, path: &str) -> bool {
    let climbs = Path::new(path).components().filter(|part| *part == Component::ParentDir).count();
    climbs > file.matches('/').count()
}

fn dependency_faults(path: &str, manifest: &str, forbidden: &[&str]) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().expect("a manifest that cargo reads is TOML");
    let mut names = Vec::new();
    collect_dependencies(&manifest, &mut names);
    names
        .iter()
        .filter(|name| forbidden.contains(&name.as_str()))
        .map(|name| format!("{path}: may not depend on {name}"))
        .collect()
}

/// Names and real names of all dependencies, those for one target, for tests and for builds too.
fn collect_dependencies(table: &toml::Table, names: &mut Vec<String>) {
    for (key, value) in table {
        let Some(entries) = value.as_table() else {
            continue;
        };
        if key.ends_with("dependencies") {
            for (name, entry) in entries {
                names.push(name.clone());
                let renamed = entry.get("package").and_then(toml::Value::as_str);
                names.extend(renamed.map(str::to_owned));
            }
        } else {
            collect_dependencies(entries, names);
        }
    }
}

/// Every rule, shown something that it must refuse and something that it must let pass.
mod samples {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    fn function_of(lines: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    step();\n".repeat(lines - 2))
    }

    #[test]
    fn a_line_of_101_columns_is_refused_and_one_of_100_is_not() {
        assert_eq!(
            column_faults(&source("src/a.rs", &"é".repeat(101))),
            ["src/a.rs:1: 101 columns"]
        );
        assert!(column_faults(&source("src/a.rs", &"é".repeat(100))).is_empty());
    }

    #[test]
    fn a_function_of_71_lines_is_refused_wherever_it_stands() {
        let inside = format!("\nmod a {{\nimpl B {{\n{}}}\n}}\n", function_of(71));
        let faults = function_faults(&source("tests/a.rs", &inside));
        assert_eq!(faults, ["tests/a.rs:4: fn long has 71 lines"]);
        assert!(function_faults(&source("tests/a.rs", &function_of(70))).is_empty());
    }

    #[test]
    fn a_file_of_601_lines_is_refused_and_its_tests_do_not_count() {
        let code = "const A: u8 = 0;\n".repeat(600);
        let tests = "#[cfg(test)]\nmod tests {\n    use super::*;\n}\n";
        assert!(length_faults(&source("src/a.rs", &format!("{code}{tests}"))).is_empty());
        let faults = length_faults(&source("src/a.rs", &format!("{code}{tests}//\n")));
        assert_eq!(faults, ["src/a.rs:1: 601 lines, at most 600"]);
        let faults = length_faults(&source("src/main.rs", &"//\n".repeat(61)));
        assert_eq!(faults, ["src/main.rs:1: 61 lines, at most 60"]);
    }

    #[test]
    fn a_mod_file_without_essay_or_with_code_is_refused() {
        let faults = module_faults(&source("src/a/mod.rs", "mod b;\nfn code() {}\n"));
        let want = [
            "src/a/mod.rs:1: opens without an essay",
            "src/a/mod.rs:2: fn code belongs into a file",
        ];
        assert_eq!(faults, want);
        let good = "//! An essay.\n\nmod b;\npub use b::B;\n";
        assert!(module_faults(&source("src/a/mod.rs", good)).is_empty());
        assert!(
            module_faults(&source("src/http/mod.rs", "//! Routes.\nfn routes() {}\n")).is_empty()
        );
    }

    #[test]
    fn an_expect_without_a_sentence_is_refused_also_inside_a_macro() {
        let text = "fn a() { b.expect(\"ok\"); vec![c.expect(MESSAGE)]; d.expect(\"\"); }";
        assert_eq!(expect_faults(&source("src/a.rs", text)).len(), 3);
        let good =
            "#[expect(dead_code, reason = \"a\")]\nfn a() { b.expect(\"the list has a head\"); }";
        assert!(expect_faults(&source("src/a.rs", good)).is_empty());
    }

    #[test]
    fn tokio_in_a_domain_is_refused_outside_the_actor_file() {
        let text = "use tokio::sync::mpsc;\nfn a() { crate::committer::b() }";
        assert_eq!(isolation_faults(&source("actors/src/invites/decide.rs", text)).len(), 2);
        assert!(isolation_faults(&source("actors/src/invites/actor.rs", text)).is_empty());
        assert!(isolation_faults(&source("actors/src/committer/batch.rs", text)).is_empty());
    }

    #[test]
    fn a_decision_that_sees_more_than_its_arguments_is_refused() {
        let bad = [
            "use std::{cmp, fs};",
            "fn a() { let now = Instant::now(); }",
            "fn a() { rand::random() }",
            "fn a() { tracing::info!(\"joined\") }",
            "fn a() { warn!(\"joined\") }",
            "fn a() { let now = crate::clock::now(); }",
        ];
        for text in bad {
            assert!(
                !purity_faults(&source("actors/src/quality/apply.rs", text)).is_empty(),
                "{text}"
            );
        }
        let good = "// The clock is the caller's.\n\
                    fn a(log: f64) -> bool { log.ln() != error && io }\n\
                    #[cfg(test)]\nmod tests { use std::fs; }";
        assert!(purity_faults(&source("actors/src/quality/decide.rs", good)).is_empty());
    }

    #[test]
    fn a_business_word_in_the_journal_is_refused_also_in_a_comment() {
        let text = "// One frame for each Invite.\nfn append_waitlist() {}\n// remember, invert\n";
        assert_eq!(business_faults(&source("snapshots/src/journal.rs", text)).len(), 2);
        assert!(business_faults(&source("actors/src/lib.rs", text)).is_empty());
    }

    #[test]
    fn a_path_of_one_machine_is_refused() {
        let text = format!("cd /{}/me/vobee", "home");
        let faults = outside_faults(&source("README.md", &text), &[]);
        assert_eq!(faults.len(), 1, "{faults:?}");
        let good = "see https://example.org/home/page, /var/lib/vobee and docs/home/x";
        assert!(outside_faults(&source("README.md", good), &[]).is_empty());
    }

    #[test]
    fn a_path_that_leaves_the_repository_is_refused() {
        let climb = "../".repeat(3);
        let faults = outside_faults(&source("actors/src/a.rs", &format!("{climb}b")), &[]);
        assert_eq!(faults.len(), 1, "{faults:?}");
        let good = format!("{}config", "../".repeat(2));
        assert!(outside_faults(&source("actors/src/a.rs", &good), &[]).is_empty());
    }

    #[test]
    fn a_page_that_is_not_there_is_refused() {
        let text = format!("as {0}.md says, and {1}.md.", "NOWHERE", "README");
        let faults = outside_faults(&source("src/a.rs", &text), &["README.md".to_owned()]);
        assert_eq!(faults.len(), 1, "{faults:?}");
    }

    #[test]
    fn a_dependency_against_the_direction_is_refused_under_any_name() {
        let manifest = "[dependencies]\nserde = \"1\"\n\
                        [dev-dependencies]\nengine = { path = \"..\", package = \"vobee\" }\n\
                        [target.'cfg(unix)'.dependencies]\naxum = \"0.8\"\n";
        let faults = dependency_faults("actors/Cargo.toml", manifest, &["vobee", "axum"]);
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(dependency_faults("a", "[dependencies]\nserde = \"1\"\n", &["vobee"]).is_empty());
    }
}
