//! A decision that is tried out for a person who asks why.
//!
//! Invariant: nothing is verified, forwarded or written down here, and nothing of it is used by a gateway
//! that serves. Whoever calls this says so to whoever reads it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use policy::Reason;
use policy::bundle::{Bundle, InvalidBundle, Issuer, MAX_CONTENT_BYTES};
use policy::claims::{Claims, MAX_TOKEN_BYTES};
use policy::decision::Decision;
use policy::explanation::Explanation;
use policy::manifest::MAX_MANIFEST_BYTES;
use policy::request::{Caller, Request};
use serde_json::{Map, Value, json};

use crate::engine::{self, Engine, Grants};
use crate::files;
use crate::json as strict;

/// A bundle that is asked by a person; who signed it was not looked at.
pub struct Trial {
    engine: Engine,
    path: PathBuf,
}

impl fmt::Debug for Trial {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Trial").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Why there is nothing to try.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It cannot be read.
    #[error("`{}` cannot be read: {fault}", path.display())]
    File {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        fault: io::Error,
    },
    /// The folder has no bundle in it.
    #[error("`{}` holds no bundle: expected a gateway's state folder, its `bundles` folder, or a file", .0.display())]
    Empty(PathBuf),
    /// It is no bundle.
    #[error("`{}` is not a bundle: {fault}", path.display())]
    Bundle {
        /// Which file.
        path: PathBuf,
        /// Why.
        fault: InvalidBundle,
    },
}

/// The text is not the claims of a token.
#[derive(Debug, thiserror::Error)]
#[error("these are not the claims of a token: {0}")]
pub struct NotClaims(String);

impl Trial {
    /// Reads a bundle: its content as compiled, the file that a gateway keeps (with the signed manifest before it),
    /// or a gateway's folder, of which the newest one is taken.
    pub fn open(path: &Path) -> Result<Self, Unusable> {
        let path = if path.is_dir() { newest(path)? } else { path.to_owned() };
        let limit = u64::try_from(MAX_CONTENT_BYTES + MAX_MANIFEST_BYTES).unwrap_or(u64::MAX);
        let bytes = files::read(&path, limit).map_err(|fault| Unusable::File { path: path.clone(), fault })?;
        let bundle = Bundle::decode(content(&bytes)).map_err(|fault| Unusable::Bundle { path: path.clone(), fault })?;
        Ok(Self { engine: Engine::new(bundle), path })
    }

    /// The bundle.
    #[must_use]
    pub fn bundle(&self) -> &Bundle {
        self.engine.bundle()
    }

    /// The file that it was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Decides one request, as a gateway in front of the Service would.
    #[must_use]
    pub fn decide(&self, request: &Request<'_>) -> Decision<'static> {
        engine::decide(&self.engine, request, &Grants::new(&self.engine, &request.caller))
    }

    /// Why it is decided so.
    #[must_use]
    pub fn explain(&self, request: &Request<'_>) -> Explanation {
        engine::explain(&self.engine, request)
    }

    /// The caller that these claims speak for.
    #[must_use]
    pub fn caller<'a>(&'a self, claims: &'a Claims) -> Caller<'a> {
        let known = |issuer: &&Issuer| *issuer.issuer == *claims.iss;
        let issuer = self.bundle().parts().issuers.iter().find(known);
        issuer.map_or(Caller::Refused(Reason::WrongIssuer), |issuer| Caller::Verified(claims, issuer))
    }

    /// The claims of an access token (a JWT). Neither its signature nor its times are looked at.
    pub fn token(&self, token: &str) -> Result<Claims, NotClaims> {
        let wrong = |why: &str| NotClaims(why.to_owned());
        if token.len() > MAX_TOKEN_BYTES {
            return Err(wrong("the token is too long"));
        }
        let payload = token.trim().split('.').nth(1).ok_or_else(|| wrong("it is not a JWT"))?;
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| wrong("the JWT's payload is not base64url"))?;
        let no_object = || wrong("the JWT's payload is not a JSON object");
        strict::object(&payload).ok_or_else(no_object)?;
        self.read(&serde_json::from_slice(&payload).map_err(|_| no_object())?)
    }

    /// The claims in this JSON. What is left out is filled in: the Service's first issuer, its own Account, its base as
    /// the audience, and times that hold.
    pub fn claims(&self, given: &Map<String, Value>) -> Result<Claims, NotClaims> {
        let mut all = given.clone();
        all.entry("account_id").or_insert_with(|| json!(self.bundle().parts().service.account_id));
        self.read(&all)
    }

    fn read(&self, given: &Map<String, Value>) -> Result<Claims, NotClaims> {
        let parts = self.bundle().parts();
        let issuer = parts.issuers.first().map(|issuer| &*issuer.issuer);
        let mut all =
            json!({"iss": issuer.unwrap_or_default(), "sub": "caller", "exp": i64::MAX, "nbf": 0, "iat": 0, "jti": ""});
        let all = all.as_object_mut().ok_or_else(|| NotClaims("no object".to_owned()))?;
        all.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
        all.insert("aud".to_owned(), (*parts.service.base_url).into());
        let trusted = |issuer: &Issuer| Some(&*issuer.issuer) == all.get("iss").and_then(Value::as_str);
        let issuer = parts.issuers.iter().find(|issuer| trusted(issuer));
        if !all.contains_key("token_kind") || issuer.is_some_and(|issuer| !issuer.trusted_for_roles) {
            let own = issuer.is_some_and(|issuer| issuer.trusted_for_roles);
            all.insert("token_kind".to_owned(), if own { "key" } else { "foreign" }.into());
        }
        if let Some(patient) = all.get(&*parts.settings.patient_claim).cloned() {
            all.insert("patient".to_owned(), patient);
        }
        let scp = all.remove("scp").filter(|_| issuer.is_some_and(|issuer| issuer.scp_is_scope));
        if let (Some(scp), None) = (scp, all.get("scope")) {
            let listed = scp.as_array().map(|list| list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "));
            all.insert("scope".to_owned(), listed.map_or(scp, Value::from));
        }
        serde_json::from_value(Value::Object(all.clone())).map_err(|fault| NotClaims(fault.to_string()))
    }
}

/// What follows a signed manifest; a content alone is CBOR, whose first byte is no letter of one.
fn content(bytes: &[u8]) -> &[u8] {
    if !bytes.starts_with(b"ey") {
        return bytes;
    }
    let end = bytes.iter().position(|byte| *byte == b'\n');
    end.and_then(|end| bytes.get(end + 1..)).unwrap_or(bytes)
}

/// The newest bundle of a gateway's folder.
fn newest(folder: &Path) -> Result<PathBuf, Unusable> {
    let inner = folder.join("bundles");
    let folder = if inner.is_dir() { inner } else { folder.to_owned() };
    let fault = |fault| Unusable::File { path: folder.clone(), fault };
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let version = entry.file_name().to_str().and_then(|name| name.strip_prefix("bundle-")?.parse().ok());
        found.extend(version.map(|version| (version, entry.path())));
    }
    found.into_iter().max().map(|(_, path)| path).ok_or(Unusable::Empty(folder))
}

#[cfg(test)]
mod tests {
    use policy::settings::ServiceKind;
    use testkit::bundles::{self, ISSUER, Published};
    use testkit::jws::SigningKey;

    use super::*;

    const BASE: &str = "https://api.example/v1";

    fn published(version: u64) -> Published {
        Published::new(bundles::parts(ServiceKind::Plain, BASE, &[]), version, None, 1)
    }

    fn trial() -> (tempfile::TempDir, Trial) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("content"), published(1).content).unwrap();
        let trial = Trial::open(&folder.path().join("content")).unwrap();
        (folder, trial)
    }

    #[test]
    fn a_bundle_is_read_as_its_content_as_a_gateways_file_and_from_a_gateways_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Trial::open(folder.path()), Err(Unusable::Empty(_))));
        let key = SigningKey::ed25519("b1");
        let bundles = folder.path().join("bundles");
        std::fs::create_dir(&bundles).unwrap();
        for version in [9, 10] {
            std::fs::write(bundles.join(format!("bundle-{version}")), published(version).wire(&key)).unwrap();
        }
        std::fs::write(folder.path().join("content"), published(1).content).unwrap();
        for (path, read) in [
            ("", "bundles/bundle-10"),
            ("bundles", "bundles/bundle-10"),
            ("bundles/bundle-9", "bundles/bundle-9"),
            ("content", "content"),
        ] {
            let trial = Trial::open(&folder.path().join(path)).unwrap();
            assert_eq!(trial.path(), folder.path().join(read));
            assert_eq!(&*trial.bundle().parts().service.base_url, BASE);
        }
        std::fs::write(folder.path().join("content"), b"no bundle").unwrap();
        assert!(matches!(Trial::open(&folder.path().join("content")), Err(Unusable::Bundle { .. })));
    }

    #[test]
    fn claims_that_are_left_out_are_filled_in() {
        let (_folder, trial) = trial();
        let given = json!({"scope": "patient/*.rs", "patient": "1"});
        let claims = trial.claims(given.as_object().unwrap()).unwrap();
        assert_eq!((&*claims.iss, &*claims.aud, claims.kind.as_str()), (ISSUER, BASE, "key"));
        assert!(matches!(trial.caller(&claims), Caller::Verified(..)));
        let wrong = json!({"scope": 7});
        assert!(trial.claims(wrong.as_object().unwrap()).is_err());
    }

    #[test]
    fn the_claims_of_a_token_are_read_and_another_issuers_do_not_count() {
        let (_folder, trial) = trial();
        let payload = json!({"iss": "https://other.example", "sub": "me", "aud": ["x"], "exp": 1});
        let token = SigningKey::es256("t").sign("at+jwt", &payload);
        let claims = trial.token(&token).unwrap();
        assert_eq!((&*claims.sub, claims.kind.as_str()), ("me", "foreign"));
        assert!(matches!(trial.caller(&claims), Caller::Refused(Reason::WrongIssuer)));
        assert!(trial.token("x.y").is_err() && trial.token("").is_err());
    }
}
