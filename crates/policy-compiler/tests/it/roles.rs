//! SMART scopes as roles, and roles that somebody writes.

use policy_compiler::{Imported, custom_role, operations_of, smart_roles};

use crate::{api, taken};

const ALL: [&str; 22] = [
    "GET /metadata",
    "POST /",
    "GET /",
    "GET /_history",
    "GET /Patient",
    "POST /Patient",
    "PUT /Patient",
    "DELETE /Patient",
    "POST /Patient/_search",
    "GET /Patient/_history",
    "GET /Patient/{id}",
    "PUT /Patient/{id}",
    "PATCH /Patient/{id}",
    "DELETE /Patient/{id}",
    "GET /Patient/{id}/_history",
    "GET /Patient/{id}/_history/{vid}",
    "GET /Patient/{id}/$everything",
    "POST /Patient/$match",
    "GET /$export",
    "GET /Patient/{id}/Observation",
    "GET /Observation",
    "GET /health",
];

fn keys(imported: &Imported, operations: &[u32]) -> Vec<String> {
    operations.iter().map(|index| imported.operations[*index as usize].key()).collect()
}

fn reached(scope: &str) -> Vec<String> {
    let imported = taken(&api(true, &ALL));
    keys(&imported, &operations_of(&imported, &scope.parse().unwrap()))
}

#[test]
fn k32_rs_is_every_get_on_the_type_and_search_by_post() {
    assert_eq!(
        reached("patient/Patient.rs"),
        [
            "GET:/Patient",
            "GET:/Patient/_history",
            "POST:/Patient/_search",
            "GET:/Patient/{id}",
            "GET:/Patient/{id}/_history",
            "GET:/Patient/{id}/_history/{vid}",
        ]
    );
}

#[test]
fn k15_each_letter_reaches_what_the_table_says() {
    for (scope, expected) in [
        (
            "user/Patient.r",
            &["GET:/Patient/{id}", "GET:/Patient/{id}/_history", "GET:/Patient/{id}/_history/{vid}"][..],
        ),
        ("user/Patient.s", &["GET:/Patient", "GET:/Patient/_history", "POST:/Patient/_search"]),
        ("user/Patient.c", &["POST:/Patient"]),
        ("user/Patient.u", &["PUT:/Patient/{id}", "PATCH:/Patient/{id}"]),
        ("user/Patient.d", &["DELETE:/Patient/{id}"]),
        (
            "user/Patient.ds",
            &[
                "GET:/Patient",
                "DELETE:/Patient",
                "GET:/Patient/_history",
                "POST:/Patient/_search",
                "DELETE:/Patient/{id}",
            ],
        ),
        (
            "user/Patient.us",
            &[
                "GET:/Patient",
                "PUT:/Patient",
                "GET:/Patient/_history",
                "POST:/Patient/_search",
                "PUT:/Patient/{id}",
                "PATCH:/Patient/{id}",
            ],
        ),
        ("user/Observation.s", &["GET:/Observation", "GET:/Patient/{id}/Observation"]),
        ("user/Observation.rs?category=laboratory", &["GET:/Observation", "GET:/Patient/{id}/Observation"]),
        ("user/Observation.c", &[]),
        ("user/Encounter.rs", &[]),
        (
            "system/Patient.read",
            &[
                "GET:/Patient",
                "GET:/Patient/_history",
                "POST:/Patient/_search",
                "GET:/Patient/{id}",
                "GET:/Patient/{id}/_history",
                "GET:/Patient/{id}/_history/{vid}",
            ],
        ),
    ] {
        assert_eq!(reached(scope), expected, "{scope}");
    }
}

#[test]
fn all_types_reach_the_system_and_only_machines_export() {
    let system = |scope: &str| {
        reached(scope)
            .into_iter()
            .filter(|key| !key.contains("/Patient/_") && !key.starts_with("GET:/Patient/{id}/_"))
            .collect::<Vec<_>>()
    };
    let shared = [
        "GET:/",
        "GET:/Observation",
        "GET:/Patient",
        "GET:/Patient/{id}",
        "GET:/Patient/{id}/$everything",
        "GET:/Patient/{id}/Observation",
        "GET:/_history",
    ];
    assert_eq!(system("patient/*.rs"), shared);
    assert_eq!(system("system/*.rs"), [&["GET:/", "GET:/$export"][..], &shared[1..]].concat());
    for scope in ["system/*.cruds", "system/Patient.cruds"] {
        for never in ["POST:/", "GET:/metadata", "POST:/Patient/$match", "GET:/health"] {
            assert!(!reached(scope).contains(&never.to_owned()), "{scope} {never}");
        }
    }
}

#[test]
fn k31_the_list_has_each_scope_that_reaches_something_once_and_agrees_with_the_lookup() {
    let imported = taken(&api(true, &ALL));
    let roles = smart_roles(&imported);
    let names: Vec<_> = roles.iter().map(|role| role.scope.to_string()).collect();
    for name in ["patient/Patient.rs", "patient/Patient.r", "user/*.cruds", "system/Observation.s", "user/Patient.cud"]
    {
        assert!(names.contains(&name.to_owned()), "{name}");
    }
    assert!(!names.contains(&"patient/Observation.c".to_owned()));
    assert!(roles.is_sorted_by(
        |one, next| (one.scope.context(), one.scope.types()) <= (next.scope.context(), next.scope.types())
    ));
    for role in &roles {
        assert_eq!(role.operations, operations_of(&imported, &role.scope), "{}", role.scope);
        assert!(role.operations.is_sorted_by(|one, next| one < next));
    }
    let mut once = names.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), names.len());
    assert!(smart_roles(&taken(&api(false, &ALL))).is_empty());
    assert!(operations_of(&taken(&api(false, &ALL)), &"system/*.cruds".parse().unwrap()).is_empty());
}

#[test]
fn a_path_that_bears_the_type_belongs_to_the_role_of_every_type() {
    let imported = taken(&api(true, &["GET /{type}/{id}", "GET /Patient"]));
    assert_eq!(
        keys(&imported, &operations_of(&imported, &"patient/Condition.rs".parse().unwrap())),
        ["GET:/{type}/{id}"]
    );
    assert_eq!(
        keys(&imported, &operations_of(&imported, &"patient/Patient.rs".parse().unwrap())),
        ["GET:/Patient", "GET:/{type}/{id}"]
    );
    let roles = smart_roles(&imported);
    assert!(roles.iter().all(|role| role.operations == operations_of(&imported, &role.scope)));
}

#[test]
fn k07_a_role_names_operations_of_the_service_and_a_line_that_names_none_is_told() {
    let imported = taken(&api(true, &ALL));
    let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    let role = custom_role(&imported, &lines(&["GET:/health", "GET:/Patient/{patientId}", " GET:/health"])).unwrap();
    assert_eq!(keys(&imported, &role.operations), ["GET:/Patient/{id}", "GET:/health"]);
    let wrong = lines(&[
        "GET:/health",
        "PUT:/health",
        "GET:/Patient/123",
        "get:/health",
        "GET /health",
        "GET:/Patient:[nick]",
        "*:/health",
        "",
    ]);
    let findings = custom_role(&imported, &wrong).unwrap_err();
    let said: Vec<_> = findings.iter().map(|finding| format!("{} {}", finding.code, finding.pointer)).collect();
    assert_eq!(
        said,
        [
            "unknown_operation /operations/1",
            "unknown_operation /operations/2",
            "bad_operation /operations/3",
            "bad_operation /operations/4",
            "unknown_parameter /operations/5",
            "bad_operation /operations/6",
            "bad_operation /operations/7",
        ]
    );
    assert!(findings[0].message.ends_with("the path has GET"), "{}", findings[0].message);
    assert_eq!(custom_role(&imported, &[]).unwrap_err()[0].pointer, "/operations");
}
