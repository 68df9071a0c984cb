//! A table of calls with the decisions that they ought to have, in Markdown.

use std::collections::BTreeMap;
use std::path::Path;

use gateway::trial::Trial;
use policy::Reason;
use policy::bundle::Issuer;
use policy::claims::Claims;
use policy::request::Caller;
use serde_json::{Map, Value, json};

use super::call::{self, Call};
use super::{Fault, question, words};

/// The most rows of one table.
const MAX_ROWS: usize = 100_000;
/// The time of every decision of a table, so that it says the same tomorrow.
const NOW: i64 = 1;

/// One row: its line in the file, and its cells by column.
#[derive(Debug)]
struct Row {
    line: usize,
    cells: BTreeMap<String, String>,
}

impl Row {
    /// A cell; none where it is empty, or the table has no such column.
    fn cell(&self, column: &str) -> Option<&str> {
        self.cells.get(column).map(String::as_str).filter(|cell| !cell.is_empty())
    }

    fn fault(&self, fault: &Fault) -> Fault {
        Fault::Row { line: self.line, fault: fault.to_string() }
    }
}

/// Runs every row with a `call`, and tells on standard output which ones differ.
pub(super) fn run(trial: &Trial, path: &Path) -> Result<(), Fault> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let rows: Vec<Row> = rows(&call::read_text(path)?)?.into_iter().filter(|row| row.cell("call").is_some()).collect();
    let mut differ = 0;
    for row in &rows {
        let differences = differences(trial, row, folder)?;
        if !differences.is_empty() {
            differ += 1;
            println!("line {}: {}", row.line, row.cell("call").unwrap_or_default());
            for difference in &differences {
                println!("  {difference}");
            }
        }
    }
    if rows.is_empty() {
        return Err(Fault::Row { line: 1, fault: "there is no table with a column `call`".to_owned() });
    }
    if differ > 0 {
        return Err(Fault::Differ { rows: differ, of: rows.len() });
    }
    println!("{} rows hold", rows.len());
    Ok(())
}

fn differences(trial: &Trial, row: &Row, folder: &Path) -> Result<Vec<String>, Fault> {
    let call = call_of(trial, row.cell("call").unwrap_or_default(), folder).map_err(|fault| row.fault(&fault))?;
    let who = who(trial, row).map_err(|fault| row.fault(&fault))?;
    let caller = match &who {
        Who::Nobody => Caller::Missing,
        Who::Refused(reason) => Caller::Refused(*reason),
        Who::Claims(claims, None) => trial.caller(claims),
        Who::Claims(claims, Some(issuer)) => Caller::Verified(claims, issuer),
    };
    let decision = call.decide(trial, caller, NOW, &[]);
    let found = [("decision", words::verdict(&decision)), ("upstream", words::upstream(&decision))];
    let differs = |(column, found): (&str, String)| {
        let wanted = row.cell(column).filter(|wanted| *wanted != found)?;
        Some(format!("{column}: {wanted}\n  {:>width$}: {found}", "found", width = column.len()))
    };
    Ok(found.into_iter().filter_map(differs).collect())
}

/// `GET /Observation + Prefer: return=minimal json: {…}`.
fn call_of(trial: &Trial, text: &str, folder: &Path) -> Result<Call, Fault> {
    let (head, body, media) = [(" json: ", "application/fhir+json"), (" form: ", "application/x-www-form-urlencoded")]
        .into_iter()
        .find_map(|(mark, media)| text.split_once(mark).map(|(head, body)| (head, body, Some(media))))
        .unwrap_or((text, "", None));
    let mut parts = head.split(" + ");
    let first = parts.next().and_then(|line| line.split_once(' '));
    let expected = "a call: expected `GET /path`";
    let (method, url) = first.ok_or_else(|| Fault::Form { text: text.to_owned(), expected })?;
    let mut headers: Vec<String> = parts.map(str::to_owned).collect();
    let typed = headers.iter().any(|header| header.to_ascii_lowercase().starts_with("content-type:"));
    headers.extend(media.filter(|_| !typed).map(|media| format!("Content-Type: {media}")));
    Call::new(trial, method, url.trim(), &headers, call::text_or_file(body, folder)?)
}

/// Who calls, as a row says.
#[derive(Debug)]
enum Who {
    Nobody,
    Refused(Reason),
    /// These claims; of the issuer that they name, or of one that is not trusted for roles.
    Claims(Box<Claims>, Option<Box<Issuer>>),
}

fn who(trial: &Trial, row: &Row) -> Result<Who, Fault> {
    if let Some(json) = row.cell("claims") {
        return Ok(Who::Claims(Box::new(trial.claims(&question::object(json)?)?), None));
    }
    words_of(trial, row.cell("token").unwrap_or("none"))
}

/// Scopes and words, as `--help` explains them.
fn words_of(trial: &Trial, text: &str) -> Result<Who, Fault> {
    let parts = trial.bundle().parts();
    let mut claims = Map::new();
    let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    set("account_id", json!(parts.service.account_id));
    set(&parts.settings.patient_claim, "ME".into());
    let (mut scopes, mut roles, mut trusted) = (Vec::new(), Vec::new(), true);
    for word in text.split_whitespace() {
        match word.split_once(':') {
            None if word == "none" => return Ok(Who::Nobody),
            None if word == "person" => drop(set("fhirUser", "Practitioner/P1".into())),
            None if word == "untrusted" => trusted = false,
            Some(("refused", code)) => {
                let expected = "a reason";
                return Reason::parse(code)
                    .map(Who::Refused)
                    .ok_or_else(|| Fault::Form { text: code.to_owned(), expected });
            }
            Some(("role", name)) => {
                let known = parts.roles.iter().find(|role| *role.name == *name || role.id.to_string() == name);
                let expected = "a role of this bundle";
                roles.push(
                    known.map(|role| json!(role.id)).ok_or_else(|| Fault::Form { text: name.to_owned(), expected })?,
                );
            }
            Some(("account", "-")) => drop(set("account_id", Value::Null)),
            Some(("account", "owner")) => {}
            Some(("account", id)) => drop(set("account_id", id.into())),
            Some(("patient", "-")) => drop(set(&parts.settings.patient_claim, Value::Null)),
            Some(("patient", id)) => drop(set(&parts.settings.patient_claim, id.into())),
            Some(("kind", "assumed")) => drop(set("token_kind", "assumed_role".into())),
            Some(("kind", kind)) => drop(set("token_kind", kind.into())),
            _ => scopes.push(word),
        }
    }
    if !scopes.is_empty() {
        set("scope", scopes.join(" ").into());
    }
    set("role_ids", roles.into());
    let claims = Box::new(trial.claims(&claims)?);
    let issuer = parts.issuers.iter().find(|issuer| *issuer.issuer == *claims.iss).filter(|_| !trusted);
    let issuer = issuer.map(|issuer| Box::new(Issuer { trusted_for_roles: false, ..issuer.clone() }));
    Ok(Who::Claims(claims, issuer))
}

/// The rows of all tables of a document; a bar within a cell is written `\|`.
fn rows(text: &str) -> Result<Vec<Row>, Fault> {
    let mut all = Vec::new();
    let mut columns: Option<Vec<String>> = None;
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        let line = line.trim();
        if !line.starts_with('|') {
            columns = None;
            continue;
        }
        let cells = cells(line);
        let ruler = cells.iter().all(|cell| !cell.is_empty() && cell.chars().all(|char| "-: ".contains(char)));
        match &columns {
            None => columns = Some(cells),
            Some(_) if ruler => {}
            Some(columns) if columns.len() != cells.len() => {
                let fault = format!("{} cells in a table of {} columns", cells.len(), columns.len());
                return Err(Fault::Row { line: line_number, fault });
            }
            Some(_) if all.len() == MAX_ROWS => {
                return Err(Fault::Row { line: line_number, fault: format!("more than {MAX_ROWS} rows") });
            }
            Some(columns) => {
                all.push(Row { line: line_number, cells: columns.iter().cloned().zip(cells).collect() });
            }
        }
    }
    Ok(all)
}

fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut chars = line.trim_start_matches('|').chars().peekable();
    while let Some(char) = chars.next() {
        let bar = char == '|';
        let char = if char == '\\' && chars.peek() == Some(&'|') { chars.next().unwrap_or('|') } else { char };
        match cells.last_mut() {
            Some(last) if !bar => last.push(char),
            _ => cells.push(String::new()),
        }
    }
    // What follows the last bar is no cell.
    cells.pop();
    cells.into_iter().map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
}

#[cfg(test)]
mod tests;
