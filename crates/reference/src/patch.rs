//! PATCH: JSON Patch (RFC 6902) and FHIRPath Patch (R4 fhirpatch.html), applied to what is stored (D16).
//!
//! Invariant: a patch applies whole or not at all; a path that is not of the simplest form is none.

use serde_json::{Map, Value};

use crate::json;

/// The most operations.
pub(crate) const MAX_OPERATIONS: usize = 100;

/// The largest patched resource.
const MAX_BYTES: usize = 1024 * 1024;

/// A patch, as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Patch(Vec<Step>);

#[derive(Clone, Debug)]
enum Step {
    Add(Vec<String>, Value),
    Remove(Vec<String>),
    Replace(Vec<String>, Value),
    Move(Vec<String>, Vec<String>),
    Copy(Vec<String>, Vec<String>),
    Test(Vec<String>, Value),
    /// FHIRPath: sets an element, or appends to a list.
    Put(Vec<String>, Value),
    /// FHIRPath: inserts at a place of a list.
    Insert(Vec<String>, usize, Value),
    /// FHIRPath: deletes, if it is there.
    Delete(Vec<String>),
    /// FHIRPath: moves inside a list.
    Shift(Vec<String>, usize, usize),
    /// FHIRPath: an operation on another type, which can never be applied.
    Unfit,
}

/// Reads a patch; none if it has a fault.
pub(crate) fn read(body: &Value, type_name: &str) -> Option<Patch> {
    match body {
        Value::Array(list) => list.iter().map(json_step).collect::<Option<_>>().map(Patch),
        Value::Object(_) if json::text(body, "resourceType") == Some("Parameters") => {
            let list = match body.get("parameter") {
                None => Vec::new(),
                Some(list) => list.as_array()?.clone(),
            };
            list.iter().map(|one| path_step(one, type_name)).collect::<Option<_>>().map(Patch)
        }
        _ => None,
    }
}

/// A JSON Pointer (RFC 6901).
fn pointer(text: &str) -> Option<Vec<String>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let parts = text.strip_prefix('/')?.split('/');
    let decode = |part: &str| {
        let bad = part.split('~').skip(1).any(|rest| !rest.starts_with(['0', '1']));
        (!bad).then(|| part.replace("~1", "/").replace("~0", "~"))
    };
    parts.map(decode).collect()
}

fn json_step(one: &Value) -> Option<Step> {
    let one = one.as_object()?;
    let path = |name: &str| one.get(name).and_then(Value::as_str).and_then(pointer);
    let value = || one.get("value").cloned();
    match one.get("op")?.as_str()? {
        "add" => Some(Step::Add(path("path")?, value()?)),
        "remove" => Some(Step::Remove(path("path")?)),
        "replace" => Some(Step::Replace(path("path")?, value()?)),
        "move" => Some(Step::Move(path("from")?, path("path")?)),
        "copy" => Some(Step::Copy(path("from")?, path("path")?)),
        "test" => Some(Step::Test(path("path")?, value()?)),
        _ => None,
    }
}

/// `Type.element[0].element`, as a pointer; and whether the type is the one that is patched.
fn fhir_path(text: &str, type_name: &str) -> Option<(Vec<String>, bool)> {
    let mut parts = text.split('.');
    let own = parts.next()?;
    let fits = own == type_name;
    if !fits && !crate::facts::is_type_name(own) {
        return None;
    }
    let mut path = Vec::new();
    for part in parts {
        let (name, index) = match part.split_once('[') {
            Some((name, rest)) => (name, Some(rest.strip_suffix(']')?)),
            None => (part, None),
        };
        if name.is_empty() || !name.chars().all(|char| char.is_ascii_alphanumeric()) {
            return None;
        }
        path.push(name.to_owned());
        if let Some(index) = index {
            index.parse::<usize>().ok()?;
            path.push(index.to_owned());
        }
    }
    Some((path, fits))
}

fn path_step(one: &Value, type_name: &str) -> Option<Step> {
    if json::text(one, "name")? != "operation" {
        return None;
    }
    let parts = one.get("part")?.as_array()?;
    let named = |name: &str| -> Option<&Map<String, Value>> {
        let mut found = parts.iter().filter(|part| json::text(part, "name") == Some(name));
        let first = found.next()?.as_object()?;
        found.next().is_none().then_some(first)
    };
    let known = ["type", "path", "name", "value", "index", "source", "destination"];
    if !parts.iter().all(|part| json::text(part, "name").is_some_and(|name| known.contains(&name))) {
        return None;
    }
    let value = |name: &str| named(name).and_then(value_of);
    let index = |name: &str| value(name).and_then(|value| value.as_u64()).and_then(|index| usize::try_from(index).ok());
    let (path, fits) = fhir_path(value("path")?.as_str()?, type_name)?;
    let step = step_of(value("type")?.as_str()?, path, &value, &index)?;
    Some(if fits { step } else { Step::Unfit })
}

fn step_of(
    kind: &str,
    path: Vec<String>,
    value: &dyn Fn(&str) -> Option<Value>,
    index: &dyn Fn(&str) -> Option<usize>,
) -> Option<Step> {
    match kind {
        "add" => {
            let mut path = path;
            let name = value("name")?.as_str()?.to_owned();
            if name.is_empty() || !name.chars().all(|char| char.is_ascii_alphanumeric()) {
                return None;
            }
            path.push(name);
            Some(Step::Put(path, value("value")?))
        }
        "insert" => Some(Step::Insert(path, index("index")?, value("value")?)),
        "delete" => Some(Step::Delete(path)),
        "replace" => Some(Step::Replace(path, value("value")?)),
        "move" => Some(Step::Shift(path, index("source")?, index("destination")?)),
        _ => None,
    }
}

/// The value of a part: `value[x]`, or a complex one of its own parts.
fn value_of(part: &Map<String, Value>) -> Option<Value> {
    let mut values = part.iter().filter(|(key, _)| key.starts_with("value") && key.len() > 5);
    let found = values.next().map(|(_, value)| value.clone());
    match (found, values.next(), part.get("part")) {
        (Some(value), None, None) => Some(value),
        (None, None, Some(list)) => {
            let mut map = Map::new();
            for one in list.as_array()? {
                let one = one.as_object()?;
                let name = one.get("name")?.as_str()?.to_owned();
                if map.insert(name, value_of(one)?).is_some() {
                    return None;
                }
            }
            Some(Value::Object(map))
        }
        _ => None,
    }
}

impl Patch {
    /// The values that it brings in; those of a `test` are not.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        self.0.iter().filter_map(|step| match step {
            Step::Add(_, value) | Step::Replace(_, value) | Step::Put(_, value) | Step::Insert(_, _, value) => {
                Some(value)
            }
            Step::Remove(_)
            | Step::Move(..)
            | Step::Copy(..)
            | Step::Test(..)
            | Step::Delete(_)
            | Step::Shift(..)
            | Step::Unfit => None,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it asks for what is stored.
    pub(crate) fn tests(&self) -> bool {
        self.0.iter().any(|step| matches!(step, Step::Test(..)))
    }

    /// The paths of elements that it touches, without places in lists.
    pub(crate) fn touched(&self) -> Vec<Vec<String>> {
        let names = |path: &Vec<String>| -> Vec<String> {
            path.iter().filter(|part| *part != "-" && part.parse::<usize>().is_err()).cloned().collect()
        };
        self.0
            .iter()
            .flat_map(|step| match step {
                Step::Add(path, _) | Step::Remove(path) | Step::Replace(path, _) | Step::Test(path, _) => {
                    vec![names(path)]
                }
                Step::Move(from, path) | Step::Copy(from, path) => vec![names(from), names(path)],
                Step::Put(path, _) | Step::Insert(path, ..) | Step::Delete(path) | Step::Shift(path, ..) => {
                    vec![names(path)]
                }
                Step::Unfit => Vec::new(),
            })
            .collect()
    }

    /// The patched value; none if an operation cannot be applied.
    pub(crate) fn apply(&self, stored: &Value) -> Option<Value> {
        let mut value = stored.clone();
        for step in &self.0 {
            apply(&mut value, step)?;
            // A copy into itself doubles what is there, so both limits are kept after each step.
            if depth(&value) > json::MAX_DEPTH || value.to_string().len() > MAX_BYTES {
                return None;
            }
        }
        Some(value)
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn apply(root: &mut Value, step: &Step) -> Option<()> {
    match step {
        Step::Unfit => None,
        Step::Add(path, value) => add(root, path, value.clone()),
        Step::Remove(path) => remove(root, path).map(drop),
        Step::Replace(path, value) => {
            *find(root, path)? = value.clone();
            Some(())
        }
        Step::Move(from, path) => {
            if path.len() > from.len() && path.starts_with(from) {
                return None;
            }
            let value = remove(root, from)?;
            add(root, path, value)
        }
        Step::Copy(from, path) => {
            let value = find(root, from)?.clone();
            add(root, path, value)
        }
        Step::Test(path, value) => (find(root, path)? == value).then_some(()),
        Step::Put(path, value) => {
            let (name, above) = path.split_last()?;
            let map = find(root, above)?.as_object_mut()?;
            match map.get_mut(name) {
                Some(Value::Array(list)) => list.push(value.clone()),
                Some(_) => return None,
                None => {
                    map.insert(name.clone(), value.clone());
                }
            }
            Some(())
        }
        Step::Insert(path, index, value) => {
            let list = find(root, path)?.as_array_mut()?;
            (*index <= list.len()).then(|| list.insert(*index, value.clone()))
        }
        Step::Delete(path) => {
            if find(root, path).is_some() {
                remove(root, path)?;
            }
            Some(())
        }
        Step::Shift(path, from, to) => {
            let list = find(root, path)?.as_array_mut()?;
            if *from >= list.len() || *to >= list.len() {
                return None;
            }
            let value = list.remove(*from);
            list.insert(*to, value);
            Some(())
        }
    }
}

/// A place in a list: digits without leading zeros.
fn place(text: &str) -> Option<usize> {
    if text.len() > 1 && text.starts_with('0') {
        None
    } else {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
    }
}

fn find<'a>(value: &'a mut Value, path: &[String]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, part| match value {
        Value::Object(map) => map.get_mut(part),
        Value::Array(list) => list.get_mut(place(part)?),
        _ => None,
    })
}

fn add(root: &mut Value, path: &[String], value: Value) -> Option<()> {
    let Some((last, above)) = path.split_last() else {
        *root = value;
        return Some(());
    };
    match find(root, above)? {
        Value::Object(map) => {
            map.insert(last.clone(), value);
            Some(())
        }
        Value::Array(list) if last == "-" => {
            list.push(value);
            Some(())
        }
        Value::Array(list) => {
            let index = place(last)?;
            (index <= list.len()).then(|| list.insert(index, value))
        }
        _ => None,
    }
}

fn remove(root: &mut Value, path: &[String]) -> Option<Value> {
    let (last, above) = path.split_last()?;
    match find(root, above)? {
        Value::Object(map) => map.remove(last),
        Value::Array(list) => {
            let index = place(last)?;
            (index < list.len()).then(|| list.remove(index))
        }
        _ => None,
    }
}
