//! The check token: a signed note of how a request was decided, for the upstream and for a client that was denied.
//!
//! Invariant: a client learns no more from it than from the status and from its own request. Its copy
//! has no reason, no rule and no obligation; where what is stored had a part in the denial it has no
//! phase and no field either; and the not-found answer, whose whole point is that it is always the
//! same, comes without any. Names only: no value, no id and no token is ever part of one.

use std::io;
use std::path::Path;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use policy::Reason;
use policy::audit::{MAX_FIELD_BYTES, MAX_NAMES};
use policy::decision::{Decision, Obligation, Phase, Verdict};
use policy::request::Caller;
use policy::settings::CheckToken;
use serde_json::{Map, Value, json};

use crate::audit::record;
use crate::clock::random;
use crate::files;
use crate::hash::sha256;
use crate::judge::Judged;
use crate::links;
use crate::snapshot::Snapshot;

/// The header that carries it.
pub(crate) const HEADER: &str = "firewarden-check";
/// Whatever begins like this is the gateway's own: a client's is never passed on, not even where a document declares it.
pub(crate) const OWN_PREFIX: &str = "firewarden-";
/// The media type in the header of the JWS.
const TYPE: &str = "firewarden-check+jwt";
/// How long it counts.
const LIFE_SECONDS: i64 = 60;
/// The longest one that keeps its lists: many servers take 8 KiB of headers in all.
const MAX_BYTES: usize = 4 * 1024;
const KEY_FILE: &str = "check.key";
const SEED_BYTES: usize = 32;
/// Where this gateway publishes its keys, below the Service's base.
const KEYS_PATH: &str = "/.well-known/firewarden/gateway-keys";

/// Whether the target is where the gateway's own keys are.
pub(crate) fn asks_for_keys(target: &str, base_url: &str) -> bool {
    target.strip_prefix(links::base_path(base_url)) == Some(KEYS_PATH)
}

/// Signs check tokens with a key that never leaves this gateway's disk.
pub(crate) struct Signer {
    pair: Ed25519KeyPair,
    issuer: String,
    /// The header of every token, encoded.
    header: String,
    keys: String,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Signer").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl Signer {
    /// Reads the key from the folder, or makes it there.
    pub(crate) fn open(folder: &Path, issuer: &str) -> io::Result<Self> {
        let path = folder.join(KEY_FILE);
        let seed = if let Some(seed) = files::read_if_there(&path, SEED_BYTES as u64)? {
            seed
        } else {
            let seed = random::<SEED_BYTES>().ok_or_else(|| io::Error::other("no random bytes"))?;
            files::replace(folder, KEY_FILE, &seed)?;
            seed.to_vec()
        };
        Self::with_seed(&seed, issuer).ok_or_else(|| {
            let message =
                format!("`{}` is no key of {SEED_BYTES} bytes: remove it, and a new one is made", path.display());
            io::Error::new(io::ErrorKind::InvalidData, message)
        })
    }

    fn with_seed(seed: &[u8], issuer: &str) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        // RFC 7638: the required members, in the order of the alphabet.
        let kid = URL_SAFE_NO_PAD.encode(sha256(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#).as_bytes()));
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": "EdDSA", "kid": kid, "typ": TYPE}).to_string());
        let key = json!({"alg": "EdDSA", "crv": "Ed25519", "kid": kid, "kty": "OKP", "use": "sig", "x": x});
        Some(Self { pair, issuer: issuer.to_owned(), header, keys: json!({ "keys": [key] }).to_string() })
    }

    /// The public half, as a JWK Set (RFC 7517).
    pub(crate) fn public_keys(&self) -> &str {
        &self.keys
    }

    /// The token that goes upstream with a permitted request; none where the Service wants none.
    pub(crate) fn for_upstream(&self, judged: &Judged, snapshot: &Snapshot, now: i64) -> Option<String> {
        let wanted = snapshot.bundle().parts().settings.check_token == CheckToken::Always;
        wanted.then(|| self.token(judged, snapshot, now, &full(&judged.decision, judged.bundle_version())))
    }

    /// The token for a client that was denied with this status; none where the Service wants none, for an outsider,
    /// and with the not-found answer.
    pub(crate) fn for_client(&self, judged: &Judged, snapshot: &Snapshot, status: u16, now: i64) -> Option<String> {
        let Verdict::Deny { reason, .. } = judged.decision.verdict else { return None };
        let wanted = snapshot.bundle().parts().settings.check_token != CheckToken::Off;
        let outsider = matches!(judged.credential.caller(snapshot.bundle()), Caller::Missing | Caller::Refused(_));
        let told = wanted && !outsider && reason != Reason::NotFound;
        told.then(|| self.token(judged, snapshot, now, &copy(judged, status)))
    }

    fn token(&self, judged: &Judged, snapshot: &Snapshot, now: i64, check: &Map<String, Value>) -> String {
        let whole = self.sign(judged, snapshot, now, check);
        if whole.len() <= MAX_BYTES {
            return whole;
        }
        let mut short = check.clone();
        short.retain(|name, value| !value.is_array() || name == "phases");
        short.insert("truncated".to_owned(), true.into());
        self.sign(judged, snapshot, now, &short)
    }

    fn sign(&self, judged: &Judged, snapshot: &Snapshot, now: i64, check: &Map<String, Value>) -> String {
        let hash = judged.credential.token_hash;
        let mut claims = json!({
            "iss": self.issuer,
            "aud": snapshot.bundle().parts().service.base_url,
            "iat": now,
            "exp": now.saturating_add(LIFE_SECONDS),
            "jti": judged.request_id.to_string(),
            "check": check,
        });
        if let (Some(hash), Some(claims)) = (hash, claims.as_object_mut()) {
            claims.insert("ath".to_owned(), URL_SAFE_NO_PAD.encode(hash).into());
        }
        let signed = format!("{}.{}", self.header, URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(signed.as_bytes()).as_ref());
        format!("{signed}.{signature}")
    }
}

/// All of the check record.
fn full(decision: &Decision<'_>, bundle_version: Option<u64>) -> Map<String, Value> {
    let (effect, status) = effect(decision);
    let mut check = Map::new();
    let mut set = |name: &str, value: Value| check.insert(name.to_owned(), value);
    set("effect", effect.into());
    if let Some(status) = status {
        set("status", status.into());
    }
    if let Some(reason) = decision.reason() {
        set("reason", reason.as_str().into());
    }
    set("bundle_version", bundle_version.into());
    set("phases", phases(decision).into());
    set("rules", names(decision.rules.iter()));
    set("fields_used", names(decision.fields_used.iter()));
    set("fields_ignored", names(decision.fields_ignored.iter()));
    set("obligations", names(decision.obligations.iter().map(Obligation::name)));
    set("related", names(decision.related.iter().map(record::related)));
    check
}

/// What a client may have of it.
fn copy(judged: &Judged, status: u16) -> Map<String, Value> {
    let decision = &judged.decision;
    let mut check = Map::new();
    check.insert("effect".to_owned(), "deny".into());
    check.insert("status".to_owned(), status.into());
    check.insert("bundle_version".to_owned(), judged.bundle_version().into());
    if judged.stored.is_empty() {
        check.insert("phases".to_owned(), phases(decision).into());
        check.insert("fields_used".to_owned(), names(decision.fields_used.iter()));
        check.insert("fields_ignored".to_owned(), names(decision.fields_ignored.iter()));
    }
    check
}

const fn effect(decision: &Decision<'_>) -> (&'static str, Option<u16>) {
    match decision.verdict {
        Verdict::Permit => ("permit", None),
        Verdict::Deny { status, .. } => ("deny", Some(status)),
        Verdict::Undecided => ("deny", None),
    }
}

/// The phases that were gone through, each with its result (`rules:deny`); phase 9 is still to come then.
fn phases(decision: &Decision<'_>) -> Vec<String> {
    let gone = Phase::ALL.into_iter().filter(|phase| *phase <= decision.phase);
    let result = |phase: Phase| if phase == decision.phase { effect(decision).0 } else { "continue" };
    gone.map(|phase| format!("{}:{}", phase.as_str(), result(phase))).collect()
}

fn names(list: impl Iterator<Item = impl AsRef<str>>) -> Value {
    let cut = |name: &str| name.get(..name.floor_char_boundary(MAX_FIELD_BYTES)).unwrap_or_default().to_owned();
    list.take(MAX_NAMES).map(|name| cut(name.as_ref())).collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_asked_for_at_one_place_only() {
        let base = "https://api.example/fhir";
        assert!(asks_for_keys("/fhir/.well-known/firewarden/gateway-keys", base));
        for other in [
            "/.well-known/firewarden/gateway-keys",
            "/fhir/.well-known/firewarden/gateway-keys?x",
            "/fhir/.well-known/firewarden/gateway-keys/",
            "/fhir/.well-known/smart-configuration",
        ] {
            assert!(!asks_for_keys(other, base), "{other}");
        }
    }

    #[test]
    fn the_key_stays_the_same_over_a_restart_and_only_its_owner_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = Signer::open(folder.path(), "gw_1").unwrap();
        let again = Signer::open(folder.path(), "gw_1").unwrap();
        assert_eq!(first.public_keys(), again.public_keys());
        assert!(!format!("{first:?}").contains("pair"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(folder.path().join(KEY_FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::write(folder.path().join(KEY_FILE), b"short").unwrap();
        assert!(Signer::open(folder.path(), "gw_1").unwrap_err().to_string().contains("check.key"));
    }
}
