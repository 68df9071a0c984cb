//! What else a bundle holds: conditions, extension scopes, tags, Basic keys and settings, checked and lowered.

use policy::basic::{BasicKey, Privilege, SecurityResource};
use policy::facts::Standing;
use policy::id::{AccountId, KeyId};
use policy::settings::{Basic, ServiceKind};
use policy::tag::{AccessTag, Tag, TagKey, TaggedResource};
use policy_compiler::{Imported, ScopeSource, Severity, Source, compile};
use uuid::Uuid;

use crate::bundles::{role, source};
use crate::{api, said, taken};

fn imported() -> Imported {
    taken(&api(
        true,
        &["GET /Patient", "GET /Patient/{id}", "GET /Widget/{id}", "GET /Observation", "GET /Group", "GET /health"],
    ))
}

fn key(name: &str) -> TagKey {
    TagKey { key: name.into(), system: format!("https://as.example/tags/{name}").into() }
}

fn tagged(resource_type: &str, id: &str, tags: &[(&str, &[&str])]) -> TaggedResource {
    let tag = |(key, values): &(&str, &[&str])| Tag {
        key: (*key).into(),
        values: values.iter().map(|value| (*value).into()).collect(),
    };
    let tags = tags.iter().map(tag).collect();
    TaggedResource { resource_type: resource_type.into(), id: id.into(), tags, created_by: None }
}

fn basic_key(id: u128, resources: &[&str]) -> BasicKey {
    let privilege = |name: &&str| Privilege { resource: (*name).into(), read: true, write: false };
    BasicKey {
        id: KeyId::new(Uuid::from_u128(id)),
        account_id: AccountId::new(Uuid::from_u128(2)),
        secret_hash: [7; 32],
        privileges: resources.iter().map(privilege).collect(),
    }
}

fn resource(name: &str) -> SecurityResource {
    SecurityResource { name: name.into(), public_read: false }
}

fn scope(name: &str, lines: &[&str]) -> ScopeSource {
    ScopeSource { name: name.into(), operations: lines.iter().map(|line| (*line).to_owned()).collect() }
}

fn faults(source: Source<'_>) -> Vec<String> {
    said(&compile(source).unwrap_err(), Severity::Error)
}

#[test]
fn a_bundle_holds_all_that_its_source_says_sorted() {
    let imported = imported();
    let account = |id| AccountId::new(Uuid::from_u128(id));
    let any = AccessTag {
        method: None,
        resource_type: None,
        id: None,
        accounts: Some(vec![account(9), account(8), account(9)]),
    };
    let given = |turned: bool| {
        let mut given = Source {
            roles: vec![
                role(1, &["GET:/Patient:[name]"], Some("$principalTags:dept = cardio OR $request:a.b IN (c, d)")),
                role(2, &["GET:/health"], None),
            ],
            extension_scopes: vec![scope("__b.read", &["GET:/health"]), scope("__a", &["GET:/Patient"])],
            tag_keys: vec![key("team"), key("dept")],
            tagged: vec![
                tagged("Widget", "1", &[("team", &["b", "a", "b"]), ("dept", &["x"])]),
                tagged("Patient", "1", &[]),
            ],
            access_tags: vec![any.clone(), any.clone()],
            basic_keys: vec![basic_key(2, &["s", "r"]), basic_key(1, &[])],
            security_resources: vec![resource("s"), resource("r")],
            ..source(&imported)
        };
        given.settings.basic = Some(Basic { required_resource: Some("r".into()) });
        given.settings.shared_types = Some(vec!["Widget".into(), "Location".into()]);
        if turned {
            given.roles.reverse();
            given.extension_scopes.reverse();
            given.tag_keys.reverse();
            given.tagged.reverse();
            given.basic_keys.reverse();
            given.security_resources.reverse();
            given.settings.shared_types.as_mut().unwrap().reverse();
        }
        given
    };
    let bundle = compile(given(false)).unwrap();
    assert_eq!(bundle, compile(given(true)).unwrap());
    let parts = bundle.parts();
    assert_eq!(parts.roles[0].fields.len(), 1);
    assert!(parts.roles[0].condition.is_some() && parts.roles[1].condition.is_none());
    assert_eq!(parts.extension_scopes.iter().map(|scope| &*scope.name).collect::<Vec<_>>(), ["__a", "__b.read"]);
    assert_eq!(parts.tagged[1], tagged("Widget", "1", &[("dept", &["x"]), ("team", &["a", "b"])]));
    assert_eq!(parts.access_tags, [AccessTag { accounts: Some(vec![account(8), account(9)]), ..any }]);
    assert_eq!(parts.basic_keys[1], basic_key(2, &["r", "s"]));
    let off = Source { basic_keys: vec![basic_key(1, &[])], ..source(&imported) };
    assert!(compile(off).unwrap().parts().basic_keys.is_empty(), "Basic is off");
}

#[test]
fn tags_that_break_a_limit_or_that_nobody_declared_are_told() {
    let imported = imported();
    let wrong = Source {
        tag_keys: vec![
            key("dept"),
            key("dept"),
            key("a b"),
            key("createdBy"),
            TagKey { system: "".into(), ..key("x") },
        ],
        tagged: vec![
            tagged("Patient", "1", &[("dept", &["a"]), ("ward", &["a"])]),
            tagged("Patient", "1", &[("dept", &[])]),
            tagged("patient", "1", &[("dept", &["a"]), ("dept", &["b"])]),
            tagged("Patient", "a/b", &[("dept", &[&"v".repeat(256)])]),
        ],
        access_tags: vec![
            AccessTag { method: None, resource_type: Some("*".into()), id: None, accounts: None },
            AccessTag { method: None, resource_type: None, id: None, accounts: Some(Vec::new()) },
        ],
        ..source(&imported)
    };
    assert_eq!(
        faults(wrong),
        [
            "twice /tag_keys/1",
            "twice /tag_keys/1",
            "bad_tag_key /tag_keys/2/key",
            "bad_tag_key /tag_keys/2/system",
            "bad_tag_key /tag_keys/3/key",
            "bad_tag_key /tag_keys/4/system",
            "twice /tagged/1",
            "unknown_tag_key /tagged/0/tags/1",
            "bad_tag_value /tagged/1/tags/0",
            "bad_tagged_resource /tagged/2",
            "twice /tagged/2/tags/1",
            "bad_tagged_resource /tagged/3",
            "bad_tag_value /tagged/3/tags/0",
            "bad_access_tag /access_tags/0",
            "bad_access_tag /access_tags/1",
        ]
    );
    let many = Source { tag_keys: (0..51).map(|index| key(&format!("k{index}"))).collect(), ..source(&imported) };
    assert_eq!(faults(many), ["too_many /tag_keys"]);
}

#[test]
fn kd03_a_where_that_is_wrong_or_names_an_unknown_key_refuses_the_source() {
    let imported = imported();
    let line = &["GET:/health"];
    let wrong = Source {
        tag_keys: vec![key("dept")],
        roles: vec![
            role(1, line, Some("$principalTags:dept = a")),
            role(2, line, Some("$principalTags:dept =")),
            role(3, line, Some("NOT $resourceTags:ward = a AND $principalTags:floor = $principalTags:dept")),
            role(4, line, Some("NOT $resourceTags:ward = a AND $principalTags:floor = b")),
        ],
        ..source(&imported)
    };
    let place = |id: u128| policy::id::RoleId::new(Uuid::from_u128(id));
    assert_eq!(
        faults(wrong),
        [
            format!("bad_condition /roles/{}/where", place(2)),
            format!("bad_condition /roles/{}/where", place(3)),
            format!("unknown_tag_key /roles/{}/where", place(4)),
            format!("unknown_tag_key /roles/{}/where", place(4)),
        ]
    );
    let twice = Source { roles: vec![role(1, line, None), role(1, line, None)], ..source(&imported) };
    assert_eq!(faults(twice), ["twice /roles/1"]);
}

#[test]
fn s14_an_extension_scope_begins_with_two_underscores_and_gives_whole_operations() {
    let imported = imported();
    let wrong = Source {
        extension_scopes: vec![
            scope("__billing.read", &["GET:/health"]),
            scope("billing.read", &["GET:/health"]),
            scope("__", &["GET:/health"]),
            scope("__a b", &["GET:/health"]),
            scope("__c", &["GET:/Patient:[name]"]),
            scope("__d", &["GET:/nowhere"]),
            scope("__billing.read", &["GET:/Patient"]),
            scope("__e", &[]),
        ],
        ..source(&imported)
    };
    assert_eq!(
        faults(wrong),
        [
            "twice /extension_scopes/6",
            "bad_extension_scope /extension_scopes/1",
            "bad_extension_scope /extension_scopes/2",
            "bad_extension_scope /extension_scopes/3",
            "bad_extension_scope /extension_scopes/4/operations",
            "unknown_operation /extension_scopes/5/operations/0",
            "bad_role /extension_scopes/7/operations",
        ]
    );
}

#[test]
fn i05_what_basic_asks_for_has_to_exist() {
    let imported = imported();
    let mut wrong = Source {
        basic_keys: vec![basic_key(1, &["r"]), basic_key(1, &["q"]), basic_key(2, &["r", "r"])],
        security_resources: vec![resource("r"), resource("r"), resource("")],
        ..source(&imported)
    };
    wrong.settings.basic = Some(Basic { required_resource: Some("s".into()) });
    assert_eq!(
        faults(wrong),
        [
            "twice /basic_keys/1",
            "twice /security_resources/1",
            "bad_security_resource /security_resources/2",
            "unknown_security_resource /settings/basic/required_resource",
            "unknown_security_resource /basic_keys/1/privileges",
            "twice /basic_keys/2/privileges/1",
        ]
    );
}

#[test]
fn i41_a_production_service_is_never_open() {
    let imported = imported();
    let mut open = source(&imported);
    open.settings.unauthenticated_until = Some(9);
    assert!(compile(open.clone()).is_ok());
    open.settings.production = true;
    assert_eq!(faults(open), ["bad_setting /settings/unauthenticated_until"]);
}

#[test]
fn a_service_may_say_which_types_are_shared_but_none_that_belongs_to_patients() {
    let imported = imported();
    let mut wrong = source(&imported);
    wrong.settings.shared_types = Some(
        [
            "Location",
            "Widget",
            "Observation",
            "Patient",
            "Group",
            "Binary",
            "Provenance",
            "Device",
            "location",
            "Gadget",
        ]
        .map(Into::into)
        .to_vec(),
    );
    let expected: Vec<_> = (2..10).map(|index| format!("bad_setting /settings/shared_types/{index}")).collect();
    assert_eq!(faults(wrong.clone()), expected);
    wrong.settings.shared_types.as_mut().unwrap().truncate(2);
    let standing = |source: Source<'_>| {
        let bundle = compile(source).unwrap();
        let of = |name: &str| bundle.parts().types.iter().find(|facts| facts.name.as_str() == name).unwrap().standing;
        ["Location", "Widget", "Organization", "Observation", "Patient", "Group"].map(of)
    };
    let all = |rest: [Standing; 3]| {
        [rest[0], rest[1], rest[2], Standing::Compartment, Standing::Patient, Standing::NamesPatients]
    };
    assert_eq!(standing(wrong.clone()), all([Standing::Shared, Standing::Shared, Standing::Undecidable]));
    let mut none = source(&imported);
    none.settings.shared_types = Some(Vec::new());
    assert_eq!(standing(none), all([Standing::Undecidable; 3]));
    assert_eq!(standing(source(&imported)), all([Standing::Shared, Standing::Undecidable, Standing::Shared]));
    wrong.service.kind = ServiceKind::Plain;
    assert_eq!(faults(wrong).len(), 2);
}

#[test]
fn no_type_of_the_default_shared_list_stands_in_the_compartment() {
    let tables = fhir::r4();
    assert!(tables.shared_types().all(|name| tables.patient_compartment(name).is_none()));
}

#[test]
fn k16_a_type_and_an_operation_of_the_documents_own_get_roles_scopes_and_facts() {
    let imported = taken(&api(true, &["GET /{type}", "GET /{type}/{id}", "POST /Widget/{id}/$inspect"]));
    let line = "POST:/Widget/{id}/$inspect";
    let named = Source {
        roles: vec![role(1, &[line], None)],
        extension_scopes: vec![scope("__widgets.inspect", &[line])],
        ..source(&imported)
    };
    let bundle = compile(named).unwrap();
    let parts = bundle.parts();
    let [index] = parts.roles[0].operations.as_slice() else { panic!("one operation") };
    assert_eq!(parts.extension_scopes[0].operations, [*index]);
    let fhir = parts.operations[*index as usize].fhir.as_ref().unwrap();
    assert_eq!((fhir.code.as_deref(), fhir.resource_type.as_ref().unwrap().as_str()), (Some("inspect"), "Widget"));
    let widget = parts.types.iter().find(|facts| facts.name.as_str() == "Widget").unwrap();
    assert_eq!(widget.standing, Standing::Undecidable);
    let reads = policy_compiler::operations_of(&imported, &"system/Widget.r".parse().unwrap());
    assert!(!reads.contains(index) && !reads.is_empty(), "letters read it; only a name inspects it");
}
