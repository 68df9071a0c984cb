//! What the compiler has to say about a text: what is wrong, where, and how to mend it.
//!
//! Invariant: no finding is longer than a few lines, and no list of them grows with the input without bound.

use std::fmt::Write;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// The most findings of one severity; the rest is counted in one more.
const MAX_FINDINGS: usize = 500;
/// The longest piece of the document that a message repeats, in characters.
const MAX_QUOTED: usize = 80;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The text is refused.
    #[n(0)]
    Error,
    /// It is taken, and something in it does not count, or not as its author may think.
    #[n(1)]
    Warning,
    /// Worth knowing.
    #[n(2)]
    Info,
}

/// One thing that the compiler found.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    #[n(0)]
    pub severity: Severity,
    /// Where: a JSON pointer (RFC 6901) into the text; empty for the whole.
    #[n(1)]
    pub pointer: String,
    /// What, for programs: stable, snake_case.
    #[n(2)]
    pub code: String,
    /// What, for people.
    #[n(3)]
    pub message: String,
    /// How to mend it.
    #[n(4)]
    pub fix: String,
}

/// What a finding says, apart from where.
pub(crate) struct Says {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) fix: &'static str,
}

/// Says what is wrong and how to mend it.
pub(crate) fn says(code: &'static str, message: impl Into<String>, fix: &'static str) -> Says {
    Says { code, message: message.into(), fix }
}

impl Finding {
    /// A finding of this severity at that place.
    pub(crate) fn new(severity: Severity, pointer: impl Into<String>, says: Says) -> Self {
        Self { severity, pointer: pointer.into(), code: says.code.into(), message: says.message, fix: says.fix.into() }
    }

    /// What refuses the text.
    pub(crate) fn error(pointer: impl Into<String>, says: Says) -> Self {
        Self::new(Severity::Error, pointer, says)
    }
}

/// The findings of one text, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
    counts: [usize; 3],
}

impl Findings {
    /// Adds one; the pointer is worked out only if there is room for it.
    pub(crate) fn add(&mut self, severity: Severity, pointer: impl FnOnce() -> String, says: Says) {
        if let Some(count) = self.counts.get_mut(severity as usize) {
            *count += 1;
            if *count <= MAX_FINDINGS {
                self.list.push(Finding::new(severity, pointer(), says));
            }
        }
    }

    /// Adds one that another list had.
    pub(crate) fn take(&mut self, finding: Finding) {
        if let Some(count) = self.counts.get_mut(finding.severity as usize) {
            *count += 1;
            if *count <= MAX_FINDINGS {
                self.list.push(finding);
            }
        }
    }

    pub(crate) fn error(&mut self, pointer: impl FnOnce() -> String, says: Says) {
        self.add(Severity::Error, pointer, says);
    }

    pub(crate) fn warning(&mut self, pointer: impl FnOnce() -> String, says: Says) {
        self.add(Severity::Warning, pointer, says);
    }

    pub(crate) fn info(&mut self, pointer: impl FnOnce() -> String, says: Says) {
        self.add(Severity::Info, pointer, says);
    }

    /// Whether one of them refuses the text.
    pub(crate) const fn refuse(&self) -> bool {
        self.counts[0] > 0
    }

    /// All of them, the worst first, with a line for those that were left out.
    pub(crate) fn into_list(mut self) -> Vec<Finding> {
        for (severity, count) in [Severity::Error, Severity::Warning, Severity::Info].into_iter().zip(self.counts) {
            let left = count.saturating_sub(MAX_FINDINGS);
            if left > 0 {
                let message = format!("{left} more findings of this severity are left out");
                self.list.push(Finding::new(
                    severity,
                    "",
                    says("more_findings", message, "mend the ones that are shown, then look again"),
                ));
            }
        }
        self.list.sort_by_key(|finding| finding.severity);
        self.list
    }
}

/// A piece of the document in backticks: cut where it is long, and without control characters.
pub(crate) fn quote(text: &str) -> String {
    format!("`{}`", clip(text, MAX_QUOTED))
}

/// At most so many characters of a text, without control characters.
pub(crate) fn clip(text: &str, most: usize) -> String {
    let mut out = String::new();
    for (index, char) in text.chars().enumerate() {
        if index == most {
            out.push('…');
            break;
        }
        if is_plain(char) {
            out.push(char);
        } else {
            let _ = write!(out, "{}", char.escape_unicode());
        }
    }
    out
}

/// Whether a terminal shows the character and does nothing else with it.
fn is_plain(char: char) -> bool {
    !char.is_control()
        && !matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}
