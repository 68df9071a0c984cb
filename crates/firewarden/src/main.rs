//! `firewarden`: the control plane, its database's migrations, its demo, and checks of API documents.

use std::process::ExitCode;

/// A password's hash takes 19 MiB for a moment. The system's allocator keeps them for good, spread over its arenas: 93 MB
/// resident after two sign-ups and a few logins; this one gives them back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    firewarden::cli::main()
}
