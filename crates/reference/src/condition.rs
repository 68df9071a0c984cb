//! A role's `where` read again (D24): `OR` over `AND` over `NOT` over parentheses or a comparison.
//!
//! Invariant: a text with any fault is no condition, and the role then gives nothing; a missing or mistyped operand
//! makes the whole `where` false, wherever it stands.

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Or(Vec<Condition>),
    And(Vec<Condition>),
    Not(Box<Condition>),
    /// Left side, whether it is `!=`, right side.
    Compare(Operand, bool, Vec<String>),
}

/// What a comparison looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    ResourceTag(String),
    PrincipalTag(String),
    Request(Vec<String>),
}

const MAX_DEPTH: usize = 16;
const MAX_COMPARISONS: usize = 100;

/// Reads a `where`.
pub(crate) fn read(text: &str) -> Option<Condition> {
    let mut reader = Reader { tokens: tokens(text)?, at: 0, comparisons: 0 };
    let condition = reader.or(0)?;
    (reader.at == reader.tokens.len() && reader.comparisons <= MAX_COMPARISONS).then_some(condition)
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Mark(&'static str),
    Reference(String),
    Word(String),
    Quoted(String),
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let bare = |char: char| char.is_ascii_alphanumeric() || "._:/|-".contains(char);
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let mark = ["!=", "=", "(", ")", ","].into_iter().find(|mark| rest.starts_with(mark));
        let (token, used) = if let Some(mark) = mark {
            (Token::Mark(mark), mark.len())
        } else if first == '\'' || first == '"' {
            let inner = rest.get(1..)?;
            let end = inner.find(first)?;
            (Token::Quoted(inner.get(..end)?.to_owned()), end + 2)
        } else {
            let start = usize::from(first == '$');
            let body = rest.get(start..)?;
            let end = body.find(|char| !bare(char)).unwrap_or(body.len());
            let word = body.get(..end)?.to_owned();
            if word.is_empty() {
                return None;
            }
            (if start == 1 { Token::Reference(word) } else { Token::Word(word) }, start + end)
        };
        tokens.push(token);
        rest = rest.get(used..)?.trim_start();
    }
    Some(tokens)
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    comparisons: usize,
}

impl Reader {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn take(&mut self, wanted: &Token) -> bool {
        let found = self.tokens.get(self.at) == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn keyword(&mut self, word: &str) -> bool {
        self.take(&Token::Word(word.to_owned()))
    }

    fn or(&mut self, depth: usize) -> Option<Condition> {
        let mut list = vec![self.and(depth)?];
        while self.keyword("OR") {
            list.push(self.and(depth)?);
        }
        Some(if list.len() == 1 { list.remove(0) } else { Condition::Or(list) })
    }

    fn and(&mut self, depth: usize) -> Option<Condition> {
        let mut list = vec![self.not(depth)?];
        while self.keyword("AND") {
            list.push(self.not(depth)?);
        }
        Some(if list.len() == 1 { list.remove(0) } else { Condition::And(list) })
    }

    fn not(&mut self, depth: usize) -> Option<Condition> {
        if depth >= MAX_DEPTH {
            return None;
        }
        if self.keyword("NOT") {
            return self.not(depth + 1).map(|inner| Condition::Not(Box::new(inner)));
        }
        if self.take(&Token::Mark("(")) {
            let inner = self.or(depth + 1)?;
            return self.take(&Token::Mark(")")).then_some(inner);
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Option<Condition> {
        self.comparisons += 1;
        let Some(Token::Reference(reference)) = self.next() else { return None };
        let (kind, name) = reference.split_once(':')?;
        let operand = match kind {
            _ if name.is_empty() => return None,
            "resourceTags" => Operand::ResourceTag(name.to_owned()),
            "principalTags" => Operand::PrincipalTag(name.to_owned()),
            "request" => {
                let path: Vec<String> = name.split('.').map(str::to_owned).collect();
                if path.iter().any(String::is_empty) {
                    return None;
                }
                Operand::Request(path)
            }
            _ => return None,
        };
        match self.next()? {
            Token::Mark("=") => Some(Condition::Compare(operand, false, vec![self.literal()?])),
            Token::Mark("!=") => Some(Condition::Compare(operand, true, vec![self.literal()?])),
            Token::Word(word) if word == "IN" => {
                if !self.take(&Token::Mark("(")) {
                    return None;
                }
                let mut values = vec![self.literal()?];
                while self.take(&Token::Mark(",")) {
                    values.push(self.literal()?);
                }
                self.take(&Token::Mark(")")).then_some(Condition::Compare(operand, false, values))
            }
            _ => None,
        }
    }

    fn literal(&mut self) -> Option<String> {
        match self.next()? {
            Token::Quoted(text) => Some(text),
            Token::Word(word) if !matches!(word.as_str(), "AND" | "OR" | "NOT" | "IN") => Some(word),
            _ => None,
        }
    }
}

impl Condition {
    /// Whether it looks at the resource's tags.
    pub(crate) fn reads_resource(&self) -> bool {
        match self {
            Self::Or(list) | Self::And(list) => list.iter().any(Self::reads_resource),
            Self::Not(inner) => inner.reads_resource(),
            Self::Compare(operand, ..) => matches!(operand, Operand::ResourceTag(_)),
        }
    }

    /// Whether it holds, given the values of each operand; none for one that is missing or mistyped.
    pub(crate) fn holds(&self, values: &dyn Fn(&Operand) -> Option<Vec<String>>) -> bool {
        self.all_there(values) && self.is_true(values)
    }

    /// Whether it could hold of some resource: nothing but the resource's tags is missing.
    pub(crate) fn may_hold(&self, values: &dyn Fn(&Operand) -> Option<Vec<String>>) -> bool {
        match self {
            Self::Or(list) | Self::And(list) => list.iter().all(|one| one.may_hold(values)),
            Self::Not(inner) => inner.may_hold(values),
            Self::Compare(Operand::ResourceTag(_), ..) => true,
            Self::Compare(operand, ..) => values(operand).is_some_and(|list| !list.is_empty()),
        }
    }

    fn all_there(&self, values: &dyn Fn(&Operand) -> Option<Vec<String>>) -> bool {
        match self {
            Self::Or(list) | Self::And(list) => list.iter().all(|one| one.all_there(values)),
            Self::Not(inner) => inner.all_there(values),
            Self::Compare(operand, ..) => values(operand).is_some_and(|list| !list.is_empty()),
        }
    }

    fn is_true(&self, values: &dyn Fn(&Operand) -> Option<Vec<String>>) -> bool {
        match self {
            Self::Or(list) => list.iter().any(|one| one.is_true(values)),
            Self::And(list) => list.iter().all(|one| one.is_true(values)),
            Self::Not(inner) => !inner.is_true(values),
            Self::Compare(operand, negated, wanted) => {
                let given = values(operand).unwrap_or_default();
                given.iter().any(|one| wanted.contains(one)) != *negated
            }
        }
    }
}
