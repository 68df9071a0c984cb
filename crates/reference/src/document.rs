//! The OpenAPI document read again: its operations, and what FHIR makes of their paths.
//!
//! Invariant: a path that no shape of FHIR fits is an operation that only a role can give.

use policy::letters::Letters;
use policy::operation::{Interaction, Method};
use policy::settings::ServiceKind;
use policy::text::TypeName;
use serde_json::Value;

/// One segment of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// The same, letter by letter.
    Literal(String),
    /// `{name}`, with what stands before and after it.
    Parameter(String, String, String),
    /// `{+name}`: one or more segments, the last with this end.
    Rest(String),
}

/// One operation of the Service.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    pub(crate) template: Vec<Segment>,
    /// None where FHIR does not define it.
    pub(crate) interaction: Option<Interaction>,
    /// The type that the template itself names.
    pub(crate) literal_type: Option<String>,
    /// The place of the type in the path.
    pub(crate) type_at: Option<usize>,
    /// The place of the instance's id.
    pub(crate) id_at: Option<usize>,
    /// The code of a `$operation`, without `$`.
    pub(crate) code: Option<String>,
    /// The query parameters that the document declares.
    pub(crate) query: Vec<String>,
}

/// What the document says.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) operations: Vec<Operation>,
    /// The resource types that its paths can name, sorted.
    pub(crate) types: Vec<String>,
}

/// Reads a document.
pub(crate) fn read(document: &Value, kind: ServiceKind) -> Spec {
    let mut operations = Vec::new();
    let mut types: Vec<String> = Vec::new();
    let paths = document.get("paths").and_then(Value::as_object);
    for (path, item) in paths.into_iter().flatten() {
        let Some(template) = template(path) else { continue };
        for method in Method::ALL {
            let Some(operation) = item.get(method.as_str().to_ascii_lowercase()) else { continue };
            let parameters = parameters(document, item, operation);
            let named = |place: &str| -> Vec<String> {
                let of = parameters.iter().filter(|(at, _, _)| at == place);
                of.map(|(_, name, _)| name.clone()).collect()
            };
            let mut one = Operation {
                method,
                template: template.clone(),
                interaction: None,
                literal_type: None,
                type_at: None,
                id_at: None,
                code: None,
                query: named("query"),
            };
            if kind == ServiceKind::Fhirv4 {
                classify(&mut one);
                types.extend(one.literal_type.clone());
                if let (Some(_), Some(Segment::Parameter(name, ..))) =
                    (one.interaction, one.type_at.and_then(|at| template.get(at)))
                {
                    types.extend(types_of(&parameters, name));
                }
            }
            operations.push(one);
        }
    }
    types.sort();
    types.dedup();
    Spec { operations, types }
}

/// Reads a path of a document or of a role's line.
pub(crate) fn template(path: &str) -> Option<Vec<Segment>> {
    let path = path.strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Some(Vec::new());
    }
    path.split('/').map(segment).collect()
}

fn segment(text: &str) -> Option<Segment> {
    match text.split_once('{') {
        None if text.is_empty() || text == "." || text == ".." || text.contains('}') => None,
        None => Some(Segment::Literal(text.to_owned())),
        Some((before, rest)) => {
            let (name, after) = rest.split_once('}')?;
            match name.strip_prefix('+') {
                Some(_) => Some(Segment::Rest(after.to_owned())),
                None => Some(Segment::Parameter(name.to_owned(), before.to_owned(), after.to_owned())),
            }
        }
    }
}

/// Whether two templates differ in the names of their parameters at most.
pub(crate) fn same_shape(one: &[Segment], other: &[Segment]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|pair| match pair {
            (Segment::Parameter(_, before, after), Segment::Parameter(_, other_before, other_after)) => {
                before == other_before && after == other_after
            }
            (one, other) => one == other,
        })
}

/// Place, name and schema of each parameter; `$ref` into `components` is followed once.
fn parameters(document: &Value, item: &Value, operation: &Value) -> Vec<(String, String, Value)> {
    let of = |value: &Value| value.get("parameters").and_then(Value::as_array).cloned().unwrap_or_default();
    let resolve = |value: &Value| -> Value {
        match value.get("$ref").and_then(Value::as_str).and_then(|pointer| pointer.strip_prefix('#')) {
            Some(pointer) => document.pointer(pointer).cloned().unwrap_or(Value::Null),
            None => value.clone(),
        }
    };
    of(item)
        .iter()
        .chain(&of(operation))
        .map(resolve)
        .filter_map(|one| {
            let text = |name: &str| one.get(name).and_then(Value::as_str).map(str::to_owned);
            let schema = one.get("schema").map_or(Value::Null, &resolve);
            Some((text("in")?, text("name")?, schema))
        })
        .collect()
}

/// The types that a path parameter allows: its `enum`, else every type of R4.
fn types_of(parameters: &[(String, String, Value)], name: &str) -> Vec<String> {
    let schema =
        parameters.iter().find(|(place, known, _)| place == "path" && known == name).map(|(_, _, schema)| schema);
    match schema.and_then(|schema| schema.get("enum")).and_then(Value::as_array) {
        Some(list) => {
            list.iter().filter_map(Value::as_str).filter(|name| TypeName::accepts(name)).map(str::to_owned).collect()
        }
        None => fhir::r4().types().map(str::to_owned).collect(),
    }
}

/// What a segment of a template can be in FHIR's paths.
enum Part<'a> {
    Type,
    Any,
    Word(&'a str),
    Other,
}

fn part(segment: &Segment) -> Part<'_> {
    match segment {
        Segment::Literal(text) if TypeName::accepts(text) => Part::Type,
        Segment::Literal(text) if text.starts_with(['_', '$']) || text == "*" || text == "metadata" => Part::Word(text),
        Segment::Parameter(_, before, after) if before.is_empty() && after.is_empty() => Part::Any,
        _ => Part::Other,
    }
}

/// Finds the shape of FHIR's RESTful API (R4 http.html) that an operation has.
fn classify(one: &mut Operation) {
    use Interaction as I;
    use Method as M;
    let template = one.template.clone();
    let parts: Vec<Part<'_>> = template.iter().map(part).collect();
    let method = one.method;
    let reads = method == M::Get;
    let posts = method == M::Post;
    let acts = reads || posts;
    let found = match parts.as_slice() {
        [] if reads => Some((I::SearchSystem, None, None)),
        [] if posts => Some((I::Batch, None, None)),
        [Part::Word("metadata")] if reads => Some((I::Capabilities, None, None)),
        [Part::Word("_search")] if posts => Some((I::SearchSystem, None, None)),
        [Part::Word("_history")] if reads => Some((I::HistorySystem, None, None)),
        [Part::Word(word)] if acts && word.starts_with('$') => Some((I::Operation, None, None)),
        [Part::Type | Part::Any] => match method {
            M::Get => Some((I::SearchType, Some(0), None)),
            M::Post => Some((I::Create, Some(0), None)),
            M::Put | M::Patch | M::Delete => Some((I::Conditional, Some(0), None)),
            _ => None,
        },
        [Part::Type | Part::Any, Part::Word("_search")] if posts => Some((I::SearchType, Some(0), None)),
        [Part::Type | Part::Any, Part::Word("_history")] if reads => Some((I::HistoryType, Some(0), None)),
        [Part::Type | Part::Any, Part::Word(word)] if acts && word.starts_with('$') => {
            Some((I::Operation, Some(0), None))
        }
        [Part::Type | Part::Any, Part::Any] => match method {
            M::Get => Some((I::Read, Some(0), Some(1))),
            M::Put => Some((I::Update, Some(0), Some(1))),
            M::Patch => Some((I::Patch, Some(0), Some(1))),
            M::Delete => Some((I::Delete, Some(0), Some(1))),
            _ => None,
        },
        [Part::Type | Part::Any, Part::Any, Part::Word("_history")] if reads => {
            Some((I::HistoryInstance, Some(0), Some(1)))
        }
        [Part::Type | Part::Any, Part::Any, Part::Word("_history"), Part::Any] if reads => {
            Some((I::Vread, Some(0), Some(1)))
        }
        [Part::Type | Part::Any, Part::Any, Part::Word(word)] if acts && word.starts_with('$') => {
            Some((I::Operation, Some(0), Some(1)))
        }
        [Part::Type, Part::Any, Part::Type | Part::Any | Part::Word("*")] if reads => {
            Some((I::SearchCompartment, Some(2), Some(1)))
        }
        [Part::Type, Part::Any, Part::Type | Part::Any, Part::Word("_search")] if posts => {
            Some((I::SearchCompartment, Some(2), Some(1)))
        }
        _ => None,
    };
    let Some((interaction, type_at, id_at)) = found else { return };
    one.interaction = Some(interaction);
    one.type_at = type_at;
    one.id_at = id_at;
    one.literal_type = match type_at.and_then(|at| template.get(at)) {
        Some(Segment::Literal(text)) if TypeName::accepts(text) => Some(text.clone()),
        _ => None,
    };
    one.code = match (interaction, template.last()) {
        (I::Operation, Some(Segment::Literal(text))) => text.strip_prefix('$').map(str::to_owned),
        _ => None,
    };
}

impl Operation {
    /// Whether it reads of all types at once.
    pub(crate) fn is_of_system(&self) -> bool {
        matches!(self.interaction, Some(Interaction::SearchSystem | Interaction::HistorySystem))
    }

    /// The letters that a role which lists it counts for, on its type.
    pub(crate) fn letters(&self) -> Letters {
        match (self.interaction, self.method) {
            (Some(Interaction::Conditional), Method::Delete) => Letters::DELETE | Letters::SEARCH,
            (Some(Interaction::Conditional), _) => Letters::UPDATE | Letters::SEARCH,
            (Some(interaction), _) => interaction.letters(),
            (None, _) => Letters::NONE,
        }
    }

    /// Whether its template fits these segments. `is_type` tells a resource type of the Service.
    pub(crate) fn fits(&self, path: &[String], is_type: &dyn Fn(&str) -> bool) -> bool {
        let fhir = self.interaction.is_some();
        let mut rest = path.iter().enumerate();
        for segment in &self.template {
            match (segment, rest.next()) {
                (Segment::Literal(text), Some((_, given))) if text == given => {}
                (Segment::Parameter(_, before, after), Some((at, given))) => {
                    let inner = given.strip_prefix(before.as_str()).and_then(|text| text.strip_suffix(after.as_str()));
                    let word = given.starts_with(['_', '$']);
                    let type_ok = self.type_at != Some(at) || is_type(given);
                    if inner.is_none_or(str::is_empty) || (fhir && (word || !type_ok)) {
                        return false;
                    }
                }
                (Segment::Rest(end), Some((_, given))) => {
                    let last = rest.by_ref().last().map_or(given, |(_, last)| last);
                    return last.strip_suffix(end.as_str()).is_some_and(|text| !text.is_empty());
                }
                _ => return false,
            }
        }
        rest.next().is_none()
    }

    /// How literal its template is: the smaller, the more.
    pub(crate) fn rank(&self) -> Vec<u8> {
        let rank = |segment: &Segment| match segment {
            Segment::Literal(_) => 0,
            Segment::Parameter(_, before, after) if !before.is_empty() || !after.is_empty() => 1,
            Segment::Parameter(..) => 2,
            Segment::Rest(_) => 3,
        };
        self.template.iter().map(rank).collect()
    }
}
