//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::check::Question;

const EXAMPLE: &str = "\
Example:
  arc proxy --enrolment arc.json --upstream https://fhir.internal/fhir --state-dir /var/lib/arc

Every setting can be given as a flag, as an environment variable, or in `arc.toml`, in this order:
  --poll-interval 10s     ARC_POLL_INTERVAL=10s     poll_interval = \"10s\"";

/// The decision point of Firewarden at your gateway.
#[derive(Debug, Parser)]
#[command(name = "arc", version, about, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Stands in front of an API as a reverse proxy, and decides each request
    #[command(after_help = EXAMPLE)]
    Proxy(Box<Flags>),

    /// Says what a bundle decides on a request and why, or whether a table of decisions still holds
    #[command(after_help = crate::check::EXAMPLE)]
    Check(Box<Question>),
}

/// The settings as flags and environment variables; what is left out may stand in the file, or has a default.
#[derive(Debug, Default, Args)]
pub(crate) struct Flags {
    /// A file with settings [default: arc.toml, if it is there]
    #[arg(long, env = "ARC_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// The file that enrolling this gateway gave (required)
    #[arg(long, env = "ARC_ENROLMENT", value_name = "FILE")]
    pub(crate) enrolment: Option<PathBuf>,

    /// The base URL of the API behind this gateway (required)
    #[arg(long, env = "ARC_UPSTREAM", value_name = "URL")]
    pub(crate) upstream: Option<String>,

    /// Headers that go with every request to the upstream, one `Name: value` a line; its mode must be 0600
    #[arg(long, env = "ARC_UPSTREAM_HEADER_FILE", value_name = "FILE")]
    pub(crate) upstream_header_file: Option<PathBuf>,

    /// Where clients reach this gateway [default: 127.0.0.1:8090]
    #[arg(long, env = "ARC_LISTEN", value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,

    /// Where /livez, /readyz and /metrics are; keep it away from clients [default: 127.0.0.1:8091]
    #[arg(long, env = "ARC_STATUS_LISTEN", value_name = "ADDRESS")]
    pub(crate) status_listen: Option<SocketAddr>,

    /// The folder of bundles, audit and keys; keep it across restarts [default: arc-state]
    #[arg(long, env = "ARC_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,

    /// How often the control plane is asked for news: 500ms to 60s [default: 5s]
    #[arg(long, env = "ARC_POLL_INTERVAL", value_name = "TIME")]
    pub(crate) poll_interval: Option<String>,

    /// How long the upstream may take for an answer: 100ms to 600s [default: 30s]
    #[arg(long, env = "ARC_UPSTREAM_TIMEOUT", value_name = "TIME")]
    pub(crate) upstream_timeout: Option<String>,

    /// How large the audit may grow here before it is shipped, in bytes [default: 1073741824]
    #[arg(long, env = "ARC_AUDIT_MAX_BYTES", value_name = "BYTES")]
    pub(crate) audit_max_bytes: Option<u64>,

    /// The longest answer of the upstream that is looked at, in bytes [default: 67108864]
    #[arg(long, env = "ARC_MAX_RESPONSE_BYTES", value_name = "BYTES")]
    pub(crate) max_response_bytes: Option<usize>,
}
