//! SMART App Launch 2.2 resource scopes (and v1's), as a set algebra.
//!
//! Invariant: a [`Scope`] is well formed in full. A text with any fault gives no scope at all, never a
//! part of one: dropping only a constraint would widen it.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use crate::letters::Letters;
use crate::text::TypeName;

/// More parts than this in one granular scope are refused; the longest in use has three.
pub const MAX_CONSTRAINTS: usize = 20;
/// A longer scope is refused; real ones stay under 300 bytes.
pub const MAX_SCOPE_BYTES: usize = 2_048;

/// Whose data a rule reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum Context {
    /// The one patient that the token names.
    #[n(0)]
    Patient,
    /// What the signed-in user may see.
    #[n(1)]
    User,
    /// Everything, for a machine.
    #[n(2)]
    System,
}

impl Context {
    /// The word before the slash.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::User => "user",
            Self::System => "system",
        }
    }
}

/// Which resource types a rule reaches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
pub enum Types {
    /// `*`: every type of the Service.
    #[n(0)]
    All,
    /// One type.
    #[n(1)]
    One(#[n(0)] TypeName),
}

impl Types {
    /// Whether `other` lies within this.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::One(own), Self::One(other)) => own == other,
            (Self::One(_), Self::All) => false,
        }
    }

    /// Whether a resource of this type lies within.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::One(own) => own.as_str() == name,
        }
    }
}

impl fmt::Display for Types {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => out.write_str("*"),
            Self::One(name) => out.write_str(name.as_str()),
        }
    }
}

/// One `name=value` of a granular scope: a search parameter that every resource must match.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
pub struct Constraint {
    /// The code of a search parameter. That it is one, and a kind that can be compared, only a bundle can tell.
    #[n(0)]
    pub name: Box<str>,
    /// Its value, decoded once, with the escapes of search values left in.
    #[n(1)]
    pub value: Box<str>,
}

/// A SMART resource scope: `patient/Observation.rs?category=laboratory`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
pub struct Scope {
    #[n(0)]
    context: Context,
    #[n(1)]
    types: Types,
    #[n(2)]
    letters: Letters,
    #[n(3)]
    constraints: Vec<Constraint>,
}

/// The text is not a SMART resource scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidScope {
    /// Longer than [`MAX_SCOPE_BYTES`].
    #[error("is longer than {MAX_SCOPE_BYTES} bytes")]
    TooLong,
    /// Neither `patient/`, `user/` nor `system/`.
    #[error("does not start with `patient/`, `user/` or `system/`")]
    Context,
    /// Neither `*` nor a resource type.
    #[error("does not name a resource type or `*` before the dot")]
    Type,
    /// Not a subset of `cruds` in that order, and not a word of v1.
    #[error("needs letters of `cruds`, in that order, after the dot")]
    Letters,
    /// A part after `?` is not `name=value` with both filled.
    #[error("needs `name=value`, joined by `&`, after the question mark")]
    Constraint,
}

impl Scope {
    /// A scope without constraints; none without letters.
    #[must_use]
    pub fn new(context: Context, types: Types, letters: Letters) -> Option<Self> {
        if letters.is_empty() { None } else { Some(Self { context, types, letters, constraints: Vec::new() }) }
    }

    /// Whose data it reaches.
    #[must_use]
    pub const fn context(&self) -> Context {
        self.context
    }

    /// Which types it reaches.
    #[must_use]
    pub const fn types(&self) -> &Types {
        &self.types
    }

    /// What it allows there; never empty.
    #[must_use]
    pub const fn letters(&self) -> Letters {
        self.letters
    }

    /// What every resource must match, all of them, sorted.
    #[must_use]
    pub fn constraints(&self) -> &[Constraint] {
        &self.constraints
    }

    /// Whether whatever `other` gives, this gives too, in the same context.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.context == other.context && self.contains_in_any_context(other)
    }

    /// Whether `other` only narrows this: the same context, or one patient out of a whole system.
    #[must_use]
    pub fn narrows_to(&self, other: &Self) -> bool {
        matches!((self.context, other.context), (Context::System, Context::Patient))
            && self.contains_in_any_context(other)
            || self.contains(other)
    }

    /// The same scope with those of its letters only; none when it has none of them.
    #[must_use]
    pub fn limited_to(&self, letters: Letters) -> Option<Self> {
        let letters = self.letters & letters;
        if letters.is_empty() { None } else { Some(Self { letters, ..self.clone() }) }
    }

    /// What a `system/` scope gives of one patient; none for any other, which has a context of its own.
    #[must_use]
    pub fn of_one_patient(&self) -> Option<Self> {
        match self.context {
            Context::System => Some(Self { context: Context::Patient, ..self.clone() }),
            Context::Patient | Context::User => None,
        }
    }

    /// What both give, in the same context; none when that is nothing, or needs too many constraints to say.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Option<Self> {
        let types = match (&self.types, &other.types) {
            (Types::All, types) | (types, Types::All) => types.clone(),
            (one, two) if one == two => one.clone(),
            (Types::One(_), Types::One(_)) => return None,
        };
        let letters = self.letters & other.letters;
        let mut constraints = [self.constraints.as_slice(), other.constraints.as_slice()].concat();
        constraints.sort();
        constraints.dedup();
        let says_something =
            self.context == other.context && !letters.is_empty() && constraints.len() <= MAX_CONSTRAINTS;
        says_something.then_some(Self { context: self.context, types, letters, constraints })
    }

    fn contains_in_any_context(&self, other: &Self) -> bool {
        self.types.contains(&other.types)
            && self.letters.contains(other.letters)
            && self.constraints.iter().all(|own| other.constraints.contains(own))
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        if text.len() > MAX_SCOPE_BYTES {
            return Err(InvalidScope::TooLong);
        }
        let (context, rest) = text.split_once('/').ok_or(InvalidScope::Context)?;
        let context = match context {
            "patient" => Context::Patient,
            "user" => Context::User,
            "system" => Context::System,
            _ => return Err(InvalidScope::Context),
        };
        let (target, query) = match rest.split_once('?') {
            Some((target, query)) => (target, Some(query)),
            None => (rest, None),
        };
        let (types, suffix) = target.split_once('.').ok_or(InvalidScope::Type)?;
        let types = match types {
            "*" => Types::All,
            name => Types::One(TypeName::try_from(name).map_err(|_| InvalidScope::Type)?),
        };
        let letters = match (suffix, query) {
            ("read", None) => Letters::READ | Letters::SEARCH,
            ("write", None) => Letters::CREATE | Letters::UPDATE | Letters::DELETE,
            ("*", None) => Letters::ALL,
            (letters, _) => Letters::parse(letters).ok_or(InvalidScope::Letters)?,
        };
        let mut constraints = match query {
            None => Vec::new(),
            Some(query) => {
                query.split('&').map(constraint).collect::<Option<Vec<_>>>().ok_or(InvalidScope::Constraint)?
            }
        };
        if constraints.len() > MAX_CONSTRAINTS {
            return Err(InvalidScope::Constraint);
        }
        constraints.sort();
        constraints.dedup();
        Ok(Self { context, types, letters, constraints })
    }
}

/// One granular part: decoded once; nothing empty; no bare `=` in the value.
fn constraint(part: &str) -> Option<Constraint> {
    let (name, value) = part.split_once('=')?;
    if value.contains('=') {
        return None;
    }
    let decode = |text: &str| percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned);
    let (name, value) = (decode(name)?, decode(value)?);
    let clean = |text: &str| !text.is_empty() && !text.chars().any(|char| char.is_control() || char.is_whitespace());
    (clean(&name) && clean(&value)).then(|| Constraint { name: name.into(), value: value.into() })
}

impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Piece by piece: each new token's rules are named so.
        out.write_str(self.context.as_str())?;
        out.write_char('/')?;
        self.types.fmt(out)?;
        out.write_char('.')?;
        self.letters.fmt(out)?;
        for (index, part) in self.constraints.iter().enumerate() {
            let mark = if index == 0 { '?' } else { '&' };
            write!(out, "{mark}{}={}", escape(&part.name), escape(&part.value))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Scope({self})")
    }
}

/// Encodes what would end a part or the scope itself; all else stays readable.
fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, char| {
        match char {
            '%' => out.push_str("%25"),
            '&' => out.push_str("%26"),
            '=' => out.push_str("%3D"),
            '#' => out.push_str("%23"),
            '"' => out.push_str("%22"),
            '\\' => out.push_str("%5C"),
            other => out.push(other),
        }
        out
    })
}

/// What one word of a `scope` string is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word<'a> {
    /// A SMART resource scope.
    Resource(Scope),
    /// `__name`: an extension scope that a Service may map to operations (S14).
    Extension(&'a str),
    /// Any other word (`openid`, `launch/patient`, `offline_access`): it carries no permission.
    Other(&'a str),
    /// It looks like a resource scope and is none: it gives nothing, and is noted in the audit.
    Invalid(&'a str, InvalidScope),
}

/// Reads a `scope` string (RFC 6749 section 3.3), word by word.
pub fn words(scope: &str) -> impl Iterator<Item = Word<'_>> {
    scope.split(' ').filter(|word| !word.is_empty()).map(|word| {
        if word.starts_with("__") {
            return Word::Extension(word);
        }
        match word.parse() {
            Ok(scope) => Word::Resource(scope),
            Err(InvalidScope::Context) => Word::Other(word),
            Err(fault) => Word::Invalid(word, fault),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        text.parse().unwrap_or_else(|fault| panic!("{text} {fault}"))
    }

    #[test]
    fn a_scope_is_context_type_letters_and_constraints() {
        let scope = scope("patient/Observation.rs?category=http://hl7.org/x|laboratory&code=a%26b");
        assert_eq!(scope.context(), Context::Patient);
        assert_eq!(scope.letters(), Letters::READ | Letters::SEARCH);
        assert_eq!(&*scope.constraints()[1].value, "a&b");
        assert_eq!(scope.to_string(), "patient/Observation.rs?category=http://hl7.org/x|laboratory&code=a%26b");
    }

    #[test]
    fn s03_words_of_version_1_are_sets_of_letters() {
        for (one, two) in [
            ("patient/Patient.read", "patient/Patient.rs"),
            ("user/*.write", "user/*.cud"),
            ("system/Patient.*", "system/Patient.cruds"),
        ] {
            assert_eq!(scope(one), scope(two));
        }
    }

    #[test]
    fn s02_a_scope_with_any_fault_gives_nothing() {
        for text in [
            "patient/Observation.sr",
            "patient/Observation.",
            "patient/Observation",
            "patient/Observation.x",
            "patient/Observation.rr",
            "patient/observation.rs",
            "xpatient/Observation.rs",
            "*/Observation.rs",
            "patient/Observation.rs?",
            "patient/Observation.rs?category",
            "patient/Observation.rs?category=",
            "patient/Observation.rs?=x",
            "patient/Observation.rs?a=b=c",
            "patient/Observation.rs?a=b&",
            "patient/Observation.rs?a=%ff",
            "patient/Observation.rs?a=%0a",
            "patient/Observation.read?a=b",
            "patient/Observation.rs,patient/Patient.rs",
            "patient//Observation.rs",
            "patient/*.*s",
        ] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_wider_scope_contains_a_narrower_one_and_never_the_reverse() {
        for (wide, narrow) in [
            ("patient/*.rs", "patient/Observation.r"),
            ("patient/Observation.cruds", "patient/Observation.rs?category=laboratory"),
            ("patient/Observation.rs?a=1", "patient/Observation.rs?a=1&b=2"),
        ] {
            assert!(scope(wide).contains(&scope(narrow)), "{wide} {narrow}");
            assert!(!scope(narrow).contains(&scope(wide)), "{narrow} {wide}");
        }
        assert!(!scope("user/*.rs").contains(&scope("patient/*.rs")));
    }

    #[test]
    fn a_system_narrows_to_one_patient_and_a_patient_to_no_system() {
        assert!(scope("system/*.rs").narrows_to(&scope("patient/Observation.rs")));
        assert!(!scope("patient/*.rs").narrows_to(&scope("system/Observation.rs")));
        assert!(!scope("system/*.rs").narrows_to(&scope("user/Observation.rs")));
        assert!(!scope("system/Observation.r").narrows_to(&scope("patient/Observation.rs")));
    }

    #[test]
    fn what_two_scopes_share_lies_within_both() {
        for (one, two, both) in [
            ("system/*.rs", "system/Patient.cruds", Some("system/Patient.rs")),
            ("system/*.rs?a=1", "system/Patient.r?b=2", Some("system/Patient.r?a=1&b=2")),
            ("system/Patient.r", "system/Patient.s", None),
            ("system/Patient.r", "system/Observation.r", None),
            ("system/Patient.r", "patient/Patient.r", None),
        ] {
            let met = scope(one).meet(&scope(two));
            assert_eq!(met, scope(two).meet(&scope(one)));
            assert_eq!(met, both.map(scope), "{one} {two}");
            if let Some(met) = met {
                assert!(scope(one).contains(&met) && scope(two).contains(&met));
            }
        }
        assert_eq!(scope("system/*.rs").limited_to(Letters::SEARCH | Letters::CREATE), Some(scope("system/*.s")));
        assert_eq!(scope("system/*.rs").of_one_patient(), Some(scope("patient/*.rs")));
        assert_eq!(scope("user/*.rs").of_one_patient(), None);
    }

    #[test]
    fn the_words_of_a_scope_string_are_told_apart() {
        let found: Vec<_> =
            words("openid  launch/patient __billing.read patient/Patient.rs patient/Patient.sr").collect();
        assert_eq!(
            found,
            [
                Word::Other("openid"),
                Word::Other("launch/patient"),
                Word::Extension("__billing.read"),
                Word::Resource(scope("patient/Patient.rs")),
                Word::Invalid("patient/Patient.sr", InvalidScope::Letters),
            ]
        );
    }
}
