//! From the sources to a checked configuration that knows where each value came from.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Value;

use super::layers::Layers;
use super::{Config, Origin, Problem, Problems};

/// The shipped file: every setting at its default, with unit and consequence.
pub const SHIPPED: &str = include_str!("../../config/vobee.toml");

/// Where the layers above the defaults come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file that a flag names; then no other is looked for.
    pub file: Option<PathBuf>,
    /// Files to look for, the first that exists counts.
    pub search: Vec<PathBuf>,
    /// The environment. `VOBEE_CONFIG` names a file, as the flag does.
    pub environment: Vec<(OsString, OsString)>,
    /// Values from the command line.
    pub flags: Vec<Flag>,
}

/// A value from the command line.
#[derive(Clone, Debug)]
pub struct Flag {
    /// The flag, with the dashes.
    pub name: &'static str,
    /// The key that it sets; one of the known ones.
    pub key: &'static str,
    /// The value, written as for an environment variable.
    pub text: String,
}

/// A configuration and where it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// Every setting with its origin, in the order of the shipped file.
    pub entries: Vec<Entry>,
}

/// One setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The dotted key.
    pub key: &'static str,
    /// The value.
    pub value: Value,
    /// Where the value came from.
    pub origin: Origin,
}

impl Sources {
    /// The sources of this process.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, flags: Vec<Flag>) -> Self {
        Self {
            file,
            search: vec!["vobee.toml".into(), "/etc/vobee/vobee.toml".into()],
            environment: std::env::vars_os().collect(),
            flags,
        }
    }

    /// The file to read with who names it, and whether it must exist.
    fn candidates(&self) -> Vec<(PathBuf, Origin, bool)> {
        const VARIABLE: &str = "VOBEE_CONFIG";
        if let Some(path) = &self.file {
            return vec![(path.clone(), Origin::Flag { name: "--config" }, true)];
        }
        let set = |(name, value): &&(OsString, OsString)| name == VARIABLE && !value.is_empty();
        if let Some((_, path)) = self.environment.iter().find(set) {
            return vec![(path.into(), Origin::Environment { name: VARIABLE.into() }, true)];
        }
        self.search.iter().map(|path| (path.clone(), Origin::Default, false)).collect()
    }
}

/// Lays the sources over the defaults and checks the whole.
///
/// # Errors
/// Everything that is wrong, each with its place: a file that cannot be read or is not TOML,
/// unknown keys and variables, values of the wrong type or out of range, and, once there is none
/// of these, values that contradict each other.
pub fn load(sources: &Sources) -> Result<Loaded, Problems> {
    let mut layers = Layers::defaults();
    let mut file = None;
    for (path, origin, required) in sources.candidates() {
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                layers.file(&path, &text);
                file = Some(path);
                break;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && !required => {}
            Err(error) => {
                let message = format!("cannot read {}: {error}", path.display());
                layers.problems.push(Problem { origin, key: String::new(), message });
                break;
            }
        }
    }
    layers.environment(&sources.environment);
    layers.flags(&sources.flags);
    let (config, entries) = check(layers)?;
    Ok(Loaded { config, file, entries })
}

/// Lays one more file over a configuration, and checks the whole.
///
/// # Errors
/// As for [`load`]; `flag` names the file where it cannot be read.
pub fn lay_over(loaded: &Loaded, path: &Path, flag: &'static str) -> Result<Config, Problems> {
    let mut layers = Layers::over(&loaded.entries);
    match std::fs::read_to_string(path) {
        Ok(text) => layers.file(path, &text),
        Err(error) => {
            let origin = Origin::Flag { name: flag };
            let message = format!("cannot read {}: {error}", path.display());
            layers.problems.push(Problem { origin, key: String::new(), message });
        }
    }
    check(layers).map(|(config, _)| config)
}

fn check(mut layers: Layers) -> Result<(Config, Vec<Entry>), Problems> {
    Problems::check(std::mem::take(&mut layers.problems))?;
    let entries = layers.into_entries();
    let config = assemble(&entries);
    let conflict = |(key, message): (&'static str, String)| Problem {
        origin: origin_of(&entries, key),
        key: key.to_owned(),
        message,
    };
    Problems::check(config.conflicts().into_iter().map(conflict).collect())?;
    Ok((config, entries))
}

fn origin_of(entries: &[Entry], key: &str) -> Origin {
    let entry = entries.iter().find(|entry| entry.key == key);
    entry.map_or(Origin::Default, |entry| entry.origin.clone())
}

/// The settings from their values, which have been checked one by one.
fn assemble(entries: &[Entry]) -> Config {
    let mut root = toml::Table::new();
    for entry in entries {
        let mut table = &mut root;
        let mut parts = entry.key.split('.').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                table.insert(part.to_owned(), entry.value.clone());
                break;
            }
            let inner = table.entry(part).or_insert_with(|| Value::Table(toml::Table::new()));
            table = inner.as_table_mut().expect("no rule's key is the section of another");
        }
    }
    Config::deserialize(root).expect("a value that its rule allows fits its field")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::settings::rules;
    use super::*;

    fn with_file(text: &str) -> (tempfile::TempDir, Sources) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("vobee.toml");
        fs::write(&path, text).expect("writable");
        (dir, Sources { file: Some(path), ..Sources::default() })
    }

    fn environment(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn entry(loaded: &Loaded, key: &str) -> (String, String) {
        let entry = loaded.entries.iter().find(|entry| entry.key == key).expect("a known key");
        (entry.value.to_string(), entry.origin.to_string())
    }

    /// The problems of a file, each without the directory of the file.
    fn problems(text: &str) -> Vec<String> {
        let (dir, sources) = with_file(text);
        let prefix = format!("{}/", dir.path().display());
        let problems = load(&sources).expect_err("problems");
        problems.as_slice().iter().map(|problem| problem.to_string().replace(&prefix, "")).collect()
    }

    #[test]
    fn the_shipped_file_holds_every_key_at_its_default() {
        let (_dir, sources) = with_file(SHIPPED);
        let loaded = load(&sources).expect("the shipped file is sound");
        assert_eq!(loaded.config, Config::default());
        let file = |entry: &&Entry| !matches!(entry.origin, Origin::File { .. });
        let missing: Vec<_> = loaded.entries.iter().filter(file).map(|entry| entry.key).collect();
        assert!(missing.is_empty(), "not in config/vobee.toml: {missing:?}");
        let line = |entry: &Entry| match entry.origin {
            Origin::File { line, .. } => line,
            Origin::Default | Origin::Environment { .. } | Origin::Flag { .. } => 0,
        };
        assert!(loaded.entries.is_sorted_by_key(line), "rules and file are in different order");
    }

    #[test]
    fn every_field_has_a_rule() {
        fn leaves(prefix: &str, value: &Value, found: &mut Vec<String>) {
            let Some(table) = value.as_table() else {
                return found.push(prefix.to_owned());
            };
            for (name, value) in table {
                let dot = if prefix.is_empty() { "" } else { "." };
                leaves(&format!("{prefix}{dot}{name}"), value, found);
            }
        }
        let mut fields = Vec::new();
        leaves("", &Value::try_from(Config::default()).expect("TOML"), &mut fields);
        let mut keys: Vec<String> = rules().map(|rule| rule.key.to_owned()).collect();
        keys.sort();
        fields.sort();
        assert_eq!(keys, fields);
    }

    #[test]
    fn flags_count_over_environment_over_file_over_default_and_each_value_knows_its_origin() {
        let (dir, mut sources) =
            with_file("[server]\nport = 1\nports.waitlist = 2\n\n[log]\nlevel = \"warn\"\n");
        let port = |text: &str| Flag { name: "--port", key: "server.port", text: text.to_owned() };
        sources.environment = environment(&[
            ("VOBEE_SERVER__PORT", "3"),
            ("VOBEE_SERVER__PORTS__WAITLIST", "4"),
            ("VOBEE_PORT", "tcp://10.0.0.1:5000"),
            ("VOBEE_SERVICE_HOST", "10.0.0.1"),
            ("HOME", "/root"),
        ]);
        sources.flags = vec![port("5")];
        let loaded = load(&sources).expect("sound");
        let pair = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
        assert_eq!(entry(&loaded, "server.port"), pair("5", "flag --port"));
        let waitlist = pair("4", "environment VOBEE_SERVER__PORTS__WAITLIST");
        assert_eq!(entry(&loaded, "server.ports.waitlist"), waitlist);
        let line = format!("{}/vobee.toml:6", dir.path().display());
        assert_eq!(entry(&loaded, "log.level"), pair("\"warn\"", &line));
        assert_eq!(entry(&loaded, "server.ports.invites"), pair("5011", "default"));
        assert_eq!((loaded.config.server.port, loaded.config.server.ports.waitlist), (5, 4));
    }

    #[test]
    fn the_first_file_found_counts_and_a_named_one_must_exist() {
        let (dir, named) = with_file("[server]\nport = 1\n");
        let search = vec![dir.path().join("none.toml"), dir.path().join("vobee.toml")];
        let sources = Sources { search, ..Sources::default() };
        let loaded = load(&sources).expect("sound");
        assert_eq!((loaded.config.server.port, loaded.file), (1, named.file));

        let other = dir.path().join("other.toml");
        fs::write(&other, "[server]\nport = 2\n").expect("writable");
        let named = environment(&[("VOBEE_CONFIG", other.to_str().expect("UTF-8"))]);
        let loaded = load(&Sources { environment: named, ..sources.clone() }).expect("sound");
        assert_eq!(loaded.config.server.port, 2);

        let file = Some(dir.path().join("none.toml"));
        let problems = load(&Sources { file, ..sources }).expect_err("no such file");
        assert!(problems.to_string().starts_with("flag --config: cannot read "), "{problems}");
    }

    #[test]
    fn a_typo_is_answered_with_file_line_key_and_the_nearest_known_key() {
        let text = "[server]\n# comment\nprot = 5000\n\n[limit]\nglobal = 3\n[[referrals.tiers]]\n\
                    redeemed = 1\nreason = \"one\"\ninvite_code = 1\n";
        let expected = [
            "vobee.toml:3: unknown key \"server.prot\"; the nearest known key is \"server.port\"",
            "vobee.toml:5: unknown section \"limit\"; the nearest known section is \"limits\"",
            "vobee.toml:10: unknown key \"referrals.tiers[0].invite_code\"; the nearest known key \
             is \"invite_codes\"",
        ];
        assert_eq!(problems(text), expected);
    }

    #[test]
    fn an_unknown_variable_of_our_shape_is_an_error_that_names_the_nearest() {
        let environment = environment(&[("VOBEE_SERVER__PROT", "1"), ("VOBEE_LOG__LEVEL", "loud")]);
        let problems = load(&Sources { environment, ..Sources::default() }).expect_err("problems");
        let expected = "environment VOBEE_LOG__LEVEL: log.level = \"loud\" is not one of \
                        \"error\", \"warn\", \"info\", \"debug\", \"trace\"\n\
                        environment VOBEE_SERVER__PROT: unknown variable; the nearest known one is \
                        VOBEE_SERVER__PORT";
        assert_eq!(problems.to_string(), expected);
    }

    #[test]
    fn wrong_types_and_ranges_are_told_all_at_once_with_what_is_allowed() {
        let text = "[server]\nport = 70_000\nhost = \"localhost\"\nopen = \"yes\"\n\
                    trusted_proxies = [\n  \"10.0.0.0/8\",\n  \"proxy\",\n]\n\
                    [quality]\nweights.churn = 1.5\nmembers_min = 2.5\nthresholds = 3\n\
                    [referrals]\nhalf_life_days = nan\n\
                    [[referrals.tiers]]\nredeemed = 3\n";
        let expected = [
            "vobee.toml:2: server.port = 70000 is not a whole number from 0 to 65535",
            "vobee.toml:3: server.host = \"localhost\" is not an IP address, such as \"127.0.0.1\" \
             or \"0.0.0.0\"",
            "vobee.toml:4: server.open = \"yes\" is not true or false",
            "vobee.toml:7: server.trusted_proxies holds \"proxy\", which is not an address or a \
             network, such as \"10.0.0.0/8\"",
            "vobee.toml:10: quality.weights.churn = 1.5 is not a number from 0 to 1",
            "vobee.toml:11: quality.members_min = 2.5 is not a whole number from 1 to 1000000",
            "vobee.toml:12: quality.thresholds is a section and cannot have a value of its own",
            "vobee.toml:14: referrals.half_life_days = nan is not a number from 0.01 to 3650",
            "vobee.toml:15: referrals.tiers[0] has no reason",
        ];
        assert_eq!(problems(text), expected);
    }

    #[test]
    fn values_that_contradict_each_other_are_told_where_they_were_set() {
        let text = "[server]\nhost = \"0.0.0.0\"\nopen = true\nports.quality = 5000\n\
                    [quality.thresholds]\ntrust.critical = 0.9\n\
                    [referrals.weights]\nrecency = 0.5\n";
        let expected = [
            "vobee.toml:3: server.open = true needs every listener on loopback, and server.host is \
             0.0.0.0",
            "vobee.toml:4: server.ports.quality = 5000 is also the port of server.port",
            "vobee.toml:6: quality.thresholds.trust.critical = 0.9 is above its warning line, 0.8",
            "vobee.toml:8: referrals.weights sum to 1.3, and must sum to 1 so that the score stays \
             in 0..1",
        ];
        assert_eq!(problems(text), expected);
    }

    #[test]
    fn what_is_not_toml_is_told_with_its_lines() {
        let told = problems("[server]\nport = = 1\n\n[log]\nlevel\n");
        assert!(told[0].starts_with("vobee.toml:2: is not TOML: "), "{told:?}");
        assert!(told.iter().any(|line| line.starts_with("vobee.toml:5: ")), "{told:?}");
    }

    #[test]
    fn lists_come_from_the_environment_bare_or_as_in_the_file() {
        let environment = environment(&[
            ("VOBEE_WAITLIST__SCORING__KEYWORDS", "time, money"),
            ("VOBEE_SERVER__TRUSTED_PROXIES", "[\"10.0.0.0/8\"]"),
            ("VOBEE_REFERRALS__TIERS", "[{redeemed = 1, reason = \"one\", lifetime = true}]"),
            ("VOBEE_QUALITY__THRESHOLDS__CHURN__CRITICAL", "1"),
        ]);
        let config = load(&Sources { environment, ..Sources::default() }).expect("sound").config;
        assert_eq!(config.waitlist.scoring.keywords, ["time", "money"]);
        assert_eq!(config.server.trusted_proxies[0].to_string(), "10.0.0.0/8");
        assert!(config.referrals.tiers[0].lifetime);
        assert!((config.quality.thresholds.churn.critical - 1.0).abs() < f64::EPSILON);
    }
}
