//! docs/explain.md shows what the command prints: each of its commands is run here on the fixture's bundle.
//! `FIREWARDEN_WRITE_DOCS=1 cargo test -p arc` writes it anew.

use std::path::PathBuf;

use super::Fixture;

const FENCE: &str = "```console\n";
const BUNDLE: &str = "/var/lib/arc";

/// The words of a command, with what stands in single quotes as one.
fn arguments(command: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for (index, part) in command.split('\'').enumerate() {
        match (index % 2, words.last_mut()) {
            (1, _) => words.push(part.to_owned()),
            _ => words.extend(part.split_whitespace().map(str::to_owned)),
        }
    }
    words
}

fn shown(fixture: &Fixture, command: &str) -> String {
    let start = format!("$ arc check --bundle {BUNDLE} ");
    let rest = command.strip_prefix(&start).unwrap_or_else(|| panic!("{command}"));
    let words = arguments(rest);
    let said = fixture.answer(&words.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    let own = fixture.path("bundle").display().to_string();
    format!("{command}\n{}", said.replace(&own, &format!("{BUNDLE}/bundles/bundle-12")))
}

#[test]
fn the_page_about_explanations_shows_what_is_printed() {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/explain.md"));
    let page = std::fs::read_to_string(&path).unwrap();
    let fixture = Fixture::new();
    let mut parts = page.split(FENCE);
    let mut written = parts.next().unwrap_or_default().to_owned();
    let mut commands = 0;
    for part in parts {
        let (block, after) = part.split_once("```").unwrap();
        written += &format!("{FENCE}{}```{after}", shown(&fixture, block.lines().next().unwrap()));
        commands += 1;
    }
    assert!(commands > 2, "the page shows commands");
    if std::env::var_os("FIREWARDEN_WRITE_DOCS").is_some() {
        std::fs::write(&path, written).unwrap();
    } else {
        assert!(written == page, "docs/explain.md is out of step: FIREWARDEN_WRITE_DOCS=1 cargo test -p arc writes it");
    }
}
