//! `$operations`: `$everything`, by letters; all others by a role that names them.

mod everything;
pub(crate) mod export;
mod parameters;

use policy::decision::{Obligation, Phase};
use policy::reason::Reason;

use super::{Halt, Plan, Planned, Scene, Trace, internal};
use crate::cover::{self, each_reference};
use crate::denial::Denial;
use crate::json::{Document, Value};
use crate::normalise::{Parameter, alternatives, unescape};
use crate::query::{self, class, shape};
use crate::reference::Reference;
use crate::rules::Rule;
use crate::stored::{self, Current};
use crate::upstream::{self, Sends};

/// The operation that no role opens: its query is a language of its own.
const GRAPHQL: &str = "graphql";
/// Parameters whose values name a Patient, typed or not.
const PATIENTS: &[&str] = &["patient", "subject"];

impl<'a> Scene<'_, 'a> {
    pub(super) fn operate(&self, trace: &mut Trace<'a>) -> Result<Planned<'a>, Halt> {
        let code = self.operation.fhir.as_ref().and_then(|fhir| fhir.code.as_deref());
        match code {
            Some("everything") => self.everything(trace),
            Some("export") => self.export(trace),
            Some(GRAPHQL) | None => Err(Denial::new(Phase::Rules, self.unnamed()).into()),
            Some(_) => self.named(trace),
        }
    }

    /// Why an operation that no role can open, or none does, is refused.
    fn unnamed(&self) -> Reason {
        if self.grants.any { Reason::OperationDenied } else { Reason::NoPermission }
    }

    /// An operation that a role names (D11, D12).
    fn named(&self, trace: &mut Trace<'a>) -> Result<Planned<'a>, Halt> {
        let mut fitting = self.arena.list_of(2);
        let naming = |(rule, _): &(&Rule, u16)| rule.names(self.engine, self.index);
        fitting.extend(self.grants.list.iter().zip(0_u16..).filter(naming).map(|(_, index)| index));
        let fitting: &[u16] = fitting.into_bump_slice();
        if fitting.is_empty() {
            return Err(Denial::new(Phase::Rules, self.unnamed()).into());
        }
        self.async_only_for_systems(fitting)?;
        let guarded = self.grants.patient.is_some();
        if guarded && self.target.path_patient.is_some_and(|named| self.grants.patient.as_deref() != Some(named)) {
            return Err(Denial::new(Phase::Rules, Reason::OtherPatient).into());
        }
        trace.phase = Phase::Query;
        let query = self.operation_query(guarded, trace)?;
        let fitting = self.within_fields(fitting, true, trace)?;
        trace.phase = Phase::Body;
        let document = self.operation_body()?;
        if let (true, Some(document)) = (guarded, &document) {
            self.names_the_context(document.root())?;
        }
        let permitting = self.tags(fitting, document.as_ref().map(Document::root), trace)?;
        if guarded && self.target.path_patient.is_none() {
            self.instance_is_the_contexts(trace)?;
        }
        let media = (!self.request.body.is_empty()).then_some("application/fhir+json");
        let sends = Sends { query, media, ..Sends::default() };
        let upstream = upstream::fhir(self.request, self.call, self.operation, sends, self.arena, trace);
        Ok(Planned { plan: Plan::Operation { guarded }, permitting, upstream })
    }

    /// The parameters that the document declares, and shape.
    fn operation_query(&self, guarded: bool, trace: &mut Trace<'a>) -> Result<&'a str, Denial> {
        let mut pairs = self.arena.list_of(self.call.parameters.len());
        let mut shaped = shape::Shape::new(self.arena);
        for one in self.call.parameters {
            let declared = |name: &str| self.operation.query.iter().any(|known| **known == *name);
            if class::is_escape(one.name) {
                return Err(class::refused());
            }
            if declared(one.name) {
                if guarded {
                    self.value_names_the_context(one.name, one.value)?;
                }
                trace.used.push(one.name.into());
                pairs.push((one.name, one.value));
            } else if shape::is_shape(one.name) {
                shaped.add(one, trace)?;
            } else if one.name.starts_with('_')
                || shape::differs_in_case(one.name)
                || self.operation.query.iter().any(|known| known.eq_ignore_ascii_case(one.name))
            {
                return Err(class::unknown());
            } else {
                query::drop_parameter(one.name, trace);
            }
        }
        shaped.pairs(|pair| pairs.push(pair));
        query::note_labels(self.engine, trace);
        Ok(upstream::encode(&pairs, self.arena))
    }

    /// The query of an operation that has these parameters and no others; `says` is whether one of them says anything.
    fn own_parameters(
        &self,
        names: &[&str],
        says: impl Fn(&Parameter<'_>) -> bool,
        trace: &mut Trace<'a>,
    ) -> Result<&'a str, Denial> {
        let mut pairs = self.arena.list_of(self.call.parameters.len());
        let mut shaped = shape::Shape::new(self.arena);
        for one in self.call.parameters {
            let known = names.contains(&one.name);
            if class::is_escape(one.name) {
                return Err(class::refused());
            }
            if !known && one.name.starts_with('_') {
                return Err(class::unknown());
            }
            if known && shape::is_shape(one.name) {
                shaped.add(one, trace)?;
                continue;
            }
            if !known || !says(one) {
                query::drop_parameter(one.name, trace);
                continue;
            }
            // Two of them are at odds; of filters each is one (D50).
            if one.name != export::REPEATED && pairs.iter().any(|(name, _)| *name == one.name) {
                return Err(Denial::new(Phase::Query, Reason::MalformedQuery));
            }
            trace.used.push(one.name.into());
            pairs.push((one.name, one.value));
        }
        shaped.pairs(|pair| pairs.push(pair));
        query::note_labels(self.engine, trace);
        Ok(upstream::encode(&pairs, self.arena))
    }

    /// The body of an operation, read strictly; none if there is none.
    fn operation_body(&self) -> Result<Option<Document<'a>>, Denial> {
        if self.request.body.is_empty() {
            return Ok(None);
        }
        let malformed = Denial::new(Phase::Body, Reason::MalformedBody);
        let text = std::str::from_utf8(self.request.body).map_err(|_| malformed)?;
        let document = Document::read(text).map_err(|_| malformed)?;
        let root = document.root();
        let two_readings = crate::body::has_two_readings(root, crate::body::DECISIVE);
        if root.is_ambiguous() || !root.is_object() || root.text("resourceType").is_none() || two_readings {
            return Err(malformed);
        }
        Ok(Some(document))
    }

    /// Whether a value of the query that names a Patient names the context.
    fn value_names_the_context(&self, name: &str, value: &str) -> Result<(), Denial> {
        let other = Denial::new(Phase::Query, Reason::OtherPatient);
        let Some(patient) = self.grants.patient.as_deref() else { return Ok(()) };
        for one in alternatives(value) {
            let one = unescape(one);
            let own = match Reference::read(&one, &self.bases) {
                Reference::Local { versioned: true, .. } => return Err(class::refused()),
                Reference::Local { resource_type: "Patient", id, .. } => id == patient,
                // The upstream would look for that Patient itself.
                Reference::Conditional if one.contains("Patient?") => false,
                // A value that names nobody is data, unless the parameter says that it is a patient.
                _ => !PATIENTS.contains(&name) || *one == *patient,
            };
            if !own {
                return Err(other);
            }
        }
        Ok(())
    }

    /// Whether every Patient that a body names, or holds, is the context.
    fn names_the_context(&self, body: Value<'_>) -> Result<(), Denial> {
        use crate::reference::{Names, names};
        let Some(patient) = self.grants.patient.as_deref() else { return Ok(()) };
        let (mut other, mut conditional) = (false, false);
        each_reference(body, &mut |element| match names(element, &self.bases) {
            Names::Patient(own) if own == patient => {}
            Names::Patient(_) => other = true,
            Names::Conditional => conditional = true,
            // Whose Patient it is cannot be told, and that it is one can.
            Names::Unknown => other |= element.text("reference").is_some_and(|text| text.contains("Patient/")),
            Names::Other => {}
        });
        if conditional {
            return Err(Denial::new(Phase::Body, Reason::ConditionalDenied));
        }
        if other || !holds_only(body, patient) {
            return Err(Denial::new(Phase::Body, Reason::OtherPatient));
        }
        Ok(())
    }

    /// An instance in the path that is no Patient has to be the context's.
    fn instance_is_the_contexts(&self, trace: &mut Trace<'a>) -> Result<(), Halt> {
        let (Some(name), Some(id)) = (self.target.resource_type, self.target.id) else { return Ok(()) };
        let patient = self.grants.patient.as_deref().ok_or_else(internal)?;
        let lookup = stored::of_instance(self.target.prefix, name, id, self.arena);
        trace.obligations.push(Obligation::CheckExisting(name.into()));
        trace.phase = Phase::Response;
        let Current::There(stored) = stored::current(self.request, lookup, trace.phase)? else {
            return Err(self.hidden(Reason::NotFound, trace).into());
        };
        let document = Document::of(stored.body);
        let facts = self.engine.facts(name);
        let member = document.as_ref().zip(facts).is_some_and(|(document, facts)| {
            let resource = document.root();
            let eyes = self.eyes_on_stored(self.asked_by_query());
            cover::is_instance(&resource, name, id) && cover::is_own(self.engine, facts, &resource, patient, &eyes)
        });
        if member { Ok(()) } else { Err(self.hidden(Reason::ExistingNotCovered, trace).into()) }
    }
}

/// Whether every Patient resource within a value has this id.
fn holds_only(value: Value<'_>, patient: &str) -> bool {
    let says = |name: &str, what: &str| value.get(name).is_some_and(|own| own.is_text(what));
    let own = !says("resourceType", "Patient") || says("id", patient);
    own && value.values().all(|inner| holds_only(inner, patient))
}
