//! The table of requests: one line of answer each, what it shows, the curl line, and for a denial why.

use crate::people::Who;
use crate::report::Request;
use crate::screen::{BOLD, DIM, GREEN, RED, Screen, YELLOW, fit, wrap};

/// Columns that are not the request: mark, number, actor, status, decision, reason, time, and the gaps.
const OTHER_COLUMNS: usize = 2 + 6 + 17 + 2 + 6 + 10 + 23 + 7;
const INDENT: usize = 6;

/// Prints the head of the table.
pub(crate) fn head(screen: &Screen) {
    let request = fit("request", request_width(screen));
    let line = format!("     #  {}  {request} status decision  {} time", fit("who", 15), fit("reason", 22));
    screen.line(&screen.paint(DIM, &line));
}

fn request_width(screen: &Screen) -> usize {
    screen.width.saturating_sub(OTHER_COLUMNS).clamp(24, 64)
}

/// Prints one request with its number.
pub(crate) fn row(screen: &Screen, number: usize, who: Who, request: &Request) {
    let decision = request.decision.as_deref().unwrap_or("?");
    let (word, style) = match (decision, request.reason.is_some()) {
        ("permit", true) => ("withheld", YELLOW),
        ("permit", false) => ("permit", GREEN),
        ("deny", _) => ("deny", YELLOW),
        _ => ("?", RED),
    };
    let asked = fit(&format!("{} {}", request.method, request.path), request_width(screen));
    let micros = request.micros.map_or_else(|| "      ?".to_owned(), |micros| format!("{micros:>4} µs"));
    screen.line(&format!(
        "{} {number:>4}  {}  {}  {}   {}  {} {micros}",
        screen.mark(request.ok),
        screen.actor(who),
        screen.paint(BOLD, &asked),
        screen.status(request.status),
        screen.paint(style, &fit(word, 8)),
        fit(request.reason.as_deref().unwrap_or("-"), 22),
    ));
    detail(screen, &request.means, "");
    if let (Some(says), Some(mend)) = (&request.says, &request.mend) {
        detail(screen, says, "why: ");
        detail(screen, mend, "to change it: ");
    }
    for wrong in &request.wrong {
        screen.line(&format!("{}{}", " ".repeat(INDENT + 2), screen.paint(RED, wrong)));
    }
    // Never broken: the line is there to be copied.
    screen.line(&format!("{}{}", " ".repeat(INDENT + 2), screen.paint(DIM, &request.curl)));
}

fn detail(screen: &Screen, text: &str, label: &str) {
    let indent = " ".repeat(INDENT + 2);
    let room = screen.width.saturating_sub(INDENT + 2 + label.len());
    for (index, line) in wrap(text, room).iter().enumerate() {
        let label = if index == 0 { label.to_owned() } else { " ".repeat(label.len()) };
        screen.line(&format!("{indent}{}{line}", screen.paint(DIM, &label)));
    }
}
