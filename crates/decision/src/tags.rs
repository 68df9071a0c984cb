//! Phase 8, tags: what a resource bears, and whether the caller's tags match it (D20 to D25).
//!
//! Invariant: only keys that the Service declares count; all keys of a resource have to match, by any value each, and
//! values are compared literally. What cannot be read matches nobody.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use policy::id::AccountId;
use policy::operation::Method;
use policy::settings::UntaggedResources;
use policy::tag::{AccessTag, MAX_VALUE_BYTES, TagKey, TaggedResource};

use crate::json::Value;

/// The caller's tags, as in the claim.
pub(crate) type PrincipalTags = BTreeMap<String, Vec<String>>;

/// `meta.tag` has an entry that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// The tags of one resource: declared keys only, none without a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tags<'a>(BTreeMap<&'a str, BTreeSet<Cow<'a, str>>>);

impl<'a> Tags<'a> {
    /// Reads `meta.tag`; entries of other systems are data.
    pub(crate) fn read(resource: Value<'a>, keys: &'a [TagKey]) -> Result<Self, Unreadable> {
        let mut tags = Self::default();
        let Some(meta) = resource.get("meta") else { return Ok(tags) };
        if !meta.is_object() || meta.is_ambiguous() {
            return Err(Unreadable);
        }
        let Some(list) = meta.get("tag") else { return Ok(tags) };
        if !list.is_array() {
            return Err(Unreadable);
        }
        for entry in list.elements() {
            if !entry.is_object() {
                return Err(Unreadable);
            }
            let Some(system) = entry.get("system") else { continue };
            let system = system.as_str().ok_or(Unreadable)?;
            for declared in keys.iter().filter(|declared| *declared.system == *system) {
                let code = entry.text("code").filter(|code| code.len() <= MAX_VALUE_BYTES).ok_or(Unreadable)?;
                tags.0.entry(&declared.key).or_default().insert(code);
            }
        }
        Ok(tags)
    }

    /// What the registry says of a resource.
    pub(crate) fn registered(entry: &'a TaggedResource, keys: &[TagKey]) -> Self {
        let mut tags = Self::default();
        tags.unite(entry, keys);
        tags
    }

    /// Adds what the registry says, key by key (D21).
    pub(crate) fn unite(&mut self, entry: &'a TaggedResource, keys: &[TagKey]) {
        for tag in entry.tags.iter().filter(|tag| keys.iter().any(|declared| declared.key == tag.key)) {
            if !tag.values.is_empty() {
                self.0.entry(&tag.key).or_default().extend(tag.values.iter().map(|value| Cow::Borrowed(&**value)));
            }
        }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values of a key.
    pub(crate) fn values(&self, key: &str) -> Option<impl Iterator<Item = &str>> {
        self.0.get(key).map(|values| values.iter().map(|value| &**value))
    }

    /// Whether the principal's tags match: each key of the resource, by any of its values.
    pub(crate) fn match_principal(&self, principal: &PrincipalTags) -> bool {
        self.0.iter().all(|(key, values)| {
            principal.get(*key).is_some_and(|held| held.iter().any(|value| values.contains(&**value)))
        })
    }

    /// D25, of what `meta.tag` says before (nothing for a create) and after: nothing stored is dropped, and nothing is
    /// set that the principal does not hold. Whether the new tags match is asked apart.
    pub(crate) fn may_become(&self, new: &Self, principal: &PrincipalTags) -> bool {
        let has = |tags: &Self, key: &str, value: &str| tags.0.get(key).is_some_and(|values| values.contains(value));
        let holds = |key: &str, value: &str| principal.get(key).is_some_and(|held| held.iter().any(|one| one == value));
        self.each().all(|(key, value)| has(new, key, value))
            && new.each().all(|(key, value)| has(self, key, value) || holds(key, value))
    }

    fn each(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(key, values)| values.iter().map(|value| (*key, &**value)))
    }
}

/// The registry's entry of a resource; the registry is sorted by type and id.
pub(crate) fn find<'a>(registry: &'a [TaggedResource], resource_type: &str, id: &str) -> Option<&'a TaggedResource> {
    let place = registry.binary_search_by(|entry| (&*entry.resource_type, &*entry.id).cmp(&(resource_type, id)));
    registry.get(place.ok()?)
}

/// The Account that owns a resource: `createdBy` in the registry, else the Service's (D22).
pub(crate) fn owner(entry: Option<&TaggedResource>, service: AccountId) -> AccountId {
    entry.and_then(|entry| entry.created_by).unwrap_or(service)
}

/// Whose request it is, on which resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking<'a> {
    /// The method; `HEAD` is asked as `GET`.
    pub(crate) method: Method,
    /// The resource's type.
    pub(crate) resource_type: &'a str,
    /// Its id, where it has one.
    pub(crate) id: Option<&'a str>,
    /// The caller's Account.
    pub(crate) account: Option<AccountId>,
    /// The Account that owns the resource.
    pub(crate) owner: AccountId,
    /// The caller's tags; empty from an issuer that is not trusted for them.
    pub(crate) principal: &'a PrincipalTags,
}

impl Asking<'_> {
    /// Whether the tags let the caller at the resource; a rule has to as well.
    pub(crate) fn is_admitted(&self, tags: &Tags<'_>, access: &[AccessTag], untagged: UntaggedResources) -> bool {
        let by_tags =
            if tags.is_empty() { self.may_be_untagged(untagged) } else { tags.match_principal(self.principal) };
        by_tags || self.has_access_tag(access)
    }

    /// What the setting says of a resource without tags (K20).
    pub(crate) fn may_be_untagged(&self, setting: UntaggedResources) -> bool {
        match setting {
            UntaggedResources::ByRole => true,
            UntaggedResources::Owner => self.account == Some(self.owner),
            UntaggedResources::Deny => false,
        }
    }

    /// Whether an access tag stands in for the tags; what one does not name, it means any of.
    pub(crate) fn has_access_tag(&self, access: &[AccessTag]) -> bool {
        let method = if self.method == Method::Head { Method::Get } else { self.method };
        access.iter().any(|tag| {
            tag.method.is_none_or(|named| named == method)
                && tag.resource_type.as_deref().is_none_or(|named| named == self.resource_type)
                && tag.id.as_deref().is_none_or(|named| self.id == Some(named))
                && tag.accounts.as_ref().is_none_or(|named| self.account.is_some_and(|own| named.contains(&own)))
        })
    }
}

#[cfg(test)]
mod tests;
