//! A condition as text again.

use policy::condition::{Condition, Operand};

use super::lexer::is_word;

/// The text that reads back as this condition, with no more parentheses than it needs.
///
/// It agrees with [`super::condition`] on every condition that a text can give: a list has two elements at least,
/// and no value holds both kinds of quotes.
#[must_use]
pub fn print(condition: &Condition) -> String {
    let mut out = String::new();
    write(condition, &mut out);
    out
}

/// Its depth is bounded by [`policy::condition::MAX_DEPTH`].
fn write(condition: &Condition, out: &mut String) {
    match condition {
        Condition::Any(list) => join(list, " OR ", |one| matches!(one, Condition::Any(_)), out),
        Condition::All(list) => {
            join(list, " AND ", |one| matches!(one, Condition::Any(_) | Condition::All(_)), out);
        }
        Condition::Not(inner) => {
            out.push_str("NOT ");
            nested(inner, matches!(**inner, Condition::Any(_) | Condition::All(_)), out);
        }
        Condition::Compare(comparison) => {
            match &comparison.operand {
                Operand::ResourceTag(key) => out.push_str(&format!("$resourceTags:{key}")),
                Operand::PrincipalTag(key) => out.push_str(&format!("$principalTags:{key}")),
                Operand::Request(path) => out.push_str(&format!("$request:{}", path.join("."))),
            }
            match comparison.values.as_slice() {
                [one] => {
                    out.push_str(if comparison.negated { " != " } else { " = " });
                    out.push_str(&literal(one));
                }
                several => {
                    let list: Vec<_> = several.iter().map(|one| literal(one)).collect();
                    out.push_str(&format!(" IN ({})", list.join(", ")));
                }
            }
        }
    }
}

fn join(list: &[Condition], by: &str, wrap: impl Fn(&Condition) -> bool, out: &mut String) {
    for (index, one) in list.iter().enumerate() {
        if index > 0 {
            out.push_str(by);
        }
        nested(one, wrap(one), out);
    }
}

fn nested(condition: &Condition, wrap: bool, out: &mut String) {
    if wrap {
        out.push('(');
    }
    write(condition, out);
    if wrap {
        out.push(')');
    }
}

fn literal(value: &str) -> String {
    let keyword = matches!(value, "AND" | "OR" | "NOT" | "IN");
    if !value.is_empty() && !keyword && value.bytes().all(is_word) {
        value.to_owned()
    } else if value.contains('\'') {
        format!("\"{value}\"")
    } else {
        format!("'{value}'")
    }
}
