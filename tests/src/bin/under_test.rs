//! `firewarden` itself, built beside the tests so that they have a real process to start and to kill.

use std::process::ExitCode;

fn main() -> ExitCode {
    firewarden::cli::main()
}
