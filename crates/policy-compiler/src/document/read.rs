//! From bytes to a tree: JSON by content, else YAML, with one set of bounds for both.
//!
//! Invariant: no name stands twice in a map, nothing is deeper, longer or more numerous than the limits say, and
//! the tree takes memory in proportion to the document, aliases or not.

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{Node, Span, Tree};
use crate::Limits;
use crate::finding::{Finding, Findings, clip, quote, says};

/// What a small document may have on top of its share, so that an alias in it may count.
const SPARE_NODES: usize = 2_000;
/// The same in bytes of text.
const SPARE_TEXT: usize = 64 * 1024;
/// A YAML reader keeps what stands under an anchor, about a hundred bytes for each value: so no more of them than this
/// share of the document's bytes.
const BYTES_PER_RECORDED: usize = 16;
/// The longest part of a reader's own message that is repeated, in characters.
const MAX_DETAIL: usize = 300;
const ALIASES: &str = "write the repeated parts as `$ref`, or fewer of them";

/// Reads a document; or says what is wrong with it, every duplicate key at once.
pub(crate) fn read(document: &[u8], limits: &Limits) -> Result<Tree, Vec<Finding>> {
    if document.len() > limits.bytes {
        let message = format!("the document has {} bytes, more than {}", document.len(), limits.bytes);
        return Err(vec![Finding::error("", says("too_large", message, "split the API into several Services"))]);
    }
    let text = std::str::from_utf8(document).map_err(|fault| vec![not_utf8(document, fault.valid_up_to())])?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder::new(text.len(), limits);
    let read = match text.trim_start().chars().next() {
        None => {
            return Err(vec![Finding::error("", says("empty", "the document is empty", "send an OpenAPI document"))]);
        }
        Some('{' | '[') => json(text, &mut builder),
        Some(_) => yaml(text, &mut builder),
    };
    let tree = match read {
        Ok(()) => builder.tree,
        Err((code, detail)) => return Err(vec![builder.finding(code, &detail)]),
    };
    let mut findings = Findings::default();
    duplicates(&tree, &mut findings);
    if findings.refuse() { Err(findings.into_list()) } else { Ok(tree) }
}

fn not_utf8(document: &[u8], at: usize) -> Finding {
    let line = document.iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
    let message = format!("byte {at}, in line {line}, is not UTF-8");
    Finding::error("", says("invalid_utf8", message, "save the document as UTF-8"))
}

/// The reader's code and words for what it cannot read.
type Fault = (&'static str, String);

fn json(text: &str, builder: &mut Builder) -> Result<(), Fault> {
    let mut reader = serde_json::Deserializer::from_str(text);
    NodeSeed(builder)
        .deserialize(&mut reader)
        .and_then(|()| reader.end())
        .map_err(|fault| ("invalid_json", fault.to_string()))
}

fn yaml(text: &str, builder: &mut Builder) -> Result<(), Fault> {
    let (depth, nodes) = (builder.depth_limit, builder.node_limit);
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: nodes,
            max_events: nodes.saturating_mul(3),
            max_depth: depth + 1,
            flow_nesting_limit: depth + 1,
            max_recorded_anchor_events: text.len() / BYTES_PER_RECORDED + SPARE_NODES,
            max_recorded_anchor_bytes: builder.text_limit,
            max_total_scalar_bytes: builder.text_limit,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: nodes },
        // Our own check names the place, and does it for JSON too.
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    serde_saphyr::with_deserializer_from_str_with_options(text, options, |reader| NodeSeed(builder).deserialize(reader))
        .map_err(|fault| ("invalid_yaml", fault.to_string()))
}

/// Every name that stands twice in its map.
fn duplicates(tree: &Tree, findings: &mut Findings) {
    let mut keys = Vec::new();
    for id in (0_u32..).take(tree.nodes.len()) {
        let Node::Map { end } = tree.node(id) else { continue };
        keys.clear();
        let mut key = id + 1;
        while key < end {
            keys.push(key);
            key = tree.after(key + 1);
        }
        keys.sort_by_key(|key| tree.key(*key));
        for pair in keys.windows(2) {
            if let [one, other] = pair
                && tree.key(*one) == tree.key(*other)
            {
                let message = format!("the key {} stands twice in its object", quote(tree.key(*other)));
                findings.error(|| tree.pointer(*other), says("duplicate_key", message, "leave one of the two out"));
            }
        }
    }
}

/// Makes the tree while the document is read.
struct Builder {
    tree: Tree,
    /// The containers that are open, outermost first.
    open: Vec<u32>,
    /// How many nodes there were when the last key had come.
    keyed: usize,
    fault: Option<(&'static str, String, &'static str)>,
    depth_limit: usize,
    node_limit: usize,
    text_limit: usize,
}

impl Builder {
    /// Without aliases no document has more than one value for every two bytes, nor more text than bytes.
    fn new(bytes: usize, limits: &Limits) -> Self {
        Self {
            tree: Tree::default(),
            open: Vec::new(),
            keyed: 0,
            fault: None,
            depth_limit: limits.depth,
            node_limit: limits.nodes.min(bytes / 2 + SPARE_NODES),
            text_limit: bytes.saturating_mul(2).saturating_add(SPARE_TEXT).min(u32::MAX as usize),
        }
    }

    fn fail<E: serde::de::Error>(&mut self, code: &'static str, message: String, fix: &'static str) -> E {
        self.fault = Some((code, message, fix));
        E::custom("over a limit")
    }

    fn push<E: serde::de::Error>(&mut self, node: Node) -> Result<u32, E> {
        match u32::try_from(self.tree.nodes.len()) {
            Ok(id) if self.tree.nodes.len() < self.node_limit => {
                self.tree.nodes.push(node);
                Ok(id)
            }
            Ok(_) | Err(_) => {
                let message = format!("the document unfolds to more than {} values", self.node_limit);
                Err(self.fail("too_many_values", message, ALIASES))
            }
        }
    }

    fn push_text<E: serde::de::Error>(&mut self, text: &str, node: fn(Span) -> Node) -> Result<(), E> {
        let (start, end) = (self.tree.text.len(), self.tree.text.len() + text.len());
        match (u32::try_from(start), u32::try_from(end)) {
            (Ok(start), Ok(stop)) if end <= self.text_limit => {
                self.tree.text.push_str(text);
                self.push(node(Span { start, end: stop })).map(drop)
            }
            _ => {
                let message = format!("the document unfolds to more than {} bytes of text", self.text_limit);
                Err(self.fail("too_much_text", message, ALIASES))
            }
        }
    }

    fn enter<E: serde::de::Error>(&mut self, node: Node) -> Result<(), E> {
        if self.open.len() >= self.depth_limit {
            let message = format!("lists and objects nest deeper than {}", self.depth_limit);
            return Err(self.fail("too_deep", message, "name inner schemas under `components`, and refer to them"));
        }
        let id = self.push(node)?;
        self.open.push(id);
        Ok(())
    }

    /// Ends the innermost container after the last node.
    fn leave(&mut self) {
        let after = u32::try_from(self.tree.nodes.len()).unwrap_or(u32::MAX);
        let id = self.open.pop();
        if let Some(Node::List { end } | Node::Map { end }) = id.and_then(|id| self.tree.nodes.get_mut(id as usize)) {
            *end = after;
        }
    }

    /// What stopped the reader, at the place that it had come to.
    fn finding(mut self, code: &'static str, detail: &str) -> Finding {
        if self.keyed > 0 && self.keyed == self.tree.nodes.len() {
            // The value of this key could not be read.
            self.tree.nodes.push(Node::Null);
        }
        while !self.open.is_empty() {
            self.leave();
        }
        let last = u32::try_from(self.tree.nodes.len().saturating_sub(1)).unwrap_or_default();
        let says = match self.fault {
            Some((code, message, fix)) => says(code, message, fix),
            None => says(code, clip(detail, MAX_DETAIL), "mend the document at this place, or just after it"),
        };
        Finding::error(self.tree.pointer(last), says)
    }
}

struct NodeSeed<'b>(&'b mut Builder);

impl<'de> DeserializeSeed<'de> for NodeSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NodeSeed<'_> {
    type Value = ();

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("a value of JSON")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.0.push(Node::Null).map(drop)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.0.push(Node::Bool(value)).map(drop)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.0.push_text(&value.to_string(), Node::Number)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.0.push_text(&value.to_string(), Node::Number)
    }

    fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<(), E> {
        self.0.push_text(&value.to_string(), Node::Number)
    }

    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<(), E> {
        self.0.push_text(&value.to_string(), Node::Number)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        // `3.0` must not become `3`: YAML authors write versions without quotes.
        self.0.push_text(&format!("{value:?}"), Node::Number)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.0.push_text(value, Node::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.0.enter(Node::List { end: 0 })?;
        while list.next_element_seed(NodeSeed(self.0))?.is_some() {}
        self.0.leave();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.0.enter(Node::Map { end: 0 })?;
        while map.next_key_seed(KeySeed(self.0))?.is_some() {
            self.0.keyed = self.0.tree.nodes.len();
            map.next_value_seed(NodeSeed(self.0))?;
        }
        self.0.leave();
        Ok(())
    }
}

/// A key: in YAML it may also look like a number (`200:`) or a boolean.
struct KeySeed<'b>(&'b mut Builder);

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = ();

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("a key")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.visit_str(if value { "true" } else { "false" })
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.visit_str(&value.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.visit_str(&value.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.visit_str(&format!("{value:?}"))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.0.push_text(value, Node::Text)
    }
}
