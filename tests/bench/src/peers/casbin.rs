//! Casbin: its role model as published. It goes through all policies, one after the other, so both forms are shown: all
//! roles in one enforcer, and one enforcer for each token with the policies of its roles (its documented way to scale).
//!
//! Its cached enforcer is left out: it remembers answers, and what is measured here is how they are found.
//!
//! The caller has found the operation too: Casbin's own path matching lets `{id}` stand for `_history`.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use casbin::{CoreApi, DefaultModel, Enforcer, MemoryAdapter, MgmtApi};

use super::Peer;
use crate::questions::Sample;

/// The cheapest comparisons come first.
const MODEL: &str = "
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.obj == p.obj && r.act == p.act && g(r.sub, p.sub)
";

struct Casbin {
    name: &'static str,
    /// One for all tokens, or one for each.
    enforcers: Vec<Enforcer>,
    subjects: Vec<String>,
    /// Token, template and method of each question.
    asked: Vec<(usize, String, &'static str)>,
}

impl Peer for Casbin {
    fn name(&self) -> &'static str {
        self.name
    }

    fn permits(&mut self, question: usize) -> bool {
        let (token, template, method) = &self.asked[question];
        let enforcer = self.enforcers.get(*token).unwrap_or(&self.enforcers[0]);
        enforcer.enforce((self.subjects[*token].as_str(), template.as_str(), *method)).expect("it decides")
    }
}

/// All roles in one enforcer.
pub fn whole(sample: &Sample, count: usize) -> Box<dyn Peer> {
    let roles: Vec<usize> = (0..sample.grants.len()).collect();
    let tokens: Vec<usize> = (0..sample.tokens.len()).collect();
    make("casbin, operation at hand, all roles loaded", vec![enforcer(sample, &roles, &tokens)], sample, count)
}

/// The policies of the token's roles, loaded before it is used.
pub fn filtered(sample: &Sample, count: usize) -> Box<dyn Peer> {
    let enforcers = sample.tokens.iter().enumerate().map(|(token, roles)| enforcer(sample, roles, &[token])).collect();
    make("casbin, operation at hand, the token's roles loaded", enforcers, sample, count)
}

fn make(name: &'static str, enforcers: Vec<Enforcer>, sample: &Sample, count: usize) -> Box<dyn Peer> {
    let subjects = (0..sample.tokens.len()).map(subject).collect();
    let asked = |one: &crate::questions::Question| (one.token, one.template.clone(), one.method);
    Box::new(Casbin { name, enforcers, subjects, asked: sample.questions.iter().take(count).map(asked).collect() })
}

fn enforcer(sample: &Sample, roles: &[usize], tokens: &[usize]) -> Enforcer {
    let model = now(DefaultModel::from_str(MODEL)).expect("the model parses");
    let mut enforcer = now(Enforcer::new(model, MemoryAdapter::default())).expect("an enforcer");
    let policies = roles.iter().map(|role| &sample.grants[*role]).flat_map(|grant| {
        let rule =
            |one: &crate::questions::Permission| vec![grant.name.clone(), one.template.clone(), one.method.into()];
        grant.permissions.iter().map(rule).collect::<Vec<_>>()
    });
    now(enforcer.add_policies(policies.collect())).expect("policies");
    let members = tokens
        .iter()
        .flat_map(|token| sample.tokens[*token].map(|role| vec![subject(*token), sample.grants[role].name.clone()]));
    now(enforcer.add_grouping_policies(members.collect())).expect("members");
    enforcer
}

fn subject(token: usize) -> String {
    format!("token {token}")
}

/// The value of a future that waits for nothing: all of this is in memory.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}
