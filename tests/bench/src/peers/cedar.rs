//! Cedar with the caller's slice: only the policies and entities of the token's three roles are handed over.
//!
//! The caller has found the operation too, because an action of Cedar has a name and no path. A role's policy names its
//! actions in one of the two documented ways: as a list, or as a group that the actions are members of.

use std::collections::{BTreeMap, HashMap, HashSet};

use cedar_policy::{Authorizer, Context, Decision, Entities, Entity, EntityUid, Policy, PolicyId, PolicySet, Request};

use super::Peer;
use crate::questions::{Grant, Permission, Question, ROLES, Sample};

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Listed,
    Grouped,
}

/// What is known of a token before it is used.
struct Caller {
    id: EntityUid,
    roles: [EntityUid; ROLES],
    policies: [Policy; ROLES],
}

/// What is known of a question beside its slice.
struct Asked {
    request: Request,
    token: usize,
    /// The action with its groups, if the policies name groups.
    action: Option<usize>,
}

struct Cedar {
    name: &'static str,
    authorizer: Authorizer,
    callers: Vec<Caller>,
    actions: Vec<Entity>,
    asked: Vec<Asked>,
    /// The policies of each token and the entities of each question, if they lie ready.
    at_hand: Option<(Vec<PolicySet>, Vec<Entities>)>,
}

impl Peer for Cedar {
    fn name(&self) -> &'static str {
        self.name
    }

    fn permits(&mut self, question: usize) -> bool {
        let asked = &self.asked[question];
        let answer = if let Some((policies, entities)) = &self.at_hand {
            self.authorizer.is_authorized(&asked.request, &policies[asked.token], &entities[question])
        } else {
            let (policies, entities) = (self.policies(asked.token), self.entities(asked));
            self.authorizer.is_authorized(&asked.request, &policies, &entities)
        };
        answer.decision() == Decision::Allow
    }
}

impl Cedar {
    fn policies(&self, token: usize) -> PolicySet {
        PolicySet::from_policies(self.callers[token].policies.iter().cloned()).expect("three policies")
    }

    /// The caller with its roles, and the action with its groups: membership is all that the policies ask for.
    fn entities(&self, asked: &Asked) -> Entities {
        let caller = &self.callers[asked.token];
        let parents: HashSet<EntityUid> = caller.roles.iter().cloned().collect();
        let caller = Entity::new_no_attrs(caller.id.clone(), parents);
        let action = asked.action.map(|index| self.actions[index].clone());
        Entities::from_entities(action.into_iter().chain([caller]), None).expect("two entities")
    }
}

pub fn listed_slicing(sample: &Sample, count: usize) -> Box<dyn Peer> {
    make("Cedar, lists of actions, slice made from parsed policies", Form::Listed, sample, count)
}

pub fn listed_sliced(sample: &Sample, count: usize) -> Box<dyn Peer> {
    lay_ready(*make("Cedar, lists of actions, slice at hand", Form::Listed, sample, count))
}

pub fn grouped_slicing(sample: &Sample, count: usize) -> Box<dyn Peer> {
    make("Cedar, groups of actions, slice made from parsed policies", Form::Grouped, sample, count)
}

pub fn grouped_sliced(sample: &Sample, count: usize) -> Box<dyn Peer> {
    lay_ready(*make("Cedar, groups of actions, slice at hand", Form::Grouped, sample, count))
}

fn lay_ready(mut cedar: Cedar) -> Box<dyn Peer> {
    let policies = (0..cedar.callers.len()).map(|token| cedar.policies(token)).collect();
    let entities = cedar.asked.iter().map(|asked| cedar.entities(asked)).collect();
    cedar.at_hand = Some((policies, entities));
    Box::new(cedar)
}

fn make(name: &'static str, form: Form, sample: &Sample, count: usize) -> Box<Cedar> {
    let mut parsed = HashMap::<usize, Policy>::new();
    let mut of_role = |role: usize| parsed.entry(role).or_insert_with(|| policy(form, &sample.grants[role])).clone();
    let caller = |(number, roles): (usize, &[usize; ROLES])| Caller {
        id: uid("Caller", &number.to_string()),
        roles: roles.map(|role| uid("Role", &sample.grants[role].name)),
        policies: roles.map(&mut of_role),
    };
    let callers: Vec<Caller> = sample.tokens.iter().enumerate().map(caller).collect();

    let mut groups = BTreeMap::<&Permission, HashSet<EntityUid>>::new();
    for grant in sample.grants.iter().filter(|_| form == Form::Grouped) {
        for permission in &grant.permissions {
            groups.entry(permission).or_default().insert(group(grant));
        }
    }
    let places: HashMap<EntityUid, usize> =
        groups.keys().map(|one| action(one.method, &one.template)).zip(0..).collect();
    let actions = groups
        .into_iter()
        .map(|(one, groups)| Entity::new_no_attrs(action(one.method, &one.template), groups))
        .collect();

    let service = uid("Service", "ehr");
    let asked = |question: &Question| {
        let action = action(question.method, &question.template);
        let (place, caller) = (places.get(&action).copied(), callers[question.token].id.clone());
        let request = Request::new(caller, action, service.clone(), Context::empty(), None).expect("a request");
        Asked { request, token: question.token, action: place }
    };
    let asked = sample.questions.iter().take(count).map(asked).collect();
    Box::new(Cedar { name, authorizer: Authorizer::new(), callers, actions, asked, at_hand: None })
}

/// One policy for each role.
fn policy(form: Form, grant: &Grant) -> Policy {
    let actions = match form {
        Form::Grouped => group(grant).to_string(),
        Form::Listed => {
            let all = grant.permissions.iter().map(|one| action(one.method, &one.template).to_string());
            format!("[{}]", all.collect::<Vec<_>>().join(", "))
        }
    };
    let text = format!("permit(principal in Role::\"{}\", action in {actions}, resource);", grant.name);
    Policy::parse(Some(PolicyId::new(&grant.name)), text).expect("the policy parses")
}

fn action(method: &str, template: &str) -> EntityUid {
    uid("Action", &format!("{method} {template}"))
}

fn group(grant: &Grant) -> EntityUid {
    uid("Action", &format!("all of {}", grant.name))
}

fn uid(kind: &str, id: &str) -> EntityUid {
    let kind = kind.parse().expect("the name of a type");
    EntityUid::from_type_name_and_id(kind, cedar_policy::EntityId::new(id))
}
