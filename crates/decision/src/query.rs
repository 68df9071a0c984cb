//! Phase 5.
use policy::decision::{Obligation, Phase};
use policy::operation::Operation;
use policy::reason::Reason;

use crate::Engine;
use crate::denial::Denial;
use crate::judge::Trace;
use crate::normalise::Call;
use crate::rules::Rules;

#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) resource_type: String,
    pub(crate) inexact: bool,
    pub(crate) added: Vec<String>,
}

impl Search {
    pub(crate) fn has_includes(&self) -> bool {
        false
    }
}

pub(crate) struct Planned {
    pub(crate) query: String,
    pub(crate) form: Option<String>,
    pub(crate) search: Search,
    pub(crate) permitting: Vec<usize>,
}

fn not_built() -> Denial {
    Denial::new(Phase::Query, Reason::NotBuilt)
}

pub(crate) fn declared(call: &Call<'_>, operation: &Operation, trace: &mut Trace) -> Result<String, Denial> {
    let mut kept = Vec::new();
    for one in call.parameters.iter().filter(|one| !one.form) {
        if operation.query.iter().any(|name| **name == *one.name) {
            kept.push((&*one.name, &*one.value));
        } else if one.name.starts_with('_') || operation.query.iter().any(|name| name.eq_ignore_ascii_case(&one.name)) {
            return Err(Denial::new(Phase::Query, Reason::UnknownParameter));
        } else {
            trace.ignored.push(one.name.to_string());
            trace.obligations.push(Obligation::DropQuery(one.name.to_string()));
        }
    }
    Ok(crate::upstream::encode(kept.into_iter()))
}

pub(crate) fn shape_only(_: &Engine, call: &Call<'_>, _: &Operation, _: &str, _: &Rules<'_>, _: &mut Trace) -> Result<String, Denial> {
    if call.parameters.is_empty() { Ok(String::new()) } else { Err(not_built()) }
}

pub(crate) fn search(_: &Engine, call: &Call<'_>, _: &Operation, resource_type: &str, rules: &Rules<'_>, fitting: &[usize], _: &mut Trace) -> Result<Planned, Denial> {
    let whole = fitting.iter().filter_map(|index| rules.list.get(*index)).any(|rule| rule.is_unconstrained());
    if !call.parameters.is_empty() || !whole {
        return Err(not_built());
    }
    Ok(Planned {
        query: String::new(),
        form: call.form.then(String::new),
        search: Search { resource_type: resource_type.to_owned(), inexact: false, added: Vec::new() },
        permitting: fitting.to_vec(),
    })
}
