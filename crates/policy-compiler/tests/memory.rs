//! The reader's memory is bounded by the document's size. Each document has a process of its own, whose peak is its own.

#![allow(
    clippy::expect_used,
    clippy::format_collect,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

use std::process::Command;

use policy_compiler::{Limits, import};

/// The most memory for one byte of the document.
const FACTOR: usize = 16;
/// The size of the documents, in bytes.
const SIZE: usize = 1_500_000;
/// The variable that tells the inner process which document it reads.
const WHICH: &str = "FIREWARDEN_TEST_DOCUMENT";

type Make = fn() -> String;

const DOCUMENTS: [(&str, Make); 9] = [
    ("JSON, a list of numbers", || json(&format!("[{}0]", "0,".repeat(SIZE / 2)))),
    ("JSON, empty lists", || json(&format!("[{}0]", "[],".repeat(SIZE / 3)))),
    ("JSON, one wide object", || {
        json(&format!("{{{}\"z\":0}}", (0..SIZE / 12).map(|n| format!("\"k{n}\":0,")).collect::<String>()))
    }),
    ("JSON, many paths", many_paths),
    ("YAML, a list of numbers", || yaml(&format!("[{}0]\n", "0,".repeat(SIZE / 2)))),
    ("YAML, a block list", || yaml(&format!("\n{}", "- a\n".repeat(SIZE / 4)))),
    ("YAML, one long text", || yaml(&format!("|\n{}", "  text of a line that goes on\n".repeat(SIZE / 31)))),
    ("YAML, a large anchor", || yaml(&format!("&a [{}0]\nx-b: *a\n", "0,".repeat(SIZE / 2)))),
    ("YAML, many aliases", || yaml(&format!("&a {}\nx-b: [{}0]\n", "x".repeat(1_000), "*a ,".repeat(SIZE / 4)))),
];

fn json(value: &str) -> String {
    format!(r#"{{"openapi": "3.0.0", "info": {{"title": "T"}}, "paths": {{}}, "x-a": {value}}}"#)
}

fn yaml(value: &str) -> String {
    format!("openapi: 3.0.0\ninfo: {{title: T}}\npaths: {{}}\nx-a: {value}")
}

fn many_paths() -> String {
    let path = |n| format!(r#""/a{n}/{{b}}":{{"get":{{"parameters":[{{"in":"query","name":"q"}}]}}}},"#);
    let paths: String = (0..SIZE / 70).map(path).collect();
    format!(r#"{{"openapi":"3.0.0","info":{{"title":"T"}},"paths":{{{paths}"/z":{{}}}}}}"#)
}

/// The highest resident memory of this process so far, in bytes; none where the system does not say.
fn peak() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<usize>().ok()? * 1024)
}

#[test]
fn no_document_takes_more_than_sixteen_times_its_size() {
    if peak().is_none() {
        println!("SKIPPED: this system does not tell the peak of a process");
        return;
    }
    let name = "no_document_takes_more_than_sixteen_times_its_size";
    let Some(which) = std::env::var(WHICH).ok() else {
        for (document, _) in DOCUMENTS {
            let this = std::env::current_exe().expect("this test is a program");
            let out = Command::new(this).args([name, "--exact", "--nocapture"]).env(WHICH, document).output().unwrap();
            print!(
                "{}",
                String::from_utf8_lossy(&out.stdout)
                    .lines()
                    .filter(|line| line.starts_with(document))
                    .collect::<String>()
                    + "\n"
            );
            assert!(out.status.success(), "{document}: {}", String::from_utf8_lossy(&out.stderr));
        }
        return;
    };
    let (document, make) = DOCUMENTS.into_iter().find(|(document, _)| *document == which).unwrap();
    let text = make();
    let before = peak().unwrap();
    let result = import(text.as_bytes(), &Limits::default());
    let grown = peak().unwrap() - before;
    let end = result.map_or_else(
        |found| found.first().map(|finding| finding.code.clone()).unwrap_or_default(),
        |_| "taken".to_owned(),
    );
    println!("\n{document}: {} bytes, {grown} more resident, {end}", text.len());
    assert!(grown <= text.len() * FACTOR, "{grown} bytes for {}", text.len());
}
