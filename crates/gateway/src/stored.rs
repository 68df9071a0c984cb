//! What is stored, as far as one request had to ask for it.
//!
//! Invariant: a request asks a bounded number of times for a bounded number of resources, and never
//! twice for the same one; what did not come is handed over as an answer that proves nothing.

use std::collections::{HashMap, HashSet};

use policy::decision::Lookup;
use policy::request::Stored;

/// The most resources that one request may have looked up, before and after it is forwarded.
pub const MAX_LOOKUPS: usize = 600;
/// How often a decision, or phase 9 on one answer, may ask for more.
const MAX_ROUNDS: u32 = 4;
/// The status of a lookup that brought nothing.
const NOTHING: u16 = 502;

/// What the upstream answered to a lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// What was asked.
    pub lookup: Lookup,
    /// The status.
    pub status: u16,
    /// The `ETag`.
    pub etag: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Fetched {
    /// A lookup that brought nothing: no answer, or one that is too long.
    #[must_use]
    pub const fn nothing(lookup: Lookup) -> Self {
        Self { lookup, status: NOTHING, etag: None, body: Vec::new() }
    }
}

/// All that was looked up for one request so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    fetched: Vec<Fetched>,
    rounds: u32,
}

impl Store {
    /// Whether nothing was looked up.
    pub(crate) const fn is_empty(&self) -> bool {
        self.fetched.is_empty()
    }

    /// As the decision point takes it.
    pub(crate) fn view(&self) -> Vec<Stored<'_>> {
        self.fetched.iter().map(stored).collect()
    }

    /// What of these is still to be fetched; none when that is nothing, or when it would be too much.
    pub(crate) fn wanted(&mut self, lookups: &[Lookup]) -> Option<Vec<Lookup>> {
        let mut known: HashSet<&Lookup> = self.fetched.iter().map(|one| &one.lookup).collect();
        let wanted: Vec<Lookup> = lookups.iter().filter(|lookup| known.insert(lookup)).cloned().collect();
        let fits = self.fetched.len() + wanted.len() <= MAX_LOOKUPS && self.rounds < MAX_ROUNDS;
        self.rounds += 1;
        (fits && !wanted.is_empty()).then_some(wanted)
    }

    /// Takes what was fetched for these; whatever did not come counts as nothing.
    pub(crate) fn add(&mut self, asked: Vec<Lookup>, fetched: Vec<Fetched>) {
        let mut came: HashMap<Lookup, Fetched> = fetched.into_iter().map(|one| (one.lookup.clone(), one)).collect();
        self.fetched
            .extend(asked.into_iter().map(|lookup| came.remove(&lookup).unwrap_or_else(|| Fetched::nothing(lookup))));
    }

    /// Another answer is looked at: it may ask as often as the one before.
    pub(crate) const fn begin_again(&mut self) {
        self.rounds = 0;
    }
}

fn stored(one: &Fetched) -> Stored<'_> {
    Stored { lookup: &one.lookup, status: one.status, etag: one.etag.as_deref(), body: &one.body }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(id: usize) -> Lookup {
        Lookup { path: format!("/Observation/{id}"), query: String::new() }
    }

    fn lookups(ids: std::ops::Range<usize>) -> Vec<Lookup> {
        ids.map(lookup).collect()
    }

    #[test]
    fn nothing_is_asked_for_twice() {
        let mut store = Store::default();
        let twice = [lookup(1), lookup(1), lookup(2)];
        assert_eq!(store.wanted(&twice), Some(lookups(1..3)));
        store.add(lookups(1..3), Vec::new());
        assert_eq!(store.wanted(&[lookup(2), lookup(3)]), Some(lookups(3..4)));
        assert_eq!(store.wanted(&twice), None, "what is there already brings nothing new");
        assert_eq!(store.wanted(&[]), None);
    }

    #[test]
    fn a_decision_asks_four_times_and_each_answer_as_often() {
        let mut store = Store::default();
        for round in 0..4 {
            assert!(store.wanted(&[lookup(round)]).is_some(), "{round}");
        }
        assert_eq!(store.wanted(&[lookup(9)]), None);
        store.begin_again();
        assert!(store.wanted(&[lookup(9)]).is_some());
    }

    #[test]
    fn a_request_looks_up_six_hundred_and_no_more() {
        let mut store = Store::default();
        assert_eq!(store.wanted(&lookups(0..MAX_LOOKUPS + 1)), None);
        assert!(store.wanted(&lookups(0..500)).is_some());
        store.add(lookups(0..500), Vec::new());
        assert_eq!(store.wanted(&lookups(500..MAX_LOOKUPS + 1)), None);
        assert!(store.wanted(&lookups(500..MAX_LOOKUPS)).is_some());
    }

    #[test]
    fn what_did_not_come_is_a_502_without_a_body_and_what_was_not_asked_for_is_nothing() {
        let mut store = Store::default();
        let one = Fetched { lookup: lookup(1), status: 200, etag: Some("W/\"1\"".into()), body: b"{}".to_vec() };
        let other = Fetched { lookup: lookup(7), ..one.clone() };
        store.add(lookups(1..3), vec![other, one]);
        let seen: Vec<_> =
            store.view().iter().map(|one| (one.lookup.clone(), one.status, one.etag, one.body)).collect();
        assert_eq!(seen, [(lookup(1), 200, Some("W/\"1\""), &b"{}"[..]), (lookup(2), 502, None, &b""[..])]);
    }
}
