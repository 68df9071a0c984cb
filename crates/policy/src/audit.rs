//! The audit entry: what a gateway writes of every decision, and the control plane keeps.
//!
//! Invariant: no token, no query value and no body is ever part of one; names only.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{AccountId, AuditId, GatewayId, KeyId, RequestId, ServiceId};
use crate::reason::Reason;

/// The most entries that one shipment holds.
pub const MAX_BATCH_ENTRIES: usize = 500;
/// The longest text in one field; what is longer is cut.
pub const MAX_FIELD_BYTES: usize = 256;
/// The most names in one list of an entry; what is more is left out.
pub const MAX_NAMES: usize = 64;

/// Who called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// `key`, `assumed_role`, `user`, `foreign`; `anonymous` when no credential counted. Basic credentials are a `key`.
    pub kind: String,
    /// The token's `sub`, or the Key of Basic credentials.
    pub id: Option<String>,
    /// The Account that the caller belongs to.
    pub account_id: Option<AccountId>,
    /// The key or app that asked.
    pub client_id: Option<String>,
    /// Who really calls, when a role was assumed: the `sub` of `act`.
    pub act: Option<String>,
    /// The Account of who really calls.
    pub act_account_id: Option<AccountId>,
    /// The Key of the Basic credentials, where they came beside a token (I01); alone they are the principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_key_id: Option<KeyId>,
}

/// What an entry is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// A decision, written before anything is forwarded.
    Decision(Box<DecisionRecord>),
    /// What became of a request that was forwarded, written before the last byte is released.
    Outcome(OutcomeRecord),
    /// Entries were lost, as the Service's audit policy allows.
    Gap {
        /// How many.
        lost: u64,
    },
}

/// The record of one decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionRecord {
    /// Of an entry of a batch: its place, from 0. The batch itself, and every other request, has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<u32>,
    /// Who called.
    pub principal: Principal,
    /// SHA-256 of the access token, in hexadecimal.
    pub token_hash: Option<String>,
    /// The peer's address.
    pub ip: Option<String>,
    /// The method.
    pub method: String,
    /// The operation's template (`/Patient/{id}`); never the path as it came.
    pub operation: Option<String>,
    /// What it does in FHIR's terms.
    pub interaction: Option<String>,
    /// The resource type.
    #[serde(rename = "resource_type")]
    pub resource_type: Option<String>,
    /// The id of the instance.
    pub resource_id: Option<String>,
    /// The patient context of the token.
    pub patient: Option<String>,
    /// Names of what the decision rests on.
    pub fields_used: Vec<String>,
    /// Names of what it passed over.
    pub fields_ignored: Vec<String>,
    /// `permit` or `deny`.
    pub effect: Effect,
    /// The status of a denial.
    pub status: Option<u16>,
    /// Why.
    pub reason: Option<Reason>,
    /// The phase that decided, 1 to 9.
    pub phase: u8,
    /// The rules that permitted.
    pub rules: Vec<String>,
    /// The names of the obligations.
    pub obligations: Vec<String>,
    /// The verdicts on includes: `permit _include=Observation:subject Patient`.
    pub related: Vec<String>,
    /// How long the decision took, in microseconds.
    pub micros: u64,
    /// `enforce`, or `shadow` for a bundle on trial.
    pub mode: String,
}

/// The record of what a request came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeRecord {
    /// The status of the upstream; none when it did not answer.
    pub upstream_status: Option<u16>,
    /// The status that the client gets.
    pub status: u16,
    /// Why the answer was taken back, if it was.
    pub reason: Option<Reason>,
    /// How many resources were released.
    pub released: u32,
    /// How many were dropped.
    pub dropped: u32,
    /// How many bytes of body the client gets.
    pub bytes: u64,
}

/// Permit or deny, as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It was permitted.
    Permit,
    /// It was denied.
    Deny,
}

/// One entry of the audit, chained to the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its id.
    pub id: AuditId,
    /// When.
    pub at: DateTime<Utc>,
    /// Under which Service it is kept.
    pub service_id: ServiceId,
    /// The gateway that wrote it.
    pub gateway_id: GatewayId,
    /// The gateway's start, counted up on its disk; `(gateway_id, boot, seq)` names an entry for good.
    pub boot: u64,
    /// Counts up by one within a boot.
    pub seq: u64,
    /// The request, the same in decision and outcome.
    pub request_id: RequestId,
    /// The version of the bundle that decided; none when there was none.
    pub bundle_version: Option<u64>,
    /// SHA-256 of the entry before, in hexadecimal; of the first of a boot, 64 zeros.
    pub prev_hash: String,
    /// What it is about.
    #[serde(flatten)]
    pub record: Record,
}
