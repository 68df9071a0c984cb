//! Phase 8, `where`: whether a role's condition holds (D24).
//!
//! Invariant: an operand that is missing or mistyped, anywhere in the condition, makes the whole of it false, under `NOT`
//! and `!=` too; so every comparison is looked at, and none is skipped because another one has already decided.

use std::borrow::Cow;

use policy::condition::{Comparison, Condition, Operand};

use crate::json::{Kind, Value};
use crate::normalise::Parameter;
use crate::tags::{PrincipalTags, Tags};

/// What the operands of a condition are read from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operands<'a> {
    /// The tags of the resource; none while only the resource can tell.
    pub(crate) resource: Option<&'a Tags<'a>>,
    /// The caller's tags.
    pub(crate) principal: &'a PrincipalTags,
    /// What `$request` reads.
    pub(crate) asked: Asked<'a>,
}

/// The request, as `$request` reads it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked<'a> {
    /// Its JSON body.
    Body(Value<'a>),
    /// It has none: its query parameters, decoded, those of a form too.
    Query(&'a [Parameter<'a>]),
}

/// What became of the operands so far.
#[derive(Default)]
struct Seen {
    missing: bool,
    later: bool,
}

/// What one comparison comes to.
enum Found {
    /// One of the operand's values is among those compared with, or none is.
    Any(bool),
    /// There is no such operand, or it is no text.
    Missing,
    /// Only the resource can tell.
    Later,
}

/// Whether the condition holds; none if only the resource's tags can tell.
pub(crate) fn holds(condition: &Condition, operands: &Operands<'_>) -> Option<bool> {
    let mut seen = Seen::default();
    let verdict = walk(condition, operands, &mut seen);
    match seen {
        Seen { missing: true, .. } => Some(false),
        Seen { later: true, .. } => None,
        Seen { .. } => Some(verdict),
    }
}

/// The nesting of a condition is bounded (`policy::condition::MAX_DEPTH`).
fn walk(condition: &Condition, operands: &Operands<'_>, seen: &mut Seen) -> bool {
    match condition {
        Condition::Any(list) => list.iter().fold(false, |any, one| walk(one, operands, seen) | any),
        Condition::All(list) => list.iter().fold(true, |all, one| walk(one, operands, seen) & all),
        Condition::Not(inner) => !walk(inner, operands, seen),
        Condition::Compare(comparison) => match compare(comparison, operands) {
            Found::Any(any) => any != comparison.negated,
            Found::Missing => {
                seen.missing = true;
                false
            }
            Found::Later => {
                seen.later = true;
                false
            }
        },
    }
}

fn compare(comparison: &Comparison, operands: &Operands<'_>) -> Found {
    let is_one = |text: &str| comparison.values.iter().any(|value| **value == *text);
    match &comparison.operand {
        Operand::ResourceTag(key) => match operands.resource {
            None => Found::Later,
            Some(tags) => tags.values(key).map_or(Found::Missing, |mut values| Found::Any(values.any(is_one))),
        },
        Operand::PrincipalTag(key) => match operands.principal.get(&**key) {
            Some(values) if !values.is_empty() => Found::Any(values.iter().any(|value| is_one(value))),
            Some(_) | None => Found::Missing,
        },
        Operand::Request(path) => match operands.asked {
            Asked::Body(body) => element(body, path, is_one),
            Asked::Query(parameters) => parameter(parameters, path, is_one),
        },
    }
}

/// An element of the body: a string, number or boolean, or a list of these that is not empty.
///
/// The way to it leads through objects only: which element of a list is meant, a path cannot say.
fn element(body: Value<'_>, path: &[Box<str>], is_one: impl Fn(&str) -> bool) -> Found {
    let Some(value) = path.iter().try_fold(body, |value, name| value.get(name)) else { return Found::Missing };
    if value.is_array() {
        let texts: Option<Vec<_>> = value.elements().map(text).collect();
        return match texts {
            Some(texts) if !texts.is_empty() => Found::Any(texts.iter().any(|text| is_one(text))),
            Some(_) | None => Found::Missing,
        };
    }
    text(value).map_or(Found::Missing, |text| Found::Any(is_one(&text)))
}

/// A number is compared as it is written.
fn text(value: Value<'_>) -> Option<Cow<'_, str>> {
    match value.kind() {
        Kind::String => value.as_str(),
        Kind::Number | Kind::Bool(_) => Some(Cow::Borrowed(value.raw())),
        Kind::Null | Kind::Array | Kind::Object => None,
    }
}

/// All occurrences of the parameter of that whole name.
fn parameter(parameters: &[Parameter<'_>], path: &[Box<str>], is_one: impl Fn(&str) -> bool) -> Found {
    let whole = path.join(".");
    let mut values = parameters.iter().filter(|one| *one.name == *whole).map(|one| one.value).peekable();
    if values.peek().is_none() { Found::Missing } else { Found::Any(values.any(is_one)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::Document;

    fn compare(operand: Operand, negated: bool, values: &[&str]) -> Condition {
        let values = values.iter().map(|value| (*value).into()).collect();
        Condition::Compare(Comparison { operand, negated, values })
    }

    fn request(path: &str) -> Operand {
        Operand::Request(path.split('.').map(Into::into).collect())
    }

    fn principal() -> Operand {
        Operand::PrincipalTag("function".into())
    }

    fn missing() -> Condition {
        compare(Operand::PrincipalTag("nobody".into()), true, &["x"])
    }

    fn is_doctor() -> Condition {
        compare(principal(), false, &["doctor"])
    }

    fn not(condition: Condition) -> Condition {
        Condition::Not(Box::new(condition))
    }

    fn tags() -> PrincipalTags {
        [("function".to_owned(), vec!["nurse".to_owned(), "doctor".to_owned()]), ("empty".to_owned(), Vec::new())]
            .into()
    }

    fn check(condition: &Condition, body: &str) -> Option<bool> {
        let body = Document::read(body).unwrap();
        holds(condition, &Operands { resource: None, principal: &tags(), asked: Asked::Body(body.root()) })
    }

    #[test]
    fn kd16_a_list_matches_by_any_of_its_values() {
        for (negated, values, expected) in [
            (false, &["doctor"][..], true),
            (false, &["admin"], false),
            (false, &["admin", "nurse"], true),
            (false, &["Doctor"], false),
            (true, &["doctor"], false),
            (true, &["admin"], true),
        ] {
            assert_eq!(check(&compare(principal(), negated, values), "{}"), Some(expected), "{negated} {values:?}");
        }
    }

    #[test]
    fn and_or_and_not_are_what_they_say() {
        let (yes, no) = (is_doctor(), not(is_doctor()));
        assert_eq!(check(&Condition::Any(vec![no.clone(), yes.clone()]), "{}"), Some(true));
        assert_eq!(check(&Condition::Any(vec![no.clone(), no.clone()]), "{}"), Some(false));
        assert_eq!(check(&Condition::All(vec![yes.clone(), yes.clone()]), "{}"), Some(true));
        assert_eq!(check(&Condition::All(vec![yes, no.clone()]), "{}"), Some(false));
        assert_eq!(check(&not(no), "{}"), Some(true));
    }

    #[test]
    fn a_missing_operand_makes_the_whole_false_wherever_it_stands() {
        for condition in [
            missing(),
            not(missing()),
            not(not(missing())),
            Condition::Any(vec![is_doctor(), missing()]),
            Condition::Any(vec![is_doctor(), not(missing())]),
            not(Condition::All(vec![not(is_doctor()), missing()])),
            compare(Operand::PrincipalTag("empty".into()), true, &["x"]),
        ] {
            assert_eq!(check(&condition, "{}"), Some(false), "{condition:?}");
        }
    }

    #[test]
    fn d24_the_body_gives_text_number_boolean_or_a_list_of_these() {
        for (body, expected) in [
            (r#"{"a":{"b":"1.0"}}"#, true),
            (r#"{"a":{"b":1.0}}"#, true),
            (r#"{"a":{"b":1.00}}"#, false),
            (r#"{"a":{"b":[2,"1.0"]}}"#, true),
            (r#"{"a":{"b":[2]}}"#, false),
            (r#"{"a":{"b":true}}"#, true),
            (r#"{"a":{"b":false}}"#, false),
        ] {
            let one = compare(request("a.b"), false, &["1.0", "true"]);
            assert_eq!(check(&one, body), Some(expected), "{body}");
            assert_eq!(check(&not(one), body), Some(!expected), "{body}");
        }
    }

    #[test]
    fn d24_a_mistyped_element_of_the_body_is_missing() {
        for body in [
            "{}",
            "[]",
            r#"{"a":"x"}"#,
            r#"{"a":{"b":null}}"#,
            r#"{"a":{"b":{}}}"#,
            r#"{"a":{"b":[]}}"#,
            r#"{"a":{"b":["x",null]}}"#,
            r#"{"a":{"b":[["x"]]}}"#,
            r#"{"a":[{"b":"x"}]}"#,
            r#"{"A":{"b":"x"}}"#,
        ] {
            assert_eq!(check(&compare(request("a.b"), false, &["x"]), body), Some(false), "{body}");
            assert_eq!(check(&compare(request("a.b"), true, &["y"]), body), Some(false), "{body}");
        }
    }

    #[test]
    fn d24_without_a_body_all_occurrences_of_the_whole_name_count() {
        let query: Vec<_> = [("a.b", "x"), ("a.b", "y"), ("a", "z"), ("a.b:not", "w")]
            .map(|(name, value)| Parameter::of(name, value))
            .into();
        let check = |path: &str, values: &[&str]| {
            let operands = Operands { resource: None, principal: &tags(), asked: Asked::Query(&query) };
            holds(&compare(request(path), false, values), &operands)
        };
        assert_eq!(check("a.b", &["y"]), Some(true));
        assert_eq!(check("a.b", &["z", "w"]), Some(false));
        assert_eq!(check("a", &["z"]), Some(true));
        assert_eq!(check("b", &["x"]), Some(false));
    }

    #[test]
    fn d24_what_names_the_resource_waits_for_it_unless_something_is_missing() {
        let by_resource = compare(Operand::ResourceTag("dept".into()), false, &["cardio"]);
        assert_eq!(check(&by_resource, "{}"), None);
        assert_eq!(check(&Condition::Any(vec![is_doctor(), by_resource.clone()]), "{}"), None);
        assert_eq!(check(&Condition::Any(vec![missing(), by_resource.clone()]), "{}"), Some(false));
        let document = Document::read(r#"{"meta":{"tag":[{"system":"urn:dept","code":"cardio"}]}}"#).unwrap();
        let keys = [policy::tag::TagKey { key: "dept".into(), system: "urn:dept".into() }];
        let principal = tags();
        for (root, expected) in [(document.root(), true), (document.root().get("meta").unwrap(), false)] {
            let tags = Tags::read(root, &keys).unwrap();
            let operands = Operands { resource: Some(&tags), principal: &principal, asked: Asked::Query(&[]) };
            assert_eq!(holds(&by_resource, &operands), Some(expected));
            assert_eq!(
                holds(&not(by_resource.clone()), &operands),
                Some(false),
                "true is negated, missing stays false"
            );
        }
    }

    fn conditions() -> impl Strategy<Value = Condition> {
        let leaf = (0_u8..3, any::<bool>()).prop_map(|(kind, negated)| match kind {
            0 => compare(principal(), negated, &["doctor"]),
            1 => compare(request("a"), negated, &["x"]),
            _ => compare(Operand::ResourceTag("dept".into()), negated, &["cardio"]),
        });
        leaf.prop_recursive(4, 16, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..3).prop_map(Condition::Any),
                prop::collection::vec(inner.clone(), 1..3).prop_map(Condition::All),
                inner.prop_map(not),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_condition_or_its_negation_holds_exactly_where_every_operand_is_there(condition in conditions()) {
            let (yes, no) = (check(&condition, r#"{"a":"x"}"#), check(&not(condition.clone()), r#"{"a":"x"}"#));
            prop_assert_eq!(yes.is_none(), condition.reads_resource());
            prop_assert_eq!(yes.map(|yes| !yes), no);
            // Now nothing of `$request` is there.
            let reads_request = format!("{condition:?}").contains("Request");
            for condition in [condition.clone(), not(condition)] {
                let without = check(&condition, "{}");
                prop_assert!(!reads_request || without == Some(false));
            }
        }
    }
}
