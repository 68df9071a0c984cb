//! A gateway as its own process, between a control plane that serves what a test signs and an upstream that says what it saw.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::time::{Duration, Instant};

use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use policy::audit::{DecisionRecord, Entry, OutcomeRecord, Record};
use policy::bundle::Parts;
use policy::facts::{ElementPath, ParameterKind, SearchParameter, Standing, TypeFacts};
use policy::id::TokenId;
use policy::operation::{FhirOperation, Interaction, Method, Operation};
use policy::settings::ServiceKind;
use policy::text::TypeName;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::bundles::{self, ISSUER, Published};
use testkit::jws::SigningKey;
use uuid::Uuid;

/// The Service's own base, as clients know it; its `Host` is what they send.
pub(super) const BASE: &str = "https://api.example/fhir";
pub(super) const HOST: &str = "api.example";
const PATIENCE: Duration = Duration::from_secs(20);

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "a test is a door")]
pub(super) fn now() -> i64 {
    i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// Waits until it is so; the test fails if it never is.
pub(super) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "it never came to be that {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

// ---------------------------------------------------------------- the policy

fn type_name(text: &str) -> TypeName {
    text.try_into().unwrap()
}

fn path(elements: &[&str], only: Option<&str>) -> ElementPath {
    ElementPath { elements: elements.iter().map(|one| (*one).into()).collect(), only: only.map(type_name) }
}

fn operation(method: Method, template: &str, interaction: Interaction, resource_type: Option<&str>) -> Operation {
    let fhir = FhirOperation {
        interaction,
        resource_type: resource_type.map(type_name),
        code: None,
        type_segment: None,
        id_segment: template.contains("{id}").then_some(1),
    };
    Operation { method, template: template.parse().unwrap(), fhir: Some(fhir), query: Vec::new(), headers: Vec::new() }
}

fn parameter(name: &str, kind: ParameterKind, paths: Vec<ElementPath>, owner: bool) -> SearchParameter {
    let targets = if owner { vec![type_name("Patient")] } else { Vec::new() };
    SearchParameter { name: name.into(), kind, targets, paths, owner }
}

/// A FHIR Service with patients and observations.
pub(super) fn clinic(token_keys: &[&SigningKey]) -> Parts {
    let mut parts = bundles::parts(ServiceKind::Fhirv4, BASE, token_keys);
    parts.operations = vec![
        operation(Method::Get, "/Observation", Interaction::SearchType, Some("Observation")),
        operation(Method::Post, "/Observation", Interaction::Create, Some("Observation")),
        operation(Method::Post, "/Observation/_search", Interaction::SearchType, Some("Observation")),
        operation(Method::Get, "/Observation/{id}", Interaction::Read, Some("Observation")),
        operation(Method::Get, "/Patient", Interaction::SearchType, Some("Patient")),
        operation(Method::Get, "/Patient/{id}", Interaction::Read, Some("Patient")),
        operation(Method::Get, "/metadata", Interaction::Capabilities, None),
    ];
    parts.operations.sort_by_key(|one| (one.template.shape(), one.method));
    let subject = || path(&["subject"], Some("Patient"));
    parts.types = vec![
        TypeFacts {
            name: type_name("Observation"),
            standing: Standing::Compartment,
            parameters: vec![
                parameter("code", ParameterKind::Token, vec![path(&["code"], None)], false),
                parameter("patient", ParameterKind::Reference, vec![subject()], true),
                parameter("subject", ParameterKind::Reference, vec![path(&["subject"], None)], true),
            ],
            owners: vec![subject()],
        },
        TypeFacts {
            name: type_name("Patient"),
            standing: Standing::Patient,
            parameters: vec![parameter("birthdate", ParameterKind::Date, vec![path(&["birthDate"], None)], false)],
            owners: Vec::new(),
        },
    ];
    parts.common = vec![parameter("_id", ParameterKind::Token, vec![path(&["id"], None)], false)];
    parts
}

/// Claims of a key that may read one patient's observations for five minutes.
pub(super) fn claims(scope: &str, patient: Option<&str>) -> Value {
    let jti = TokenId::new(Uuid::from_u128(u128::from(now().unsigned_abs())));
    let mut claims = json!({
        "iss": ISSUER, "sub": "key_1", "client_id": "key_1", "aud": BASE, "exp": now() + 300, "nbf": now(), "iat": now(),
        "jti": jti, "token_kind": "key", "scope": scope, "account_id": bundles::parts(ServiceKind::Plain, BASE, &[]).service.account_id,
    });
    if let Some(patient) = patient {
        claims["patient"] = json!(patient);
    }
    claims
}

// ---------------------------------------------------------------- the control plane

/// What the control plane serves, and what it was told.
pub(super) struct Plane {
    pub(super) key: SigningKey,
    pub(super) head: Option<String>,
    pub(super) bundle: Option<(String, Vec<u8>)>,
    /// Heads are signed anew with each request for this version.
    pub(super) published: Option<Published>,
    pub(super) down: bool,
    /// Whether shipments are stored.
    pub(super) takes_audit: bool,
    /// By (boot, seq), as the text that was shipped.
    pub(super) entries: BTreeMap<(u64, u64), Entry>,
    pub(super) deliveries: usize,
    pub(super) reports: Vec<Value>,
    pub(super) bundle_pulls: usize,
}

#[derive(Clone)]
pub(super) struct ControlPlane {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<Plane>>,
}

impl ControlPlane {
    pub(super) fn start() -> Self {
        let state = Arc::new(Mutex::new(Plane {
            key: SigningKey::ed25519("b1"),
            head: None,
            bundle: None,
            published: None,
            down: false,
            takes_audit: true,
            entries: BTreeMap::new(),
            deliveries: 0,
            reports: Vec::new(),
            bundle_pulls: 0,
        }));
        let address = serve(Data::from(Arc::clone(&state)), |config| {
            config
                .route("/v1/gateway/head", web::get().to(head))
                .route("/v1/gateway/bundle", web::get().to(bundle))
                .route("/v1/gateway/audit", web::post().to(audit))
                .route("/v1/gateway/reports", web::post().to(reports));
        });
        Self { address, state }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Plane> {
        self.state.lock().unwrap()
    }

    /// Publishes the next version of the policy.
    pub(super) fn publish(&self, parts: Parts) -> Published {
        let mut state = self.lock();
        let version = state.published.as_ref().map_or(1, |published| published.manifest.version + 1);
        let published = Published::new(parts, version, state.published.as_ref(), now());
        let etag = format!("\"{}-{version}\"", published.manifest.digest);
        state.bundle = Some((etag, published.wire(&state.key)));
        state.published = Some(published.clone());
        published
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.lock().entries.values().cloned().collect()
    }

    pub(super) fn decisions(&self) -> Vec<DecisionRecord> {
        decisions(&self.entries())
    }
}

pub(super) fn decisions(entries: &[Entry]) -> Vec<DecisionRecord> {
    let decision = |entry: &Entry| match &entry.record {
        Record::Decision(decision) => Some((**decision).clone()),
        Record::Outcome(_) | Record::Gap { .. } => None,
    };
    entries.iter().filter_map(decision).collect()
}

pub(super) fn outcomes(entries: &[Entry]) -> Vec<OutcomeRecord> {
    let outcome = |entry: &Entry| match &entry.record {
        Record::Outcome(outcome) => Some(outcome.clone()),
        Record::Decision(_) | Record::Gap { .. } => None,
    };
    entries.iter().filter_map(outcome).collect()
}

fn known(request: &HttpRequest) -> bool {
    request.headers().get("authorization").is_some_and(|value| value == "Bearer fw_gateway_test")
}

async fn head(request: HttpRequest, state: Data<Mutex<Plane>>) -> HttpResponse {
    let state = state.lock().unwrap();
    if state.down || !known(&request) {
        return HttpResponse::ServiceUnavailable().finish();
    }
    let fresh = || state.published.as_ref().map(|published| published.signed_head(&state.key, now()));
    match state.head.clone().or_else(fresh) {
        Some(head) => HttpResponse::Ok().content_type("application/jose").body(head),
        None => HttpResponse::NotFound().finish(),
    }
}

async fn bundle(request: HttpRequest, state: Data<Mutex<Plane>>) -> HttpResponse {
    let mut state = state.lock().unwrap();
    if state.down || !known(&request) {
        return HttpResponse::ServiceUnavailable().finish();
    }
    state.bundle_pulls += 1;
    let Some((etag, bytes)) = state.bundle.clone() else { return HttpResponse::NotFound().finish() };
    if request.headers().get("if-none-match").is_some_and(|held| held.as_bytes() == etag.as_bytes()) {
        return HttpResponse::NotModified().finish();
    }
    HttpResponse::Ok().insert_header(("etag", etag)).body(bytes)
}

async fn audit(body: Bytes, state: Data<Mutex<Plane>>) -> HttpResponse {
    let mut state = state.lock().unwrap();
    if state.down || !state.takes_audit {
        return HttpResponse::ServiceUnavailable().finish();
    }
    let body: Value = serde_json::from_slice(&body).unwrap();
    let entries: Vec<Entry> = serde_json::from_value(body["entries"].clone()).unwrap();
    assert!((1..=500).contains(&entries.len()));
    state.deliveries += 1;
    let last = entries.last().map(|entry| json!({"boot": entry.boot, "seq": entry.seq}));
    for entry in entries {
        state.entries.insert((entry.boot, entry.seq), entry);
    }
    HttpResponse::Ok().json(last)
}

async fn reports(body: Bytes, state: Data<Mutex<Plane>>) -> HttpResponse {
    let mut state = state.lock().unwrap();
    state.reports.push(serde_json::from_slice(&body).unwrap());
    HttpResponse::NoContent().finish()
}

// ---------------------------------------------------------------- the upstream

/// One request as the upstream saw it.
#[derive(Clone, Debug)]
pub(super) struct Saw {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Saw {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }
}

type Handler = Box<dyn Fn(&Saw) -> HttpResponse + Send>;

pub(super) struct Api {
    saw: Vec<Saw>,
    handler: Handler,
}

#[derive(Clone)]
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<Api>>,
}

impl Upstream {
    /// A small FHIR server below `/r4` with two patients and their observations.
    pub(super) fn start() -> Self {
        let state =
            Arc::new(Mutex::new(Api { saw: Vec::new(), handler: Box::new(|_| HttpResponse::NotFound().finish()) }));
        let address = serve(Data::from(Arc::clone(&state)), |config| {
            config.default_service(web::to(api));
        });
        let upstream = Self { address, state };
        let base = upstream.base();
        upstream.answers(move |saw| records(saw, &base));
        upstream
    }

    pub(super) fn base(&self) -> String {
        format!("http://{}/r4", self.address)
    }

    pub(super) fn answers(&self, handler: impl Fn(&Saw) -> HttpResponse + Send + 'static) {
        self.state.lock().unwrap().handler = Box::new(handler);
    }

    pub(super) fn saw(&self) -> Vec<Saw> {
        self.state.lock().unwrap().saw.clone()
    }
}

async fn api(request: HttpRequest, body: Bytes, state: Data<Mutex<Api>>) -> HttpResponse {
    let saw = Saw {
        method: request.method().to_string(),
        target: request.uri().to_string(),
        headers: request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body: body.to_vec(),
    };
    let mut state = state.lock().unwrap();
    state.saw.push(saw.clone());
    (state.handler)(&saw)
}

pub(super) fn patient(id: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "birthDate": "1970-01-01"})
}

pub(super) fn observation(id: &str, patient: &str) -> Value {
    json!({
        "resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"},
        "subject": {"reference": format!("Patient/{patient}")},
    })
}

fn fhir(value: &Value) -> HttpResponse {
    HttpResponse::Ok().content_type("application/fhir+json").body(value.to_string())
}

pub(super) fn searchset(base: &str, entries: &[Value], next: Option<&str>) -> HttpResponse {
    let entries: Vec<Value> = entries
        .iter()
        .map(|one| json!({"fullUrl": format!("{base}/{}/{}", one["resourceType"].as_str().unwrap(), one["id"].as_str().unwrap()), "resource": one, "search": {"mode": "match"}}))
        .collect();
    let link: Vec<Value> =
        next.map(|next| json!({"relation": "next", "url": format!("{base}{next}")})).into_iter().collect();
    fhir(
        &json!({"resourceType": "Bundle", "type": "searchset", "total": entries.len(), "link": link, "entry": entries}),
    )
}

/// Answers leniently, as some servers do: a search gives everybody's observations.
fn records(saw: &Saw, base: &str) -> HttpResponse {
    let path = saw.target.split('?').next().unwrap();
    match (saw.method.as_str(), path.strip_prefix("/r4").unwrap_or(path)) {
        ("GET", "/metadata") => fhir(&json!({"resourceType": "CapabilityStatement"})),
        ("GET", "/Patient/p1") => fhir(&patient("p1")),
        ("GET", "/Patient/p2") => fhir(&patient("p2")),
        ("GET", "/Observation/o1") => fhir(&observation("o1", "p1")),
        ("GET", "/Observation/o2") => fhir(&observation("o2", "p2")),
        ("GET", "/Observation") | ("POST", "/Observation/_search") => {
            searchset(base, &[observation("o1", "p1"), observation("o2", "p2")], Some("?_getpages=abc&_getpagesoffset=2"))
        }
        ("GET", "") if saw.target.contains("_getpages=abc") => {
            searchset(base, &[observation("o3", "p1"), observation("o4", "p2")], None)
        }
        _ => HttpResponse::NotFound().content_type("application/fhir+json").body(r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-found","diagnostics":"upstream secret"}]}"#),
    }
}

fn serve<T: Send + Sync + 'static>(state: Data<T>, routes: fn(&mut web::ServiceConfig)) -> SocketAddr {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = HttpServer::new(move || {
                App::new().app_data(state.clone()).app_data(web::PayloadConfig::new(16 * 1024 * 1024)).configure(routes)
            });
            let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
            tell.send(server.addrs()[0]).unwrap();
            server.run().await.unwrap();
        });
    });
    told.recv().unwrap()
}

// ---------------------------------------------------------------- the gateway

/// `arc proxy` as a process of its own.
pub(super) struct ArcProxy {
    child: Child,
    pub(super) address: SocketAddr,
    pub(super) status_address: SocketAddr,
}

/// Runs `arc` with the arguments of the environment: this binary started again by [`ArcProxy::start`].
#[test]
#[ignore = "not a test: the child process of the others"]
fn arc_child() {
    let Ok(arguments) = std::env::var("ARC_CHILD_ARGUMENTS") else { return };
    let arguments: Vec<String> = serde_json::from_str(&arguments).unwrap();
    assert_eq!(arc::main(arguments.into_iter().map(Into::into)), std::process::ExitCode::SUCCESS);
}

/// Starts this binary as `arc` with these arguments.
pub(super) fn arc(arguments: &[&str]) -> Command {
    let mut all = vec!["arc"];
    all.extend(arguments);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "journeys::gateway_kit::arc_child", "--ignored", "--nocapture"])
        .env("ARC_CHILD_ARGUMENTS", serde_json::to_string(&all).unwrap())
        .stdout(Stdio::piped());
    command
}

impl ArcProxy {
    pub(super) fn start(world: &World, more: &[&str]) -> Self {
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
        let mut child = arc(&arguments).env("ARC_LOG", "warn").spawn().unwrap();
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
    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; waits for the end, and says whether it was orderly.
    pub(super) fn stop(mut self) -> bool {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap().success()
    }

    pub(super) fn ready(&self) -> (u16, Value) {
        let answer =
            send(self.status_address, b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    pub(super) fn metrics(&self) -> String {
        let answer =
            send(self.status_address, b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        String::from_utf8(answer.body).unwrap()
    }

    pub(super) fn runs(&self, version: u64) {
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
pub(super) struct World {
    pub(super) folder: TempDir,
    pub(super) token_key: SigningKey,
    pub(super) plane: ControlPlane,
    pub(super) upstream: Upstream,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            token_key: SigningKey::es256("t1"),
            plane: ControlPlane::start(),
            upstream: Upstream::start(),
        }
    }

    /// With the clinic published, and a gateway that runs it.
    pub(super) fn running(more: &[&str]) -> (Self, ArcProxy) {
        let world = Self::new();
        world.plane.publish(world.parts());
        let gateway = ArcProxy::start(&world, more);
        gateway.runs(1);
        (world, gateway)
    }

    pub(super) fn parts(&self) -> Parts {
        clinic(&[&self.token_key])
    }

    pub(super) fn enrolment(&self) -> Value {
        bundles::enrolment(&format!("http://{}", self.plane.address), &[&self.plane.lock().key])
    }

    pub(super) fn state(&self) -> std::path::PathBuf {
        self.folder.path().join("state")
    }

    pub(super) fn token(&self, scope: &str, patient: Option<&str>) -> String {
        self.token_key.sign("at+jwt", &claims(scope, patient))
    }

    /// A token for the observations and the record of patient `p1`.
    pub(super) fn p1(&self) -> String {
        self.token("patient/Observation.rs patient/Patient.rs", Some("p1"))
    }

    /// Every entry that is in the spool now.
    pub(super) fn spooled(&self) -> Vec<Entry> {
        spooled(&self.state())
    }
}

/// Every entry in the spool of that folder, read as plain lines.
pub(super) fn spooled(state: &Path) -> Vec<Entry> {
    let mut segments: Vec<_> = std::fs::read_dir(state.join("audit"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|one| one == "log"))
        .collect();
    segments.sort();
    let text: String = segments.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    text.lines().map(|line| serde_json::from_str(line.split_once(' ').unwrap().1).unwrap()).collect()
}

// ---------------------------------------------------------------- a client

/// An answer, as it came.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Got {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The ids of a searchset's entries.
    pub(super) fn ids(&self) -> Vec<String> {
        let entries = self.json()["entry"].as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect()
    }

    pub(super) fn next(&self) -> Option<String> {
        let links = self.json()["link"].as_array().cloned().unwrap_or_default();
        let next = links.iter().find(|link| link["relation"] == "next")?;
        Some(next["url"].as_str().unwrap().to_owned())
    }
}

/// Sends bytes and reads the answer until the connection closes; none when it closes without one.
pub(super) fn send(address: SocketAddr, bytes: &[u8]) -> Option<Got> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).ok()?;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    Some(Got { status, headers, body: answer[end + 4..].to_vec() })
}

/// One request with a token, as an ordinary client sends it.
pub(super) fn ask(address: SocketAddr, method: &str, target: &str, token: Option<&str>, body: &str) -> Got {
    let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    let form = if target.ends_with("/_search") { "application/x-www-form-urlencoded" } else { "application/fhir+json" };
    let media = if body.is_empty() { String::new() } else { format!("content-type: {form}\r\n") };
    let text = format!(
        "{method} {target} HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n{authorization}{length}{media}\r\n{body}"
    );
    send(address, text.as_bytes()).unwrap_or_else(|| panic!("no answer to {method} {target}"))
}

pub(super) fn get(gateway: &ArcProxy, target: &str, token: &str) -> Got {
    ask(gateway.address, "GET", target, Some(token), "")
}
