//! Phase 6: what a write would make of a resource, and whether the rule that lets it be written covers that.
//!
//! Invariant: the body is read strictly, once, and goes upstream as it came. What the tables cannot
//! make the context's is not written by a `patient/` rule.

use std::cell::OnceCell;

use policy::decision::Phase;
use policy::facts::{Standing, TypeFacts};
use policy::reason::Reason;
use policy::text::FhirId;

use crate::Engine;
use crate::admit::{Named, Party};
use crate::cover::{self, Eyes, each_reference};
use crate::denial::Denial;
use crate::json::{Document, Kind, Value};
use crate::labels;
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
    "security",
    "securityContext",
    "system",
    "tag",
    "target",
    "type",
    "value",
    "versionId",
];

/// What the body of a write is read by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'w> {
    pub(crate) engine: &'w Engine,
    /// The facts of the type that is written.
    pub(crate) facts: &'w TypeFacts,
    pub(crate) grants: &'w Grants,
}

/// What a write would store, as one rule after the other is asked about it: what is the same for each is found out once,
/// however many there are.
#[derive(Debug)]
pub(crate) struct State<'w> {
    reader: Reader<'w>,
    pub(crate) resource: Value<'w>,
    place: Place<'w>,
    is_conditional: OnceCell<bool>,
    is_owned: OnceCell<Result<(), Denial>>,
    is_whole: OnceCell<Result<(), Denial>>,
    /// Where nothing was looked at, and over what is stored.
    keeps_marks: [OnceCell<Result<(), Denial>>; 2],
}

/// Where a write stands: who asks for it, and what its references are read by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'w> {
    /// The absolute URL that means this server.
    pub(crate) home: &'w str,
    pub(crate) party: Party<'w>,
    /// What the `urn:`s of the transaction stand for.
    pub(crate) siblings: &'w [Sibling<'w>],
}

/// What a `urn:` of a transaction stands for: the resource that another entry of it writes (D33).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sibling<'a> {
    /// The `fullUrl` of that entry.
    pub(crate) url: &'a str,
    /// The type that it writes.
    pub(crate) resource_type: &'a str,
    /// Whether it is new, and not one that was there.
    pub(crate) is_new: bool,
}

/// The id that a body has to have.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BodyId<'i> {
    /// None: one could make a lenient server write over another's.
    None,
    /// That of the path.
    Is(&'i str),
    /// None, or any.
    Any,
}

const fn malformed() -> Denial {
    Denial::new(Phase::Body, Reason::MalformedBody)
}

/// The text of a body.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, Denial> {
    std::str::from_utf8(bytes).map_err(|_| malformed())
}

impl<'w> Reader<'w> {
    /// Reads a resource of the type that is written.
    pub(crate) fn read<'t>(&self, text: &'t str, id: BodyId<'_>) -> Result<Document<'t>, Denial> {
        let document = Document::read(text).map_err(|_| malformed())?;
        let resource = document.root();
        let own = resource.get("id");
        let identified = match id {
            BodyId::None => own.is_none(),
            BodyId::Is(id) => own.is_some_and(|own| own.is_text(id)),
            BodyId::Any => own.is_none_or(|own| own.as_str().is_some_and(|own| FhirId::accepts(&own))),
        };
        let typed = resource.get("resourceType").is_some_and(|own| own.is_text(self.facts.name.as_str()));
        let clear = !resource.is_ambiguous() && !has_two_readings(resource, &self.decisive());
        if identified && typed && clear { Ok(document) } else { Err(malformed()) }
    }

    /// The names of the elements that a write is decided by, whoever writes.
    pub(crate) fn decisive(&self) -> Vec<&'w str> {
        let kind = self.engine.kind_named(self.facts.name.as_str());
        let elements = kind.iter().flat_map(|kind| &kind.elements).map(|name| &**name);
        elements.chain(DECISIVE.iter().copied()).collect()
    }
}

impl<'w> State<'w> {
    pub(crate) const fn new(reader: Reader<'w>, resource: Value<'w>, place: Place<'w>) -> Self {
        Self {
            reader,
            resource,
            place,
            is_conditional: OnceCell::new(),
            is_owned: OnceCell::new(),
            is_whole: OnceCell::new(),
            keeps_marks: [const { OnceCell::new() }; 2],
        }
    }

    /// Whether it is where the rule reaches.
    pub(crate) fn reaches(&self, rule: &Rule) -> Result<(), Denial> {
        let Reader { engine, facts, grants } = self.reader;
        let Place { home, party, siblings } = self.place;
        let bases = [home];
        let patient = grants.patient.as_deref();
        let eyes = Eyes { bases: &bases, patient, party, kept: &[], partial: false };
        let is_conditional = || {
            let mut found = false;
            each_reference(self.resource, &mut |element| found |= names(element, &bases) == Names::Conditional);
            found
        };
        if *self.is_conditional.get_or_init(is_conditional) {
            return Err(Denial::new(Phase::Body, Reason::ConditionalDenied));
        }
        if rule.is_patient() {
            let patient = patient.ok_or(Denial::new(Phase::Body, Reason::Internal))?;
            (*self.is_owned.get_or_init(|| owned(engine, facts, self.resource, patient, (&eyes, siblings))))?;
        }
        if cover::meets(engine, rule, facts, &self.resource, &eyes) {
            Ok(())
        } else {
            Err(Denial::new(Phase::Body, Reason::NoRule))
        }
    }

    /// Whether the write keeps to what the resource is marked with: it lowers no label, and sets no tag that the caller
    /// does not hold, and drops none (D25, D26). `stored` is none where nothing was looked at; it is the same for all rules
    /// that look.
    pub(crate) fn keeps_marks(&self, stored: Option<Value<'_>>) -> Result<(), Denial> {
        let [anew, over] = &self.keeps_marks;
        let known = if stored.is_some() { over } else { anew };
        *known.get_or_init(|| self.marks(stored))
    }

    fn marks(&self, stored: Option<Value<'_>>) -> Result<(), Denial> {
        let Reader { engine, grants, .. } = self.reader;
        if engine.enforces_labels()
            && !labels::may_write(stored, self.resource, engine.settings().default_label, grants.clearance)
        {
            return Err(Denial::new(Phase::Body, Reason::Label));
        }
        let keys = &engine.parts().tag_keys;
        if keys.is_empty() {
            return Ok(());
        }
        let before = stored.map_or(Ok(Tags::default()), |stored| Tags::read(stored, keys));
        match (before, Tags::read(self.resource, keys)) {
            (Ok(before), Ok(after)) if before.may_become(&after, &grants.tags) => Ok(()),
            _ => Err(Denial::new(Phase::Body, Reason::TagMismatch)),
        }
    }

    /// Whether it does not say of itself that it is a part.
    pub(crate) fn is_whole(&self) -> Result<(), Denial> {
        *self.is_whole.get_or_init(|| is_whole(self.resource))
    }

    /// Phase 8: its tags have to match, or the rule's `where` to hold.
    pub(crate) fn admits(&self, rule: &Rule, id: Option<&str>) -> Result<(), Denial> {
        let Reader { engine, facts, .. } = self.reader;
        let named = Named { resource_type: facts.name.as_str(), id };
        self.place.party.before(rule, Some(named))?;
        if self.place.party.admits(rule, named, self.resource) {
            return Ok(());
        }
        let reason = rule.condition(engine).map_or(Reason::TagMismatch, |_| Reason::WhereFalse);
        Err(Denial::new(Phase::Tags, reason))
    }
}

/// What a `patient/` rule writes, and what it writes over, is the context's, wholly and provably (D61).
pub(crate) fn owned(
    engine: &Engine,
    facts: &TypeFacts,
    resource: Value<'_>,
    patient: &str,
    (eyes, siblings): (&Eyes<'_>, &[Sibling<'_>]),
) -> Result<(), Denial> {
    let other = Denial::new(Phase::Body, Reason::OtherOwner);
    let nobody = Denial::new(Phase::Body, Reason::NoOwner);
    if cover::contains_patient(&resource) {
        return Err(other);
    }
    let is_member = || cover::is_member(engine, facts, &resource, patient, eyes);
    match facts.standing {
        Standing::Compartment | Standing::PatientElement => {}
        Standing::Patient => return if is_member() { Ok(()) } else { Err(other) },
        // What is written is all of it, whatever it says of itself; that it says so is refused after this (D60).
        Standing::NamesPatients => {
            return if cover::names_only(facts, &resource, patient, eyes) { Ok(()) } else { Err(nobody) };
        }
        Standing::Binary => {
            let named = resource.get("securityContext").is_some();
            return if is_member() { Ok(()) } else { Err(if named { other } else { nobody }) };
        }
        Standing::Shared | Standing::Provenance | Standing::Undecidable => return Err(nobody),
    }
    let (mut found, mut foreign) = (false, false);
    for path in &facts.owners {
        cover::each_at(resource, &path.elements, &mut |element| match names(element, eyes.bases) {
            Names::Patient(named) if named == patient => found = true,
            Names::Other => {}
            Names::Unknown if is_sibling(element, siblings) => {}
            Names::Patient(_) | Names::Unknown | Names::Conditional => foreign = true,
        });
    }
    match (foreign, found && is_member()) {
        (true, _) => Err(other),
        (false, true) => Ok(()),
        (false, false) => Err(nobody),
    }
}

/// Whether a reference names what another entry of the transaction writes, and that is no Patient.
fn is_sibling(element: Value<'_>, siblings: &[Sibling<'_>]) -> bool {
    let declared = element.text("type");
    element.text("reference").is_some_and(|reference| {
        let known = siblings.iter().find(|sibling| *sibling.url == *reference);
        known.is_some_and(|sibling| {
            sibling.resource_type != "Patient" && declared.is_none_or(|declared| *declared == *sibling.resource_type)
        })
    })
}

/// Whether a value that a patch brings in is, or holds, a reference that the server would resolve by a search.
pub(crate) fn holds_conditional(value: &str, home: &str) -> bool {
    use crate::reference::Reference;
    let Ok(document) = Document::read(value) else { return true };
    let root = document.root();
    let mut found = root.as_str().is_some_and(|text| matches!(Reference::read(&text, &[home]), Reference::Conditional));
    let mut note = |element: Value<'_>| found |= names(element, &[home]) == Names::Conditional;
    note(root);
    each_reference(root, &mut note);
    found
}

/// A resource that is a part of what is stored, or of which only a part is seen, is not written over (409).
pub(crate) fn is_whole(resource: Value<'_>) -> Result<(), Denial> {
    if cover::is_subsetted(&resource) {
        return Err(Denial::new(Phase::Body, Reason::ExistingNotCovered).with_status(409));
    }
    Ok(())
}

/// Whether a name is one that decides, but for its case.
pub(crate) fn is_disguised(name: &str, decisive: &[&str]) -> bool {
    decisive.iter().any(|known| known.eq_ignore_ascii_case(name)) && !decisive.contains(&name)
}

/// Whether an upstream that compares names without their case, or takes a list of one for its element,
/// would read another resource than the one that is decided here.
///
/// No property of FHIR has a letter outside ASCII, and some of these are others in another case (`ſ` is `S`).
pub(crate) fn has_two_readings(value: Value<'_>, decisive: &[&str]) -> bool {
    let mut names: Vec<String> = value.members().map(|member| member.name.to_ascii_lowercase()).collect();
    names.sort_unstable();
    let repeats = names.windows(2).any(|pair| pair.first() == pair.last());
    let disguised = |name: &str| !name.is_ascii() || is_disguised(name, decisive);
    let unclear =
        |name: &str, value: Value<'_>| name == "reference" && value.kind() != Kind::String && !value.is_object();
    repeats
        || value.members().any(|member| {
            disguised(&member.name) || unclear(&member.name, member.value) || has_two_readings(member.value, decisive)
        })
        || value.elements().any(|element| has_two_readings(element, decisive))
}
