//! A decision in words, and as JSON: what was decided, why, what would have to change, and what would be done.

use std::borrow::Cow;

use gateway::trial::{self, Trial};
use policy::claims::Claims;
use policy::decision::{Action, Decision, Lookup, Obligation, Related, Upstream, Verdict};
use serde_json::{Value, json};

use super::call::Call;

/// What was asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) call: &'a Call,
    pub(super) claims: Option<&'a Claims>,
    pub(super) trial: &'a Trial,
}

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
            let all: Vec<String> =
                lookups.iter().map(|lookup| format!("GET {}", line(&lookup.path, &lookup.query))).collect();
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

/// The decision for a person.
pub(super) fn text(asked: &Asked<'_>, decision: &Decision<'_>) -> String {
    let mut out = Page::default();
    out.line("request", &format!("{} {}", asked.call.method, asked.call.target));
    out.line("bundle", &format!("{} (its signature was not verified)", asked.trial.path().display()));
    out.line("caller", &caller(asked.claims));
    out.line("verdict", &verdict(decision));
    if let Some(reason) = decision.reason() {
        let words = reason.remedy();
        out.line("because", words.says);
        out.line("to change it", words.mend);
    }
    if let Some(operation) = operation(asked, decision) {
        out.line("operation", &operation);
    }
    out.line("phases", &trial::phases(decision).join(", "));
    out.list("permitted by", decision.rules.iter().map(Cow::as_ref));
    out.line("upstream", &upstream(decision));
    if let Action::Forward(upstream) = &decision.action {
        out.list("headers", headers(upstream).iter().map(String::as_str));
    }
    if let Action::Lookup(lookups) = &decision.action {
        let how =
            |lookup: &Lookup| format!("--stored '{}=@FILE'", line(lookup.path.trim_start_matches('/'), &lookup.query));
        out.list("decided with", lookups.iter().map(how));
    }
    out.list("obligations", decision.obligations.iter().map(obligation));
    out.list("related", decision.related.iter().map(related));
    out.list("rests on", decision.fields_used.iter().map(Cow::as_ref));
    out.list("passes over", decision.fields_ignored.iter().map(Cow::as_ref));
    for (index, entry) in decision.entries.iter().enumerate() {
        out.line(&format!("entry {index}"), &format!("{}; upstream: {}", verdict(entry), upstream(entry)));
    }
    out.text
}

/// The same as JSON.
pub(super) fn json(asked: &Asked<'_>, decision: &Decision<'_>) -> String {
    let mut all = whole(decision);
    if let Some(all) = all.as_object_mut() {
        all.insert("operation".to_owned(), operation(asked, decision).into());
        let entries: Vec<Value> = decision.entries.iter().map(whole).collect();
        all.insert("entries".to_owned(), entries.into());
    }
    format!("{all:#}\n")
}

fn whole(decision: &Decision<'_>) -> Value {
    let (effect, status) = match decision.verdict {
        Verdict::Permit => ("permit", None),
        Verdict::Undecided => ("undecided", None),
        Verdict::Deny { status, .. } => ("deny", Some(status)),
    };
    let lookups: Vec<String> = match &decision.action {
        Action::Lookup(lookups) => lookups.iter().map(|lookup| line(&lookup.path, &lookup.query)).collect(),
        _ => Vec::new(),
    };
    let forwarded = match &decision.action {
        Action::Forward(upstream) => json!({
            "method": upstream.method.as_str(),
            "path": upstream.path,
            "query": upstream.query,
            "body": upstream.body,
            "headers": headers(upstream),
        }),
        _ => Value::Null,
    };
    let words = decision.reason().map(policy::Reason::remedy);
    json!({
        "effect": effect,
        "status": status,
        "reason": decision.reason().map(policy::Reason::as_str),
        "because": words.as_ref().map(|words| words.says),
        "to_change_it": words.as_ref().map(|words| words.mend),
        "phases": trial::phases(decision),
        "rules": decision.rules,
        "upstream": forwarded,
        "lookups": lookups,
        "obligations": decision.obligations.iter().map(obligation).collect::<Vec<_>>(),
        "related": decision.related.iter().map(related).collect::<Vec<_>>(),
        "fields_used": decision.fields_used,
        "fields_ignored": decision.fields_ignored,
    })
}

fn caller(claims: Option<&Claims>) -> String {
    let Some(claims) = claims else { return "nobody: no claims and no token were given".to_owned() };
    let mut parts = vec![format!("{} {} of {}", claims.kind.as_str(), claims.sub, claims.iss)];
    parts.extend(claims.scope.as_ref().map(|scope| format!("scope {scope}")));
    if !claims.role_ids.is_empty() {
        let roles: Vec<String> = claims.role_ids.iter().map(ToString::to_string).collect();
        parts.push(format!("roles {}", roles.join(" ")));
    }
    parts.extend(claims.patient.as_ref().map(|patient| format!("patient {patient}")));
    parts.extend(claims.account_id.map(|account| format!("account {account}")));
    parts.join("; ")
}

fn operation(asked: &Asked<'_>, decision: &Decision<'_>) -> Option<String> {
    let index = usize::try_from(decision.operation?).ok()?;
    let key = asked.trial.bundle().parts().operations.get(index)?.key();
    let interaction = decision.interaction.map(|interaction| format!(" ({interaction}")).unwrap_or_default();
    let kind = decision.resource_type.as_ref().map(|kind| format!(" {kind}")).unwrap_or_default();
    Some(if interaction.is_empty() { key } else { format!("{key}{interaction}{kind})") })
}

fn headers(upstream: &Upstream<'_>) -> Vec<String> {
    upstream.headers.iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value))).collect()
}

/// With its value, which the person who asks gave or could read in the bundle.
fn obligation(one: &Obligation<'_>) -> String {
    match one {
        Obligation::AddQuery(name, value) => format!("add_query({name}={value})"),
        Obligation::SetQuery(name, value) => format!("set_query({name}={value})"),
        Obligation::SetHeader(name, value) => format!("set_header({name}: {value})"),
        other => other.name(),
    }
}

fn related(one: &Related<'_>) -> String {
    format!("{} {} {}", if one.permit { "permit" } else { "deny" }, one.via, one.resource_type)
}

/// Lines of a name and what it is, in two columns.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, name: &str, what: &str) {
        self.text.push_str(&format!("{name:<13} {what}\n"));
    }

    fn list(&mut self, name: &str, list: impl Iterator<Item = impl AsRef<str>>) {
        for (index, what) in list.enumerate() {
            self.line(if index == 0 { name } else { "" }, what.as_ref());
        }
    }
}
