//! PATCH: JSON Patch (RFC 6902) and FHIRPath Patch (R4 fhirpatch.html), applied to what is stored (D16).
//!
//! Invariant: a patch applies whole or not at all; a path that is not of the simplest form is none.

use serde_json::Value;

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
            let only = |name: &str| matches!(name, "resourceType" | "id" | "parameter");
            if !body.as_object()?.keys().all(|name| only(name)) {
                return None;
            }
            body.get("parameter")?
                .as_array()?
                .iter()
                .map(|one| path_step(one, type_name))
                .collect::<Option<_>>()
                .map(Patch)
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
    if json::text(one, "name")? != "operation" || !one.as_object()?.keys().all(|key| key == "name" || key == "part") {
        return None;
    }
    let parts = Parts(one.get("part")?.as_array()?);
    let kind = parts.text("type", &["valueCode", "valueString"])?;
    let (path, fits) = fhir_path(parts.text("path", &["valueString"])?, type_name)?;
    let of_list = path.last().is_some_and(|last| !last.starts_with(|char: char| char.is_ascii_digit()));
    // Every part is one that the operation has, once.
    let (more, step): (&[&str], Option<Step>) = match kind {
        "add" => {
            let name = element_name(parts.text("name", &["valueString"])?)?;
            (&["name", "value"], Some(Step::Put([path, vec![name]].concat(), parts.value()?)))
        }
        "insert" if of_list => (&["index", "value"], Some(Step::Insert(path, parts.index("index")?, parts.value()?))),
        "delete" if !path.is_empty() => (&[], Some(Step::Delete(path))),
        "replace" if !path.is_empty() => (&["value"], Some(Step::Replace(path, parts.value()?))),
        "move" if of_list => {
            (&["source", "destination"], Some(Step::Shift(path, parts.index("source")?, parts.index("destination")?)))
        }
        _ => (&[], None),
    };
    let names: Vec<&str> = parts.0.iter().map(|part| json::text(part, "name")).collect::<Option<_>>()?;
    let known = |name: &&str| ["type", "path"].contains(name) || more.contains(name);
    if names.len() != more.len() + 2 || !names.iter().all(known) {
        return None;
    }
    Some(if fits { step? } else { step.map(|_| Step::Unfit)? })
}

/// The parts of an operation.
struct Parts<'p>(&'p [Value]);

impl<'p> Parts<'p> {
    /// The part of that name, if it stands once.
    fn named(&self, name: &str) -> Option<&'p Value> {
        let mut found = self.0.iter().filter(|part| json::text(part, "name") == Some(name));
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }

    fn text(&self, name: &str, properties: &[&str]) -> Option<&'p str> {
        let (property, value) = content(self.named(name)?)?;
        properties.contains(&property).then(|| value.as_str()).flatten()
    }

    fn index(&self, name: &str) -> Option<usize> {
        let (property, value) = content(self.named(name)?)?;
        let index = (property == "valueInteger").then(|| value.as_u64()).flatten()?;
        usize::try_from(index).ok().filter(|index| *index < 100_000_000)
    }

    fn value(&self) -> Option<Value> {
        value_of(self.named("value")?)
    }
}

/// The one property of a part beside its name.
fn content(part: &Value) -> Option<(&str, &Value)> {
    let mut others = part.as_object()?.iter().filter(|(key, _)| *key != "name");
    let (key, value) = others.next()?;
    others.next().is_none().then_some((key, value))
}

/// A name that an element can have.
fn element_name(text: &str) -> Option<String> {
    let is_name = text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|char| char.is_ascii_alphanumeric())
        && text != "resourceType";
    is_name.then(|| text.to_owned())
}

/// The value of a part: `value[x]`, or a complex one of its own parts; a name that stands more than once is a list.
fn value_of(part: &Value) -> Option<Value> {
    let (property, value) = content(part)?;
    if property != "part" {
        return has_type(property.strip_prefix("value")?, value).then(|| value.clone());
    }
    let mut members: Vec<(String, Vec<Value>)> = Vec::new();
    for one in value.as_array().filter(|list| !list.is_empty())? {
        let (name, value) = (element_name(json::text(one, "name")?)?, value_of(one)?);
        match members.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => members.push((name, vec![value])),
        }
    }
    let whole = |(name, mut values): (String, Vec<Value>)| {
        let value = if values.len() == 1 { values.remove(0) } else { Value::Array(values) };
        (name, value)
    };
    Some(Value::Object(members.into_iter().map(whole).collect()))
}

/// Whether a value is written as that type is.
fn has_type(name: &str, value: &Value) -> bool {
    match name {
        "Boolean" => value.is_boolean(),
        "Decimal" | "Integer" | "PositiveInt" | "UnsignedInt" => value.is_number(),
        "Base64Binary" | "Canonical" | "Code" | "Date" | "DateTime" | "Id" | "Instant" | "Markdown" | "Oid"
        | "String" | "Time" | "Uri" | "Url" | "Uuid" => value.is_string(),
        name => COMPLEX.contains(&name) && value.is_object(),
    }
}

/// The types of `value[x]` that have elements.
const COMPLEX: &[&str] = &[
    "Address",
    "Age",
    "Annotation",
    "Attachment",
    "CodeableConcept",
    "Coding",
    "ContactDetail",
    "ContactPoint",
    "Contributor",
    "Count",
    "DataRequirement",
    "Distance",
    "Dosage",
    "Duration",
    "Expression",
    "HumanName",
    "Identifier",
    "Meta",
    "Money",
    "ParameterDefinition",
    "Period",
    "Quantity",
    "Range",
    "Ratio",
    "Reference",
    "RelatedArtifact",
    "SampledData",
    "Signature",
    "Timing",
    "TriggerDefinition",
    "UsageContext",
];

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
