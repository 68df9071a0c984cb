//! An explanation for a terminal: the verdict and what to change first, then phase by phase, rule by rule, table by table.

use gateway::trial::Trial;
use policy::claims::Claims;
use policy::decision::{Action, Decision, Lookup};
use policy::explanation::{Asked as Read, Explanation, Fate, Outcome, Rule, RuleOutcome, Table};

use super::call::Call;
use super::words;

/// What was asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) call: &'a Call,
    pub(super) claims: Option<&'a Claims>,
    pub(super) trial: &'a Trial,
}

/// The page.
pub(super) fn text(asked: &Asked<'_>, decision: &Decision<'_>, said: &Explanation) -> String {
    let mut out = Page::default();
    out.line("request", &format!("{} {}", asked.call.method, asked.call.target));
    out.line("bundle", &format!("{} (its signature was not verified)", asked.trial.path().display()));
    out.line("caller", &caller(asked.claims));
    out.line("verdict", &words::verdict(decision));
    out.list("because", said.because.iter());
    out.list("to change it", said.next.iter());
    out.list("operation", operation(&said.asked).iter());
    out.line("upstream", &words::upstream(decision));
    if let Action::Forward(upstream) = &decision.action {
        out.list("headers", words::headers(upstream).iter());
    }
    if let Action::Lookup(lookups) = &decision.action {
        let how = |lookup: &Lookup| format!("--stored '{}=@FILE'", words::line_of(lookup).trim_start_matches('/'));
        out.list("decided with", lookups.iter().map(how));
    }
    out.list("obligations", said.obligations.iter());
    out.list("includes", said.related.iter());
    out.list("rests on", said.fields_used.iter());
    out.list("passes over", said.fields_ignored.iter());
    let refused = said.asked.parameters.iter().filter(|one| one.fate == Fate::Refused);
    out.list("refused for", refused.map(|one| &one.name));

    let step = |one: &policy::explanation::Step| format!("{:<10} {:<9} {}", one.phase, outcome(one.outcome), one.says);
    let shown = said.phases.iter().filter(|one| one.outcome != Outcome::NotReached);
    out.part("phases", shown.map(step));
    out.part("rules", said.rules.iter().map(rule));
    out.part("no rule", said.without_effect.iter().map(|one| format!("{}: {}", one.name, one.says)));
    out.part(
        "entries",
        said.entries.iter().zip(decision.entries.iter()).enumerate().map(|(index, (entry, own))| {
            let rules = if entry.rules.is_empty() { String::new() } else { format!(", by {}", entry.rules.join(", ")) };
            let next = entry.next.join(" ");
            format!(
                "{index} {}: {}{rules}; upstream: {} {next}",
                entry.asked,
                words::verdict(own),
                words::upstream(own)
            )
            .trim_end()
            .to_owned()
        }),
    );
    out.part("tables in force", said.tables.iter().flat_map(table));
    out.part("settings", said.settings.iter().map(|one| format!("{} = {}", one.name, one.value)));
    out.text
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

/// `GET:/{type}/{id} (read Patient), needs r`.
fn operation(asked: &Read) -> Option<String> {
    let key = asked.operation.as_ref()?;
    let kind = asked.resource_type.as_ref().map(|kind| format!(" {kind}")).unwrap_or_default();
    let interaction = asked.interaction.map(|one| format!(" ({one}{kind})")).unwrap_or_default();
    let needs = if asked.letters.is_empty() { String::new() } else { format!(", needs {}", asked.letters) };
    Some(format!("{key}{interaction}{needs}"))
}

const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Continue => "continue",
        Outcome::Nothing => "-",
        Outcome::Deny => "deny",
        Outcome::Lookup => "lookup",
        Outcome::Ahead => "ahead",
        Outcome::NotReached => "",
    }
}

fn rule(rule: &Rule) -> String {
    let verb = match rule.outcome {
        RuleOutcome::Permits => "permits",
        RuleOutcome::Refuses => "refuses",
        RuleOutcome::Undecided => "lookup",
        RuleOutcome::Waits => "waits",
        RuleOutcome::NotAsked => "-",
    };
    let title = rule.title.as_ref().map(|title| format!(" `{title}`")).unwrap_or_default();
    let mut gives = vec![rule.gives.clone()];
    gives.extend(rule.constraints.iter().map(|one| format!("where {one}")));
    gives.extend(rule.within.iter().map(|one| format!("within {one}")));
    gives.extend(rule.condition.then(|| "under its `where`".to_owned()));
    gives.extend(rule.fields.as_ref().map(|fields| format!("fields {}", fields.join(" "))));
    format!("{verb:<10} {}{title} ({}): {}", rule.name, gives.join(", "), rule.says)
}

fn table(table: &Table) -> Vec<String> {
    let mut lines = vec![format!("{} ({}): {}", table.resource_type, table.standing, table.says)];
    if !table.owners.is_empty() {
        lines.push(format!("  elements: {}", table.owners.join(", ")));
    }
    if !table.parameters.is_empty() {
        let narrowed = table.narrowing.as_ref().map(|one| format!("; narrowed by {one}")).unwrap_or_default();
        lines.push(format!("  parameters: {}{narrowed}", table.parameters.join(", ")));
    }
    if table.security {
        lines.push("  to write it a scope has to name it: `*` is not enough".to_owned());
    }
    lines
}

/// Lines of a name and what it is, in two columns; and parts with a heading.
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

    fn part(&mut self, name: &str, list: impl Iterator<Item = String>) {
        for (index, what) in list.enumerate() {
            if index == 0 {
                self.text.push_str(&format!("\n{name}\n"));
            }
            self.text.push_str(&format!("  {what}\n"));
        }
    }
}
