//! A small Service, callers and calls in a line of text.

use std::collections::BTreeMap;

use policy::Reason;
use policy::basic::{BasicKey, Privilege, SecurityResource};
use policy::bundle::Issuer;
use policy::claims::{Claims, TokenKind};
use policy::decision::Verdict;
use policy::id::{AccountId, RoleId};
use policy::request::{Caller, Capabilities, Header, Request, Stored};
use policy::settings::{ServiceKind, Settings};
use serde_json::{Map, Value, json};

use crate::{Answer, Interpreter, Next, Response, Role, SentBody, Service, Subscription, Upstream};

pub(super) const UPSTREAM: &str = "http://upstream.internal:8080/r4";

const ROLES: &[(&str, &[&str])] = &[
    ("observation-reader", &["GET:/Observation", "POST:/Observation/_search", "GET:/Observation/{id}"]),
    ("observation-searcher", &["GET:/Observation"]),
    ("observation-writer", &["POST:/Observation"]),
    ("organization-reader", &["GET:/Organization", "GET:/Organization/{id}"]),
    ("admin", &["GET:/admin/{name}", "POST:/$process-message", "GET:/Observation/{id}"]),
    ("account-reader", &["GET:/accounts/{id}", "GET:/accounts"]),
    ("account-writer", &["POST:/accounts"]),
    ("everything", &["GET:/Patient/{id}/$everything"]),
    ("lastn", &["GET:/Observation/$lastn", "POST:/Patient/$match", "POST:/Composition/{id}/$document"]),
    (
        "fields",
        &[
            "GET:/Observation:[code,category]",
            "POST:/Observation:[code.text,subject,status*]",
            "PATCH:/Observation/{id}:[status]",
        ],
    ),
    // As in the fixture of the engine's own tests.
    ("doctor", &["GET:/Observation", "GET:/Observation/{id}"]),
    ("team", &["GET:/Observation", "GET:/Observation/{id}", "GET:/accounts/{id}"]),
    ("final-only", &["GET:/Observation", "POST:/Observation/_search", "POST:/Observation"]),
    ("not-drafts", &["POST:/Observation"]),
    ("observation-conditional", &["GET:/Observation", "POST:/Observation"]),
    ("any-reader", &["GET:/{type}", "GET:/{type}/{id}"]),
    ("any-writer", &["POST:/{type}", "PUT:/{type}/{id}", "PATCH:/{type}/{id}", "DELETE:/{type}/{id}"]),
    ("chart-searcher", &["GET:/Patient/{id}/*"]),
    (
        "observation-editor",
        &[
            "GET:/Observation:[code,status,_count]",
            "POST:/Observation/_search:[code]",
            "GET:/Observation/{id}",
            "POST:/Observation:[status,code.text]",
        ],
    ),
];

/// The `where` of roles; those of tags need a Service that has tags.
const CONDITIONS: &[(&str, &str)] = &[
    ("doctor", "$principalTags:function = doctor"),
    ("team", "$resourceTags:team IN (red, blue) AND NOT $resourceTags:dept = onc OR $principalTags:function = chief"),
    ("final-only", "$request:status = final"),
    (
        "not-drafts",
        "$request:code.text != draft AND ($request:status IN ('final', amended) OR $principalTags:dept = cardio)",
    ),
];

const PARTNERS: &[(&str, &[&str], &[&str])] = &[
    ("partner", &["system/Observation.rs", "system/Patient.r"], &["observation-reader", "account-reader"]),
    ("lab", &["system/Observation.rs?category=laboratory"], &[]),
    ("writer", &["system/*.cruds"], &[]),
    ("searcher", &[], &["observation-searcher"]),
];

fn number(prefix: &str, number: usize) -> String {
    format!("{prefix}_{number:026}")
}

pub(super) fn account(name: &str) -> AccountId {
    let place = PARTNERS.iter().position(|(known, ..)| *known == name);
    let index = match name {
        "owner" => 1,
        "stranger" => 2,
        _ => 10 + place.unwrap(),
    };
    number(AccountId::PREFIX, index).parse().unwrap()
}

pub(super) fn role(name: &str) -> RoleId {
    let place = ROLES.iter().position(|(known, _)| *known == name);
    number(RoleId::PREFIX, place.map_or(999, |place| 100 + place)).parse().unwrap()
}

fn operations(paths: &mut Map<String, Value>, path: &str, methods: &[&str], query: &[&str]) {
    let parameters: Vec<Value> = query.iter().map(|name| json!({"in": "query", "name": name})).collect();
    let header = json!({"in": "header", "name": "X-Security-Context"});
    let item = paths.entry(path.to_owned()).or_insert_with(|| json!({})).as_object_mut().unwrap();
    for method in methods {
        let mut all = parameters.clone();
        all.push(header.clone());
        item.insert((*method).to_owned(), json!({"parameters": all}));
    }
}

/// The document of the FHIR Service: literal paths of two types and `/{type}` for the rest.
pub(super) fn fhir_document() -> Value {
    let mut paths = Map::new();
    let mut add = |path: &str, methods: &[&str], query: &[&str]| operations(&mut paths, path, methods, query);
    add("/", &["get", "post"], &[]);
    add("/_search", &["post"], &[]);
    add("/_history", &["get"], &[]);
    add("/metadata", &["get"], &[]);
    add("/$export", &["get", "post"], &[]);
    add("/$graphql", &["post"], &[]);
    add("/$process-message", &["post"], &[]);
    add("/Patient/$export", &["get"], &[]);
    add("/Patient/$everything", &["get"], &[]);
    add("/Patient/$match", &["post"], &[]);
    add("/Patient/$member-match", &["post"], &[]);
    add("/Patient/$validate", &["post"], &[]);
    add("/Patient/{id}/$everything", &["get", "post"], &[]);
    add("/Patient/{id}/$graphql", &["get"], &[]);
    add("/Encounter/{id}/$everything", &["get"], &[]);
    add("/Group/{id}/$export", &["get"], &[]);
    add("/Observation/$lastn", &["get"], &["max", "patient"]);
    add("/Measure/{id}/$evaluate-measure", &["get"], &[]);
    add("/Composition/{id}/$document", &["post"], &[]);
    add("/ValueSet/$expand", &["get"], &[]);
    add("/Patient/{id}/*", &["get"], &[]);
    add("/Patient/{id}/{type}", &["get"], &[]);
    add("/Patient/{id}/{type}/_search", &["post"], &[]);
    add("/admin/{name}", &["get"], &["verbose"]);
    add("/Vehicle", &["get"], &["plate"]);
    add("/Vehicle/{id}", &["get"], &[]);
    for name in ["Observation", "Organization", "{type}"] {
        add(&format!("/{name}"), &["get", "post", "put", "patch", "delete"], &[]);
        add(&format!("/{name}/_search"), &["post"], &[]);
        add(&format!("/{name}/_history"), &["get"], &[]);
        add(&format!("/{name}/{{id}}"), &["get", "put", "patch", "delete"], &[]);
        add(&format!("/{name}/{{id}}/_history"), &["get"], &[]);
        add(&format!("/{name}/{{id}}/_history/{{version}}"), &["get"], &[]);
    }
    json!({"openapi": "3.1.0", "info": {"title": "EHR", "version": "1"}, "paths": paths})
}

fn plain_document() -> Value {
    let mut paths = Map::new();
    operations(&mut paths, "/accounts", &["get"], &["page", "size"]);
    operations(&mut paths, "/accounts", &["post"], &[]);
    operations(&mut paths, "/accounts/{id}", &["get", "delete"], &[]);
    json!({"openapi": "3.0.3", "info": {"title": "Accounts", "version": "1"}, "paths": paths})
}

/// Settings in words: `name=value`.
pub(super) fn settings(kind: ServiceKind, words: &str) -> Settings {
    let mut json = serde_json::to_value(Settings::for_kind(kind)).unwrap();
    for word in words.split([' ', ',']).filter(|word| !word.is_empty()) {
        let (name, value) = word.split_once('=').unwrap();
        json[name] = match value {
            "open" if name == "basic" => json!({}),
            resource if name == "basic" => json!({"required_resource": resource}),
            "true" | "false" => (value == "true").into(),
            number if number.parse::<i64>().is_ok() => number.parse::<i64>().unwrap().into(),
            path if path.starts_with('/') => path.split(';').collect::<Vec<_>>().into(),
            text => text.into(),
        };
    }
    serde_json::from_value(json).unwrap()
}

pub(super) fn issuer() -> Issuer {
    Issuer { issuer: "https://as.example/s/ehr".into(), trusted_for_roles: true, scp_is_scope: false, keys: Vec::new() }
}

/// The Service, by its kind and words of settings.
pub(super) fn service(kind: ServiceKind, words: &str) -> Service {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    Service {
        id: number(policy::id::ServiceId::PREFIX, 3).parse().unwrap(),
        account_id: account("owner"),
        kind,
        base_url: "https://gw.example/fhir".to_owned(),
        document: if kind == ServiceKind::Fhirv4 { fhir_document() } else { plain_document() },
        settings: settings(kind, words),
        roles: ROLES
            .iter()
            .map(|(name, lines)| Role {
                id: role(name),
                name: (*name).to_owned(),
                operations: texts(lines),
                condition: CONDITIONS
                    .iter()
                    .find(|(known, _)| known == name)
                    .map(|(_, condition)| (*condition).to_owned()),
            })
            .collect(),
        extension_scopes: vec![("__lastn".to_owned(), vec!["GET:/Observation/$lastn".to_owned()])],
        issuers: vec![issuer()],
        subscriptions: PARTNERS
            .iter()
            .map(|(name, scopes, roles)| Subscription {
                account_id: account(name),
                scopes: texts(scopes),
                roles: roles.iter().map(|name| role(name)).collect(),
            })
            .collect(),
        tag_keys: Vec::new(),
        tagged: Vec::new(),
        access_tags: Vec::new(),
        basic_keys: Vec::new(),
        security_resources: Vec::new(),
    }
}

/// Adds the tags of the corpus: the keys, and what the registry says.
pub(super) fn with_tags(mut service: Service) -> Service {
    let system = |key: &str| format!("https://as.example/s/ehr/tags/{key}");
    let key = |key: &str| policy::tag::TagKey { key: key.into(), system: system(key).into() };
    service.tag_keys = ["dept", "function", "team"].into_iter().map(key).collect();
    let values = |list: &[&str]| list.iter().map(|value| (*value).into()).collect();
    let tag = |key: &str, list: &[&str]| policy::tag::Tag { key: key.into(), values: values(list) };
    let one = |name: &str, id: &str, tags| policy::tag::TaggedResource {
        resource_type: name.into(),
        id: id.into(),
        tags,
        created_by: None,
    };
    service.tagged = vec![
        one("Observation", "OBS-REG", vec![tag("dept", &["cardio", "icu"])]),
        one("Observation", "OBS-REG-TWO", vec![tag("dept", &["cardio"]), tag("function", &["doctor"])]),
        one("Observation", "OBS-OUT", vec![tag("dept", &["onc"])]),
        one("Observation", "OBS-OUT-ALL", vec![tag("dept", &["onc"])]),
    ];
    service
}

/// Adds access tags: `GET` of one of these for `partner`, and everything on the other.
pub(super) fn with_access(mut service: Service) -> Service {
    let one = |method, id: &str| policy::tag::AccessTag {
        method,
        resource_type: Some("Observation".into()),
        id: Some(id.into()),
        accounts: Some(vec![account("partner")]),
    };
    service.access_tags = vec![one(Some(policy::operation::Method::Get), "OBS-OUT"), one(None, "OBS-OUT-ALL")];
    service
}

/// The Keys that count as Basic credentials, and what each holds on both security resources.
const KEYS: &[(&str, bool, bool)] =
    &[("reader", true, false), ("writer", false, true), ("both", true, true), ("nobody", false, false)];
const RESOURCES: &[(&str, bool)] = &[("ehr-api", false), ("public-api", true)];

fn basic_key(name: &str) -> BasicKey {
    let (_, read, write) = *KEYS.iter().find(|(known, ..)| *known == name).unwrap();
    let held = RESOURCES.iter().filter(|_| read || write);
    let privileges = held.map(|(name, _)| Privilege { resource: (*name).into(), read, write }).collect();
    let id = number(policy::id::KeyId::PREFIX, 7).parse().unwrap();
    BasicKey { id, account_id: account("owner"), secret_hash: [0; 32], privileges }
}

/// With Basic credentials.
pub(super) fn with_basic(mut service: Service) -> Service {
    service.basic_keys = KEYS.iter().map(|(name, ..)| basic_key(name)).collect();
    let resource =
        |(name, public_read): &(&str, bool)| SecurityResource { name: (*name).into(), public_read: *public_read };
    service.security_resources = RESOURCES.iter().map(resource).collect();
    service
}

/// The FHIR Service's interpreter.
pub(super) fn ehr(words: &str) -> Interpreter {
    Interpreter::new(service(ServiceKind::Fhirv4, words))
}

/// A caller in words.
pub(super) enum Token {
    Missing,
    Refused(Reason),
    Claims(Box<Claims>, Box<Issuer>),
    Basic(BasicKey),
    Both(Box<Claims>, Box<Issuer>, BasicKey),
}

impl Token {
    pub(super) fn parse(text: &str) -> Self {
        let mut claims = Claims {
            iss: "https://as.example/s/ehr".to_owned(),
            sub: "caller".to_owned(),
            aud: "https://gw.example/fhir".to_owned(),
            exp: 2,
            nbf: 0,
            iat: 0,
            jti: "1".to_owned(),
            kind: TokenKind::Key,
            account_id: Some(account("owner")),
            client_id: None,
            key_id: None,
            role_session_id: None,
            scope: None,
            role_ids: Vec::new(),
            patient: Some("ME".to_owned()),
            fhir_user: None,
            act: None,
            tags: BTreeMap::new(),
            clearance: None,
        };
        let mut issuer = issuer();
        let mut scopes: Vec<&str> = Vec::new();
        let mut beside = None;
        for word in text.split_whitespace() {
            match word.split_once(':') {
                None if word == "none" => return Self::Missing,
                None if word == "person" => claims.fhir_user = Some("Practitioner/P1".to_owned()),
                None if word == "untrusted" => issuer.trusted_for_roles = false,
                Some(("refused", code)) => return Self::Refused(Reason::parse(code).unwrap()),
                Some(("basic", name)) => return Self::Basic(basic_key(name)),
                Some(("both", name)) => beside = Some(basic_key(name)),
                Some(("role", name)) => claims.role_ids.push(role(name)),
                Some(("account", "-")) => claims.account_id = None,
                Some(("account", name)) => claims.account_id = Some(account(name)),
                Some(("patient", "-")) => claims.patient = None,
                Some(("patient", id)) => claims.patient = Some(id.trim_matches('"').to_owned()),
                Some(("clearance", code)) => claims.clearance = Some(code.to_owned()),
                Some(("tag", tag)) => {
                    let (key, value) = tag.split_once('=').unwrap();
                    claims.tags.entry(key.to_owned()).or_default().push(value.to_owned());
                }
                Some(("kind", kind)) => {
                    claims.kind = match kind {
                        "assumed" => TokenKind::AssumedRole,
                        "user" => TokenKind::User,
                        "foreign" => TokenKind::Foreign,
                        _ => TokenKind::Key,
                    };
                }
                _ => scopes.push(word),
            }
        }
        claims.scope = (!scopes.is_empty()).then(|| scopes.join(" "));
        match beside {
            Some(key) => Self::Both(Box::new(claims), Box::new(issuer), key),
            None => Self::Claims(Box::new(claims), Box::new(issuer)),
        }
    }

    pub(super) fn caller(&self) -> Caller<'_> {
        match self {
            Self::Missing => Caller::Missing,
            Self::Refused(reason) => Caller::Refused(*reason),
            Self::Claims(claims, issuer) => Caller::Verified(claims, issuer),
            Self::Basic(key) => Caller::Basic(key),
            Self::Both(claims, issuer, key) => Caller::Both(claims, issuer, key),
        }
    }
}

/// A call in a line: `GET /Observation + Prefer: x json: {}`.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Line {
    pub(super) fn parse(text: &str) -> Self {
        if let Some((kind, (head, entries))) =
            ["batch", "transaction"].into_iter().find_map(|kind| Some((kind, text.split_once(&format!(" {kind}: "))?)))
        {
            return Self::parse(&format!("{head} json: {}", requests(kind, entries)));
        }
        let (head, media, body) = if let Some((head, body)) = text.split_once(" json: ") {
            (head, Some("application/fhir+json"), body)
        } else if let Some((head, body)) = text.split_once(" form: ") {
            (head, Some("application/x-www-form-urlencoded"), body)
        } else if let Some((head, body)) = text.split_once(" patch: ") {
            (head, Some("application/json-patch+json"), body)
        } else {
            (text, None, "")
        };
        let mut parts = head.split(" + ");
        let (method, path) = parts.next().and_then(|line| line.split_once(' ')).unwrap();
        let mut headers = vec![("host".to_owned(), "gw.example".to_owned())];
        for part in parts {
            let (name, value) = part.split_once(": ").unwrap();
            headers.push((name.trim().to_ascii_lowercase(), value.to_owned()));
        }
        if let Some(media) = media.filter(|_| !headers.iter().any(|(name, _)| name == "content-type")) {
            headers.push(("content-type".to_owned(), media.to_owned()));
        }
        let target = if path.starts_with('/') { format!("/fhir{path}") } else { path.to_owned() };
        Self { method: method.to_owned(), target, headers, body: body.to_owned() }
    }
}

/// `GET a ; POST b + ifMatch: c + fullUrl: d @RECORD` as a Bundle.
fn requests(kind: &str, text: &str) -> String {
    let records: Map<String, Value> =
        serde_json::from_str(include_str!("../../../../tests/decisions/records.json")).unwrap();
    let entry = |text: &str| {
        let place = text.find(" @").into_iter().chain(text.find(" {")).min().unwrap_or(text.len());
        let (asked, resource) = text.split_at(place);
        let mut words = asked.split(" + ");
        let (method, url) = words.next().and_then(|line| line.split_once(' ')).unwrap_or((asked, ""));
        let mut entry = json!({"request": {"method": method, "url": url}});
        for (name, value) in words.map(|word| word.split_once(": ").unwrap()) {
            if name == "fullUrl" {
                entry[name] = value.into();
            } else {
                entry["request"][name] = value.into();
            }
        }
        match (resource.trim(), resource.trim().strip_prefix('@')) {
            ("", _) => {}
            (_, Some(name)) => entry["resource"] = records[name].clone(),
            (text, None) => entry["resource"] = serde_json::from_str(text).unwrap(),
        }
        entry
    };
    let entries: Vec<Value> = text.split(" ; ").map(str::trim).filter(|text| !text.is_empty()).map(entry).collect();
    json!({"resourceType": "Bundle", "type": kind, "entry": entries}).to_string()
}

/// What is stored: `Observation/OBS-ME` with its text, or nothing but a status.
pub(super) type Store = Vec<(policy::decision::Lookup, u16, String)>;

/// The `ETag` of what is stored: none where its version says it, so that both are tried.
fn tag(body: &str) -> Option<&'static str> {
    (!body.contains("\"versionId\"")).then_some("W/\"1\"")
}

/// Runs a call with what is stored, and hands the request to a closure.
pub(super) fn with_request<T>(
    line: &Line,
    caller: Caller<'_>,
    store: &Store,
    run: impl FnOnce(&Request<'_>) -> T,
) -> T {
    let headers: Vec<Header<'_>> =
        line.headers.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
    let stored: Vec<Stored<'_>> = store
        .iter()
        .map(|(lookup, status, body)| Stored { lookup, status: *status, etag: tag(body), body: body.as_bytes() })
        .collect();
    run(&Request {
        method: &line.method,
        target: &line.target,
        headers: &headers,
        body: line.body.as_bytes(),
        caller,
        capabilities: Capabilities::ALL,
        stale: false,
        now: 1,
        stored: &stored,
        upstream_base: UPSTREAM,
    })
}

/// The answer in words: `permit`, `deny 403 no_rule`, `lookup /Patient/ME`.
pub(super) fn words(answer: &Answer) -> String {
    match (answer.verdict, &answer.next) {
        (Verdict::Permit, _) => "permit".to_owned(),
        (Verdict::Deny { status, reason }, _) => format!("deny {status} {reason}"),
        (Verdict::Undecided, Next::Lookup(lookups)) => {
            let list: Vec<String> = lookups
                .iter()
                .map(|one| format!("{}?{}", one.path, one.query).trim_end_matches('?').to_owned())
                .collect();
            format!("lookup {}", list.join(" "))
        }
        (Verdict::Undecided, _) => "undecided".to_owned(),
    }
}

/// What goes upstream in words: `GET /Observation?patient=Patient/ME`.
pub(super) fn sent(answer: &Answer) -> String {
    let text = |pairs: &[(String, String)]| crate::decide::encode_query(pairs);
    match &answer.next {
        Next::Nothing | Next::Lookup(_) => "none".to_owned(),
        Next::Answer(status) | Next::Reply(status, _) => format!("answered {status}"),
        Next::Forward(sent) => {
            let query = text(&sent.query);
            let mark = if query.is_empty() { "" } else { "?" };
            let body = match &sent.body {
                Some(SentBody::Form(pairs)) if !pairs.is_empty() => format!(" form: {}", text(pairs)),
                _ => String::new(),
            };
            format!("{} {}{mark}{query}{body}", sent.method, sent.path)
        }
    }
}

/// Decides a call of the FHIR Service.
pub(super) fn decide(interpreter: &Interpreter, token: &str, call: &str, store: &Store) -> Answer {
    let token = Token::parse(token);
    with_request(&Line::parse(call), token.caller(), store, |request| interpreter.decide(request))
}

/// Responds to a call.
pub(super) fn respond(
    interpreter: &Interpreter,
    token: &str,
    call: &str,
    store: &Store,
    status: u16,
    body: &str,
) -> Response {
    let token = Token::parse(token);
    with_request(&Line::parse(call), token.caller(), store, |request| {
        interpreter.respond(request, &Upstream { status, headers: &[], body: body.as_bytes(), base: UPSTREAM })
    })
}

/// What is stored, in words: `/Observation/1` and its text; no text: 404.
pub(super) fn store(rows: &[(&str, &str)]) -> Store {
    rows.iter()
        .map(|(target, text)| {
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let lookup = policy::decision::Lookup { path: path.to_owned(), query: query.to_owned() };
            (lookup, if text.is_empty() { 404 } else { 200 }, (*text).to_owned())
        })
        .collect()
}

/// Checks verdict and what goes upstream; an empty expectation is not checked.
pub(super) fn check(
    interpreter: &Interpreter,
    token: &str,
    call: &str,
    rows: &[(&str, &str)],
    verdict: &str,
    upstream: &str,
) {
    let answer = decide(interpreter, token, call, &store(rows));
    assert_eq!(words(&answer), verdict, "{token} | {call}");
    if !upstream.is_empty() {
        assert_eq!(sent(&answer), upstream, "{token} | {call}");
    }
}

/// A header that goes upstream.
pub(super) fn header(answer: &Answer, name: &str) -> Option<String> {
    let Next::Forward(sent) = &answer.next else { return None };
    sent.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

/// The answer to an answer in words: status, ids released.
pub(super) fn released(response: &Response) -> String {
    match response {
        Response::Lookup(lookups) => {
            let list: Vec<String> = lookups
                .iter()
                .map(|one| format!("{}?{}", one.path, one.query).trim_end_matches('?').to_owned())
                .collect();
            format!("lookup {}", list.join(" "))
        }
        Response::Released { status, reason, released, .. } => {
            let ids: Vec<&str> = released.iter().filter_map(|one| one["id"].as_str()).collect();
            let reason = reason.map(|reason| format!(" {reason}")).unwrap_or_default();
            format!("{status}{reason} {}", ids.join(" ")).trim_end().to_owned()
        }
    }
}

/// A Bundle of these resources.
pub(super) fn bundle(kind: &str, resources: &[&str]) -> String {
    let entries: Vec<String> = resources.iter().map(|text| format!(r#"{{"resource":{text}}}"#)).collect();
    format!(r#"{{"resourceType":"Bundle","type":"{kind}","total":9,"entry":[{}]}}"#, entries.join(","))
}
