//! The `where` of a role: from text to a [`Condition`] (KD03).
//!
//! ```text
//! any     = all *( "OR" all )
//! all     = not *( "AND" not )
//! not     = "NOT" not / "(" any ")" / compare
//! compare = ref ( "=" / "!=" ) value / ref "IN" "(" value *( "," value ) ")"
//! ref     = "$resourceTags:" key / "$principalTags:" key / "$request:" path.of.field
//! value   = 'quoted' / "quoted" / a bare word of letters, digits and `._:/|-`
//! ```
//!
//! Invariant: what is taken keeps the limits of [`Condition::is_bounded`], and no text makes the parser nest deeper
//! than that; a text that is not of this form gives a finding with its bytes, and no condition.

mod lexer;
mod print;

pub use print::print as print_condition;

use std::ops::Range;

use policy::condition::{Comparison, Condition, MAX_COMPARISONS, MAX_DEPTH, Operand};
use policy::tag::MAX_VALUE_BYTES;

use crate::check::is_tag_key;
use crate::finding::{Finding, quote, says};
use lexer::{Token, Tokens};

/// The longest text, in bytes.
const MAX_TEXT: usize = 16 * 1024;
/// The most names in a path of `$request`, and the longest of them.
const MAX_PATH: usize = 16;
/// See [`MAX_PATH`].
const MAX_NAME: usize = 127;

const FORM: &str = "write it as `$principalTags:dept = cardio AND NOT ($resourceTags:team IN (a, 'b c'))`";

/// Where in the text, and what.
struct Fault {
    span: Range<usize>,
    message: String,
}

/// Reads a `where`; the finding of an `Err` says which bytes of the text are wrong, at `/where`.
pub fn condition(text: &str) -> Result<Condition, Vec<Finding>> {
    parse(text).map_err(|fault| {
        let Range { start, end } = fault.span;
        let message = format!("at bytes {start} to {end}: {}", fault.message);
        vec![Finding::error("/where", says("bad_condition", message, FORM))]
    })
}

fn parse(text: &str) -> Result<Condition, Fault> {
    if text.len() > MAX_TEXT {
        return Err(Fault { span: 0..text.len(), message: format!("the text is longer than {MAX_TEXT} bytes") });
    }
    let mut parser = Parser { tokens: Tokens::new(text)?, comparisons: 0 };
    let condition = parser.any(MAX_DEPTH)?;
    let (token, span) = parser.tokens.next();
    if token != Token::End {
        return Err(unexpected(&token, span, "`AND`, `OR` or the end"));
    }
    if condition.is_bounded() {
        Ok(condition)
    } else {
        let message = format!("it is nested deeper than {MAX_DEPTH}, or has more than {MAX_COMPARISONS} comparisons");
        Err(Fault { span: 0..text.len(), message })
    }
}

struct Parser<'a> {
    tokens: Tokens<'a>,
    comparisons: usize,
}

impl Parser<'_> {
    fn any(&mut self, depth: usize) -> Result<Condition, Fault> {
        let mut list = vec![self.all(depth)?];
        while self.tokens.take(&Token::Or) {
            list.push(self.all(depth)?);
        }
        Ok(one_or(list, Condition::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Condition, Fault> {
        let mut list = vec![self.not(depth)?];
        while self.tokens.take(&Token::And) {
            list.push(self.not(depth)?);
        }
        Ok(one_or(list, Condition::All))
    }

    /// The only step that goes deeper, so `depth` bounds the recursion.
    fn not(&mut self, depth: usize) -> Result<Condition, Fault> {
        let (token, span) = self.tokens.next();
        let Some(depth) = depth.checked_sub(1) else {
            return Err(Fault { span, message: format!("it is nested deeper than {MAX_DEPTH}") });
        };
        match token {
            Token::Not => Ok(Condition::Not(Box::new(self.not(depth)?))),
            Token::Open => {
                let inner = self.any(depth)?;
                self.expect(&Token::Close, "`)`, `AND` or `OR`")?;
                Ok(inner)
            }
            Token::Reference(text) => self.compare(text, span),
            other => Err(unexpected(&other, span, "`$resourceTags:key`, `$principalTags:key` or `$request:field`")),
        }
    }

    fn compare(&mut self, reference: &str, span: Range<usize>) -> Result<Condition, Fault> {
        self.comparisons += 1;
        if self.comparisons > MAX_COMPARISONS {
            return Err(Fault { span, message: format!("there are more than {MAX_COMPARISONS} comparisons") });
        }
        let operand = operand(reference, span)?;
        let (token, span) = self.tokens.next();
        let (negated, values) = match token {
            Token::Equal => (false, vec![self.value()?]),
            Token::NotEqual => (true, vec![self.value()?]),
            Token::In => (false, self.values()?),
            other => return Err(unexpected(&other, span, "`=`, `!=` or `IN`")),
        };
        Ok(Condition::Compare(Comparison { operand, negated, values }))
    }

    fn values(&mut self) -> Result<Vec<Box<str>>, Fault> {
        self.expect(&Token::Open, "`(`")?;
        let mut values = vec![self.value()?];
        while self.tokens.take(&Token::Comma) {
            values.push(self.value()?);
        }
        self.expect(&Token::Close, "`,` or `)`")?;
        Ok(values)
    }

    fn value(&mut self) -> Result<Box<str>, Fault> {
        match self.tokens.next() {
            (Token::Word(text) | Token::Quoted(text), span) => {
                if text.len() > MAX_VALUE_BYTES {
                    return Err(Fault { span, message: format!("a value has at most {MAX_VALUE_BYTES} bytes") });
                }
                Ok(text.into())
            }
            (other, span) => Err(unexpected(&other, span, "a value: a word, or a text in quotes")),
        }
    }

    fn expect(&mut self, wanted: &Token<'_>, name: &str) -> Result<(), Fault> {
        let (token, span) = self.tokens.next();
        if token == *wanted { Ok(()) } else { Err(unexpected(&token, span, name)) }
    }
}

/// The only one of a list, or all of them joined.
fn one_or(mut list: Vec<Condition>, join: fn(Vec<Condition>) -> Condition) -> Condition {
    if list.len() > 1 {
        return join(list);
    }
    list.pop().unwrap_or_else(|| join(Vec::new()))
}

fn operand(text: &str, span: Range<usize>) -> Result<Operand, Fault> {
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    let fault = |message: String| Err(Fault { span: span.clone(), message });
    match kind {
        "$resourceTags" | "$principalTags" if !is_tag_key(rest) => {
            fault(format!("{} is not the key of a tag", quote(rest)))
        }
        "$resourceTags" => Ok(Operand::ResourceTag(rest.into())),
        "$principalTags" => Ok(Operand::PrincipalTag(rest.into())),
        "$request" => {
            let path: Vec<Box<str>> = rest.split('.').map(Into::into).collect();
            if path.len() <= MAX_PATH && path.iter().all(|name| is_field_name(name)) {
                Ok(Operand::Request(path))
            } else {
                fault(format!("{} is not a path such as `code.text`", quote(rest)))
            }
        }
        other => fault(format!("{} is none of `$resourceTags`, `$principalTags` and `$request`", quote(other))),
    }
}

/// A name of an element or parameter, as a `where` and a list of fields write it.
pub(crate) fn is_field_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn unexpected(token: &Token<'_>, span: Range<usize>, wanted: &str) -> Fault {
    let found = match token {
        Token::End => "the text ends".to_owned(),
        Token::Word(word) if matches!(word.to_ascii_uppercase().as_str(), "AND" | "OR" | "NOT" | "IN") => {
            format!("{} is no keyword, which are in capitals,", quote(word))
        }
        Token::Word(text) | Token::Reference(text) => format!("{} stands", quote(text)),
        Token::Quoted(text) => format!("the text {} stands", quote(text)),
        other => format!("`{}` stands", other.symbol()),
    };
    Fault { span, message: format!("{found} where {wanted} belongs") }
}
