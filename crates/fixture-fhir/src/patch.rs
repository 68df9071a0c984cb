//! Patches: JSON Patch (RFC 6902), and FHIRPath Patch with paths of element names and indexes.
//!
//! Invariant: a patch is applied whole or not at all, and a move can make nothing larger than the body allows.

mod fhirpath;
mod pointer;

use serde_json::Value;

use crate::answer::Fault;

/// More operations are refused.
const MAX_OPERATIONS: usize = 500;

/// The resource with the patch applied.
pub(crate) fn patched(tree: &Value, media_type: &str, text: &str) -> Result<Value, Fault> {
    let patch: Value = serde_json::from_str(text).map_err(|fault| Fault::invalid(fault.to_string()))?;
    let mut patched = tree.clone();
    match (media_type, &patch) {
        ("application/json-patch+json", Value::Array(operations)) => json_patch(&mut patched, operations)?,
        ("application/json-patch+json", _) => return Err(Fault::invalid("a JSON Patch is a list")),
        ("application/fhir+json" | "application/json" | "", Value::Object(_)) => fhirpath::apply(&mut patched, &patch)?,
        _ => return Err(Fault::media_type()),
    }
    Ok(patched)
}

fn json_patch(tree: &mut Value, operations: &[Value]) -> Result<(), Fault> {
    if operations.len() > MAX_OPERATIONS {
        return Err(Fault::too_large());
    }
    operations.iter().try_for_each(|operation| {
        step(tree, operation)?;
        pointer::bounded(tree)
    })
}

fn step(tree: &mut Value, operation: &Value) -> Result<(), Fault> {
    let text = |name: &str| {
        let text = operation.get(name).and_then(Value::as_str);
        text.ok_or_else(|| Fault::invalid(format!("an operation lacks its `{name}`")))
    };
    let value = || operation.get("value").cloned().ok_or_else(|| Fault::invalid("an operation lacks its `value`"));
    let missing = |path: &str| Fault::unprocessable(format!("there is nothing at `{path}`"));
    let path = text("path")?;
    match text("op")? {
        "test" if tree.pointer(path) == Some(&value()?) => Ok(()),
        "test" => Err(Fault::unprocessable(format!("the test of `{path}` failed"))),
        "add" => pointer::add(tree, path, value()?),
        "replace" => {
            *tree.pointer_mut(path).ok_or_else(|| missing(path))? = value()?;
            Ok(())
        }
        "remove" => pointer::remove(tree, path).map(drop),
        "move" => {
            let moved = pointer::remove(tree, text("from")?)?;
            pointer::add(tree, path, moved)
        }
        "copy" => {
            let from = text("from")?;
            let copied = tree.pointer(from).cloned().ok_or_else(|| missing(from))?;
            pointer::add(tree, path, copied)
        }
        other => Err(Fault::invalid(format!("`{other}` is no operation"))),
    }
}
