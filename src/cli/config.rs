//! `vobee config`: what is wrong with the configuration, what counts, and what there is to set.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{Output, exit};
use crate::config::{Loaded, Problems, SHIPPED, Sources, load};

/// What to do with the configuration.
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say everything that is wrong, or that nothing is
    Check {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print every setting as it counts
    Show {
        /// Say where each value comes from
        #[arg(long)]
        origin: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a configuration file with every setting at its default
    Default,
}

/// Does it, and returns the exit code.
///
/// # Errors
/// When the configuration is wrong, or stdout cannot be written.
pub fn run(options: &Options, sources: &Sources, output: &mut Output) -> anyhow::Result<u8> {
    match options.action {
        Action::Check { json } => check(json, load(sources), output),
        Action::Show { origin, json } => {
            let loaded = load(sources)?;
            if json {
                output.json(&object(&loaded, origin)?)?;
            } else {
                show(&loaded, origin, output)?;
            }
            Ok(exit::OK)
        }
        Action::Default => {
            output.text(SHIPPED)?;
            Ok(exit::OK)
        }
    }
}

fn check(json: bool, result: Result<Loaded, Problems>, output: &mut Output) -> anyhow::Result<u8> {
    if !json {
        let file = result?.file;
        let file = file.map_or("no file".to_owned(), |path| path.display().to_string());
        output.line(format_args!("the configuration is sound ({file}, environment, flags)"))?;
        return Ok(exit::OK);
    }
    let (file, problems) = match &result {
        Ok(loaded) => (loaded.file.as_deref(), &[][..]),
        Err(problems) => (None, problems.as_slice()),
    };
    let told = problems.iter().map(|problem| {
        json!({
            "origin": problem.origin.to_string(),
            "key": Some(&problem.key).filter(|key| !key.is_empty()),
            "message": problem.message,
        })
    });
    let told: Vec<Value> = told.collect();
    output.json(&json!({ "ok": result.is_ok(), "file": file, "problems": told }))?;
    Ok(if result.is_ok() { exit::OK } else { exit::CONFIGURATION })
}

/// Lines that are a configuration file again.
fn show(loaded: &Loaded, origin: bool, output: &mut Output) -> anyhow::Result<()> {
    for entry in &loaded.entries {
        if origin {
            output.line(format_args!("{} = {}  # {}", entry.key, entry.value, entry.origin))?;
        } else {
            output.line(format_args!("{} = {}", entry.key, entry.value))?;
        }
    }
    Ok(())
}

/// The settings nested as in the file; with origins, flat, so that each stands beside its value.
fn object(loaded: &Loaded, origin: bool) -> anyhow::Result<Value> {
    if !origin {
        return Ok(serde_json::to_value(&loaded.config)?);
    }
    let mut object = Map::new();
    for entry in &loaded.entries {
        let value = json!({ "value": entry.value, "origin": entry.origin.to_string() });
        object.insert(entry.key.to_owned(), value);
    }
    Ok(Value::Object(object))
}
