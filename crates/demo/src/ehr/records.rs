//! The records of the sample EHR: everything it stores, in the order it came.

use serde_json::Value;

use super::parameters::{self, Parameter};
use super::resource::Resource;

/// The synthetic records, one resource a line; `{base}` stands for the server's own base.
pub(crate) const SEED: &str = include_str!("../../assets/records.ndjson");

/// When the synthetic records were written.
const SEEDED_AT: &str = "2026-09-15T06:00:00Z";
/// More resources than this are refused: the server lives in memory.
const MAX_RECORDS: usize = 10_000;

/// Everything that the server stores.
#[derive(Debug)]
pub(super) struct Records {
    base: String,
    all: Vec<Resource>,
    created: u32,
}

/// What became of a write.
pub(super) enum Written {
    Created(Resource),
    Updated(Resource),
    Full,
}

impl Records {
    /// The synthetic records of a server at this base.
    pub(super) fn seeded(base: &str) -> serde_json::Result<Self> {
        let mut records = Self { base: base.to_owned(), all: Vec::new(), created: 0 };
        for line in SEED.lines() {
            let text = line.replace("{base}", base);
            let tree: Value = serde_json::from_str(&text)?;
            let id = tree.get("id").and_then(Value::as_str).unwrap_or_default();
            records.all.push(Resource::new(&text, id, 1, SEEDED_AT)?);
        }
        Ok(records)
    }

    /// The server's base, without a slash at its end.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// The resource of that type and id.
    pub(super) fn find(&self, type_name: &str, id: &str) -> Option<&Resource> {
        self.all.iter().find(|one| one.type_name == type_name && one.id == id)
    }

    /// All resources of a type, oldest first.
    pub(super) fn of_type(&self, type_name: &str) -> impl Iterator<Item = &Resource> {
        self.all.iter().filter(move |one| one.type_name == type_name)
    }

    /// Type and id of a reference to this server, relative or absolute; a version is left out.
    pub(super) fn local<'a>(&self, reference: &'a str) -> Option<(&'a str, &'a str)> {
        let own = reference.strip_prefix(&self.base).and_then(|rest| rest.strip_prefix('/'));
        let mut segments = own.unwrap_or(reference).split('/');
        let (type_name, id) = (segments.next()?, segments.next()?);
        let versioned =
            matches!((segments.next(), segments.next(), segments.next()), (Some("_history"), Some(_), None));
        let plain = own.unwrap_or(reference).split('/').count() == 2;
        (parameters::of(type_name).is_some() && (plain || versioned)).then_some((type_name, id))
    }

    /// The stored resources that `resource` references by this parameter.
    pub(super) fn targets<'a>(
        &'a self,
        resource: &'a Resource,
        parameter: &'a Parameter,
    ) -> impl Iterator<Item = &'a Resource> {
        let allowed = |type_name: &str| parameter.targets.is_empty() || parameter.targets.contains(&type_name);
        parameter
            .paths
            .iter()
            .flat_map(|path| resource.at(path))
            .filter_map(|element| self.local(element.get("reference")?.as_str()?))
            .filter(move |(type_name, _)| allowed(type_name))
            .filter_map(|(type_name, id)| self.find(type_name, id))
    }

    /// Everything that belongs to a patient's record, the patient first: what references it as patient or
    /// subject, and what that references in turn.
    pub(super) fn everything(&self, id: &str) -> Vec<&Resource> {
        let own = self.all.iter().filter(|one| {
            parameters::find(&one.type_name, "patient")
                .is_some_and(|parameter| self.targets(one, parameter).any(|target| target.id == id))
        });
        self.find("Patient", id).into_iter().chain(own).collect()
    }

    /// Stores a new resource under an id of the server's own.
    pub(super) fn create(&mut self, text: &str, now: &str) -> serde_json::Result<Written> {
        if self.all.len() >= MAX_RECORDS {
            return Ok(Written::Full);
        }
        self.created += 1;
        let stored = Resource::new(text, &format!("new-{}", self.created), 1, now)?;
        self.all.push(stored.clone());
        Ok(Written::Created(stored))
    }

    /// Stores a resource under the id that the client names.
    pub(super) fn put(&mut self, text: &str, (type_name, id): (&str, &str), now: &str) -> serde_json::Result<Written> {
        if let Some(own) = self.all.iter_mut().find(|one| one.type_name == type_name && one.id == id) {
            *own = Resource::new(text, id, own.version + 1, now)?;
            return Ok(Written::Updated(own.clone()));
        }
        if self.all.len() >= MAX_RECORDS {
            return Ok(Written::Full);
        }
        let stored = Resource::new(text, id, 1, now)?;
        self.all.push(stored.clone());
        Ok(Written::Created(stored))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeded() -> Records {
        Records::seeded("http://ehr.test/fhir").unwrap()
    }

    #[test]
    fn the_synthetic_records_are_whole() {
        let records = seeded();
        assert_eq!(records.of_type("Patient").count(), 3);
        for type_name in parameters::types() {
            assert!(records.of_type(type_name).next().is_some(), "no {type_name}");
        }
        for resource in &records.all {
            assert!(parameters::of(&resource.type_name).is_some(), "{}", resource.reference());
            let same = records.of_type(&resource.type_name).filter(|one| one.id == resource.id).count();
            assert_eq!(same, 1, "{} is there twice", resource.reference());
        }
    }

    #[test]
    fn a_reference_is_local_only_on_the_own_base() {
        let records = seeded();
        for (text, local) in [
            ("Patient/amara", Some(("Patient", "amara"))),
            ("http://ehr.test/fhir/Patient/amara", Some(("Patient", "amara"))),
            ("Patient/amara/_history/2", Some(("Patient", "amara"))),
            ("https://other-ehr.example/fhir/Patient/amara", None),
            ("#p", None),
            ("amara", None),
            ("Patient/amara/extra", None),
        ] {
            assert_eq!(records.local(text), local, "{text}");
        }
    }
}
