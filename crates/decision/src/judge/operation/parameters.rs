//! The Parameters resource of an operation, where only few names are known.

use policy::decision::Phase;
use policy::reason::Reason;

use crate::denial::Denial;
use crate::json::{Document, Kind};

/// The most parameters in one body.
const MAX_PARAMETERS: usize = 200;

/// What a body gives, by name; or that it cannot be read.
#[derive(Debug)]
pub(super) struct Given<'n> {
    pairs: Vec<(&'n str, String)>,
    well_formed: bool,
    unknown: bool,
}

impl<'n> Given<'n> {
    /// Reads a body that may have these names only, with primitive values.
    pub(super) fn read(body: &[u8], names: &[&'n str]) -> Self {
        if body.is_empty() {
            return Self { pairs: Vec::new(), well_formed: true, unknown: false };
        }
        let mut unknown = false;
        let pairs = std::str::from_utf8(body).ok().and_then(|text| pairs(text, names, &mut unknown));
        Self { well_formed: pairs.is_some(), pairs: pairs.unwrap_or_default(), unknown }
    }

    pub(super) fn values<'g>(&'g self, name: &'g str) -> impl Iterator<Item = &'g str> {
        self.pairs.iter().filter(move |(own, _)| *own == name).map(|(_, value)| value.as_str())
    }

    /// Whether it can be read, and has known names only.
    pub(super) fn is_well_formed(&self) -> Result<(), Denial> {
        self.is_readable()?;
        if self.unknown { Err(malformed()) } else { Ok(()) }
    }

    /// Whether it can be read, whatever the names in it.
    pub(super) fn is_readable(&self) -> Result<(), Denial> {
        if self.well_formed { Ok(()) } else { Err(malformed()) }
    }

    /// Whether it has a name that is none of those known; what stands under it is not among the values.
    pub(super) const fn has_unknown_names(&self) -> bool {
        self.unknown
    }
}

const fn malformed() -> Denial {
    Denial::new(Phase::Body, Reason::MalformedBody)
}

fn pairs<'n>(text: &str, names: &[&'n str], unknown: &mut bool) -> Option<Vec<(&'n str, String)>> {
    let document = Document::read(text).ok()?;
    let root = document.root();
    let known = |name: &str| matches!(name, "resourceType" | "id" | "meta" | "parameter");
    if root.is_ambiguous()
        || !root.get("resourceType")?.is_text("Parameters")
        || !root.members().all(|member| known(&member.name))
    {
        return None;
    }
    let Some(list) = root.get("parameter") else { return Some(Vec::new()) };
    if !list.is_array() {
        return None;
    }
    let mut pairs = Vec::new();
    for parameter in list.elements() {
        let name = parameter.text("name")?;
        let known = names.iter().find(|known| ***known == *name);
        let mut members = parameter.members().filter(|member| member.name != "name");
        let (value, other) = (members.next()?, members.next());
        if other.is_some() || !value.name.starts_with("value") || pairs.len() >= MAX_PARAMETERS {
            return None;
        }
        let text = match value.value.kind() {
            Kind::String => value.value.as_str()?.into_owned(),
            Kind::Number | Kind::Bool(_) => value.value.raw().to_owned(),
            Kind::Null | Kind::Array | Kind::Object => return None,
        };
        match known {
            Some(name) => pairs.push((*name, text)),
            None => *unknown = true,
        }
    }
    Some(pairs)
}

/// The names in a list.
pub(super) fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty())
}

pub(super) const fn malformed_type() -> Denial {
    Denial::new(Phase::Rules, Reason::MalformedQuery)
}
