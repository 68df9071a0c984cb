//! Tag keys, the tag registry and access tags: within the limits of [`policy::tag`], and about what the Service has.

use std::collections::BTreeSet;

use policy::settings::ServiceKind;
use policy::tag::{
    AccessTag, MAX_ACCESS_TAGS, MAX_KEY_BYTES, MAX_KEYS, MAX_TAGGED_RESOURCES, MAX_VALUE_BYTES, Tag, TagKey,
    TaggedResource,
};
use policy::text::{FhirId, TypeName};

use super::{is_short, refuse_long, refuse_twice};
use crate::finding::{Findings, quote, says};
use crate::source::Source;

/// The longest system of a tag, in bytes.
const MAX_SYSTEM: usize = 2_000;
/// The longest name or id of a resource in a plain Service, in bytes.
const MAX_SEGMENT: usize = 255;
/// What no key is named like: it says who owns a resource.
const CREATED_BY: &str = "createdBy";

/// All that a source says of tags.
pub(crate) fn check(source: &Source<'_>, findings: &mut Findings) {
    check_keys(&source.tag_keys, findings);
    check_registry(&source.tagged, &source.tag_keys, source.service.kind, findings);
    check_access_tags(&source.access_tags, source.service.kind, findings);
}

/// What a key is written with; a `where` names it without quotes.
pub(crate) fn is_tag_key(key: &str) -> bool {
    (1..=MAX_KEY_BYTES).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:/-".contains(&byte))
}

fn check_keys(keys: &[TagKey], findings: &mut Findings) {
    refuse_long(keys.len(), MAX_KEYS, "/tag_keys", findings);
    refuse_twice(keys.iter().map(|key| (&key.key, key.key.to_string())), "/tag_keys", findings);
    refuse_twice(keys.iter().map(|key| (&key.system, key.system.to_string())), "/tag_keys", findings);
    for (index, key) in keys.iter().enumerate() {
        if !is_tag_key(&key.key) || &*key.key == CREATED_BY {
            let message = format!("{} is no key of a tag", quote(&key.key));
            let fix = "write 1 to 127 letters, digits and `._:/-`, and not `createdBy`";
            findings.error(|| format!("/tag_keys/{index}/key"), says("bad_tag_key", message, fix));
        }
        if !is_short(&key.system, MAX_SYSTEM) || key.system.contains(char::is_whitespace) {
            let message = format!("{} is no URI of a system", quote(&key.system));
            let fix = "write the `meta.tag.system` that carries the key";
            findings.error(|| format!("/tag_keys/{index}/system"), says("bad_tag_key", message, fix));
        }
    }
}

fn check_registry(list: &[TaggedResource], keys: &[TagKey], kind: ServiceKind, findings: &mut Findings) {
    refuse_long(list.len(), MAX_TAGGED_RESOURCES, "/tagged", findings);
    let named = list.iter().map(|one| ((&one.resource_type, &one.id), format!("{}/{}", one.resource_type, one.id)));
    refuse_twice(named, "/tagged", findings);
    let known: BTreeSet<&str> = keys.iter().map(|key| &*key.key).collect();
    for (index, one) in list.iter().enumerate() {
        if !is_type(kind, &one.resource_type) || !is_id(kind, &one.id) {
            let message = format!("{} names no resource", quote(&format!("{}/{}", one.resource_type, one.id)));
            let says = says("bad_tagged_resource", message, "write the type and the id as they stand in its path");
            findings.error(|| format!("/tagged/{index}"), says);
        }
        refuse_twice(
            one.tags.iter().map(|tag| (&tag.key, tag.key.to_string())),
            &format!("/tagged/{index}/tags"),
            findings,
        );
        for (tag_index, tag) in one.tags.iter().enumerate() {
            check_tag(tag, &known, &format!("/tagged/{index}/tags/{tag_index}"), findings);
        }
    }
}

fn check_tag(tag: &Tag, known: &BTreeSet<&str>, place: &str, findings: &mut Findings) {
    if !known.contains(&*tag.key) {
        let message = format!("the Service declares no tag {}", quote(&tag.key));
        findings.error(|| place.to_owned(), says("unknown_tag_key", message, "declare the key, or take the tag out"));
    }
    if tag.values.is_empty() || !tag.values.iter().all(|value| is_short(value, MAX_VALUE_BYTES)) {
        let message = format!("{} has no value, or one that is not 1 to {MAX_VALUE_BYTES} bytes", quote(&tag.key));
        let fix = "give it at least one value, without control characters";
        findings.error(|| place.to_owned(), says("bad_tag_value", message, fix));
    }
}

fn check_access_tags(list: &[AccessTag], kind: ServiceKind, findings: &mut Findings) {
    refuse_long(list.len(), MAX_ACCESS_TAGS, "/access_tags", findings);
    for (index, tag) in list.iter().enumerate() {
        let named = tag.resource_type.as_deref().is_none_or(|name| is_type(kind, name))
            && tag.id.as_deref().is_none_or(|id| is_id(kind, id));
        if !named || tag.accounts.as_ref().is_some_and(Vec::is_empty) {
            let message = "it names no resource that can be, or no account";
            let fix = "write a type, an id and accounts, or `*` for any";
            findings.error(|| format!("/access_tags/{index}"), says("bad_access_tag", message, fix));
        }
    }
}

fn is_type(kind: ServiceKind, name: &str) -> bool {
    match kind {
        ServiceKind::Fhirv4 => TypeName::accepts(name),
        ServiceKind::Plain => is_segment(name),
    }
}

fn is_id(kind: ServiceKind, id: &str) -> bool {
    match kind {
        ServiceKind::Fhirv4 => FhirId::accepts(id),
        ServiceKind::Plain => is_segment(id),
    }
}

/// One segment of a path, as it is after decoding; `*` is no name, so that it is not taken for a wildcard.
fn is_segment(text: &str) -> bool {
    is_short(text, MAX_SEGMENT) && !text.contains('/') && text != "*"
}
