//! What an OpenAPI document (2.0, 3.0, 3.1) says of an API as a whole: version, title, base, kind.
//!
//! Invariant: tolerant. What can be read in one way only is read, with a warning; what leaves a choice is refused.

mod fields;
mod parameters;
mod paths;

pub(crate) use paths::{Found, read as read_paths};

use policy::settings::ServiceKind;

use crate::document::{Cursor, Value};
use crate::finding::{Findings, clip, quote, says};

/// The longest title, in characters.
const MAX_TITLE: usize = 200;
/// The longest description that is kept, in characters; the rest is cut.
const MAX_DESCRIPTION: usize = 4_000;
/// The longest base URL, in bytes.
const MAX_URL: usize = 2_000;
/// The extensions that turn on FHIR, in lower case (K13).
const KIND_EXTENSIONS: [&str; 2] = ["x-katanemo-open-api-service-type", "x-service-type"];

/// Which OpenAPI a document is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// 2.0, "Swagger".
    Two,
    /// 3.0.
    ThreeZero,
    /// 3.1.
    ThreeOne,
}

/// What a document says of the whole API.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) dialect: Dialect,
    pub(crate) version: String,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) base_url: Option<String>,
    pub(crate) kind: ServiceKind,
}

/// Reads what stands outside the paths; none when it is not an OpenAPI document that we know.
pub(crate) fn head(root: Cursor<'_>, findings: &mut Findings) -> Option<Head> {
    let (dialect, version) = dialect(root, findings)?;
    fields::unknown(root, fields::root(dialect), findings);
    let info = root.get("info").filter(|info| info.is_map());
    if let Some(info) = info {
        fields::unknown(info, fields::INFO, findings);
    }
    let base_url = match dialect {
        Dialect::Two => base_of_host(root, findings),
        Dialect::ThreeZero | Dialect::ThreeOne => base_of_servers(root, findings),
    };
    Some(Head {
        dialect,
        version,
        title: title(root, info, findings),
        description: info
            .and_then(|info| info.get("description"))
            .and_then(Cursor::text)
            .map(|text| text.chars().take(MAX_DESCRIPTION).collect()),
        base_url,
        kind: kind(root, info, findings),
    })
}

fn dialect(root: Cursor<'_>, findings: &mut Findings) -> Option<(Dialect, String)> {
    const FIX: &str = "send an OpenAPI 2.0, 3.0 or 3.1 document";
    let place = root.get("openapi").or_else(|| root.get("swagger"));
    let Some(place) = place else {
        let message = match root.get("resourceType").and_then(Cursor::text) {
            Some("CapabilityStatement" | "Conformance") => {
                "this is a CapabilityStatement, which cannot be imported yet"
            }
            _ if root.is_map() => "there is neither `openapi` nor `swagger` at the root",
            _ => "the root is not an object",
        };
        findings.error(|| root.pointer(), says("not_openapi", message, FIX));
        return None;
    };
    let (Value::Text(version) | Value::Number(version)) = place.value() else {
        findings.error(|| place.pointer(), says("not_openapi", "the version is not a text", FIX));
        return None;
    };
    if matches!(place.value(), Value::Number(_)) {
        findings.warning(
            || place.pointer(),
            says("not_a_text", "the version is a number where a text belongs", "write it in quotes"),
        );
    }
    let old = root.get("openapi").is_none();
    let minor = version.trim().strip_prefix("3.").and_then(|rest| rest.split('.').next());
    let dialect = match (old, minor) {
        (true, None) if matches!(version.trim(), "2.0" | "2" | "2.0.0") => Dialect::Two,
        (false, Some("0")) => Dialect::ThreeZero,
        (false, Some("1")) => Dialect::ThreeOne,
        (false, Some("2")) => {
            findings.warning(
                || place.pointer(),
                says(
                    "newer_version",
                    "OpenAPI 3.2 is read as 3.1",
                    "what only 3.2 has does not become part of the Service",
                ),
            );
            Dialect::ThreeOne
        }
        _ => {
            findings.error(
                || place.pointer(),
                says("unknown_version", format!("version {} is not known", quote(version)), FIX),
            );
            return None;
        }
    };
    Some((dialect, clip(version.trim(), 20)))
}

fn title(root: Cursor<'_>, info: Option<Cursor<'_>>, findings: &mut Findings) -> String {
    const FIX: &str = "set `info.title` to the name of the API, 1 to 200 characters";
    let Some(place) = info.and_then(|info| info.get("title")) else {
        findings.error(|| info.unwrap_or(root).pointer(), says("no_title", "there is no `info.title`", FIX));
        return String::new();
    };
    let text = match place.value() {
        Value::Text(text) => text,
        Value::Number(text) => {
            findings.warning(
                || place.pointer(),
                says("not_a_text", "the title is a number where a text belongs", "write it in quotes"),
            );
            text
        }
        other => {
            findings.error(|| place.pointer(), says("no_title", format!("the title is {}", other.name()), FIX));
            return String::new();
        }
    };
    let title = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if title.is_empty() || title.chars().count() > MAX_TITLE || title.chars().any(char::is_control) {
        findings.error(
            || place.pointer(),
            says("bad_title", "the title is empty, too long, or holds control characters", FIX),
        );
    }
    title
}

/// K13: the extension, at the root or in `info`, its key in any case.
fn kind(root: Cursor<'_>, info: Option<Cursor<'_>>, findings: &mut Findings) -> ServiceKind {
    let mut kind = ServiceKind::Plain;
    for (key, value) in root.entries().chain(info.into_iter().flat_map(Cursor::entries)) {
        if !KIND_EXTENSIONS.iter().any(|extension| key.eq_ignore_ascii_case(extension)) {
            continue;
        }
        match value.text() {
            Some(text) if text.trim().eq_ignore_ascii_case("fhirv4") => kind = ServiceKind::Fhirv4,
            text => {
                let what = text.map_or_else(|| value.value().name().to_owned(), quote);
                let message = format!("the service type {what} is not known");
                findings.error(
                    || value.pointer(),
                    says("unknown_service_type", message, "write `fhirv4`, or leave the extension out for a plain API"),
                );
            }
        }
    }
    kind
}

const SET_BASE: &str = "set the Service's `base_url` before it is published";

fn base_of_servers(root: Cursor<'_>, findings: &mut Findings) -> Option<String> {
    let servers = root.get("servers");
    let first = servers.and_then(|servers| servers.elements().next());
    let url = first.and_then(|server| server.get("url"));
    let Some((place, text)) = url.and_then(|url| url.text().map(|text| (url, text))) else {
        let place = first.or(servers).unwrap_or(root);
        findings.warning(|| place.pointer(), says("no_base_url", "there is no server with a URL", SET_BASE));
        return None;
    };
    if servers.is_some_and(|servers| servers.elements().nth(1).is_some()) {
        let message = format!("of several servers the first counts: {}", quote(text));
        findings.info(
            || place.pointer(),
            says("several_servers", message, "set the Service's `base_url` if another one is meant"),
        );
    }
    checked_base(text, place, findings)
}

fn base_of_host(root: Cursor<'_>, findings: &mut Findings) -> Option<String> {
    let Some((place, host)) = root.get("host").and_then(|host| host.text().map(|text| (host, text))) else {
        findings.warning(|| root.pointer(), says("no_base_url", "there is no `host`", SET_BASE));
        return None;
    };
    let schemes: Vec<_> = root.get("schemes").into_iter().flat_map(Cursor::elements).filter_map(Cursor::text).collect();
    let scheme = if schemes.is_empty() || schemes.contains(&"https") { "https" } else { "http" };
    if schemes.is_empty() {
        findings.info(
            || place.pointer(),
            says(
                "no_scheme",
                "there are no `schemes`; `https` is assumed",
                "set `schemes`, or the Service's `base_url`",
            ),
        );
    }
    let base = root.get("basePath").and_then(Cursor::text).unwrap_or_default();
    let slash = if base.is_empty() || base.starts_with('/') { "" } else { "/" };
    checked_base(&format!("{scheme}://{host}{slash}{base}"), place, findings)
}

fn checked_base(text: &str, place: Cursor<'_>, findings: &mut Findings) -> Option<String> {
    let trimmed = text.trim().trim_end_matches('/');
    match base_url_fault(trimmed) {
        None => {
            if trimmed.starts_with("http://") {
                findings.warning(
                    || place.pointer(),
                    says("not_https", "the server is asked without encryption", "name it with `https`, if it has it"),
                );
            }
            Some(trimmed.to_owned())
        }
        Some(fault) => {
            findings.warning(|| place.pointer(), says("no_base_url", format!("{} {fault}", quote(text)), SET_BASE));
            None
        }
    }
}

/// What keeps a text from being a base URL: absolute, `http` or `https`, nothing after the path, no trailing slash.
pub(crate) fn base_url_fault(text: &str) -> Option<&'static str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let Some(rest) = rest else { return Some("is not an absolute URL of `http` or `https`") };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    if text.len() > MAX_URL {
        Some("is too long")
    } else if text.contains(['{', '}']) {
        Some("has variables")
    } else if text
        .chars()
        .any(|char| char.is_control() || char.is_whitespace() || matches!(char, '?' | '#' | '\\' | '"' | '<' | '>'))
    {
        Some("has a query, a fragment, or a character that no URL has")
    } else if authority.contains('@') {
        Some("holds credentials")
    } else if host.is_empty() {
        Some("names no host")
    } else if text.ends_with('/') || path.split('/').any(|segment| matches!(segment, "." | "..")) || path.contains("//")
    {
        Some("ends with a slash, or has an empty or dot segment")
    } else {
        None
    }
}
