//! Below which paths of a document FHIR is served: `/`, `/FHIR/R4`, `/v1beta1/{parent}/fhir`.
//!
//! Invariant: a base is found by what stands below it, never by its name; so a path that only looks like a base gives nothing.

use std::collections::BTreeSet;

use policy::operation::{Segment, Template};
use policy::text::TypeName;

use crate::types;

/// A base, as the shape of its segments.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Base {
    /// How many segments it has.
    pub(crate) depth: usize,
    shape: Vec<String>,
}

impl Base {
    fn of(segments: &[Segment]) -> Self {
        Self { depth: segments.len(), shape: segments.iter().map(shape).collect() }
    }

    /// What stands below it in a path, if the path is below it.
    pub(crate) fn below<'t>(&self, template: &'t Template) -> Option<&'t [Segment]> {
        let (base, rest) = template.segments().split_at_checked(self.depth)?;
        base.iter().map(shape).eq(self.shape.iter().cloned()).then_some(rest)
    }

    /// As a path.
    pub(crate) fn path(&self) -> String {
        format!("/{}", self.shape.join("/"))
    }

    /// Whether its name speaks of FHIR.
    pub(crate) fn says_fhir(&self) -> bool {
        self.shape.iter().any(|segment| segment.to_ascii_lowercase().contains("fhir"))
    }
}

fn shape(segment: &Segment) -> String {
    match segment {
        Segment::Literal(text) => text.to_string(),
        Segment::Parameter { prefix, suffix, .. } => format!("{prefix}{{}}{suffix}"),
        Segment::Rest { suffix, .. } => format!("{{+}}{suffix}"),
    }
}

/// What the paths say of where FHIR is served.
#[derive(Debug, Default)]
pub(crate) struct Bases {
    /// The bases, the deepest first, so that the first that fits is the right one.
    pub(crate) list: Vec<Base>,
    /// Whether a type of R4 stands below one of them.
    pub(crate) r4: bool,
    /// Whether a path has a form that only FHIR has (`_search`, `_history`, `$everything`, `metadata`).
    pub(crate) forms: bool,
}

/// The bases of these paths. Where no type of FHIR is found, system calls show them, and then types of the document's own.
pub(crate) fn find<'t>(templates: impl Iterator<Item = &'t Template> + Clone) -> Bases {
    let mut bases = Bases::default();
    let mut known = BTreeSet::new();
    for template in templates.clone() {
        let Some((at, named)) =
            type_position(template, |name| types::is_r4(name) || types::other_version(name).is_some())
        else {
            continue;
        };
        let (base, rest) = template.segments().split_at(at);
        bases.r4 |= named;
        bases.forms |= rest.iter().any(is_form);
        known.insert(Base::of(base));
    }
    if known.is_empty() {
        for template in templates.clone() {
            if let Some((last, base)) = template.segments().split_last()
                && (is_form(last) || *last == literal("metadata"))
            {
                known.insert(Base::of(base));
            }
        }
    }
    if known.is_empty() {
        known.extend(templates.filter_map(own_base));
    }
    bases.list = known.into_iter().rev().collect();
    bases
}

/// The base of a path whose type only the document knows: `/FHIR/R4/Widget/{id}`.
fn own_base(template: &Template) -> Option<Base> {
    let segments = template.segments();
    let is_own = |at: &usize| {
        let named = matches!(segments.get(*at), Some(Segment::Literal(text)) if TypeName::accepts(text));
        named && segments.get(*at + 1..).is_some_and(has_form)
    };
    let at = (0..segments.len()).find(is_own)?;
    segments.get(..at).map(Base::of)
}

fn literal(text: &str) -> Segment {
    Segment::Literal(text.into())
}

fn is_form(segment: &Segment) -> bool {
    matches!(segment, Segment::Literal(text) if matches!(&**text, "_search" | "_history") || text.starts_with('$'))
}

/// Where the first type stands in a path, if FHIR's form follows it, and whether it is named. A type that stands deeper
/// is no second chance: `/Patient/{id}/Observation/{other}` is not FHIR below `/Patient/{id}`.
fn type_position(template: &Template, is_type: impl Fn(&str) -> bool) -> Option<(usize, bool)> {
    let segments = template.segments();
    let at = segments.iter().position(|segment| match segment {
        Segment::Literal(text) => is_type(text),
        Segment::Parameter { .. } | Segment::Rest { .. } => is_type_parameter(segment),
    })?;
    has_form(segments.get(at + 1..)?).then(|| (at, matches!(segments.get(at), Some(Segment::Literal(_)))))
}

/// Whether what follows a type is of one of FHIR's forms.
fn has_form(rest: &[Segment]) -> bool {
    match rest {
        [] => true,
        [one] => is_id(one) || is_form(one),
        [id, two] => is_id(id) && (is_form(two) || is_type_like(two)),
        [id, two, three] => {
            let versioned = *two == literal("_history") && is_id(three);
            is_id(id) && (versioned || is_type_like(two) && *three == literal("_search"))
        }
        _ => false,
    }
}

/// Whether a whole segment is one parameter.
pub(crate) fn is_id(segment: &Segment) -> bool {
    matches!(segment, Segment::Parameter { prefix, suffix, .. } if prefix.is_empty() && suffix.is_empty())
}

/// Whether a segment is a parameter that bears the type: `{type}`, `{resourceType}`.
pub(crate) fn is_type_parameter(segment: &Segment) -> bool {
    let Segment::Parameter { name, .. } = segment else { return false };
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|char| char.to_ascii_lowercase()).collect();
    is_id(segment)
        && matches!(
            plain.as_str(),
            "type"
                | "resource"
                | "resourcetype"
                | "resourcename"
                | "typename"
                | "fhirtype"
                | "fhirresource"
                | "fhirresourcetype"
        )
}

fn is_type_like(segment: &Segment) -> bool {
    match segment {
        Segment::Literal(text) => TypeName::accepts(text) || &**text == "*",
        Segment::Parameter { .. } | Segment::Rest { .. } => is_type_parameter(segment),
    }
}
