//! Enrolled gateways (ARC instances), and what they say of themselves.

use chrono::{DateTime, Utc};
use policy::id::{GatewayId, ServiceId};

use crate::{Name, SecretHash, words};

/// The most characters of the error that a gateway reports.
pub const MAX_REPORTED_ERROR_CHARACTERS: usize = 1_000;

words! {
    /// What a gateway says of the bundle that it was given.
    GatewayState {
        /// It decides by it.
        Active = "active",
        /// It refused it, and keeps the one before.
        Refused = "refused",
        /// It heard nothing for too long, and denies everything.
        Stale = "stale",
    }
}

/// What a gateway last reported.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct GatewayReport {
    /// The version that it decides by.
    pub bundle_version: Option<u64>,
    /// How that went.
    pub state: GatewayState,
    /// Why not, in words.
    pub error: Option<String>,
    /// The program's version.
    pub arc_version: String,
}

/// One enrolled gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Its id: part of its key's text.
    pub id: GatewayId,
    /// Which Service it guards.
    pub service_id: ServiceId,
    /// Its name, for people.
    pub name: Name,
    /// The hash of its key's secret.
    pub key_hash: SecretHash,
    /// When it was enrolled.
    pub created_at: DateTime<Utc>,
    /// When it last asked for anything.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// What it last reported.
    pub report: Option<GatewayReport>,
}
