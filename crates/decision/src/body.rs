//! Phase 6: the body of a write, and whether the rule that lets it be written covers what it says.
//!
//! Invariant: the body is read strictly, once, and goes upstream as it came. What the tables cannot
//! make the context's is not written by a `patient/` rule.

use policy::decision::Phase;
use policy::facts::{Standing, TypeFacts};
use policy::operation::Method;
use policy::reason::Reason;

use crate::Engine;
use crate::admit::{Named, Party};
use crate::arena::Arena;
use crate::condition::Asked;
use crate::cover::{self, Eyes, each_reference};
use crate::denial::Denial;
use crate::json::{Document, Kind, Value};
use crate::judge::Trace;
use crate::reference::{Names, names};
use crate::rules::{Grants, Rule};
use crate::tags::Tags;

/// The names that a body of any type is decided by, wherever they stand in it.
pub(crate) const DECISIVE: &[&str] = &[
    "code",
    "coding",
    "contained",
    "id",
    "identifier",
    "meta",
    "reference",
    "resourceType",
    "securityContext",
    "system",
    "tag",
    "target",
    "type",
    "value",
];

/// What a write is checked by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write<'w, 'a> {
    pub(crate) engine: &'a Engine,
    /// The facts of the type that is written.
    pub(crate) facts: &'a TypeFacts,
    /// The absolute URL that means this server.
    pub(crate) home: &'w str,
    pub(crate) grants: &'a Grants,
    pub(crate) arena: &'a Arena,
    pub(crate) method: Method,
}

impl<'a> Write<'_, 'a> {
    /// Checks a new resource; the places of the rules that cover it.
    pub(crate) fn check_new(&self, bytes: &[u8], fitting: &[u16], trace: &mut Trace<'a>) -> Result<&'a [u16], Denial> {
        let document = read(bytes, self.facts.name.as_str())?;
        let resource = document.root();
        if has_two_readings(resource, &self.decisive()) {
            return Err(Denial::new(Phase::Body, Reason::MalformedBody));
        }
        if resource.get("meta").and_then(|meta| meta.get("security")).is_some() {
            trace.ignored.push("meta.security".into());
        }
        if cover::is_subsetted(&resource) {
            return Err(Denial::new(Phase::Body, Reason::ExistingNotCovered).with_status(409));
        }
        let mut furthest: Option<Denial> = None;
        let mut permitting = self.arena.list_of(fitting.len());
        for index in fitting {
            let Some(rule) = self.grants.list.get(usize::from(*index)) else { continue };
            match self.covers(rule, &resource) {
                Ok(()) => permitting.push(*index),
                Err(denial) if furthest.is_none_or(|known| denial.step > known.step) => furthest = Some(denial),
                Err(_) => {}
            }
        }
        if permitting.is_empty() {
            return Err(furthest.unwrap_or(Denial::new(Phase::Body, Reason::Internal)));
        }
        Ok(permitting.into_bump_slice())
    }

    /// The names of the elements that the write is decided by.
    fn decisive(&self) -> Vec<&str> {
        let constrained = self.grants.list.iter().flat_map(|rule| rule.constraints.iter());
        let granular = constrained
            .filter_map(|constraint| self.engine.parameter(self.facts, &constraint.name))
            .flat_map(|parameter| &parameter.paths);
        let paths = self.facts.owners.iter().chain(granular).flat_map(|path| &path.elements);
        let mut names: Vec<&str> = paths.map(|name| &**name).chain(DECISIVE.iter().copied()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn covers(&self, rule: &Rule, resource: &Value<'_>) -> Result<(), Denial> {
        let bases = [self.home];
        let party =
            Party { engine: self.engine, grants: self.grants, method: self.method, asked: Asked::Body(*resource) };
        let patient = self.grants.patient.as_deref();
        let eyes = Eyes { bases: &bases, patient, party, kept: &[], partial: false };
        let mut conditional = false;
        each_reference(*resource, &mut |element| conditional |= names(element, &bases) == Names::Conditional);
        if conditional {
            return Err(Denial::new(Phase::Body, Reason::ConditionalDenied));
        }
        if rule.is_patient() {
            let patient = self.grants.patient.as_deref().ok_or(Denial::new(Phase::Body, Reason::Internal))?;
            owned(self.engine, self.facts, resource, patient, &eyes)?;
        }
        if !cover::meets(self.engine, rule, self.facts, resource, &eyes) {
            return Err(Denial::new(Phase::Body, Reason::NoRule).at(2));
        }
        self.admits(rule, resource, &party)
    }

    /// Phase 8 over what is new: tags have to match, and none is set that the caller does not hold (D25, D26).
    fn admits(&self, rule: &Rule, resource: &Value<'_>, party: &Party<'_>) -> Result<(), Denial> {
        if !party.is_cleared(*resource) {
            return Err(Denial::new(Phase::Tags, Reason::Label).at(3));
        }
        let named = Named { resource_type: self.facts.name.as_str(), id: None };
        if !party.admits(rule, named, *resource) {
            let reason = match rule.condition(self.engine) {
                Some(_) => Reason::WhereFalse,
                None => Reason::TagMismatch,
            };
            return Err(Denial::new(Phase::Tags, reason).at(3));
        }
        let keys = &self.engine.parts().tag_keys;
        let sets = Tags::read(*resource, keys).ok().filter(|new| Tags::default().may_become(new, &self.grants.tags));
        if sets.is_some() { Ok(()) } else { Err(Denial::new(Phase::Tags, Reason::TagMismatch).at(4)) }
    }
}

fn read<'a>(bytes: &'a [u8], resource_type: &str) -> Result<Document<'a>, Denial> {
    let malformed = Denial::new(Phase::Body, Reason::MalformedBody);
    let text = std::str::from_utf8(bytes).map_err(|_| malformed)?;
    let document = Document::read(text).map_err(|_| malformed)?;
    let resource = document.root();
    // A create has no id in its URL; one in the body could make a lenient server write over another's.
    let typed = resource.get("resourceType").is_some_and(|own| own.is_text(resource_type));
    let fits = typed && resource.get("id").is_none() && !resource.is_ambiguous();
    if fits { Ok(document) } else { Err(malformed) }
}

/// Whether an upstream that compares names without their case, or takes a list of one for its element,
/// would read another resource than the one that is decided here.
pub(crate) fn has_two_readings(value: Value<'_>, decisive: &[&str]) -> bool {
    let mut names: Vec<String> = value.members().map(|member| member.name.to_ascii_lowercase()).collect();
    names.sort_unstable();
    let repeats = names.windows(2).any(|pair| pair.first() == pair.last());
    let disguised =
        |name: &str| decisive.iter().any(|known| known.eq_ignore_ascii_case(name)) && !decisive.contains(&name);
    let unclear =
        |name: &str, value: Value<'_>| name == "reference" && value.kind() != Kind::String && !value.is_object();
    repeats
        || value.members().any(|member| {
            disguised(&member.name) || unclear(&member.name, member.value) || has_two_readings(member.value, decisive)
        })
        || value.elements().any(|element| has_two_readings(element, decisive))
}

/// What a `patient/` rule writes is the context's, wholly and provably.
fn owned(
    engine: &Engine,
    facts: &TypeFacts,
    resource: &Value<'_>,
    patient: &str,
    eyes: &Eyes<'_>,
) -> Result<(), Denial> {
    let other = Denial::new(Phase::Body, Reason::OtherOwner).at(1);
    let nobody = Denial::new(Phase::Body, Reason::NoOwner);
    if cover::contains_patient(resource) {
        return Err(other);
    }
    match facts.standing {
        Standing::Compartment | Standing::PatientElement => {}
        Standing::NamesPatients | Standing::Binary => {
            return if cover::is_member(engine, facts, resource, patient, eyes) { Ok(()) } else { Err(nobody) };
        }
        Standing::Patient | Standing::Shared | Standing::Provenance | Standing::Undecidable => return Err(nobody),
    }
    let (mut found, mut foreign) = (false, false);
    for path in &facts.owners {
        cover::each_at(*resource, &path.elements, &mut |element| match names(element, eyes.bases) {
            Names::Patient(named) if named == patient => found = true,
            Names::Other => {}
            Names::Patient(_) | Names::Unknown | Names::Conditional => foreign = true,
        });
    }
    let own = found && cover::is_member(engine, facts, resource, patient, eyes);
    match (foreign, own) {
        (true, _) => Err(other),
        (false, true) => Ok(()),
        (false, false) => Err(nobody),
    }
}
