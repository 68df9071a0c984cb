//! The Bundle of requests, read strictly: what each entry asks for, before any of it is decided.
//!
//! Invariant: a Bundle that two readers could read as different requests (a name twice, a name in another case) is
//! refused whole, and so is one that asks for what no entry may: another server, another Bundle, a precondition of a read.

use policy::decision::Phase;
use policy::operation::Method;
use policy::reason::Reason;

use super::{Kind, MAX_ENTRIES};
use crate::arena::Arena;
use crate::base::Base;
use crate::denial::Denial;
use crate::json::{Document, Value};

/// The names that a Bundle of requests is read by; in another case they stand nowhere in it.
const NAMES: &[&str] = &[
    "entry",
    "fullUrl",
    "ifMatch",
    "ifModifiedSince",
    "ifNoneExist",
    "ifNoneMatch",
    "method",
    "request",
    "resource",
    "resourceType",
    "type",
    "url",
];
/// Preconditions of a read, which tell of what is stored.
const PRECONDITIONS: &[&str] = &["ifModifiedSince", "ifNoneMatch"];
/// Up to this many names of one object are compared pair by pair.
const FEW: usize = 16;

/// A Bundle of requests.
#[derive(Debug)]
pub(super) struct Bundle<'a> {
    pub(super) kind: Kind,
    pub(super) entries: Vec<Entry<'a>>,
}

/// One entry, as it asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) full_url: Option<&'a str>,
    pub(super) method: Method,
    /// Below the base that the Bundle was sent to, as it came, without a leading slash.
    pub(super) url: &'a str,
    pub(super) if_match: Option<&'a str>,
    pub(super) if_none_exist: Option<&'a str>,
    /// The text of its resource.
    pub(super) resource: Option<&'a str>,
    /// Its type, where it says one.
    pub(super) resource_type: Option<&'a str>,
}

/// Reads a Bundle that was sent to this path below the base.
pub(super) fn read<'a>(bytes: &'a [u8], base: &Base, path: &str, arena: &'a Arena) -> Result<Bundle<'a>, Denial> {
    let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
    let document = Document::read(text).map_err(|_| malformed())?;
    let root = document.root();
    let kind = match root.text("type").as_deref() {
        Some("batch") => Kind::Batch,
        Some("transaction") => Kind::Transaction,
        _ => return Err(malformed()),
    };
    let bundle = root.get("resourceType").is_some_and(|name| name.is_text("Bundle"));
    if !bundle || is_confusing(root) {
        return Err(malformed());
    }
    let list = root.get("entry");
    if list.is_some_and(|list| !list.is_array()) {
        return Err(malformed());
    }
    let list = || list.iter().flat_map(Value::elements);
    // One more than may be there tells enough.
    if list().take(MAX_ENTRIES + 1).count() > MAX_ENTRIES {
        return Err(Denial::new(Phase::Batch, Reason::TooLarge));
    }
    let reader = Reader { text, base, path, arena };
    let entries = list().map(|value| reader.entry(value)).collect::<Result<Vec<_>, _>>()?;
    if has_twins(&entries) { Err(malformed()) } else { Ok(Bundle { kind, entries }) }
}

pub(super) const fn malformed() -> Denial {
    Denial::new(Phase::Batch, Reason::MalformedBody)
}

struct Reader<'r, 'a> {
    text: &'a str,
    base: &'r Base,
    path: &'r str,
    arena: &'a Arena,
}

impl<'a> Reader<'_, 'a> {
    fn entry(&self, value: Value<'_>) -> Result<Entry<'a>, Denial> {
        let request = value.get("request").filter(Value::is_object).ok_or_else(malformed)?;
        if PRECONDITIONS.iter().any(|name| request.get(name).is_some()) {
            return Err(malformed());
        }
        let method = self.string(request, "method")?.and_then(Method::parse);
        let method = method.filter(|method| {
            matches!(method, Method::Get | Method::Post | Method::Put | Method::Patch | Method::Delete)
        });
        let url = self.string(request, "url")?.ok_or_else(malformed)?;
        let resource = value.get("resource");
        let resource_type = resource.as_ref().and_then(|resource| resource.text("resourceType"));
        if resource_type.as_deref() == Some("Bundle") {
            return Err(malformed());
        }
        Ok(Entry {
            full_url: self.string(value, "fullUrl")?,
            method: method.ok_or_else(malformed)?,
            url: self.below(url).ok_or_else(malformed)?,
            if_match: self.string(request, "ifMatch")?,
            if_none_exist: self.string(request, "ifNoneExist")?,
            resource: resource.and_then(|resource| self.text.get(resource.range())),
            resource_type: resource_type.map(|name| self.arena.text(&name)),
        })
    }

    /// The text of a member; none if it is not there.
    fn string(&self, value: Value<'_>, name: &str) -> Result<Option<&'a str>, Denial> {
        let Some(member) = value.get(name) else { return Ok(None) };
        Ok(Some(self.arena.text(&member.as_str().ok_or_else(malformed)?)))
    }

    /// An entry's URL below the base that the Bundle was sent to; none for one of another base.
    fn below<'u>(&self, url: &'u str) -> Option<&'u str> {
        let absolute = url.find("://").is_some_and(|at| url.find(['/', '?']).is_none_or(|first| at < first));
        if absolute {
            return self.base.relative(url, self.path);
        }
        (!url.starts_with('/')).then_some(url)
    }
}

/// Whether an upstream that compares names without their case would read another Bundle.
fn is_confusing(value: Value<'_>) -> bool {
    repeats(value)
        || value.members().any(|member| {
            let disguised = |known: &&str| known.eq_ignore_ascii_case(&member.name) && **known != *member.name;
            !member.name.is_ascii() || NAMES.iter().any(disguised)
        })
        || value.values().any(is_confusing)
}

/// Whether an object has a name twice, but for its case.
fn repeats(value: Value<'_>) -> bool {
    let names: Vec<_> = value.members().map(|member| member.name).collect();
    if names.len() <= FEW {
        let pairs = names.iter().zip(1..);
        let mut repeated = pairs.map(|(name, next)| names.iter().skip(next).any(|one| one.eq_ignore_ascii_case(name)));
        return repeated.any(|repeated| repeated);
    }
    let mut names: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| pair.first() == pair.last())
}

/// Whether a `fullUrl` stands twice; of URNs the case does not count (RFC 8141 section 3.1).
fn has_twins(entries: &[Entry<'_>]) -> bool {
    let is_urn = |url: &str| url.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("urn:"));
    let mut urls: Vec<_> = entries
        .iter()
        .filter_map(|entry| entry.full_url)
        .map(|url| if is_urn(url) { url.to_ascii_lowercase() } else { url.to_owned() })
        .collect();
    urls.sort_unstable();
    urls.windows(2).any(|pair| pair.first() == pair.last())
}
