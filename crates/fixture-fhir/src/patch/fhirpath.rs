//! FHIRPath Patch: a Parameters resource of operations on paths like `Observation.category[0].coding`.
//!
//! Invariant: a path is element names with indexes, no expression; others are refused.

use serde_json::Value;

use crate::answer::Fault;

use super::pointer;

/// Applies every `operation` of the Parameters.
pub(super) fn apply(tree: &mut Value, patch: &Value) -> Result<(), Fault> {
    let parameters = patch.get("parameter").and_then(Value::as_array);
    let is_parameters = patch.get("resourceType").and_then(Value::as_str) == Some("Parameters");
    let parameters = parameters.filter(|_| is_parameters).ok_or_else(|| Fault::invalid("a patch is a Parameters"))?;
    if parameters.len() > super::MAX_OPERATIONS {
        return Err(Fault::too_large());
    }
    parameters.iter().try_for_each(|operation| {
        step(tree, operation)?;
        pointer::bounded(tree)
    })
}

/// One part of an operation, by name.
fn part<'a>(operation: &'a Value, name: &str) -> Option<&'a Value> {
    let parts = operation.get("part")?.as_array()?;
    parts.iter().find(|part| part.get("name").and_then(Value::as_str) == Some(name))
}

/// The value of a part, whatever its type: `valueCode`, `valueString`.
fn value(part: &Value) -> Option<&Value> {
    part.as_object()?.iter().find(|(name, _)| name.starts_with("value")).map(|(_, value)| value)
}

fn step(tree: &mut Value, operation: &Value) -> Result<(), Fault> {
    let wanted = |name: &str| {
        let found = part(operation, name).and_then(value);
        found.cloned().ok_or_else(|| Fault::invalid(format!("an operation lacks its `{name}`")))
    };
    let text = |name: &str| wanted(name).map(|value| value.as_str().unwrap_or_default().to_owned());
    let index = |name: &str| wanted(name).map(|value| value.as_u64().unwrap_or(u64::MAX));
    let path = pointer(tree, &text("path")?)?;
    match text("type")?.as_str() {
        "add" => {
            let name = format!("{path}/{}", text("name")?);
            let list = tree.pointer(&name).is_some_and(Value::is_array);
            pointer::add(tree, &if list { format!("{name}/-") } else { name }, wanted("value")?)
        }
        "insert" => pointer::add(tree, &format!("{path}/{}", index("index")?), wanted("value")?),
        "replace" => {
            let place = tree.pointer_mut(&path).ok_or_else(|| Fault::unprocessable("there is nothing to replace"))?;
            *place = wanted("value")?;
            Ok(())
        }
        "delete" if tree.pointer(&path).is_none() => Ok(()),
        "delete" => pointer::remove(tree, &path).map(drop),
        "move" => {
            let moved = pointer::remove(tree, &format!("{path}/{}", index("source")?))?;
            pointer::add(tree, &format!("{path}/{}", index("destination")?), moved)
        }
        other => Err(Fault::invalid(format!("`{other}` is no operation"))),
    }
}

/// `Patient.name[0].family` as a JSON Pointer; a list without an index is the list, a list of one is its item.
fn pointer(tree: &Value, path: &str) -> Result<String, Fault> {
    let unreadable = || Fault::invalid(format!("`{path}` is no path of element names"));
    let mut steps = path.split('.');
    let kind = tree.get("resourceType").and_then(Value::as_str);
    if steps.next() != kind {
        return Err(unreadable());
    }
    let mut found = String::new();
    for step in steps {
        if tree.pointer(&found).and_then(Value::as_array).is_some_and(|items| items.len() == 1) {
            found.push_str("/0");
        }
        let (name, index) = match step.split_once('[') {
            Some((name, rest)) => (name, Some(rest.strip_suffix(']').ok_or_else(unreadable)?)),
            None => (step, None),
        };
        if name.is_empty() || !name.bytes().all(|one| one.is_ascii_alphanumeric()) {
            return Err(unreadable());
        }
        found.push('/');
        found.push_str(name);
        if let Some(index) = index {
            let index: u32 = index.parse().map_err(|_| unreadable())?;
            found.push_str(&format!("/{index}"));
        }
    }
    Ok(found)
}
