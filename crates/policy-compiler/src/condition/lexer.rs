//! The tokens of a `where`, each with its bytes.
//!
//! Invariant: every token is at least one byte of the text, so their number is bounded by its length.

use std::iter::Peekable;
use std::ops::Range;
use std::vec::IntoIter;

use super::Fault;

/// One token; keywords are in capitals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    And,
    Or,
    Not,
    In,
    Equal,
    NotEqual,
    Open,
    Close,
    Comma,
    /// `$name:rest`, with its `$`.
    Reference(&'a str),
    /// A bare word.
    Word(&'a str),
    /// What stands between quotes.
    Quoted(&'a str),
    End,
}

impl Token<'_> {
    /// How it is written, where it is always written the same.
    pub(super) const fn symbol(&self) -> &'static str {
        match self {
            Self::And => "AND",
            Self::Or => "OR",
            Self::Not => "NOT",
            Self::In => "IN",
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Open => "(",
            Self::Close => ")",
            Self::Comma => ",",
            Self::Reference(_) | Self::Word(_) | Self::Quoted(_) | Self::End => "",
        }
    }
}

/// The tokens that are still to come.
pub(super) struct Tokens<'a> {
    rest: Peekable<IntoIter<(Token<'a>, Range<usize>)>>,
    length: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self, Fault> {
        let mut list = Vec::new();
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n']);
            if trimmed.len() < rest.len() {
                at += rest.len() - trimmed.len();
                continue;
            }
            let (token, length) = token(rest, at)?;
            list.push((token, at..at + length));
            at += length;
        }
        Ok(Self { rest: list.into_iter().peekable(), length: text.len() })
    }

    /// The next token; past the last one the end, again and again.
    pub(super) fn next(&mut self) -> (Token<'a>, Range<usize>) {
        self.rest.next().unwrap_or((Token::End, self.length..self.length))
    }

    /// Takes the next token if it is this one.
    pub(super) fn take(&mut self, wanted: &Token<'_>) -> bool {
        self.rest.next_if(|(token, _)| token == wanted).is_some()
    }
}

/// The first token of a text that begins with one, and how many bytes it has.
fn token(rest: &str, at: usize) -> Result<(Token<'_>, usize), Fault> {
    let fault = |length: usize, message: &str| Err(Fault { span: at..at + length, message: message.to_owned() });
    let Some(first) = rest.chars().next() else { return Ok((Token::End, 0)) };
    match first {
        '(' => Ok((Token::Open, 1)),
        ')' => Ok((Token::Close, 1)),
        ',' => Ok((Token::Comma, 1)),
        '=' => Ok((Token::Equal, 1)),
        '!' if rest.starts_with("!=") => Ok((Token::NotEqual, 2)),
        '\'' | '"' => match rest.get(1..).and_then(|inner| inner.split_once(first)) {
            Some((text, _)) if text.chars().any(char::is_control) => {
                fault(text.len() + 2, "a text in quotes has no control character")
            }
            Some((text, _)) => Ok((Token::Quoted(text), text.len() + 2)),
            None => fault(rest.len(), "the quote is not closed"),
        },
        '$' => {
            let text = run(rest, 1, is_word);
            Ok((Token::Reference(text), text.len()))
        }
        _ => match run(rest, 0, is_word) {
            "" => fault(first.len_utf8(), "a character that has no meaning here; put the value in quotes"),
            "AND" => Ok((Token::And, 3)),
            "OR" => Ok((Token::Or, 2)),
            "NOT" => Ok((Token::Not, 3)),
            "IN" => Ok((Token::In, 2)),
            word => Ok((Token::Word(word), word.len())),
        },
    }
}

/// The text up to the first byte from `skip` on that is not of it.
fn run(text: &str, skip: usize, is_of_it: impl Fn(u8) -> bool) -> &str {
    let length = text.bytes().skip(skip).take_while(|byte| is_of_it(*byte)).count();
    text.get(..skip + length).unwrap_or_default()
}

/// A byte of a bare word (D24).
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'/' | b'|' | b'-')
}
