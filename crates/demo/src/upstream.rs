//! The FHIR server behind the gateway: the sample EHR or another one, and the two patients of the story on it.

use reqwest::Method;
use serde_json::Value;

use crate::client::{Body, Call, Named};
use crate::ehr;
use crate::failure::Failure;
use crate::people::Who;
use crate::stage::Stage;

/// How many patients of another server are looked at to find two that can play.
const LOOK_AT: usize = 20;

/// One patient of the story.
#[derive(Clone, Debug)]
pub(crate) struct Patient {
    pub(crate) id: String,
    pub(crate) family: String,
    /// An Observation about that patient, where one was found.
    pub(crate) observation: Option<String>,
}

/// What the story can count on behind the gateway.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    /// The FHIR base that the gateway forwards to.
    pub(crate) url: String,
    /// The patient whose app most requests are made with.
    pub(crate) a: Patient,
    pub(crate) b: Patient,
    /// Whether the synthetic records are there, so that answers can be told in advance.
    pub(crate) records: bool,
}

impl Upstream {
    /// A server at this base with the synthetic records, such as the sample EHR.
    pub(crate) fn sample(url: &str) -> Self {
        let patient = |id: &str, family: &str, observation: &str| Patient {
            id: id.to_owned(),
            family: family.to_owned(),
            observation: Some(observation.to_owned()),
        };
        Self {
            url: url.to_owned(),
            a: patient("amara", "Okafor", "amara-creatinine-1"),
            b: patient("bruno", "Keller", "bruno-heart-1"),
            records: true,
        }
    }
}

/// Finds the patients of the story on another server; writes the synthetic records to one that has none.
pub(crate) async fn prepare(stage: &mut Stage, url: &str) -> Result<Upstream, Failure> {
    let base = Named::new("$UPSTREAM", url.trim_end_matches('/'));
    let get = |path: &str| Call::new(Who::Owner, Method::GET, &base, path);
    stage.call(get("/metadata"), 200, "the FHIR server that is to be protected").await?;
    let ours = Upstream::sample(&base.value);
    if stage.client.send(&get("/Patient/amara")).await?.status == 200 {
        stage.tell(Who::Owner, "patients", "the synthetic records are there", true);
        return Ok(ours);
    }
    let page = stage.client.send(&get(&format!("/Patient?_count={LOOK_AT}"))).await?;
    let mut found: Vec<Patient> = entries(&page.body).filter_map(patient).collect();
    found.truncate(2);
    if let [a, b] = found.as_mut_slice() {
        for one in [&mut *a, &mut *b] {
            let page = stage.client.send(&get(&format!("/Observation?patient={}&_count=1", one.id))).await?;
            one.observation = entries(&page.body).next().and_then(id);
        }
        stage.tell(Who::Owner, "patients", &format!("patient A is `{}`, patient B is `{}`", a.id, b.id), true);
        let (a, b) = (a.clone(), b.clone());
        return Ok(Upstream { url: base.value.clone(), a, b, records: false });
    }
    load(stage, &base).await?;
    Ok(ours)
}

/// Writes every synthetic record that the server takes; the patients it must take.
async fn load(stage: &mut Stage, base: &Named) -> Result<(), Failure> {
    let (mut written, mut refused) = (0, Vec::new());
    for line in ehr::SEED.lines() {
        let Ok(resource) = serde_json::from_str::<Value>(line) else { continue };
        let text = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or_default();
        let reference = format!("{}/{}", text("resourceType"), text("id"));
        // The text, not the tree: a decimal is to arrive as it was written.
        let body = Body::FhirText(line.replace("{base}", &base.value));
        let call = Call::new(Who::Owner, Method::PUT, base, format!("/{reference}")).body(body);
        let answer = stage.client.send(&call).await?;
        if matches!(answer.status, 200 | 201) {
            written += 1;
        } else if text("resourceType") == "Patient" {
            return Err(stage.fail(&format!("PUT {reference}"), answer.complaint()));
        } else {
            refused.push((reference, answer.complaint()));
        }
    }
    stage.tell(
        Who::Owner,
        "PUT each synthetic record",
        &format!("{written} were written, {} refused", refused.len()),
        true,
    );
    for (reference, why) in refused {
        stage.leave_out(&format!("{reference}: the server refuses it ({why})"));
    }
    Ok(())
}

/// The resources of a Bundle.
pub(crate) fn entries(bundle: &Value) -> impl Iterator<Item = &Value> {
    let entries = bundle.get("entry").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    entries.iter().filter_map(|entry| entry.get("resource"))
}

fn id(resource: &Value) -> Option<String> {
    resource.get("id").and_then(Value::as_str).map(str::to_owned)
}

fn patient(resource: &Value) -> Option<Patient> {
    let family = resource.pointer("/name/0/family").and_then(Value::as_str).unwrap_or("Nobody");
    Some(Patient { id: id(resource)?, family: family.to_owned(), observation: None })
}
