//! One stored resource: its text, kept as it came, and its tree, for searching.
//!
//! Invariant: a member that the server does not set keeps its bytes, so `1.00` stays `1.00`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// The members of a JSON object, in their order, each with its own bytes.
#[derive(Debug)]
pub(super) struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    /// The members that a client is to see of a summary or of a choice of elements.
    pub(super) fn keep(&mut self, wanted: impl Fn(&str) -> bool) {
        self.0.retain(|(name, _)| wanted(name));
    }

    /// Puts `value` in the place of the member, or before all others.
    pub(super) fn set(&mut self, name: &str, value: &Value) -> serde_json::Result<()> {
        let value = to_raw_value(value)?;
        match self.0.iter_mut().find(|(own, _)| own == name) {
            Some((_, own)) => *own = value,
            None => self.0.insert(1.min(self.0.len()), (name.to_owned(), value)),
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// A stored resource.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    pub(super) type_name: String,
    pub(super) id: String,
    pub(super) version: u32,
    /// RFC 3339.
    pub(super) last_updated: String,
    pub(super) text: Box<RawValue>,
    pub(super) tree: Value,
}

impl Resource {
    /// The resource of this text under this id and version.
    pub(super) fn new(text: &str, id: &str, version: u32, last_updated: &str) -> serde_json::Result<Self> {
        let mut members: Members = serde_json::from_str(text)?;
        let mut tree: Value = serde_json::from_str(text)?;
        let mut meta = tree.get("meta").cloned().filter(Value::is_object).unwrap_or_else(|| serde_json::json!({}));
        if let Some(meta) = meta.as_object_mut() {
            meta.insert("versionId".to_owned(), version.to_string().into());
            meta.insert("lastUpdated".to_owned(), last_updated.into());
        }
        members.set("meta", &meta)?;
        members.set("id", &id.into())?;
        let type_name = tree.get("resourceType").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(tree) = tree.as_object_mut() {
            tree.insert("id".to_owned(), id.into());
            tree.insert("meta".to_owned(), meta);
        }
        Ok(Self {
            type_name,
            id: id.to_owned(),
            version,
            last_updated: last_updated.to_owned(),
            text: to_raw_value(&members)?,
            tree,
        })
    }

    /// `Patient/amara`.
    pub(super) fn reference(&self) -> String {
        format!("{}/{}", self.type_name, self.id)
    }

    /// Every value at a path of elements (`participant.individual`), through lists.
    pub(super) fn at(&self, path: &str) -> Vec<&Value> {
        path.split('.').fold(vec![&self.tree], |values, element| {
            values.into_iter().filter_map(|value| value.get(element)).flat_map(flat).collect()
        })
    }
}

fn flat(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_keeps_its_bytes() {
        let text = r#"{"resourceType":"Observation","valueQuantity":{"value":1.00,"unit":"mg/dL"}}"#;
        let stored = Resource::new(text, "a", 1, "2026-01-01T00:00:00Z").unwrap();
        assert!(stored.text.get().contains(r#""value":1.00,"#), "{}", stored.text.get());
        assert!(stored.text.get().starts_with(r#"{"resourceType":"Observation","id":"a","#));
    }

    #[test]
    fn a_path_goes_through_lists() {
        let text = r#"{"resourceType":"Encounter","participant":[{"individual":{"reference":"Practitioner/1"}},{}]}"#;
        let stored = Resource::new(text, "a", 1, "2026-01-01T00:00:00Z").unwrap();
        assert_eq!(stored.at("participant.individual.reference"), [&Value::from("Practitioner/1")]);
    }
}
