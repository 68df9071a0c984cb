//! `firewarden`: the control plane, its database's migrations, its demo, and checks of API documents.

use std::process::ExitCode;

fn main() -> ExitCode {
    firewarden::cli::main()
}
