//! Cedar with the caller's slice: only the policies and entities of the token's three roles are handed over.
//!
//! The caller has found the operation too, because an action of Cedar has a name and no path.

use std::collections::{HashMap, HashSet};

use cedar_policy::{Authorizer, Context, Decision, Entities, Entity, EntityUid, Policy, PolicyId, PolicySet, Request};

use super::Peer;
use crate::questions::{Grant, ROLES, Sample};

/// All that one question hands over, but the slice.
struct Asked {
    request: Request,
    token: usize,
}

/// What is known of a token before it is used.
struct Caller {
    id: EntityUid,
    roles: [EntityUid; ROLES],
    policies: [Policy; ROLES],
}

impl Caller {
    fn policies(&self) -> PolicySet {
        PolicySet::from_policies(self.policies.iter().cloned()).expect("three policies")
    }

    /// The caller with its roles; what it is a member of is all that the policies ask for.
    fn entities(&self) -> Entities {
        let parents: HashSet<EntityUid> = self.roles.iter().cloned().collect();
        Entities::from_entities([Entity::new_no_attrs(self.id.clone(), parents)], None).expect("one entity")
    }
}

/// The slice is made when the question comes.
struct Slicing {
    authorizer: Authorizer,
    callers: Vec<Caller>,
    asked: Vec<Asked>,
}

impl Peer for Slicing {
    fn name(&self) -> &'static str {
        "Cedar, request at hand, slice made from parsed policies"
    }

    fn permits(&mut self, question: usize) -> bool {
        let asked = &self.asked[question];
        let caller = &self.callers[asked.token];
        let (policies, entities) = (caller.policies(), caller.entities());
        self.authorizer.is_authorized(&asked.request, &policies, &entities).decision() == Decision::Allow
    }
}

/// The slice of every token lies ready: the authorizer alone.
struct Sliced {
    authorizer: Authorizer,
    slices: Vec<(PolicySet, Entities)>,
    asked: Vec<Asked>,
}

impl Peer for Sliced {
    fn name(&self) -> &'static str {
        "Cedar, request and slice at hand"
    }

    fn permits(&mut self, question: usize) -> bool {
        let asked = &self.asked[question];
        let (policies, entities) = &self.slices[asked.token];
        self.authorizer.is_authorized(&asked.request, policies, entities).decision() == Decision::Allow
    }
}

pub fn slicing(sample: &Sample, count: usize) -> Box<dyn Peer> {
    let callers = callers(sample);
    let asked = asked(sample, &callers, count);
    Box::new(Slicing { authorizer: Authorizer::new(), callers, asked })
}

pub fn sliced(sample: &Sample, count: usize) -> Box<dyn Peer> {
    let callers = callers(sample);
    let asked = asked(sample, &callers, count);
    let slices = callers.iter().map(|caller| (caller.policies(), caller.entities())).collect();
    Box::new(Sliced { authorizer: Authorizer::new(), slices, asked })
}

fn callers(sample: &Sample) -> Vec<Caller> {
    let mut parsed = HashMap::<usize, Policy>::new();
    let mut policy = |role: usize| parsed.entry(role).or_insert_with(|| policy(&sample.grants[role])).clone();
    let caller = |(number, roles): (usize, &[usize; ROLES])| Caller {
        id: uid("Caller", &number.to_string()),
        roles: roles.map(|role| uid("Role", &sample.grants[role].name)),
        policies: roles.map(&mut policy),
    };
    sample.tokens.iter().enumerate().map(caller).collect()
}

fn asked(sample: &Sample, callers: &[Caller], count: usize) -> Vec<Asked> {
    let service = uid("Service", "ehr");
    let one = |question: &crate::questions::Question| {
        let action = uid("Action", &format!("{} {}", question.method, question.template));
        let caller = callers[question.token].id.clone();
        let request = Request::new(caller, action, service.clone(), Context::empty(), None).expect("a request");
        Asked { request, token: question.token }
    };
    sample.questions.iter().take(count).map(one).collect()
}

/// One policy for each role.
fn policy(grant: &Grant) -> Policy {
    let actions: Vec<String> =
        grant.permissions.iter().map(|one| format!("Action::\"{} {}\"", one.method, one.template)).collect();
    let text = format!("permit(principal in Role::\"{}\", action in [{}], resource);", grant.name, actions.join(", "));
    Policy::parse(Some(PolicyId::new(&grant.name)), text).expect("the policy parses")
}

fn uid(kind: &str, id: &str) -> EntityUid {
    let kind = kind.parse().expect("the name of a type");
    EntityUid::from_type_name_and_id(kind, cedar_policy::EntityId::new(id))
}
