//! The command line: what each subcommand takes, and how its errors are said.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use store::DatabaseUrl;

use crate::config::{DatabaseConfig, Settings, check_variables, read_file};
use crate::serve::{ServeConfig, StartError, announce, start};
use crate::spec::{self, Check, Spec};
use crate::{app, logging, sealing_key};

/// An open policy control plane for FHIR APIs.
#[derive(Debug, Parser)]
#[command(name = "firewarden", version, arg_required_else_help = true)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the control plane. Needs no set-up.
    #[command(after_help = SERVE_HELP)]
    Serve(Flags),
    /// Bring a database's schema to this version (PostgreSQL: with the owner's URL, before `serve`).
    #[command(after_help = MIGRATE_HELP)]
    Migrate(Flags),
    /// Look at API documents without a server.
    #[command(after_help = "Example:\n  firewarden spec check openapi.yaml")]
    Spec {
        #[command(subcommand)]
        what: Spec,
    },
    /// Play the whole path on this machine: a document becomes a Service, a partner joins, a gateway decides.
    #[command(after_help = DEMO_HELP)]
    Demo(demo::Args),
    /// The demo's sample EHR, alone.
    #[command(hide = true, after_help = "Example:\n  firewarden demo-ehr --listen 127.0.0.1:8092")]
    DemoEhr(demo::ehr::Args),
    /// The gateway's program, for the demo; it is `arc` otherwise.
    #[command(hide = true, disable_help_flag = true, after_help = "Example:\n  firewarden arc proxy --help")]
    Arc {
        /// Its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Print the administration API's own OpenAPI 3.1 document.
    #[command(after_help = "Example:\n  firewarden openapi > openapi/firewarden.json")]
    Openapi,
}

const SERVE_HELP: &str = "\
Each setting is read from its flag, then from FIREWARDEN_ and its name in capitals, then from firewarden.toml.
The sealing key is read from FIREWARDEN_SEALING_KEY (64 hexadecimal digits) or from its file; it is never a flag.

Examples:
  firewarden serve
  firewarden serve --data-dir /var/lib/firewarden --public-url https://policy.example.org
  FIREWARDEN_DATABASE_URL=postgres://app:…@db/firewarden firewarden serve --print-config";

const MIGRATE_HELP: &str = "\
Example:
  FIREWARDEN_DATABASE_URL=postgres://owner:…@db/firewarden firewarden migrate";

const DEMO_HELP: &str = "\
It starts the control plane, a FHIR server with synthetic patients and a gateway, each a process of its own on a free port,
and leaves nothing behind.

Examples:
  firewarden demo
  firewarden demo --once --json > story.json
  firewarden demo --upstream http://127.0.0.1:8092/fhir";

/// Every setting as a flag; what they mean and their defaults stand in `config::SETTINGS`.
#[derive(Args, Clone, Debug, Default)]
struct Flags {
    /// The settings' file [default: ./firewarden.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print every setting, its value and where it came from, and do nothing else
    #[arg(long)]
    print_config: bool,
    /// Where the database, the sealing key and unsent mail are [default: ./data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Base of every link and issuer [default: http://{listen}]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Threads that answer requests [default: 2]
    #[arg(long, value_name = "N")]
    workers: Option<String>,
    /// sqlite:PATH or postgres://…; with a password not as a flag [default: SQLite in the data folder]
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// Connections to the database [default: 8]
    #[arg(long, value_name = "N")]
    database_connections: Option<String>,
    /// smtps://host or smtp://host; with a password not as a flag [default: files in data/mail]
    #[arg(long, value_name = "URL")]
    smtp_url: Option<String>,
    /// The sender of every mail
    #[arg(long, value_name = "ADDRESS")]
    mail_from: Option<String>,
    /// text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// A level, or `target=level,…` [default: info,actix_server=warn]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// File of 32 random bytes, mode 0600 [default: made in the data folder]
    #[arg(long, value_name = "FILE")]
    sealing_key_file: Option<String>,
    /// Sign-ins and sign-ups a minute from one address [default: 30]
    #[arg(long, value_name = "N")]
    login_per_minute: Option<String>,
    /// Tokens a minute for one key [default: 1200]
    #[arg(long, value_name = "N")]
    token_per_minute: Option<String>,
    /// Administration requests a minute for one session or key [default: 1200]
    #[arg(long, value_name = "N")]
    admin_per_minute: Option<String>,
    /// Uploaded documents a minute for one session [default: 60]
    #[arg(long, value_name = "N")]
    import_per_minute: Option<String>,
}

impl Flags {
    fn values(&self) -> BTreeMap<&'static str, String> {
        let all = [
            ("data_dir", &self.data_dir),
            ("listen", &self.listen),
            ("public_url", &self.public_url),
            ("workers", &self.workers),
            ("database_url", &self.database_url),
            ("database_connections", &self.database_connections),
            ("smtp_url", &self.smtp_url),
            ("mail_from", &self.mail_from),
            ("log_format", &self.log_format),
            ("log", &self.log),
            ("sealing_key_file", &self.sealing_key_file),
            ("login_per_minute", &self.login_per_minute),
            ("token_per_minute", &self.token_per_minute),
            ("admin_per_minute", &self.admin_per_minute),
            ("import_per_minute", &self.import_per_minute),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value.clone()?))).collect()
    }

    fn settings(&self) -> Result<Settings, StartError> {
        check_variables(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))?;
        let file = read_file(self.config.as_deref())?;
        Ok(Settings::read(&self.values(), &|name| std::env::var(name).ok(), &file)?)
    }
}

/// Runs the program; errors go to standard error, in one line.
#[must_use]
pub fn main() -> ExitCode {
    demo::end_with_parent();
    let outcome = match Program::parse().command {
        Command::Arc { arguments } => return arc::main(std::iter::once(OsString::from("arc")).chain(arguments)),
        Command::Demo(args) => return play(args),
        Command::DemoEhr(args) => {
            actix_web::rt::System::new().block_on(demo::ehr::serve(args)).map_err(Box::<dyn std::error::Error>::from)
        }
        Command::Serve(flags) => serve(&flags),
        Command::Migrate(flags) => migrate(&flags),
        Command::Spec { what: Spec::Check(args) } => return check(&args),
        Command::Openapi => print(&app::openapi_text()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("firewarden: {error}");
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn serve(flags: &Flags) -> Outcome {
    let settings = flags.settings()?;
    let config = ServeConfig::from(&settings)?;
    if flags.print_config {
        return print(&settings.print());
    }
    logging::start(&config.log)?;
    install_tls();
    actix_web::rt::System::new().block_on(async move {
        let running = start(&config, std::env::var(sealing_key::VARIABLE).ok())?;
        announce(&config, &running)?;
        running.until_stopped().await?;
        tracing::info!("stopped");
        Ok(())
    })
}

/// Exit 0 for a document that a server would take, 1 for one that it would refuse or that cannot be read.
fn check(args: &Check) -> ExitCode {
    let checked = spec::check(args).map_err(Box::<dyn std::error::Error>::from);
    match checked.and_then(|checked| print(&checked.text).map(|()| checked.taken)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("firewarden: {error}");
            ExitCode::FAILURE
        }
    }
}

fn play(args: demo::Args) -> ExitCode {
    install_tls();
    actix_web::rt::System::new().block_on(demo::run(args))
}

fn migrate(flags: &Flags) -> Outcome {
    let settings = flags.settings()?;
    if flags.print_config {
        return print(&settings.print());
    }
    let url: DatabaseUrl = DatabaseConfig::from(&settings)?.url.parse()?;
    let ran = store::migrate(&url)?;
    match ran.len() {
        0 => print("the schema is up to date\n"),
        _ => print(&format!("ran {}\n", ran.join(", "))),
    }
}

/// The process's TLS, for SMTP: aws-lc-rs, and nothing chosen by chance.
fn install_tls() {
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::debug!("TLS has a provider already");
    }
}

/// Prints; a reader that went away is no failure.
fn print(text: &(impl fmt::Display + ?Sized)) -> Outcome {
    use std::io::Write as _;
    match write!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::config::SETTINGS;

    #[test]
    fn every_setting_is_a_flag_and_every_flag_a_setting() {
        let program = Program::command();
        let serve = program.find_subcommand("serve").unwrap();
        let mut flags: Vec<_> =
            serve.get_arguments().filter_map(|flag| flag.get_long()).map(|name| name.replace('-', "_")).collect();
        flags.retain(|name| !["config", "print_config", "help"].contains(&name.as_str()));
        flags.sort();
        let mut keys: Vec<_> = SETTINGS.iter().map(|setting| setting.key.to_owned()).collect();
        keys.sort();
        assert_eq!(flags, keys);
    }

    #[test]
    fn the_help_of_each_subcommand_has_an_example() {
        for command in Program::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{}", command.get_name());
        }
    }
}
