//! Shape parameters: which elements of the answer, how many, in what form.

use policy::decision::{Obligation, Phase};
use policy::facts::{Standing, TypeFacts};
use policy::letters::Letters;
use policy::reason::Reason;

use super::class::refused;
use crate::Engine;
use crate::cover::owner_paths;
use crate::denial::Denial;
use crate::judge::Trace;
use crate::normalise::Parameter;
use crate::rules::Rules;

/// The parameters that shape an answer, wherever they stand.
const NAMES: &[&str] =
    &["_contained", "_containedType", "_count", "_elements", "_format", "_pretty", "_summary", "_total"];
/// The largest `_count`, in digits; upstreams have limits of their own.
const MAX_COUNT_DIGITS: usize = 6;
/// Elements that every answer has, whatever was asked for.
const ALWAYS: &[&str] = &["resourceType", "id", "meta"];

/// The shape that a client asks for.
#[derive(Debug, Default)]
pub(super) struct Shape {
    elements: Option<Vec<String>>,
    summary: Option<String>,
    count: Option<String>,
    total: Option<String>,
    format: bool,
    pretty: Option<String>,
}

pub(super) fn is_shape(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Whether a name is one of a shape parameter's, but for its case.
pub(super) fn differs_in_case(name: &str) -> bool {
    NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn malformed() -> Denial {
    Denial::new(Phase::Query, Reason::MalformedQuery)
}

impl Shape {
    /// Reads one shape parameter; two that differ are at odds.
    pub(super) fn add(&mut self, one: &Parameter<'_>, trace: &mut Trace) -> Result<(), Denial> {
        trace.ignored.push(one.name.to_string());
        let value = &*one.value;
        if value.is_empty() {
            trace.obligations.push(Obligation::DropQuery(one.name.to_string().into()));
            return Ok(());
        }
        match &*one.name {
            "_elements" => self.add_elements(value),
            "_format" => {
                // Its value was checked in phase 1; it goes upstream in one form.
                self.format = true;
                if value != "json" {
                    trace.obligations.push(Obligation::SetQuery("_format".into(), "json".into()));
                }
                Ok(())
            }
            "_summary" => match value {
                "text" => Err(refused()),
                "true" | "data" | "false" | "count" => set(&mut self.summary, value),
                _ => Err(malformed()),
            },
            "_count" => {
                let number = value.len() <= MAX_COUNT_DIGITS && value.bytes().all(|byte| byte.is_ascii_digit());
                if number { set(&mut self.count, value) } else { Err(malformed()) }
            }
            "_total" if matches!(value, "none" | "estimate" | "accurate") => set(&mut self.total, value),
            "_pretty" if matches!(value, "true" | "false") => set(&mut self.pretty, value),
            "_total" | "_pretty" => Err(malformed()),
            // `_contained`: resources without an owner of their own.
            _ => Err(refused()),
        }
    }

    fn add_elements(&mut self, value: &str) -> Result<(), Denial> {
        let elements = self.elements.get_or_insert_default();
        for name in value.split(',') {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
            if name.is_empty() || !name.bytes().all(plain) {
                return Err(malformed());
            }
            if !elements.iter().any(|known| known == name) {
                elements.push(name.to_owned());
            }
        }
        Ok(())
    }

    /// Whether it asks for a count, beside or instead of resources.
    pub(super) fn counts(&self) -> bool {
        self.total.is_some() || self.counts_only()
    }

    /// Whether it asks for a count instead of resources.
    pub(super) fn counts_only(&self) -> bool {
        self.summary.as_deref() == Some("count")
            || self.count.as_ref().is_some_and(|count| count.bytes().all(|digit| digit == b'0'))
    }

    /// Whether resources will lack elements.
    pub(super) fn is_partial(&self) -> bool {
        self.elements.is_some() || self.summary.as_deref() == Some("true")
    }

    /// Adds the elements that the answer is decided by; those that the client did not ask for.
    pub(super) fn need(
        &mut self,
        engine: &Engine,
        rules: &Rules<'_>,
        types: &[&TypeFacts],
        trace: &mut Trace,
    ) -> Vec<String> {
        let Some(elements) = &mut self.elements else { return Vec::new() };
        let mut added = Vec::new();
        for facts in types {
            for name in needed(engine, rules, facts) {
                let asked = |known: &String| known.split('.').next() == Some(name);
                if !ALWAYS.contains(&name) && !elements.iter().any(asked) && !added.iter().any(|known| known == name) {
                    added.push(name.to_owned());
                }
            }
        }
        elements.extend(added.iter().cloned());
        if !added.is_empty() {
            trace.obligations.push(Obligation::SetQuery("_elements".into(), elements.join(",").into()));
        }
        added
    }

    /// The parameters, in one form.
    pub(super) fn pairs(&self) -> Vec<(&'static str, String)> {
        let elements = self.elements.as_ref().map(|elements| elements.join(","));
        let format = self.format.then(|| "json".to_owned());
        let pairs = [
            ("_elements", elements),
            ("_summary", self.summary.clone()),
            ("_count", self.count.clone()),
            ("_total", self.total.clone()),
            ("_format", format),
            ("_pretty", self.pretty.clone()),
        ];
        pairs.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect()
    }
}

fn set(slot: &mut Option<String>, value: &str) -> Result<(), Denial> {
    match slot {
        Some(known) if known != value => Err(malformed()),
        _ => {
            *slot = Some(value.to_owned());
            Ok(())
        }
    }
}

/// The outermost elements that tell whether a resource of this type is covered.
fn needed<'e>(engine: &'e Engine, rules: &Rules<'_>, facts: &'e TypeFacts) -> Vec<&'e str> {
    let name = facts.name.as_str();
    let reads = |letters| rules.list.iter().any(|rule| rule.is_unconstrained() && rule.gives(engine, name, letters));
    if reads(Letters::READ) && reads(Letters::SEARCH) {
        return Vec::new();
    }
    let owner: &[_] = match facts.standing {
        Standing::Compartment | Standing::PatientElement => owner_paths(engine, facts),
        _ => &[],
    };
    let constrained = rules.list.iter().flat_map(|rule| rule.constraints.iter());
    let granular =
        constrained.filter_map(|constraint| engine.parameter(facts, &constraint.name)).flat_map(|one| &one.paths);
    let extra: &[&str] = match facts.standing {
        Standing::Binary => &["securityContext"],
        Standing::Provenance => &["target"],
        _ => &[],
    };
    let paths = owner.iter().chain(granular).filter_map(|path| path.elements.first()).map(|element| &**element);
    paths.chain(extra.iter().copied()).collect()
}
