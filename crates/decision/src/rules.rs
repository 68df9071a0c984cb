//! Phase 4: the rules that a token gives, and those of them that fit a request.
//!
//! Invariant: a rule is used whole. Whatever narrows it (a ceiling, the roles that bound `user/`
//! scopes) makes a narrower rule; nothing ever joins the context of one rule with the type of another.

mod collect;
mod fit;

use std::borrow::Cow;

use policy::id::RoleId;
use policy::letters::Letters;
use policy::operation::Method;
use policy::scope::{Constraint, Context, Scope, Types};

use crate::Engine;

pub(crate) use collect::collect;
pub(crate) use fit::{Asked, fitting};

/// Types that carry security: to write them a scope names them, `*` is not enough.
const SECURITY_TYPES: &[&str] = &["AccessPolicy", "AuditEvent", "Consent", "Provenance", "Subscription"];

/// What one scope or role gives.
#[derive(Clone, Debug)]
pub(crate) struct Rule<'a> {
    source: Source<'a>,
    /// Whose data; none for a role of operations.
    pub(crate) context: Option<Context>,
    gives: Gives<'a>,
    /// What every resource must match, all of them.
    pub(crate) constraints: Cow<'a, [Constraint]>,
    /// Sets of operations, ascending, that it counts in only.
    within: Vec<&'a [u32]>,
}

#[derive(Clone, Debug)]
enum Source<'a> {
    Scope(Cow<'a, Scope>),
    Role(RoleId),
    Default,
}

#[derive(Clone, Debug)]
enum Gives<'a> {
    Letters(Types, Letters),
    Operations(&'a [u32]),
    EveryGet,
}

/// The rules of one token.
#[derive(Debug, Default)]
pub(crate) struct Rules<'a> {
    /// Those that count, in the token's order.
    pub(crate) list: Vec<Rule<'a>>,
    /// `patient/` rules that would count if the token named a patient.
    pub(crate) waiting: Vec<Rule<'a>>,
    /// Whether the token carries any permission, before ceilings.
    pub(crate) any: bool,
    /// The patient context.
    pub(crate) patient: Option<&'a str>,
}

impl Rule<'_> {
    /// Its name in decision and audit.
    pub(crate) fn name(&self) -> String {
        match &self.source {
            Source::Scope(scope) => scope.to_string(),
            Source::Role(id) => id.to_string(),
            Source::Default => "default_user_role".to_owned(),
        }
    }

    /// Whether it reaches one patient's data only.
    pub(crate) fn is_patient(&self) -> bool {
        self.context == Some(Context::Patient)
    }

    /// Whether it reaches every resource of its types.
    pub(crate) fn is_unconstrained(&self) -> bool {
        !self.is_patient() && self.constraints.is_empty()
    }

    /// Whether it names operations, and so has no context.
    pub(crate) const fn is_role(&self) -> bool {
        matches!(self.gives, Gives::Operations(_) | Gives::EveryGet)
    }

    /// Whether it gives read or search (or both, as asked) on a type, for joins, includes and answers.
    pub(crate) fn gives(&self, engine: &Engine, name: &str, letters: Letters) -> bool {
        let own = match &self.gives {
            Gives::Letters(types, own) if types.covers(name) => *own,
            Gives::Letters(..) => Letters::NONE,
            Gives::Operations(operations) => engine.letters_on(operations, name),
            Gives::EveryGet => Letters::READ | Letters::SEARCH,
        };
        own.contains(letters) && self.within.iter().all(|within| engine.letters_on(within, name).contains(letters))
    }

    /// Whether it is a role that names this operation.
    pub(crate) fn names(&self, index: u32) -> bool {
        matches!(&self.gives, Gives::Operations(operations) if operations.binary_search(&index).is_ok())
            && self.within.iter().all(|within| within.binary_search(&index).is_ok())
    }

    /// Whether it is a scope that gives these letters on any type.
    fn has_somewhere(&self, letters: Letters) -> bool {
        matches!(&self.gives, Gives::Letters(_, own) if !letters.is_empty() && own.contains(letters))
    }

    /// Whether it gives this operation: these letters on this type, or the operation itself.
    fn gives_operation(&self, engine: &Engine, index: u32, name: Option<&str>, letters: Letters) -> bool {
        let own = match &self.gives {
            Gives::Letters(types, own) => name.is_some_and(|name| {
                let writes = Letters::CREATE | Letters::UPDATE | Letters::DELETE;
                let unnamed = *types == Types::All && SECURITY_TYPES.contains(&name);
                types.covers(name)
                    && !letters.is_empty()
                    && own.contains(letters)
                    && (!unnamed || (letters & writes).is_empty())
            }),
            Gives::Operations(operations) => operations.binary_search(&index).is_ok(),
            Gives::EveryGet => engine.operation(index).is_some_and(|operation| operation.method == Method::Get),
        };
        own && self.within.iter().all(|within| within.binary_search(&index).is_ok())
    }
}
