//! What the sample EHR answers with: resources, Bundles, OperationOutcomes.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::parameters;
use super::query::{Query, Summary};
use super::records::Records;
use super::resource::{Members, Resource};
use super::search::Page;

const MEDIA_TYPE: &str = "application/fhir+json";
/// The elements of a summary, for the types stored here; those that every resource has come beside them.
const SUMMARY: &[&str] = &[
    "identifier",
    "active",
    "name",
    "telecom",
    "gender",
    "birthDate",
    "address",
    "managingOrganization",
    "status",
    "intent",
    "code",
    "category",
    "subject",
    "patient",
    "encounter",
    "effectiveDateTime",
    "valueQuantity",
    "clinicalStatus",
    "verificationStatus",
    "onsetDateTime",
    "recordedDate",
    "medicationCodeableConcept",
    "authoredOn",
    "requester",
    "type",
    "class",
    "participant",
    "date",
    "author",
    "content",
    "vaccineCode",
    "occurrenceDateTime",
    "criticality",
    "performer",
    "asserter",
    "focus",
];

/// Why a request was refused: a status, FHIR's issue code and a text.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    status: StatusCode,
    code: &'static str,
    text: String,
}

impl Fault {
    pub(super) fn invalid(text: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "invalid", text }
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self { status: StatusCode::NOT_FOUND, code: "not-found", text: format!("there is no `{what}`") }
    }

    pub(super) fn changed(version: &str) -> Self {
        Self { status: StatusCode::PRECONDITION_FAILED, code: "conflict", text: format!("`{version}` is not stored") }
    }

    pub(super) fn not_acceptable(form: &str) -> Self {
        Self { status: StatusCode::NOT_ACCEPTABLE, code: "not-supported", text: format!("`{form}`: JSON only") }
    }

    pub(super) fn full() -> Self {
        Self { status: StatusCode::INSUFFICIENT_STORAGE, code: "too-costly", text: "the sample EHR is full".to_owned() }
    }

    pub(super) fn internal(error: &serde_json::Error) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, code: "exception", text: error.to_string() }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.text)
    }
}

impl ResponseError for Fault {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status).content_type(MEDIA_TYPE).json(json!({
            "resourceType": "OperationOutcome",
            "issue": [{"severity": "error", "code": self.code, "diagnostics": self.text}],
        }))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    resource_type: &'static str,
    r#type: &'static str,
    total: usize,
    link: Vec<Link>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entry: Vec<Entry>,
}

#[derive(Serialize)]
struct Link {
    relation: &'static str,
    url: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    full_url: String,
    resource: Box<RawValue>,
    search: Mode,
}

#[derive(Serialize)]
struct Mode {
    mode: &'static str,
}

/// A page of a search, as a Bundle.
pub(super) fn bundle(
    records: &Records,
    type_name: &str,
    query: &Query,
    page: &Page<'_>,
) -> Result<HttpResponse, Fault> {
    let entry = |resource: &&Resource, mode| -> Result<Entry, Fault> {
        Ok(Entry {
            full_url: format!("{}/{}", records.base(), resource.reference()),
            resource: shaped(resource, query).map_err(|error| Fault::internal(&error))?,
            search: Mode { mode },
        })
    };
    let matches = page.matches.iter().map(|one| entry(one, "match"));
    let included = page.included.iter().map(|one| entry(one, "include"));
    let counted = query.summary == Summary::Count;
    let entries = if counted { Vec::new() } else { matches.chain(included).collect::<Result<_, _>>()? };
    let next = page.next_offset.filter(|_| !counted);
    let links = [Some(("self", query.offset)), next.map(|offset| ("next", offset))];
    let link = links.into_iter().flatten().filter_map(|(relation, offset)| {
        let mut url = reqwest::Url::parse(&format!("{}/{type_name}", records.base())).ok()?;
        url.query_pairs_mut().extend_pairs(&query.pairs);
        if offset > 0 {
            url.query_pairs_mut().append_pair("_offset", &offset.to_string());
        }
        Some(Link { relation, url: url.to_string().trim_end_matches('?').to_owned() })
    });
    let body = Bundle {
        resource_type: "Bundle",
        r#type: "searchset",
        total: page.total,
        link: link.collect(),
        entry: entries,
    };
    Ok(HttpResponse::Ok().content_type(MEDIA_TYPE).json(body))
}

/// The members of the resource that `_elements` and `_summary` leave.
fn shaped(resource: &Resource, query: &Query) -> serde_json::Result<Box<RawValue>> {
    let always = |name: &str| matches!(name, "resourceType" | "id" | "meta");
    let wanted = |name: &str| match query.summary {
        Summary::True => SUMMARY.contains(&name),
        Summary::Text => name == "text",
        Summary::Data => name != "text",
        Summary::False | Summary::Count => query.elements.is_empty() || query.elements.iter().any(|one| one == name),
    };
    if query.summary == Summary::False && query.elements.is_empty() {
        return Ok(resource.text.clone());
    }
    let mut members: Members = serde_json::from_str(resource.text.get())?;
    members.keep(|name| always(name) || wanted(name));
    let mut meta = resource.tree.get("meta").cloned().unwrap_or_default();
    if let Some(meta) = meta.as_object_mut() {
        let system = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
        meta.insert("tag".to_owned(), json!([{"system": system, "code": "SUBSETTED"}]));
    }
    members.set("meta", &meta)?;
    serde_json::value::to_raw_value(&members)
}

/// One resource with its version.
pub(super) fn one(resource: &Resource, query: &Query) -> Result<HttpResponse, Fault> {
    let body = shaped(resource, query).map_err(|error| Fault::internal(&error))?;
    Ok(HttpResponse::Ok()
        .content_type(MEDIA_TYPE)
        .insert_header(("ETag", format!("W/\"{}\"", resource.version)))
        .insert_header(("Last-Modified", http_date(&resource.last_updated)))
        .body(body.get().to_owned()))
}

/// What a write answers; without a body if the client asked for the least.
pub(super) fn written(records: &Records, resource: &Resource, status: StatusCode, minimal: bool) -> HttpResponse {
    let location = format!("{}/{}/_history/{}", records.base(), resource.reference(), resource.version);
    let mut answer = HttpResponse::build(status);
    answer
        .insert_header(("Location", location))
        .insert_header(("ETag", format!("W/\"{}\"", resource.version)))
        .insert_header(("Last-Modified", http_date(&resource.last_updated)))
        .content_type(MEDIA_TYPE);
    if minimal { answer.finish() } else { answer.body(resource.text.get().to_owned()) }
}

fn http_date(rfc3339: &str) -> String {
    chrono::DateTime::parse_from_rfc3339(rfc3339)
        .map(|at| at.to_utc().format("%a, %d %b %Y %H:%M:%S GMT").to_string())
        .unwrap_or_default()
}

/// What the server can do.
pub(super) fn capabilities(records: &Records) -> HttpResponse {
    let interactions = ["read", "search-type", "create", "update"].map(|code| json!({"code": code}));
    let resource = parameters::types().map(|type_name| {
        let own = parameters::of(type_name).unwrap_or_default().iter();
        json!({
            "type": type_name,
            "interaction": interactions,
            "searchParam": own.map(|one| json!({"name": one.name, "type": one.kind.code()})).collect::<Vec<_>>(),
        })
    });
    HttpResponse::Ok().content_type(MEDIA_TYPE).json(json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-09-15",
        "kind": "instance",
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "implementation": {"description": "Lakeside EHR, synthetic patients", "url": records.base()},
        "rest": [{"mode": "server", "resource": resource.collect::<Vec<_>>()}],
    }))
}

impl parameters::Kind {
    fn code(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Token => "token",
            Self::Date => "date",
            Self::Reference => "reference",
        }
    }
}
