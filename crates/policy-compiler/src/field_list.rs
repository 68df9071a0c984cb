//! The list of fields of one line of a role: `[identifier,name.family,contact*]` (KD04, D28).
//!
//! Invariant: a list names at least one field. For POST, PUT and PATCH these are elements of the body; for all else,
//! and for a search by POST, query parameters, and then each is one that the Service defines for the operation.

use policy::operation::{FhirOperation, Interaction, Method, Operation};
use policy::role::Field;
use policy::settings::ServiceKind;

use crate::condition::is_field_name;
use crate::finding::{Says, quote, says};
use crate::imported::{Imported, ImportedType};
use crate::search;

/// The most fields of one operation in a role.
pub(crate) const MAX_FIELDS: usize = 500;
/// The longest list, in bytes.
const MAX_LIST: usize = 16 * 1024;
/// The deepest element that a list names.
const MAX_PATH: usize = 16;

/// Reads what stands between the brackets.
pub(crate) fn read(imported: &Imported, operation: &Operation, list: &str) -> Result<Vec<Field>, Says> {
    const FORM: &str = "write it as `[name,contact.name,exten*]`, or leave it out";
    if list.len() > MAX_LIST {
        return Err(says("bad_field", format!("a list of fields has at most {MAX_LIST} bytes"), FORM));
    }
    let fields = list.split(',').map(|text| {
        let text = text.trim();
        let field = field(text)
            .ok_or_else(|| says("bad_field", format!("{} is not a field such as `contact.name`", quote(text)), FORM))?;
        if !is_of_query(operation) || is_defined(imported, operation, &field) {
            return Ok(field);
        }
        let message = format!("{} has no query parameter {}", quote(&operation.key()), quote(text));
        Err(says("unknown_parameter", message, "name a parameter that the Service's document declares for it"))
    });
    fields.collect()
}

/// As a line carries it, in brackets.
pub(crate) fn print(fields: &[Field]) -> String {
    let one = |field: &Field| format!("{}{}", field.path.join("."), if field.prefix { "*" } else { "" });
    format!("[{}]", fields.iter().map(one).collect::<Vec<_>>().join(","))
}

fn field(text: &str) -> Option<Field> {
    let (names, prefix) = match text.strip_suffix('*') {
        Some(names) => (names, true),
        None => (text, false),
    };
    let path: Vec<Box<str>> = names.split('.').map(Into::into).collect();
    (path.len() <= MAX_PATH && path.iter().all(|name| is_field_name(name))).then_some(Field { path, prefix })
}

/// Whether a list of this operation speaks of its query (or its form), not of its body.
fn is_of_query(operation: &Operation) -> bool {
    let search = operation.fhir.as_ref().is_some_and(|fhir| {
        use Interaction::{SearchCompartment, SearchSystem, SearchType};
        matches!(fhir.interaction, SearchType | SearchSystem | SearchCompartment)
    });
    search || !matches!(operation.method, Method::Post | Method::Put | Method::Patch)
}

fn is_defined(imported: &Imported, operation: &Operation, field: &Field) -> bool {
    let [name] = field.path.as_slice() else { return false };
    let fits = |known: &str| if field.prefix { known.starts_with(&**name) } else { known == &**name };
    let declared = operation.query.iter().any(|known| fits(known));
    declared
        || imported.kind == ServiceKind::Fhirv4
            && operation.fhir.as_ref().is_some_and(|fhir| names(imported, fhir).any(fits))
}

/// What R4 and the document define for the operation's type; for every type where it names none.
fn names<'a>(imported: &'a Imported, fhir: &'a FhirOperation) -> impl Iterator<Item = &'a str> {
    let asked = fhir.resource_type.as_ref();
    let of_it = move |served: &&ImportedType| asked.is_none_or(|name| served.name == *name);
    imported
        .types
        .iter()
        .filter(of_it)
        .flat_map(search::defined)
        .chain(search::common().map(|name| -> &'a str { name }))
}
