//! Tags as D20 to D25 and K20 say.

use policy::tag::Tag;
use proptest::prelude::*;

use super::*;
use crate::json::Document;

const DEPT: &str = "https://issuer.example/tags/dept";

fn keys() -> Vec<TagKey> {
    [("dept", DEPT), ("site", "urn:site")].map(|(key, system)| TagKey { key: key.into(), system: system.into() }).into()
}

fn account(last: u8) -> AccountId {
    format!("acct_0000000000000000000000000{last}").parse().unwrap_or_else(|fault| panic!("{fault}"))
}

fn principal(tags: &[(&str, &[&str])]) -> PrincipalTags {
    tags.iter()
        .map(|(key, values)| ((*key).to_owned(), values.iter().map(|value| (*value).to_owned()).collect()))
        .collect()
}

fn resource(tags: &[(&str, &str)]) -> String {
    let tags: Vec<String> =
        tags.iter().map(|(system, code)| format!(r#"{{"system":"{system}","code":"{code}"}}"#)).collect();
    format!(r#"{{"meta":{{"tag":[{}]}}}}"#, tags.join(","))
}

fn entry(tags: &[(&str, &[&str])], created_by: Option<AccountId>) -> TaggedResource {
    let tag = |(key, values): &(&str, &[&str])| Tag {
        key: (*key).into(),
        values: values.iter().map(|value| (*value).into()).collect(),
    };
    TaggedResource { resource_type: "Patient".into(), id: "1".into(), tags: tags.iter().map(tag).collect(), created_by }
}

/// The tags of a text, as `key=value`.
fn read(text: &str) -> Result<Vec<String>, Unreadable> {
    let (document, keys) = (Document::read(text).unwrap(), keys());
    let tags = Tags::read(document.root(), &keys)?;
    Ok(tags.each().map(|(key, value)| format!("{key}={value}")).collect())
}

#[test]
fn d20_only_the_systems_of_declared_keys_count() {
    let text =
        resource(&[(DEPT, "onc"), ("urn:other", "x"), (DEPT, "cardio"), ("urn:site", "north"), ("urn:SITE", "y")]);
    assert_eq!(read(&text).unwrap(), ["dept=cardio", "dept=onc", "site=north"]);
    for text in ["{}", r#"{"meta":{}}"#, r#"{"meta":{"tag":[]}}"#, r#"{"meta":{"tag":[{"code":"SUBSETTED"}]}}"#] {
        assert_eq!(read(text).unwrap(), [""; 0], "{text}");
    }
}

#[test]
fn d21_what_cannot_be_read_is_denied() {
    let long = "x".repeat(MAX_VALUE_BYTES + 1);
    for text in [
        &*format!(r#"{{"meta":{{"tag":[{{"system":"{DEPT}"}}]}}}}"#),
        &format!(r#"{{"meta":{{"tag":[{{"system":"{DEPT}","code":1}}]}}}}"#),
        &format!(r#"{{"meta":{{"tag":[{{"system":"{DEPT}","code":null}}]}}}}"#),
        &format!(r#"{{"meta":{{"tag":[{{"system":["{DEPT}"],"code":"x"}}]}}}}"#),
        &format!(r#"{{"meta":{{"tag":{{"system":"{DEPT}","code":"x"}}}}}}"#),
        &format!(r#"{{"meta":{{"tag":[{{"system":"{DEPT}","code":"x","code":"y"}}]}}}}"#),
        &resource(&[(DEPT, &long)]),
        r#"{"meta":{"tag":[null]}}"#,
        r#"{"meta":{"tag":null}}"#,
        r#"{"meta":[]}"#,
    ] {
        assert_eq!(read(text), Err(Unreadable), "{text}");
    }
    assert_eq!(read(r#"{"meta":{"tag":[{"system":"urn:other"}]}}"#).unwrap(), [""; 0]);
}

#[test]
fn d21_registry_and_resource_are_united_key_by_key() {
    let (keys, text) = (keys(), resource(&[(DEPT, "onc")]));
    let document = Document::read(&text).unwrap();
    let entry = entry(&[("dept", &["cardio"]), ("site", &["north"]), ("undeclared", &["x"])], None);
    let mut tags = Tags::read(document.root(), &keys).unwrap();
    tags.unite(&entry, &keys);
    assert_eq!(tags.each().collect::<Vec<_>>(), [("dept", "cardio"), ("dept", "onc"), ("site", "north")]);
    assert!(tags.match_principal(&principal(&[("dept", &["onc"]), ("site", &["north"])])));
    assert!(!Tags::registered(&entry, &keys).match_principal(&principal(&[("dept", &["onc"]), ("site", &["north"])])));
}

#[test]
fn k20_all_keys_of_the_resource_match_by_any_value() {
    let (keys, text) = (keys(), resource(&[(DEPT, "cardio"), (DEPT, "onc"), ("urn:site", "north")]));
    let document = Document::read(&text).unwrap();
    let tags = Tags::read(document.root(), &keys).unwrap();
    for (held, matches) in [
        (&[("dept", &["onc", "x"][..]), ("site", &["north"])][..], true),
        (&[("dept", &["onc"]), ("site", &["north"]), ("more", &["x"])], true),
        (&[("dept", &["onc"])], false),
        (&[("dept", &["onc"]), ("site", &["south"])], false),
        (&[("dept", &["*"]), ("site", &["north"])], false),
        (&[("dept", &["Onc"]), ("site", &["north"])], false),
        (&[("dept", &[]), ("site", &["north"])], false),
        (&[], false),
    ] {
        assert_eq!(tags.match_principal(&principal(held)), matches, "{held:?}");
    }
}

fn admitted(
    tags: &Tags<'_>,
    caller: Option<AccountId>,
    access: &[AccessTag],
    untagged: UntaggedResources,
    created_by: Option<AccountId>,
) -> bool {
    let registered = entry(&[], created_by);
    let asking = Asking {
        method: Method::Head,
        resource_type: "Patient",
        id: Some("1"),
        account: caller,
        owner: owner(Some(&registered), account(1)),
        principal: &PrincipalTags::new(),
    };
    asking.is_admitted(tags, access, untagged)
}

#[test]
fn k20_untagged_is_by_role_or_for_the_owner_or_for_nobody() {
    use UntaggedResources::{ByRole, Deny, Owner};
    let untagged = Tags::default();
    for (setting, caller, created_by, expected) in [
        (ByRole, None, None, true),
        (Deny, Some(account(1)), None, false),
        (Owner, Some(account(1)), None, true),
        (Owner, Some(account(2)), None, false),
        (Owner, None, None, false),
        (Owner, Some(account(2)), Some(account(2)), true),
        (Owner, Some(account(1)), Some(account(2)), false),
    ] {
        assert_eq!(admitted(&untagged, caller, &[], setting, created_by), expected, "{setting:?} {caller:?}");
    }
}

#[test]
fn kd06_an_access_tag_stands_in_for_the_match() {
    let keys = keys();
    let registered = entry(&[("dept", &["cardio"])], None);
    let tags = Tags::registered(&registered, &keys);
    let any = AccessTag { method: None, resource_type: None, id: None, accounts: None };
    let named = AccessTag {
        method: Some(Method::Get),
        resource_type: Some("Patient".into()),
        id: Some("1".into()),
        accounts: Some(vec![account(2)]),
    };
    let check =
        |tag: &AccessTag, caller| admitted(&tags, caller, std::slice::from_ref(tag), UntaggedResources::ByRole, None);
    assert!(check(&any, None) && check(&named, Some(account(2))));
    assert!(!check(&named, Some(account(1))) && !check(&named, None));
    for other in [
        AccessTag { method: Some(Method::Delete), ..named.clone() },
        AccessTag { resource_type: Some("Group".into()), ..named.clone() },
        AccessTag { id: Some("2".into()), ..named.clone() },
        AccessTag { id: Some("*".into()), ..named.clone() },
        AccessTag { accounts: Some(Vec::new()), ..named.clone() },
    ] {
        assert!(!check(&other, Some(account(2))), "{other:?}");
    }
    assert!(!admitted(&tags, None, &[], UntaggedResources::ByRole, None));
    assert!(admitted(&Tags::default(), None, &[any], UntaggedResources::Deny, None));
}

#[test]
fn d25_a_write_drops_no_tag_and_sets_none_that_the_caller_does_not_hold() {
    let keys = keys();
    let check = |before: &[(&str, &str)], after: &[(&str, &str)], held: &[(&str, &[&str])]| {
        let (before, after) = (resource(before), resource(after));
        let (before, after) = (Document::read(&before).unwrap(), Document::read(&after).unwrap());
        let (before, after) = (Tags::read(before.root(), &keys).unwrap(), Tags::read(after.root(), &keys).unwrap());
        before.may_become(&after, &principal(held))
    };
    let cardio: &[(&str, &[&str])] = &[("dept", &["cardio"])];
    assert!(check(&[], &[(DEPT, "cardio")], cardio));
    assert!(!check(&[], &[(DEPT, "onc")], cardio));
    assert!(!check(&[], &[("urn:site", "cardio")], cardio), "by the key, not by the value alone");
    assert!(check(&[(DEPT, "onc")], &[(DEPT, "onc"), (DEPT, "cardio")], cardio), "what was stored may stay");
    assert!(!check(&[(DEPT, "onc")], &[(DEPT, "cardio")], cardio), "what was stored is not dropped");
    assert!(check(&[], &[("urn:other", "x")], &[]), "other tags are data");
}

#[test]
fn the_registry_is_found_by_type_and_id() {
    let registry = ["1", "2", "3"].map(|id| TaggedResource { id: id.into(), ..entry(&[], None) });
    assert_eq!(find(&registry, "Patient", "2"), registry.get(1));
    assert_eq!(find(&registry, "Patient", "4"), None);
    assert_eq!(find(&registry, "Group", "2"), None);
}

proptest! {
    #[test]
    fn one_more_tag_on_a_resource_never_matches_more(codes in prop::collection::vec("[abc]", 1..3), key in 0_usize..2, held in prop::collection::vec("[abc]", 0..3)) {
        let keys = keys();
        let held: Vec<&str> = held.iter().map(|value| &**value).collect();
        let held = principal(&[("dept", &held)]);
        let few: Vec<(&str, &str)> = codes.iter().map(|code| (DEPT, &**code)).collect();
        let more = [few.clone(), vec![[("urn:site", "a"), ("urn:other", "a")][key]]].concat();
        let (few, more) = (resource(&few), resource(&more));
        let (few, more) = (Document::read(&few).unwrap(), Document::read(&more).unwrap());
        let matches = |document: &Document<'_>| Tags::read(document.root(), &keys).unwrap().match_principal(&held);
        prop_assert!(matches(&few) || !matches(&more));
    }
}
