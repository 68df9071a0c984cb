//! `$ref`: where one leads, and that none leads outside, nowhere, or back to itself.
//!
//! Invariant: nothing is ever fetched. A reference is a JSON pointer into the same document, or it is refused.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;

use super::{Cursor, Tree, Value};
use crate::Limits;
use crate::finding::{Findings, Says, quote, says};

/// Maps of fewer keys than this are searched one by one.
const INDEX_FROM: usize = 16;

/// The references of one document.
#[derive(Debug)]
pub(crate) struct References<'a> {
    tree: &'a Tree,
    chain: usize,
    targets: HashMap<&'a str, Option<u32>>,
    indexes: HashMap<u32, HashMap<&'a str, u32>>,
}

impl<'a> References<'a> {
    pub(crate) fn new(tree: &'a Tree, limits: &Limits) -> Self {
        Self { tree, chain: limits.reference_chain, targets: HashMap::new(), indexes: HashMap::new() }
    }

    /// What a value stands for: itself, or what its `$ref` leads to in the end.
    pub(crate) fn follow(&mut self, from: Cursor<'a>) -> Result<Cursor<'a>, Says> {
        let mut here = from;
        for _ in 0..=self.chain {
            let Some(reference) = here.get("$ref").and_then(Cursor::text) else { return Ok(here) };
            here = self.target(reference)?;
            if here.id() == from.id() {
                break;
            }
        }
        let message = format!("this `$ref` leads back to itself, or through more than {} others", self.chain);
        Err(says("cyclic_reference", message, "let it refer to the definition itself"))
    }

    fn target(&mut self, reference: &'a str) -> Result<Cursor<'a>, Says> {
        let Some(fragment) = reference.strip_prefix('#') else {
            let message = format!("{} is outside this document, and nothing is fetched", quote(reference));
            return Err(says(
                "remote_reference",
                message,
                "copy what it refers to into this document, under `components` (or `definitions`)",
            ));
        };
        let found = if let Some(found) = self.targets.get(reference) {
            *found
        } else {
            let found = self.find(fragment);
            self.targets.insert(reference, found);
            found
        };
        found.map(|id| Cursor { tree: self.tree, id }).ok_or_else(|| {
            let message = format!("{} leads to nothing in this document", quote(reference));
            says("missing_reference", message, "define it, or mend its name")
        })
    }

    /// The value at a JSON pointer in the form of a URI fragment (RFC 6901 section 6).
    fn find(&mut self, fragment: &'a str) -> Option<u32> {
        let mut here = self.tree.root();
        if fragment.is_empty() {
            return Some(here.id());
        }
        for part in fragment.strip_prefix('/')?.split('/') {
            let part = percent_decode_str(part).decode_utf8().ok()?.replace("~1", "/").replace("~0", "~");
            here = match here.value() {
                Value::Map => self.child(here, &part)?,
                Value::List => here.elements().nth(part.parse().ok()?)?,
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => return None,
            };
        }
        Some(here.id())
    }

    /// Like [`Cursor::get`], in constant time where the map is large: `#/components/schemas` is asked thousands of times.
    fn child(&mut self, map: Cursor<'a>, key: &str) -> Option<Cursor<'a>> {
        if map.entries().nth(INDEX_FROM).is_none() {
            return map.get(key);
        }
        let index = self
            .indexes
            .entry(map.id())
            .or_insert_with(|| map.entries().map(|(key, value)| (key, value.id())).collect());
        index.get(key).map(|id| Cursor { tree: self.tree, id: *id })
    }
}

/// What the whole document was seen to hold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// A media type of FHIR (`application/fhir+json`).
    pub(crate) fhir_media_type: bool,
}

/// Looks at every value once: each `$ref` must lead somewhere, and booleans should be booleans.
pub(crate) fn check<'a>(root: Cursor<'a>, references: &mut References<'a>, findings: &mut Findings) -> Seen {
    let mut walk = Walk { references, findings, seen: Seen::default() };
    walk.value(root, false);
    walk.seen
}

struct Walk<'w, 'a> {
    references: &'w mut References<'a>,
    findings: &'w mut Findings,
    seen: Seen,
}

impl<'a> Walk<'_, 'a> {
    /// As deep as the document nests, which its limits bound. In a map of names no key is a keyword.
    fn value(&mut self, value: Cursor<'a>, names: bool) {
        for element in value.elements() {
            match element.text() {
                Some(text) => self.media_type(text),
                None => self.value(element, false),
            }
        }
        for (key, child) in value.entries() {
            self.media_type(key);
            if names {
                self.value(child, false);
                continue;
            }
            match key {
                "$ref" if child.text().is_some() => self.reference(value, child),
                // Data, which may look like anything.
                "example" | "examples" | "default" | "enum" | "const" => {}
                _ if key.starts_with("x-") => {}
                _ => {
                    self.boolean(key, child);
                    self.value(child, holds_names(key));
                }
            }
        }
    }

    fn media_type(&mut self, text: &str) {
        self.seen.fhir_media_type |= text.starts_with("application/fhir") || text.starts_with("application/json+fhir");
    }

    fn reference(&mut self, holder: Cursor<'a>, reference: Cursor<'a>) {
        if let Err(says) = self.references.follow(holder) {
            self.findings.error(|| reference.pointer(), says);
        }
    }

    fn boolean(&mut self, key: &str, value: Cursor<'a>) {
        let boolean = matches!(
            key,
            "required"
                | "deprecated"
                | "nullable"
                | "readOnly"
                | "writeOnly"
                | "uniqueItems"
                | "allowEmptyValue"
                | "allowReserved"
                | "explode"
        );
        if boolean && matches!(value.text(), Some("true" | "false")) {
            let says =
                says("not_a_boolean", format!("`{key}` is a text where a boolean belongs"), "write it without quotes");
            self.findings.warning(|| value.pointer(), says);
        }
    }
}

/// Whether the keys of the object under this key are names that the author gave.
fn holds_names(key: &str) -> bool {
    matches!(
        key,
        "properties"
            | "patternProperties"
            | "definitions"
            | "$defs"
            | "schemas"
            | "parameters"
            | "responses"
            | "requestBodies"
            | "headers"
            | "securitySchemes"
            | "securityDefinitions"
            | "links"
            | "callbacks"
            | "paths"
            | "pathItems"
            | "webhooks"
            | "dependentSchemas"
            | "variables"
            | "mapping"
            | "scopes"
            | "content"
            | "encoding"
    )
}
