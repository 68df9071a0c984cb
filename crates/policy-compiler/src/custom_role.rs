//! Roles that somebody writes, as lines of `METHOD:/path`, some with a list of fields: `PUT:/x/{id}:[a,b.c]`.
//!
//! Invariant: a role gives exactly the operations that its lines name; a line that names none refuses the role. An
//! operation that stands there without a list is not limited, whatever lists it stands there with besides.

use std::collections::{BTreeMap, BTreeSet};

use policy::bundle::MAX_OPERATIONS;
use policy::operation::{Method, Operation, Template};
use policy::role::{Field, FieldList};

use crate::field_list;
use crate::finding::{Finding, Findings, Says, quote, says};
use crate::imported::{Imported, order};

/// The longest line, in bytes, without its list.
const MAX_LINE: usize = 2_100;

/// What the lines of a role come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomRole {
    /// Indexes into [`Imported::operations`], ascending, none twice.
    pub operations: Vec<u32>,
    /// The fields that some of them are limited to, sorted by operation, none twice.
    pub fields: Vec<FieldList>,
}

impl CustomRole {
    /// The lines as the document writes them, in its order, each with its list.
    #[must_use]
    pub fn lines(&self, imported: &Imported) -> Vec<String> {
        let line = |index: &u32| {
            let key = imported.operations.get(usize::try_from(*index).ok()?)?.key();
            let list = self.fields.iter().find(|list| list.operation == *index);
            Some(list.map_or_else(|| key.clone(), |list| format!("{key}:{}", field_list::print(&list.fields))))
        };
        self.operations.iter().filter_map(line).collect()
    }
}

/// The operations that these lines name, and the fields that they list. A template may name its parameters
/// differently; two lists of one operation unite. Otherwise a finding for each line that is wrong, at `/operations/0`
/// and so on.
pub fn custom_role(imported: &Imported, lines: &[String]) -> Result<CustomRole, Vec<Finding>> {
    let mut findings = Findings::default();
    if lines.is_empty() || lines.len() > MAX_OPERATIONS {
        let message = format!("a role has 1 to {MAX_OPERATIONS} operations, not {}", lines.len());
        findings.error(|| "/operations".to_owned(), says("bad_role", message, "list the operations that it gives"));
        return Err(findings.into_list());
    }
    let mut found: BTreeMap<u32, Option<BTreeSet<Field>>> = BTreeMap::new();
    for (index, line) in lines.iter().enumerate() {
        match read(imported, line) {
            Ok((operation, list)) => {
                let united = found.entry(operation).or_insert_with(|| Some(BTreeSet::new()));
                match list {
                    None => *united = None,
                    Some(list) => {
                        if let Some(united) = united {
                            united.extend(list);
                        }
                    }
                }
            }
            Err(says) => findings.error(|| format!("/operations/{index}"), says),
        }
    }
    for (operation, list) in &found {
        if list.as_ref().is_some_and(|list| list.len() > field_list::MAX_FIELDS) {
            let key = usize::try_from(*operation).ok().and_then(|index| imported.operations.get(index));
            let key = key.map_or_else(String::new, Operation::key);
            let message = format!("the lists of {} have more than {} fields", quote(&key), field_list::MAX_FIELDS);
            findings.error(|| "/operations".to_owned(), says("bad_field", message, "name the elements above them"));
        }
    }
    if findings.refuse() {
        return Err(findings.into_list());
    }
    let operations = found.keys().copied().collect();
    let fields = found.into_iter().filter_map(|(operation, list)| {
        let fields = list?.into_iter().collect();
        Some(FieldList { operation, fields })
    });
    Ok(CustomRole { operations, fields: fields.collect() })
}

/// One line: the operation's index, and its list if there is one.
fn read(imported: &Imported, line: &str) -> Result<(u32, Option<Vec<Field>>), Says> {
    const FORM: &str = "write it as `GET:/Patient/{id}`, or with fields as `PUT:/Patient/{id}:[name,contact.name]`";
    let bad = || says("bad_operation", format!("{} is not `METHOD:/path`", quote(line)), FORM);
    let (head, list) = match line.trim().split_once(":[") {
        Some((head, list)) => (head, Some(list.strip_suffix(']').ok_or_else(bad)?)),
        None => (line.trim(), None),
    };
    if head.len() > MAX_LINE {
        return Err(says("bad_operation", "the line is too long", FORM));
    }
    let (method, path) = head.split_once(':').ok_or_else(bad)?;
    let method = Method::parse(method).ok_or_else(bad)?;
    let template: Template = path.parse().map_err(|_| bad())?;
    let asked = (template.shape(), method);
    let Ok(index) = imported.operations.binary_search_by_key(&asked, order) else {
        return Err(unknown(imported, head, &asked.0));
    };
    let operation = imported.operations.get(index).ok_or_else(bad)?;
    let list = list.map(|list| field_list::read(imported, operation, list)).transpose()?;
    Ok((u32::try_from(index).map_err(|_| bad())?, list))
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
