//! `POST /v1/token` at a real control plane: latency, and what one token costs in CPU time of the server.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::Connection;
use crate::report::{Figure, micros};
use crate::service::document;

const WARM_UP: usize = 200;
const TOKENS: usize = 3_000;
const CONNECTIONS: usize = 4;

/// The control plane, killed at the end.
struct Server {
    child: Child,
    address: String,
    folder: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub fn figures() -> Vec<Figure> {
    let server = start();
    let (secret, ask) = prepare(&server);
    let mut connection = Connection::open(&server.address);
    (0..WARM_UP).for_each(|_| token(&mut connection, &secret, &ask));

    let cpu = cpu_seconds(server.child.id());
    let alone = (0..TOKENS)
        .map(|_| {
            let from = Instant::now();
            token(&mut connection, &secret, &ask);
            micros(from.elapsed())
        })
        .collect();
    let each = (cpu_seconds(server.child.id()) - cpu) * 1e6 / TOKENS as f64;

    let from = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut connection = Connection::open(&server.address);
                (0..TOKENS / CONNECTIONS).for_each(|_| token(&mut connection, &secret, &ask));
            });
        }
    });
    let rate = TOKENS as f64 / from.elapsed().as_secs_f64();
    vec![
        Figure::of("POST /v1/token, one connection", "µs", alone, None),
        Figure::of("CPU time of the server for one token (SQLite included)", "µs", vec![each], None),
        Figure::of(format!("tokens per second, {CONNECTIONS} connections"), "1/s", vec![rate], None),
        Figure::of("the disk: one fdatasync of 4 kB", "µs", synced(&server.folder), None),
    ]
}

fn token(connection: &mut Connection, secret: &str, ask: &str) {
    let (status, answer) = connection.call("POST", "/v1/token", secret, ask);
    assert_eq!(status, 200, "{answer}");
}

/// Starts the release build with room in its budgets: what is measured is the work, not the limit.
fn start() -> Server {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let folder = std::env::temp_dir().join(format!("firewarden-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut child = Command::new(target.join("release/firewarden"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(&folder)
        .env("FIREWARDEN_TOKEN_PER_MINUTE", "1000000")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("target/release/firewarden starts");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let address = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("listening on http://").map(str::to_owned))
        .expect("it listens");
    Server { child, address, folder }
}

/// Signs an owner up, makes a Service, and a key with a role of it.
fn prepare(server: &Server) -> (String, String) {
    let mut connection = Connection::open(&server.address);
    let mut call = |method: &str, path: &str, bearer: &str, body: Value| {
        let (status, answer) = connection.call(method, path, bearer, &body.to_string());
        assert!(status < 300, "{method} {path}: {status} {answer}");
        answer
    };
    call("POST", "/v1/signup", "", json!({ "email": "owner@ehr.example" }));
    let confirm =
        json!({ "token": mailed(&server.folder), "password": "correct horse battery", "account_name": "EHR" });
    let session = text(&call("POST", "/v1/signup/confirm", "", confirm), "session_token");
    let service = text(&call("POST", "/v1/services", &session, serde_json::from_str(&document()).expect("JSON")), "id");
    let key = call("POST", "/v1/keys", &session, json!({ "name": "bench" }));
    let roles = json!({ "service_id": service, "role_ids": ["system/Patient.rs", "system/Observation.rs"] });
    call("PUT", &format!("/v1/keys/{}/roles", text(&key, "id")), &session, roles);
    let ask = json!({ "service_id": service, "scope": "patient/Observation.rs", "patient": "anna" });
    (text(&key, "secret"), ask.to_string())
}

fn text(answer: &Value, field: &str) -> String {
    answer[field].as_str().expect("a text").to_owned()
}

/// The token of the latest mail, once it is written.
fn mailed(folder: &Path) -> String {
    for _ in 0..100 {
        for entry in std::fs::read_dir(folder.join("mail")).into_iter().flatten().flatten() {
            let mail = std::fs::read_to_string(entry.path()).unwrap_or_default();
            if let Some(token) = mail.lines().find_map(|line| line.trim_end().strip_prefix("token: ")) {
                return token.to_owned();
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("no mail came");
}

/// User and system time of a process, from `/proc` (clock ticks of 10 ms).
fn cpu_seconds(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("a process");
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 = after_name.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<f64>().ok()).sum();
    ticks / 100.0
}

fn synced(folder: &Path) -> Vec<f64> {
    use std::io::Write;
    let mut file = std::fs::File::create(folder.join("sync")).expect("a file");
    (0..100)
        .map(|_| {
            file.write_all(&[0; 4_096]).expect("a write");
            let from = Instant::now();
            file.sync_data().expect("a sync");
            micros(from.elapsed())
        })
        .collect()
}
