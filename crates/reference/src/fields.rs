//! Lists of fields of a role's line (D28): `PUT:/x/{id}:[a,b.c,d*]`.

use policy::operation::Method;
use serde_json::Value;

use crate::document::{self, Segment};

/// A line of a role.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) method: Method,
    pub(crate) template: Vec<Segment>,
    /// None: every field.
    pub(crate) fields: Option<Vec<Field>>,
}

/// One entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    path: Vec<String>,
    /// Whether the last name ended with `*`.
    prefix: bool,
}

/// Reads a line; none if it has a fault.
pub(crate) fn line(text: &str) -> Option<Line> {
    let (method, rest) = text.split_once(':')?;
    let (path, fields) = match rest.split_once(":[") {
        Some((path, list)) => (path, Some(list.strip_suffix(']')?)),
        None => (rest, None),
    };
    let fields = match fields {
        Some(list) => Some(list.split(',').map(|one| field(one.trim())).collect::<Option<Vec<_>>>()?),
        None => None,
    };
    Some(Line { method: Method::parse(method.trim())?, template: document::template(path.trim())?, fields })
}

fn field(text: &str) -> Option<Field> {
    let (text, prefix) = text.strip_suffix('*').map_or((text, false), |text| (text, true));
    let path: Vec<String> = text.split('.').map(str::to_owned).collect();
    let empty = path.iter().enumerate().any(|(at, name)| name.is_empty() && !(prefix && at + 1 == path.len()));
    (!empty).then_some(Field { path, prefix })
}

impl Field {
    /// Whether this entry lets a whole path pass: it names the path, or something above it.
    fn passes(&self, path: &[String]) -> bool {
        let Some((last, above)) = self.path.split_last() else { return false };
        let Some((own, rest)) = path.split_at_checked(above.len()) else { return false };
        own == above
            && rest.first().is_some_and(|name| if self.prefix { name.starts_with(last.as_str()) } else { name == last })
    }

    /// Whether it names something below that path, so that the path itself is only walked through.
    fn is_below(&self, path: &[String]) -> bool {
        self.path.len() > path.len() && self.path.starts_with(path)
    }
}

/// Whether a name of a query or form is in the list.
pub(crate) fn allows_name(list: &[Field], name: &str) -> bool {
    let name = name.split([':', '.']).next().unwrap_or(name);
    list.iter().any(|one| one.passes(&[name.to_owned()]))
}

/// Whether a path of elements is in the list.
pub(crate) fn allows_path(list: &[Field], path: &[String]) -> bool {
    list.iter().any(|one| one.passes(path))
}

/// Whether every field of a body is in the list.
pub(crate) fn allows_body(list: &[Field], body: &Value) -> bool {
    walk(list, body, &mut Vec::new())
}

fn walk(list: &[Field], value: &Value, path: &mut Vec<String>) -> bool {
    match value {
        Value::Object(map) => map.iter().all(|(name, value)| {
            if path.is_empty() && (name == "resourceType" || name == "id") {
                return true;
            }
            path.push(name.clone());
            let ok = allows_path(list, path)
                || (list.iter().any(|one| one.is_below(path)) && is_container(value) && walk(list, value, path));
            path.pop();
            ok
        }),
        Value::Array(items) => items.iter().all(|item| is_container(item) && walk(list, item, path)),
        _ => path.is_empty(),
    }
}

fn is_container(value: &Value) -> bool {
    value.is_object() || value.is_array()
}
