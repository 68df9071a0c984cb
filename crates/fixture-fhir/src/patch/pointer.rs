//! JSON Pointer (RFC 6901) with the changes that JSON Patch makes.
//!
//! Invariant: an index stands inside the list, or just behind it for an addition.

use serde_json::Value;

use crate::answer::Fault;

/// A patched resource with more values is refused.
const MAX_VALUES: usize = 200_000;
/// Deeper than JSON is read back.
const MAX_DEPTH: usize = 100;

fn missing(path: &str) -> Fault {
    Fault::unprocessable(format!("there is nothing at `{path}`"))
}

/// The parent of a path, and its last token.
fn split<'a>(tree: &'a mut Value, path: &str) -> Result<(&'a mut Value, String), Fault> {
    let (parent, last) = path.rsplit_once('/').ok_or_else(|| missing(path))?;
    let last = last.replace("~1", "/").replace("~0", "~");
    Ok((tree.pointer_mut(parent).ok_or_else(|| missing(path))?, last))
}

pub(super) fn add(tree: &mut Value, path: &str, value: Value) -> Result<(), Fault> {
    if path.is_empty() {
        *tree = value;
        return Ok(());
    }
    let (parent, last) = split(tree, path)?;
    match parent {
        Value::Object(members) => {
            members.insert(last, value);
            Ok(())
        }
        Value::Array(items) => {
            let index = if last == "-" { Some(items.len()) } else { last.parse().ok() };
            items.insert(index.filter(|index| *index <= items.len()).ok_or_else(|| missing(path))?, value);
            Ok(())
        }
        _ => Err(missing(path)),
    }
}

pub(super) fn remove(tree: &mut Value, path: &str) -> Result<Value, Fault> {
    let (parent, last) = split(tree, path)?;
    match parent {
        Value::Object(members) => members.remove(&last).ok_or_else(|| missing(path)),
        Value::Array(items) => {
            let index = last.parse().ok().filter(|index| *index < items.len()).ok_or_else(|| missing(path))?;
            Ok(items.remove(index))
        }
        _ => Err(missing(path)),
    }
}

/// Refuses a tree that copies have made too large or too deep.
pub(super) fn bounded(tree: &Value) -> Result<(), Fault> {
    let mut open = vec![(tree, 0)];
    let mut values = 0;
    while let Some((value, depth)) = open.pop() {
        values += 1;
        if values > MAX_VALUES || depth > MAX_DEPTH {
            return Err(Fault::too_large());
        }
        match value {
            Value::Array(items) => open.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(members) => open.extend(members.values().map(|member| (member, depth + 1))),
            _ => {}
        }
    }
    Ok(())
}
