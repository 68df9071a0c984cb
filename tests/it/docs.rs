//! Documentation that is written from the code, and checked against it.

use policy::Reason;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/decisions.md");
const MARK: &str = "<!-- reasons: written by `FIREWARDEN_WRITE_DOCS=1 cargo test -p tests docs` -->\n";

#[test]
fn the_page_on_decisions_lists_every_reason_in_the_words_of_the_code() {
    let mut table = String::from("\n| reason | what happened | what would have to change |\n|---|---|---|\n");
    for reason in Reason::ALL {
        let words = reason.remedy();
        table.push_str(&format!("| `{reason}` | {} | {} |\n", words.says, words.mend));
    }
    let page = std::fs::read_to_string(PAGE).expect("docs/decisions.md is there");
    let (before, after) = page.split_once(MARK).expect("the mark is there");
    if std::env::var_os("FIREWARDEN_WRITE_DOCS").is_some() {
        std::fs::write(PAGE, format!("{before}{MARK}{table}")).expect("docs/decisions.md can be written");
        return;
    }
    assert_eq!(after, table, "run FIREWARDEN_WRITE_DOCS=1 cargo test -p tests docs");
}
