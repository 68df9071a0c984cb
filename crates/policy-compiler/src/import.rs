//! From an OpenAPI document to operations, types and a report.
//!
//! Invariant: an error refuses the document, and then every error is told at once; nothing is imported in part.

use std::collections::{BTreeMap, BTreeSet};

use policy::bundle::MAX_TYPES;
use policy::operation::Interaction;
use policy::settings::ServiceKind;
use policy::text::TypeName;

use crate::bases::{self, Bases};
use crate::classify::classify;
use crate::document::{self, Cursor, References, Seen};
use crate::finding::{Finding, Findings, quote, says};
use crate::imported::{Imported, ImportedType, order};
use crate::openapi::{self, Found, Head};
use crate::{Limits, search, types};

/// The most search parameters that count for one type; the types of R4 have under 40. Those beyond are not defined.
const MAX_SEARCH_PARAMETERS: usize = 500;

/// Reads an OpenAPI 2.0, 3.0 or 3.1 document, in JSON or YAML. The findings of an `Err` hold at least one error.
pub fn import(document: &[u8], limits: &Limits) -> Result<Imported, Vec<Finding>> {
    let tree = document::read(document, limits)?;
    let mut findings = Findings::default();
    let mut references = References::new(&tree, limits);
    let Some(head) = openapi::head(tree.root(), &mut findings) else { return Err(findings.into_list()) };
    let seen = document::check(tree.root(), &mut references, &mut findings);
    let mut paths = openapi::read_paths(tree.root(), head.dialect, &mut references, limits, &mut findings);
    let fhir = recognise(tree.root(), &head, seen, &mut paths.found, &mut findings);
    if findings.refuse() {
        return Err(findings.into_list());
    }
    let mut operations: Vec<_> = paths.found.into_iter().map(|found| found.operation).collect();
    operations.sort_by_cached_key(order);
    Ok(Imported {
        title: head.title,
        description: head.description,
        openapi: head.version,
        kind: head.kind,
        fhir_like: fhir.like,
        base_url: head.base_url,
        operations,
        types: fhir.types,
        findings: findings.into_list(),
        paths: paths.count,
        documented_operations: paths.declared,
    })
}

/// What of FHIR was recognised.
struct Fhir {
    like: bool,
    types: Vec<ImportedType>,
}

/// Says what each operation does in FHIR's terms, and which types the document has. In a plain Service it only reports.
fn recognise(root: Cursor<'_>, head: &Head, seen: Seen, found: &mut [Found<'_>], findings: &mut Findings) -> Fhir {
    let bases = bases::find(found.iter().map(|found| &found.operation.template));
    let is_fhir = head.kind == ServiceKind::Fhirv4;
    let like = is_fhir || looks_like_fhir(head, seen, &bases);
    if !like {
        return Fhir { like, types: Vec::new() };
    }
    for found in found.iter_mut() {
        found.operation.fhir = classify(found.operation.method, &found.operation.template, &bases.list);
    }
    let types = imported_types(root, found, findings);
    if is_fhir {
        report_bases(root, &bases, findings);
        if !bases.list.is_empty() {
            report_unclassified(found, findings);
        }
    } else {
        for found in found.iter_mut() {
            found.operation.fhir = None;
        }
        let message = "this looks like a FHIR API, and is taken as a plain one: no SMART roles, no compartments";
        let fix = "add `x-Katanemo-open-api-service-type: fhirv4` at the root, if it is one";
        findings.info(|| root.pointer(), says("looks_like_fhir", message, fix));
    }
    Fhir { like, types }
}

/// A type of R4 where FHIR would have it, and one more sign: plain APIs have a `Group` or a `Location` too.
fn looks_like_fhir(head: &Head, seen: Seen, bases: &Bases) -> bool {
    let named = |text: &str| text.to_ascii_lowercase().contains("fhir");
    bases.r4
        && (bases.forms
            || seen.fhir_media_type
            || named(&head.title)
            || head.base_url.as_deref().is_some_and(named)
            || bases.list.iter().any(bases::Base::says_fhir))
}

#[derive(Default)]
struct Gathered<'a> {
    interactions: BTreeSet<Interaction>,
    parameters: BTreeSet<Box<str>>,
    /// The first search.
    search: Option<Cursor<'a>>,
}

impl<'a> Gathered<'a> {
    fn add(&mut self, interaction: Interaction, found: &Found<'a>) {
        self.interactions.insert(interaction);
        if matches!(interaction, Interaction::SearchType | Interaction::SearchCompartment) {
            let room = MAX_SEARCH_PARAMETERS.saturating_sub(self.parameters.len());
            self.parameters.extend(found.operation.query.iter().take(room).cloned());
            self.search.get_or_insert(found.at);
        }
    }
}

/// The types that the operations name, and every type of R4 where the path bears the type.
fn imported_types(root: Cursor<'_>, found: &[Found<'_>], findings: &mut Findings) -> Vec<ImportedType> {
    let mut named: BTreeMap<TypeName, (Gathered, Cursor<'_>)> = BTreeMap::new();
    let mut any = Gathered::default();
    for found in found {
        let Some(fhir) = &found.operation.fhir else { continue };
        if let Some(name) = &fhir.resource_type {
            let (gathered, _) = named.entry(name.clone()).or_insert_with(|| (Gathered::default(), found.at));
            gathered.add(fhir.interaction, found);
        } else if fhir.type_segment.is_some() {
            any.add(fhir.interaction, found);
        }
    }
    for (name, (gathered, at)) in &named {
        report_type(name.as_str(), *at, findings);
        search::report(Some(name), &gathered.parameters, gathered.search.unwrap_or(*at), findings);
    }
    search::report(None, &any.parameters, any.search.unwrap_or(root), findings);
    if !any.interactions.is_empty() {
        let every = types::r4().filter_map(|name| TypeName::try_from(name).ok());
        for name in every {
            named.entry(name).or_insert_with(|| (Gathered::default(), root));
        }
        for (gathered, _) in named.values_mut() {
            gathered.interactions.extend(&any.interactions);
            gathered.parameters.extend(any.parameters.iter().cloned());
        }
    }
    if named.len() > MAX_TYPES {
        let message = format!("the document has {} resource types, more than {MAX_TYPES}", named.len());
        findings.error(|| root.pointer(), says("too_many_types", message, "split the API into several Services"));
    }
    let imported = named.into_iter().map(|(name, (gathered, _))| ImportedType {
        in_r4: types::is_r4(name.as_str()),
        name,
        interactions: gathered.interactions.into_iter().collect(),
        search_parameters: gathered.parameters.into_iter().map(String::from).collect(),
    });
    imported.collect()
}

fn report_type(name: &str, at: Cursor<'_>, findings: &mut Findings) {
    if types::is_r4(name) {
        return;
    }
    if let Some(version) = types::other_version(name) {
        let message = format!("{} is a type of FHIR {version}, not of R4", quote(name));
        let fix = "its operations are served, but no patient rule reaches it; use the type that R4 has in its place";
        findings.warning(|| at.pointer(), says("type_not_in_r4", message, fix));
    } else {
        let message = format!("{} is taken as a resource type of this API's own", quote(name));
        let fix = "nothing to do, if it is one; no patient rule reaches it";
        findings.info(|| at.pointer(), says("custom_type", message, fix));
    }
}

fn report_bases(root: Cursor<'_>, bases: &Bases, findings: &mut Findings) {
    match bases.list.as_slice() {
        [] => {
            let says = says(
                "no_fhir_paths",
                "no path is one of FHIR's, so SMART roles reach nothing",
                "name the paths as FHIR does: `/Patient/{id}`",
            );
            findings.warning(|| root.pointer(), says);
        }
        [base] if base.depth == 0 => {}
        [base] => {
            let message = format!("FHIR is served below {}", quote(&base.path()));
            findings.info(|| root.pointer(), says("fhir_base", message, "nothing to do, if this is so"));
        }
        several => {
            let list: Vec<_> = several.iter().take(5).map(|base| quote(&base.path())).collect();
            let message = format!(
                "FHIR is served below {} bases, and SMART roles reach all of them: {}",
                several.len(),
                list.join(", ")
            );
            findings.warning(
                || root.pointer(),
                says(
                    "several_fhir_bases",
                    message,
                    "import each base as a Service of its own, if they are not one API",
                ),
            );
        }
    }
}

fn report_unclassified(found: &[Found<'_>], findings: &mut Findings) {
    for found in found.iter().filter(|found| found.operation.fhir.is_none()) {
        let message = format!("{} is not an operation that FHIR defines", quote(&found.operation.key()));
        findings.info(
            || found.at.pointer(),
            says("not_fhir", message, "no SMART scope reaches it; write a role that names it"),
        );
    }
}
