//! The programs of the story: each one the current binary again, in a process of its own.
//!
//! Invariant: no program outlives the demo. It is killed when its [`Program`] is dropped, and ends by itself
//! when the pipe to its standard input breaks, so even a demo that was killed leaves nothing behind.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::failure::Failure;

/// Marks a program of the story; [`end_with_parent`] looks for it.
const CHILD_MARK: &str = "DEMO_ENDS_WITH_STDIN";
/// What a program prints, once it accepts, before the URL.
const LISTENING: &str = "listening on ";
/// A program that says nothing for this long has failed; a debug build on a busy machine takes seconds.
const START_SECONDS: u64 = 60;

/// Ends this process when its standard input does, if the demo started it.
///
/// To be called first thing in `main`: the demo's children are the same binary.
pub fn end_with_parent() {
    if std::env::var_os(CHILD_MARK).is_none() {
        return;
    }
    std::thread::spawn(|| {
        let mut byte = [0_u8; 1];
        while matches!(std::io::stdin().read(&mut byte), Ok(1..)) {}
        #[expect(clippy::disallowed_methods, reason = "the demo is gone; there is nobody to return to")]
        std::process::exit(0);
    });
}

/// A running program.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    /// What it said it listens on.
    pub(crate) url: String,
}

impl Program {
    /// Starts the current binary with these arguments and waits until it listens.
    pub(crate) async fn start(name: &'static str, arguments: &[&str], logs: &Path) -> Result<Self, Failure> {
        let log = logs.join(format!("{name}.log"));
        let failed = |why: String| Failure::Program { name, why, log: log.clone() };
        let binary = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
        let file = || File::options().create(true).append(true).open(&log);
        let (for_stdout, for_stderr) =
            file().and_then(|one| Ok((one, file()?))).map_err(|error| Failure::File(log.clone(), error))?;
        let mut command = Command::new(binary);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(for_stderr);
        forget_settings(&mut command);
        apart(&mut command);
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let stdout = child.stdout.take().ok_or_else(|| failed("it has no output".to_owned()))?;
        let mut program = Self { child, url: String::new() };
        let listening = watch(stdout, for_stdout);
        match tokio::time::timeout(Duration::from_secs(START_SECONDS), listening).await {
            Ok(Ok(url)) => program.url = url,
            Ok(Err(_)) => return Err(failed(last_line(&log).unwrap_or_else(|| "it ended".to_owned()))),
            Err(_) => return Err(failed(format!("it was silent for {START_SECONDS} s"))),
        }
        Ok(program)
    }

    /// Kills it as a power cut would: it gets no chance to tidy up.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    /// Its resident memory in bytes, where the system tells.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
    }

    fn end(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
    }
}

/// A free port of the loopback interface; it is free until somebody takes it.
pub(crate) fn free_port() -> Result<u16, Failure> {
    let bound = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    bound.map(|address| address.port()).map_err(|error| Failure::File(PathBuf::from("127.0.0.1:0"), error))
}

/// The demo's programs read their flags only: what the environment says is for the reader's own.
fn forget_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("FIREWARDEN_") || text.starts_with("ARC_") {
            command.env_remove(&name);
        }
    }
    command.env(CHILD_MARK, "1");
}

/// In a process group of its own, so that Ctrl-C reaches the demo, which then ends them in its order.
#[cfg(unix)]
fn apart(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(not(unix))]
fn apart(_: &mut Command) {}

/// Copies what the program prints to its log; the first URL that it listens on goes to the receiver.
fn watch(stdout: ChildStdout, mut log: File) -> oneshot::Receiver<String> {
    let (sender, receiver) = oneshot::channel();
    let mut sender = Some(sender);
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // A log that cannot be written must not stop the program.
            let _ = writeln!(log, "{line}");
            if let Some((_, url)) = line.split_once(LISTENING)
                && let Some(sender) = sender.take()
            {
                let _ = sender.send(url.trim().to_owned());
            }
        }
    });
    receiver
}

fn last_line(log: &Path) -> Option<String> {
    let text = fs::read_to_string(log).ok()?;
    text.lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned)
}
