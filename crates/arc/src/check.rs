//! `arc check`: what a bundle decides on a request, for the person who asks; or whether a table of requests still holds.
//!
//! Invariant: it only reads. Nothing is sent anywhere, and neither the bundle's nor a token's signature is
//! looked at, which it says.

mod call;
mod page;
mod question;
mod table;
mod words;

use std::path::PathBuf;

use clap::Args;
use gateway::trial::{NotClaims, Trial, Unusable};

pub(crate) const EXAMPLE: &str = "\
Examples:
  arc check --bundle /var/lib/arc --url '/Observation?code=8867-4' \\
      --claims '{\"scope\":\"patient/*.rs\",\"patient\":\"1\"}'
  arc check --bundle bundle-12 --method PUT --url /Observation/7 --body @observation.json --token @token.jwt \\
      --stored 'Observation/7=@stored.json' --stored 'Patient/1=404'
  arc check --bundle /var/lib/arc --table our-apps.md

A table is Markdown with the columns `token` or `claims`, `call`, `decision` and `upstream`:
  | token                  | call             | decision               | upstream                            |
  |------------------------|------------------|------------------------|-------------------------------------|
  | patient/Observation.rs | GET /Observation | permit                 | GET /Observation?patient=Patient/ME |
  | patient/*.rs patient:1 | GET /Patient/2   | deny 403 other_patient | none                                |
Words of `token` are scopes, but for `none`, `refused:<reason>`, `role:<name or id>`, `patient:<id>` (`patient:-`
for none; else it is ME), `account:<id>` and `person`. A `call` may go on with ` + Name: value` for each header, and
with ` json: …` or ` form: …` (or `@FILE`) for a body. An empty cell is not compared.";

/// One question, or a table of them.
#[derive(Debug, Args)]
pub(crate) struct Question {
    /// A bundle's file, or the folder in which a gateway keeps its own
    #[arg(long, value_name = "FILE|FOLDER")]
    bundle: PathBuf,

    /// The request's method
    #[arg(long, default_value = "GET")]
    method: String,

    /// The request's URL: a path below the Service's base, or all of it
    #[arg(long, required_unless_present = "table")]
    url: Option<String>,

    /// A header of the request; repeatable
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,

    /// The request's body, or @FILE
    #[arg(long, value_name = "TEXT|@FILE")]
    body: Option<String>,

    /// The claims of the caller's token, as JSON or in a file; what is left out is filled in (issuer, the Service's own account)
    #[arg(long, value_name = "FILE|JSON")]
    claims: Option<String>,

    /// The caller's token, or @FILE; its claims are believed without a look at its signature or its times
    #[arg(long, value_name = "JWT|@FILE", conflicts_with = "claims")]
    token: Option<String>,

    /// What is stored, for the lookups of the decision: `Observation/1=@FILE`, or a status: `Observation/1=404`; repeatable
    #[arg(long, value_name = "PATH=@FILE|STATUS")]
    stored: Vec<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    /// Run a table of calls, and say which rows differ
    #[arg(long, value_name = "FILE.md", conflicts_with_all = ["url", "headers", "body", "claims", "token", "stored"])]
    table: Option<PathBuf>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Bundle(#[from] Unusable),
    #[error("`{}` cannot be read: {fault}", path.display())]
    File { path: PathBuf, fault: std::io::Error },
    #[error(transparent)]
    Claims(#[from] NotClaims),
    #[error("`{text}` is not {expected}")]
    Form { text: String, expected: &'static str },
    #[error("line {line}: {fault}")]
    Row { line: usize, fault: String },
    #[error("{rows} of {of} rows differ")]
    Differ { rows: usize, of: usize },
}

/// Answers on standard output.
pub(crate) fn run(question: &Question) -> Result<(), Fault> {
    let trial = Trial::open(&question.bundle)?;
    if question.token.is_some() {
        eprintln!(
            "arc: WARNING: the token's claims are believed as they stand: its signature and its times were NOT verified"
        );
    }
    if let Some(path) = &question.table {
        return table::run(&trial, path);
    }
    print!("{}", question::answer(&trial, question)?);
    Ok(())
}
