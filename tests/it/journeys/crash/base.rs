//! A story played once, whose data every case starts from: files, and on PostgreSQL a database that is copied.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

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
