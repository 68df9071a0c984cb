//! The gateway: `arc proxy` as a process of its own, and everything around it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use policy::audit::Entry;
use policy::bundle::Parts;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::bundles;
use testkit::jws::SigningKey;

use super::{ControlPlane, Upstream, claims, clinic, eventually, send};

/// `arc proxy` as a process of its own.
pub(crate) struct ArcProxy {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) status_address: SocketAddr,
}

/// Runs `arc` with the arguments of the environment: this binary started again by [`ArcProxy::start`].
#[test]
#[ignore = "not a test: the child process of the others"]
fn arc_child() {
    let Ok(arguments) = std::env::var("ARC_CHILD_ARGUMENTS") else { return };
    let arguments: Vec<String> = serde_json::from_str(&arguments).unwrap();
    assert_eq!(::arc::main(arguments.into_iter().map(Into::into)), std::process::ExitCode::SUCCESS);
}

/// Starts this binary as `arc` with these arguments.
pub(crate) fn arc(arguments: &[&str]) -> Command {
    let mut all = vec!["arc"];
    all.extend(arguments);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "journeys::gateway_kit::process::arc_child", "--ignored", "--nocapture"])
        .env("ARC_CHILD_ARGUMENTS", serde_json::to_string(&all).unwrap())
        .stdout(Stdio::piped());
    command
}

impl ArcProxy {
    pub(crate) fn start(world: &World, more: &[&str]) -> Self {
        let enrolment = world.folder.path().join("arc.json");
        std::fs::write(&enrolment, world.enrolment().to_string()).unwrap();
        let (enrolment, state) = (enrolment.display().to_string(), world.state().display().to_string());
        let upstream = more
            .iter()
            .skip_while(|one| **one != "--upstream")
            .nth(1)
            .map_or_else(|| world.upstream.base(), ToString::to_string);
        let more = more.iter().filter(|one| **one != "--upstream" && **one != upstream);
        let mut arguments = vec![
            "proxy",
            "--enrolment",
            &enrolment,
            "--upstream",
            &upstream,
            "--state-dir",
            &state,
            "--listen",
            "127.0.0.1:0",
            "--status-listen",
            "127.0.0.1:0",
            "--poll-interval",
            "500ms",
        ];
        arguments.extend(more);
        let mut child = arc(&arguments)
            .env("ARC_LOG", std::env::var("ARC_LOG").unwrap_or_else(|_| "warn".to_owned()))
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut find = |prefix: &str| {
            let line = lines.find_map(|line| line.unwrap().split_once(prefix).map(|(_, rest)| rest.to_owned()));
            line.expect("arc says where it is").trim().parse().unwrap()
        };
        let address = find("listening on http://");
        let status_address = find("status on http://");
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, status_address }
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; waits for the end, and says whether it was orderly.
    pub(crate) fn stop(mut self) -> bool {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap().success()
    }

    pub(crate) fn ready(&self) -> (u16, Value) {
        let answer =
            send(self.status_address, b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    pub(crate) fn metrics(&self) -> String {
        let answer =
            send(self.status_address, b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        String::from_utf8(answer.body).unwrap()
    }

    pub(crate) fn runs(&self, version: u64) {
        eventually(&format!("bundle {version} is in force"), || self.ready().1["bundle_version"] == json!(version));
    }
}

impl Drop for ArcProxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything around one gateway.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) token_key: SigningKey,
    pub(crate) plane: ControlPlane,
    pub(crate) upstream: Upstream,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            token_key: SigningKey::es256("t1"),
            plane: ControlPlane::start(),
            upstream: Upstream::start(),
        }
    }

    /// With the clinic published, and a gateway that runs it.
    pub(crate) fn running(more: &[&str]) -> (Self, ArcProxy) {
        let world = Self::new();
        world.plane.publish(world.parts());
        let gateway = ArcProxy::start(&world, more);
        gateway.runs(1);
        (world, gateway)
    }

    pub(crate) fn parts(&self) -> Parts {
        clinic(&[&self.token_key])
    }

    pub(crate) fn enrolment(&self) -> Value {
        bundles::enrolment(&format!("http://{}", self.plane.address), &[&self.plane.lock().key])
    }

    pub(crate) fn state(&self) -> std::path::PathBuf {
        self.folder.path().join("state")
    }

    pub(crate) fn token(&self, scope: &str, patient: Option<&str>) -> String {
        self.token_key.sign("at+jwt", &claims(scope, patient))
    }

    /// A token for the observations and the record of patient `p1`.
    pub(crate) fn p1(&self) -> String {
        self.token("patient/Observation.rs patient/Patient.rs", Some("p1"))
    }

    /// Every entry that is in the spool now.
    pub(crate) fn spooled(&self) -> Vec<Entry> {
        spooled(&self.state())
    }
}

/// Every entry in the spool of that folder, read as plain lines.
pub(crate) fn spooled(state: &Path) -> Vec<Entry> {
    let mut segments: Vec<_> = std::fs::read_dir(state.join("audit"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|one| one == "log"))
        .collect();
    segments.sort();
    let text: String = segments.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    text.lines().map(|line| serde_json::from_str(line.split_once(' ').unwrap().1).unwrap()).collect()
}
