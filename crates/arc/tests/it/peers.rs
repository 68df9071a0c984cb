//! Who a gateway speaks with: the control plane that hands out its bundle, and the upstream that answers as a row says.
//!
//! Invariant: what is stored is told only to a lookup; a request that was forwarded gets the row's answer.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use testkit::bundles::Published;
use testkit::jws::{SigningKey, payload};
use testkit::{ehr, records};

use crate::gateway::now;
use crate::wire::{Message, serve};

/// The path of the upstream's base.
const BASE_PATH: &str = "/r4";
/// The status of an upstream that a row asks nothing of: one that a gateway passes on.
pub(crate) const UNASKED: u16 = 429;

/// What the upstream answers.
#[derive(Clone, Debug, Default)]
pub(crate) enum Said {
    /// Nothing that a row says.
    #[default]
    Nothing,
    /// Records, or a status, as the `answer` of a row.
    Records(String),
    /// The entries of a batch, as its `answers`.
    Entries(String),
}

#[derive(Debug, Default)]
struct State {
    said: Said,
    forwarded: Vec<Message>,
}

/// Both of them, on one port.
pub(crate) struct Peers {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Peers {
    /// Hands out this bundle under a head that is always fresh.
    pub(crate) fn start(published: Published, key: SigningKey) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let bundle = published.wire(&key);
        let address = serve(move |request| {
            let target = request.line.split(' ').nth(1).unwrap_or_default();
            match target {
                "/v1/gateway/head" => (200, Vec::new(), published.signed_head(&key, now()).into_bytes()),
                "/v1/gateway/bundle" => (200, Vec::new(), bundle.clone()),
                // The audit stays where the test reads it.
                control if control.starts_with("/v1/gateway/") => (503, Vec::new(), Vec::new()),
                _ => upstream(&shared, request, target.strip_prefix(BASE_PATH).unwrap_or(target)),
            }
        });
        Self { address, state }
    }

    pub(crate) fn control_plane(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn upstream(&self) -> String {
        format!("http://{}{BASE_PATH}", self.address)
    }

    /// From now on the upstream says this.
    pub(crate) fn say(&self, said: Said) {
        *self.state.lock().unwrap() = State { said, forwarded: Vec::new() };
    }

    /// What was forwarded since, as a table writes it: `GET /Observation?patient=Patient/ME`, or a form after a space.
    pub(crate) fn forwarded(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.forwarded.iter().map(line).collect()
    }

    /// What the check token of each of these says; none where there is none.
    pub(crate) fn checks(&self) -> Vec<Option<Value>> {
        let state = self.state.lock().unwrap();
        let check = |request: &Message| Some(payload(request.header("firewarden-check")?)["check"].clone());
        state.forwarded.iter().map(check).collect()
    }
}

fn line(request: &Message) -> String {
    let mut words = request.line.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let form = request.header("content-type").is_some_and(|media| media.starts_with("application/x-www-form"));
    let form = if form { format!(" form: {}", request.text()) } else { String::new() };
    let path = target.strip_prefix(BASE_PATH).unwrap_or(target);
    let path = if path.is_empty() { "/" } else { path };
    format!("{method} {path}{form}")
}

fn upstream(state: &Mutex<State>, request: &Message, target: &str) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let base = request.header("host").map(|host| format!("http://{host}{BASE_PATH}")).unwrap_or_default();
    let (path, _) = target.split_once('?').unwrap_or((target, ""));
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let (status, body) = if request.header("cache-control").is_some() {
        stored(&segments)
    } else {
        let mut state = state.lock().unwrap();
        state.forwarded.push(request.clone());
        match &state.said {
            Said::Nothing => (UNASKED, String::new()),
            Said::Records(names) => answer(names, &segments),
            Said::Entries(answers) => (200, response(request, answers)),
        }
    };
    // What is stored names resources by the upstream's own base.
    let body = body.replace(ehr::UPSTREAM, &base).into_bytes();
    let headers = [("Content-Type", "application/fhir+json"), ("ETag", "W/\"1\"")];
    (status, headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(), body)
}

fn stored(segments: &[&str]) -> (u16, String) {
    let value = |name: &&str| serde_json::from_str::<Value>(records::text(name)).unwrap();
    match segments {
        [kind, id] => {
            let found = records::stored().find(|name| value(name)["resourceType"] == *kind && value(name)["id"] == *id);
            found.map_or((404, String::new()), |name| (200, records::text(name).to_owned()))
        }
        [kind] => {
            let names: Vec<&str> = records::stored().filter(|name| value(name)["resourceType"] == *kind).collect();
            (200, records::searchset(&names, ehr::UPSTREAM))
        }
        _ => (404, String::new()),
    }
}

/// The answer of a row: a status, or records; one alone stands for itself where no set was asked for.
fn answer(names: &str, segments: &[&str]) -> (u16, String) {
    let names: Vec<&str> = names.split_whitespace().collect();
    let set = match segments {
        [] | [_] | [_, "_search"] | [.., "$everything"] => true,
        ["Patient", _, kind] | ["Patient", _, kind, "_search"] => !kind.starts_with(['_', '$']),
        _ => false,
    };
    match &*names {
        [number] if number.parse::<u16>().is_ok() => (number.parse().unwrap(), r#"{"secret":"upstream"}"#.to_owned()),
        ["empty"] => (200, records::searchset(&[], ehr::UPSTREAM)),
        [name] if !set => (200, records::text(name).to_owned()),
        names => (200, records::searchset(names, ehr::UPSTREAM)),
    }
}

/// The Bundle that answers a batch's row.
fn response(request: &Message, answers: &str) -> String {
    let kind = if request.text().contains(r#""type":"transaction""#) { "transaction" } else { "batch" };
    records::answers(kind, if answers == "none" { "" } else { answers })
}
