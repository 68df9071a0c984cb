//! What a token says that gives no rule, and why.
//!
//! Invariant: every word of the scope and every role of the token is either the name of one of the caller's rules, or told
//! here.

use policy::bundle::Issuer;
use policy::claims::{Claims, TokenKind};
use policy::request::Caller;
use policy::scope::{Context, Word, words};

use super::Grants;
use super::collect::{Ceiling, MAX_WORDS, ceiling, is_comparable};
use crate::Engine;

/// What bounds a caller's rules from above, in words.
pub(crate) fn ceiling_of(engine: &Engine, caller: &Caller<'_>) -> &'static str {
    let (Caller::Verified(claims, _) | Caller::Both(claims, _, _)) = caller else { return "none" };
    match ceiling(engine, claims.account_id, claims.kind) {
        Ceiling::Open => "none",
        Ceiling::Under { .. } => "the partner's Subscription",
        Ceiling::Nothing => "the partner has no Subscription, so nothing counts",
    }
}

/// The words and roles of a token that give no rule, with the reason for each.
pub(crate) fn without_effect(
    engine: &Engine,
    claims: &Claims,
    issuer: &Issuer,
    grants: &Grants,
) -> Vec<(String, String)> {
    let mut left = Left { engine, claims, trusted: issuer.trusted_for_roles, grants, smart: false, told: Vec::new() };
    left.scopes();
    left.roles();
    left.told
}

struct Left<'l> {
    engine: &'l Engine,
    claims: &'l Claims,
    trusted: bool,
    grants: &'l Grants,
    smart: bool,
    told: Vec<(String, String)>,
}

impl Left<'_> {
    fn scopes(&mut self) {
        let person = self.claims.fhir_user.is_some() || self.claims.kind == TokenKind::User;
        let scope = self.claims.scope.as_deref().unwrap_or_default();
        let mut known: Vec<String> = Vec::new();
        for (index, word) in words(scope).enumerate() {
            match word {
                _ if index >= MAX_WORDS => {
                    self.tell("…", &format!("only the first {MAX_WORDS} words count"));
                    return;
                }
                Word::Resource(scope) => {
                    self.smart = true;
                    let name = scope.to_string();
                    if scope.context() == Context::System && person {
                        self.tell(&name, "`system/` gives nothing in a token that names a person");
                    } else if !is_comparable(self.engine, &scope) {
                        self.tell(
                            &name,
                            "its constraint cannot be compared on a resource, so the whole scope gives nothing",
                        );
                    } else if known.contains(&name) {
                        self.tell(&name, "it is said twice");
                    } else if !self.counts(&name) {
                        let why =
                            if scope.context() == Context::User && self.trusted && !self.claims.role_ids.is_empty() {
                                "the roles beside it, or the ceiling, give nothing of it"
                            } else {
                                "the ceiling gives nothing of it"
                            };
                        self.tell(&name, why);
                    }
                    known.push(name);
                }
                Word::Invalid(word, fault) => {
                    self.smart = true;
                    self.tell(word, &format!("it is no scope: it {fault}"));
                }
                Word::Extension(name) if !self.counts(name) => {
                    let all = &self.engine.parts().extension_scopes;
                    let known = all.binary_search_by(|scope| (*scope.name).cmp(name)).is_ok();
                    let why = if known { "the ceiling gives nothing of it" } else { "the Service does not define it" };
                    self.tell(name, why);
                }
                Word::Extension(_) => {}
                Word::Other(word) => self.tell(word, "it carries no permission"),
            }
        }
    }

    fn roles(&mut self) {
        let claims = self.claims;
        for id in &claims.role_ids {
            let name = id.to_string();
            let why = match self.engine.role_index(*id) {
                _ if !self.trusted => "the issuer is not trusted for roles",
                None => "the Service has no such role",
                Some(_) if self.smart => "beside SMART scopes a role adds nothing: it bounds what `user/` gives",
                Some(_) if self.counts(&name) => continue,
                Some(_) => "the ceiling gives nothing of it",
            };
            self.tell(&name, why);
        }
    }

    fn counts(&self, name: &str) -> bool {
        self.grants.list.iter().chain(&self.grants.waiting).any(|rule| *rule.name == *name)
    }

    fn tell(&mut self, name: &str, why: &str) {
        self.told.push((name.to_owned(), why.to_owned()));
    }
}
