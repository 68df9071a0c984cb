//! Reads JSON bodies: literally, or with the leniences of a mind.
//!
//! Invariant: what `read` gives is JSON in which no object names a member twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::LazyLock;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::answer::Fault;
use crate::mind::Mind;

/// A body of more bytes is refused.
pub(crate) const MAX_BODY: usize = 8 << 20;

/// Names that are looked at outside of search parameters' elements.
const NAMES: &[&str] = &[
    "contained",
    "contentType",
    "data",
    "entry",
    "fullUrl",
    "id",
    "identifier",
    "ifMatch",
    "ifModifiedSince",
    "ifNoneExist",
    "ifNoneMatch",
    "meta",
    "method",
    "name",
    "op",
    "parameter",
    "part",
    "path",
    "reference",
    "request",
    "resource",
    "resourceType",
    "security",
    "securityContext",
    "system",
    "tag",
    "type",
    "url",
    "value",
    "valueString",
    "versionId",
];

/// Names in lower case, with how they are written.
static SPELLING: LazyLock<BTreeMap<String, &'static str>> = LazyLock::new(|| {
    let tables = fhir::r4();
    let elements = tables.types().flat_map(|kind| tables.parameters(kind)).flat_map(|one| one.paths);
    let names = elements.flat_map(|path| path.elements.iter().copied()).chain(NAMES.iter().copied());
    names.map(|name| (name.to_ascii_lowercase(), name)).collect()
});

/// The text of a JSON body as this mind reads it; a body that is literal keeps its bytes.
pub(crate) fn read(body: &[u8], mind: Mind) -> Result<String, Fault> {
    if body.len() > MAX_BODY {
        return Err(Fault::too_large());
    }
    let text = std::str::from_utf8(body).map_err(|_| Fault::invalid("the body is not UTF-8"))?;
    let tree: Value = serde_json::from_str(text).map_err(|fault| Fault::invalid(format!("not JSON: {fault}")))?;
    let literal = serde_json::from_str::<Once>(text).is_ok();
    if !literal && !mind.merges_duplicate_json_keys_last {
        return Err(Fault::invalid("a member stands twice in an object"));
    }
    let read = if mind.case_insensitive_json {
        // by the order of the text, so that of `url` and `URL` the last one counts
        serde_json::from_str::<Spelled>(text).map_or(tree.clone(), |spelled| spelled.0)
    } else {
        tree.clone()
    };
    Ok(if literal && read == tree { text.to_owned() } else { read.to_string() })
}

fn spelling(name: String) -> String {
    SPELLING.get(&name.to_ascii_lowercase()).map_or(name, |known| (*known).to_owned())
}

/// Any JSON in which no object has a member twice.
struct Once;

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Once)
    }
}

macro_rules! scalars {
    ($value:ty, |$seen:ident| $result:expr) => {
        fn visit_bool<E: Error>(self, $seen: bool) -> Result<$value, E> {
            Ok($result)
        }
        fn visit_i64<E: Error>(self, $seen: i64) -> Result<$value, E> {
            Ok($result)
        }
        fn visit_u64<E: Error>(self, $seen: u64) -> Result<$value, E> {
            Ok($result)
        }
        fn visit_f64<E: Error>(self, $seen: f64) -> Result<$value, E> {
            Ok($result)
        }
        fn visit_str<E: Error>(self, $seen: &str) -> Result<$value, E> {
            Ok($result)
        }
    };
}

impl<'de> Visitor<'de> for Once {
    type Value = Once;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    scalars!(Once, |_seen| Once);

    fn visit_unit<E: Error>(self) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Once, A::Error> {
        while items.next_element::<Once>()?.is_some() {}
        Ok(Once)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Once, A::Error> {
        let mut seen = BTreeSet::new();
        while let Some((name, Once)) = members.next_entry::<String, Once>()? {
            if !seen.insert(name) {
                return Err(A::Error::custom("a member stands twice"));
            }
        }
        Ok(Once)
    }
}

/// JSON whose names are spelled as FHIR does.
struct Spelled(Value);

impl<'de> Deserialize<'de> for Spelled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Spelled(Value::Null))
    }
}

impl<'de> Visitor<'de> for Spelled {
    type Value = Spelled;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    scalars!(Spelled, |seen| Spelled(seen.into()));

    fn visit_unit<E: Error>(self) -> Result<Spelled, E> {
        Ok(Spelled(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Spelled, A::Error> {
        let mut all = Vec::new();
        while let Some(Spelled(item)) = items.next_element()? {
            all.push(item);
        }
        Ok(Spelled(all.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Spelled, A::Error> {
        let mut all = serde_json::Map::new();
        while let Some((name, Spelled(value))) = members.next_entry::<String, Spelled>()? {
            all.insert(spelling(name), value);
        }
        Ok(Spelled(all.into()))
    }
}
