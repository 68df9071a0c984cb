//! Lists of fields: which elements of a body, and which parameters of a query, a role may use (D28).
//!
//! Invariant: an element passes only if the list names it or what it lies in. `resourceType` and `id` of the root always
//! pass; lists of JSON are walked through. Names are compared as they are written, never by their case.

use policy::role::Field;

use crate::json::{Kind, Value};

/// The elements that every body may have.
const ALWAYS: &[&str] = &["resourceType", "id"];

/// The first element of a body outside the list, as a path; none if all are in it.
///
/// A body that is no object has no elements that a list could name: it passes only under `*`.
pub(crate) fn outside(list: &[Field], body: Value<'_>) -> Option<String> {
    if !body.is_object() && !is_inside(list, &[""]) {
        return Some(String::new());
    }
    let members = body.members().filter(|member| !ALWAYS.contains(&&*member.name));
    let mut path = Vec::new();
    for member in members {
        path.push(member.name.into_owned());
        if let Some(found) = below(list, member.value, &mut path) {
            return Some(found);
        }
        path.pop();
    }
    None
}

/// The first of the paths that is outside the list: for what a PATCH touches, as names without indexes.
///
/// The whole resource, the empty path, is in no list.
pub(crate) fn outside_of_paths(list: &[Field], paths: &[Vec<&str>]) -> Option<String> {
    let passes = |path: &[&str]| matches!(path, [name] if ALWAYS.contains(name)) || is_inside(list, path);
    paths.iter().find(|path| !passes(path)).map(|path| path.join("."))
}

/// Whether a query may have the parameter, by its name before `:` and `.`.
pub(crate) fn query_name_allowed(list: &[Field], name: &str) -> bool {
    let base = name.split([':', '.']).next().unwrap_or_default();
    list.iter().any(|field| matches!(&*field.path, [only] if says(only, base, field.prefix)))
}

/// The first element outside, at the path or below it; nesting is bounded by the reader of JSON.
fn below(list: &[Field], value: Value<'_>, path: &mut Vec<String>) -> Option<String> {
    if is_inside(list, path) {
        return None;
    }
    // Only part of this element may be listed: then it has to consist of what is.
    let has_listed = list.iter().any(|field| leads_to(field, path));
    let holds_some = match value.kind() {
        Kind::Object => value.members().next().is_some(),
        Kind::Array => value.elements().next().is_some(),
        Kind::Null | Kind::Bool(_) | Kind::Number | Kind::String => false,
    };
    if !has_listed || !holds_some {
        return Some(path.join("."));
    }
    for element in value.elements() {
        if let Some(found) = below(list, element, path) {
            return Some(found);
        }
    }
    for member in value.members() {
        path.push(member.name.into_owned());
        if let Some(found) = below(list, member.value, path) {
            return Some(found);
        }
        path.pop();
    }
    None
}

/// Whether the list names the path, or what it lies in.
fn is_inside<S: AsRef<str>>(list: &[Field], path: &[S]) -> bool {
    list.iter().any(|field| {
        let end = field.path.len().saturating_sub(1);
        !field.path.is_empty()
            && field.path.len() <= path.len()
            && field
                .path
                .iter()
                .zip(path)
                .enumerate()
                .all(|(place, (listed, name))| says(listed, name.as_ref(), field.prefix && place == end))
    })
}

/// Whether the field lies truly below the path.
fn leads_to(field: &Field, path: &[String]) -> bool {
    field.path.len() > path.len() && field.path.iter().zip(path).all(|(listed, name)| **listed == **name)
}

fn says(listed: &str, name: &str, prefix: bool) -> bool {
    if prefix { name.starts_with(listed) } else { name == listed }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::Document;

    fn list(text: &str) -> Vec<Field> {
        let field = |text: &str| {
            let (text, prefix) = text.strip_suffix('*').map_or((text, false), |rest| (rest, true));
            Field { path: text.split('.').map(Into::into).collect(), prefix }
        };
        text.split(',').filter(|text| !text.is_empty()).map(field).collect()
    }

    fn check(fields: &str, body: &str) -> Option<String> {
        outside(&list(fields), Document::read(body).unwrap().root())
    }

    #[test]
    fn kd04_every_other_field_is_named() {
        let body =
            r#"{"resourceType":"Patient","id":"1","name":[{"family":"A","given":["B"]}],"birthDate":"1970-01-01"}"#;
        for (fields, found) in [
            ("name,birthDate", None),
            ("name", Some("birthDate")),
            ("birthDate", Some("name")),
            ("birthDate,name.family", Some("name.given")),
            ("birthDate,name.family,name.given", None),
            ("birthDate,name.g*,name.family", None),
            ("birth*,n*", None),
            ("*", None),
            ("", Some("name")),
            ("Name,birthDate", Some("name")),
        ] {
            assert_eq!(check(fields, body).as_deref(), found, "{fields}");
        }
    }

    #[test]
    fn d28_resource_type_and_id_pass_at_the_root_only() {
        assert_eq!(check("", r#"{"resourceType":"Patient","id":"1"}"#), None);
        assert_eq!(check("a.b", r#"{"a":{"b":1,"id":"x"}}"#).as_deref(), Some("a.id"));
    }

    #[test]
    fn d28_below_a_listed_field_everything_passes() {
        assert_eq!(check("a", r#"{"a":{"b":[{"c":1}]}}"#), None);
        assert_eq!(check("a.b", r#"{"a":[[{"b":{"c":1}}],{"b":null}]}"#), None);
    }

    #[test]
    fn d28_an_element_of_which_a_part_is_listed_consists_of_that_part() {
        for body in [r#"{"a":1}"#, r#"{"a":null}"#, r#"{"a":{}}"#, r#"{"a":[]}"#, r#"{"a":[{"b":1},2]}"#] {
            assert_eq!(check("a.b", body).as_deref(), Some("a"), "{body}");
        }
    }

    #[test]
    fn d28_a_body_that_is_no_object_passes_only_under_a_star() {
        for body in ["[]", "1", "[{\"a\":1}]"] {
            assert_eq!(check("a", body).as_deref(), Some(""), "{body}");
            assert_eq!(check("*", body), None, "{body}");
        }
    }

    #[test]
    fn d28_a_patch_is_held_by_what_it_touches() {
        let check = |fields: &str, path: &[&str]| outside_of_paths(&list(fields), &[path.to_vec()]);
        assert_eq!(check("name", &["name", "family"]), None);
        assert_eq!(check("name.family", &["name"]).as_deref(), Some("name"));
        assert_eq!(check("name.family", &["name", "given"]).as_deref(), Some("name.given"));
        assert_eq!(check("name", &["id"]), None);
        assert_eq!(check("name", &["meta", "id"]).as_deref(), Some("meta.id"));
        assert_eq!(check("*", &[]).as_deref(), Some(""));
    }

    #[test]
    fn d28_a_query_is_held_by_the_name_before_colon_and_dot() {
        let fields = list("code,_sort,date*,a.b");
        for (name, allowed) in [
            ("code", true),
            ("code:not", true),
            ("code.display", true),
            ("_sort", true),
            ("_count", false),
            ("date-of-birth", true),
            ("Code", false),
            ("codes", false),
            ("a", false),
            ("a.b", false),
            ("", false),
            (":code", false),
        ] {
            assert_eq!(query_name_allowed(&fields, name), allowed, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_longer_list_lets_no_less_pass(short in "[ab]{1,2}(\\.[ab])?\\*?(,[ab])?", more in "[ab](\\.[ab])?", body in body()) {
            if check(&short, &body).is_none() {
                prop_assert_eq!(check(&format!("{short},{more}"), &body), None);
            }
        }

        #[test]
        fn what_is_outside_is_an_element_that_no_entry_of_the_list_names(fields in "[ab](\\.[ab])?\\*?", body in body()) {
            if let Some(found) = check(&fields, &body) {
                let path: Vec<&str> = found.split('.').collect();
                prop_assert!(!is_inside(&list(&fields), &path));
            }
        }
    }

    fn body() -> impl Strategy<Value = String> {
        let member = ("[ab]", "(1|\\{\"[ab]\":(1|\\{\\})\\}|\\[\\{\"[ab]\":2\\},3\\])");
        prop::collection::btree_map(member.0, member.1, 0..3).prop_map(|members| {
            let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            format!("{{{}}}", members.join(","))
        })
    }
}
