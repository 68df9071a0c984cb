//! When two JSON values are equal (RFC 6902 section 4.6).
//!
//! Invariant: numbers are compared as decimals, exactly, whatever their digits: `1.00` is `1` and `10e-1`, and no two
//! numbers are equal because a float could not hold them. Members are compared without regard to their order.

use super::tree::Node;
use crate::json::{Kind, Value};

/// Whether the tree says what the value says; neither has a name twice.
pub(super) fn same(node: &Node<'_>, value: Value<'_>) -> bool {
    match (node, value.kind()) {
        (Node::Kept(kept), _) => equal(*kept, value),
        (Node::Array(elements), Kind::Array) => {
            let mut others = value.elements();
            elements.iter().all(|element| others.next().is_some_and(|other| same(element, other)))
                && others.next().is_none()
        }
        (Node::Object(entries), Kind::Object) => {
            let mut ours: Vec<_> = entries.iter().collect();
            ours.sort_unstable_by(|one, other| one.name.cmp(&other.name));
            let theirs = sorted(value);
            let pairs = ours.iter().zip(&theirs);
            ours.len() == theirs.len()
                && pairs.into_iter().all(|(our, (name, other))| our.name == *name && same(&our.node, *other))
        }
        (Node::Array(_) | Node::Object(_), _) => false,
    }
}

fn equal(one: Value<'_>, other: Value<'_>) -> bool {
    match (one.kind(), other.kind()) {
        (Kind::Null, Kind::Null) => true,
        (Kind::Bool(this), Kind::Bool(that)) => this == that,
        (Kind::String, Kind::String) => one.as_str() == other.as_str(),
        (Kind::Number, Kind::Number) => {
            one.raw() == other.raw()
                || matches!((decimal(one.raw()), decimal(other.raw())), (Some(this), Some(that)) if this == that)
        }
        (Kind::Array, Kind::Array) => {
            let (mut ours, mut theirs) = (one.elements(), other.elements());
            loop {
                match (ours.next(), theirs.next()) {
                    (None, None) => return true,
                    (Some(this), Some(that)) if equal(this, that) => {}
                    _ => return false,
                }
            }
        }
        (Kind::Object, Kind::Object) => {
            let (ours, theirs) = (sorted(one), sorted(other));
            ours.len() == theirs.len()
                && ours.iter().zip(&theirs).all(|(this, that)| this.0 == that.0 && equal(this.1, that.1))
        }
        _ => false,
    }
}

/// The members by name, so that comparing two large objects takes no square of their size.
fn sorted(value: Value<'_>) -> Vec<(std::borrow::Cow<'_, str>, Value<'_>)> {
    let mut members: Vec<_> = value.members().map(|member| (member.name, member.value)).collect();
    members.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    members
}

/// A number as sign, digits without zeros around them, and power of ten; none if the power cannot be held.
fn decimal(text: &str) -> Option<(bool, String, i64)> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let trimmed = digits.trim_end_matches('0');
    let dropped = digits.len() - trimmed.len();
    let digits = trimmed.trim_start_matches('0');
    if digits.is_empty() {
        return Some((false, String::new(), 0));
    }
    let power: i64 = power.parse().ok()?;
    let power = power.checked_sub(i64::try_from(fraction.len()).ok()?)?.checked_add(i64::try_from(dropped).ok()?)?;
    Some((negative, digits.to_owned(), power))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::Document;

    fn check(one: &str, other: &str) -> bool {
        let (one, other) = (Document::read(one).unwrap(), Document::read(other).unwrap());
        let kept = equal(one.root(), other.root());
        let mut opened = Node::Kept(one.root());
        opened.open();
        assert_eq!(same(&opened, other.root()), kept, "an opened tree says the same");
        assert_eq!(equal(other.root(), one.root()), kept, "equality has no direction");
        kept
    }

    #[test]
    fn rfc6902_4_6_equal_values() {
        for (one, other) in [
            ("1", "1.00"),
            ("10e-1", "1"),
            ("0.1E1", "1"),
            ("-0", "0.0e5"),
            ("100", "1e2"),
            ("1e+2", "1E2"),
            ("\"\\u0061\"", "\"a\""),
            ("{\"a\":1,\"b\":[true,null]}", "{ \"b\" : [ true , null ], \"a\" : 1.0 }"),
            ("[]", "[ ]"),
            ("1e99999999999999999999", "1e99999999999999999999"),
        ] {
            assert!(check(one, other), "{one} {other}");
        }
    }

    #[test]
    fn rfc6902_4_6_unequal_values() {
        for (one, other) in [
            ("1", "\"1\""),
            ("1", "-1"),
            ("9007199254740993", "9007199254740992"),
            ("0.1", "0.10000000000000001"),
            ("1e2", "1e3"),
            ("null", "false"),
            ("[1,2]", "[2,1]"),
            ("[1]", "[1,1]"),
            ("{\"a\":1}", "{\"a\":1,\"b\":1}"),
            ("{\"a\":1}", "{\"A\":1}"),
            ("{}", "[]"),
            ("\"a\"", "\"A\""),
        ] {
            assert!(!check(one, other), "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn a_number_equals_itself_however_it_is_written(whole in 0_u32.., fraction in 0_u32.., zeros in 0_usize..5, shift in 0_u32..6) {
            let plain = format!("{whole}.{fraction}");
            let padded = format!("{plain}{}", "0".repeat(zeros));
            let shifted = format!("{whole}{fraction}e-{}", fraction.to_string().len());
            let raised = format!("{plain}{}e0{shift}", "0".repeat(zeros));
            let lowered = format!("{plain}E+{shift}");
            prop_assert!(check(&plain, &padded));
            prop_assert!(whole == 0 || check(&plain, &shifted));
            prop_assert!(check(&raised, &lowered));
        }
    }
}
