//! What the demo can be asked for.

use std::path::PathBuf;

/// Play the whole path on this machine: an EHR's document becomes a Service, a partner joins, a gateway decides.
#[derive(Clone, Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Args {
    /// Exit after the story; the status is not 0 if a step was not as it should be.
    #[arg(long)]
    pub once: bool,
    /// Print the story as one JSON document on stdout, and nothing else there.
    #[arg(long)]
    pub json: bool,
    /// Put the gateway in front of this FHIR server in place of the sample EHR.
    ///
    /// Its patients are used; if it has none, the synthetic ones are written to it.
    #[arg(long, value_name = "URL")]
    pub upstream: Option<String>,
    /// Make the Service from this OpenAPI document in place of the sample EHR's.
    #[arg(long, value_name = "FILE")]
    pub openapi: Option<PathBuf>,
    /// Keep everything in this folder, which must be empty or absent; a temporary one if left out.
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// No colours; the variable NO_COLOR does the same.
    #[arg(long)]
    pub no_color: bool,
    /// Print a curl line under every step, not only under every request.
    #[arg(long)]
    pub verbose: bool,
}
