//! One call on its way through the phases: a request of its own, or an entry of a batch.

use std::collections::BTreeMap;

use policy::Reason;
use policy::decision::{Lookup, Phase};
use policy::operation::Interaction;
use policy::request::{Capabilities, Stored};
use serde_json::Value;

use crate::denial::{Denial, Stop, deny};
use crate::json;
use crate::rules::Principal;

/// A body, before it is read.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// As it came.
    Bytes(Vec<u8>),
    /// The `resource` of an entry.
    Resource(Option<Value>),
}

/// What is left of a request after phase 1.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    /// The method's token; `GET` for `HEAD`.
    pub(crate) method: String,
    /// The segments below the Service's base; none outside it.
    pub(crate) path: Option<Vec<String>>,
    pub(crate) query: Vec<(String, String)>,
    /// The search form, of a POST to `_search`.
    pub(crate) form: Option<Vec<(String, String)>>,
    /// The headers, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
    pub(crate) capabilities: Capabilities,
    pub(crate) stored: &'a [Stored<'a>],
    /// The upstream's own base URL; empty if unknown.
    pub(crate) upstream_base: &'a str,
    /// In a transaction: what each `urn:` stands for.
    pub(crate) siblings: BTreeMap<String, Sibling>,
    /// Whether it is an entry of a transaction.
    pub(crate) in_transaction: bool,
}

/// What another entry of the transaction writes.
#[derive(Clone, Debug)]
pub(crate) struct Sibling {
    pub(crate) resource_type: String,
    /// A POST without a condition: nothing that was there.
    pub(crate) is_new: bool,
}

impl<'a> Call<'a> {
    /// The last value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// URL query and form together; both are in force.
    pub(crate) fn parameters(&self) -> Vec<(String, String)> {
        self.query.iter().chain(self.form.iter().flatten()).cloned().collect()
    }

    /// Whether there is a body.
    pub(crate) fn has_body(&self) -> bool {
        match &self.body {
            Body::Bytes(bytes) => !bytes.is_empty(),
            Body::Resource(resource) => resource.is_some(),
        }
    }

    /// The body as JSON, without a repeated key.
    pub(crate) fn json(&self) -> Result<Value, Denial> {
        let fault = deny(Phase::Body, Reason::MalformedBody);
        match &self.body {
            Body::Resource(Some(value)) => Ok(value.clone()),
            Body::Resource(None) => Err(fault),
            Body::Bytes(bytes) => match json::read(bytes) {
                Ok(document) if document.repeats.is_empty() => Ok(document.value),
                Ok(_) | Err(json::Fault::Malformed) => Err(fault),
                Err(json::Fault::TooDeep) => Err(deny(Phase::Body, Reason::TooLarge)),
            },
        }
    }

    /// What is stored under a lookup; asked for if it has not come yet.
    pub(crate) fn stored(&self, phase: Phase, path: &str, query: &str) -> Result<&'a Stored<'a>, Stop> {
        let lookup = Lookup { path: path.to_owned(), query: query.to_owned() };
        if let Some(found) = self.stored.iter().find(|one| *one.lookup == lookup) {
            return Ok(found);
        }
        if !self.capabilities.lookup {
            return Err(deny(phase, Reason::ObligationUnsupported).into());
        }
        Err(Stop::Ask(phase, vec![lookup]))
    }
}

/// What the request is about, once phase 3 found its operation.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) operation: usize,
    pub(crate) interaction: Option<Interaction>,
    /// The type in the path.
    pub(crate) resource_type: Option<String>,
    /// The instance's id in the path.
    pub(crate) id: Option<String>,
    /// The type whose instance the path names: of a compartment search not the searched one.
    pub(crate) instance_type: Option<String>,
    /// The code of a `$operation`.
    pub(crate) code: Option<String>,
}

/// Who calls, and the request, for the phases after 4.
#[derive(Clone, Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) call: Call<'a>,
    pub(crate) target: Target,
    pub(crate) principal: Principal,
    /// Every rule of the token inside its ceilings: for joins, includes and entries.
    pub(crate) all: Vec<crate::rules::Rule>,
    /// The types that the request names; none for all.
    pub(crate) asked: Option<Vec<String>>,
}
