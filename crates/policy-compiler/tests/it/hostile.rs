//! Documents made to hurt. Each is refused by a count or by bytes, with its place, and nothing grows with them.

use std::fmt::Write;

use policy_compiler::{Limits, Severity, import};

use crate::{refused, said};

#[test]
fn e03_an_alias_bomb_is_refused() {
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let inner = vec![format!("*a{}", level - 1); 9].join(", ");
        writeln!(laughs, "a{level}: &a{level} [{inner}]").unwrap();
    }
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), vec!["*a"; 1_000].join(", "));
    let merged = (1..40).fold("a0: &a0 {k: v}\n".to_owned(), |text, n| {
        format!("{text}a{n}: &a{n} {{<<: [*a{0}, *a{0}], k{n}: *a{0}}}\n", n - 1)
    });
    for text in [laughs, long, merged] {
        let found = refused(text.as_bytes());
        assert!(
            matches!(found[0].code.as_str(), "too_many_values" | "too_much_text" | "too_deep" | "invalid_yaml"),
            "{found:?}"
        );
        assert!(!found[0].pointer.is_empty());
    }
}

#[test]
fn depth_10_000_is_refused_and_the_stack_holds() {
    let brackets = "[".repeat(10_000);
    let maps = r#"{"a":"#.repeat(10_000);
    let block: String = (0..10_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let dashes = "- ".repeat(10_000);
    let flow = format!("a: {}", "[".repeat(10_000));
    let closed = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for text in [&brackets, &maps, &dashes, &flow, &closed] {
        let code = &refused(text.as_bytes())[0].code;
        assert!(matches!(code.as_str(), "too_deep" | "invalid_yaml"), "{code}");
    }
    // 50 MB of blanks are over the size before anything is read; a tenth of the depth is not.
    assert_eq!(refused(block.as_bytes())[0].code, "too_large");
    let block: String = (0..1_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let found = refused(block.as_bytes());
    assert!(matches!(found[0].code.as_str(), "too_deep" | "invalid_yaml"), "{found:?}");
}

#[test]
fn a_hundred_megabytes_are_refused_before_they_are_read() {
    let large = vec![b'\xff'; 100 * 1024 * 1024];
    let found = refused(&large);
    assert_eq!(said(&found, Severity::Error), ["too_large "]);
}

#[test]
fn bytes_that_are_not_utf8_are_named() {
    let found = refused(b"openapi: 3.0.0\ninfo: {title: \xff}\n");
    assert_eq!(found[0].code, "invalid_utf8");
    assert!(found[0].message.contains("byte 29, in line 2"), "{}", found[0].message);
    for text in [&b"\xff\xfe{\0}\0"[..], b"{\"openapi\": \"\\ud800\"}", b"a: \0"] {
        refused(text);
    }
}

#[test]
fn many_references_to_one_large_thing_are_refused() {
    let parameters: Vec<_> = (0..20_000).map(|n| format!(r#"{{"in": "query", "name": "p{n}"}}"#)).collect();
    let paths: Vec<_> = (0..20_000).map(|n| format!(r##""/a{n}": {{"$ref": "#/x-item"}}"##)).collect();
    let text = format!(
        r#"{{"openapi": "3.0.0", "info": {{"title": "T"}}, "x-item": {{"get": {{}}, "parameters": [{}]}}, "paths": {{{}}}}}"#,
        parameters.join(","),
        paths.join(",")
    );
    let found = said(&refused(text.as_bytes()), Severity::Error);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("too_much_repeated /"), "{found:?}");
}

#[test]
fn findings_stay_few_and_short_whatever_the_document_does() {
    let paths: Vec<_> = (0..50_000).map(|n| format!(r#""{}{n}": {{"get": {{}}}}"#, "\\u001b[31m".repeat(2))).collect();
    let long = "x".repeat(1_000_000);
    let text =
        format!(r#"{{"openapi": "3.0.0", "info": {{"title": "T"}}, "paths": {{{}}}, "{long}": 1}}"#, paths.join(","));
    let imported = import(text.as_bytes(), &Limits::default()).unwrap();
    assert!(imported.findings.len() < 1_010);
    assert!(imported.findings.iter().all(|finding| finding.message.len() < 1_000 && finding.pointer.len() < 1_000));
    assert!(imported.findings.iter().all(|finding| !finding.message.contains('\u{1b}')));
    assert!(imported.findings.iter().any(|finding| finding.code == "more_findings"));
}

#[test]
fn many_duplicate_keys_cost_no_more_than_sorting() {
    let keys: Vec<_> = (0..300_000).map(|n| format!(r#""k{}":0"#, n / 2)).collect();
    let found = refused(format!("{{{}}}", keys.join(",")).as_bytes());
    assert_eq!(found.len(), 501);
}
