//! The real server on a free port, and people who talk to it over HTTP alone: its mail is read from its files.
//!
//! Each test has its own server, folder and database. PostgreSQL takes part when `FIREWARDEN_TEST_POSTGRES` and
//! `FIREWARDEN_TEST_POSTGRES_APP` are set, as `scripts/postgres start` prints them.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use diesel::connection::SimpleConnection as _;
use firewarden::config::{DataConfig, DatabaseConfig, HttpConfig, LogConfig, MailConfig};
use firewarden::serve::{ServeConfig, start};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use web::Clock;
use web::limit::Quotas;

/// A password that is long enough.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A server that stops when it is dropped.
pub(crate) struct Server {
    /// `http://127.0.0.1:…`, and the base of its links.
    pub(crate) base: String,
    /// Its clock; move it ahead to see what expires.
    pub(crate) clock: Clock,
    /// `sqlite` or `postgresql`, for messages.
    pub(crate) kind: &'static str,
    data: TempDir,
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    handle: Option<actix_web::dev::ServerHandle>,
    thread: Option<JoinHandle<()>>,
    dropped: Option<(String, String)>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Its status.
    pub(crate) status: u16,
    /// Its headers, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// A header's value; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(one, _)| one == name).map_or("", |(_, value)| value)
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// A text of the body, by its JSON pointer.
    pub(crate) fn str(&self, pointer: &str) -> String {
        let body = self.json();
        let found = body.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("no `{pointer}` in {} {body}", self.status)).to_owned()
    }

    /// The same answer, which must have this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// The code of a problem, which must have this status, the right type, and the request's id.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.str("/request_id"), self.header("x-request-id"));
        self.str("/code")
    }

    /// The pointers of everything that a problem lists.
    pub(crate) fn pointers(&self) -> Vec<String> {
        let body = self.json();
        let errors = body.pointer("/errors").and_then(Value::as_array).cloned().unwrap_or_default();
        errors.iter().filter_map(|fault| Some(fault.get("pointer")?.as_str()?.to_owned())).collect()
    }
}

/// A request before it is sent.
pub(crate) struct Ask<'s> {
    server: &'s Server,
    request: reqwest::RequestBuilder,
}

impl Ask<'_> {
    /// With a credential.
    pub(crate) fn bearer(mut self, token: &str) -> Self {
        self.request = self.request.bearer_auth(token);
        self
    }

    /// With a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// With a JSON body.
    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.request = self.request.header("content-type", "application/json").body(body.to_string());
        self
    }

    /// With a body of any kind.
    pub(crate) fn body(mut self, body: impl Into<reqwest::Body>) -> Self {
        self.request = self.request.body(body);
        self
    }

    /// Sends it.
    pub(crate) fn send(self) -> Reply {
        self.try_send().unwrap()
    }

    /// Sends it; the server may hang up.
    pub(crate) fn try_send(self) -> Result<Reply, reqwest::Error> {
        self.server.runtime.block_on(async {
            let response = self.request.send().await?;
            let headers = response.headers().iter();
            Ok(Reply {
                status: response.status().as_u16(),
                headers: headers
                    .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
                    .collect(),
                body: response.bytes().await?.to_vec(),
            })
        })
    }
}

/// Somebody who signed up: the owner of an Account.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    /// Their address.
    pub(crate) email: String,
    /// Their Account.
    pub(crate) account_id: String,
    /// Who they are there.
    pub(crate) member_id: String,
    /// Their session.
    pub(crate) token: String,
}

/// Quotas that no test reaches by chance.
pub(crate) fn wide() -> Quotas {
    Quotas {
        login: 100_000,
        address: 100_000,
        mail: 100_000,
        token: 100_000,
        admin: 100_000,
        import: 100_000,
        gateway: 100_000,
        failures: 100_000,
    }
}

/// Runs the test against a server on every kind of database that there is.
pub(crate) fn on_both(test: impl Fn(&Server)) {
    for server in [Some(Server::start()), Server::on_postgresql()].into_iter().flatten() {
        eprintln!("on {}", server.kind);
        test(&server);
    }
}

impl Server {
    /// A server on SQLite.
    pub(crate) fn start() -> Self {
        Self::with_quotas(wide())
    }

    /// A server on SQLite with these rate limits.
    pub(crate) fn with_quotas(quotas: Quotas) -> Self {
        let data = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", data.path().join("firewarden.db").display());
        Self::at("sqlite", data, url, quotas, None)
    }

    /// A server on a new database of the environment's PostgreSQL; none, and a clear word, without one.
    pub(crate) fn on_postgresql() -> Option<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let urls = (variable("FIREWARDEN_TEST_POSTGRES"), variable("FIREWARDEN_TEST_POSTGRES_APP"));
        let (Some(owner), Some(app)) = urls else {
            assert_ne!(variable("FIREWARDEN_REQUIRE_POSTGRES").as_deref(), Some("1"), "PostgreSQL is not there");
            eprintln!("skipped on PostgreSQL: FIREWARDEN_TEST_POSTGRES is not set (`scripts/postgres start DIR`)");
            return None;
        };
        let name = format!("fw_it_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        raw(&owner).batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        store::migrate(&in_database(&owner, &name).parse().unwrap()).unwrap();
        let data = tempfile::tempdir().unwrap();
        Some(Self::at("postgresql", data, in_database(&app, &name), wide(), Some((owner, name))))
    }

    fn at(kind: &'static str, data: TempDir, url: String, quotas: Quotas, dropped: Option<(String, String)>) -> Self {
        let config = ServeConfig {
            data: DataConfig { dir: data.path().to_owned(), sealing_key_file: data.path().join("sealing.key") },
            http: HttpConfig { listen: "127.0.0.1:0".parse().unwrap(), public_url: None, workers: 2, quotas },
            database: DatabaseConfig { url, connections: 4 },
            mail: MailConfig { smtp_url: None, from: "Firewarden <no-reply@firewarden.example>".into() },
            log: LogConfig { json: false, filter: "warn".into() },
        };
        let (sender, receiver) = mpsc::channel();
        let thread = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let running = start(&config, None).unwrap();
                sender.send((running.public_url.clone(), running.clock.clone(), running.handle())).unwrap();
                running.until_stopped().await.unwrap();
            });
        });
        let (base, clock, handle) = receiver.recv_timeout(Duration::from_secs(30)).expect("the server starts");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let (handle, thread) = (Some(handle), Some(thread));
        Self { base, clock, kind, data, runtime, client, handle, thread, dropped }
    }

    /// The data folder.
    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    /// A request.
    pub(crate) fn ask(&self, method: &str, path: &str) -> Ask<'_> {
        let method: Method = method.parse().unwrap();
        Ask { server: self, request: self.client.request(method, format!("{}{path}", self.base)) }
    }

    /// GET with a credential.
    pub(crate) fn get(&self, path: &str, token: &str) -> Reply {
        self.ask("GET", path).bearer(token).send()
    }

    /// POST of JSON with a credential.
    pub(crate) fn post(&self, path: &str, token: &str, body: &Value) -> Reply {
        self.ask("POST", path).bearer(token).json(body).send()
    }

    /// POST of JSON without one.
    pub(crate) fn post_open(&self, path: &str, body: &Value) -> Reply {
        self.ask("POST", path).json(body).send()
    }

    /// Makes a Service of a document.
    pub(crate) fn upload(&self, owner: &Owner, document: &str) -> Reply {
        let ask = self.ask("POST", "/v1/services").bearer(&owner.token).header("content-type", "application/yaml");
        ask.body(document.to_owned()).send()
    }

    /// Moves the server's clock ahead.
    pub(crate) fn wait(&self, by: TimeDelta) {
        self.clock.advance(by);
    }

    /// The texts of the mails to an address, the oldest first, once there are so many.
    #[track_caller]
    pub(crate) fn mails(&self, to: &str, count: usize) -> Vec<String> {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let mut files: Vec<_> = std::fs::read_dir(self.data().join("mail"))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
                .collect();
            files.sort();
            let texts = files.iter().map(|path| std::fs::read_to_string(path).unwrap());
            let found: Vec<_> = texts.filter(|text| text.contains(&format!("\r\nTo: {to}\r\n"))).collect();
            if found.len() >= count {
                return found;
            }
            assert!(Instant::now() < until, "{} of {count} mails to {to}", found.len());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The token of the `count`th mail to an address.
    #[track_caller]
    pub(crate) fn mailed_token(&self, to: &str, count: usize) -> String {
        let mails = self.mails(to, count);
        let line = mails[count - 1].lines().find_map(|line| line.strip_prefix("token: "));
        line.expect("a line with the token").trim().to_owned()
    }

    /// Signs somebody up, as anybody would: by mail.
    #[track_caller]
    pub(crate) fn sign_up(&self, email: &str, account_name: &str) -> Owner {
        self.post_open("/v1/signup", &json!({ "email": email })).expect(202);
        let token = self.mailed_token(email, 1);
        let body = json!({ "token": token, "password": PASSWORD, "account_name": account_name });
        Owner::of(email, &self.post_open("/v1/signup/confirm", &body).expect(201))
    }
}

impl Owner {
    /// From the answer that signed them in.
    pub(crate) fn of(email: &str, reply: &Reply) -> Self {
        Self {
            email: email.to_owned(),
            account_id: reply.str("/account_id"),
            member_id: reply.str("/member_id"),
            token: reply.str("/session_token"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            drop(handle.stop(false));
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if let Some((owner, name)) = &self.dropped {
            let _ = raw(owner).batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a raw connection to make a database; its kind is fixed")]
fn raw(url: &str) -> diesel::PgConnection {
    use diesel::Connection as _;
    diesel::PgConnection::establish(url).unwrap()
}

/// The same URL for another database of the server.
fn in_database(url: &str, name: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, String::new()), |(base, query)| (base, format!("?{query}")));
    let (scheme, rest) = base.split_once("://").unwrap();
    let authority = rest.split('/').next().unwrap_or_default();
    format!("{scheme}://{authority}/{name}{query}")
}
