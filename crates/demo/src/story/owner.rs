//! The EHR's owner: signs up, makes the Service, looks at its roles, makes one of its own.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Document, Member, Service};
use crate::client::{Body, Named};
use crate::failure::Failure;
use crate::mailbox;
use crate::people::Who;
use crate::stage::Stage;

const EMAIL: &str = "owner@lakeside-ehr.example";
/// What the custom role permits in a FHIR Service.
const FRONT_DESK: &[&str] = &["GET:/Patient", "GET:/Patient/{id}"];
/// What a FHIR Service must have for the tables of requests; any other is played as a plain one.
const NEEDED: &[&str] =
    &["GET:/Patient", "GET:/Patient/{id}", "GET:/Observation", "GET:/Observation/{id}", "POST:/Observation"];
/// The roles that are shown, of all.
const SHOWN_ROLES: &[&str] = &["patient/Patient.rs", "patient/Observation.c", "user/Condition.cud", "system/*.rs"];
/// How many findings are shown.
const SHOWN: usize = 4;

/// A role of `METHOD:/path` lines.
#[derive(Clone, Debug)]
pub(crate) struct CustomRole {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) operations: Vec<String>,
    pub(crate) etag: Option<String>,
}

/// The roles that the story uses.
#[derive(Clone, Debug)]
pub(crate) struct Roles {
    pub(crate) front_desk: CustomRole,
    /// SMART roles that the partner's machine gets; none in a plain Service.
    pub(crate) smart: Vec<String>,
}

/// Signs up and confirms by the link in the mail.
pub(crate) async fn sign_up(stage: &mut Stage) -> Result<Member, Failure> {
    stage.chapter("The EHR vendor signs up");
    let call = stage.to_control(Who::Owner, Method::POST, "/v1/signup").json(json!({"email": EMAIL}));
    stage.call(call, 202, "a one-use link is on its way; the same answer for every address").await?;
    let mails = stage.folder.join("control-plane/mail");
    let mail = mailbox::wait_for(&mails, EMAIL).await?;
    stage.tell_mail(Who::Owner, &mail.file);
    let password = super::password()?;
    let body = json!({"token": mail.token, "password": password, "account_name": "Lakeside Health"});
    let call = stage.to_control(Who::Owner, Method::POST, "/v1/signup/confirm").json(body.clone());
    let answer = stage.call(call, 201, "the Account, and a session for its first owner").await?;
    let again = stage.to_control(Who::Stranger, Method::POST, "/v1/signup/confirm").json(body);
    let refused = stage.client.send(&again).await?;
    let spent = refused.status >= 400 && refused.status < 500;
    stage.tell(Who::Stranger, "the same link once more", &format!("{}: it is spent", refused.status), spent);
    Ok(Member {
        email: EMAIL.to_owned(),
        password,
        account_id: super::text(stage, &answer, "/account_id")?,
        session: Named::new("$OWNER", super::text(stage, &answer, "/session_token")?),
    })
}

/// Makes the Service of the document, and tells what was found in it.
pub(crate) async fn create_service(stage: &mut Stage, owner: &Member, document: &Document) -> Result<Service, Failure> {
    stage.chapter("Its OpenAPI document becomes a Service");
    let body = Body::Document(document.bytes.clone(), document.file.display().to_string());
    let call = stage.to_control(Who::Owner, Method::POST, "/v1/services").bearer(&owner.session).body(body);
    let mut answer =
        stage.call(call, 201, "the document is read, its first bundle is signed and permits nothing").await?;
    let id = super::text(stage, &answer, "/id")?;
    describe(stage, &answer.body);
    let operations = list(&answer.body, "/operations").iter().filter_map(|one| one.get("key")?.as_str());
    let operations: Vec<String> = operations.map(str::to_owned).collect();
    let fhir =
        answer.text("/kind") == Some("fhirv4") && NEEDED.iter().all(|key| operations.iter().any(|own| own == key));
    if document.foreign {
        let tag = answer.header("etag").map(str::to_owned);
        let call = stage.to_control(Who::Owner, Method::PATCH, format!("/v1/services/{id}")).bearer(&owner.session);
        let base = &stage.gateway.value;
        // What bears no tag is for the owner's own Account in a plain Service (K20), until the owner opens it.
        let (change, says) = if answer.text("/kind") == Some("plain") {
            let change = json!({"base_url": base, "settings": {"untagged_resources": "by_role"}});
            (change, "its base is the gateway now, and a role alone opens what bears no tag")
        } else {
            (json!({"base_url": base}), "its base is the gateway now")
        };
        answer = stage.call(call.if_match(tag).json(change), 200, says).await?;
    }
    let base = super::text(stage, &answer, "/base_url")?;
    let issuer = super::text(stage, &answer, "/issuer")?;
    stage.note(&format!("base {base} (the tokens' audience), issuer {issuer}"));
    Ok(Service { id, fhir, operations })
}

fn describe(stage: &Stage, body: &Value) {
    let number = |pointer: &str| body.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let operations = list(body, "/operations").len();
    let kind = text(body, "kind");
    stage.note(&format!(
        "kind {kind}, OpenAPI {}: {} paths, {operations} operations",
        text(body, "openapi"),
        number("/paths")
    ));
    let types: Vec<String> = list(body, "/types").iter().map(|one| text(one, "name")).collect();
    if !types.is_empty() {
        stage.note(&format!("types: {}", types.join(" ")));
    }
    let findings = list(body, "/findings");
    let count = |severity: &str| findings.iter().filter(|one| text(one, "severity") == severity).count();
    stage.note(&format!("findings: {} errors, {} warnings, {} notes", count("error"), count("warning"), count("info")));
    for finding in findings.iter().take(SHOWN) {
        stage.note(&format!(
            "{} {}: {}",
            text(finding, "severity"),
            text(finding, "pointer"),
            text(finding, "message")
        ));
    }
}

/// Lists the roles that the SMART scopes became, and makes a custom one.
pub(crate) async fn roles(stage: &mut Stage, owner: &Member, service: &Service) -> Result<Roles, Failure> {
    stage.chapter("SMART scopes are its roles; it can make its own");
    let path = format!("/v1/services/{}/roles", service.id);
    let call = stage.to_control(Who::Owner, Method::GET, format!("{path}?limit=200")).bearer(&owner.session);
    let answer = stage.call(call, 200, "every role with the operations it maps to").await?;
    let all = list(&answer.body, "/data");
    let id = |role: &Value| role.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    stage.note(&format!("{} roles, among them", all.len()));
    for role in all.iter().filter(|role| SHOWN_ROLES.contains(&id(role).as_str())) {
        let operations: Vec<&str> = list(role, "/operations").iter().filter_map(Value::as_str).collect();
        let shown = operations.iter().take(3).copied().collect::<Vec<_>>().join("  ");
        let more = if operations.len() > 3 { format!("  and {} more", operations.len() - 3) } else { String::new() };
        stage.note(&format!("{}: {shown}{more}", id(role)));
    }
    let wrong = json!({"name": "Typo", "operations": ["GET:/Patients"]});
    let call = stage.to_control(Who::Owner, Method::POST, &path).bearer(&owner.session).json(wrong);
    let refused = stage.call(call, 422, "an operation that the document does not have is refused").await?;
    if let Some(message) = refused.text("/errors/0/message") {
        stage.note(&format!("{}: {message}", refused.text("/errors/0/pointer").unwrap_or_default()));
    }
    let operations = front_desk_operations(service);
    let body = json!({"name": "Front desk", "operations": operations});
    let call = stage.to_control(Who::Owner, Method::POST, &path).bearer(&owner.session).json(body);
    let answer = stage.call(call, 201, &format!("a role of its own: {}", operations.join(", "))).await?;
    let front_desk = CustomRole {
        id: super::text(stage, &answer, "/id")?,
        name: "Front desk".to_owned(),
        operations,
        etag: answer.header("etag").map(str::to_owned),
    };
    let smart = ["system/*.rs", "system/Observation.cu"];
    let smart = if service.fhir { smart.map(str::to_owned).to_vec() } else { Vec::new() };
    Ok(Roles { front_desk, smart })
}

/// In a FHIR Service the front desk's; in any other its first two reads.
fn front_desk_operations(service: &Service) -> Vec<String> {
    let known = service.operations.iter().filter(|key| FRONT_DESK.contains(&key.as_str()));
    let wanted: Vec<String> = known.cloned().collect();
    if wanted.len() == FRONT_DESK.len() {
        return wanted;
    }
    let reads = service.operations.iter().filter(|key| key.starts_with("GET:"));
    let (plain, with_parameters): (Vec<&String>, Vec<&String>) = reads.partition(|key| !key.contains('{'));
    plain.into_iter().chain(with_parameters).take(2).cloned().collect()
}

/// A list in a body, empty if it is not there.
pub(crate) fn list<'a>(body: &'a Value, pointer: &str) -> &'a [Value] {
    body.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
