//! All that can be seen of a control plane from outside: what its Accounts list, what its gateway gets, what still opens,
//! and the letters that went out.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::base::{Base, Copy, PASSWORD, World};
use crate::process::{Ask, Server};

/// What is seen, as one value; looking changes nothing of it.
pub(super) fn view(server: &Server, base: &Base, copy: &Copy) -> Value {
    let world = &base.world;
    let owner = Eyes { server, token: &world["owner"] };
    let mut seen = json!({
        "account": owner.at("/v1/account"),
        "spare_session": status(server, &Ask::get("/v1/account").bearer(&world["spare_session"])),
        "services": owner.each("/v1/services", |id| {
            let at = |rest: &str| owner.at(&format!("/v1/services/{id}{rest}"));
            json!({ "service": at(""), "versions": at("/versions"), "roles": at("/roles?kind=custom&limit=200") })
        }),
        "events": owner.at("/v1/events?limit=200"),
        "newcomer": newcomer(server, "new@ehr.example"),
    });
    if world.contains_key("partner") {
        seen["partner"] = partner_view(server, &owner, world);
    }
    seen["mails"] = mails(copy.folder()).into_iter().map(|(_, text)| Value::String(envelope(&text))).collect();
    forget(&mut seen, &["last_used_at", "last_seen_at"]);
    seen
}

fn partner_view(server: &Server, owner: &Eyes<'_>, world: &World) -> Value {
    let partner = Eyes { server, token: &world["partner"] };
    let token = json!({ "service_id": world["service"] });
    json!({
        "owner": owner.each("/v1/services", |id| {
            let at = |rest: &str| owner.at(&format!("/v1/services/{id}/{rest}"));
            json!([at("invitations"), at("subscriptions"), at("gateways"), at("audit-events?limit=200")])
        }),
        "trust": [owner.at(&format!("/v1/roles/{}/trust", world["role"]))],
        "account": partner.at("/v1/account"),
        "subscriptions": partner.each("/v1/subscriptions", |id| {
            let at = |rest: &str| partner.at(&format!("/v1/subscriptions/{id}{rest}"));
            json!([at(""), at("/roles")])
        }),
        "keys": partner.each("/v1/keys", |id| partner.at(&format!("/v1/keys/{id}/roles"))),
        "events": partner.at("/v1/events?limit=200"),
        "token": status(server, &Ask::post("/v1/token", &token).bearer(&world["key"])),
        "bundle": head(server, &world["gateway_key"]),
        "spare_gateway": status(server, &Ask::get("/v1/gateway/head").bearer(&world["spare_gateway_key"])),
        "third": newcomer(server, "third@lab.example"),
    })
}

/// One Account's view.
struct Eyes<'a> {
    server: &'a Server,
    token: &'a str,
}

impl Eyes<'_> {
    /// What is at that path, with its ETag.
    fn at(&self, path: &str) -> Value {
        let reply = self.server.send(&Ask::get(path).bearer(self.token));
        let etag = reply.header("etag").map(str::to_owned);
        json!({ "etag": etag, "body": reply.expect(200) })
    }

    /// A list, and for each of its items what `more` says of its id.
    fn each(&self, path: &str, more: impl Fn(&str) -> Value) -> Value {
        let list = self.at(path);
        let ids = list["body"]["data"].as_array().into_iter().flatten().filter_map(|item| item["id"].as_str());
        let more: Vec<Value> = ids.map(more).collect();
        json!({ "list": list, "each": more })
    }
}

fn status(server: &Server, ask: &Ask) -> u16 {
    server.send(ask).status
}

/// What somebody finds who signs in with that address; signing in leaves an event, which is left out.
fn newcomer(server: &Server, email: &str) -> Value {
    let reply = server.send(&Ask::post("/v1/login", &json!({ "email": email, "password": PASSWORD })));
    if reply.status != 200 {
        return json!(reply.status);
    }
    let token = reply.json()["session_token"].as_str().unwrap().to_owned();
    let eyes = Eyes { server, token: &token };
    let mut events = eyes.at("/v1/events?limit=200")["body"]["data"].take();
    let all = events.as_array_mut().unwrap();
    assert_eq!(all.first().map(|event| &event["action"]), Some(&json!("session.create")), "signing in is an event");
    all.retain(|event| event["action"] != "session.create");
    json!({ "account": eyes.at("/v1/account"), "events": events })
}

/// The version and the digest of the bundle that a gateway is told of.
pub(super) fn head(server: &Server, gateway_key: &str) -> Value {
    let reply = server.send(&Ask::get("/v1/gateway/head").bearer(gateway_key));
    assert_eq!(reply.status, 200, "{reply:?}");
    let bundle = server.send(&Ask::get("/v1/gateway/bundle").bearer(gateway_key));
    let etag = bundle.header("etag").unwrap().trim_matches('"').to_owned();
    let (digest, version) = etag.rsplit_once('-').unwrap();
    json!({ "version": version, "digest": digest })
}

/// The letters in the folder, by the time of their making.
pub(super) fn mails(folder: &Path) -> Vec<(String, String)> {
    let Ok(entries) = std::fs::read_dir(folder.join("mail")) else { return Vec::new() };
    let files =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "eml"));
    let read = |path: std::path::PathBuf| {
        (path.display().to_string(), String::from_utf8(std::fs::read(&path).unwrap()).unwrap())
    };
    let mut letters: Vec<_> = files.map(read).collect();
    letters.sort();
    letters
}

fn envelope(text: &str) -> String {
    let lines = text.lines().filter(|line| line.starts_with("To: ") || line.starts_with("Subject: "));
    lines.collect::<Vec<_>>().join(", ")
}

/// Takes members of these names out, however deep.
fn forget(value: &mut Value, names: &[&str]) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !names.contains(&name.as_str()));
            for member in members.values_mut() {
                forget(member, names);
            }
        }
        Value::Array(items) => {
            for item in items {
                forget(item, names);
            }
        }
        _ => {}
    }
}

/// What two runs of one story have in common: without times, ids, keys and hashes; lists in no order.
pub(super) fn anonymous(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let timeless = |name: &String| {
                !name.ends_with("_at") && !["at", "jwk", "request_id", "next_cursor"].contains(&name.as_str())
            };
            let members = members.into_iter().filter(|(name, _)| timeless(name));
            Value::Object(members.map(|(name, member)| (name, anonymous(member))).collect::<Map<_, _>>())
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(anonymous).collect();
            items.sort_by_key(ToString::to_string);
            Value::Array(items)
        }
        Value::String(text) => Value::String(nameless(&text)),
        other => other,
    }
}

/// The longest word that somebody chose; what is longer is a key's thumbprint or a hash.
const LONGEST_WORD: usize = 40;
/// The length of an id behind its prefix.
const ID: usize = 26;

fn nameless(text: &str) -> String {
    let word = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == '-';
    if text.len() > LONGEST_WORD && text.chars().all(word) {
        return "*".to_owned();
    }
    let parts = text.split_inclusive(|char: char| !char.is_ascii_alphanumeric());
    let star = |part: &str| {
        let bare = part.trim_end_matches(|char: char| !char.is_ascii_alphanumeric());
        if bare.len() == ID { part.replace(bare, "*") } else { part.to_owned() }
    };
    parts.map(star).collect()
}
