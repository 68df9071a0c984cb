//! What a document may say, and what the reader answers.

use policy::settings::ServiceKind;
use policy_compiler::{Limits, Severity, import};

use crate::{refused, said, taken};

/// A small document with this in place of its paths, and that beside them.
fn document(paths: &str, more: &str) -> String {
    format!(
        r#"{{"openapi": "3.0.3", "info": {{"title": "T"}}, "servers": [{{"url": "https://a.example"}}], "paths": {paths}{more}}}"#
    )
}

#[test]
fn what_cannot_be_read_is_refused_with_its_place() {
    for (text, expected) in [
        ("", "empty "),
        ("[]", "not_openapi "),
        ("just words", "not_openapi "),
        ("{}", "not_openapi "),
        (r#"{"resourceType": "CapabilityStatement"}"#, "not_openapi "),
        (r#"{"openapi": "4.0.0"}"#, "unknown_version /openapi"),
        (r#"{"swagger": "1.2"}"#, "unknown_version /swagger"),
        (r#"{"openapi": {}}"#, "not_openapi /openapi"),
        (r#"{"openapi": "3.0.0", "info": {"title": }}"#, "invalid_json /info/title"),
        (r#"{"openapi": "3.0.0"} x"#, "invalid_json /openapi"),
        ("openapi: 3.0.0\ninfo: [", "invalid_yaml /info"),
        ("openapi: 3.0.0\ninfo: !!python/object:os.system {}", "invalid_yaml /info"),
        ("a: &a [*a]", "invalid_yaml /a"),
        ("a: *nowhere", "invalid_yaml /a"),
        ("a: 1\n---\nb: 2", "invalid_yaml /a"),
    ] {
        let found = said(&refused(text.as_bytes()), Severity::Error);
        assert!(found[0].starts_with(expected), "{text}\n{found:?}");
    }
}

#[test]
fn k04_all_errors_are_told_at_once() {
    let text = r##"{"openapi": "3.0.3", "info": {"title": " ", "x-service-type": "fhirv9"},
        "paths": {"/a": {"get": {"parameters": [{"$ref": "#/components/parameters/none"}, {"$ref": "http://a.example/p.json"}]}}}}"##;
    assert_eq!(
        said(&refused(text.as_bytes()), Severity::Error),
        [
            "bad_title /info/title",
            "unknown_service_type /info/x-service-type",
            "missing_reference /paths/~1a/get/parameters/0/$ref",
            "remote_reference /paths/~1a/get/parameters/1/$ref",
        ]
    );
}

#[test]
fn a_key_that_stands_twice_is_refused_in_json_and_in_yaml() {
    for text in [
        r#"{"openapi": "3.0.0", "paths": {"/a": {"get": {}, "get": {}}}}"#,
        "openapi: 3.0.0\npaths:\n  /a:\n    get: {}\n    get: {}\n",
    ] {
        assert_eq!(said(&refused(text.as_bytes()), Severity::Error), ["duplicate_key /paths/~1a/get"], "{text}");
    }
    let text = "openapi: 3.0.0\npaths:\n  /a: {get: {responses: {200: {}, '200': {}}}}\n";
    assert_eq!(said(&refused(text.as_bytes()), Severity::Error), ["duplicate_key /paths/~1a/get/responses/200"]);
}

#[test]
fn references_lead_into_the_document_or_the_document_is_refused() {
    for (more, expected) in [
        (r##""a": {"$ref": "#/components/schemas/a"}"##, "cyclic_reference"),
        (r##""a": {"$ref": "#/components/schemas/b"}, "b": {"$ref": "#/components/schemas/a"}"##, "cyclic_reference"),
        (r##""a": {"$ref": "#/components/schemas/c"}"##, "missing_reference"),
        (r#""a": {"$ref": "other.yaml"}"#, "remote_reference"),
        (r#""a": {"$ref": "https://a.example/x#/y"}"#, "remote_reference"),
        (r#""a": {"$ref": "file:///etc/passwd"}"#, "remote_reference"),
        (r#""a": {"properties": {"b": {"items": {"$ref": "//a.example"}}}}"#, "remote_reference"),
    ] {
        let text = document(r#"{"/a": {}}"#, &format!(r#", "components": {{"schemas": {{{more}}}}}"#));
        let found = refused(text.as_bytes());
        assert_eq!(found[0].code, expected, "{text}");
        assert!(found[0].pointer.starts_with("/components/schemas/a/"), "{found:?}");
    }
}

#[test]
fn recursive_schemas_and_data_that_looks_like_a_reference_are_taken() {
    let schemas = r##", "components": {"schemas": {"a/b": {"properties": {"$ref": {"type": "string"}, "x": {"$ref": "#/components/schemas/a~1b"}},
        "example": {"$ref": "http://a.example"}, "x-note": {"$ref": "y"}}, "é": {"$ref": "#/components/schemas/a~1b"}, "f": {"$ref": "#/components/schemas/%C3%A9"}}}"##;
    taken(&document(r#"{"/a": {"get": {"responses": {}}}}"#, schemas));
}

#[test]
fn a_long_chain_of_references_is_refused_and_a_short_one_followed() {
    let chain = |length: usize| {
        let links: Vec<_> =
            (0..length).map(|n| format!(r##""p{n}": {{"$ref": "#/components/parameters/p{}"}}"##, n + 1)).collect();
        let end = format!(r#""p{length}": {{"in": "query", "name": "q"}}"#);
        let parameters = links.into_iter().chain([end]).collect::<Vec<_>>().join(", ");
        document(
            r##"{"/a": {"get": {"responses": {}, "parameters": [{"$ref": "#/components/parameters/p0"}]}}}"##,
            &format!(r#", "components": {{"parameters": {{{parameters}}}}}"#),
        )
    };
    assert_eq!(*taken(&chain(10)).operations[0].query, ["q".into()]);
    assert_eq!(refused(chain(100).as_bytes())[0].code, "cyclic_reference");
}

#[test]
fn each_version_says_its_base_in_its_own_way() {
    for (head, expected) in [
        (r#""openapi": "3.1.0", "servers": [{"url": "https://a.example/r4/"}]"#, Ok("https://a.example/r4")),
        (r#""openapi": "3.0.0", "servers": [{"url": "/r4"}]"#, Err("no_base_url /servers/0/url")),
        (r#""openapi": "3.0.0", "servers": [{"url": "https://{host}/r4"}]"#, Err("no_base_url /servers/0/url")),
        (r#""openapi": "3.0.0", "servers": [{"url": "https://me:pw@a.example"}]"#, Err("no_base_url /servers/0/url")),
        (r#""openapi": "3.0.0", "servers": [{"url": "https://a.example?x=1"}]"#, Err("no_base_url /servers/0/url")),
        (r#""openapi": "3.0.0", "servers": []"#, Err("no_base_url /servers")),
        (r#""openapi": "3.0.0""#, Err("no_base_url ")),
        (
            r#""swagger": "2.0", "host": "a.example", "basePath": "/v1", "schemes": ["http", "https"]"#,
            Ok("https://a.example/v1"),
        ),
        (r#""swagger": "2.0", "host": "a.example", "schemes": ["http"]"#, Ok("http://a.example")),
        (r#""swagger": "2.0", "host": "a.example", "basePath": "/""#, Ok("https://a.example")),
        (r#""swagger": "2.0""#, Err("no_base_url ")),
    ] {
        let imported = taken(&format!(
            r#"{{{head}, "info": {{"title": "T"}}, "paths": {{"/a": {{"get": {{"responses": {{}}}}}}}}}}"#
        ));
        match expected {
            Ok(base) => assert_eq!(imported.base_url.as_deref(), Some(base), "{head}"),
            Err(finding) => {
                assert_eq!(imported.base_url, None, "{head}");
                assert_eq!(said(&imported.findings, Severity::Warning)[0], finding, "{head}");
            }
        }
    }
}

#[test]
fn k13_the_extension_stands_at_the_root_or_in_info_in_any_case() {
    for (root, info, expected) in [
        ("", "", Some(ServiceKind::Plain)),
        (r#", "x-Katanemo-open-api-service-type": "fhirv4""#, "", Some(ServiceKind::Fhirv4)),
        (r#", "X-KATANEMO-OPEN-API-SERVICE-TYPE": "fhirv4""#, "", Some(ServiceKind::Fhirv4)),
        ("", r#", "x-katanemo-open-api-service-type": "fhirv4""#, Some(ServiceKind::Fhirv4)),
        ("", r#", "x-service-type": "fhirv4""#, Some(ServiceKind::Fhirv4)),
        ("", r#", "x-service-type": "fhirv5""#, None),
        (r#", "x-service-type": ["fhirv4"]"#, "", None),
        (r#", "x-service-type": "fhirv4""#, r#", "x-service-type": "rest""#, None),
    ] {
        let text = format!(r#"{{"openapi": "3.0.0", "info": {{"title": "T"{info}}}, "paths": {{}}{root}}}"#);
        match expected {
            Some(kind) => assert_eq!(taken(&text).kind, kind, "{text}"),
            None => assert_eq!(refused(text.as_bytes())[0].code, "unknown_service_type", "{text}"),
        }
    }
}

#[test]
fn small_faults_are_warnings_with_pointers() {
    let ok = r#""responses": {"200": {"description": "ok"}}"#;
    for (paths, expected) in [
        (format!(r#"{{"/a": {{"get": {{{ok}, "deprecated": "true"}}}}}}"#), "not_a_boolean /paths/~1a/get/deprecated"),
        (format!(r#"{{"/a": {{"get": {{{ok}, "nonsense": 1}}}}}}"#), "unknown_field /paths/~1a/get/nonsense"),
        (format!(r#"{{"/a": {{"get": {{{ok}}}, "query": {{}}}}}}"#), "unknown_field /paths/~1a/query"),
        (r#"{"/a": {"get": {}}}"#.to_owned(), "no_responses /paths/~1a/get"),
        (format!(r#"{{"/a/{{b}}": {{"get": {{{ok}}}}}}}"#), "undeclared_path_parameter /paths/~1a~1{b}/get"),
        (
            format!(r#"{{"/a": {{"get": {{{ok}, "parameters": [{{"in": "path", "name": "b"}}]}}}}}}"#),
            "unused_path_parameter /paths/~1a/get/parameters/0",
        ),
        (
            format!(r#"{{"/a": {{"get": {{{ok}, "parameters": [{{"name": "b"}}]}}}}}}"#),
            "bad_parameter /paths/~1a/get/parameters/0",
        ),
        (format!(r#"{{"/a": {{"get": {{{ok}, "parameters": {{}}}}}}}}"#), "not_a_list /paths/~1a/get/parameters"),
        (
            format!(r#"{{"/a": {{"get": {{{ok}, "operationId": "x"}}, "put": {{{ok}, "operationId": "x"}}}}}}"#),
            "same_operation_id /paths/~1a/put/operationId",
        ),
        (format!(r#"{{"/a": {{"GET": {{{ok}}}}}}}"#), "method_case /paths/~1a/GET"),
        (format!(r#"{{"/a": {{"get": {{{ok}}}}}, "/a?b=c": {{"get": {{{ok}}}}}}}"#), "path_not_served /paths/~1a?b=c"),
        (format!(r#"{{"/a": {{"get": {{{ok}}}}}, "b": {{"get": {{{ok}}}}}}}"#), "path_not_served /paths/b"),
        (format!(r#"{{"/a": {{"get": {{{ok}}}}}, "/a/": {{"get": {{{ok}}}}}}}"#), "same_shape /paths/~1a~1/get"),
        (
            format!(r#"{{"/a": {{"get": {{{ok}, "parameters": [{{"in": "header", "name": "X-Forwarded-For"}}]}}}}}}"#),
            "header_kept_back /paths/~1a/get/parameters/0",
        ),
        (
            format!(r#"{{"/a": {{"get": {{{ok}, "servers": [{{"url": "https://b.example"}}]}}}}}}"#),
            "server_override /paths/~1a/get/servers",
        ),
        (r#"{"/a": []}"#.to_owned(), "not_an_object /paths/~1a"),
        ("{}".to_owned(), "no_operations /paths"),
    ] {
        let imported = taken(&document(&paths, ""));
        let found = said(&imported.findings, Severity::Warning);
        assert!(found.contains(&expected.to_owned()), "{paths}\n{found:?}");
        assert!(imported.operations.len() <= 2);
    }
}

#[test]
fn templates_of_one_shape_are_one_operation_that_takes_the_parameters_of_both() {
    let text = "openapi: 3.0.0\ninfo: {title: T}\npaths:\n  /a/{x}: {get: {parameters: [{in: query, name: p}]}}\n  /a/{y}: {get: {parameters: [{in: query, name: q}]}, put: {}}\n";
    let imported = taken(text);
    let keys: Vec<_> = imported.operations.iter().map(policy::operation::Operation::key).collect();
    assert_eq!(keys, ["GET:/a/{x}", "PUT:/a/{y}"]);
    assert_eq!(*imported.operations[0].query, ["p".into(), "q".into()]);
    assert_eq!((imported.paths, imported.documented_operations), (2, 3));
}

#[test]
fn parameters_of_path_and_operation_count_by_reference_too() {
    let text = "swagger: '2.0'\ninfo: {title: T}\nhost: a.example\nparameters: {c: {in: query, name: _count, type: integer}}\npaths:\n  /a:\n    parameters: [{$ref: '#/parameters/c'}]\n    get: {parameters: [{in: query, name: b}, {in: header, name: X-Trace-Id}, {in: header, name: Accept}, {in: body, name: body, schema: {}}], responses: {}}\n";
    let operation = &taken(text).operations[0];
    assert_eq!(*operation.query, ["_count".into(), "b".into()]);
    assert_eq!(*operation.headers, ["x-trace-id".into()]);
}

#[test]
fn yaml_is_read_as_its_author_means_it() {
    let text =
        "openapi: 3.0\ninfo:\n  title: no\n  version: 010\npaths: {/a: {get: {responses: {200: {description: on}}}}}\n";
    let imported = taken(text);
    assert_eq!((imported.openapi.as_str(), imported.title.as_str()), ("3.0", "no"));
    assert_eq!(said(&imported.findings, Severity::Warning)[0], "not_a_text /openapi");
    assert_eq!(taken(&format!("\u{feff}{text}")).title, "no");
    let merged = "openapi: 3.0.0\ninfo: {title: T}\nx-get: &get {responses: {}, deprecated: false}\npaths: {/a: {get: {<<: *get, deprecated: true}}}\n";
    assert_eq!(taken(merged).operations.len(), 1);
}

#[test]
fn the_limits_are_the_callers() {
    let text = document(r#"{"/a": {"get": {}}, "/b": {"get": {}}, "/c": {"get": {}}}"#, "");
    let small = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        import(text.as_bytes(), &limits).unwrap_err()[0].code.clone()
    };
    assert_eq!(small(|limits| limits.bytes = 20), "too_large");
    assert_eq!(small(|limits| limits.depth = 2), "too_deep");
    assert_eq!(small(|limits| limits.nodes = 20), "too_many_values");
    assert_eq!(small(|limits| limits.operations = 2), "too_many_operations");
}
