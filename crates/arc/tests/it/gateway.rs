//! `arc proxy` as a process, in front of a table's Service.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use policy::bundle::Parts;
use serde_json::Value;
use tempfile::TempDir;
use testkit::bundles::{Published, enrolment, service_id};
use testkit::jws::SigningKey;

use crate::peers::Peers;
use crate::wire;

/// How long a gateway may take to have its bundle in force.
const PATIENCE: Duration = Duration::from_mins(1);

/// Now, in seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the program under test reads the clock itself")]
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed()
}

/// A gateway, killed when it is dropped.
pub(crate) struct Gateway {
    child: Child,
    /// Kept open, so that the process never writes to nobody.
    _stdout: BufReader<ChildStdout>,
    folder: TempDir,
    pub(crate) address: SocketAddr,
    status: SocketAddr,
    pub(crate) peers: Peers,
}

impl Gateway {
    /// Starts one with a bundle of these parts; it may not have it yet.
    pub(crate) fn start(mut parts: Parts) -> Self {
        let (folder, key) = (tempfile::tempdir().unwrap(), SigningKey::ed25519("bundles"));
        parts.service.id = service_id();
        let published = Published::new(parts, 1, None, now());
        let path = folder.path().join("arc.json");
        // The address of the control plane stands in the enrolment, and is known last.
        let enrolment = enrolment("http://control.plane", &[&key]).to_string();
        let peers = Peers::start(published, key);
        fs::write(&path, enrolment.replace("http://control.plane", &peers.control_plane())).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_arc"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ARC_")) {
            command.env_remove(name);
        }
        command.current_dir(folder.path()).arg("proxy").arg("--enrolment").arg(&path);
        command.arg("--upstream").arg(peers.upstream()).args(["--listen", "127.0.0.1:0"]);
        command.args(["--status-listen", "127.0.0.1:0", "--poll-interval", "500ms", "--state-dir", "state"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut place = |prefix: &str| {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            let address = line.trim().strip_prefix(prefix).and_then(|text| text.parse().ok());
            address.unwrap_or_else(|| panic!("{}", fs::read_to_string(folder.path().join("log")).unwrap()))
        };
        let (address, status) = (place("listening on http://"), place("status on http://"));
        Self { child, _stdout: stdout, folder, address, status, peers }
    }

    /// Waits until its bundle is in force.
    pub(crate) fn ready(&self) {
        let started = Instant::now();
        let probe = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        while wire::send(self.status, probe.as_bytes()).is_none_or(|answer| answer.status() != 200) {
            assert!(started.elapsed() < PATIENCE, "not ready: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// The audit so far, oldest first: of each line what follows its checksum.
    pub(crate) fn audit(&self) -> Vec<Value> {
        let folder = self.folder.path().join("state").join("audit");
        let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        paths.sort();
        let texts = paths.iter().map(|path| fs::read_to_string(path).unwrap());
        let read = |text: String| {
            let entry = |line: &str| serde_json::from_str(line.split_once(' ').unwrap().1).unwrap();
            text.lines().map(entry).collect::<Vec<Value>>()
        };
        texts.flat_map(read).collect()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::io::stdout().flush();
    }
}
