//! Rego by `regorus`: compiled to its register machine, the machine kept, only the input exchanged.

use std::sync::Arc;

use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::vm::RegoVM;
use regorus::{Engine, Value};
use serde_json::{Map, json};

use super::Peer;
use crate::questions::{Grant, Question, Sample};

const ENTRY: &str = "data.firewarden.allow";

struct Rego {
    name: &'static str,
    machine: RegoVM,
    inputs: Vec<Value>,
}

impl Peer for Rego {
    fn name(&self) -> &'static str {
        self.name
    }

    fn permits(&mut self, question: usize) -> bool {
        self.machine.set_input(self.inputs[question].clone());
        self.machine.execute().expect("the policy runs") == Value::from(true)
    }
}

/// Everything is a lookup in nested objects; the policy reads the path.
pub fn indexed(sample: &Sample, count: usize) -> Box<dyn Peer> {
    let grants = keyed(&sample.grants, |grant| {
        let mut methods = Map::new();
        for one in &grant.permissions {
            let (name, form) = one.template[1..].split_once('/').unwrap_or((&one.template[1..], ""));
            let types = methods.entry(one.method).or_insert_with(|| json!({}));
            types[name][form] = json!(true);
        }
        methods.into()
    });
    let data = json!({ "grants": grants });
    make("regorus VM, input at hand", include_str!("role.rego"), data, sample, count, by_path)
}

/// The policy as people write it.
pub fn idiomatic(sample: &Sample, count: usize) -> Box<dyn Peer> {
    let roles = keyed(&sample.grants, |grant| {
        let list = grant.permissions.iter().map(|one| {
            let path: Vec<&str> = one.template.split('/').skip(1).collect();
            json!({ "method": one.method, "path": path })
        });
        list.collect()
    });
    let data = json!({ "roles": roles });
    let policy = include_str!("role_idiomatic.rego");
    make("regorus VM, input at hand, idiomatic policy", policy, data, sample, count, by_path)
}

/// Three lookups, because the caller has found the operation.
pub fn routed(sample: &Sample, count: usize) -> Box<dyn Peer> {
    let operations = keyed(&sample.grants, |grant| {
        let all = grant.permissions.iter().map(|one| (format!("{} {}", one.method, one.template), json!(true)));
        serde_json::Value::Object(all.collect())
    });
    let data = json!({ "operations": operations });
    let policy = include_str!("role_routed.rego");
    make("regorus VM, input and operation at hand", policy, data, sample, count, |sample, question| {
        let operation = format!("{} {}", question.method, question.template);
        json!({ "roles": names(sample, question), "operation": operation })
    })
}

fn by_path(sample: &Sample, question: &Question) -> serde_json::Value {
    let path: Vec<&str> = question.segments().collect();
    json!({ "roles": names(sample, question), "method": question.method, "path": path })
}

fn names<'a>(sample: &'a Sample, question: &Question) -> [&'a str; 3] {
    sample.tokens[question.token].map(|role| sample.grants[role].name.as_str())
}

fn keyed(grants: &[Grant], value: impl Fn(&Grant) -> serde_json::Value) -> serde_json::Value {
    grants.iter().map(|grant| (grant.name.clone(), value(grant))).collect::<Map<_, _>>().into()
}

fn make(
    name: &'static str,
    policy: &str,
    data: serde_json::Value,
    sample: &Sample,
    count: usize,
    input: impl Fn(&Sample, &Question) -> serde_json::Value,
) -> Box<dyn Peer> {
    // Read from text, as values are that come from outside: regorus keeps those in its compact form.
    let value = |json: serde_json::Value| Value::from_json_str(&json.to_string()).expect("a value");
    let mut engine = Engine::new();
    engine.add_policy("role.rego".to_owned(), policy.to_owned()).expect("the policy parses");
    let compiled = engine.compile_with_entrypoint(&ENTRY.into()).expect("the policy compiles");
    let program = Compiler::compile_from_policy(&compiled, &[ENTRY]).expect("it compiles for the machine");
    let mut machine = RegoVM::new_with_policy(compiled);
    machine.load_program(Arc::clone(&program));
    machine.set_data(value(data)).expect("the data fits the policy");
    machine.set_max_instructions(usize::MAX);
    machine.set_execution_timer_config(None);
    let inputs = sample.questions.iter().take(count).map(|question| value(input(sample, question))).collect();
    Box::new(Rego { name, machine, inputs })
}
