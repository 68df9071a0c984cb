//! What is signed: the manifest of a bundle, and the head that says which one is current.
//!
//! Both travel as compact JWS (RFC 7515) with `EdDSA`, signed with the Service's bundle key, whose public half a gateway pins at
//! enrolment. The `typ` of the header tells them apart, so that neither passes for the other.

use serde::{Deserialize, Serialize};

use crate::id::ServiceId;

/// The `typ` of a signed manifest.
pub const MANIFEST_TYPE: &str = "firewarden-bundle+jws";
/// The `typ` of a signed head.
pub const HEAD_TYPE: &str = "firewarden-head+jws";
/// The media type of a bundle on the wire: the signed manifest, a line feed, the content.
pub const BUNDLE_MEDIA_TYPE: &str = "application/vnd.firewarden.bundle";
/// The media type of a signed head.
pub const HEAD_MEDIA_TYPE: &str = "application/jose";
/// The largest signed manifest or head that is read.
pub const MAX_MANIFEST_BYTES: usize = 16 * 1024;

/// Says what a bundle's content is, and until when it counts. Times are seconds since 1970, UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The content's form, [`crate::bundle::FORMAT`].
    pub format: u32,
    /// The Service it is for.
    pub service_id: ServiceId,
    /// Counts up by one with each bundle of the Service.
    pub version: u64,
    /// The content digest of the version before; none in the first.
    pub previous: Option<String>,
    /// When it was made.
    pub issued_at: i64,
    /// Past this a gateway refuses to load it, also from its own disk.
    pub expires_at: i64,
    /// SHA-256 of the content, in lower-case hexadecimal.
    pub digest: String,
    /// The content's length in bytes.
    pub length: u64,
    /// The compiler's version.
    pub compiler: String,
}

/// Says which bundle is current; short-lived, so that a withheld update shows as staleness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The Service it is for.
    pub service_id: ServiceId,
    /// The current version.
    pub version: u64,
    /// The digest of its content.
    pub digest: String,
    /// When it was signed.
    pub issued_at: i64,
    /// Past this it proves nothing.
    pub expires_at: i64,
}
