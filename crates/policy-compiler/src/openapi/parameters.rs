//! The parameters of a path or an operation, and which of them count.
//!
//! Invariant: no header that speaks of the connection, or changes what a request is, ever counts.

use policy::operation::{Segment, Template};

use super::paths::{ENTRY_BYTES, Reader};
use crate::document::{Cursor, Value};
use crate::finding::{quote, says};

/// The longest name of a parameter or header, in bytes.
const MAX_NAME: usize = 128;
/// Headers that no document can have passed on: they speak of the connection, or change what a request is.
const KEPT_BACK: [&str; 19] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "forwarded",
    "via",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
    "range",
    "if-modified-since",
    "cookie",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum In {
    Query,
    Header,
    Path,
}

pub(super) struct Parameter<'a> {
    pub(super) name: &'a str,
    pub(super) kind: In,
    pub(super) at: Cursor<'a>,
}

impl<'a> Reader<'_, 'a> {
    /// What the object declares, references followed.
    pub(super) fn parameters(&mut self, holder: Cursor<'a>) -> Vec<Parameter<'a>> {
        let Some(list) = holder.get("parameters") else { return Vec::new() };
        if list.elements().next().is_none() && list.value() != Value::List {
            let message = format!("`parameters` is {} where a list belongs", list.value().name());
            self.findings.warning(|| list.pointer(), says("not_a_list", message, "list the parameters"));
        }
        list.elements().filter_map(|place| self.parameter(place)).collect()
    }

    fn parameter(&mut self, at: Cursor<'a>) -> Option<Parameter<'a>> {
        let target = self.references.follow(at).ok()?;
        let name = target.get("name").and_then(Cursor::text);
        let kind = target.get("in").and_then(Cursor::text);
        let (Some(name), Some(kind)) = (name, kind) else {
            self.findings.warning(
                || at.pointer(),
                says("bad_parameter", "the parameter has no `name` or no `in`; it does not count", "give it both"),
            );
            return None;
        };
        let kind = match kind {
            "query" => In::Query,
            "header" => In::Header,
            "path" => In::Path,
            "cookie" | "body" | "formData" => return None,
            other => {
                let message = format!("{} is no place for a parameter; it does not count", quote(other));
                self.findings.warning(
                    || at.pointer(),
                    says("bad_parameter", message, "write `query`, `header`, `path` or `cookie`"),
                );
                return None;
            }
        };
        if kind == In::Header && !passes(name) {
            let message = format!("the header {} is never passed on", quote(name));
            self.findings
                .warning(|| at.pointer(), says("header_kept_back", message, "do without it behind the gateway"));
            return None;
        }
        if !self.spend(ENTRY_BYTES + name.len(), at) {
            return None;
        }
        if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            self.findings.warning(
                || at.pointer(),
                says(
                    "bad_parameter",
                    "the parameter's name is empty or too long; it does not count",
                    "name it shortly",
                ),
            );
            return None;
        }
        Some(Parameter { name, kind, at })
    }

    /// Warns where the path and what is declared of it differ.
    pub(super) fn path_parameters(
        &mut self,
        template: &Template,
        shared: &[Parameter<'a>],
        own: &[Parameter<'a>],
        place: Cursor<'a>,
    ) {
        let mut declared: Vec<_> = shared.iter().chain(own).filter(|parameter| parameter.kind == In::Path).collect();
        for segment in template.segments() {
            let (Segment::Parameter { name, .. } | Segment::Rest { name, .. }) = segment else { continue };
            let before = declared.len();
            declared.retain(|parameter| parameter.name.trim_start_matches('+') != &**name);
            if declared.len() == before {
                let message = format!("the path parameter {} is not declared", quote(name));
                self.findings.warning(
                    || place.pointer(),
                    says("undeclared_path_parameter", message, "declare it with `in: path`"),
                );
            }
        }
        for parameter in declared {
            let message = format!("the path has no parameter {}", quote(parameter.name));
            self.findings.warning(
                || parameter.at.pointer(),
                says("unused_path_parameter", message, "leave it out, or name it in the path"),
            );
        }
    }
}

/// Whether a header of this name may ever go upstream on a document's word.
fn passes(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^`|~".contains(&byte);
    let lower = name.to_ascii_lowercase();
    !name.is_empty()
        && name.bytes().all(token)
        && !KEPT_BACK.contains(&lower.as_str())
        && !lower.starts_with("proxy-")
        && !lower.starts_with("x-forwarded-")
}
