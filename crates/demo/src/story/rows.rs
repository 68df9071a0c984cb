//! A request of the table: what is asked, with which token, and what has to come of it.

use policy::Reason;
use reqwest::Method;
use serde_json::Value;

use crate::client::{Answer, Body, Call, Named};
use crate::people::Who;
use crate::report::Expected;
use crate::upstream::{Upstream, entries};

/// Stands for the upstream's own business in [`Expected::status`].
const ANY_STATUS: u16 = 0;

/// Which token a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum With {
    /// Only patient A's record, some types.
    PatientA,
    /// Only patient B's record.
    PatientB,
    /// `system/` scopes: every patient.
    System,
    /// The custom role only.
    FrontDesk,
    /// A role of the EHR's Account that the partner's machine took on.
    Assumed,
    /// No token at all.
    Nothing,
    /// Something that is no token.
    Garbage,
    /// Patient A's token with another signature.
    Forged,
}

impl With {
    pub(crate) const fn who(self) -> Who {
        match self {
            Self::PatientA => Who::PatientA,
            Self::PatientB => Who::PatientB,
            Self::System | Self::FrontDesk => Who::Machine,
            Self::Assumed => Who::Assumed,
            Self::Nothing | Self::Garbage | Self::Forged => Who::Stranger,
        }
    }

    /// The token's name in the demo's shell file.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::PatientA => "patient-a",
            Self::PatientB => "patient-b",
            Self::System => "system",
            Self::FrontDesk => "front-desk",
            Self::Assumed => "assumed",
            Self::Nothing => "nothing",
            Self::Garbage => "garbage",
            Self::Forged => "forged",
        }
    }
}

/// The tokens of the story.
#[derive(Debug, Default)]
pub(crate) struct Tokens(Vec<(With, Named)>);

impl Tokens {
    /// Keeps a token; it replaces an older one.
    pub(crate) fn set(&mut self, with: With, token: &str) {
        self.0.retain(|(own, _)| *own != with);
        self.0.push((with, Named::new(&format!("$(token {})", with.name()), token)));
    }

    /// The token, if there is one.
    pub(crate) fn get(&self, with: With) -> Option<&Named> {
        self.0.iter().find(|(own, _)| *own == with).map(|(_, token)| token)
    }
}

/// What has to be in the answer, beside its status.
#[derive(Clone, Debug, Default)]
pub(crate) enum Check {
    #[default]
    Nothing,
    /// These resources and no others, whatever their order: `Observation/a Patient/b`.
    Exactly(&'static str),
    /// Every resource is that patient's or shared, and there is at least one.
    OnlyOf(String),
    /// So many resources, at least.
    AtLeast(usize),
    /// This text stands in the body.
    Contains(&'static str),
    /// Body and headers are those of the request with that key, but for the time.
    SameAs(&'static str),
    /// A `next` link, back to the gateway.
    NextPage,
}

/// A request of the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) key: &'static str,
    pub(crate) with: With,
    pub(crate) method: Method,
    /// `{a}`, `{b}`, `{a_family}`, `{a_observation}` and `{b_observation}` stand for what the upstream has.
    pub(crate) path: String,
    pub(crate) body: Body,
    pub(crate) expected: Expected,
    pub(crate) check: Check,
    pub(crate) means: &'static str,
    /// Whether its answer can be told in advance only of the synthetic records.
    pub(crate) records: bool,
    /// Whether it follows the `next` link of the request with that key, in place of its path.
    pub(crate) next_of: Option<&'static str>,
    /// The version that the client has seen.
    pub(crate) if_match: Option<&'static str>,
}

impl Row {
    /// A read or search.
    pub(crate) fn get(key: &'static str, with: With, path: &str) -> Self {
        Self {
            key,
            with,
            method: Method::GET,
            path: path.to_owned(),
            body: Body::None,
            expected: Expected { status: 200, decision: "permit", reason: None },
            check: Check::Nothing,
            means: "",
            records: false,
            next_of: None,
            if_match: None,
        }
    }

    /// A search by POST.
    pub(crate) fn search(key: &'static str, with: With, path: &str, form: &str) -> Self {
        Self { method: Method::POST, body: Body::Form(form.to_owned()), ..Self::get(key, with, path) }
    }

    /// A write.
    pub(crate) fn write(key: &'static str, with: With, method: Method, (path, body): (&str, Value)) -> Self {
        Self { method, body: Body::Fhir(body), ..Self::get(key, with, path) }
    }

    /// It has to be permitted and to end with that status.
    pub(crate) fn permit(mut self, status: u16, means: &'static str) -> Self {
        self.expected = Expected { status, decision: "permit", reason: None };
        self.means = means;
        self
    }

    /// It has to be denied.
    pub(crate) fn deny(mut self, status: u16, reason: Reason, means: &'static str) -> Self {
        self.expected = Expected { status, decision: "deny", reason: Some(reason.to_string()) };
        self.means = means;
        self
    }

    /// It has to be forwarded, and what comes back withheld as if it were not there.
    pub(crate) fn withhold(mut self, means: &'static str) -> Self {
        self.expected = Expected { status: 404, decision: "permit", reason: Some(Reason::NotFound.to_string()) };
        self.means = means;
        self
    }

    /// It has to be permitted; any status of the upstream will do.
    pub(crate) fn forward(mut self, means: &'static str) -> Self {
        self.expected = Expected { status: ANY_STATUS, decision: "permit", reason: None };
        self.means = means;
        self
    }

    pub(crate) fn check(mut self, check: Check) -> Self {
        self.check = check;
        self
    }

    /// Left out where the synthetic records are not.
    pub(crate) fn of_records(mut self) -> Self {
        self.records = true;
        self
    }

    /// Follows the `next` link of another row.
    pub(crate) fn next_of(mut self, key: &'static str) -> Self {
        self.next_of = Some(key);
        self
    }

    /// The request with the names of this upstream in it; none if it has not what the row needs.
    pub(crate) fn fill(mut self, upstream: &Upstream) -> Option<Self> {
        let needs_observation = |text: &str| {
            (!text.contains("{a_observation}") || upstream.a.observation.is_some())
                && (!text.contains("{b_observation}") || upstream.b.observation.is_some())
        };
        if self.records && !upstream.records || !needs_observation(&self.path) {
            return None;
        }
        let observation = |one: &Option<String>| one.clone().unwrap_or_default();
        let fill = |text: &str| {
            text.replace("{a}", &upstream.a.id)
                .replace("{b}", &upstream.b.id)
                .replace("{a_family}", &encoded(&upstream.a.family))
                .replace("{a_observation}", &observation(&upstream.a.observation))
                .replace("{b_observation}", &observation(&upstream.b.observation))
        };
        self.path = fill(&self.path);
        self.body = match self.body {
            Body::Form(form) => Body::Form(fill(&form)),
            Body::Fhir(value) => Body::Fhir(serde_json::from_str(&fill(&value.to_string())).unwrap_or_default()),
            other => other,
        };
        if let Check::OnlyOf(patient) = &mut self.check {
            *patient = fill(patient);
        }
        Some(self)
    }

    /// The call that it makes at the gateway.
    pub(crate) fn call(&self, gateway: &Named, tokens: &Tokens) -> Call {
        let call = Call::new(self.with.who(), self.method.clone(), gateway, &self.path).body(self.body.clone());
        let call = call.if_match(self.if_match.map(str::to_owned));
        match tokens.get(self.with) {
            Some(token) => call.bearer(token),
            None => call,
        }
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// What is not as the row's check wants it; empty if all is.
pub(crate) fn wrong(row: &Row, answer: &Answer, gateway: &str, earlier: &[(&str, Answer)]) -> Vec<String> {
    let mut wrong = Vec::new();
    if answer.status != row.expected.status && row.expected.status != ANY_STATUS {
        wrong.push(format!("the status should be {}: {}", row.expected.status, answer.complaint()));
        return wrong;
    }
    let references: Vec<String> = entries(&answer.body).map(reference).collect();
    match &row.check {
        Check::Exactly(text) => {
            let (mut found, mut expected) = (references, text.split(' ').map(str::to_owned).collect::<Vec<_>>());
            found.sort();
            expected.sort();
            if found != expected {
                wrong.push(format!("the answer should hold {} and holds {}", expected.join(" "), found.join(" ")));
            }
        }
        Check::OnlyOf(patient) => {
            let strangers = entries(&answer.body).filter(|one| !belongs(one, patient)).map(reference);
            wrong.extend(strangers.map(|one| format!("{one} is not patient {patient}'s")));
            if references.is_empty() {
                wrong.push("the answer should not be empty".to_owned());
            }
        }
        Check::AtLeast(number) if references.len() < *number => {
            wrong.push(format!("the answer should hold {number} resources at least, it holds {}", references.len()));
        }
        Check::Nothing | Check::AtLeast(_) => {}
        Check::Contains(text) => {
            if !String::from_utf8_lossy(&answer.bytes).contains(text) {
                wrong.push(format!("`{text}` should stand in the body"));
            }
        }
        Check::SameAs(key) => match earlier.iter().find(|(own, _)| own == key) {
            Some((_, other)) if told(other) == told(answer) => {}
            _ => wrong.push(format!("the answer should equal that of `{key}`, byte for byte")),
        },
        Check::NextPage => {
            if next_link(&answer.body).is_none_or(|link| !link.starts_with(gateway)) {
                wrong.push("a `next` link at the gateway should be in the answer".to_owned());
            }
        }
    }
    wrong
}

/// All that an answer tells, but for the time and for the request's own id.
fn told(answer: &Answer) -> (u16, Vec<&(String, String)>, &[u8]) {
    let mut headers: Vec<_> =
        answer.headers.iter().filter(|(name, _)| !matches!(name.as_str(), "date" | "x-request-id")).collect();
    headers.sort();
    (answer.status, headers, &answer.bytes)
}

/// The `next` link of a Bundle.
pub(crate) fn next_link(bundle: &Value) -> Option<&str> {
    let links = bundle.get("link")?.as_array()?;
    links.iter().find(|link| link.get("relation").is_some_and(|one| one == "next"))?.get("url")?.as_str()
}

fn reference(resource: &Value) -> String {
    let text = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or("?");
    format!("{}/{}", text("resourceType"), text("id"))
}

/// Whether a resource is the patient, names that patient as patient or subject, or is nobody's.
fn belongs(resource: &Value, patient: &str) -> bool {
    let own = format!("Patient/{patient}");
    match resource.get("resourceType").and_then(Value::as_str) {
        Some("Patient") => resource.get("id").is_some_and(|id| id == patient),
        Some("Organization" | "Practitioner" | "PractitionerRole" | "Location" | "Medication") => true,
        _ => ["subject", "patient"].iter().any(|name| {
            let reference = resource.get(*name).and_then(|element| element.get("reference")).and_then(Value::as_str);
            reference.is_some_and(|text| text == own || text.ends_with(&format!("/{own}")))
        }),
    }
}
