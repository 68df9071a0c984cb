//! Security labels: the Confidentiality of a resource against the caller's clearance (D26).
//!
//! Invariant: whatever of `meta.security` cannot be read counts as the highest label, so nothing is released because a
//! label was written badly.

use std::borrow::Cow;

use policy::settings::Confidentiality;

use crate::json::Value;

/// The code systems of Confidentiality, R4 and STU3.
const SYSTEMS: &[&str] =
    &["http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "http://hl7.org/fhir/v3/Confidentiality"];

/// How far a caller may see: of an issuer that is trusted for roles, its `clearance`; else, and if that is no code, U.
pub(crate) fn clearance(claim: Option<&str>, trusted: bool) -> Confidentiality {
    claim.filter(|_| trusted).and_then(Confidentiality::parse).unwrap_or(Confidentiality::U)
}

/// The highest Confidentiality of a resource; without one, the Service's default.
pub(crate) fn highest(resource: Value<'_>, default: Confidentiality) -> Confidentiality {
    match codings(resource) {
        None => Confidentiality::V,
        Some(codings) => codings.iter().filter_map(Coding::confidentiality).max().unwrap_or(default),
    }
}

/// Whether a caller of that clearance may see the resource.
pub(crate) fn is_within(resource: Value<'_>, default: Confidentiality, clearance: Confidentiality) -> bool {
    highest(resource, default) <= clearance
}

/// Whether a write keeps to the labels: the new state is within the clearance, has every coding of `meta.security` that
/// is stored, and is not lower than what is stored, also where only the default says what that is.
pub(crate) fn may_write(
    stored: Option<Value<'_>>,
    new: Value<'_>,
    default: Confidentiality,
    clearance: Confidentiality,
) -> bool {
    is_within(new, default, clearance)
        && stored.is_none_or(|stored| {
            let keeps = match (codings(stored), codings(new)) {
                (Some(before), Some(mut after)) => {
                    after.sort_unstable();
                    before.iter().all(|coding| after.binary_search(coding).is_ok())
                }
                (None, _) | (_, None) => false,
            };
            keeps && highest(new, default) >= highest(stored, default)
        })
}

/// What tells one coding from another; `display` and `userSelected` do not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Coding<'a> {
    system: Option<Cow<'a, str>>,
    version: Option<Cow<'a, str>>,
    code: Option<Cow<'a, str>>,
}

impl Coding<'_> {
    /// Its Confidentiality, if it is of one of the two systems: without a code that is known, the highest.
    fn confidentiality(&self) -> Option<Confidentiality> {
        let system = self.system.as_deref()?;
        let code = self.code.as_deref().and_then(Confidentiality::parse);
        SYSTEMS.contains(&system).then(|| code.unwrap_or(Confidentiality::V))
    }
}

/// The codings of `meta.security`; none if they cannot be read.
fn codings(resource: Value<'_>) -> Option<Vec<Coding<'_>>> {
    let Some(meta) = resource.get("meta") else { return Some(Vec::new()) };
    if !meta.is_object() || meta.is_ambiguous() {
        return None;
    }
    let Some(security) = meta.get("security") else { return Some(Vec::new()) };
    if !security.is_array() {
        return None;
    }
    security.elements().map(coding).collect()
}

/// One coding; a code that is no text counts as none, a system that is no text cannot be read.
fn coding(value: Value<'_>) -> Option<Coding<'_>> {
    let system = value.get("system");
    let unclear = !value.is_object() || system.is_some_and(|system| system.as_str().is_none());
    (!unclear).then(|| Coding {
        system: value.text("system"),
        version: value.text("version"),
        code: value.text("code"),
    })
}

#[cfg(test)]
mod tests {
    use policy::settings::Confidentiality::{L, M, N, R, U, V};
    use proptest::prelude::*;

    use super::*;
    use crate::json::Document;

    const R4: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
    const STU3: &str = "http://hl7.org/fhir/v3/Confidentiality";

    fn labelled(codings: &[(&str, &str)]) -> String {
        let codings: Vec<String> =
            codings.iter().map(|(system, code)| format!(r#"{{"system":"{system}","code":"{code}"}}"#)).collect();
        format!(r#"{{"meta":{{"security":[{}]}}}}"#, codings.join(","))
    }

    fn of(text: &str) -> Confidentiality {
        highest(Document::read(text).unwrap().root(), N)
    }

    #[test]
    fn d26_the_highest_coding_of_both_systems_counts() {
        assert_eq!(of(&labelled(&[(R4, "L")])), L);
        assert_eq!(of(&labelled(&[(R4, "L"), (STU3, "R"), (R4, "M")])), R);
        assert_eq!(of(&labelled(&[("http://example.org/other", "V"), (R4, "U")])), U);
    }

    #[test]
    fn d26_without_a_label_the_default_counts() {
        let other = labelled(&[("http://example.org/other", "V")]);
        for text in
            ["{}", r#"{"meta":{}}"#, r#"{"meta":{"security":[]}}"#, &*other, r#"{"meta":{"security":[{"code":"V"}]}}"#]
        {
            assert_eq!(of(text), N, "{text}");
        }
    }

    #[test]
    fn d26_what_is_unknown_or_unreadable_is_the_highest() {
        for text in [
            &*labelled(&[(R4, "r")]),
            &labelled(&[(R4, "")]),
            &format!(r#"{{"meta":{{"security":[{{"system":"{R4}"}}]}}}}"#),
            &format!(r#"{{"meta":{{"security":[{{"system":"{R4}","code":1}}]}}}}"#),
            &format!(r#"{{"meta":{{"security":{{"system":"{R4}","code":"U"}}}}}}"#),
            r#"{"meta":{"security":[{"system":["x"],"code":"U"}]}}"#,
            r#"{"meta":{"security":["U"]}}"#,
            r#"{"meta":{"security":null}}"#,
            r#"{"meta":[]}"#,
            r#"{"meta":{"security":[],"security":[]}}"#,
        ] {
            assert_eq!(of(text), V, "{text}");
        }
    }

    #[test]
    fn d26_a_clearance_that_is_no_code_or_of_an_issuer_that_is_not_trusted_is_u() {
        assert_eq!(clearance(Some("R"), true), R);
        for (claim, trusted) in [(Some("R"), false), (Some("r"), true), (Some("RR"), true), (None, true)] {
            assert_eq!(clearance(claim, trusted), U, "{claim:?}");
        }
    }

    fn write(stored: Option<&str>, new: &str, clearance: Confidentiality) -> bool {
        let stored = stored.map(|text| Document::read(text).unwrap());
        let new = Document::read(new).unwrap();
        may_write(stored.as_ref().map(Document::root), new.root(), N, clearance)
    }

    #[test]
    fn d26_a_new_state_is_within_the_clearance() {
        assert!(write(None, &labelled(&[(R4, "R")]), R));
        assert!(!write(None, &labelled(&[(R4, "R")]), N));
        assert!(write(None, "{}", N));
        assert!(!write(None, "{}", M));
    }

    #[test]
    fn d26_a_write_keeps_every_coding_that_is_stored() {
        let other = ("http://example.org/other", "x");
        let stored = labelled(&[(R4, "N"), other]);
        assert!(write(Some(&stored), &labelled(&[other, (R4, "R"), (R4, "N")]), V));
        for new in [&[(R4, "N")][..], &[other], &[(STU3, "N"), other], &[]] {
            assert!(!write(Some(&stored), &labelled(new), V), "{new:?}");
        }
    }

    #[test]
    fn d26_a_write_does_not_lower_what_only_the_default_says() {
        assert!(!write(Some("{}"), &labelled(&[(R4, "U")]), V));
        assert!(write(Some("{}"), &labelled(&[(R4, "R")]), V));
        assert!(!write(Some(r#"{"meta":{"security":1}}"#), "{}", V));
    }

    proptest! {
        #[test]
        fn one_more_coding_never_opens_a_resource(codes in prop::collection::vec("[ULMNRVx]", 1..4), more in "[ULMNRVx]", default in 0_usize..6, clearance in 0_usize..6) {
            let all = [U, L, M, N, R, V];
            let few: Vec<(&str, &str)> = codes.iter().map(|code| (R4, &**code)).collect();
            let many: Vec<(&str, &str)> = few.iter().copied().chain([(STU3, &*more)]).collect();
            let (few, many) = (labelled(&few), labelled(&many));
            let (few, many) = (Document::read(&few).unwrap(), Document::read(&many).unwrap());
            let within = |document: &Document<'_>| is_within(document.root(), all[default], all[clearance]);
            prop_assert!(within(&few) || !within(&many));
        }
    }
}
