//! What of a source is refused before it becomes a bundle.
//!
//! Invariant: a finding names its place in the Service (`/tagged/3`, `/roles/role_…/where`); whatever these checks let
//! pass is within the limits of the bundle.

mod credentials;
mod roles;
mod settings;
mod tags;

pub(crate) use credentials::check as credentials;
pub(crate) use roles::{roles, scopes};
pub(crate) use settings::check as settings;
pub(crate) use tags::{check as tags, is_tag_key};

use std::collections::BTreeSet;

use crate::finding::{Findings, quote, says};

/// Refuses what stands twice in a list.
fn refuse_twice<T: Ord>(list: impl Iterator<Item = (T, String)>, place: &str, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for (index, (key, name)) in list.enumerate() {
        if !seen.insert(key) {
            let message = format!("{} is there twice", quote(&name));
            findings.error(|| format!("{place}/{index}"), says("twice", message, "keep one of them"));
        }
    }
}

/// Refuses a list that is longer than the bundle holds.
fn refuse_long(count: usize, limit: usize, place: &str, findings: &mut Findings) {
    if count > limit {
        let message = format!("there are {count}, more than {limit}");
        findings.error(|| place.to_owned(), says("too_many", message, "take some out"));
    }
}

/// A short text for people and programs: not empty, within the limit, without control characters.
fn is_short(text: &str, limit: usize) -> bool {
    (1..=limit).contains(&text.len()) && !text.chars().any(char::is_control)
}
