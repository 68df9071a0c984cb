//! Services: protected APIs, their documents and their bundles.

use chrono::{DateTime, Utc};
use policy::id::{ServiceId, SpecVersionId};
use policy::settings::{ServiceKind, Settings};

use crate::{Name, Slug};

/// Counts the changes of a row, from 1: the value of its ETag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Revision(pub u64);

impl Revision {
    /// Of a row that was just made.
    pub const FIRST: Self = Self(1);

    /// After one more change.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// An API that is protected.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// Its name, for people.
    pub name: Name,
    /// Its segment of the issuer's URL, fixed for life; no two Services of the platform have the same.
    pub slug: Slug,
    /// Plain or FHIR.
    pub kind: ServiceKind,
    /// Its own base, absolute, without a trailing slash; the `aud` of its tokens. A Service without one has no bundle.
    pub base_url: Option<String>,
    /// What changes its decisions.
    pub settings: Settings,
    /// The number of the active document.
    pub version: u32,
    /// The version of OpenAPI that the active document is written in (`3.0.3`).
    pub openapi: String,
    /// How many paths the active document has.
    pub paths: u32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Counts up with every change.
    pub revision: Revision,
}

/// One uploaded document of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecVersion {
    /// Its id.
    pub id: SpecVersionId,
    /// Of which Service.
    pub service_id: ServiceId,
    /// Counts up by one, from 1.
    pub number: u32,
    /// The document as it was uploaded.
    pub document: Vec<u8>,
    /// What the compiler made of it, encoded.
    pub imported: Vec<u8>,
    /// The findings of the import, as JSON.
    pub findings: serde_json::Value,
    /// When it was uploaded.
    pub created_at: DateTime<Utc>,
}

/// A [`SpecVersion`] without its contents, for lists.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SpecVersionSummary {
    /// Its id.
    pub id: SpecVersionId,
    /// Of which Service.
    pub service_id: ServiceId,
    /// Counts up by one, from 1.
    pub number: u32,
    /// The findings of the import, as JSON.
    pub findings: serde_json::Value,
    /// When it was uploaded.
    pub created_at: DateTime<Utc>,
}

/// A bundle as gateways get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBundle {
    /// Of which Service.
    pub service_id: ServiceId,
    /// Counts up by one, from 1.
    pub version: u64,
    /// SHA-256 of the content.
    pub digest: [u8; 32],
    /// The signed manifest: a compact JWS.
    pub manifest: String,
    /// The content that the manifest names.
    pub content: Vec<u8>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}
