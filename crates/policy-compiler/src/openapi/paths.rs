//! The paths of a document: every operation, with the query parameters and headers that it declares.
//!
//! Invariant: no two operations share method and shape, and one that cannot be told apart or matched is left out,
//! with a warning; so it is denied.

use std::collections::HashMap;

use policy::operation::{Method, Operation, Template};

use super::parameters::{In, Parameter};
use super::{Dialect, fields};
use crate::Limits;
use crate::document::{Cursor, References};
use crate::finding::{Findings, quote, says};

/// The longest path that is taken, in bytes; the gateway takes no longer URL.
const MAX_PATH: usize = 2_048;
/// The most segments in a path.
const MAX_SEGMENTS: usize = 64;
/// What references may repeat in the smallest document, in bytes.
const SPARE_BYTES: usize = 1024 * 1024;
/// What an entry costs, beside its text, in bytes.
pub(super) const ENTRY_BYTES: usize = 16;
/// An operation, and where it stands.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    pub(crate) operation: Operation,
    pub(crate) at: Cursor<'a>,
}

/// What the paths came to.
#[derive(Debug, Default)]
pub(crate) struct Paths<'a> {
    pub(crate) found: Vec<Found<'a>>,
    /// How many paths the document has.
    pub(crate) count: usize,
    /// How many operations it declares, those that were left out among them.
    pub(crate) declared: usize,
}

/// Reads every path.
pub(crate) fn read<'a>(
    root: Cursor<'a>,
    dialect: Dialect,
    references: &mut References<'a>,
    limits: &Limits,
    findings: &mut Findings,
) -> Paths<'a> {
    let mut reader = Reader {
        dialect,
        references,
        findings,
        limit: limits.operations,
        budget: root.weight().saturating_mul(2).saturating_add(SPARE_BYTES),
        known: HashMap::new(),
        names: HashMap::new(),
        paths: Paths::default(),
    };
    match root.get("paths") {
        Some(paths) if paths.is_map() => reader.paths(paths),
        Some(other) => {
            let message = format!("`paths` is {} where an object belongs", other.value().name());
            reader.findings.error(|| other.pointer(), says("no_paths", message, "list the API's paths there"));
        }
        None => reader
            .findings
            .error(|| root.pointer(), says("no_paths", "there is no `paths`", "list the API's paths there")),
    }
    reader.paths
}

pub(super) struct Reader<'r, 'a> {
    dialect: Dialect,
    pub(super) references: &'r mut References<'a>,
    pub(super) findings: &'r mut Findings,
    limit: usize,
    /// What references may still repeat, in bytes: one path item can be referred to from a million paths.
    budget: usize,
    /// Where the operation of a shape and method stands in the list.
    known: HashMap<(String, Method), usize>,
    /// The operation ids, and the operations that bear them.
    names: HashMap<&'a str, Cursor<'a>>,
    paths: Paths<'a>,
}

impl<'a> Reader<'_, 'a> {
    fn paths(&mut self, paths: Cursor<'a>) {
        for (path, item) in paths.entries().filter(|(path, _)| !fields::is_extension(path)) {
            self.paths.count += 1;
            match self.references.follow(item) {
                Ok(target) if target.is_map() => {
                    if !self.spend(target.entries().map(|(key, _)| ENTRY_BYTES + key.len()).sum(), item) {
                        return;
                    }
                    self.item(path, item, target);
                }
                Ok(_) => {
                    let message =
                        format!("the path {} is {} where an object belongs", quote(path), item.value().name());
                    self.findings
                        .warning(|| item.pointer(), says("not_an_object", message, "list the path's methods there"));
                }
                // Every reference of the document has been checked before.
                Err(_) => {}
            }
        }
        if self.paths.declared == 0 {
            self.findings.warning(
                || paths.pointer(),
                says(
                    "no_operations",
                    "the document declares no operation, so all is denied",
                    "list the API's paths there",
                ),
            );
        }
    }

    fn item(&mut self, path: &'a str, place: Cursor<'a>, item: Cursor<'a>) {
        let template = self.template(path, place);
        let shared: Vec<_> = self.parameters(item);
        for (key, value) in item.entries() {
            match method(key) {
                Some(method) if value.is_map() => {
                    self.paths.declared += 1;
                    if key != method.as_str().to_ascii_lowercase() {
                        let message = format!("the method {} is not in lower case", quote(key));
                        self.findings
                            .warning(|| value.pointer(), says("method_case", message, "write it in lower case"));
                    }
                    if let Some(template) = &template {
                        self.operation(method, template, &shared, value);
                    }
                }
                Some(_) => {
                    let message = format!("{} is {} where an operation belongs", quote(key), value.value().name());
                    self.findings
                        .warning(|| value.pointer(), says("not_an_object", message, "describe the operation there"));
                }
                None if matches!(key, "$ref" | "summary" | "description" | "servers" | "parameters")
                    || fields::is_extension(key) =>
                {
                    if key == "servers" {
                        self.servers(value);
                    }
                }
                None => {
                    let message =
                        format!("{} is no method that can be served; it is not part of the Service", quote(key));
                    self.findings.warning(
                        || value.pointer(),
                        says("unknown_field", message, "leave it out, or begin its name with `x-`"),
                    );
                }
            }
        }
    }

    fn template(&mut self, path: &str, place: Cursor<'a>) -> Option<Template> {
        let parsed = path.parse::<Template>();
        match parsed {
            Ok(template) if path.len() <= MAX_PATH && template.segments().len() <= MAX_SEGMENTS => Some(template),
            fault => {
                let why = fault.err().map_or_else(|| "it is too long".to_owned(), |fault| fault.to_string());
                let message = format!("the path {} is not part of the Service, and so denied: {why}", quote(path));
                self.findings.warning(
                    || place.pointer(),
                    says(
                        "path_not_served",
                        message,
                        "write the path as `/a/{b}`, without query and without empty segments",
                    ),
                );
                None
            }
        }
    }

    fn operation(&mut self, method: Method, template: &Template, shared: &[Parameter<'a>], place: Cursor<'a>) {
        fields::unknown(place, fields::operation(self.dialect), self.findings);
        self.described(place);
        let own = self.parameters(place);
        self.path_parameters(template, shared, &own, place);
        let named = |kind: In| shared.iter().chain(&own).filter(move |parameter| parameter.kind == kind);
        let mut operation = Operation {
            method,
            template: template.clone(),
            fhir: None,
            query: named(In::Query).map(|parameter| parameter.name.into()).collect(),
            headers: named(In::Header).map(|parameter| parameter.name.to_ascii_lowercase().into()).collect(),
        };
        operation.headers.retain(|name| !matches!(&**name, "accept" | "content-type" | "authorization"));
        tidy(&mut operation);
        self.keep(operation, place);
    }

    /// Adds it, or joins it with the one that it cannot be told from.
    fn keep(&mut self, operation: Operation, place: Cursor<'a>) {
        let key = (operation.template.shape(), operation.method);
        if let Some(twin) = self.known.get(&key).and_then(|index| self.paths.found.get_mut(*index)) {
            let message = format!(
                "{} and {} differ only in the names of their parameters: they are one operation",
                quote(&operation.key()),
                quote(&twin.operation.key())
            );
            self.findings.warning(|| place.pointer(), says("same_shape", message, "leave one of them out"));
            twin.operation.query.extend(operation.query);
            twin.operation.headers.extend(operation.headers);
            tidy(&mut twin.operation);
            return;
        }
        if self.paths.found.len() == self.limit {
            let message = format!("the document declares more than {} operations", self.limit);
            self.findings
                .error(|| place.pointer(), says("too_many_operations", message, "split the API into several Services"));
        }
        if self.paths.found.len() < self.limit {
            self.known.insert(key, self.paths.found.len());
            self.paths.found.push(Found { operation, at: place });
        }
    }

    fn described(&mut self, place: Cursor<'a>) {
        if self.dialect != Dialect::ThreeOne && place.get("responses").is_none() {
            self.findings.warning(
                || place.pointer(),
                says("no_responses", "the operation has no `responses`", "list what it answers"),
            );
        }
        if let Some(servers) = place.get("servers") {
            self.servers(servers);
        }
        let Some((name, at)) = place.get("operationId").and_then(|id| id.text().map(|text| (text, id))) else { return };
        if let Some(first) = self.names.get(name) {
            let message = format!("the operationId {} is also that of {}", quote(name), quote(&first.pointer()));
            self.findings
                .warning(|| at.pointer(), says("same_operation_id", message, "give each operation an id of its own"));
        } else {
            self.names.insert(name, place);
        }
    }

    fn servers(&mut self, servers: Cursor<'a>) {
        if servers.elements().next().is_some() {
            let message = "servers of a path or an operation do not count: all is served at the Service's one base";
            self.findings.warning(
                || servers.pointer(),
                says("server_override", message, "import what is served elsewhere as a Service of its own"),
            );
        }
    }

    /// Whether so many bytes may still be repeated; if not, the document is refused.
    pub(super) fn spend(&mut self, bytes: usize, place: Cursor<'a>) -> bool {
        let left = self.budget.checked_sub(bytes);
        if left.is_none() && self.budget > 0 {
            let says = says(
                "too_much_repeated",
                "references repeat more than twice what the document holds",
                "split the API into several Services",
            );
            self.findings.error(|| place.pointer(), says);
        }
        self.budget = left.unwrap_or_default();
        left.is_some()
    }
}

fn tidy(operation: &mut Operation) {
    for list in [&mut operation.query, &mut operation.headers] {
        list.sort();
        list.dedup();
    }
}

fn method(key: &str) -> Option<Method> {
    if key.len() > 7 { None } else { Method::parse(&key.to_ascii_uppercase()) }
}
