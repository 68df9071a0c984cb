//! A story played once, whose data every case starts from: files, and on PostgreSQL a database that is copied.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use policy::id::{AuditId, RequestId};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use super::SIGABRT;
use super::view::{mails, view};
use crate::postgres::Database;
use crate::process::{Ask, Server};

/// What the story left: tokens, ids, revisions, by name.
pub(super) type World = BTreeMap<&'static str, String>;

/// A story's data.
pub(super) struct Base {
    pub(super) world: World,
    /// All that can be seen of it.
    pub(super) view: Value,
    /// How many letters were sent in it.
    pub(super) mails: usize,
    files: Vec<(PathBuf, u32, Vec<u8>)>,
    database: Option<Database>,
}

/// A copy of a base, for one server at a time.
pub(super) struct Copy {
    folder: TempDir,
    database: Option<Database>,
}

/// Plays a story from its beginning on a new server.
pub(super) fn play(database: Option<Database>, story: fn(&Server, &Path, &mut World)) -> Base {
    let copy = Copy { folder: tempfile::tempdir().unwrap(), database };
    let server = copy.start(None);
    let mut world = World::new();
    story(&server, copy.folder(), &mut world);
    let letters = world["mails"].parse().unwrap();
    super::settle(&copy, letters);
    let mut base = Base { world, view: Value::Null, mails: letters, files: Vec::new(), database: None };
    base.view = view(&server, &base, &copy);
    server.kill();
    read(copy.folder(), Path::new(""), &mut base.files);
    base.database = copy.database;
    base
}

fn read(root: &Path, below: &Path, files: &mut Vec<(PathBuf, u32, Vec<u8>)>) {
    for entry in fs::read_dir(root.join(below)).unwrap().map(Result::unwrap) {
        let path = below.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            read(root, &path, files);
        } else {
            files.push((path, entry.metadata().unwrap().permissions().mode(), fs::read(entry.path()).unwrap()));
        }
    }
}

impl Base {
    /// A copy of its own.
    pub(super) fn copy(&self) -> Copy {
        let folder = tempfile::tempdir().unwrap();
        for (path, mode, content) in &self.files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
        }
        Copy { folder, database: self.database.as_ref().map(Database::copy) }
    }
}

impl Copy {
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn start(&self, kill_at: Option<&str>) -> Server {
        Server::start(self.folder(), self.database.as_ref().map(Database::url), kill_at)
    }

    /// Sends it to a server that dies at the point.
    #[track_caller]
    pub(super) fn die(&self, ask: &Ask, point: &str) {
        let server = self.start(Some(point));
        let reply = server.try_send(ask);
        assert!(reply.is_none(), "{point} was never reached: {reply:?}");
        assert_eq!(server.signal(), Some(SIGABRT), "{point}: another end");
    }
}

/// The token in the latest letter to that address.
pub(super) fn link(folder: &Path, to: &str) -> String {
    let started = Instant::now();
    loop {
        let letters = mails(folder);
        if let Some((_, text)) = letters.iter().rev().find(|(_, text)| text.contains(&format!("To: {to}"))) {
            let line = text.lines().find_map(|line| line.strip_prefix("token: "));
            return line.unwrap().trim().to_owned();
        }
        assert!(started.elapsed() < Duration::from_secs(10), "no letter to {to}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A key for `Idempotency-Key`, another one each time.
pub(super) fn fresh_key() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("crash-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

pub(super) const PASSWORD: &str = "correct horse battery staple";

/// The document of the story's Service.
pub(super) fn document(title: &str, paths: &[&str]) -> Value {
    let answer = json!({ "responses": { "200": { "description": "ok" } } });
    let paths: serde_json::Map<_, _> = paths
        .iter()
        .map(|path| {
            let parameters: Vec<Value> = path
                .split(['{', '}'])
                .skip(1)
                .step_by(2)
                .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
                .collect();
            ((*path).to_owned(), json!({ "get": answer, "parameters": parameters }))
        })
        .collect();
    json!({
        "openapi": "3.0.3",
        "info": { "title": title, "version": "1", "x-Katanemo-open-api-service-type": "fhirv4" },
        "servers": [{ "url": "https://ehr.example/fhir" }],
        "paths": paths,
    })
}

pub(super) const PATHS: &[&str] = &["/Patient/{id}", "/Patient", "/Observation", "/Observation/{id}"];

/// An owner with a Service and two roles; one more session of theirs, and somebody who has not confirmed yet.
pub(super) fn owner_story(server: &Server, folder: &Path, world: &mut World) {
    let sign_up = |email: &str| {
        server.send(&Ask::post("/v1/signup", &json!({ "email": email }))).expect(202);
        link(folder, email)
    };
    let token = sign_up("owner@ehr.example");
    let confirm = json!({ "token": token, "password": PASSWORD, "account_name": "EHR" });
    let made = server.send(&Ask::post("/v1/signup/confirm", &confirm)).expect(201);
    let owner = made["session_token"].as_str().unwrap().to_owned();
    let log_in = json!({ "email": "owner@ehr.example", "password": PASSWORD });
    let spare = server.send(&Ask::post("/v1/login", &log_in)).expect(200);
    world.insert("spare_session", spare["session_token"].as_str().unwrap().to_owned());

    let upload = Ask::post("/v1/services", &document("Clinic", PATHS)).bearer(&owner);
    let made = server.send(&upload).expect(201);
    let service = made["id"].as_str().unwrap().to_owned();
    for (name, role) in [("role", "readers"), ("spare_role", "others")] {
        let new = json!({ "name": role, "operations": ["GET:/Patient/{id}", "GET:/Patient"] });
        let ask = Ask::post(format!("/v1/services/{service}/roles"), &new).bearer(&owner);
        world.insert(name, server.send(&ask).expect(201)["id"].as_str().unwrap().to_owned());
    }
    world.insert("new_link", sign_up("new@ehr.example"));
    world.insert("owner", owner);
    world.insert("service", service);
    world.insert("mails", "2".to_owned());
}

/// The revision of what is at that path.
pub(super) fn etag(server: &Server, token: &str, path: &str) -> String {
    let reply = server.send(&Ask::get(path).bearer(token));
    reply.header("etag").unwrap_or_else(|| panic!("{path} has no ETag: {reply:?}")).to_owned()
}

/// The owner's story, and then a partner with two keys, a trusted role, two gateways, an entry of the audit, and
/// somebody who was invited and has not accepted yet.
pub(super) fn partner_story(server: &Server, folder: &Path, world: &mut World) {
    owner_story(server, folder, world);
    let owner = world["owner"].clone();
    let at_service = format!("/v1/services/{}", world["service"]);
    let made = |ask: Ask, by: &str, status: u16| server.send(&ask.bearer(by)).expect(status);
    let text = |value: &Value, member: &str| value[member].as_str().unwrap().to_owned();

    let invite = |email: &str| {
        let body = json!({ "email": email, "role_ids": [world["role"], "system/Patient.rs"] });
        let id = text(&made(Ask::post(format!("{at_service}/invitations"), &body), &owner, 201), "id");
        (id, link(folder, email))
    };
    let (_, token) = invite("partner@lab.example");
    let (invitation, third_link) = invite("third@lab.example");
    let accept = json!({ "token": token, "password": PASSWORD, "account_name": "Lab" });
    let accepted = server.send(&Ask::post("/v1/invitations/accept", &accept)).expect(201);
    let partner = text(&accepted, "session_token");

    let role = world["role"].clone();
    let trust = json!({
        "accounts": [{ "account_id": accepted["account_id"], "external_id": "external" }], "max_duration_seconds": 900,
    });
    let at_role = format!("/v1/roles/{role}");
    let revision = etag(server, &owner, &at_role);
    made(Ask::put(format!("{at_role}/trust"), &trust).if_match(&revision), &owner, 200);
    world.insert("role_etag", etag(server, &owner, &at_role));

    for (id, secret) in [("key_id", "key"), ("spare_key_id", "spare_key")] {
        let key = made(Ask::post("/v1/keys", &json!({ "name": id })), &partner, 201);
        let roles = json!({ "role_ids": ["system/Patient.rs"] });
        made(Ask::put(format!("/v1/keys/{}/roles", text(&key, "id")), &roles), &partner, 200);
        world.insert(id, text(&key, "id"));
        world.insert(secret, text(&key, "secret"));
    }
    let exchange = Ask::post("/v1/token", &json!({ "service_id": world["service"] }));
    let access = text(&made(exchange, &world["key"].clone(), 200), "access_token");
    world.insert("access", access.clone());
    made(assume(world), &access, 200);

    for (id, key) in [("gateway", "gateway_key"), ("spare_gateway", "spare_gateway_key")] {
        let body = json!({ "name": id });
        let enrolment = made(Ask::post(format!("{at_service}/gateways"), &body), &owner, 201);
        world.insert(id, text(&enrolment, "gateway_id"));
        world.insert(key, text(&enrolment, "key"));
    }
    made(ship(world, 1..2), &world["gateway_key"].clone(), 200);

    let subscription = text(&accepted, "subscription_id");
    let at_subscription = format!("{at_service}/subscriptions/{subscription}");
    world.insert("subscription_etag", etag(server, &owner, &at_subscription));
    world.insert("subscription", subscription);
    world.insert("invitation", invitation);
    world.insert("third_link", third_link);
    world.insert("partner", partner);
    world.insert("mails", "4".to_owned());
}

/// The partner's key assumes the role that trusts its Account.
pub(super) fn assume(world: &World) -> Ask {
    let body = json!({ "role_id": world["role"], "session_name": "nightly", "external_id": "external" });
    Ask::post("/v1/assume-role", &body)
}

/// A batch of the gateway's first boot.
pub(super) fn ship(world: &World, seqs: std::ops::Range<u32>) -> Ask {
    let entry = |seq: u32| {
        json!({
            "id": AuditId::new(Uuid::from_u128(seq.into())),
            "at": "2026-01-01T00:00:00Z",
            "service_id": world["service"],
            "gateway_id": world["gateway"],
            "boot": 1,
            "seq": seq,
            "request_id": RequestId::new(Uuid::from_u128(seq.into())),
            "bundle_version": 1,
            "prev_hash": "0".repeat(64),
            "type": "outcome",
            "upstream_status": 200,
            "status": 200,
            "reason": null,
            "released": 1,
            "dropped": 0,
            "bytes": 512,
        })
    };
    Ask::post("/v1/gateway/audit", &json!({ "entries": seqs.map(entry).collect::<Vec<_>>() }))
}
