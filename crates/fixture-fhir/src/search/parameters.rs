//! Reads a query as a search.
//!
//! Invariant: a parameter is a criterion, a shape, or unknown; what is unknown is listed, never half applied.

use policy::facts::ParameterKind;

use fhir::SearchParameterDef;

use crate::answer::Fault;
use crate::mind::Mind;
use crate::request::Pair;
use crate::shape::Shape;
use crate::store::Key;

use super::World;
use super::include::Include;

/// More entries than this are never on a page.
const MAX_COUNT: usize = 1000;

/// What shapes a result or is answered in another place than here.
const SHAPES: &[&str] = &[
    "_sort",
    "_count",
    "_summary",
    "_elements",
    "_total",
    "_include",
    "_revinclude",
    "_contained",
    "_containedType",
    "_format",
    "_pretty",
    "_type",
    "_list",
    "_filter",
    "_query",
    "_has",
];

/// One criterion: a name with its modifier or its chain, and values of which one has to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) name: String,
    pub(crate) modifier: Option<String>,
    pub(crate) chain: Option<String>,
    /// With their escapes.
    pub(crate) values: Vec<String>,
}

impl Term {
    /// Reads `name`, `name:modifier`, `name.chain`, `name:Type.chain` or `_has:…`.
    pub(crate) fn parse(key: &str, values: Vec<String>) -> Self {
        if let Some(rest) = key.strip_prefix("_has:") {
            return Self { name: "_has".to_owned(), modifier: Some(rest.to_owned()), chain: None, values };
        }
        let (head, chain) = key.split_once('.').map_or((key, None), |(head, chain)| (head, Some(chain.to_owned())));
        let (name, modifier) =
            head.split_once(':').map_or((head, None), |(name, modifier)| (name, Some(modifier.to_owned())));
        Self { name: name.to_owned(), modifier, chain, values }
    }
}

/// A search, read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Search {
    pub(crate) kinds: Vec<String>,
    pub(crate) compartment: Option<Key>,
    pub(crate) terms: Vec<Term>,
    pub(crate) lists: Vec<String>,
    /// Whether `_filter` made everything match.
    pub(crate) widened: bool,
    pub(crate) includes: Vec<Include>,
    /// Names with whether they sort downwards.
    pub(crate) sort: Vec<(String, bool)>,
    pub(crate) count: Option<usize>,
    pub(crate) total: bool,
    pub(crate) shape: Shape,
    pub(crate) unknown: Vec<String>,
}

impl Search {
    /// Reads the parameters of a search of these types; `strict` refuses what is unknown.
    pub(crate) fn read(world: &World<'_>, kinds: Vec<String>, pairs: &[Pair], strict: bool) -> Result<Self, Fault> {
        let mut search = Self { kinds, total: true, ..Self::default() };
        for (key, value) in effective(world.mind, pairs) {
            search.take(world, &key, &value)?;
        }
        if strict && !world.mind.ignores_unknown && !search.unknown.is_empty() {
            return Err(Fault::not_supported(format!("unknown parameters: {}", search.unknown.join(", "))));
        }
        Ok(search)
    }

    /// Takes what may stand on a paging link: includes.
    pub(crate) fn take_includes(&mut self, world: &World<'_>, pairs: &[Pair]) -> Result<(), Fault> {
        for (key, value) in
            pairs.iter().filter(|(key, _)| key.starts_with("_include") || key.starts_with("_revinclude"))
        {
            self.take(world, key, value)?;
        }
        Ok(())
    }

    fn take(&mut self, world: &World<'_>, key: &str, value: &str) -> Result<(), Fault> {
        let mind = world.mind;
        let values: Vec<String> = split(value, ',').into_iter().filter(|part| !part.is_empty()).collect();
        let term = Term::parse(key, values);
        let name = shape_name(mind, &term.name).unwrap_or(&term.name);
        match name {
            "_include" | "_revinclude" => {
                self.includes.extend(Include::read(mind, name, term.modifier.as_deref(), value)?);
            }
            "_sort" => self.sort = term.values.iter().map(|one| sort_key(one)).collect(),
            "_count" => self.count = Some(count(value)?),
            "_total" => self.total = value != "none",
            "_summary" => self.shape.summary = Some(value.to_owned()),
            "_elements" => self.shape.elements = Some(term.values.clone()),
            "_list" => self.lists.extend(term.values.first().cloned()),
            "_filter" if mind.filter_widens => self.widened = true,
            "_query" if mind.ignores_unknown => self.unknown.push(key.to_owned()),
            "_filter" | "_query" => return Err(Fault::not_supported(format!("`{name}` is not supported"))),
            "_type" => self.kinds = kinds(mind, &term.values)?,
            "_has" => self.terms.extend((!term.values.is_empty()).then_some(term)),
            _ if SHAPES.contains(&name) => {}
            _ if !self.knows(mind, &term.name) => self.unknown.push(key.to_owned()),
            _ if term.values.is_empty() => {}
            _ => self.terms.push(term),
        }
        Ok(())
    }

    fn knows(&self, mind: Mind, name: &str) -> bool {
        self.kinds.iter().any(|kind| definition(mind, kind, name).is_some())
    }
}

/// The definition of a type's parameter, its own or a common one, if the server supports it.
pub(crate) fn definition(mind: Mind, kind: &str, name: &str) -> Option<&'static SearchParameterDef> {
    let tables = fhir::r4();
    let named = |own: &str| own == name || (mind.case_insensitive_names && own.eq_ignore_ascii_case(name));
    let own = tables.parameters(kind).find(|def| named(def.name));
    let def = own.or_else(|| tables.common_parameters().find(|def| named(def.name)))?;
    let searchable = !def.paths.is_empty() || matches!(def.name, "_content" | "_text");
    (searchable && def.kind != ParameterKind::Special || def.name.starts_with('_')).then_some(def)
}

/// A known type's name, as it is written; none if there is no such type.
pub(crate) fn is_known_kind(mind: Mind, kind: &str) -> Option<&'static str> {
    let matches = |own: &&str| *own == kind || (mind.case_insensitive_names && own.eq_ignore_ascii_case(kind));
    fhir::r4().types().find(matches)
}

/// The parameters that count.
fn effective(mind: Mind, pairs: &[Pair]) -> Vec<Pair> {
    if !mind.last_wins {
        return pairs.to_vec();
    }
    let same =
        |one: &str, other: &str| one == other || (mind.case_insensitive_names && one.eq_ignore_ascii_case(other));
    let later = |index: usize, key: &str| pairs.iter().skip(index + 1).any(|(other, _)| same(key, other));
    pairs.iter().enumerate().filter(|(index, (key, _))| !later(*index, key)).map(|(_, pair)| pair.clone()).collect()
}

fn shape_name(mind: Mind, name: &str) -> Option<&'static str> {
    SHAPES.iter().copied().find(|own| *own == name || (mind.case_insensitive_names && own.eq_ignore_ascii_case(name)))
}

fn kinds(mind: Mind, names: &[String]) -> Result<Vec<String>, Fault> {
    let known = |name: &String| {
        let known = is_known_kind(mind, name).map(str::to_owned);
        known.ok_or_else(|| Fault::invalid(format!("`{name}` is no type")))
    };
    let mut kinds = names.iter().map(known).collect::<Result<Vec<_>, _>>()?;
    kinds.sort();
    kinds.dedup();
    Ok(kinds)
}

fn sort_key(text: &str) -> (String, bool) {
    text.strip_prefix('-').map_or((text.to_owned(), false), |name| (name.to_owned(), true))
}

fn count(text: &str) -> Result<usize, Fault> {
    let count: usize = text.parse().map_err(|_| Fault::invalid("`_count` must be a number"))?;
    Ok(count.min(MAX_COUNT))
}

/// The parts between separators that no `\` stands before; escapes stay.
pub(crate) fn split(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for one in text.chars() {
        if one == separator && !escaped {
            parts.push(String::new());
            continue;
        }
        escaped = one == '\\' && !escaped;
        if let Some(part) = parts.last_mut() {
            part.push(one);
        }
    }
    parts
}

/// A value without its escapes.
pub(crate) fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(one) = characters.next() {
        match one {
            '\\' => plain.extend(characters.next()),
            other => plain.push(other),
        }
    }
    plain
}
