//! A Service as its owner writes it: what compiler and reference both start from, each by itself.

use policy::basic::{BasicKey, SecurityResource};
use policy::bundle::Issuer;
use policy::id::{AccountId, RoleId, ServiceId};
use policy::settings::{ServiceKind, Settings};
use policy::tag::{AccessTag, TagKey, TaggedResource};
use serde_json::Value;

/// A Service, before anything of it was read.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// The Account that owns it.
    pub account_id: AccountId,
    /// Plain or FHIR.
    pub kind: ServiceKind,
    /// Its base, absolute, without a trailing slash.
    pub base_url: String,
    /// Its OpenAPI document (3.0 or 3.1).
    pub document: Value,
    /// Its settings.
    pub settings: Settings,
    /// Its custom roles.
    pub roles: Vec<Role>,
    /// Its extension scopes: the name, and lines of operations.
    pub extension_scopes: Vec<(String, Vec<String>)>,
    /// Whose tokens count.
    pub issuers: Vec<Issuer>,
    /// The active partners.
    pub subscriptions: Vec<Subscription>,
    /// The keys of tags that count.
    pub tag_keys: Vec<TagKey>,
    /// The tag registry.
    pub tagged: Vec<TaggedResource>,
    /// The access tags.
    pub access_tags: Vec<AccessTag>,
    /// The Keys that count as Basic credentials.
    pub basic_keys: Vec<BasicKey>,
    /// The security resources.
    pub security_resources: Vec<SecurityResource>,
}

/// A custom role.
#[derive(Clone, Debug)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// Its name.
    pub name: String,
    /// Lines of `METHOD:/path`, some with a list of fields: `PUT:/x/{id}:[a,b.c]`.
    pub operations: Vec<String>,
    /// Its `where`.
    pub condition: Option<String>,
}

/// What a partner may have at most.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The partner.
    pub account_id: AccountId,
    /// Scopes, as text.
    pub scopes: Vec<String>,
    /// Custom roles.
    pub roles: Vec<RoleId>,
}
