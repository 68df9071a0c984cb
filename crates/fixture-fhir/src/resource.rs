//! One resource: its text, kept as it came, and its tree, for searching.
//!
//! Invariant: a member that the server does not set keeps its bytes, so `1.00` stays `1.00`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::answer::Fault;

/// A record to start with, which is served byte for byte.
#[derive(Clone, Debug)]
pub struct Record(pub(crate) String);

impl From<Value> for Record {
    fn from(value: Value) -> Self {
        Self(value.to_string())
    }
}

impl From<String> for Record {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Record {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// The members of a JSON object, in their order, each with its own bytes.
#[derive(Debug)]
pub(crate) struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    /// Those of a text that is a JSON object.
    pub(crate) fn of(text: &str) -> Result<Self, Fault> {
        serde_json::from_str(text).map_err(|fault| Fault::invalid(format!("not a JSON object: {fault}")))
    }

    /// Leaves only the members that are wanted.
    pub(crate) fn keep(&mut self, wanted: impl Fn(&str) -> bool) {
        self.0.retain(|(name, _)| wanted(name));
    }

    /// Puts `value` in the place of the member, or before all but the first.
    pub(crate) fn set(&mut self, name: &str, value: &Value) -> Result<(), Fault> {
        let value = to_raw_value(value).map_err(|fault| Fault::invalid(fault.to_string()))?;
        let mut others = false;
        self.0.retain(|(own, _)| own != name || !std::mem::replace(&mut others, true));
        match self.0.iter_mut().find(|(own, _)| own == name) {
            Some((_, own)) => *own = value,
            None => self.0.insert(1.min(self.0.len()), (name.to_owned(), value)),
        }
        Ok(())
    }

    /// The object as text.
    pub(crate) fn raw(&self) -> Result<Box<RawValue>, Fault> {
        to_raw_value(self).map_err(|fault| Fault::invalid(fault.to_string()))
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

/// A resource that is stored.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) text: Box<RawValue>,
    pub(crate) tree: Value,
}

impl Resource {
    /// The resource of this text, as it stands; none if it is no object or names no type and id.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let tree: Value = serde_json::from_str(text).ok()?;
        let kind = tree.get("resourceType")?.as_str()?.to_owned();
        let id = tree.get("id")?.as_str()?.to_owned();
        let text = RawValue::from_string(text.to_owned()).ok()?;
        (is_type_name(&kind) && is_id(&id)).then_some(Self { kind, id, text, tree })
    }

    /// The resource of this text under an id, and a version and time that the server sets.
    pub(crate) fn written(text: &str, id: &str, version: u32, at: &str) -> Result<Self, Fault> {
        let tree: Value = serde_json::from_str(text).map_err(|fault| Fault::invalid(fault.to_string()))?;
        let mut meta = tree.get("meta").cloned().filter(Value::is_object).unwrap_or_else(|| serde_json::json!({}));
        if let Some(meta) = meta.as_object_mut() {
            meta.insert("versionId".to_owned(), version.to_string().into());
            meta.insert("lastUpdated".to_owned(), at.into());
        }
        let mut members = Members::of(text)?;
        members.set("meta", &meta)?;
        members.set("id", &id.into())?;
        let text = members.raw()?;
        Self::of(text.get()).ok_or_else(|| Fault::invalid("the body is no resource"))
    }

    /// Every value at a path of elements, through lists.
    pub(crate) fn at(&self, path: &[&str]) -> Vec<&Value> {
        at(&self.tree, path)
    }
}

/// Every value at a path of elements, through lists.
pub(crate) fn at<'a>(tree: &'a Value, path: &[&str]) -> Vec<&'a Value> {
    path.iter().fold(vec![tree], |values, element| {
        values.into_iter().filter_map(|value| value.get(*element)).flat_map(each).collect()
    })
}

/// The items of a list, or the value itself.
pub(crate) fn each(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

/// Calls `visit` with each text that a member called `reference` has, however deep.
pub(crate) fn references<'a>(tree: &'a Value, visit: &mut impl FnMut(&'a str)) {
    match tree {
        Value::Array(items) => items.iter().for_each(|item| references(item, visit)),
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name == "reference" => visit(text),
                    other => references(other, visit),
                }
            }
        }
        _ => {}
    }
}

/// Whether the text can be a resource's id: `[A-Za-z0-9\-.]{1,64}`.
pub(crate) fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|one| one.is_ascii_alphanumeric() || matches!(one, b'-' | b'.'))
}

/// Whether the text looks like a type's name.
pub(crate) fn is_type_name(text: &str) -> bool {
    text.len() <= 64
        && text.bytes().all(|one| one.is_ascii_alphanumeric())
        && text.bytes().next().is_some_and(|first| first.is_ascii_uppercase())
}
