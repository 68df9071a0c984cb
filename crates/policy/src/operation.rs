//! Operations: one method and path template of a Service, and what FHIR makes of it.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};

use crate::letters::Letters;
use crate::text::TypeName;

/// An HTTP method that an OpenAPI document can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
#[allow(missing_docs, reason = "the names are HTTP's own")]
pub enum Method {
    #[n(0)]
    Get,
    #[n(1)]
    Head,
    #[n(2)]
    Post,
    #[n(3)]
    Put,
    #[n(4)]
    Patch,
    #[n(5)]
    Delete,
    #[n(6)]
    Options,
    #[n(7)]
    Trace,
}

impl Method {
    /// Every method, in the order in which they are listed.
    pub const ALL: [Self; 8] =
        [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Options, Self::Trace];

    /// The method's token, as on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
        }
    }

    /// Reads a method's token; methods are case-sensitive (RFC 9110 section 9.1).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// What an operation does in FHIR's terms (R4 http.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
#[allow(missing_docs, reason = "the names are FHIR's own")]
pub enum Interaction {
    #[n(0)]
    Read,
    #[n(1)]
    Vread,
    #[n(2)]
    HistoryInstance,
    #[n(3)]
    HistoryType,
    #[n(4)]
    HistorySystem,
    #[n(5)]
    Create,
    #[n(6)]
    Update,
    #[n(7)]
    Patch,
    #[n(8)]
    Delete,
    #[n(9)]
    SearchType,
    #[n(10)]
    SearchSystem,
    #[n(11)]
    Batch,
    #[n(12)]
    Capabilities,
    #[n(13)]
    Operation,
    /// `DELETE T?..`, `PUT T?..`, `PATCH T?..`: the target is found by a search.
    #[n(14)]
    Conditional,
    /// `GET Patient/id/T`: a search inside one compartment.
    #[n(15)]
    SearchCompartment,
}

impl Interaction {
    /// Every interaction.
    pub const ALL: [Self; 16] = [
        Self::Read,
        Self::Vread,
        Self::HistoryInstance,
        Self::HistoryType,
        Self::HistorySystem,
        Self::Create,
        Self::Update,
        Self::Patch,
        Self::Delete,
        Self::SearchType,
        Self::SearchSystem,
        Self::Batch,
        Self::Capabilities,
        Self::Operation,
        Self::Conditional,
        Self::SearchCompartment,
    ];

    /// Its code: FHIR's where there is one (`history-instance`, `search-type`).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Vread => "vread",
            Self::HistoryInstance => "history-instance",
            Self::HistoryType => "history-type",
            Self::HistorySystem => "history-system",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::SearchType => "search-type",
            Self::SearchSystem => "search-system",
            Self::Batch => "batch",
            Self::Capabilities => "capabilities",
            Self::Operation => "operation",
            Self::Conditional => "conditional",
            Self::SearchCompartment => "search-compartment",
        }
    }

    /// The letters that a SMART scope needs for it on its type ("Rules", the table of phase 4), and
    /// nothing for what no letter gives (`capabilities`, `batch`, `$operations`).
    #[must_use]
    pub fn letters(self) -> Letters {
        match self {
            Self::Read | Self::Vread | Self::HistoryInstance => Letters::READ,
            Self::SearchType
            | Self::SearchSystem
            | Self::SearchCompartment
            | Self::HistoryType
            | Self::HistorySystem => Letters::SEARCH,
            Self::Create => Letters::CREATE,
            Self::Update | Self::Patch => Letters::UPDATE,
            Self::Delete => Letters::DELETE,
            Self::Conditional => Letters::SEARCH | Letters::UPDATE | Letters::DELETE,
            Self::Batch | Self::Capabilities | Self::Operation => Letters::NONE,
        }
    }
}

impl fmt::Display for Interaction {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// One segment of a path template.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Segment {
    /// A segment that must be the same, letter by letter.
    #[n(0)]
    Literal(#[n(0)] Box<str>),
    /// `{id}`, also inside a segment: `{id}.json`, `v{version}`.
    #[n(1)]
    Parameter {
        /// The parameter's name, for people; it plays no part in equality of templates.
        #[n(0)]
        name: Box<str>,
        /// What stands before it in the segment.
        #[n(1)]
        prefix: Box<str>,
        /// What stands after it in the segment.
        #[n(2)]
        suffix: Box<str>,
    },
    /// `{+name}` (RFC 6570 reserved expansion): one or more segments, of which the last ends with `suffix`.
    #[n(2)]
    Rest {
        /// The parameter's name, for people.
        #[n(0)]
        name: Box<str>,
        /// What stands after it in its last segment (`{+name}:export`).
        #[n(1)]
        suffix: Box<str>,
    },
}

/// A path template: `/Patient/{id}`. The empty list is the root `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Template(#[n(0)] Vec<Segment>);

/// The text is not a path template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a path such as `/Patient/{{id}}`: it starts with `/`, has no empty or dot segment, and one parameter at most in a segment"
)]
pub struct InvalidTemplate;

impl Template {
    /// Its segments, outermost first.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// What two templates have in common that differ only in the names of their parameters: `/Patient/{}`.
    #[must_use]
    pub fn shape(&self) -> String {
        self.write(|_| String::new())
    }

    fn write(&self, name: impl Fn(&str) -> String) -> String {
        if self.0.is_empty() {
            return "/".to_owned();
        }
        self.0
            .iter()
            .map(|segment| match segment {
                Segment::Literal(text) => format!("/{text}"),
                Segment::Parameter { name: named, prefix, suffix } => format!("/{prefix}{{{}}}{suffix}", name(named)),
                Segment::Rest { name: named, suffix } => format!("/{{+{}}}{suffix}", name(named)),
            })
            .collect()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.write(str::to_owned))
    }
}

impl FromStr for Template {
    type Err = InvalidTemplate;

    fn from_str(text: &str) -> Result<Self, InvalidTemplate> {
        let path = text.strip_prefix('/').ok_or(InvalidTemplate)?;
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() {
            return Ok(Self(Vec::new()));
        }
        path.split('/').map(segment).collect::<Result<_, _>>().map(Self)
    }
}

fn segment(text: &str) -> Result<Segment, InvalidTemplate> {
    let forbidden = |char: char| char.is_control() || matches!(char, '?' | '#' | '\\' | ';');
    if text.is_empty() || text == "." || text == ".." || text.chars().any(forbidden) {
        return Err(InvalidTemplate);
    }
    let Some((prefix, rest)) = text.split_once('{') else {
        return if text.contains('}') { Err(InvalidTemplate) } else { Ok(Segment::Literal(text.into())) };
    };
    let (name, suffix) = rest.split_once('}').ok_or(InvalidTemplate)?;
    if prefix.contains('}') || name.is_empty() || name.contains('{') || suffix.contains(['{', '}']) {
        return Err(InvalidTemplate);
    }
    match name.strip_prefix('+') {
        Some("") => Err(InvalidTemplate),
        Some(name) if prefix.is_empty() => Ok(Segment::Rest { name: name.into(), suffix: suffix.into() }),
        Some(_) => Err(InvalidTemplate),
        None => Ok(Segment::Parameter { name: name.into(), prefix: prefix.into(), suffix: suffix.into() }),
    }
}

/// One operation of a Service.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Operation {
    /// Its method.
    #[n(0)]
    pub method: Method,
    /// Its path below the Service's base.
    #[n(1)]
    pub template: Template,
    /// What it does in FHIR's terms; none in a plain Service, and for paths of a FHIR Service that FHIR does not define.
    #[n(2)]
    pub fhir: Option<FhirOperation>,
    /// The query parameters that the document declares for it, sorted.
    #[n(3)]
    pub query: Vec<Box<str>>,
    /// The request headers that the document declares for it, in lower case, sorted.
    #[n(4)]
    pub headers: Vec<Box<str>>,
}

impl Operation {
    /// Its key in a role: `GET:/Patient/{id}`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}:{}", self.method, self.template)
    }
}

/// What an operation does in FHIR's terms.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FhirOperation {
    /// The interaction.
    #[n(0)]
    pub interaction: Interaction,
    /// The type it works on; none for the whole system, and where the path itself names the type (`/{type}/{id}`).
    #[n(1)]
    pub resource_type: Option<TypeName>,
    /// The code of a `$operation`, without the `$`.
    #[n(2)]
    pub code: Option<Box<str>>,
    /// The segment of the path that names the type, where it is a parameter (`/{type}/{id}`).
    #[n(3)]
    pub type_segment: Option<u32>,
    /// The segment of the path that is the id of the instance.
    #[n(4)]
    pub id_segment: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_differ_in_shape_not_in_names() {
        let one: Template = "/Patient/{id}".parse().unwrap();
        let other: Template = "/Patient/{patientId}/".parse().unwrap();
        assert_ne!(one, other);
        assert_eq!(one.shape(), other.shape());
        assert_eq!(one.to_string(), "/Patient/{id}");
        assert_eq!("/".parse::<Template>().unwrap().to_string(), "/");
        assert_eq!("/v1/{+name}:run/x{id}.json".parse::<Template>().unwrap().shape(), "/v1/{+}:run/x{}.json");
    }

    #[test]
    fn a_path_that_is_not_one_is_refused() {
        for text in ["", "Patient", "//a", "/a/../b", "/{a}{b}", "/{}", "/a}", "/a?b", "/x{+a}", "/a;b"] {
            assert_eq!(text.parse::<Template>(), Err(InvalidTemplate), "{text}");
        }
    }
}
