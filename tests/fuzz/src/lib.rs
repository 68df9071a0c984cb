//! What the fuzz targets share: one FHIR Service, callers, and requests read out of bytes.

use std::sync::LazyLock;

use decision::{Arena, Engine, Grants, decide};
use policy::bundle::{self, Bundle, Issuer};
use policy::claims::{Claims, TokenKind};
use policy::decision::{Action, Decision, Upstream};
use policy::id::{AccountId, RoleId, ServiceId};
use policy::request::{Caller, Capabilities, Header, Request, Stored};
use policy::settings::{ServiceKind, Settings};
use policy_compiler::{Limits, RoleSource, Source};
use serde_json::json;
use uuid::Uuid;

/// The Service's base.
pub const BASE: &str = "https://gw.example/fhir";
/// The upstream's.
pub const UPSTREAM: &str = "http://upstream.internal/r4";

/// Method and path of every operation.
const PATHS: &[(&str, &str)] = &[
    ("get", "/"),
    ("post", "/"),
    ("post", "/_search"),
    ("get", "/metadata"),
    ("get", "/Patient/{id}/$everything"),
    ("get", "/Patient/{id}/{type}"),
    ("post", "/Patient/$match"),
    ("get", "/{type}"),
    ("post", "/{type}"),
    ("put", "/{type}"),
    ("patch", "/{type}"),
    ("delete", "/{type}"),
    ("post", "/{type}/_search"),
    ("get", "/{type}/_history"),
    ("get", "/{type}/{id}"),
    ("put", "/{type}/{id}"),
    ("patch", "/{type}/{id}"),
    ("delete", "/{type}/{id}"),
    ("get", "/{type}/{id}/_history"),
    ("get", "/{type}/{id}/_history/{version}"),
];

/// The Service.
pub static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(bundle()));

/// The id of the Service's only role, which lists every operation.
pub fn role() -> RoleId {
    RoleId::new(Uuid::from_u128(7))
}

/// Its bundle.
pub fn bundle() -> Bundle {
    let mut paths = serde_json::Map::new();
    for (method, template) in PATHS {
        let names = template.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
        let parameters: Vec<_> = names
            .map(|name| json!({"in": "path", "name": name, "required": true, "schema": {"type": "string"}}))
            .collect();
        let item = paths.entry((*template).to_owned()).or_insert_with(|| json!({}));
        item[*method] = json!({"parameters": parameters, "responses": {"200": {"description": "done"}}});
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {"title": "Fuzzed", "version": "1"},
        "servers": [{"url": BASE}],
        "paths": paths,
        "x-service-type": "fhirv4",
    });
    let imported =
        policy_compiler::import(document.to_string().as_bytes(), &Limits::default()).expect("the document imports");
    let service = bundle::Service {
        id: ServiceId::new(Uuid::from_u128(1)),
        account_id: AccountId::new(Uuid::from_u128(2)),
        kind: ServiceKind::Fhirv4,
        base_url: BASE.into(),
    };
    let mut source = Source::new(service, Settings::for_kind(ServiceKind::Fhirv4), &imported);
    source.issuers = vec![issuer()];
    source.roles = vec![RoleSource {
        id: role(),
        name: "everything".into(),
        operations: imported.operations.iter().map(policy::operation::Operation::key).collect(),
        condition: None,
    }];
    policy_compiler::compile(source).expect("the bundle compiles")
}

/// A bundle with little of everything, encoded: what is changed in it lies near something that counts.
pub static SMALL: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut parts = bundle().into_parts();
    parts.types.retain(|facts| matches!(facts.name.as_str(), "Observation" | "Patient"));
    for facts in &mut parts.types {
        facts.parameters.retain(|one| matches!(&*one.name, "patient" | "subject" | "code" | "name"));
    }
    parts.common.truncate(2);
    parts.operations.truncate(8);
    for role in &mut parts.roles {
        role.operations.truncate(3);
    }
    Bundle::new(parts).expect("it is still a bundle").encode().expect("and is encoded")
});

/// The issuer that the Service trusts.
pub fn issuer() -> Issuer {
    Issuer { issuer: "https://as.example".into(), trusted_for_roles: true, scp_is_scope: false, keys: Vec::new() }
}

/// The claims of the owner's own token with this scope, for the patient `ME`.
pub fn claims(scope: &str) -> Claims {
    Claims {
        iss: "https://as.example".to_owned(),
        sub: "caller".to_owned(),
        aud: BASE.to_owned(),
        exp: i64::MAX,
        nbf: 0,
        iat: 0,
        jti: "1".to_owned(),
        kind: TokenKind::Key,
        account_id: Some(AccountId::new(Uuid::from_u128(2))),
        client_id: None,
        key_id: None,
        role_session_id: None,
        scope: (!scope.is_empty()).then(|| scope.to_owned()),
        role_ids: Vec::new(),
        patient: Some("ME".to_owned()),
        fhir_user: None,
        act: None,
        tags: std::collections::BTreeMap::new(),
        clearance: None,
    }
}

/// A request out of bytes: a line of method and target, lines of headers, an empty line, and the body.
#[derive(Debug)]
pub struct Raw<'b> {
    pub method: &'b str,
    pub target: &'b str,
    pub headers: Vec<(String, &'b [u8])>,
    pub body: &'b [u8],
}

impl<'b> Raw<'b> {
    /// None where a server would not get as far as the decision point: no request line in UTF-8.
    pub fn read(bytes: &'b [u8]) -> Option<Self> {
        let (head, body) = match bytes.windows(2).position(|two| two == b"\n\n") {
            Some(at) => (&bytes[..at], &bytes[at + 2..]),
            None => (bytes, &[][..]),
        };
        let mut lines = head.split(|byte| *byte == b'\n');
        let (method, target) = std::str::from_utf8(lines.next()?).ok()?.split_once(' ')?;
        let header = |line: &'b [u8]| {
            let at = line.iter().position(|byte| *byte == b':')?;
            let name = std::str::from_utf8(&line[..at]).ok()?.to_ascii_lowercase();
            Some((name, line.get(at + 1..)?.trim_ascii()))
        };
        Some(Self { method, target, headers: lines.filter_map(header).collect(), body })
    }

    /// Its headers, with the `Host` of the Service where there is none.
    pub fn borrowed(&self) -> Vec<Header<'_>> {
        let host = Header { name: "host", value: b"gw.example" };
        let own = self.headers.iter().map(|(name, value)| Header { name, value });
        let has = self.headers.iter().any(|(name, _)| name == "host");
        (!has).then_some(host).into_iter().chain(own).collect()
    }
}

/// A request of this caller.
pub fn request<'a>(
    method: &'a str,
    target: &'a str,
    headers: &'a [Header<'a>],
    body: &'a [u8],
    caller: Caller<'a>,
    stored: &'a [Stored<'a>],
) -> Request<'a> {
    Request {
        method,
        target,
        headers,
        body,
        caller,
        capabilities: Capabilities::ALL,
        stale: false,
        now: 1,
        stored,
        upstream_base: UPSTREAM,
    }
}

/// The decision on a request.
pub fn decided(request: &Request<'_>) -> Decision<'static> {
    decide(&ENGINE, request, &Grants::new(&ENGINE, &request.caller), &Arena::new()).into_owned()
}

/// What goes upstream, if anything does.
pub fn forwarded<'d>(decision: &'d Decision<'static>) -> Option<&'d Upstream<'static>> {
    match &decision.action {
        Action::Forward(upstream) => Some(upstream),
        _ => None,
    }
}

/// Whether a text within a JSON value contains this.
pub fn says(value: &serde_json::Value, what: &str) -> bool {
    use serde_json::Value as V;
    match value {
        V::String(text) => text.contains(what),
        V::Array(list) => list.iter().any(|one| says(one, what)),
        V::Object(members) => members.values().any(|one| says(one, what)),
        V::Null | V::Bool(_) | V::Number(_) => false,
    }
}
