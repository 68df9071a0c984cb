//! Whether a head or a bundle is what the Service's key signed: nothing of it is used before.

use chrono::{DateTime, Utc};
use policy::bundle::{Bundle, FORMAT, InvalidBundle, MAX_CONTENT_BYTES};
use policy::id::ServiceId;
use policy::manifest::{HEAD_TYPE, Head, MANIFEST_TYPE, MAX_MANIFEST_BYTES, Manifest};
use serde::de::DeserializeOwned;

use crate::enrolment::Trust;
use crate::hash::{hex, sha256};
use crate::json;
use crate::jws::Compact;

/// How far the clocks of control plane and gateway may be apart.
const LEEWAY_SECONDS: i64 = 30;
/// The longest life of a head that is believed; the control plane signs them for a minute.
const LONGEST_HEAD_SECONDS: i64 = 600;

/// Why a head or a bundle is not taken. The last good bundle stays in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not a signed manifest, a line feed and the content; or not a compact JWS.
    #[error("it is not a signed {0}")]
    Malformed(&'static str),
    /// Signed as something else.
    #[error("it is signed as {found:?}, not as `{expected}`")]
    Type {
        /// The header's `typ`.
        found: String,
        /// The one it must have.
        expected: &'static str,
    },
    /// Signed with a key that is not pinned.
    #[error("its key {0:?} is not one of those pinned at enrolment")]
    UnknownKey(String),
    /// The signature does not verify.
    #[error("its signature does not verify")]
    BadSignature,
    /// For another Service.
    #[error("it is for {0}, another Service")]
    OtherService(ServiceId),
    /// Its time is over.
    #[error("it expired at {0} (seconds since 1970)")]
    Expired(i64),
    /// Signed in the future: one of the clocks is wrong.
    #[error("it was signed at {0} (seconds since 1970), which is in the future: check this machine's clock")]
    Future(i64),
    /// Older than what was in force before.
    #[error("version {version} is older than version {mark}, which this gateway has seen")]
    Older {
        /// Its version.
        version: u64,
        /// The high-water mark.
        mark: u64,
    },
    /// The same version with another content.
    #[error("version {version} has another content than was signed before")]
    OtherContent {
        /// The version.
        version: u64,
    },
    /// It does not name its predecessor.
    #[error("version {version} does not follow the version before")]
    BrokenChain {
        /// Its version.
        version: u64,
    },
    /// The version leaps too far ahead.
    #[error("version {to} is too far ahead of version {from}")]
    Leap {
        /// The version in force.
        from: u64,
        /// Its version.
        to: u64,
    },
    /// The content is not the signed one.
    #[error("its content has not the signed {0}")]
    Content(&'static str),
    /// The content breaks a rule of its form.
    #[error("its content is not a bundle: {0}")]
    Invalid(#[from] InvalidBundle),
    /// It could not be kept.
    #[error("it could not be read from or kept on disk: {0}")]
    Disk(String),
}

/// Reads a head that counts now.
pub(super) fn head(trust: &Trust, text: &str, now: DateTime<Utc>) -> Result<Head, Refused> {
    let head = head_at_any_age(trust, text, now)?;
    if now.timestamp() >= head.expires_at.saturating_add(LEEWAY_SECONDS) {
        return Err(Refused::Expired(head.expires_at));
    }
    Ok(head)
}

/// Reads a head to learn when it was signed.
pub(super) fn head_at_any_age(trust: &Trust, text: &str, now: DateTime<Utc>) -> Result<Head, Refused> {
    let head: Head = signed(trust, text, HEAD_TYPE, "head")?;
    same_service(trust, head.service_id)?;
    not_in_the_future(head.issued_at, now)?;
    if head.expires_at.saturating_sub(head.issued_at) > LONGEST_HEAD_SECONDS {
        return Err(Refused::Malformed("head of a minute"));
    }
    Ok(head)
}

/// Verifies the manifest of a bundle; its content is then to be read with [`content`].
pub(super) fn bundle<'a>(trust: &Trust, bytes: &'a [u8], now: DateTime<Utc>) -> Result<(Manifest, &'a [u8]), Refused> {
    let malformed = Refused::Malformed("bundle");
    let window = bytes.get(..MAX_MANIFEST_BYTES.min(bytes.len())).unwrap_or_default();
    let end = window.iter().position(|byte| *byte == b'\n').ok_or(malformed.clone())?;
    let (line, rest) = bytes.split_at_checked(end).ok_or(malformed.clone())?;
    let text = std::str::from_utf8(line).map_err(|_| malformed.clone())?;
    let manifest: Manifest = signed(trust, text, MANIFEST_TYPE, "bundle")?;
    same_service(trust, manifest.service_id)?;
    not_in_the_future(manifest.issued_at, now)?;
    if now.timestamp() >= manifest.expires_at {
        return Err(Refused::Expired(manifest.expires_at));
    }
    if manifest.format != FORMAT {
        return Err(InvalidBundle::Format(manifest.format).into());
    }
    Ok((manifest, rest.get(1..).ok_or(malformed)?))
}

/// Reads the content, which must be the signed one.
pub(super) fn content(manifest: &Manifest, content: &[u8]) -> Result<Bundle, Refused> {
    if content.len() > MAX_CONTENT_BYTES || u64::try_from(content.len()) != Ok(manifest.length) {
        return Err(Refused::Content("length"));
    }
    if hex(&sha256(content)) != manifest.digest {
        return Err(Refused::Content("digest"));
    }
    let bundle = Bundle::decode(content)?;
    if bundle.parts().service.id != manifest.service_id {
        return Err(Refused::OtherService(bundle.parts().service.id));
    }
    Ok(bundle)
}

fn signed<T: DeserializeOwned>(trust: &Trust, text: &str, typ: &'static str, what: &'static str) -> Result<T, Refused> {
    let mut buffer = Vec::new();
    let jws = Compact::parse(text.trim_end(), MAX_MANIFEST_BYTES, &mut buffer).map_err(|_| Refused::Malformed(what))?;
    if jws.typ.as_deref() != Some(typ) {
        return Err(Refused::Type { found: jws.typ.unwrap_or_default().into_owned(), expected: typ });
    }
    let kid = jws.kid.as_deref().unwrap_or_default().to_owned();
    let Some((_, key)) = trust.keys.iter().find(|(pinned, _)| *pinned == kid) else {
        return Err(Refused::UnknownKey(kid));
    };
    if !key.is_for(&jws) || !key.verifies(&jws) {
        return Err(Refused::BadSignature);
    }
    // Read once for names that stand twice, at every depth, which the derived reader would pass over.
    json::object(jws.payload).ok_or(Refused::Malformed(what))?;
    serde_json::from_slice(jws.payload).map_err(|_| Refused::Malformed(what))
}

fn same_service(trust: &Trust, found: ServiceId) -> Result<(), Refused> {
    if found == trust.service_id { Ok(()) } else { Err(Refused::OtherService(found)) }
}

fn not_in_the_future(issued_at: i64, now: DateTime<Utc>) -> Result<(), Refused> {
    if issued_at > now.timestamp().saturating_add(LEEWAY_SECONDS) { Err(Refused::Future(issued_at)) } else { Ok(()) }
}
