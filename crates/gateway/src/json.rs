//! JSON without a second meaning: an object that has a name twice is refused, at every depth.
//!
//! Invariant: what is read borrows from the bytes it was read from; only a text with escapes is copied.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

/// A value, as far as claims and headers need to tell values apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Json<'a> {
    /// A string.
    Text(Cow<'a, str>),
    /// A number without fraction or exponent that fits.
    Integer(i64),
    /// An array.
    List(Vec<Self>),
    /// An object.
    Object(Object<'a>),
    /// `null`, `true`, `false`, and every other number.
    Other,
}

/// An object; its members are sorted by name, none twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Object<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Object<'a> {
    /// The member with that name.
    pub(crate) fn get(&self, name: &str) -> Option<&Json<'a>> {
        let place = self.0.binary_search_by(|(own, _)| (**own).cmp(name)).ok()?;
        self.0.get(place).map(|(_, value)| value)
    }

    /// Every member.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, &Json<'a>)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// How many members there are.
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }
}

/// Reads one JSON object; none when it is anything else, or a name stands in it twice.
#[must_use]
pub(crate) fn object(bytes: &[u8]) -> Option<Object<'_>> {
    match serde_json::from_slice(bytes) {
        Ok(Json::Object(object)) => Some(object),
        _ => None,
    }
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON without duplicate names")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Integer(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(i64::try_from(value).map_or(Json::Other, Json::Integer))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json<'de>, A::Error> {
        let mut object = Vec::new();
        while let Some((Name(name), value)) = members.next_entry()? {
            object.push((name, value));
        }
        object.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        if object.windows(2).any(|pair| matches!(pair, [(one, _), (other, _)] if one == other)) {
            return Err(de::Error::custom("a name stands twice"));
        }
        Ok(Json::Object(Object(object)))
    }
}

/// A member's name, borrowed where it has no escape.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameReader)
    }
}

struct NameReader;

impl<'de> Visitor<'de> for NameReader {
    type Value = Name<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a name")
    }

    fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Borrowed(value)))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(value.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::{Json, object};

    #[test]
    fn a_name_stands_once() {
        assert!(object(br#"{"a":1,"b":{"c":[{"d":null}]}}"#).is_some());
        for text in [
            "",
            "[]",
            "{",
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":2,"\u0061":1}"#,
            r#"{"b":[{"c":1,"c":2}]}"#,
            r#"{"a":1e999}"#,
            "{}x",
            "\u{feff}{}",
        ] {
            assert!(object(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn a_member_is_found_whatever_its_place() {
        let read = object(br#"{"z":"\u00e9","a":9223372036854775807,"m":[true,1.0,9223372036854775808]}"#).unwrap();
        assert_eq!(read.get("z"), Some(&Json::Text("é".into())));
        assert_eq!(read.get("a"), Some(&Json::Integer(i64::MAX)));
        assert_eq!(read.get("m"), Some(&Json::List(vec![Json::Other, Json::Other, Json::Other])));
        assert_eq!((read.get("b"), read.len()), (None, 3));
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!(r#"{{"a":{}1{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
        assert!(object(deep.as_bytes()).is_none());
    }
}
