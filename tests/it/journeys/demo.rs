//! `firewarden demo` as a program: its story as JSON against what each request has to come to.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// Every request of the story, in its order: key, who asks, status, decision, reason.
const EXPECTED: &[(&str, &str, u64, &str, &str)] = &[
    ("own_patient", "patient A's app", 200, "permit", ""),
    ("other_patient", "patient A's app", 403, "deny", "other_patient"),
    ("own_observation", "patient A's app", 200, "permit", ""),
    ("decimal", "patient A's app", 200, "permit", ""),
    ("missing", "patient A's app", 404, "permit", ""),
    ("foreign", "patient A's app", 404, "permit", "not_found"),
    ("by_identifier", "patient A's app", 404, "permit", "not_found"),
    ("foreign_base", "patient A's app", 404, "permit", "not_found"),
    ("not_an_owner", "patient A's app", 404, "permit", "not_found"),
    ("performer", "patient A's app", 200, "permit", ""),
    ("b_own_patient", "patient B's app", 200, "permit", ""),
    ("system_read", "partner machine", 200, "permit", ""),
    ("narrowed", "patient A's app", 200, "permit", ""),
    ("narrowed_all", "patient A's app", 200, "permit", ""),
    ("other_search", "patient A's app", 403, "deny", "other_patient"),
    ("or_list", "patient A's app", 403, "deny", "other_patient"),
    ("post_search", "patient A's app", 200, "permit", ""),
    ("post_other", "patient A's app", 403, "deny", "other_patient"),
    ("chain", "patient A's app", 200, "permit", ""),
    ("chain_denied", "patient A's app", 403, "deny", "chain_denied"),
    ("include", "patient A's app", 200, "permit", ""),
    ("include_shared", "patient A's app", 200, "permit", ""),
    ("include_dropped", "patient A's app", 200, "permit", ""),
    ("reverse_include", "patient A's app", 200, "permit", ""),
    ("first_page", "patient A's app", 200, "permit", ""),
    ("second_page", "patient A's app", 200, "permit", ""),
    ("b_search", "patient B's app", 200, "permit", ""),
    ("system_search", "partner machine", 200, "permit", ""),
    ("create_own", "patient A's app", 201, "permit", ""),
    ("create_other", "patient A's app", 403, "deny", "other_owner"),
    ("create_nobody", "patient A's app", 403, "deny", "no_owner"),
    ("update_own", "patient A's app", 200, "permit", ""),
    ("update_lost", "patient A's app", 412, "deny", "changed_meanwhile"),
    ("update_away", "patient A's app", 403, "deny", "other_owner"),
    ("update_missing", "patient A's app", 404, "deny", "not_found"),
    ("update_foreign", "patient A's app", 404, "deny", "not_found"),
    ("create_without_scope", "patient B's app", 403, "deny", "no_rule"),
    ("no_rule", "patient A's app", 403, "deny", "no_rule"),
    ("not_in_service", "patient A's app", 404, "deny", "not_in_service"),
    ("method", "patient A's app", 405, "deny", "method_not_allowed"),
    ("everything", "patient A's app", 403, "deny", "no_rule"),
    ("double_encoded", "patient A's app", 400, "deny", "malformed_url"),
    ("wrong_case", "patient A's app", 400, "deny", "unknown_parameter"),
    ("no_token", "stranger", 401, "deny", "no_token"),
    ("garbage", "stranger", 401, "deny", "malformed_token"),
    ("forged", "stranger", 401, "deny", "bad_signature"),
    ("metadata", "stranger", 200, "permit", ""),
    ("role_read", "partner machine", 200, "permit", ""),
    ("role_search", "partner machine", 200, "permit", ""),
    ("role_denied", "partner machine", 403, "deny", "no_rule"),
    ("assumed_search", "assumed role", 200, "permit", ""),
    ("assumed_denied", "assumed role", 403, "deny", "no_rule"),
    ("alone_permit", "patient A's app", 200, "permit", ""),
    ("alone_deny", "patient A's app", 403, "deny", "other_patient"),
    ("alone_no_token", "stranger", 401, "deny", "no_token"),
    ("from_disk_permit", "patient A's app", 200, "permit", ""),
    ("from_disk_deny", "patient A's app", 403, "deny", "other_patient"),
    ("before_change", "partner machine", 403, "deny", "no_rule"),
    ("after_change", "partner machine", 200, "permit", ""),
    ("suspended_patient", "patient A's app", 401, "deny", "revoked"),
    ("suspended_assumed", "assumed role", 401, "deny", "revoked"),
    ("resumed_patient", "patient A's app", 200, "permit", ""),
    ("resumed_assumed", "assumed role", 401, "deny", "revoked"),
];

/// A plain API: the demo plays what can be told of any document.
const PLAIN: &str = "
openapi: 3.0.3
info: {title: Rooms, version: '1'}
servers: [{url: https://rooms.example/v1}]
paths:
  /rooms:
    get: {responses: {'200': {description: all}}}
  /rooms/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get: {responses: {'200': {description: one}}}
    delete: {responses: {'204': {description: gone}}}
  /keys:
    get: {responses: {'200': {description: all}}}
";

/// The program of this workspace, built if it is not.
fn program() -> std::path::PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--workspace", "--bin", "firewarden", "--message-format", "json"])
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");
    assert!(built.status.success(), "the program does not build");
    let messages = String::from_utf8(built.stdout).unwrap();
    let executable = messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let named = message.pointer("/target/name").is_some_and(|name| name == "firewarden");
        message.get("executable")?.as_str().filter(|_| named).map(str::to_owned)
    });
    executable.expect("cargo says where the program is").into()
}

/// The story as the program prints it, and whether it ended as it should.
fn story(arguments: &[&str]) -> (bool, Value) {
    let output = Command::new(program())
        .args(["demo", "--once", "--json"])
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .expect("the demo runs");
    let story = serde_json::from_slice(&output.stdout).expect("stdout holds one JSON document and nothing else");
    (output.status.success(), story)
}

/// The story of the sample EHR; played once for all tests.
fn sample() -> &'static (bool, Value) {
    static STORY: OnceLock<(bool, Value)> = OnceLock::new();
    STORY.get_or_init(|| story(&[]))
}

fn list<'a>(story: &'a Value, name: &str) -> &'a [Value] {
    story[name].as_array().expect("a list")
}

#[test]
fn the_demo_plays_the_whole_path_line_by_line() {
    let (success, story) = sample();
    let found: Vec<_> = list(story, "requests")
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap_or_default();
            (text("key"), text("who"), row["status"].as_u64().unwrap(), text("decision"), text("reason"))
        })
        .collect();
    assert_eq!(found, EXPECTED);
    assert_eq!(list(story, "failures"), &[] as &[Value]);
    assert_eq!(list(story, "left_out"), &[] as &[Value]);
    assert!(*success && story["ok"] == true);
    for row in list(story, "requests") {
        assert!(row["curl"].as_str().unwrap().starts_with("curl -i "), "{row}");
        assert!(row["micros"].is_u64(), "{row}");
        assert_eq!(row["decision"] == "deny" || row["reason"].is_string(), row["mend"].is_string(), "{row}");
    }
    for step in list(story, "steps") {
        assert_eq!(step["ok"], true, "{step}");
    }
    assert_eq!(story["measured"]["decisions"], EXPECTED.len());
    assert!(story["measured"]["serve_ready_milliseconds"].is_u64());
}

/// What the story changed after the request, so that its line answers differently now.
const OVERTAKEN: &[&str] = &["before_change", "suspended_patient", "suspended_assumed", "resumed_assumed"];

/// Every curl line of the story, run in a shell that has read the demo's file: a line of key and status each.
fn run_curl_lines(story: &Value) -> String {
    let lines = list(story, "requests").iter().filter(|row| !OVERTAKEN.contains(&row["key"].as_str().unwrap()));
    let lines = lines.map(|row| {
        let curl = row["curl"].as_str().unwrap().replacen("curl -i", "curl -s -o /dev/null -w '%{http_code}\\n'", 1);
        format!("printf '%s ' {}\n{curl}\n", row["key"].as_str().unwrap())
    });
    let lines: Vec<String> = lines.collect();
    let script = format!(". {}\n{}", story["places"]["shell_file"].as_str().unwrap(), lines.concat());
    let output = Command::new("sh").args(["-c", &script]).stderr(Stdio::inherit()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_curl_lines_answer_as_the_table_says_until_the_demo_is_ended() {
    if Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("skipped: curl is missing");
        return;
    }
    let mut demo =
        Command::new(program()).args(["demo", "--json"]).stdout(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
    let stdout = demo.stdout.take().unwrap();
    let story: Value = serde_json::Deserializer::from_reader(stdout).into_iter().next().unwrap().unwrap();
    assert_eq!(list(&story, "failures"), &[] as &[Value]);
    let answered = run_curl_lines(&story);
    let expected: Vec<String> = list(&story, "requests")
        .iter()
        .map(|row| (row["key"].as_str().unwrap(), &row["status"]))
        .filter(|(key, _)| !OVERTAKEN.contains(key))
        .map(|(key, status)| format!("{key} {status}\n"))
        .collect();
    assert_eq!(answered, expected.concat());

    assert!(Command::new("kill").args(["-TERM", &demo.id().to_string()]).status().unwrap().success());
    assert!(demo.wait().unwrap().success());
    let folder = story["places"]["folder"].as_str().unwrap();
    assert!(!std::path::Path::new(folder).exists(), "{folder} is left");
    for place in ["control_plane", "gateway", "upstream"] {
        let url = story["places"][place].as_str().unwrap();
        let address = url.trim_start_matches("http://").split('/').next().unwrap();
        assert!(std::net::TcpStream::connect(address).is_err(), "{place} still answers");
    }
}

#[test]
fn another_document_is_played_as_far_as_it_can_be() {
    let mut file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    file.write_all(PLAIN.as_bytes()).unwrap();
    let (success, story) = story(&["--openapi", file.path().to_str().unwrap()]);
    let keys: Vec<_> = list(&story, "requests").iter().map(|row| row["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["not_in_service", "role_permit", "no_token", "garbage", "forged", "role_denied"]);
    assert_eq!(list(&story, "failures"), &[] as &[Value]);
    assert!(success);
}

#[test]
fn a_folder_that_is_not_empty_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine"), "").unwrap();
    let output = Command::new(program()).args(["demo", "--once", "--data-dir"]).arg(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not empty"));
}
