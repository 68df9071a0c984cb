//! What stays when the story is over: URLs, credentials, a shell file, and lines to turn an answer with.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::json;

use super::gateway::write_secret;
use super::partner::token_body;
use super::requests::{PATIENT_A_SCOPES, PATIENT_B_SCOPES, SYSTEM_SCOPES};
use super::rows::With;
use super::{Standing, change};
use crate::client::Call;
use crate::failure::Failure;
use crate::people::Who;
use crate::screen::{BOLD, DIM};
use crate::stage::Stage;

/// Writes the shell file, and tells where things are and what to try.
pub(crate) fn farewell(stage: &mut Stage, standing: &Standing, stays: bool) -> Result<(), Failure> {
    let file = stage.folder.join("try.sh");
    write_secret(&file, shell(stage, standing).as_bytes())?;
    places(stage, standing, &file);
    if !stays {
        return Ok(());
    }
    let Standing { owner, partner, .. } = standing;
    stage.chapter("It stays up: try it");
    let screen = &stage.screen;
    for (name, value) in [
        ("control plane", format!("{}  (its API: {}/docs)", stage.control.value, stage.control.value)),
        ("gateway", stage.gateway.value.clone()),
        ("FHIR server", format!("{}  (unguarded)", standing.upstream.url)),
        ("folder", stage.folder.display().to_string()),
        ("EHR owner", format!("{}  {}", owner.email, owner.password)),
        ("partner admin", format!("{}  {}", partner.email, partner.password)),
    ] {
        screen.line(&format!("  {}  {value}", screen.paint(BOLD, &format!("{name:<14}"))));
    }
    screen.line("");
    screen.line(
        "  The curl lines above and below work in a shell that has read this file; `token NAME` gets a fresh token:",
    );
    screen.line(&format!("  . {}", file.display()));
    if standing.service.fhir {
        turns(stage, standing);
    }
    stage.screen.line("");
    stage.screen.line(&stage.screen.paint(DIM, "  Ctrl-C ends it."));
    Ok(())
}

/// Two changes that the reader can make, each with the request whose answer turns.
fn turns(stage: &Stage, standing: &Standing) {
    let Standing { owner, partner, key, front_desk, service, tokens, .. } = standing;
    let request = |with: With, path: &str| {
        let call = Call::new(with.who(), Method::GET, &stage.gateway, path);
        tokens.get(with).map_or_else(|| call.clone(), |token| call.clone().bearer(token)).curl()
    };
    let patch = |operations: serde_json::Value| {
        let call = stage.to_control(Who::Owner, Method::PATCH, format!("/v1/roles/{}", front_desk.id));
        let call = call.bearer(&owner.session).json(json!({"operations": operations})).curl();
        call + " -H \"If-Match: $(etag roles/" + &front_desk.id + ")\""
    };
    let extended: Vec<&str> = front_desk.operations.iter().map(String::as_str).chain([change::ADDED]).collect();
    let a = &standing.upstream.a.id;
    let print = |title: &str, lines: &[String]| {
        stage.screen.line("");
        stage.screen.line(&format!("  {}", stage.screen.paint(BOLD, title)));
        for line in lines {
            stage.screen.line(&format!("  {line}"));
        }
    };
    print(
        &format!(
            "Take {} from the role `{}`: 200 turns to 403 (after the gateway's next pull); put it back: 200",
            change::ADDED,
            front_desk.name
        ),
        &[
            request(With::FrontDesk, &format!("/Encounter?patient={a}")),
            patch(json!(front_desk.operations)),
            patch(json!(extended)),
        ],
    );
    let without: Vec<&String> = key.role_ids.iter().filter(|role| !role.starts_with("system/")).collect();
    let put = |roles: serde_json::Value| {
        let call = stage.to_control(Who::Partner, Method::PUT, format!("/v1/keys/{}/roles", key.id));
        let call = call.bearer(&partner.session).json(json!({"service_id": service.id, "role_ids": roles})).curl();
        call + " -H \"If-Match: $(etag keys/" + &key.id + "/roles)\""
    };
    print(
        "Take the SMART roles from the key: a new token is refused, 200 turns to 401; put them back: 200",
        &[request(With::System, &format!("/Patient/{a}")), put(json!(without)), put(json!(key.role_ids))],
    );
}

/// Where things are, for programs.
fn places(stage: &mut Stage, standing: &Standing, file: &std::path::Path) {
    let member = |member: &super::Member| json!({"email": member.email, "password": member.password, "account_id": member.account_id});
    let places = [
        ("control_plane", json!(stage.control.value)),
        ("gateway", json!(stage.gateway.value)),
        ("upstream", json!(standing.upstream.url)),
        ("folder", json!(stage.folder)),
        ("shell_file", json!(file)),
        ("service_id", json!(standing.service.id)),
        ("owner", member(&standing.owner)),
        ("partner", member(&standing.partner)),
    ];
    for (name, value) in places {
        stage.report.places.insert(name.to_owned(), value);
    }
}

/// The shell file: what the curl lines name.
fn shell(stage: &Stage, standing: &Standing) -> String {
    let Standing { owner, partner, service, key, upstream, front_desk, .. } = standing;
    let (a, b) = (upstream.a.id.as_str(), upstream.b.id.as_str());
    let mut bodies = vec![("front-desk", token_body(service, (&front_desk.id, None)))];
    if service.fhir {
        bodies.push(("patient-a", token_body(service, (PATIENT_A_SCOPES, Some(a)))));
        bodies.push(("patient-b", token_body(service, (PATIENT_B_SCOPES, Some(b)))));
        bodies.push(("system", token_body(service, (SYSTEM_SCOPES, None))));
    }
    let cases: Vec<String> =
        bodies.iter().map(|(name, body)| format!("    {name}) fresh token '{body}' \"$KEY\" ;;\n")).collect();
    let cases = cases.concat();
    let assumed = stage.report.places.get("assumed_role").map_or_else(String::new, |place| {
        let text = |name: &str| place.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
        let body = json!({"role_id": text("role_id"), "session_name": "by-hand", "external_id": text("external_id")});
        format!("    assumed) fresh assume-role '{body}' \"$(token system)\" ;;\n")
    });
    format!(
        r#"# Firewarden's demo: what its curl lines name. Read it with:  . {file}
CONTROL={control}
FHIR={gateway}
UPSTREAM={upstream}
OWNER={owner}      # session of {owner_email}
PARTNER={partner}      # session of {partner_email}
KEY={key}      # the partner's key

# fresh CALL BODY BEARER: a token from the control plane
fresh() {{
  curl -s "$CONTROL/v1/$1" -H "Authorization: Bearer $3" -H 'Content-Type: application/json' -d "$2" |
    sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p'
}}

# token NAME: a fresh token; it lives five minutes
token() {{
  case $1 in
{cases}{assumed}    garbage) echo not-a-token ;;
    forged) token patient-a | sed 's/\.[^.]*$/.AAAA/' ;;
  esac
}}

# etag PATH: the ETag that a write needs in If-Match; keys are the partner's, the rest the owner's
etag() {{
  case $1 in keys/*) session=$PARTNER ;; *) session=$OWNER ;; esac
  curl -sD - -o /dev/null "$CONTROL/v1/$1" -H "Authorization: Bearer $session" |
    tr -d '\r' | sed -n 's/^[Ee][Tt][Aa][Gg]: //p'
}}
"#,
        file = stage.folder.join("try.sh").display(),
        control = stage.control.value,
        gateway = stage.gateway.value,
        upstream = upstream.url,
        owner = owner.session.value,
        owner_email = owner.email,
        partner = partner.session.value,
        partner_email = partner.email,
        key = key.secret.value,
    )
}

/// Where the demo keeps its things: the folder that was asked for, or a new temporary one.
pub(crate) fn folder(asked: Option<&PathBuf>) -> Result<(PathBuf, bool), Failure> {
    let temporary = std::env::temp_dir().join(format!("firewarden-demo-{}", std::process::id()));
    let folder = asked.cloned().unwrap_or(temporary);
    let failed = |error| Failure::File(folder.clone(), error);
    std::fs::create_dir_all(&folder).map_err(failed)?;
    if std::fs::read_dir(&folder).map_err(failed)?.next().is_some() {
        return Err(Failure::NotEmpty(folder));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).map_err(failed)?;
    }
    let folder = folder.canonicalize().map_err(failed)?;
    Ok((folder, asked.is_none()))
}
