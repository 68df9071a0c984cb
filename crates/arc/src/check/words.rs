//! A decision in a line, and an explanation as JSON.

use policy::decision::{Action, Decision, Lookup, Upstream, Verdict};
use policy::explanation::Explanation;
use serde_json::{Value, json};

/// `permit`, `deny 403 no_rule`, or `lookup`.
pub(super) fn verdict(decision: &Decision<'_>) -> String {
    match decision.verdict {
        Verdict::Permit => "permit".to_owned(),
        Verdict::Undecided => "lookup".to_owned(),
        Verdict::Deny { status, reason } => format!("deny {status} {reason}"),
    }
}

/// `GET /Observation?patient=Patient/1`, `none`, `answered 204`, or `lookup GET /Observation/1`.
pub(super) fn upstream(decision: &Decision<'_>) -> String {
    match &decision.action {
        Action::None => "none".to_owned(),
        Action::Answer(status) | Action::Reply(status, _) => format!("answered {status}"),
        Action::Lookup(lookups) => {
            let all: Vec<String> = lookups.iter().map(|lookup| format!("GET {}", line_of(lookup))).collect();
            format!("lookup {}", all.join(", "))
        }
        Action::Forward(upstream) => {
            let kind = if upstream.body.as_ref().is_some_and(|body| body.starts_with('{')) { "json" } else { "form" };
            let body = upstream.body.as_ref().map(|body| format!(" {kind}: {body}")).unwrap_or_default();
            format!("{} {}{body}", upstream.method, line(&upstream.path, &upstream.query))
        }
    }
}

fn line(path: &str, query: &str) -> String {
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// `/Observation/1`.
pub(super) fn line_of(lookup: &Lookup) -> String {
    line(&lookup.path, &lookup.query)
}

/// The explanation, with what would go upstream: the asker's own request, and so with its values.
pub(super) fn json(decision: &Decision<'_>, explanation: &Explanation) -> String {
    let mut all = serde_json::to_value(explanation).unwrap_or_default();
    if let Some(all) = all.as_object_mut() {
        all.insert("upstream".to_owned(), forwarded(decision));
        if let Action::Lookup(lookups) = &decision.action {
            all.insert("lookups".to_owned(), lookups.iter().map(line_of).collect());
        }
        let entries = all.get_mut("entries").and_then(Value::as_array_mut);
        for (entry, own) in entries.into_iter().flatten().zip(decision.entries.iter()) {
            entry["upstream"] = forwarded(own);
        }
    }
    format!("{all:#}\n")
}

fn forwarded(decision: &Decision<'_>) -> Value {
    let Action::Forward(upstream) = &decision.action else { return Value::Null };
    json!({
        "method": upstream.method.as_str(),
        "path": upstream.path,
        "query": upstream.query,
        "body": upstream.body,
        "headers": headers(upstream),
    })
}

/// `accept: application/fhir+json`.
pub(super) fn headers(upstream: &Upstream<'_>) -> Vec<String> {
    upstream.headers.iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value))).collect()
}
