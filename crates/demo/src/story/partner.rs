//! The partner: accepts the invitation, makes a key, gets tokens, takes on a role of the EHR's Account.

use reqwest::Method;
use serde_json::{Value, json};

use super::owner::{Roles, list};
use super::requests::{PATIENT_A_SCOPES, PATIENT_B_SCOPES, SYSTEM_SCOPES};
use super::rows::{Tokens, With};
use super::{Key, Member, Service, gateway};
use crate::client::Named;
use crate::failure::Failure;
use crate::mailbox;
use crate::people::Who;
use crate::stage::Stage;
use crate::upstream::Upstream;

const EMAIL: &str = "admin@cardio-app.example";
const EXTERNAL_ID: &str = "lakeside-2026";

/// The owner invites, the partner accepts and sees its Subscription.
pub(crate) async fn join(
    stage: &mut Stage,
    owner: &Member,
    (service, roles): (&Service, &Roles),
) -> Result<Member, Failure> {
    stage.chapter("A partner joins, by itself");
    let ceiling: Vec<&String> = roles.smart.iter().chain([&roles.front_desk.id]).collect();
    let path = format!("/v1/services/{}/invitations", service.id);
    let body = json!({"email": EMAIL, "role_ids": ceiling});
    let call = stage.to_control(Who::Owner, Method::POST, path).bearer(&owner.session).json(body);
    stage.call(call, 201, "invites the partner; these roles are its ceiling").await?;
    let mail = mailbox::wait_for(&stage.folder.join("control-plane/mail"), EMAIL).await?;
    stage.tell_mail(Who::Partner, &mail.file);
    let password = super::password()?;
    let body = json!({"token": mail.token, "password": password, "account_name": "Cardio App"});
    let call = stage.to_control(Who::Partner, Method::POST, "/v1/invitations/accept").json(body);
    let answer = stage.call(call, 201, "an Account of its own, subscribed to the Service").await?;
    let partner = Member {
        email: EMAIL.to_owned(),
        password,
        account_id: super::text(stage, &answer, "/account_id")?,
        session: Named::new("$PARTNER", super::text(stage, &answer, "/session_token")?),
    };
    let call = stage.to_control(Who::Partner, Method::GET, "/v1/subscriptions").bearer(&partner.session);
    let answer = stage.call(call, 200, "its subscriptions").await?;
    for one in list(&answer.body, "/data") {
        let text = |pointer: &str| one.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        stage.note(&format!("{} of {}: {}", text("/service/name"), text("/owner/name"), text("/state")));
    }
    let id = super::text(stage, &answer, "/data/0/id")?;
    let call = stage.to_control(Who::Partner, Method::GET, format!("/v1/subscriptions/{id}/roles?limit=200"));
    let answer = stage.call(call.bearer(&partner.session), 200, "the roles inside its ceiling").await?;
    let names: Vec<&str> = list(&answer.body, "/data").iter().filter_map(|role| role.get("name")?.as_str()).collect();
    let (smart, own): (Vec<&str>, Vec<&str>) = names.into_iter().partition(|name| name.contains('/'));
    stage.note(&format!("{} SMART roles, and {}", smart.len(), own.join(", ")));
    Ok(partner)
}

/// Makes a key and gives it roles.
pub(crate) async fn make_key(
    stage: &mut Stage,
    partner: &Member,
    (service, roles): (&Service, &Roles),
) -> Result<Key, Failure> {
    let call = stage.to_control(Who::Partner, Method::POST, "/v1/keys").bearer(&partner.session);
    let answer = stage.call(call.json(json!({"name": "nightly sync"})), 201, "a key; its secret is shown once").await?;
    let id = super::text(stage, &answer, "/id")?;
    let secret = Named::new("$KEY", super::text(stage, &answer, "/secret")?);
    let role_ids: Vec<String> = roles.smart.iter().chain([&roles.front_desk.id]).cloned().collect();
    let call = stage.to_control(Who::Partner, Method::GET, format!("/v1/keys/{id}/roles")).bearer(&partner.session);
    let answer = stage.call(call, 200, "it holds no role yet").await?;
    let tag = answer.header("etag").map(str::to_owned);
    let call = stage.to_control(Who::Partner, Method::PUT, format!("/v1/keys/{id}/roles")).bearer(&partner.session);
    let call = call.if_match(tag).json(json!({"service_id": service.id, "role_ids": role_ids}));
    stage.call(call, 200, "gives it roles, within the ceiling").await?;
    Ok(Key { id, secret, role_ids })
}

/// What a token is asked for with.
pub(crate) fn token_body(service: &Service, (scope, patient): (&str, Option<&str>)) -> Value {
    match patient {
        Some(patient) => json!({"service_id": service.id, "scope": scope, "patient": patient}),
        None => json!({"service_id": service.id, "scope": scope}),
    }
}

/// The machine exchanges its key for short tokens: for itself, and for one patient each.
pub(crate) async fn tokens(
    stage: &mut Stage,
    (key, service): (&Key, &Service),
    (roles, upstream): (&Roles, &Upstream),
) -> Result<Tokens, Failure> {
    stage.chapter("Its machine gets tokens that live five minutes");
    let mut tokens = Tokens::default();
    refresh(stage, (key, service), (roles, upstream), &mut tokens).await?;
    if service.fhir {
        let body = token_body(service, ("system/*.cruds", None));
        let call = stage.to_control(Who::Machine, Method::POST, "/v1/token").bearer(&key.secret).json(body);
        let answer = stage.call(call, 400, "more than the key holds is refused").await?;
        stage.note(&format!("{}: {}", answer.text("/error").unwrap_or_default(), answer.complaint()));
    }
    Ok(tokens)
}

/// Gets each token anew.
pub(crate) async fn refresh(
    stage: &mut Stage,
    (key, service): (&Key, &Service),
    (roles, upstream): (&Roles, &Upstream),
    tokens: &mut Tokens,
) -> Result<(), Failure> {
    let mut wanted = vec![(With::FrontDesk, roles.front_desk.id.as_str(), None, "for the custom role only")];
    if service.fhir {
        let (a, b) = (upstream.a.id.as_str(), upstream.b.id.as_str());
        wanted.push((With::System, SYSTEM_SCOPES, None, "for all patients"));
        wanted.push((With::PatientA, PATIENT_A_SCOPES, Some(a), "narrowed to patient A and some types, for an app"));
        wanted.push((With::PatientB, PATIENT_B_SCOPES, Some(b), "narrowed to patient B, for another"));
    }
    for (with, scope, patient, means) in wanted {
        let body = token_body(service, (scope, patient));
        let call = stage.to_control(Who::Machine, Method::POST, "/v1/token").bearer(&key.secret).json(body);
        let answer = stage.call(call, 200, means).await?;
        stage.note(&format!("scope {}", answer.text("/scope").unwrap_or(scope)));
        let token = super::text(stage, &answer, "/access_token")?;
        if with == With::PatientA || !service.fhir {
            tokens.set(With::Forged, &forged(&token));
            tokens.set(With::Garbage, "not-a-token");
        }
        tokens.set(with, &token);
    }
    Ok(())
}

/// The token with another first letter in its signature.
fn forged(token: &str) -> String {
    let Some((signed, signature)) = token.rsplit_once('.') else { return token.to_owned() };
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    signed.to_owned()
        + "."
        + &signature.chars().skip(1).fold(other.to_string(), |text, letter| text + &letter.to_string())
}

/// The owner lends a role to the partner's Account; the partner's machine takes it on (K25).
pub(crate) async fn assume_role(
    stage: &mut Stage,
    (owner, partner): (&Member, &Member),
    (service, key): (&Service, &Key),
    tokens: &mut Tokens,
) -> Result<(), Failure> {
    stage.chapter("The EHR lends a role; the partner's machine assumes it");
    let running = gateway::bundle_version(stage, (owner, service)).await?;
    let body = json!({"name": "Nightly report", "operations": ["GET:/Observation", "GET:/Patient/{id}"]});
    let call = stage.to_control(Who::Owner, Method::POST, format!("/v1/services/{}/roles", service.id));
    let answer = stage.call(call.bearer(&owner.session).json(body), 201, "a role that no key holds").await?;
    let role = super::text(stage, &answer, "/id")?;
    let tag = answer.header("etag").map(str::to_owned);
    let trust = json!({
        "accounts": [{"account_id": partner.account_id, "external_id": EXTERNAL_ID}],
        "max_duration_seconds": 900,
    });
    let call = stage.to_control(Who::Owner, Method::PUT, format!("/v1/roles/{role}/trust")).bearer(&owner.session);
    let call = call.if_match(tag).json(trust);
    stage.call(call, 200, "the partner's Account may assume it, with the external id they agreed on").await?;

    gateway::wait_for_newer(stage, (owner, service), running).await?;

    let token = super::text_of(tokens.get(With::System))?;
    let assume = |external_id: &str| json!({"role_id": role, "session_name": "report-2026-11-22", "external_id": external_id, "duration_seconds": 900});
    let call = stage.to_control(Who::Machine, Method::POST, "/v1/assume-role").bearer(&token).json(assume("a-guess"));
    stage.call(call, 403, "with another external id it is refused").await?;
    let call = stage.to_control(Who::Machine, Method::POST, "/v1/assume-role").bearer(&token).json(assume(EXTERNAL_ID));
    let answer = stage.call(call, 200, "a token of the role; `act` names who really calls").await?;
    let token = super::text(stage, &answer, "/access_token")?;
    tokens.set(With::Assumed, &token);
    stage
        .report
        .places
        .insert("assumed_role".to_owned(), json!({"role_id": role, "external_id": EXTERNAL_ID, "key": key.id}));
    Ok(())
}
