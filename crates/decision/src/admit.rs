//! Phase 8: whether tags, a role's `where` and labels let the caller at a resource, beside the rule that covers it.
//!
//! Invariant: asked before a request is forwarded it refuses only what no resource could change, or what the registry
//! tells; asked with the resource it is the whole answer. What cannot be read admits nobody.

use policy::decision::Phase;
use policy::operation::Method;
use policy::reason::Reason;

use crate::Engine;
use crate::condition::{self, Asked, Operands};
use crate::denial::Denial;
use crate::json::Value;
use crate::labels;
use crate::rules::{Grants, Rule};
use crate::tags::{self, Asking, Tags};

/// Who asks, and by which request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Party<'p> {
    pub(crate) engine: &'p Engine,
    pub(crate) grants: &'p Grants,
    pub(crate) method: Method,
    /// What `$request` reads.
    pub(crate) asked: Asked<'p>,
}

/// The resource that is asked for, as far as the request names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named<'n> {
    pub(crate) resource_type: &'n str,
    pub(crate) id: Option<&'n str>,
}

impl Party<'_> {
    /// What can be told of a rule before the resource is there (D21, D24).
    pub(crate) fn before(&self, rule: &Rule, named: Option<Named<'_>>) -> Result<(), Denial> {
        let refused = |reason| Err(Denial::new(Phase::Tags, reason));
        let operands = Operands { resource: None, principal: &self.grants.tags, asked: self.asked };
        if rule.conditions(self.engine).any(|condition| condition::holds(condition, &operands) == Some(false)) {
            return refused(Reason::WhereFalse);
        }
        let Some(named) = named.filter(|_| rule.matches_tags(self.engine)) else { return Ok(()) };
        let parts = self.engine.parts();
        let Some(entry) = named.id.and_then(|id| tags::find(&parts.tagged, named.resource_type, id)) else {
            return Ok(());
        };
        let registered = Tags::registered(entry, &parts.tag_keys);
        let asking = self.asking(named);
        if registered.match_principal(&self.grants.tags) || asking.has_access_tag(&parts.access_tags) {
            Ok(())
        } else {
            refused(Reason::TagMismatch)
        }
    }

    /// The whole of phase 8 in a plain Service, where nobody looks at the answer: the registry alone says what is tagged (D23).
    pub(crate) fn plainly(&self, rule: &Rule, named: Option<Named<'_>>) -> Result<(), Denial> {
        self.before(rule, named)?;
        if !rule.is_tagged(self.engine) {
            return Ok(());
        }
        let parts = self.engine.parts();
        let named = named.unwrap_or(Named { resource_type: "", id: None });
        let entry = named.id.and_then(|id| tags::find(&parts.tagged, named.resource_type, id));
        let bears = entry.map(|entry| Tags::registered(entry, &parts.tag_keys)).unwrap_or_default();
        if !self.conditions_hold(rule, &bears) {
            return Err(Denial::new(Phase::Tags, Reason::WhereFalse));
        }
        let untagged = self.engine.settings().untagged_resources;
        let admitted =
            !rule.matches_tags(self.engine) || self.asking(named).is_admitted(&bears, &parts.access_tags, untagged);
        if admitted { Ok(()) } else { Err(Denial::new(Phase::Tags, Reason::TagMismatch)) }
    }

    /// Whether a rule reaches this very resource, as far as tags and its `where` are concerned.
    pub(crate) fn admits(&self, rule: &Rule, named: Named<'_>, resource: Value<'_>) -> bool {
        let matches_tags = rule.matches_tags(self.engine);
        if rule.conditions(self.engine).next().is_none() && !matches_tags {
            return true;
        }
        let Ok(bears) = self.bears(named, resource) else { return false };
        let access = &self.engine.parts().access_tags;
        let untagged = self.engine.settings().untagged_resources;
        self.conditions_hold(rule, &bears)
            && (!matches_tags || self.asking(named).is_admitted(&bears, access, untagged))
    }

    /// Whether its own `where`, and each of those that bound it, is true of a resource that bears these.
    fn conditions_hold(&self, rule: &Rule, bears: &Tags<'_>) -> bool {
        let operands = Operands { resource: Some(bears), principal: &self.grants.tags, asked: self.asked };
        rule.conditions(self.engine).all(|condition| condition::holds(condition, &operands) == Some(true))
    }

    /// Whether the caller's clearance reaches a resource (D26).
    pub(crate) fn is_cleared(&self, resource: Value<'_>) -> bool {
        !self.engine.enforces_labels()
            || labels::is_within(resource, self.engine.settings().default_label, self.grants.clearance)
    }

    /// What a resource bears, by itself and by the registry.
    fn bears<'r>(&'r self, named: Named<'_>, resource: Value<'r>) -> Result<Tags<'r>, tags::Unreadable> {
        let parts = self.engine.parts();
        let mut bears = Tags::read(resource, &parts.tag_keys)?;
        if let Some(entry) = named.id.and_then(|id| tags::find(&parts.tagged, named.resource_type, id)) {
            bears.unite(entry, &parts.tag_keys);
        }
        Ok(bears)
    }

    fn asking<'n>(&'n self, named: Named<'n>) -> Asking<'n> {
        let parts = self.engine.parts();
        let entry = named.id.and_then(|id| tags::find(&parts.tagged, named.resource_type, id));
        Asking {
            method: self.method,
            resource_type: named.resource_type,
            id: named.id,
            account: self.grants.account,
            owner: tags::owner(entry, parts.service.account_id),
            principal: &self.grants.tags,
        }
    }
}
