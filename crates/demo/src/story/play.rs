//! Plays rows at the gateway and holds them against the audit.

use super::rows::{Row, Tokens, next_link, wrong};
use super::{Member, Service, audit, requests};
use crate::client::Answer;
use crate::failure::Failure;
use crate::people::Who;
use crate::report::Request;
use crate::stage::Stage;
use crate::table;
use crate::upstream::Upstream;

/// All requests that were made, in their order; the audit has them in the same.
#[derive(Debug, Default)]
pub(crate) struct Play {
    answers: Vec<(&'static str, Answer)>,
    /// Requests whose verdict was not read yet, with their rows' actors.
    pending: Vec<(Who, Request)>,
}

type Asked<'a> = (&'a Member, &'a Service);
type Given<'a> = (&'a Upstream, &'a Tokens);

impl Play {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// How many requests were made.
    pub(crate) fn made(&self) -> usize {
        self.answers.len()
    }

    /// The tables of a FHIR Service.
    pub(crate) async fn fhir(&mut self, stage: &mut Stage, asked: Asked<'_>, given: Given<'_>) -> Result<(), Failure> {
        for (title, rows) in [
            ("Requests through the gateway: reading", requests::reads()),
            ("Searching", requests::searches()),
            ("Writing", requests::writes()),
            ("What nobody may", requests::refusals()),
            ("The custom role", requests::front_desk()),
        ] {
            stage.chapter(title);
            self.table(stage, asked, given, rows).await?;
        }
        Ok(())
    }

    /// Plays rows and shows them with what the audit says of each.
    pub(crate) async fn table(
        &mut self,
        stage: &mut Stage,
        asked: Asked<'_>,
        given: Given<'_>,
        rows: Vec<Row>,
    ) -> Result<(), Failure> {
        self.send(stage, given, rows).await?;
        self.settle(stage, asked).await
    }

    /// Sends rows, one after the other; their verdicts are read later.
    pub(crate) async fn send(
        &mut self,
        stage: &mut Stage,
        (upstream, tokens): Given<'_>,
        rows: Vec<Row>,
    ) -> Result<(), Failure> {
        for row in rows {
            let (key, with) = (row.key, row.with);
            let Some(row) = self.prepared(row, stage, upstream) else {
                stage.leave_out(&format!("`{key}`: this FHIR server has not what it needs"));
                continue;
            };
            let call = row.call(&stage.gateway, tokens);
            let answer = stage.client.send(&call).await?;
            let wrong = wrong(&row, &answer, &stage.gateway.value, &self.answers);
            let request = Request {
                key: key.to_owned(),
                chapter: stage.chapter_title().to_owned(),
                who: with.who().label(),
                method: row.method.to_string(),
                path: row.path.clone(),
                means: row.means.to_owned(),
                status: answer.status,
                decision: None,
                reason: None,
                micros: None,
                phase: None,
                expected: row.expected.clone(),
                ok: false,
                wrong,
                says: None,
                mend: None,
                curl: call.curl(),
            };
            self.pending.push((with.who(), request));
            self.answers.push((key, answer));
        }
        Ok(())
    }

    /// The row as it is sent: names filled in, or the link of the page before.
    fn prepared(&self, row: Row, stage: &Stage, upstream: &Upstream) -> Option<Row> {
        let mut row = row.fill(upstream)?;
        if let Some(key) = row.next_of {
            let (_, answer) = self.answers.iter().find(|(own, _)| *own == key)?;
            row.path = next_link(&answer.body)?.strip_prefix(&stage.gateway.value)?.to_owned();
        }
        Some(row)
    }

    /// Reads the verdicts on what was sent, and shows the table.
    pub(crate) async fn settle(&mut self, stage: &mut Stage, (owner, service): Asked<'_>) -> Result<(), Failure> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let verdicts = audit::verdicts(stage, (&owner.session, service), self.made()).await?;
        let first = self.made() - self.pending.len();
        table::head(&stage.screen);
        for (index, (who, mut request)) in self.pending.drain(..).enumerate() {
            match verdicts.get(first + index) {
                Some(verdict) => judge(&mut request, verdict),
                None => request.wrong.push("the audit has no decision of it".to_owned()),
            }
            request.ok = request.wrong.is_empty();
            if !request.ok {
                stage.report.failures.push(format!("{}: {}", request.key, request.wrong.join("; ")));
            }
            table::row(&stage.screen, first + index + 1, who, &request);
            stage.report.requests.push(request);
        }
        if verdicts.len() > self.made() {
            let surplus = format!("{} decisions for {} requests", verdicts.len(), self.made());
            stage.tell(Who::Gateway, "audit", &surplus, false);
        }
        Ok(())
    }
}

/// Holds what the audit says against what has to come.
fn judge(request: &mut Request, verdict: &audit::Verdict) {
    if verdict.method != request.method {
        request.wrong.push(format!("the audit has a {} in its place", verdict.method));
    }
    request.decision = Some(verdict.effect.to_owned());
    request.reason.clone_from(&verdict.reason);
    request.micros = Some(verdict.micros);
    request.phase = Some(verdict.phase);
    if verdict.effect != request.expected.decision {
        request.wrong.push(format!("the decision should be {}", request.expected.decision));
    }
    if verdict.reason != request.expected.reason {
        let expected = request.expected.reason.as_deref().unwrap_or("none");
        request.wrong.push(format!("the reason should be {expected}"));
    }
    if let Some(remedy) = verdict.reason.as_deref().and_then(policy::Reason::parse).map(policy::Reason::remedy) {
        request.says = Some(remedy.says.to_owned());
        request.mend = Some(remedy.mend.to_owned());
    }
}
