//! Reading the Parameters of a FHIRPath Patch: see [`super`] for what is accepted.

use std::borrow::Cow;

use super::{Action, Operation, Path, Step, TYPES};
use crate::json::{self, Kind, MAX_DEPTH, Value};
use crate::patch::{MAX_OPERATIONS, PatchFault, part, read as read_document};

/// The longest index that is read.
const MAX_INDEX_DIGITS: usize = 8;

/// Reads a Parameters resource.
pub(in crate::patch) fn read(text: &str) -> Result<Vec<Operation<'_>>, PatchFault> {
    let document = read_document(text)?;
    let root = document.root();
    let known = |name: &str| matches!(name, "resourceType" | "id" | "parameter");
    let parameters = root.get("parameter").filter(Value::is_array).ok_or(PatchFault::Malformed)?;
    let is_parameters = root.get("resourceType").is_some_and(|name| name.is_text("Parameters"));
    if !is_parameters || root.members().any(|member| !known(&member.name)) {
        return Err(PatchFault::Malformed);
    }
    if parameters.elements().nth(MAX_OPERATIONS).is_some() {
        return Err(PatchFault::TooLarge);
    }
    parameters.elements().map(|parameter| operation(text, parameter)).collect()
}

fn operation<'t>(text: &'t str, parameter: Value<'_>) -> Result<Operation<'t>, PatchFault> {
    let known = |name: &str| matches!(name, "name" | "part");
    let is_operation = parameter.get("name").is_some_and(|name| name.is_text("operation"));
    let list = parameter.get("part").filter(Value::is_array).ok_or(PatchFault::Malformed)?;
    if !is_operation || parameter.members().any(|member| !known(&member.name)) {
        return Err(PatchFault::Malformed);
    }
    let mut parts = Parts { text, taken: Vec::new() };
    for part in list.elements() {
        parts.add(part)?;
    }
    let kind = parts.text("type", &["valueCode", "valueString"])?;
    let path = Path::parse(&parts.text("path", &["valueString"])?)?;
    let action = match &*kind {
        "add" => Action::Add(name(&parts.text("name", &["valueString"])?)?, parts.value()?),
        "insert" => Action::Insert(parts.index("index")?, parts.value()?),
        "delete" => Action::Delete,
        "replace" => Action::Replace(parts.value()?),
        "move" => Action::Move(parts.index("source")?, parts.index("destination")?),
        _ => return Err(PatchFault::Malformed),
    };
    let is_collection = path.steps.last().is_some_and(|step| step.index.is_none());
    match action {
        Action::Insert(..) | Action::Move(..) if !is_collection => Err(PatchFault::Path),
        Action::Delete | Action::Replace(_) if path.steps.is_empty() => Err(PatchFault::Path),
        _ if !parts.taken.is_empty() => Err(PatchFault::Malformed),
        action => Ok(Operation { path, action }),
    }
}

/// The parts of an operation that were not taken yet.
struct Parts<'t, 'd> {
    text: &'t str,
    taken: Vec<(Cow<'d, str>, Value<'d>)>,
}

impl<'t, 'd> Parts<'t, 'd> {
    fn add(&mut self, part: Value<'d>) -> Result<(), PatchFault> {
        let name = part.text("name").ok_or(PatchFault::Malformed)?;
        if self.taken.iter().any(|(known, _)| *known == name) {
            return Err(PatchFault::Malformed);
        }
        self.taken.push((name, part));
        Ok(())
    }

    fn take(&mut self, name: &str) -> Result<Value<'d>, PatchFault> {
        let place = self.taken.iter().position(|(known, _)| known == name).ok_or(PatchFault::Malformed)?;
        Ok(self.taken.swap_remove(place).1)
    }

    /// The string of a part, under one of these properties.
    fn text(&mut self, name: &str, properties: &[&str]) -> Result<Cow<'d, str>, PatchFault> {
        let (property, value) = content(self.take(name)?)?;
        if properties.contains(&&*property) {
            value.as_str().ok_or(PatchFault::Malformed)
        } else {
            Err(PatchFault::Malformed)
        }
    }

    fn index(&mut self, name: &str) -> Result<usize, PatchFault> {
        let (property, value) = content(self.take(name)?)?;
        let fits = property == "valueInteger" && value.kind() == Kind::Number;
        if fits { number(value.raw()).ok_or(PatchFault::Malformed) } else { Err(PatchFault::Malformed) }
    }

    fn value(&mut self) -> Result<Cow<'t, str>, PatchFault> {
        let part = self.take("value")?;
        value(self.text, part)
    }
}

/// The one property of a part beside its name.
fn content(part: Value<'_>) -> Result<(Cow<'_, str>, Value<'_>), PatchFault> {
    let mut others = part.members().filter(|member| member.name != "name");
    match (others.next(), others.next()) {
        (Some(member), None) => Ok((member.name, member.value)),
        _ => Err(PatchFault::Malformed),
    }
}

/// The JSON of a value part: its `value[x]`, or an object of its parts.
fn value<'t>(text: &'t str, part_value: Value<'_>) -> Result<Cow<'t, str>, PatchFault> {
    let (property, content) = content(part_value)?;
    if property == "part" {
        return object(text, content).map(Cow::Owned);
    }
    let is_type = property.strip_prefix("value").filter(|name| TYPES.contains(name));
    match is_type {
        Some(name) if content.kind() == kind_of(name, content.kind()) => part(text, content).map(Cow::Borrowed),
        _ => Err(PatchFault::Malformed),
    }
}

/// The kind of JSON that a type is written as.
fn kind_of(name: &str, found: Kind) -> Kind {
    match name {
        "Boolean" if matches!(found, Kind::Bool(_)) => found,
        "Boolean" => Kind::Bool(false),
        "Decimal" | "Integer" | "PositiveInt" | "UnsignedInt" => Kind::Number,
        "Base64Binary" | "Canonical" | "Code" | "Date" | "DateTime" | "Id" | "Instant" | "Markdown" | "Oid"
        | "String" | "Time" | "Uri" | "Url" | "Uuid" => Kind::String,
        _ => Kind::Object,
    }
}

/// An object of the parts; a name that stands more than once is a list. The depth is that of the text.
fn object(text: &str, parts: Value<'_>) -> Result<String, PatchFault> {
    let mut members: Vec<(Box<str>, Vec<Cow<'_, str>>)> = Vec::new();
    if !parts.is_array() || parts.elements().next().is_none() {
        return Err(PatchFault::Malformed);
    }
    for part in parts.elements() {
        let name = name(&part.text("name").ok_or(PatchFault::Malformed)?)?;
        let value = value(text, part)?;
        let is_full = members.len() >= MAX_OPERATIONS;
        match members.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None if is_full => return Err(PatchFault::TooLarge),
            None => members.push((name, vec![value])),
        }
    }
    let mut out = String::from("{");
    for (index, (name, values)) in members.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        json::quote(name, &mut out);
        out.push(':');
        match values.as_slice() {
            [value] => out.push_str(value),
            values => out.push_str(&format!("[{}]", values.join(","))),
        }
    }
    out.push('}');
    Ok(out)
}

/// A property's name; not `resourceType`, which is no element.
fn name(text: &str) -> Result<Box<str>, PatchFault> {
    let is_name = text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && text != "resourceType";
    if is_name { Ok(text.into()) } else { Err(PatchFault::Path) }
}

fn number(digits: &str) -> Option<usize> {
    let plain =
        !digits.is_empty() && digits.len() <= MAX_INDEX_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain && (digits == "0" || !digits.starts_with('0')) { digits.parse().ok() } else { None }
}

impl Path {
    /// Reads `Type.element[0].element`; all else of FHIRPath is refused.
    pub(super) fn parse(text: &str) -> Result<Self, PatchFault> {
        let mut names = text.split('.');
        let resource_type = names.next().unwrap_or_default();
        let is_type = resource_type.starts_with(|first: char| first.is_ascii_uppercase())
            && resource_type.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let steps: Vec<Step> = names.map(Step::parse).collect::<Result<_, _>>()?;
        if !is_type || steps.len() > MAX_DEPTH / 2 {
            return Err(PatchFault::Path);
        }
        Ok(Self { resource_type: resource_type.into(), steps })
    }
}

impl Step {
    fn parse(text: &str) -> Result<Self, PatchFault> {
        let (element, index) = match text.split_once('[') {
            None => (text, None),
            Some((element, rest)) => {
                let index = rest.strip_suffix(']').and_then(number).ok_or(PatchFault::Path)?;
                (element, Some(index))
            }
        };
        Ok(Self { name: name(element)?, index })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn d16_a_path_is_type_element_index_and_nothing_else() {
        let path = Path::parse("Patient.contact[0].name.given[12]").unwrap();
        let steps: Vec<_> = path.steps.iter().map(|step| (&*step.name, step.index)).collect();
        assert_eq!(&*path.resource_type, "Patient");
        assert_eq!(steps, [("contact", Some(0)), ("name", None), ("given", Some(12))]);
        assert_eq!(Path::parse("Patient").unwrap().steps, []);
    }

    #[test]
    fn d16_every_other_fhirpath_is_refused() {
        for text in [
            "",
            "patient.name",
            "name[0]",
            "Patient.",
            ".name",
            "Patient..name",
            "Patient[0].name",
            "Patient.name[01]",
            "Patient.name[-1]",
            "Patient.name[0][0]",
            "Patient.name[0",
            "Patient.name[]",
            "Patient.name.first()",
            "Patient.name.where(use = 'official')",
            "Patient.name | Patient.contact",
            "Patient .name",
            "Patient.`name`",
            "Patient.$this",
            "%resource.name",
            "Patient.name as HumanName",
            "Patient.resourceType",
            "Patient.extension('http://example.org')",
            "Patient._birthDate",
            "Patient.name[999999999]",
        ] {
            assert!(Path::parse(text).is_err(), "{text}");
        }
        assert!(Path::parse(&format!("Patient{}", ".a".repeat(MAX_DEPTH / 2 + 1))).is_err());
    }

    proptest! {
        #[test]
        fn reading_a_path_never_panics(text in "\\PC{0,40}") {
            drop(Path::parse(&text));
        }
    }
}
