//! Custom roles and extension scopes: from lines and `where` to what a bundle carries.

use std::collections::BTreeSet;

use policy::bundle::{ExtensionScope, MAX_EXTENSION_SCOPES, MAX_ROLES};
use policy::condition::{Condition, Operand};
use policy::role::Role;
use policy::tag::TagKey;

use super::{refuse_long, refuse_twice};
use crate::condition::condition;
use crate::custom_role::custom_role;
use crate::finding::{Finding, Findings, quote, says};
use crate::imported::Imported;
use crate::source::{RoleSource, ScopeSource};

/// The longest name of an extension scope, in bytes.
const MAX_SCOPE: usize = 127;

/// The roles; each finding stands below `/roles/{id}`. Of a role that is refused, nothing is in the list.
pub(crate) fn roles(list: Vec<RoleSource>, imported: &Imported, keys: &[TagKey], findings: &mut Findings) -> Vec<Role> {
    refuse_long(list.len(), MAX_ROLES, "/roles", findings);
    refuse_twice(list.iter().map(|role| (role.id, role.id.to_string())), "/roles", findings);
    let mut roles = Vec::with_capacity(list.len());
    for role in list {
        let place = format!("/roles/{}", role.id);
        let given = below(&place, custom_role(imported, &role.operations), findings);
        let parsed = role.condition.as_deref().map(|text| below(&place, condition(text), findings));
        let condition = match parsed {
            None => None,
            Some(None) => continue,
            Some(Some(condition)) => {
                refuse_unknown_keys(&condition, keys, &place, findings);
                Some(condition)
            }
        };
        if let Some(given) = given {
            let (operations, fields) = (given.operations, given.fields);
            roles.push(Role { id: role.id, name: role.name, operations, fields, condition });
        }
    }
    roles
}

/// The extension scopes; each finding stands below `/extension_scopes/0` and so on.
pub(crate) fn scopes(list: Vec<ScopeSource>, imported: &Imported, findings: &mut Findings) -> Vec<ExtensionScope> {
    refuse_long(list.len(), MAX_EXTENSION_SCOPES, "/extension_scopes", findings);
    refuse_twice(list.iter().map(|scope| (&scope.name, scope.name.to_string())), "/extension_scopes", findings);
    let mut scopes = Vec::with_capacity(list.len());
    for (index, scope) in list.into_iter().enumerate() {
        let place = format!("/extension_scopes/{index}");
        if !is_extension_scope(&scope.name) {
            let message = format!("{} is no name of an extension scope", quote(&scope.name));
            let fix = "begin it with `__`, and go on with letters, digits and `._:/*-`";
            findings.error(|| place.clone(), says("bad_extension_scope", message, fix));
        }
        let Some(given) = below(&place, custom_role(imported, &scope.operations), findings) else { continue };
        if !given.fields.is_empty() {
            let message = "an extension scope cannot limit an operation to fields";
            let fix = "write a role for it, or leave the list out";
            findings.error(|| format!("{place}/operations"), says("bad_extension_scope", message, fix));
        }
        scopes.push(ExtensionScope { name: scope.name, operations: given.operations });
    }
    scopes
}

/// S14: `__billing.read`.
fn is_extension_scope(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/*-".contains(&byte);
    name.len() <= MAX_SCOPE
        && name.strip_prefix("__").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(is_allowed))
}

fn below<T>(place: &str, result: Result<T, Vec<Finding>>, findings: &mut Findings) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(list) => {
            for finding in list {
                findings.take(Finding { pointer: format!("{place}{}", finding.pointer), ..finding });
            }
            None
        }
    }
}

fn refuse_unknown_keys(condition: &Condition, keys: &[TagKey], place: &str, findings: &mut Findings) {
    let mut named = BTreeSet::new();
    gather_keys(condition, &mut named);
    for key in named.into_iter().filter(|key| !keys.iter().any(|known| *known.key == **key)) {
        let message = format!("the Service declares no tag {}, so the condition would never be true", quote(key));
        findings.error(
            || format!("{place}/where"),
            says("unknown_tag_key", message, "declare the key, or name one that is declared"),
        );
    }
}

/// As deep as the condition is, which is bounded.
fn gather_keys<'a>(condition: &'a Condition, keys: &mut BTreeSet<&'a str>) {
    match condition {
        Condition::Any(list) | Condition::All(list) => list.iter().for_each(|one| gather_keys(one, keys)),
        Condition::Not(inner) => gather_keys(inner, keys),
        Condition::Compare(comparison) => match &comparison.operand {
            Operand::ResourceTag(key) | Operand::PrincipalTag(key) => {
                keys.insert(key);
            }
            Operand::Request(_) => {}
        },
    }
}
