//! What each operation does in FHIR's terms, by its path below the base (R4 http.html).
//!
//! Invariant: what FHIR does not define is not classified, so no scope ever reaches it; only a role that names it does.

use policy::operation::{FhirOperation, Interaction, Method, Segment, Template};
use policy::text::TypeName;

use crate::bases::{Base, is_id, is_type_parameter};

/// What an operation does, if a path below one of the bases defines it.
pub(crate) fn classify(method: Method, template: &Template, bases: &[Base]) -> Option<FhirOperation> {
    bases.iter().find_map(|base| below(method, base.below(template)?, base.depth))
}

fn below(method: Method, rest: &[Segment], depth: usize) -> Option<FhirOperation> {
    use Interaction::{
        Batch, Capabilities, HistoryInstance, HistorySystem, HistoryType, SearchSystem, SearchType, Vread,
    };
    let get = matches!(method, Method::Get | Method::Head);
    let post = method == Method::Post;
    let system = |interaction| Some(of(interaction));
    match rest {
        [] if post => system(Batch),
        [] if get => system(SearchSystem),
        [Segment::Literal(one)] => match &**one {
            "metadata" if get => system(Capabilities),
            "_history" if get => system(HistorySystem),
            "_search" if post => system(SearchSystem),
            code if code.starts_with('$') => operation(method, code, of(Interaction::Operation)),
            _ => on_type(method, kind(rest.first()?, depth)?),
        },
        [one] => on_type(method, kind(one, depth)?),
        [one, Segment::Literal(two)] => {
            let kind = kind(one, depth)?;
            match &**two {
                "_history" if get => kind.does(HistoryType),
                "_search" if post => kind.does(SearchType),
                code if code.starts_with('$') => operation(method, code, kind.operation(Interaction::Operation)),
                _ => None,
            }
        }
        [one, id] if is_id(id) => on_instance(method, kind(one, depth)?.with_id(depth)),
        [one, id, Segment::Literal(three)] if is_id(id) => {
            let kind = kind(one, depth)?.with_id(depth);
            match &**three {
                "_history" if get => kind.does(HistoryInstance),
                code if code.starts_with('$') => operation(method, code, kind.operation(Interaction::Operation)),
                _ => compartment(method, rest, depth),
            }
        }
        [one, id, Segment::Literal(history), version]
            if is_id(id) && is_id(version) && &**history == "_history" && get =>
        {
            kind(one, depth)?.with_id(depth).does(Vread)
        }
        [_, id, ..] if is_id(id) => compartment(method, rest, depth),
        _ => None,
    }
}

/// `GET Patient/id/T` and `POST Patient/id/T/_search`: of the Patient compartment only.
fn compartment(method: Method, rest: &[Segment], depth: usize) -> Option<FhirOperation> {
    let (one, id, asked) = match rest {
        [one, id, asked] if matches!(method, Method::Get | Method::Head) => (one, id, asked),
        [one, id, asked, Segment::Literal(search)] if method == Method::Post && &**search == "_search" => {
            (one, id, asked)
        }
        _ => return None,
    };
    let of_patient = matches!(one, Segment::Literal(name) if &**name == "Patient");
    if !of_patient || !is_id(id) {
        return None;
    }
    let found = match asked {
        Segment::Literal(all) if &**all == "*" => Kind { name: None, segment: None, id: None },
        asked => kind(asked, depth + 2)?,
    };
    found.with_id(depth).does(Interaction::SearchCompartment)
}

/// The type that a segment names or bears.
struct Kind {
    name: Option<TypeName>,
    segment: Option<u32>,
    id: Option<u32>,
}

fn kind(segment: &Segment, at: usize) -> Option<Kind> {
    match segment {
        Segment::Literal(text) => {
            TypeName::try_from(&**text).ok().map(|name| Kind { name: Some(name), segment: None, id: None })
        }
        Segment::Parameter { .. } | Segment::Rest { .. } => {
            is_type_parameter(segment).then(|| Kind { name: None, segment: u32::try_from(at).ok(), id: None })
        }
    }
}

impl Kind {
    /// The instance whose id stands just after the type at this depth.
    fn with_id(self, depth: usize) -> Self {
        Self { id: u32::try_from(depth + 1).ok(), ..self }
    }

    fn operation(self, interaction: Interaction) -> FhirOperation {
        FhirOperation {
            interaction,
            resource_type: self.name,
            code: None,
            type_segment: self.segment,
            id_segment: self.id,
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "each arm of the table answers in the same form")]
    fn does(self, interaction: Interaction) -> Option<FhirOperation> {
        Some(self.operation(interaction))
    }
}

fn of(interaction: Interaction) -> FhirOperation {
    FhirOperation { interaction, resource_type: None, code: None, type_segment: None, id_segment: None }
}

fn on_type(method: Method, kind: Kind) -> Option<FhirOperation> {
    match method {
        Method::Get | Method::Head => kind.does(Interaction::SearchType),
        Method::Post => kind.does(Interaction::Create),
        Method::Put | Method::Patch | Method::Delete => kind.does(Interaction::Conditional),
        Method::Options | Method::Trace => None,
    }
}

fn on_instance(method: Method, kind: Kind) -> Option<FhirOperation> {
    match method {
        Method::Get | Method::Head => kind.does(Interaction::Read),
        Method::Put => kind.does(Interaction::Update),
        Method::Patch => kind.does(Interaction::Patch),
        Method::Delete => kind.does(Interaction::Delete),
        Method::Post | Method::Options | Method::Trace => None,
    }
}

/// `$code`: asked for by GET or POST.
fn operation(method: Method, code: &str, of: FhirOperation) -> Option<FhirOperation> {
    let code = code.strip_prefix('$').filter(|code| !code.is_empty())?;
    matches!(method, Method::Get | Method::Head | Method::Post).then(|| FhirOperation { code: Some(code.into()), ..of })
}
