//! Tags, `where` and labels of a resource ("Tags and where", D20 to D27).
//!
//! Invariant: only declared keys count; values are compared literally; tags that cannot be read deny.

use std::collections::BTreeMap;

use policy::Reason as R;
use policy::operation::Method;
use policy::settings::{Confidentiality, UntaggedResources};
use serde_json::Value;

use crate::call::Scene;
use crate::condition::{Condition, Operand};
use crate::rules::Rule;
use crate::{Interpreter, json};

/// The tags of a resource, key by key.
pub(crate) type Tags = BTreeMap<String, Vec<String>>;

const CONFIDENTIALITY: &[&str] =
    &["http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "http://hl7.org/fhir/v3/Confidentiality"];

impl Interpreter {
    /// What the registry says of a resource.
    pub(crate) fn registered(&self, type_name: &str, id: &str) -> Option<Tags> {
        let found = self.service.tagged.iter().find(|one| &*one.resource_type == type_name && &*one.id == id)?;
        let declared = |key: &str| self.service.tag_keys.iter().any(|one| &*one.key == key);
        let values = |tag: &policy::tag::Tag| tag.values.iter().map(ToString::to_string).collect();
        Some(found.tags.iter().filter(|tag| declared(&tag.key)).map(|tag| (tag.key.to_string(), values(tag))).collect())
    }

    /// The declared tags in `meta.tag`; none if they cannot be read.
    pub(crate) fn meta_tags(&self, resource: &Value) -> Option<Tags> {
        let mut tags = Tags::new();
        let Some(meta) = resource.get("meta") else { return Some(tags) };
        let Some(list) = meta.as_object()?.get("tag") else { return Some(tags) };
        for one in list.as_array()? {
            let system = match one.as_object()?.get("system") {
                None => continue,
                Some(system) => system.as_str()?,
            };
            for key in self.service.tag_keys.iter().filter(|key| &*key.system == system) {
                let code = one.get("code")?.as_str()?.to_owned();
                let values = tags.entry(key.key.to_string()).or_default();
                if !values.contains(&code) {
                    values.push(code);
                }
            }
        }
        Some(tags)
    }

    /// Registry and `meta.tag`, united key by key.
    pub(crate) fn all_tags(&self, resource: &Value, registry: bool) -> Option<Tags> {
        let mut tags = self.meta_tags(resource)?;
        let (name, id) = (json::text(resource, "resourceType")?, json::text(resource, "id"));
        if let Some(id) = id.filter(|_| registry) {
            for (key, values) in self.registered(name, id).unwrap_or_default() {
                let own = tags.entry(key).or_default();
                own.extend(values.into_iter().filter(|value| !own.contains(value)).collect::<Vec<_>>());
            }
        }
        Some(tags)
    }

    /// The Account that owns a resource: `createdBy` in the registry, else the Service's.
    fn is_of_owner(&self, scene: &Scene<'_>, type_name: &str, id: Option<&str>) -> bool {
        let found = self.service.tagged.iter().find(|one| &*one.resource_type == type_name && Some(&*one.id) == id);
        let owner = found.and_then(|one| one.created_by).unwrap_or(self.service.account_id);
        scene.principal.account == Some(owner)
    }

    /// Whether an access tag stands in for the match.
    fn has_access_tag(&self, scene: &Scene<'_>, type_name: &str, id: Option<&str>) -> bool {
        let method = if scene.call.form.is_some() { Some(Method::Get) } else { Method::parse(&scene.call.method) };
        self.service.access_tags.iter().any(|one| {
            let account_ok = match &one.accounts {
                None => true,
                Some(list) => scene.principal.account.is_some_and(|account| list.contains(&account)),
            };
            account_ok
                && one.method.is_none_or(|wanted| Some(wanted) == method)
                && one.resource_type.as_deref().is_none_or(|wanted| wanted == type_name)
                && one.id.as_deref().is_none_or(|wanted| Some(wanted) == id)
        })
    }

    /// Whether all keys on the resource match, any value per key.
    pub(crate) fn keys_match(scene: &Scene<'_>, tags: &Tags) -> bool {
        tags.iter().all(|(key, values)| {
            scene.principal.tags.get(key).is_some_and(|own| own.iter().any(|value| values.contains(value)))
        })
    }

    /// Tags of one resource against one rule; `tags` is none where they cannot be read.
    pub(crate) fn tags_allow(
        &self,
        scene: &Scene<'_>,
        rule: &Rule,
        type_name: &str,
        id: Option<&str>,
        tags: Option<&Tags>,
    ) -> Result<(), R> {
        if !self.tags_bind(rule) {
            // D21: what a `where` is asked of has tags that can be read, whatever it asks.
            let unread = tags.is_none() && rule.conditions().next().is_some();
            return if unread { Err(R::TagMismatch) } else { Ok(()) };
        }
        let tags = tags.ok_or(R::TagMismatch)?;
        if !self.where_holds(scene, rule, Some(tags)) {
            return Err(R::WhereFalse);
        }
        if !self.matches_tags(rule) || self.has_access_tag(scene, type_name, id) {
            return Ok(());
        }
        let allowed = match self.service.settings.untagged_resources {
            _ if !tags.is_empty() => Self::keys_match(scene, tags),
            UntaggedResources::ByRole => true,
            UntaggedResources::Owner => self.is_of_owner(scene, type_name, id),
            UntaggedResources::Deny => false,
        };
        if allowed { Ok(()) } else { Err(R::TagMismatch) }
    }

    /// Whether the registered tags alone already refuse an instance (D21).
    pub(crate) fn registry_refuses(&self, scene: &Scene<'_>, rule: &Rule, type_name: &str, id: &str) -> bool {
        if !self.matches_tags(rule) || self.has_access_tag(scene, type_name, Some(id)) {
            return false;
        }
        self.registered(type_name, id).is_some_and(|tags| !tags.is_empty() && !Self::keys_match(scene, &tags))
    }

    /// Whether every `where` of a rule holds; without a resource, whether each could.
    pub(crate) fn where_holds(&self, scene: &Scene<'_>, rule: &Rule, tags: Option<&Tags>) -> bool {
        let values = |operand: &Operand| match operand {
            Operand::ResourceTag(key) => tags?.get(key).cloned(),
            Operand::PrincipalTag(key) => scene.principal.tags.get(key).cloned(),
            Operand::Request(path) => request_values(scene, path),
        };
        let later = |one: &Condition| tags.is_none() && one.reads_resource();
        rule.conditions().all(|one| if later(one) { one.may_hold(&values) } else { one.holds(&values) })
    }

    /// The highest Confidentiality of a resource.
    pub(crate) fn label(&self, resource: &Value) -> Confidentiality {
        let path = ["meta".to_owned(), "security".to_owned()];
        let codings = json::at(resource, &path);
        let counted = codings
            .iter()
            .filter(|one| json::text(one, "system").is_some_and(|system| CONFIDENTIALITY.contains(&system)));
        let of = |one: &&&Value| json::text(one, "code").and_then(Confidentiality::parse).unwrap_or(Confidentiality::V);
        counted.map(|one| of(&one)).max().unwrap_or(self.service.settings.default_label)
    }

    /// Whether a resource is within the caller's clearance.
    pub(crate) fn is_cleared(&self, scene: &Scene<'_>, resource: &Value) -> bool {
        !self.enforces_labels() || self.label(resource) <= scene.principal.clearance
    }
}

/// D24: the JSON body where the request has one, else the query parameter of that whole name.
fn request_values(scene: &Scene<'_>, path: &[String]) -> Option<Vec<String>> {
    if scene.call.has_body() {
        let body = scene.call.json().ok()?;
        let mut value = &body;
        for name in path {
            value = value.as_object()?.get(name)?;
        }
        return match value {
            Value::Array(list) => list.iter().map(plain).collect(),
            one => plain(one).map(|text| vec![text]),
        };
    }
    let name = path.join(".");
    let found: Vec<String> =
        scene.call.parameters().into_iter().filter(|(known, _)| *known == name).map(|(_, value)| value).collect();
    (!found.is_empty()).then_some(found)
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
        _ => None,
    }
}
