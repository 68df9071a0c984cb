//! References: what a text that names a resource says, and of which server.
//!
//! Invariant: only a literal reference to an own base names a resource here. Whatever else a text is
//! (foreign, contained, conditional, a bare URN), it proves nothing.

use std::borrow::Cow;

use policy::text::{FhirId, TypeName};

use crate::json::Value;

/// What a reference says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reference<'a> {
    /// A resource of this server.
    Local {
        /// Its type.
        resource_type: &'a str,
        /// Its id.
        id: &'a str,
        /// Whether the reference names one version of it.
        versioned: bool,
    },
    /// `#p1`: a resource within this one.
    Contained,
    /// `Patient?identifier=…`: the server would search for it.
    Conditional,
    /// On another server, or nothing that can be read.
    Foreign,
}

impl<'a> Reference<'a> {
    /// Reads a reference; `bases` are the absolute URLs, without a trailing slash, that mean this server.
    pub(crate) fn read(text: &'a str, bases: &[&str]) -> Self {
        if text.starts_with('#') {
            return Self::Contained;
        }
        if text.contains('?') {
            return Self::Conditional;
        }
        let relative = bases
            .iter()
            .filter(|base| !base.is_empty())
            .find_map(|base| text.strip_prefix(base)?.strip_prefix('/'))
            .unwrap_or(text);
        let mut parts = relative.split('/');
        let (resource_type, id) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if !TypeName::accepts(resource_type) || !FhirId::accepts(id) {
            return Self::Foreign;
        }
        match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => Self::Local { resource_type, id, versioned: false },
            (Some("_history"), Some(version), None) if FhirId::accepts(version) => {
                Self::Local { resource_type, id, versioned: true }
            }
            _ => Self::Foreign,
        }
    }

    /// Whether it names this patient.
    pub(crate) fn is_patient(&self, patient: &str) -> bool {
        matches!(self, Self::Local { resource_type: "Patient", id, .. } if *id == patient)
    }
}

/// Which patient an element of type Reference names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Names<'a> {
    /// This one, literally.
    Patient(Cow<'a, str>),
    /// A resource of this server that is not a Patient.
    Other,
    /// It cannot be told: by identifier only, contained, foreign, conditional, at odds with its own `type`.
    Unknown,
    /// A reference that the server would resolve by a search.
    Conditional,
}

impl Names<'_> {
    /// Whether it is this patient.
    pub(crate) fn is_patient(&self, patient: &str) -> bool {
        matches!(self, Self::Patient(named) if named == patient)
    }

    fn into_owned(self) -> Names<'static> {
        match self {
            Self::Patient(named) => Names::Patient(Cow::Owned(named.into_owned())),
            Self::Other => Names::Other,
            Self::Unknown => Names::Unknown,
            Self::Conditional => Names::Conditional,
        }
    }
}

/// Reads an element of type Reference.
pub(crate) fn names<'d>(element: Value<'d>, bases: &[&str]) -> Names<'d> {
    let Some(reference) = element.text("reference") else {
        // Only its own `type` tells that it is no Patient; a `reference` that is not a text tells nothing.
        let bare = element.is_object() && element.get("reference").is_none();
        return match element.text("type") {
            Some(declared) if bare && !declared.eq_ignore_ascii_case("Patient") && TypeName::accepts(&declared) => {
                Names::Other
            }
            _ => Names::Unknown,
        };
    };
    match &reference {
        Cow::Borrowed(text) => said(text, element, bases),
        Cow::Owned(text) => said(text, element, bases).into_owned(),
    }
}

/// The resource of this server that an element of type Reference names, as `Type/id`; none where it names none, or is at
/// odds with its own `type`.
pub(crate) fn instance(element: Value<'_>, bases: &[&str]) -> Option<String> {
    match Reference::read(&element.text("reference")?, bases) {
        Reference::Local { resource_type, id, .. } if !is_at_odds(element, resource_type) => {
            Some(format!("{resource_type}/{id}"))
        }
        _ => None,
    }
}

/// Whether an element that refers to this type declares another one.
pub(crate) fn is_at_odds(element: Value<'_>, resource_type: &str) -> bool {
    element.get("type").is_some_and(|declared| !declared.is_text(resource_type))
}

fn said<'a>(text: &'a str, element: Value<'_>, bases: &[&str]) -> Names<'a> {
    match Reference::read(text, bases) {
        Reference::Local { resource_type, .. } if is_at_odds(element, resource_type) => Names::Unknown,
        Reference::Local { resource_type: "Patient", id, .. } => Names::Patient(id.into()),
        // An upstream that reads types without their case would find a Patient there.
        Reference::Local { resource_type, .. } if resource_type.eq_ignore_ascii_case("Patient") => Names::Unknown,
        Reference::Local { .. } => Names::Other,
        Reference::Conditional => Names::Conditional,
        Reference::Contained | Reference::Foreign => Names::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    const BASES: &[&str] = &["https://gw.example/fhir"];

    #[test]
    fn only_a_literal_reference_to_the_own_base_names_a_resource() {
        let local = |versioned| Reference::Local { resource_type: "Patient", id: "ME", versioned };
        for (text, expected) in [
            ("Patient/ME", local(false)),
            ("https://gw.example/fhir/Patient/ME", local(false)),
            ("Patient/ME/_history/1", local(true)),
            ("https://evil.example/fhir/Patient/ME", Reference::Foreign),
            ("https://gw.example/fhirx/Patient/ME", Reference::Foreign),
            ("https://gw.example/fhir//Patient/ME", Reference::Foreign),
            ("#p1", Reference::Contained),
            ("urn:uuid:1", Reference::Foreign),
            ("Patient?identifier=x|1", Reference::Conditional),
            ("Patient/ME/", Reference::Foreign),
            ("/Patient/ME", Reference::Foreign),
            ("Patient/ME/_history/", Reference::Foreign),
            ("patient/ME", Reference::Foreign),
            ("Patient%2FME", Reference::Foreign),
            ("ME", Reference::Foreign),
            ("", Reference::Foreign),
        ] {
            assert_eq!(Reference::read(text, BASES), expected, "{text}");
        }
    }

    #[test]
    fn an_element_that_is_at_odds_with_itself_proves_nothing() {
        for (text, expected) in [
            (r#"{"reference":"Patient/ME"}"#, Names::Patient("ME".into())),
            (r#"{"reference":"Patient/ME","type":"Patient"}"#, Names::Patient("ME".into())),
            (r#"{"reference":"Patient/ME","type":"Group"}"#, Names::Unknown),
            (r#"{"reference":"Patient/ME","type":["Patient"]}"#, Names::Unknown),
            (r#"{"reference":"Practitioner/1"}"#, Names::Other),
            (r#"{"reference":"PATIENT/OTHER"}"#, Names::Unknown),
            (r#"{"type":"patient","identifier":{"value":"1"}}"#, Names::Unknown),
            (r##"{"reference":"#p1"}"##, Names::Unknown),
            (r#"{"identifier":{"value":"1"}}"#, Names::Unknown),
            (r#"{"type":"Practitioner","identifier":{"value":"1"}}"#, Names::Other),
            (r#"{"type":"Patient","identifier":{"value":"1"}}"#, Names::Unknown),
            (r#"{"type":"Practitioner","reference":1}"#, Names::Unknown),
            (r#"{"reference":"Patient?identifier=1"}"#, Names::Conditional),
            ("\"Patient/ME\"", Names::Unknown),
        ] {
            let document = Document::read(text).unwrap();
            assert_eq!(names(document.root(), BASES), expected, "{text}");
        }
    }
}
