//! Links to pages, and to the job and the files of an export, as the client sees them: sealed, bound to one caller, and
//! short-lived.
//!
//! Invariant: a link gives nothing by itself. It names a request that is decided anew under the
//! present token, and it only leads where that very decision led before.

use std::io;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use policy::basic::BasicKey;
use policy::claims::Claims;
use serde::{Deserialize, Serialize};

use crate::clock::random;
use crate::files;

/// The only parameter of a sealed link.
pub const PARAMETER: &str = "_page";
/// How long a page's link can be followed.
const LIFE_SECONDS: i64 = 15 * 60;
/// How long a job of an export can be asked for, and its files fetched: large ones run for hours.
const EXPORT_LIFE_SECONDS: i64 = 24 * 60 * 60;
/// The longest sealed text; with base and name it stays within what clients and servers take as a URL.
const MAX_SEALED_BYTES: usize = 12 * 1024;
const KEY_FILE: &str = "link.key";
const KEY_BYTES: usize = 32;

/// What a link leads to, by which its answer is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A page of a result.
    #[default]
    #[serde(rename = "p")]
    Page,
    /// The job of an export.
    #[serde(rename = "j")]
    Job,
    /// A file of an export, with resources of this type.
    #[serde(rename = "f")]
    Resources(String),
    /// A file of an export that says what went wrong.
    #[serde(rename = "e")]
    Errors,
    /// A file of an export that says what is no more.
    #[serde(rename = "d")]
    Deleted,
}

impl Kind {
    const fn life_seconds(&self) -> i64 {
        match self {
            Self::Page => LIFE_SECONDS,
            Self::Job | Self::Resources(_) | Self::Errors | Self::Deleted => EXPORT_LIFE_SECONDS,
        }
    }

    /// Whether it can be asked for by this method.
    #[must_use]
    pub fn has_method(&self, method: &str) -> bool {
        match self {
            Self::Page => matches!(method, "GET" | "HEAD"),
            Self::Job => matches!(method, "GET" | "DELETE"),
            Self::Resources(_) | Self::Errors | Self::Deleted => method == "GET",
        }
    }
}

/// The request that a client made first, and that each page is decided as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its method.
    #[serde(rename = "m")]
    pub method: String,
    /// Its target as it came.
    #[serde(rename = "t")]
    pub target: String,
    /// The form of a search by POST.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// The Parameters of an export by POST.
    #[serde(rename = "j", default, skip_serializing_if = "Option::is_none")]
    pub json: Option<String>,
}

/// Whose link it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    #[serde(rename = "i")]
    issuer: String,
    #[serde(rename = "s")]
    subject: String,
    #[serde(rename = "c")]
    client: Option<String>,
    #[serde(rename = "a")]
    account: Option<String>,
    #[serde(rename = "p")]
    patient: Option<String>,
}

impl Owner {
    /// The caller with this token.
    #[must_use]
    pub fn of(claims: &Claims) -> Self {
        Self {
            issuer: claims.iss.clone(),
            subject: claims.sub.clone(),
            client: claims.client_id.clone(),
            account: claims.account_id.map(|id| id.to_string()),
            patient: claims.patient.clone(),
        }
    }

    /// The caller with Basic credentials of this Key: no token names an empty issuer.
    #[must_use]
    pub fn of_key(key: &BasicKey) -> Self {
        Self {
            issuer: String::new(),
            subject: key.id.to_string(),
            client: None,
            account: Some(key.account_id.to_string()),
            patient: None,
        }
    }
}

/// What a sealed link holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// What it leads to.
    #[serde(rename = "k", default)]
    pub kind: Kind,
    /// The upstream's link below its base: a path, a query, or both.
    #[serde(rename = "l")]
    pub link: String,
    /// The request that led here.
    #[serde(rename = "o")]
    pub origin: Origin,
    /// SHA-256, in hexadecimal, of what was sent upstream for that request.
    #[serde(rename = "d")]
    pub sent: String,
    #[serde(rename = "w")]
    owner: Owner,
    #[serde(rename = "e")]
    expires_at: i64,
}

/// What is sealed for a caller.
#[derive(Clone, Copy, Debug)]
pub struct Sealing<'a> {
    /// What the link leads to.
    pub kind: &'a Kind,
    /// The upstream's link below its base.
    pub link: &'a str,
    /// The request that led here.
    pub origin: &'a Origin,
    /// SHA-256, in hexadecimal, of what was sent upstream for that request.
    pub sent: &'a str,
}

/// Seals and opens links with a key that never leaves this gateway's disk.
pub struct Links {
    key: LessSafeKey,
    context: Vec<u8>,
}

impl std::fmt::Debug for Links {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Links")
    }
}

impl Links {
    /// Reads the key from the folder, or makes it there. `context` is bound into every seal.
    pub fn open(folder: &Path, context: &str) -> io::Result<Self> {
        let path = folder.join(KEY_FILE);
        let key = if let Some(key) = files::read_if_there(&path, KEY_BYTES as u64)? {
            key
        } else {
            let key = random::<KEY_BYTES>().ok_or_else(|| io::Error::other("no random bytes"))?;
            files::replace(folder, KEY_FILE, &key)?;
            key.to_vec()
        };
        Self::with_key(&key, context).ok_or_else(|| {
            let message = format!("`{}` has not {KEY_BYTES} bytes: remove it, and a new one is made", path.display());
            io::Error::new(io::ErrorKind::InvalidData, message)
        })
    }

    fn with_key(key: &[u8], context: &str) -> Option<Self> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
        Some(Self { key, context: format!("firewarden-link-1 {context}").into_bytes() })
    }

    /// Seals a link for this caller; none when it would be too long for a URL.
    #[must_use]
    pub fn seal(&self, sealing: &Sealing<'_>, owner: Owner, now: i64) -> Option<String> {
        let page = Page {
            kind: sealing.kind.clone(),
            link: sealing.link.to_owned(),
            origin: sealing.origin.clone(),
            sent: sealing.sent.to_owned(),
            owner,
            expires_at: now.saturating_add(sealing.kind.life_seconds()),
        };
        let nonce = random::<NONCE_LEN>()?;
        let mut text = serde_json::to_vec(&page).ok()?;
        let aad = Aad::from(&self.context);
        self.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text).ok()?;
        let sealed = URL_SAFE_NO_PAD.encode([&nonce[..], &text].concat());
        Some(sealed).filter(|sealed| sealed.len() <= MAX_SEALED_BYTES)
    }

    /// Opens a link of this caller; another's, a broken and an expired one are all the same: none.
    #[must_use]
    pub fn open_sealed(&self, sealed: &str, owner: &Owner, now: i64) -> Option<Page> {
        if sealed.len() > MAX_SEALED_BYTES {
            return None;
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, text) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let text = self.key.open_in_place(nonce, Aad::from(&self.context), text).ok()?;
        let page: Page = serde_json::from_slice(text).ok()?;
        (now < page.expires_at && page.owner == *owner).then_some(page)
    }
}

/// The sealed text in the query of a target that names the Service's base, when it has one.
///
/// `Some(None)` is a request for a page that has something beside the seal, or not exactly one.
#[must_use]
pub fn sealed<'a>(target: &'a str, base_url: &str) -> Option<Option<&'a str>> {
    let (path, query) = target.split_once('?')?;
    if path.trim_end_matches('/') != base_path(base_url) {
        return None;
    }
    let mut names = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    if !names.clone().any(|(name, _)| name == PARAMETER) {
        return None;
    }
    Some(match (names.next(), names.next()) {
        (Some((PARAMETER, sealed)), None) => Some(sealed),
        _ => None,
    })
}

/// The path of an absolute URL, without a trailing slash: `/fhir`, or nothing.
#[must_use]
pub fn base_path(base_url: &str) -> &str {
    let authority = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
    authority.find('/').and_then(|slash| authority.get(slash..)).unwrap_or("").trim_end_matches('/')
}

/// The link with those characters encoded that a URL's writer encodes, so that it is sent as it was sealed.
fn as_written(link: &str) -> String {
    link.replace('"', "%22").replace('\'', "%27").replace('<', "%3C").replace('>', "%3E")
}

/// What an upstream's paging link is below its base; none for a link that leads elsewhere.
#[must_use]
pub fn below(link: &str, upstream_base: &str) -> Option<String> {
    let rest = link.strip_prefix(upstream_base.trim_end_matches('/'))?;
    let path = rest.split('?').next().unwrap_or_default();
    let lowered = path.to_ascii_lowercase();
    let leaves = lowered.split('/').any(|segment| matches!(segment, "." | ".."))
        || ["\\", "%2e", "%2f", "%5c"].iter().any(|code| lowered.contains(code));
    let visible = rest.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    let fits = (rest.is_empty() || rest.starts_with(['/', '?'])) && visible && !leaves;
    fits.then(|| as_written(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(subject: &str, patient: Option<&str>) -> Owner {
        let claims = serde_json::json!({
            "iss": "i", "sub": subject, "aud": "a", "exp": 1, "nbf": 0, "iat": 0, "jti": "j", "token_kind": "key", "patient": patient,
        });
        Owner::of(&serde_json::from_value(claims).unwrap())
    }

    fn links() -> Links {
        Links::with_key(&[7; 32], "svc").unwrap()
    }

    fn sealed_link() -> String {
        let origin = Origin { method: "GET".into(), target: "/Observation".into(), form: None, json: None };
        let sealing = Sealing { kind: &Kind::Page, link: "?page=2", origin: &origin, sent: "00" };
        links().seal(&sealing, claims("me", Some("1")), 1_000).unwrap()
    }

    #[test]
    fn a_link_opens_for_its_own_caller() {
        let page = links().open_sealed(&sealed_link(), &claims("me", Some("1")), 1_000 + LIFE_SECONDS - 1).unwrap();
        assert_eq!((page.link.as_str(), page.origin.target.as_str()), ("?page=2", "/Observation"));
    }

    #[test]
    fn d54_an_export_is_asked_for_and_fetched_for_a_day() {
        let origin = Origin { method: "GET".into(), target: "/$export".into(), form: None, json: None };
        for kind in [Kind::Job, Kind::Resources("Patient".to_owned()), Kind::Errors, Kind::Deleted] {
            let sealing = Sealing { kind: &kind, link: "/jobs/1", origin: &origin, sent: "00" };
            let link = links().seal(&sealing, claims("me", None), 1_000).unwrap();
            let at = |now| links().open_sealed(&link, &claims("me", None), now).is_some();
            assert!(at(1_000 + 86_399) && !at(1_000 + 86_400), "{kind:?}");
        }
    }

    #[test]
    fn another_callers_an_expired_and_a_broken_link_open_for_nobody() {
        let link = sealed_link();
        let me = claims("me", Some("1"));
        assert_eq!(links().open_sealed(&link, &claims("you", Some("1")), 1_000), None);
        assert_eq!(links().open_sealed(&link, &claims("me", Some("2")), 1_000), None);
        assert_eq!(links().open_sealed(&link, &claims("me", None), 1_000), None);
        assert_eq!(links().open_sealed(&link, &me, 1_000 + LIFE_SECONDS), None);
        assert_eq!(Links::with_key(&[7; 32], "other").unwrap().open_sealed(&link, &me, 1_000), None);
        assert_eq!(Links::with_key(&[8; 32], "svc").unwrap().open_sealed(&link, &me, 1_000), None);
        for index in 0..link.len() {
            let mut broken = link.clone().into_bytes();
            broken[index] = if broken[index] == b'A' { b'B' } else { b'A' };
            assert_eq!(links().open_sealed(std::str::from_utf8(&broken).unwrap(), &me, 1_000), None, "{index}");
            assert_eq!(links().open_sealed(&link[..index], &me, 1_000), None, "{index}");
        }
    }

    #[test]
    fn d54_a_job_is_asked_for_and_ended_and_a_file_is_only_read() {
        let file = Kind::Resources("Observation".into());
        for (method, expected) in [
            ("GET", [true; 5]),
            ("HEAD", [true, false, false, false, false]),
            ("DELETE", [false, true, false, false, false]),
            ("POST", [false; 5]),
        ] {
            let has =
                [&Kind::Page, &Kind::Job, &file, &Kind::Errors, &Kind::Deleted].map(|kind| kind.has_method(method));
            assert_eq!(has, expected, "{method}");
        }
    }

    #[test]
    fn what_a_link_leads_to_is_sealed_with_it() {
        let origin = Origin { method: "POST".into(), target: "/$export".into(), form: None, json: Some("{}".into()) };
        for kind in [Kind::Job, Kind::Resources("Observation".into()), Kind::Errors, Kind::Deleted] {
            let sealing = Sealing { kind: &kind, link: "/job", origin: &origin, sent: "00" };
            let sealed = links().seal(&sealing, claims("me", None), 1_000).unwrap();
            let page = links().open_sealed(&sealed, &claims("me", None), 1_000).unwrap();
            assert_eq!((page.kind, page.origin), (kind, origin.clone()));
        }
    }

    #[test]
    fn a_seal_stands_alone_in_the_query_of_the_base() {
        let base = "https://api.example/fhir";
        assert_eq!(sealed("/fhir?_page=abc", base), Some(Some("abc")));
        assert_eq!(sealed("/fhir/?_page=abc", base), Some(Some("abc")));
        for both in ["/fhir?_page=abc&_count=1", "/fhir?x&_page=abc", "/fhir?_page=a&_page=b"] {
            assert_eq!(sealed(both, base), Some(None), "{both}");
        }
        for none in ["/fhir", "/fhir?_pages=1", "/fhir/Patient?_page=abc", "/?_page=abc"] {
            assert_eq!(sealed(none, base), None, "{none}");
        }
        assert_eq!(base_path("https://api.example"), "");
    }

    #[test]
    fn a_link_that_leads_out_of_the_upstream_is_none() {
        let base = "http://up:8080/fhir";
        assert_eq!(below("http://up:8080/fhir?_getpages=1", base).as_deref(), Some("?_getpages=1"));
        assert_eq!(below("http://up:8080/fhir?x='a<b'", base).as_deref(), Some("?x=%27a%3Cb%27"));
        assert_eq!(below("http://up:8080/fhir/Patient?ct=a%2Fb", base).as_deref(), Some("/Patient?ct=a%2Fb"));
        for link in [
            "http://up:8080/fhir2?x",
            "http://up:8080.evil/fhir?x",
            "http://up:8080/fhir/../admin?x",
            "http://up:8080/fhir/%2e%2e/admin?x",
            "http://up:8080/fhir/..\\admin",
            "http://up:8080/fhir?x#y",
            "http://up:8080/fhir?x\r\ny",
            "/fhir?x",
        ] {
            assert_eq!(below(link, base), None, "{link}");
        }
    }
}
