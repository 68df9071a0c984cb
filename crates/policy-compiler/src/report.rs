//! The report on a document: for a terminal, and for programs.
//!
//! Invariant: the text holds no control character of the document, so no title can move the reader's cursor.

use std::fmt::{self, Display, Formatter};

use policy::settings::ServiceKind;
use serde::Serialize;

use crate::finding::{Finding, Severity, clip};
use crate::imported::{Imported, ImportedType};

/// The widest line of names, in characters.
const WIDTH: usize = 100;
/// The longest text that is repeated, in characters.
const MAX_TEXT: usize = 400;

/// What an import came to: an API, or why not. Serialises to one JSON object; [`Report::text`] writes it for people.
#[derive(Clone, Debug, Serialize)]
pub struct Report<'a> {
    /// Whether the document was taken.
    pub accepted: bool,
    /// What it describes; none when it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Summary<'a>>,
    /// All findings, the worst first.
    pub findings: &'a [Finding],
}

/// An API in numbers and names.
#[derive(Clone, Debug, Serialize)]
pub struct Summary<'a> {
    /// Its name.
    pub title: &'a str,
    /// The version of OpenAPI.
    pub openapi: &'a str,
    /// `plain` or `fhirv4`.
    pub kind: ServiceKind,
    /// Whether it looks like FHIR, whatever its kind.
    pub fhir_like: bool,
    /// Its base, if the document names one.
    pub base_url: Option<&'a str>,
    /// How many paths the document has.
    pub paths: usize,
    /// How many operations it declares.
    pub documented_operations: usize,
    /// Its operations.
    pub operations: Vec<OperationLine<'a>>,
    /// Its resource types.
    pub types: &'a [ImportedType],
}

/// One operation.
#[derive(Clone, Debug, Serialize)]
pub struct OperationLine<'a> {
    /// `GET:/Patient/{id}`, as a role names it.
    pub key: String,
    /// What it does in FHIR's terms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interaction: Option<&'static str>,
    /// On which type, where the path names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<&'a str>,
}

impl<'a> Report<'a> {
    /// The report on what [`crate::import`] answered.
    #[must_use]
    pub fn new(result: &'a Result<Imported, Vec<Finding>>) -> Self {
        match result {
            Ok(imported) => {
                Self { accepted: true, service: Some(Summary::new(imported)), findings: &imported.findings }
            }
            Err(findings) => Self { accepted: false, service: None, findings },
        }
    }

    /// The report for people; `colour` adds ANSI colours.
    #[must_use]
    pub fn text(&self, colour: bool) -> impl Display + '_ {
        Text { report: self, colour }
    }
}

impl<'a> Summary<'a> {
    fn new(imported: &'a Imported) -> Self {
        let operations = imported.operations.iter().map(|operation| OperationLine {
            key: operation.key(),
            interaction: operation.fhir.as_ref().map(|fhir| fhir.interaction.as_str()),
            resource_type: operation
                .fhir
                .as_ref()
                .and_then(|fhir| fhir.resource_type.as_ref())
                .map(policy::text::TypeName::as_str),
        });
        Self {
            title: &imported.title,
            openapi: &imported.openapi,
            kind: imported.kind,
            fhir_like: imported.fhir_like,
            base_url: imported.base_url.as_deref(),
            paths: imported.paths,
            documented_operations: imported.documented_operations,
            operations: operations.collect(),
            types: &imported.types,
        }
    }
}

struct Text<'r> {
    report: &'r Report<'r>,
    colour: bool,
}

impl Display for Text<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match &self.report.service {
            Some(service) => self.service(out, service)?,
            None => writeln!(out, "{}", self.paint("1;31", "The document is refused."))?,
        }
        for (severity, name, colour) in [
            (Severity::Error, "Errors", "1;31"),
            (Severity::Warning, "Warnings", "1;33"),
            (Severity::Info, "Notes", "1;36"),
        ] {
            self.findings(out, severity, name, colour)?;
        }
        self.last(out)
    }
}

impl Text<'_> {
    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn service(&self, out: &mut Formatter<'_>, service: &Summary<'_>) -> fmt::Result {
        writeln!(out, "{}", self.paint("1", &clip(service.title, MAX_TEXT)))?;
        let kind = match (service.kind, service.fhir_like) {
            (ServiceKind::Fhirv4, _) => "FHIR R4",
            (ServiceKind::Plain, true) => "plain, and looks like FHIR",
            (ServiceKind::Plain, false) => "plain",
        };
        let served = service.operations.len();
        let left = service.documented_operations.saturating_sub(served);
        let left = if left > 0 { format!(", {left} not served on their own") } else { String::new() };
        let in_fhir = service.operations.iter().filter(|operation| operation.interaction.is_some()).count();
        let in_fhir =
            if service.kind == ServiceKind::Fhirv4 { format!(", {in_fhir} of them FHIR's") } else { String::new() };
        writeln!(out, "  OpenAPI     {}", clip(service.openapi, MAX_TEXT))?;
        writeln!(out, "  kind        {kind}")?;
        writeln!(
            out,
            "  base URL    {}",
            service.base_url.map_or_else(|| "not set".to_owned(), |url| clip(url, MAX_TEXT))
        )?;
        writeln!(out, "  paths       {}", service.paths)?;
        writeln!(out, "  operations  {served}{in_fhir}{left}")?;
        if !service.types.is_empty() {
            writeln!(out, "  types       {}", service.types.len())?;
            Self::types(out, service.types)?;
        }
        Ok(())
    }

    /// One line for each type; types in a row that have the same interactions share one.
    fn types(out: &mut Formatter<'_>, types: &[ImportedType]) -> fmt::Result {
        let widest = types.iter().map(|found| found.name.as_str().len()).max().unwrap_or_default();
        writeln!(out)?;
        for found in types {
            let mut interactions: Vec<_> = found.interactions.iter().map(|interaction| interaction.as_str()).collect();
            if !found.in_r4 {
                interactions.push("(not in R4)");
            }
            let count = match found.search_parameters.len() {
                0 => String::new(),
                1 => "; 1 search parameter".to_owned(),
                count => format!("; {count} search parameters"),
            };
            wrapped(
                out,
                &format!("  {:widest$}  ", found.name.as_str()),
                &format!("{}{count}", interactions.join(" ")),
            )?;
        }
        Ok(())
    }

    fn findings(&self, out: &mut Formatter<'_>, severity: Severity, name: &str, colour: &str) -> fmt::Result {
        let found: Vec<_> = self.report.findings.iter().filter(|finding| finding.severity == severity).collect();
        if found.is_empty() {
            return Ok(());
        }
        writeln!(out, "\n{}", self.paint(colour, &format!("{name} ({})", found.len())))?;
        for finding in found {
            let pointer = if finding.pointer.is_empty() {
                "the whole document".to_owned()
            } else {
                clip(&finding.pointer, MAX_TEXT)
            };
            writeln!(out, "  {}  {}", self.paint("1", &finding.code), pointer)?;
            wrapped(out, "      ", &clip(&finding.message, MAX_TEXT))?;
            wrapped(out, "      fix: ", &clip(&finding.fix, MAX_TEXT))?;
        }
        Ok(())
    }

    fn last(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let count = |severity| self.report.findings.iter().filter(|finding| finding.severity == severity).count();
        let (errors, warnings, notes) = (count(Severity::Error), count(Severity::Warning), count(Severity::Info));
        let verdict = if self.report.accepted { self.paint("1;32", "accepted") } else { self.paint("1;31", "refused") };
        writeln!(out, "\n{verdict}: {errors} errors, {warnings} warnings, {notes} notes")
    }
}

/// Words after a head, further lines under the first word.
fn wrapped(out: &mut Formatter<'_>, head: &str, words: &str) -> fmt::Result {
    let indent = head.chars().count();
    let mut line = head.to_owned();
    let mut length = indent;
    for word in words.split(' ') {
        let more = word.chars().count() + 1;
        if length + more > WIDTH && length > indent {
            writeln!(out, "{}", line.trim_end())?;
            line = " ".repeat(indent);
            length = indent;
        }
        line.push_str(word);
        line.push(' ');
        length += more;
    }
    writeln!(out, "{}", line.trim_end())
}
