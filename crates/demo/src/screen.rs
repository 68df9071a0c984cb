//! What the reader sees: aligned lines in the width of the terminal, with colours where they are wanted.

use std::io::{IsTerminal, Write};

use crate::people::{LABEL_WIDTH, Who};

/// Lines are no wider than this, however wide the terminal.
const MAX_WIDTH: usize = 160;
/// The width where there is no terminal to ask.
const PLAIN_WIDTH: usize = 132;
const MIN_WIDTH: usize = 72;

/// What follows the underscore of an id.
const ID_LENGTH: usize = 26;

/// Styles, as the terminal numbers them.
pub(crate) const BOLD: u8 = 1;
pub(crate) const DIM: u8 = 2;
pub(crate) const RED: u8 = 31;
pub(crate) const GREEN: u8 = 32;
pub(crate) const YELLOW: u8 = 33;

/// Where the story is told.
#[derive(Debug)]
pub(crate) struct Screen {
    silent: bool,
    colours: bool,
    /// Columns.
    pub(crate) width: usize,
}

impl Screen {
    /// The screen of standard output; silent for programs.
    pub(crate) fn new(silent: bool, no_colour: bool) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let wanted = !no_colour && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let width = if terminal { terminal_width().unwrap_or(PLAIN_WIDTH) } else { PLAIN_WIDTH };
        Self { silent, colours: terminal && wanted, width: width.clamp(MIN_WIDTH, MAX_WIDTH) }
    }

    /// One line.
    pub(crate) fn line(&self, text: &str) {
        if !self.silent {
            // A reader who closed the pipe has seen enough.
            let _ = writeln!(std::io::stdout(), "{text}");
        }
    }

    /// The text in that style.
    pub(crate) fn paint(&self, style: u8, text: &str) -> String {
        if self.colours && !text.is_empty() { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// An actor's name, as wide as the longest.
    pub(crate) fn actor(&self, who: Who) -> String {
        self.paint(who.colour(), &fit(who.label(), LABEL_WIDTH))
    }

    /// A mark for what is as it should be, or not.
    pub(crate) fn mark(&self, ok: bool) -> String {
        if ok { self.paint(GREEN, "✓") } else { self.paint(RED, "✗") }
    }

    /// A status in the colour of its hundred.
    pub(crate) fn status(&self, status: u16) -> String {
        let style = match status {
            200..300 => GREEN,
            400..500 => YELLOW,
            _ => RED,
        };
        self.paint(style, &status.to_string())
    }

    /// A heading of a chapter.
    pub(crate) fn heading(&self, text: &str) {
        self.line("");
        self.line(&self.paint(BOLD, text));
    }
}

/// The columns of the terminal, as the shell or the terminal itself tells.
fn terminal_width() -> Option<usize> {
    if let Some(columns) = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()) {
        return Some(columns);
    }
    let asked = std::process::Command::new("stty").arg("size").stdin(std::process::Stdio::inherit()).output().ok()?;
    String::from_utf8(asked.stdout).ok()?.split_whitespace().nth(1)?.parse().ok()
}

/// The text in exactly that many columns: padded, or cut with `…`.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return format!("{text}{}", " ".repeat(width - length));
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// The same, but cut in its middle: of a call, method and end tell most.
pub(crate) fn fit_middle(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return fit(text, width);
    }
    let front = width / 4;
    let end = length - (width - front - 1);
    text.chars().take(front).chain(['…']).chain(text.chars().skip(end)).collect()
}

/// Lines of at most that many columns, broken at spaces.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// Ids are long and tell nothing to a reader: `svc_…k3qt`.
pub(crate) fn short_ids(path: &str) -> String {
    let short = |segment: &str| match segment.split_once('_') {
        Some((prefix, rest)) if rest.len() >= ID_LENGTH && rest.is_ascii() && !prefix.is_empty() => {
            format!("{prefix}_…{}", rest.get(ID_LENGTH - 4..).unwrap_or_default())
        }
        _ => segment.to_owned(),
    };
    path.split('/').map(short).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_fits_its_column() {
        assert_eq!(fit("abc", 5), "abc  ");
        assert_eq!(fit("abcdef", 5), "abcd…");
        assert_eq!(fit_middle("abcdefghijkl", 8), "ab…hijkl");
        assert_eq!(fit_middle("abc", 5), "abc  ");
        assert_eq!(short_ids("/v1/services/svc_0123456789abcdefghjkmnpqrs/roles"), "/v1/services/svc_…pqrs/roles");
    }

    #[test]
    fn a_long_text_breaks_at_spaces() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
    }
}
