//! The program `arc`; all of it is in the library, so that it can also be run from `firewarden`.

use std::process::ExitCode;

fn main() -> ExitCode {
    arc::main(std::env::args_os())
}
