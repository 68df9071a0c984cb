//! The settings of a Service that change decisions ("Service settings"), with their defaults.
//!
//! Only settings that the decision point obeys stand here; one that it does not know cannot be set.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$arm_doc:meta])* $arm:ident = $index:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
        #[cbor(index_only)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$arm_doc])* #[n($index)] $arm,)* }
    )*};
}

choices! {
    /// What kind of API a Service is.
    ServiceKind {
        /// Operations and roles of operations only.
        #[default]
        Plain = 0,
        /// FHIR R4: interactions, compartments, SMART scopes.
        Fhirv4 = 1,
    }
    /// How a patient rule is enforced on a search that does not name the patient.
    SearchWithoutContext {
        /// The decision point adds the ownership parameter.
        #[default]
        Narrow = 0,
        /// The query is left alone; the answer is checked.
        Check = 1,
        /// 403, unless the client's own query is proof.
        Deny = 2,
    }
    /// What happens to what a rule does not cover.
    Uncovered {
        /// It is left out.
        #[default]
        Filter = 0,
        /// The whole request is refused.
        Reject = 1,
    }
    /// What a chained search needs.
    Chains {
        /// `s` on the type of every hop.
        #[default]
        Strict = 0,
        /// `s` on the searched type only (I29).
        Context = 1,
    }
    /// What opens a shared resource.
    Shared {
        /// A kept reference, or a scope of its own.
        #[default]
        ReferencedOrScope = 0,
        /// A scope of its own only.
        Scope = 1,
        /// A kept reference only.
        Referenced = 2,
    }
    /// What makes a resource a member of a patient's compartment.
    Compartment {
        /// Any parameter of the CompartmentDefinition.
        #[default]
        R4 = 0,
        /// The element of `patient` only.
        SubjectOnly = 1,
    }
    /// What a rule makes of a resource that has no tag.
    UntaggedResources {
        /// The rule alone decides.
        #[default]
        ByRole = 0,
        /// The rule decides, for callers of the Account that owns the resource (K20).
        Owner = 1,
        /// Denied.
        Deny = 2,
    }
    /// When the gateway makes a check token.
    CheckToken {
        /// For every decision.
        #[default]
        Always = 0,
        /// For denials.
        Denials = 1,
        /// Never.
        Off = 2,
    }
    /// Whether `meta.security` counts.
    Labels {
        /// No; they are noted as ignored.
        #[default]
        Ignore = 0,
        /// The highest Confidentiality of a resource is compared with the caller's clearance.
        Enforce = 1,
    }
    /// What a person without a role may do.
    DefaultUserRole {
        /// Nothing: the default of a FHIR Service.
        #[default]
        Nothing = 0,
        /// Every GET: the default of a plain Service.
        GetAll = 1,
    }
    /// What the gateway does when its audit spool cannot take more.
    AuditPolicy {
        /// Deny.
        #[default]
        NeverLose = 0,
        /// Shed sampled permits, keep denials.
        KeepDenials = 1,
        /// Go on.
        BestEffort = 2,
    }
}

/// A Confidentiality of HL7 (v3-Confidentiality), lowest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
pub enum Confidentiality {
    /// Unrestricted.
    #[n(0)]
    U,
    /// Low.
    #[n(1)]
    L,
    /// Moderate.
    #[n(2)]
    M,
    /// Normal.
    #[default]
    #[n(3)]
    N,
    /// Restricted.
    #[n(4)]
    R,
    /// Very restricted.
    #[n(5)]
    V,
}

impl Confidentiality {
    /// The one with that code; codes are case-sensitive.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        match code {
            "U" => Some(Self::U),
            "L" => Some(Self::L),
            "M" => Some(Self::M),
            "N" => Some(Self::N),
            "R" => Some(Self::R),
            "V" => Some(Self::V),
            _ => None,
        }
    }
}

/// Basic credentials, switched on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Basic {
    /// The security resource that a key must hold; none: every valid key may do everything (I04).
    #[n(0)]
    pub required_resource: Option<Box<str>>,
}

/// How long a gateway decides without a fresh head, unless the Service says otherwise.
pub const DEFAULT_MAX_STALENESS_SECONDS: u32 = 3_600;

/// The settings of one Service.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How a patient rule is enforced on a search.
    #[n(0)]
    pub search_without_context: SearchWithoutContext,
    /// What happens to includes that no rule covers.
    #[n(1)]
    pub related: Uncovered,
    /// What happens to entries that no rule covers.
    #[n(2)]
    pub results: Uncovered,
    /// What a chained search needs.
    #[n(3)]
    pub chains: Chains,
    /// What opens a shared resource.
    #[n(4)]
    pub shared: Shared,
    /// What makes a resource a member of a compartment.
    #[n(5)]
    pub compartment: Compartment,
    /// Whether a foreign instance looks like a missing one.
    #[n(6)]
    pub hide_existence: bool,
    /// Whether every denial but 401 and 403 is sent as 400 (V24).
    #[n(7)]
    pub legacy_400: bool,
    /// The claim that names the patient.
    #[n(8)]
    pub patient_claim: Box<str>,
    /// What a person without a role may do.
    #[n(9)]
    pub default_user_role: DefaultUserRole,
    /// What the gateway does when its spool is full.
    #[n(10)]
    pub audit: AuditPolicy,
    /// Past this age of the last head everything is denied with `bundle_stale`.
    #[n(11)]
    pub max_staleness_seconds: u32,
    /// Paths that need no token, compared by whole segments; each begins with `/`.
    #[n(12)]
    pub excluded_paths: Vec<Box<str>>,
    /// Whether the client's `Authorization` is passed on to the upstream.
    #[n(13)]
    pub pass_authorization: bool,
    /// What happens to what a rule does not cover in an answer of `$everything` (I36).
    #[n(14)]
    pub everything: Uncovered,
    /// What a rule makes of a resource that has no tag.
    #[n(15)]
    pub untagged_resources: UntaggedResources,
    /// When the gateway makes a check token.
    #[n(16)]
    pub check_token: CheckToken,
    /// Whether `meta.security` counts.
    #[n(17)]
    pub labels: Labels,
    /// The Confidentiality of a resource without one.
    #[n(18)]
    pub default_label: Confidentiality,
    /// Basic credentials; none: off.
    #[n(19)]
    pub basic: Option<Basic>,
    /// Before this instant (seconds since 1970) a request without credentials is permitted, as `dev_mode` (I41).
    #[n(20)]
    pub unauthenticated_until: Option<i64>,
    /// A production Service: `unauthenticated_until` is refused.
    #[n(21)]
    pub production: bool,
    /// The types that count as shared, in place of the default list.
    #[n(22)]
    pub shared_types: Option<Vec<Box<str>>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            search_without_context: SearchWithoutContext::Narrow,
            related: Uncovered::Filter,
            results: Uncovered::Filter,
            chains: Chains::Strict,
            shared: Shared::ReferencedOrScope,
            compartment: Compartment::R4,
            hide_existence: true,
            legacy_400: false,
            patient_claim: "patient".into(),
            default_user_role: DefaultUserRole::Nothing,
            audit: AuditPolicy::NeverLose,
            max_staleness_seconds: DEFAULT_MAX_STALENESS_SECONDS,
            excluded_paths: Vec::new(),
            pass_authorization: false,
            everything: Uncovered::Reject,
            untagged_resources: UntaggedResources::ByRole,
            check_token: CheckToken::Always,
            labels: Labels::Ignore,
            default_label: Confidentiality::N,
            basic: None,
            unauthenticated_until: None,
            production: false,
            shared_types: None,
        }
    }
}

impl Settings {
    /// The value of a setting as it is written; none if there is none of that name.
    #[must_use]
    pub fn said(&self, name: &str) -> Option<String> {
        match serde_json::to_value(self).ok()?.get_mut(name)?.take() {
            serde_json::Value::String(text) => Some(text),
            other => Some(other.to_string()),
        }
    }

    /// The defaults for a Service of this kind.
    #[must_use]
    pub fn for_kind(kind: ServiceKind) -> Self {
        match kind {
            ServiceKind::Fhirv4 => Self::default(),
            ServiceKind::Plain => Self {
                default_user_role: DefaultUserRole::GetAll,
                untagged_resources: UntaggedResources::Owner,
                ..Self::default()
            },
        }
    }
}
