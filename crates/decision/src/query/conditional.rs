//! The query of a conditional write, and of `If-None-Exist` (D17, D18, D56).
//!
//! Invariant: nothing of it is left out. What would be, an unknown name or a name without a value, would make the write reach
//! more than its author meant; so it is refused.

use policy::decision::{Obligation, Phase};
use policy::reason::Reason;

use super::class::{self, Class, refused, unknown};
use super::permits::Permits;
use super::{Scene, include, narrow};
use crate::denial::Denial;
use crate::judge::Trace;
use crate::normalise::{self, Parameter};
use crate::upstream::encode;

/// Parameters that are no predicates, whatever their value.
const OTHERS: &[&str] = &["_include", "_revinclude", "_sort"];

fn malformed() -> Denial {
    Denial::new(Phase::Query, Reason::MalformedQuery)
}

/// Whether a name is none of a predicate, nor of a join where these may stand; whatever its value.
pub(super) fn is_no_predicate(name: &str, joins: bool) -> bool {
    let code = name.split([':', '.']).next().unwrap_or(name);
    let joined = name.contains('.') || code == "_has";
    if joined { !joins } else { OTHERS.contains(&code) }
}

/// The class of a parameter that may stand in such a query: a predicate, or a proof of ownership; a join where `joins` says so.
fn class_of<'a>(scene: &Scene<'a>, one: &Parameter<'a>, joins: bool) -> Result<Class<'a>, Denial> {
    let class = class::of(scene, one)?;
    match class {
        Class::Unknown => Err(unknown()),
        Class::Include { reverse, iterate } => include::form(scene, one, reverse, iterate).and(Err(refused())),
        Class::Shape | Class::Sort => Err(refused()),
        Class::Empty if is_no_predicate(one.name, joins) => Err(refused()),
        Class::Empty => Err(malformed()),
        Class::Join if !joins => Err(refused()),
        Class::Predicate if one.value.is_empty() => Err(malformed()),
        Class::Join | Class::Ownership { .. } | Class::Predicate => Ok(class),
    }
}

/// The query of a conditional update, patch or delete: predicates, and at least one.
pub(crate) fn of_write<'a>(
    scene: &Scene<'a>,
    parameters: &[Parameter<'a>],
    trace: &mut Trace<'a>,
) -> Result<&'a str, Denial> {
    let mut pairs = scene.arena.list_of(parameters.len());
    for one in parameters {
        class_of(scene, one, false)?;
        trace.used.push(one.name.into());
        pairs.push((one.name, one.value));
    }
    if pairs.is_empty() {
        return Err(malformed());
    }
    super::note_labels(scene.engine, trace);
    Ok(encode(&pairs, scene.arena))
}

/// The search of `If-None-Exist`, permitted by some rules.
#[derive(Debug)]
pub(crate) struct Condition<'a> {
    permits: Permits<'a>,
    judged: bumpalo::collections::Vec<'a, (&'a Parameter<'a>, Class<'a>)>,
}

/// Judges the search of `If-None-Exist` by each rule.
pub(crate) fn of_create<'a>(
    scene: &Scene<'a>,
    header: &'a str,
    fitting: &[u16],
    trace: &mut Trace<'a>,
) -> Result<Condition<'a>, Denial> {
    let query = header.strip_prefix('?').unwrap_or(header);
    if query.contains('?') {
        return Err(malformed());
    }
    let parameters =
        normalise::query_of(query, scene.arena).map_err(|denial| Denial { phase: Phase::Query, ..denial })?;
    let mut judged = scene.arena.list_of(parameters.len());
    for one in parameters {
        judged.push((one, class_of(scene, one, true)?));
    }
    if judged.is_empty() {
        return Err(malformed());
    }
    // A list of fields of a create is one of its body (D28).
    let permits = Permits::of(scene, &judged, &[], fitting, trace)?;
    Ok(Condition { permits, judged })
}

impl<'a> Condition<'a> {
    /// The rules that permit the search.
    pub(crate) fn rules(&self) -> &[u16] {
        &self.permits.rules
    }

    /// The search that goes upstream, for those of its rules that permit the create too.
    ///
    /// Whether the upstream creates tells whether it found something, so the search has to find only what the rules cover.
    pub(crate) fn narrowed(
        mut self,
        scene: &Scene<'a>,
        permitting: &[u16],
        trace: &mut Trace<'a>,
    ) -> Result<&'a str, Denial> {
        self.permits.keep(scene, permitting);
        let narrowed = narrow::narrow(scene, &self.permits);
        if narrowed.inexact {
            return Err(Denial::new(Phase::Query, Reason::ConditionalDenied));
        }
        let mut pairs = scene.arena.list_of(self.judged.len() + narrowed.added.len());
        for (one, class) in self.judged.iter().filter(|(_, class)| !narrowed.replaces(class)) {
            super::note(one.name, class, trace);
            pairs.push((one.name, one.value));
        }
        for (name, value) in &narrowed.added {
            trace.used.push((*name).into());
            pairs.push((name, value));
        }
        let query = encode(&pairs, scene.arena);
        trace.obligations.push(Obligation::SetHeader("if-none-exist".into(), query.into()));
        Ok(query)
    }
}
