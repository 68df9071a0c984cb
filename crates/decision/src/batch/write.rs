//! The Bundles that are written here: what goes upstream of a batch, and the places of its denied entries in the answer.

use policy::decision::{Action, Decision, Released, Upstream};
use policy::reason::Reason;

use super::entry::Decided;
use super::read::Entry;
use super::{Batch, Item, Kind};
use crate::Engine;
use crate::answer;
use crate::json::quote;

/// The headers of an entry's own request, and the members that carry them.
const CONDITIONS: &[(&str, &str)] =
    &[("if-match", "ifMatch"), ("if-none-match", "ifNoneMatch"), ("if-none-exist", "ifNoneExist")];

/// The Bundle that goes upstream, sent to the path `own`, and how many entries it has.
pub(super) fn bundle(
    kind: Kind,
    own: &str,
    entries: &[Entry<'_>],
    decided: &[Decided<'_>],
    engine: &Engine,
) -> (String, usize) {
    let mut texts = Texts::begin(kind.as_str());
    let mut count = 0;
    for (entry, one) in entries.iter().zip(decided) {
        if let Decision { action: Action::Forward(upstream), .. } = &one.decision {
            count += 1;
            forwarded(entry, upstream, own, &engine.base.url, texts.next());
        }
    }
    (texts.end(), count)
}

fn forwarded(entry: &Entry<'_>, upstream: &Upstream<'_>, own: &str, base: &str, out: &mut String) {
    let path = upstream.path.strip_prefix(own).unwrap_or(&upstream.path);
    let path = path.strip_prefix('/').unwrap_or(path);
    out.push('{');
    if let Some(url) = entry.full_url.filter(|url| names_itself(url, base, upstream)) {
        out.push_str(r#""fullUrl":"#);
        quote(url, out);
        out.push(',');
    }
    if let Some(resource) = entry.resource {
        out.push_str(r#""resource":"#);
        out.push_str(resource);
        out.push(',');
    }
    out.push_str(r#""request":{"method":""#);
    out.push_str(upstream.method.as_str());
    out.push_str(r#"","url":"#);
    let query = if upstream.query.is_empty() { "" } else { "?" };
    quote(&format!("{path}{query}{}", upstream.query), out);
    for (header, name) in CONDITIONS {
        let value = upstream.headers.iter().find(|(known, _)| known == header).map(|(_, value)| value);
        if let Some(value) = value.and_then(|value| std::str::from_utf8(value).ok()) {
            out.push(',');
            quote(name, out);
            out.push(':');
            quote(value, out);
        }
    }
    out.push_str("}}");
}

/// Whether a `fullUrl` names nothing but its own entry.
///
/// A server resolves the references of an entry by the `fullUrl`s of all others, relative ones too: one that says
/// `Patient/ME` would turn another entry's reference to the context into one to whatever this entry writes.
fn names_itself(url: &str, base: &str, upstream: &Upstream<'_>) -> bool {
    let below = url.strip_prefix(base).is_some_and(|path| path == upstream.path);
    url.starts_with("urn:") || (below && upstream.path.len() > 1)
}

/// The answer of our own to a batch of which nothing is forwarded.
pub(super) fn reply(engine: &Engine, batch: &Batch<'_>) -> String {
    let mut texts = Texts::begin(batch.kind.response());
    for item in &batch.entries {
        if let Item::Denied { status, reason } = item {
            refusal(engine, *status, *reason, texts.next());
        }
    }
    texts.end()
}

/// The place of a denied entry in the answer.
pub(crate) fn refusal(engine: &Engine, status: u16, reason: Reason, out: &mut String) {
    let Released { status, body, .. } = answer::refused(Some(engine), status, reason);
    out.push_str(r#"{"response":{"status":"#);
    quote(&answer::status_line(status), out);
    out.push_str(r#","outcome":"#);
    out.push_str(&String::from_utf8_lossy(&body.bytes(&[])));
    out.push_str("}}");
}

/// A Bundle on its way out.
struct Texts {
    text: String,
    separator: &'static str,
}

impl Texts {
    fn begin(kind: &str) -> Self {
        Self { text: format!(r#"{{"resourceType":"Bundle","type":"{kind}""#), separator: r#","entry":["# }
    }

    /// Where the next entry is written.
    fn next(&mut self) -> &mut String {
        self.text.push_str(self.separator);
        self.separator = ",";
        &mut self.text
    }

    fn end(mut self) -> String {
        self.text.push_str(if self.separator == "," { "]}" } else { "}" });
        self.text
    }
}
