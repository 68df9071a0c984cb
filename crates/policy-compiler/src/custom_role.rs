//! Roles that somebody writes, as lines of `METHOD:/path`.
//!
//! Invariant: a role gives exactly the operations that its lines name; a line that names none refuses the role.

use policy::bundle::MAX_OPERATIONS;
use policy::operation::{Method, Template};

use crate::finding::{Finding, Findings, Says, quote, says};
use crate::imported::{Imported, order};

/// The longest line, in bytes.
const MAX_LINE: usize = 2_100;

/// The operations that these lines name: indexes into [`Imported::operations`], ascending, none twice. A template may
/// name its parameters differently. Otherwise a finding for each line that is wrong, at `/operations/0` and so on.
pub fn custom_role(imported: &Imported, lines: &[String]) -> Result<Vec<u32>, Vec<Finding>> {
    let mut findings = Findings::default();
    if lines.is_empty() || lines.len() > MAX_OPERATIONS {
        let message = format!("a role has 1 to {MAX_OPERATIONS} operations, not {}", lines.len());
        findings.error(|| "/operations".to_owned(), says("bad_role", message, "list the operations that it gives"));
        return Err(findings.into_list());
    }
    let mut operations = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        match operation(imported, line) {
            Ok(found) => operations.push(found),
            Err(says) => findings.error(|| format!("/operations/{index}"), says),
        }
    }
    if findings.refuse() {
        return Err(findings.into_list());
    }
    operations.sort_unstable();
    operations.dedup();
    Ok(operations)
}

fn operation(imported: &Imported, line: &str) -> Result<u32, Says> {
    const FORM: &str = "write it as `GET:/Patient/{id}`";
    if line.len() > MAX_LINE {
        return Err(says("bad_operation", "the line is too long", FORM));
    }
    let bad = || says("bad_operation", format!("{} is not `METHOD:/path`", quote(line)), FORM);
    let (method, path) = line.trim().split_once(':').ok_or_else(bad)?;
    if path.contains(":[") {
        return Err(says("not_built", "lists of fields cannot be given yet", "name the operation without its list"));
    }
    let method = Method::parse(method).ok_or_else(bad)?;
    let template: Template = path.parse().map_err(|_| bad())?;
    let asked = (template.shape(), method);
    match imported.operations.binary_search_by_key(&asked, order) {
        Ok(index) => u32::try_from(index).map_err(|_| bad()),
        Err(_) => Err(unknown(imported, line, &asked.0)),
    }
}

fn unknown(imported: &Imported, line: &str, shape: &str) -> Says {
    let others: Vec<_> = imported
        .operations
        .iter()
        .filter(|operation| operation.template.shape() == shape)
        .map(|operation| operation.method.as_str())
        .collect();
    let message = if others.is_empty() {
        format!("{} is not in the Service: it has no such path", quote(line.trim()))
    } else {
        format!("{} is not in the Service: the path has {}", quote(line.trim()), others.join(", "))
    };
    says("unknown_operation", message, "name an operation that the Service's document declares")
}
