//! The log: on standard error, as text or as one JSON object a line.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::LogConfig;

/// The filter in the configuration is none.
#[derive(Debug, thiserror::Error)]
#[error("`log` must be a level or `target=level,…`: {0}")]
pub struct InvalidFilter(String);

/// Starts the log of the process; later calls change nothing.
pub(crate) fn start(config: &LogConfig) -> Result<(), InvalidFilter> {
    let filter = EnvFilter::try_new(&config.filter).map_err(|error| InvalidFilter(error.to_string()))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started =
        if config.json { builder.json().flatten_event(true).try_init() } else { builder.compact().try_init() };
    if started.is_err() {
        tracing::debug!("the log runs already");
    }
    Ok(())
}
