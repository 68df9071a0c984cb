//! `_summary` and `_elements`: how much of a resource is shown.
//!
//! Invariant: what is cut is tagged SUBSETTED, and type, id and meta always stand.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::answer::Fault;
use crate::request::Request;
use crate::resource::{Members, Resource};

/// What a summary leaves out. HL7's own marks are not in our tables: this is the bulk of each resource.
const NOT_IN_SUMMARY: &[&str] = &["text", "contained", "note", "component", "extension", "modifierExtension", "data"];
/// What `_summary=text` keeps.
const WITH_TEXT: &[&str] = &["text", "status"];
const ALWAYS: &[&str] = &["resourceType", "id", "meta"];

#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    pub(crate) summary: Option<String>,
    pub(crate) elements: Option<Vec<String>>,
}

impl Shape {
    /// What the parameters of a read say.
    pub(crate) fn of(request: &Request) -> Self {
        let list = |text: &str| text.split(',').map(str::to_owned).collect();
        Self {
            summary: request.parameter("_summary").map(str::to_owned),
            elements: request.parameter("_elements").filter(|text| !text.is_empty()).map(list),
        }
    }

    pub(crate) fn is_count(&self) -> bool {
        self.summary.as_deref() == Some("count")
    }

    /// The resource's text, as much as is asked for.
    pub(crate) fn apply(&self, resource: &Resource) -> Result<Box<RawValue>, Fault> {
        let shown: Box<dyn Fn(&str) -> bool> = match (self.summary.as_deref(), &self.elements) {
            (Some("true"), _) => Box::new(|name| !NOT_IN_SUMMARY.contains(&name)),
            (Some("data"), _) => Box::new(|name| name != "text"),
            (Some("text"), _) => Box::new(|name| WITH_TEXT.contains(&name)),
            (_, Some(elements)) if !elements.is_empty() => {
                Box::new(|name| elements.iter().any(|one| names(one, resource, name)))
            }
            _ => return Ok(resource.text.clone()),
        };
        let mut members = Members::of(resource.text.get())?;
        members.keep(|name| ALWAYS.contains(&name) || shown(name));
        members.set("meta", &subsetted(&resource.tree))?;
        members.raw()
    }
}

/// Whether `code`, `Observation.code` or `code.text` names the member.
fn names(element: &str, resource: &Resource, name: &str) -> bool {
    let of_type = element.strip_prefix(&resource.kind).and_then(|rest| rest.strip_prefix('.'));
    of_type.unwrap_or(element).split('.').next() == Some(name)
}

fn subsetted(tree: &Value) -> Value {
    let tag = json!({"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"});
    let mut meta = tree.get("meta").cloned().filter(Value::is_object).unwrap_or_else(|| json!({}));
    if let Some(members) = meta.as_object_mut() {
        let tags = members.entry("tag").or_insert_with(|| json!([]));
        if let Some(tags) = tags.as_array_mut() {
            tags.push(tag);
        }
    }
    meta
}
