//! The gateway's program: serves as a proxy until it is told to stop, or answers one question about a bundle.

mod check;
mod command;
mod proxy;
mod settings;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use command::{Arguments, Command};

/// Runs `arc` with these arguments, the program's name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(help) => {
            let _ = help.print();
            return ExitCode::from(u8::try_from(help.exit_code()).unwrap_or(2));
        }
    };
    start_log();
    let ended = match arguments.command {
        Command::Proxy(flags) => {
            settings::resolve(*flags).and_then(|settings| proxy::run(&settings)).map_err(|fault| fault.to_string())
        }
        Command::Check(question) => check::run(&question).map_err(|fault| fault.to_string()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("arc: {fault}");
            ExitCode::FAILURE
        }
    }
}

/// Log lines go to standard error; `ARC_LOG` chooses them (`warn`, `gateway_proxy=debug`).
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("ARC_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,actix_server=warn"));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // Another subscriber may be there already when another program runs this one.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .with_target(false)
        .try_init();
}
