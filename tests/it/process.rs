//! The control plane as its own process, to be killed: started on a folder, asked over HTTP, watched as it dies.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The base of links and issuers: the same after each start, whatever port is free.
const PUBLIC_URL: &str = "http://policy.example";
/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running control plane; killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    /// Kept open, so that the process never writes to nobody.
    stdout: BufReader<ChildStdout>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

/// One request, before it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: &'static str,
    path: String,
    headers: String,
    body: String,
}

pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_under_test"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FIREWARDEN_")) {
        command.env_remove(name);
    }
    command
}

impl Server {
    /// Starts it on that folder and, if it is named, that database; it dies at the point, if there is one.
    pub(crate) fn start(folder: &Path, database: Option<&str>, kill_at: Option<&str>) -> Self {
        let log = OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
        let mut command = program();
        command.arg("serve").arg("--data-dir").arg(folder).args([
            "--listen",
            "127.0.0.1:0",
            "--public-url",
            PUBLIC_URL,
        ]);
        command.args(["--log", "warn"]);
        for kind in ["LOGIN", "TOKEN", "ADMIN", "IMPORT"] {
            command.env(format!("FIREWARDEN_{kind}_PER_MINUTE"), "100000");
        }
        command.envs(database.map(|url| ("FIREWARDEN_DATABASE_URL", url)));
        command.envs(kill_at.map(|point| ("FIREWARDEN_KILL_AT", point)));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), stdout };
        let mut line = String::new();
        loop {
            line.clear();
            let read = server.stdout.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "it ended: {}", std::fs::read_to_string(folder.join("log")).unwrap());
            if let Some(address) = line.trim().strip_prefix("listening on http://") {
                server.address = address.parse().unwrap();
                return server;
            }
        }
    }

    /// Sends it; none when the connection died before a whole answer.
    pub(crate) fn try_send(&self, ask: &Ask) -> Option<Reply> {
        send(self.address, ask)
    }

    /// Sends it, and has an answer.
    pub(crate) fn send(&self, ask: &Ask) -> Reply {
        self.try_send(ask).unwrap_or_else(|| panic!("no answer to {} {}", ask.method, ask.path))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the end of the process, and says which signal it was.
    pub(crate) fn signal(mut self) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.signal();
            }
            assert!(started.elapsed() < PATIENCE, "the process goes on");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends one request over a connection of its own; none when that died before a whole answer.
pub(crate) fn send(address: SocketAddr, ask: &Ask) -> Option<Reply> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let Ask { method, path, headers, body } = ask;
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: policy.example\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let reply = Reply { status, head, body: bytes[end..].to_vec() };
    let whole = reply.header("content-length").is_none_or(|length| length == reply.body.len().to_string());
    whole.then_some(reply)
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        let read = serde_json::from_slice(&self.body);
        read.unwrap_or_else(|_| panic!("{}\n{}", self.head, String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let find = |line: &'_ str| line.split_once(": ").is_some_and(|(own, _)| own.eq_ignore_ascii_case(name));
        self.head.lines().find(|line| find(line)).and_then(|line| line.split_once(": ")).map(|(_, value)| value)
    }

    /// The JSON of an answer that must have this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}{}", self.head, String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Value::Null } else { self.json() }
    }
}

impl Ask {
    fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: String::new(), body: String::new() }
    }

    /// Whether it is a call of `METHOD /template/{id}`.
    pub(crate) fn is_of(&self, operation: &str) -> bool {
        let path = self.path.split('?').next().unwrap_or_default();
        let asked = format!("{} {path}", self.method);
        let (asked, named): (Vec<_>, Vec<_>) = (asked.split('/').collect(), operation.split('/').collect());
        asked.len() == named.len()
            && asked.iter().zip(named).all(|(asked, named)| named.starts_with('{') || *asked == named)
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::new("DELETE", path)
    }

    pub(crate) fn post(path: impl Into<String>, body: &Value) -> Self {
        Self::new("POST", path).json("application/json", body)
    }

    pub(crate) fn put(path: impl Into<String>, body: &Value) -> Self {
        Self::new("PUT", path).json("application/json", body)
    }

    pub(crate) fn patch(path: impl Into<String>, body: &Value) -> Self {
        Self::new("PATCH", path).json("application/merge-patch+json", body)
    }

    fn json(self, content_type: &str, body: &Value) -> Self {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        Self { body, ..self.header("Content-Type", content_type) }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.extend([name, ": ", value, "\r\n"]);
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// With an `Idempotency-Key`.
    pub(crate) fn once(self, key: &str) -> Self {
        self.header("Idempotency-Key", key)
    }

    pub(crate) fn if_match(self, etag: &str) -> Self {
        self.header("If-Match", etag)
    }
}
