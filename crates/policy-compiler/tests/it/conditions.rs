//! The language of `where`: what is taken, as what, and what is refused at which bytes.

use policy::condition::{Comparison, Condition, Operand};
use policy_compiler::{condition, print_condition};
use proptest::prelude::*;

fn compare(operand: Operand, negated: bool, values: &[&str]) -> Condition {
    Condition::Compare(Comparison { operand, negated, values: values.iter().map(|value| (*value).into()).collect() })
}

fn resource(key: &str, value: &str) -> Condition {
    compare(Operand::ResourceTag(key.into()), false, &[value])
}

#[test]
fn kd03_not_binds_closest_then_and_then_or() {
    let [a, b, c] = ["a", "b", "c"].map(|key| resource(key, "1"));
    let text = "$resourceTags:a = 1 OR NOT $resourceTags:b = 1 AND $resourceTags:c = 1";
    let expected =
        Condition::Any(vec![a.clone(), Condition::All(vec![Condition::Not(Box::new(b.clone())), c.clone()])]);
    assert_eq!(condition(text).unwrap(), expected);
    let text = "($resourceTags:a=1 OR $resourceTags:b=1)AND NOT($resourceTags:c=1)";
    let expected = Condition::All(vec![Condition::Any(vec![a, b]), Condition::Not(Box::new(c))]);
    assert_eq!(condition(text).unwrap(), expected);
}

#[test]
fn d24_a_value_is_quoted_or_a_bare_word() {
    let principal = |values: &[&str]| compare(Operand::PrincipalTag("function".into()), false, values);
    for (text, values) in [
        ("$principalTags:function = doctor", &["doctor"][..]),
        ("$principalTags:function = 'a doctor'", &["a doctor"]),
        ("$principalTags:function = \"d'or\"", &["d'or"]),
        ("$principalTags:function = ''", &[""]),
        ("$principalTags:function = 'AND'", &["AND"]),
        ("$principalTags:function = http://a.b/c_d|e-1", &["http://a.b/c_d|e-1"]),
        ("$principalTags:function IN (doctor)", &["doctor"]),
        ("$principalTags:function\tIN\n( doctor , 'é ('\r, 3 )", &["doctor", "é (", "3"]),
    ] {
        assert_eq!(condition(text).unwrap(), principal(values), "{text}");
    }
    let path = Operand::Request(["code", "coding", "code"].map(Into::into).to_vec());
    assert_eq!(condition("$request:code.coding.code != x").unwrap(), compare(path, true, &["x"]));
}

#[test]
fn kd03_what_is_no_condition_is_told_with_its_bytes() {
    for (text, bytes, word) in [
        ("", "0 to 0", "the text ends"),
        ("$principalTags:a", "16 to 16", "the text ends"),
        ("$principalTags:a = ", "19 to 19", "the text ends"),
        ("$principalTags:a == b", "18 to 19", "`=` stands"),
        ("$principalTags:a = b and $principalTags:a = c", "21 to 24", "capitals"),
        ("$principalTags:a = AND", "19 to 22", "`AND` stands"),
        ("$principalTags:a = 'b", "19 to 21", "not closed"),
        ("$principalTags:a = 'b\n'", "19 to 23", "control character"),
        ("$principalTags:a = é", "19 to 21", "quotes"),
        ("$principalTags:a = *", "19 to 20", "quotes"),
        ("$principalTags:a IN ()", "21 to 22", "`)` stands"),
        ("$principalTags:a IN (b,)", "23 to 24", "`)` stands"),
        ("$principalTags:a IN b", "20 to 21", "`b` stands"),
        ("($principalTags:a = b", "21 to 21", "the text ends"),
        ("$principalTags:a = b)", "20 to 21", "`)` stands"),
        ("$principalTags:a = b $principalTags:a = c", "21 to 37", "AND"),
        ("a = b", "0 to 1", "`a` stands"),
        ("'a' = b", "0 to 3", "the text `a`"),
        ("$tags:a = b", "0 to 7", "`$tags`"),
        ("$principalTags = b", "0 to 14", "key of a tag"),
        ("$principalTags:a|b = c", "0 to 18", "key of a tag"),
        ("$request:a..b = c", "0 to 13", "path"),
        ("$request: = c", "0 to 9", "path"),
        ("$ = c", "0 to 1", "`$`"),
        ("! = c", "0 to 1", "no meaning"),
    ] {
        let findings = condition(text).unwrap_err();
        let [finding] = findings.as_slice() else { panic!("{text}") };
        assert_eq!((finding.code.as_str(), finding.pointer.as_str()), ("bad_condition", "/where"), "{text}");
        assert!(finding.message.starts_with(&format!("at bytes {bytes}: ")), "{text}: {}", finding.message);
        assert!(finding.message.contains(word), "{text}: {}", finding.message);
    }
}

#[test]
fn a_condition_is_bounded_in_size_and_depth() {
    let one = "$request:a = b";
    let many = |count: usize| vec![one; count].join(" AND ");
    let nested = |open: &str, close: &str, depth: usize| format!("{}{one}{}", open.repeat(depth), close.repeat(depth));
    assert!(condition(&many(100)).is_ok());
    assert!(condition(&many(101)).unwrap_err()[0].message.contains("100 comparisons"));
    for (open, close) in [("(", ")"), ("NOT ", "")] {
        assert!(condition(&nested(open, close, 15)).is_ok());
        for depth in [16, 2_000] {
            assert!(condition(&nested(open, close, depth)).unwrap_err()[0].message.contains("deeper"), "{depth}");
        }
    }
    assert!(condition(&format!("$request:a = {}", "b".repeat(256))).is_err());
    assert!(condition(&" ".repeat(20_000)).unwrap_err()[0].message.contains("longer"));
}

fn any_condition() -> impl Strategy<Value = Condition> {
    let key = "[A-Za-z0-9._:/-]{1,8}";
    let operand = prop_oneof![
        key.prop_map(|key| Operand::ResourceTag(key.into())),
        key.prop_map(|key| Operand::PrincipalTag(key.into())),
        prop::collection::vec("[A-Za-z0-9_-]{1,6}".prop_map(Into::into), 1..4).prop_map(Operand::Request),
    ];
    let value = prop_oneof!["[A-Za-z0-9._:/|-]{0,6}", "[ -!#-~é]{0,6}", "[ -&(-~é]{0,6}", "AND|OR|NOT|IN"];
    let values = prop::collection::vec(value.prop_map(Into::into), 1..4);
    let leaf = (operand, any::<bool>(), values).prop_map(|(operand, negated, values): (_, _, Vec<Box<str>>)| {
        Condition::Compare(Comparison { operand, negated: negated && values.len() == 1, values })
    });
    leaf.prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Condition::Any),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Condition::All),
            inner.prop_map(|one| Condition::Not(Box::new(one))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn printing_and_parsing_agree(one in any_condition()) {
        let text = print_condition(&one);
        prop_assert_eq!(condition(&text).unwrap_or_else(|findings| panic!("{text}: {findings:?}")), one);
    }

    #[test]
    fn any_text_is_answered_and_what_is_taken_prints_and_parses_the_same(
        text in "([(),=! \n'\"é]|!=|AND|OR|NOT|IN|\\$request:a|\\$resourceTags:b|\\$x|b|'c d'){0,40}"
    ) {
        if let Ok(one) = condition(&text) {
            prop_assert!(one.is_bounded());
            prop_assert_eq!(condition(&print_condition(&one)).unwrap(), one);
        }
    }
}
