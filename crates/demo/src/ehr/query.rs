//! A search as it was asked: its terms, and how the answer is to look.

use super::answers::Fault;

/// The page that a search gets when it does not say.
const DEFAULT_COUNT: usize = 20;
/// The largest page.
const MAX_COUNT: usize = 100;

/// One condition: a name with its modifier or its chain, and values of which any may match.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) name: String,
    pub(super) modifier: Option<String>,
    /// What follows the dot of a chain: `name` of `patient.name`.
    pub(super) chain: Option<String>,
    pub(super) values: Vec<String>,
}

impl Term {
    /// The condition that a query parameter says.
    pub(super) fn parse(name: &str, value: &str) -> Self {
        let (head, chain) = match name.split_once('.') {
            Some((head, chain)) if !name.starts_with("_has:") => (head, Some(chain.to_owned())),
            _ => (name, None),
        };
        let (name, modifier) = match head.split_once(':') {
            Some((name, modifier)) => (name, Some(modifier.to_owned())),
            None => (head, None),
        };
        Self { name: name.to_owned(), modifier, chain, values: split(value) }
    }
}

/// Splits at commas that no backslash escapes, and takes the escapes away.
fn split(value: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        match (letter, parts.last_mut()) {
            (',', _) => parts.push(String::new()),
            ('\\', Some(part)) => part.extend(letters.next()),
            (other, Some(part)) => part.push(other),
            (_, None) => {}
        }
    }
    parts
}

/// What `_summary` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Summary {
    #[default]
    False,
    True,
    Text,
    Data,
    Count,
}

/// A whole search.
#[derive(Debug, Default)]
pub(super) struct Query {
    pub(super) terms: Vec<Term>,
    pub(super) includes: Vec<String>,
    pub(super) reverse_includes: Vec<String>,
    /// Parameter names, each with whether the order is descending.
    pub(super) sort: Vec<(String, bool)>,
    pub(super) count: usize,
    pub(super) offset: usize,
    pub(super) elements: Vec<String>,
    pub(super) summary: Summary,
    /// The pairs as they came, for the links; paging left out.
    pub(super) pairs: Vec<(String, String)>,
}

impl Query {
    /// The search that these pairs of URL and form say together.
    pub(super) fn parse(pairs: Vec<(String, String)>) -> Result<Self, Fault> {
        let mut query = Self { count: DEFAULT_COUNT, ..Self::default() };
        for (name, value) in pairs {
            match name.as_str() {
                "_count" => query.count = number(&name, &value)?.min(MAX_COUNT),
                "_offset" => query.offset = number(&name, &value)?,
                "_sort" => query.sort = split(&value).iter().map(|key| sort_key(key)).collect(),
                "_elements" => query.elements = split(&value),
                "_summary" => query.summary = summary(&value)?,
                "_include" | "_include:iterate" => query.includes.push(value.clone()),
                "_revinclude" | "_revinclude:iterate" => query.reverse_includes.push(value.clone()),
                "_format" if !value.contains("json") => return Err(Fault::not_acceptable(&value)),
                "_format" | "_pretty" | "_total" => {}
                _ => query.terms.push(Term::parse(&name, &value)),
            }
            if name != "_offset" {
                query.pairs.push((name, value));
            }
        }
        Ok(query)
    }
}

fn number(name: &str, value: &str) -> Result<usize, Fault> {
    value.parse().map_err(|_| Fault::invalid(format!("`{name}` must be a number, not `{value}`")))
}

fn sort_key(key: &str) -> (String, bool) {
    key.strip_prefix('-').map_or_else(|| (key.to_owned(), false), |name| (name.to_owned(), true))
}

fn summary(value: &str) -> Result<Summary, Fault> {
    Ok(match value {
        "true" => Summary::True,
        "text" => Summary::Text,
        "data" => Summary::Data,
        "count" => Summary::Count,
        "false" => Summary::False,
        other => return Err(Fault::invalid(format!("`_summary` has no value `{other}`"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_falls_into_modifier_and_chain() {
        let term = Term::parse("subject:Patient.name:exact", "Okafor,Kel\\,ler");
        assert_eq!(term.name, "subject");
        assert_eq!(term.modifier.as_deref(), Some("Patient"));
        assert_eq!(term.chain.as_deref(), Some("name:exact"));
        assert_eq!(term.values, ["Okafor", "Kel,ler"]);
        let has = Term::parse("_has:Observation:patient:code", "4548-4");
        assert_eq!((has.name.as_str(), has.modifier.as_deref()), ("_has", Some("Observation:patient:code")));
    }
}
