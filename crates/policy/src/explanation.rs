//! Why a request was decided as it was, for the person who asks.
//!
//! Invariant: it holds names only - of parameters, elements, types, rules, settings - and never a value out of a request or a
//! record. The ids in it are those that the caller's own request and token name.

use serde::Serialize;

use crate::decision::Phase;
use crate::reason::Reason;

/// A decision, explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What was decided.
    pub effect: Effect,
    /// The status of a denial.
    pub status: Option<u16>,
    /// Its reason, or the note of a permit.
    pub reason: Option<Reason>,
    /// What that reason means; none where there is no reason.
    pub because: Option<&'static str>,
    /// The phase that denied, or the last one gone through.
    pub phase: &'static str,
    /// What would have to change, as sentences; empty for a permit.
    pub next: Vec<String>,
    /// The request, as it was read.
    pub asked: Asked,
    /// The nine phases, in their order.
    pub phases: Vec<Step>,
    /// Who asks, as far as it counts.
    pub caller: Caller,
    /// Every rule of the caller, in the token's order.
    pub rules: Vec<Rule>,
    /// What the token says beside them, and why it gives nothing.
    pub without_effect: Vec<WithoutEffect>,
    /// The tables in force for the types that the request is about.
    pub tables: Vec<Table>,
    /// The types that patients share in this Service.
    pub shared_types: Vec<String>,
    /// The settings of the Service that this decision looked at, with their values.
    pub settings: Vec<Setting>,
    /// What the gateway must do, without values: `add_query(patient)`.
    pub obligations: Vec<String>,
    /// What has to be looked up before it is decided: `GET /Observation/1`, the names of a query without their values.
    pub lookups: Vec<String>,
    /// The verdicts on includes: `deny _include Practitioner`.
    pub related: Vec<String>,
    /// The names of parameters and elements that the decision rests on.
    pub fields_used: Vec<String>,
    /// The names of those that it passed over.
    pub fields_ignored: Vec<String>,
    /// The entries of a batch, in order.
    pub entries: Vec<Entry>,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It goes on.
    Permit,
    /// It is refused.
    Deny,
    /// What is stored has to be looked at first.
    Undecided,
}

/// A request, as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// The method, as it is decided; none for one that HTTP does not name.
    pub method: Option<&'static str>,
    /// The operation of the Service: `GET:/Observation/{id}`.
    pub operation: Option<String>,
    /// What it does in FHIR's terms.
    pub interaction: Option<&'static str>,
    /// The resource type.
    pub resource_type: Option<String>,
    /// The id of the instance.
    pub resource_id: Option<String>,
    /// The letters of `cruds` that it needs; empty where only a role can name it.
    pub letters: String,
    /// Every parameter, in order.
    pub parameters: Vec<Parameter>,
}

/// One parameter of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// The decision rests on it.
    Used,
    /// It makes no difference to the decision.
    PassedOver,
    /// It does not go upstream.
    LeftOut,
    /// The request is refused for it.
    Refused,
    /// Nothing was decided on it.
    Undecided,
}

/// One phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its name.
    pub phase: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// The same in words, without a full stop.
    pub says: String,
}

/// How a phase ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The request went on.
    Continue,
    /// There was nothing for it to decide.
    Nothing,
    /// It denied.
    Deny,
    /// It asks for what is stored.
    Lookup,
    /// It comes with the answer.
    Ahead,
    /// The request did not get there.
    NotReached,
}

/// Who asks, as far as it counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Caller {
    /// `token`, `basic`, `token and basic`, `nobody` or `refused`.
    pub kind: &'static str,
    /// The patient context.
    pub patient: Option<String>,
    /// The Account.
    pub account: Option<String>,
    /// What bounds its rules.
    pub ceiling: &'static str,
    /// The keys of the tags that count.
    pub tags: Vec<String>,
    /// The clearance, where labels are enforced.
    pub clearance: Option<String>,
}

/// What one scope or role of the caller gives, and whether it fits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Its name: a scope, or a role's id.
    pub name: String,
    /// The role's name, for people.
    pub title: Option<String>,
    /// What kind of rule it is.
    pub source: &'static str,
    /// Whose data; none for a role of operations.
    pub context: Option<&'static str>,
    /// What it gives: `rs on Observation`, `3 operations`.
    pub gives: String,
    /// What every resource must match.
    pub constraints: Vec<String>,
    /// The roles and extension scopes that it counts in only: of a ceiling, or beside SMART scopes.
    pub within: Vec<String>,
    /// Whether it has a `where`.
    pub condition: bool,
    /// The only fields that it lets this operation carry; none: any.
    pub fields: Option<Vec<String>>,
    /// Whether it permits the request.
    pub outcome: RuleOutcome,
    /// The phase that it got to, where it does not permit.
    pub phase: Option<&'static str>,
    /// The reason that it is refused for.
    pub reason: Option<Reason>,
    /// Why it does or does not fit, without a full stop.
    pub says: String,
}

/// What a rule makes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleOutcome {
    /// It permits it.
    Permits,
    /// It does not.
    Refuses,
    /// It might, after a look at what is stored.
    Undecided,
    /// It counts once the token names a patient.
    Waits,
    /// No rule was asked, or each entry of the batch asks for itself.
    NotAsked,
}

/// A word of a token that gives no rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WithoutEffect {
    /// The scope, or the role's id.
    pub name: String,
    /// Why, without a full stop.
    pub says: String,
}

/// How resources of one type belong to a patient, in this Service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Table {
    /// The type.
    pub resource_type: String,
    /// Its standing, as a word: `compartment`, `shared`.
    pub standing: &'static str,
    /// What that means, without a full stop.
    pub says: &'static str,
    /// The elements that make a resource a patient's: `subject`, `participant.actor (Patient)`.
    pub owners: Vec<String>,
    /// The search parameters that name the owner, sorted.
    pub parameters: Vec<String>,
    /// The parameter that narrows a search to one patient.
    pub narrowing: Option<String>,
    /// Whether only a scope that names it may write it.
    pub security: bool,
}

/// A setting of the Service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: String,
}

/// The verdict on one entry of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What was decided.
    pub effect: Effect,
    /// The status of a denial.
    pub status: Option<u16>,
    /// Its reason.
    pub reason: Option<Reason>,
    /// What that reason means.
    pub because: Option<&'static str>,
    /// The phase that denied, or the last one gone through.
    pub phase: &'static str,
    /// What it works on: the interaction and the type.
    pub asked: String,
    /// The rules that permit it.
    pub rules: Vec<String>,
    /// What would have to change.
    pub next: Vec<String>,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Self; 9] = [
        Self::Normalise,
        Self::Token,
        Self::Operation,
        Self::Rules,
        Self::Query,
        Self::Body,
        Self::Batch,
        Self::Tags,
        Self::Response,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normalise => "normalise",
            Self::Token => "token",
            Self::Operation => "operation",
            Self::Rules => "rules",
            Self::Query => "query",
            Self::Body => "body",
            Self::Batch => "batch",
            Self::Tags => "tags",
            Self::Response => "response",
        }
    }
}
