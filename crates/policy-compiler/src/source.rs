//! A Service as the control plane hands it to the compiler.

use policy::basic::{BasicKey, SecurityResource};
use policy::bundle::{Issuer, Revocation, Service, Subscription};
use policy::id::RoleId;
use policy::settings::Settings;
use policy::tag::{AccessTag, TagKey, TaggedResource};

use crate::imported::Imported;

/// All that a bundle is made of; the lists come in any order.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// Which Service.
    pub service: Service,
    /// What changes its decisions.
    pub settings: Settings,
    /// Its document.
    pub imported: &'a Imported,
    /// The custom roles.
    pub roles: Vec<RoleSource>,
    /// The `__` scopes.
    pub extension_scopes: Vec<ScopeSource>,
    /// Whose tokens count.
    pub issuers: Vec<Issuer>,
    /// The active partners with their ceilings.
    pub subscriptions: Vec<Subscription>,
    /// What was revoked.
    pub revocations: Vec<Revocation>,
    /// The keys of tags that count; a key whose system nobody chose has `{issuer}/tags/<key>`.
    pub tag_keys: Vec<TagKey>,
    /// The tag registry.
    pub tagged: Vec<TaggedResource>,
    /// The access tags.
    pub access_tags: Vec<AccessTag>,
    /// The Keys that count as Basic credentials; left out of the bundle where Basic is off.
    pub basic_keys: Vec<BasicKey>,
    /// The security resources.
    pub security_resources: Vec<SecurityResource>,
}

impl<'a> Source<'a> {
    /// A Service with these settings and its document, and nothing else: nobody may call it.
    #[must_use]
    pub const fn new(service: Service, settings: Settings, imported: &'a Imported) -> Self {
        Self {
            service,
            settings,
            imported,
            roles: Vec::new(),
            extension_scopes: Vec::new(),
            issuers: Vec::new(),
            subscriptions: Vec::new(),
            revocations: Vec::new(),
            tag_keys: Vec::new(),
            tagged: Vec::new(),
            access_tags: Vec::new(),
            basic_keys: Vec::new(),
            security_resources: Vec::new(),
        }
    }
}

/// A custom role, as somebody wrote it.
#[derive(Clone, Debug)]
pub struct RoleSource {
    /// Its id.
    pub id: RoleId,
    /// Its name, for people.
    pub name: Box<str>,
    /// Lines of `METHOD:/path`, some with a list of fields.
    pub operations: Vec<String>,
    /// Its `where`.
    pub condition: Option<String>,
}

/// An extension scope, as somebody wrote it.
#[derive(Clone, Debug)]
pub struct ScopeSource {
    /// Its whole text, which begins with `__`.
    pub name: Box<str>,
    /// Lines of `METHOD:/path`, without lists of fields.
    pub operations: Vec<String>,
}
