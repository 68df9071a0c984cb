//! The content of a bundle: all that a gateway needs to decide for one Service.
//!
//! Invariant: the lists are sorted as their fields say, every index points into its list, and every
//! limit holds. Decoding goes through [`Bundle::new`], so a bundle from the wire keeps it too.

use minicbor::{Decode, Encode};

use crate::basic::{BasicKey, SecurityResource};
use crate::facts::{SearchParameter, TypeFacts};
use crate::id::{AccountId, KeyId, RoleId, RoleSessionId, ServiceId, TokenId};
use crate::operation::Operation;
use crate::role::Role;
use crate::scope::Scope;
use crate::settings::{ServiceKind, Settings};
use crate::tag::{AccessTag, MAX_ACCESS_TAGS, MAX_KEYS, MAX_TAGGED_RESOURCES, TagKey, TaggedResource};

/// The version of the content's form; a gateway refuses any other.
pub const FORMAT: u32 = 2;
/// The largest content that is read; a full FHIR R4 Service with 10,000 roles has 4 MiB.
pub const MAX_CONTENT_BYTES: usize = 64 * 1024 * 1024;
/// Limits of the lists, each far above what real Services need.
pub const MAX_OPERATIONS: usize = 20_000;
/// See [`MAX_OPERATIONS`].
pub const MAX_TYPES: usize = 2_000;
/// See [`MAX_OPERATIONS`].
pub const MAX_ROLES: usize = 100_000;
/// See [`MAX_OPERATIONS`].
pub const MAX_SUBSCRIPTIONS: usize = 100_000;
/// See [`MAX_OPERATIONS`].
pub const MAX_EXTENSION_SCOPES: usize = 1_000;
/// See [`MAX_OPERATIONS`].
pub const MAX_BASIC_KEYS: usize = 10_000;
/// See [`MAX_OPERATIONS`].
pub const MAX_SECURITY_RESOURCES: usize = 1_000;
/// See [`MAX_OPERATIONS`]; what is revoked leaves the list once the longest token has expired.
pub const MAX_REVOCATIONS: usize = 100_000;

/// Which Service a bundle is for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Service {
    /// Its id.
    #[n(0)]
    pub id: ServiceId,
    /// The Account that owns it.
    #[n(1)]
    pub account_id: AccountId,
    /// Plain or FHIR.
    #[n(2)]
    pub kind: ServiceKind,
    /// Its own base, absolute, without a trailing slash: the audience of its tokens, and the base of its references.
    #[n(3)]
    pub base_url: Box<str>,
}

/// A signature algorithm of JOSE that an issuer's key may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256.
    #[n(0)]
    Es256,
    /// ECDSA with P-384 and SHA-384.
    #[n(1)]
    Es384,
    /// Ed25519.
    #[n(2)]
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[n(3)]
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    #[n(4)]
    Rs384,
}

/// One public key of an issuer, with the one algorithm that it verifies.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct IssuerKey {
    /// Its `kid`.
    #[n(0)]
    pub kid: Box<str>,
    /// The algorithm, pinned: the token's header never chooses.
    #[n(1)]
    pub algorithm: Algorithm,
    /// The key as a JWK (RFC 7517), public members only.
    #[n(2)]
    pub jwk: Box<str>,
}

/// Whose tokens the Service takes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Issuer {
    /// Its `iss`, compared as a whole string.
    #[n(0)]
    pub issuer: Box<str>,
    /// Whether its `role_ids` and `tags` count.
    #[n(1)]
    pub trusted_for_roles: bool,
    /// Whether its `scp` is read as `scope`.
    #[n(2)]
    pub scp_is_scope: bool,
    /// Its keys.
    #[n(3)]
    pub keys: Vec<IssuerKey>,
}

/// What one partner Account may have at most: one more rule set, which every rule is intersected with.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Subscription {
    /// The partner.
    #[n(0)]
    pub account_id: AccountId,
    /// The SMART part of the ceiling.
    #[n(1)]
    pub scopes: Vec<Scope>,
    /// The custom roles inside the ceiling, ascending.
    #[n(2)]
    pub roles: Vec<RoleId>,
}

/// What no longer counts, though its tokens have not expired.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Revocation {
    /// Every token of this key.
    #[n(0)]
    Key(#[n(0)] KeyId),
    /// Every session of this assumed role.
    #[n(1)]
    Role(#[n(0)] RoleId),
    /// One session of an assumed role.
    #[n(2)]
    RoleSession(#[n(0)] RoleSessionId),
    /// Every token of this partner.
    #[n(3)]
    Account(#[n(0)] AccountId),
    /// One token.
    #[n(4)]
    Token(#[n(0)] TokenId),
    /// The sessions of this assumed role whose caller is this partner.
    #[n(5)]
    Trust(#[n(0)] RoleId, #[n(1)] AccountId),
}

/// The parts of a bundle, before they are checked.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Parts {
    /// The form's version, [`FORMAT`].
    #[n(0)]
    pub format: u32,
    /// Which Service this is for.
    #[n(1)]
    pub service: Service,
    /// What changes its decisions.
    #[n(2)]
    pub settings: Settings,
    /// Its operations, sorted by the template's shape, then method, none twice.
    #[n(3)]
    pub operations: Vec<Operation>,
    /// The facts of its resource types, sorted by name, none twice; empty in a plain Service. They
    /// include types that the document does not serve, when a search parameter of one that it does points at them.
    #[n(4)]
    pub types: Vec<TypeFacts>,
    /// The search parameters of every type (`_id`, `_lastUpdated`, ...), sorted by name.
    #[n(5)]
    pub common: Vec<SearchParameter>,
    /// The custom roles, sorted by id, none twice.
    #[n(6)]
    pub roles: Vec<Role>,
    /// Whose tokens count, sorted by issuer, none twice.
    #[n(7)]
    pub issuers: Vec<Issuer>,
    /// The ceilings of active partners, sorted by account, none twice. A partner without one has no rule.
    #[n(8)]
    pub subscriptions: Vec<Subscription>,
    /// What was revoked, sorted, none twice.
    #[n(9)]
    pub revocations: Vec<Revocation>,
    /// The `__` scopes, as roles of operations, sorted by name, none twice.
    #[n(10)]
    pub extension_scopes: Vec<ExtensionScope>,
    /// The keys of tags that count, sorted by key, none twice.
    #[n(11)]
    pub tag_keys: Vec<TagKey>,
    /// The tag registry, sorted by type and id, none twice.
    #[n(12)]
    pub tagged: Vec<TaggedResource>,
    /// The access tags, sorted, none twice.
    #[n(13)]
    pub access_tags: Vec<AccessTag>,
    /// The Keys that count as Basic credentials, sorted by id, none twice; empty where Basic is off.
    #[n(14)]
    pub basic_keys: Vec<BasicKey>,
    /// The security resources, sorted by name, none twice.
    #[n(15)]
    pub security_resources: Vec<SecurityResource>,
}

/// A scope of the Service's own (S14): it gives operations, and is never read as a FHIR scope.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ExtensionScope {
    /// Its whole text, which begins with `__`.
    #[n(0)]
    pub name: Box<str>,
    /// Indexes into the bundle's operations, ascending.
    #[n(1)]
    pub operations: Vec<u32>,
}

/// All that a gateway needs to decide for one Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle(Parts);

/// Why parts are not a bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBundle {
    /// The form is of another version.
    #[error("format {0} is not format {FORMAT}")]
    Format(u32),
    /// Not CBOR, or not of this form.
    #[error("cannot be decoded: {0}")]
    Unreadable(String),
    /// Something follows the content.
    #[error("{0} bytes follow the content")]
    Trailing(usize),
    /// The content, or one of its lists, is over its limit.
    #[error("{what} has {count}, more than {limit}")]
    TooLarge {
        /// Which list.
        what: &'static str,
        /// Its length.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// A list is not sorted, or has an element twice.
    #[error("{0} is not sorted, or has an element twice")]
    Unsorted(&'static str),
    /// A role names an operation that the bundle has not.
    #[error("role {0} names an operation that the bundle has not")]
    Dangling(RoleId),
    /// A role's `where` is too large, or has an empty list.
    #[error("role {0} has a condition that is too large")]
    Condition(RoleId),
    /// An extension scope names an operation that the bundle has not, or does not begin with `__`.
    #[error("the extension scope `{0}` does not begin with `__`, or names an operation that the bundle has not")]
    ExtensionScope(Box<str>),
    /// The base is not an absolute URL without a trailing slash.
    #[error("the base URL `{0}` is not absolute, or ends with a slash")]
    BaseUrl(Box<str>),
}

impl Bundle {
    /// Checks every invariant of the parts.
    pub fn new(parts: Parts) -> Result<Self, InvalidBundle> {
        if parts.format != FORMAT {
            return Err(InvalidBundle::Format(parts.format));
        }
        let base = &*parts.service.base_url;
        if !(base.starts_with("https://") || base.starts_with("http://")) || base.ends_with('/') {
            return Err(InvalidBundle::BaseUrl(base.into()));
        }
        at_most("operations", parts.operations.len(), MAX_OPERATIONS)?;
        at_most("types", parts.types.len(), MAX_TYPES)?;
        at_most("roles", parts.roles.len(), MAX_ROLES)?;
        at_most("subscriptions", parts.subscriptions.len(), MAX_SUBSCRIPTIONS)?;
        at_most("revocations", parts.revocations.len(), MAX_REVOCATIONS)?;
        at_most("extension scopes", parts.extension_scopes.len(), MAX_EXTENSION_SCOPES)?;
        at_most("tag keys", parts.tag_keys.len(), MAX_KEYS)?;
        at_most("the tag registry", parts.tagged.len(), MAX_TAGGED_RESOURCES)?;
        at_most("access tags", parts.access_tags.len(), MAX_ACCESS_TAGS)?;
        at_most("Basic keys", parts.basic_keys.len(), MAX_BASIC_KEYS)?;
        at_most("security resources", parts.security_resources.len(), MAX_SECURITY_RESOURCES)?;
        sorted("operations", &parts.operations, |operation| (operation.template.shape(), operation.method))?;
        sorted("types", &parts.types, |facts| facts.name.clone())?;
        sorted("common parameters", &parts.common, |parameter| parameter.name.clone())?;
        sorted("roles", &parts.roles, |role| role.id)?;
        sorted("issuers", &parts.issuers, |issuer| issuer.issuer.clone())?;
        sorted("subscriptions", &parts.subscriptions, |subscription| subscription.account_id)?;
        sorted("revocations", &parts.revocations, Clone::clone)?;
        sorted("extension scopes", &parts.extension_scopes, |scope| scope.name.clone())?;
        sorted("tag keys", &parts.tag_keys, |key| key.key.clone())?;
        sorted("the tag registry", &parts.tagged, |one| (one.resource_type.clone(), one.id.clone()))?;
        sorted("access tags", &parts.access_tags, Clone::clone)?;
        sorted("Basic keys", &parts.basic_keys, |key| key.id)?;
        sorted("security resources", &parts.security_resources, |resource| resource.name.clone())?;
        for tagged in &parts.tagged {
            at_most("a resource's tags", tagged.tags.len(), MAX_KEYS)?;
            sorted("a resource's tags", &tagged.tags, |tag| tag.key.clone())?;
        }
        for scope in &parts.extension_scopes {
            sorted("an extension scope's operations", &scope.operations, |index| *index)?;
            if !scope.name.starts_with("__") || !are_places(&scope.operations, parts.operations.len()) {
                return Err(InvalidBundle::ExtensionScope(scope.name.clone()));
            }
        }
        for facts in &parts.types {
            sorted("search parameters", &facts.parameters, |parameter| parameter.name.clone())?;
        }
        for role in &parts.roles {
            sorted("a role's operations", &role.operations, |index| *index)?;
            sorted("a role's lists of fields", &role.fields, |list| list.operation)?;
            let listed = role.fields.iter().all(|list| role.operations.binary_search(&list.operation).is_ok());
            if !listed || !are_places(&role.operations, parts.operations.len()) {
                return Err(InvalidBundle::Dangling(role.id));
            }
            if role.condition.as_ref().is_some_and(|condition| !condition.is_bounded()) {
                return Err(InvalidBundle::Condition(role.id));
            }
        }
        Ok(Self(parts))
    }

    /// Its parts, to read.
    #[must_use]
    pub const fn parts(&self) -> &Parts {
        &self.0
    }

    /// Takes it apart.
    #[must_use]
    pub fn into_parts(self) -> Parts {
        self.0
    }

    /// Deterministic CBOR with integer keys: the same bundle always gives the same bytes.
    pub fn encode(&self) -> Result<Vec<u8>, InvalidBundle> {
        minicbor::to_vec(&self.0).map_err(|fault| InvalidBundle::Unreadable(fault.to_string()))
    }

    /// Reads content from the wire, and checks all that [`Bundle::new`] checks.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidBundle> {
        at_most("the content", bytes.len(), MAX_CONTENT_BYTES)?;
        let mut decoder = minicbor::Decoder::new(bytes);
        let parts = decoder.decode().map_err(|fault| InvalidBundle::Unreadable(fault.to_string()))?;
        match bytes.len().saturating_sub(decoder.position()) {
            0 => Self::new(parts),
            left => Err(InvalidBundle::Trailing(left)),
        }
    }
}

fn are_places(indexes: &[u32], limit: usize) -> bool {
    indexes.iter().all(|index| usize::try_from(*index).is_ok_and(|index| index < limit))
}

fn at_most(what: &'static str, count: usize, limit: usize) -> Result<(), InvalidBundle> {
    if count > limit { Err(InvalidBundle::TooLarge { what, count, limit }) } else { Ok(()) }
}

fn sorted<T, K: Ord>(what: &'static str, list: &[T], key: impl Fn(&T) -> K) -> Result<(), InvalidBundle> {
    if list.is_sorted_by(|one, next| key(one) < key(next)) { Ok(()) } else { Err(InvalidBundle::Unsorted(what)) }
}
