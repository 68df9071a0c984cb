//! A search: match, sort, cut a page, and add what it references or what references it.

use std::cmp::Ordering;

use super::answers::Fault;
use super::dates::Interval;
use super::matching::satisfies;
use super::parameters::{self, Kind};
use super::query::Query;
use super::records::Records;
use super::resource::Resource;

/// One page of a search.
#[derive(Debug)]
pub(super) struct Page<'a> {
    /// How many match on all pages.
    pub(super) total: usize,
    pub(super) matches: Vec<&'a Resource>,
    pub(super) included: Vec<&'a Resource>,
    /// Where the next page starts.
    pub(super) next_offset: Option<usize>,
}

/// The page of `type_name` that the query asks for.
pub(super) fn page<'a>(records: &'a Records, type_name: &str, query: &Query) -> Result<Page<'a>, Fault> {
    let mut found = Vec::new();
    for resource in records.of_type(type_name) {
        if all(records, resource, query)? {
            found.push(resource);
        }
    }
    found.sort_by(|one, other| order(one, other, &query.sort));
    let total = found.len();
    let matches: Vec<_> = found.into_iter().skip(query.offset).take(query.count).collect();
    let end = query.offset.saturating_add(matches.len());
    let included = included(records, &matches, query);
    Ok(Page { total, matches, included, next_offset: (end < total && query.count > 0).then_some(end) })
}

fn all(records: &Records, resource: &Resource, query: &Query) -> Result<bool, Fault> {
    for term in &query.terms {
        if !satisfies(records, resource, term)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn order(one: &Resource, other: &Resource, sort: &[(String, bool)]) -> Ordering {
    sort.iter().fold(Ordering::Equal, |so_far, (name, descending)| {
        let next = key(one, name).cmp(&key(other, name));
        so_far.then(if *descending { next.reverse() } else { next })
    })
}

fn key(resource: &Resource, name: &str) -> Option<(i64, String)> {
    let parameter = parameters::find(&resource.type_name, name)?;
    let element = parameter.paths.iter().find_map(|path| resource.at(path).first().copied())?;
    match parameter.kind {
        Kind::Date => Interval::of_element(element).map(|interval| (interval.start, String::new())),
        _ => Some((0, element.as_str().map_or_else(|| element.to_string(), str::to_owned))),
    }
}

/// Includes are followed until nothing new comes: `:iterate` is how this server reads every one.
fn included<'a>(records: &'a Records, matches: &[&'a Resource], query: &Query) -> Vec<&'a Resource> {
    let mut known: Vec<&Resource> = matches.to_vec();
    let mut from = 0;
    while let Some(fresh) = known.get(from..).filter(|fresh| !fresh.is_empty()).map(<[_]>::to_vec) {
        from = known.len();
        for resource in fresh {
            let forward = query.includes.iter().flat_map(|include| referenced(records, resource, include));
            let backward = query.reverse_includes.iter().flat_map(|include| referencing(records, resource, include));
            for one in forward.chain(backward) {
                if !known.iter().any(|own| own.reference() == one.reference()) {
                    known.push(one);
                }
            }
        }
    }
    known.split_off(matches.len())
}

/// `Observation:subject:Patient`, `Observation:*` or `*`.
fn referenced<'a>(records: &'a Records, resource: &'a Resource, include: &str) -> Vec<&'a Resource> {
    let mut parts = include.split(':');
    let (source, name, target) = (parts.next().unwrap_or_default(), parts.next().unwrap_or("*"), parts.next());
    if source != "*" && source != resource.type_name {
        return Vec::new();
    }
    let parameters = parameters::of(&resource.type_name).unwrap_or_default().iter();
    parameters
        .filter(|one| one.kind == Kind::Reference && (name == "*" || name == one.name))
        .flat_map(|parameter| records.targets(resource, parameter))
        .filter(|one| target.is_none_or(|only| only == one.type_name))
        .collect()
}

/// `Observation:patient`: the Observations whose `patient` is this resource.
fn referencing<'a>(records: &'a Records, resource: &'a Resource, include: &str) -> Vec<&'a Resource> {
    let Some((source, name)) = include.split_once(':') else { return Vec::new() };
    let name = name.split(':').next().unwrap_or_default();
    let Some(parameter) = parameters::find(source, name).filter(|one| one.kind == Kind::Reference) else {
        return Vec::new();
    };
    records
        .of_type(source)
        .filter(|one| records.targets(one, parameter).any(|target| target.reference() == resource.reference()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ids that a search gives, matches first, `+` before what was included.
    fn check(search: &str, expected: &str) {
        let records = Records::seeded("http://ehr.test/fhir").unwrap();
        let url = reqwest::Url::parse(&format!("http://ehr.test/fhir/{search}")).unwrap();
        let query = Query::parse(url.query_pairs().into_owned().collect()).unwrap();
        let type_name = url.path_segments().unwrap().next_back().unwrap();
        let page = page(&records, type_name, &query).unwrap();
        let matches = page.matches.iter().map(|one| one.id.clone());
        let included = page.included.iter().map(|one| format!("+{}", one.reference()));
        assert_eq!(matches.chain(included).collect::<Vec<_>>().join(" "), expected, "{search}");
    }

    #[test]
    fn a_search_matches_by_token_reference_text_and_date() {
        check("Patient?_id=amara,chen", "amara chen");
        check("Patient?name=ok", "amara");
        check("Patient?name:exact=okafor", "");
        check("Patient?gender:not=female", "bruno chen");
        check("Patient?birthdate=lt1960", "bruno");
        check("Patient?identifier=urn:oid:2.16.840.1.113883.19.5|MRN-1003", "chen");
        check("Observation?patient=chen", "chen-weight-1 chen-temperature-1");
        check(
            "Observation?subject=Patient/chen&category=vital-signs&code=http://loinc.org|8310-5",
            "chen-temperature-1",
        );
        check("Observation?patient=amara&category=laboratory&date=ge2026-08", "amara-a1c-2");
        check("Observation?patient=amara&date=2026-09", "amara-weight-home");
        check("Encounter?date=2026-05-21", ""); // UTC: it began after midnight
        check("Encounter?patient=bruno&date=ge2026-05-22", "bruno-visit-1");
        check("Condition?clinical-status=remission", "amara-migraine");
        check("Observation?encounter:missing=true&code=2345-7&_sort=-date&_count=2", "two-owners contained-patient");
    }

    #[test]
    fn a_reference_matches_only_what_it_points_at() {
        check("Observation?performer=Patient/amara", "amara-weight-home bruno-weight-by-amara");
        check("Observation?focus=Patient/amara", "two-owners");
        check("Observation?patient=amara&code=2345-7", "");
        check("Observation?subject:identifier=MRN-1001", "by-identifier");
        check("Observation?subject=https://other-ehr.example/fhir/Patient/amara", "foreign-base");
        check("Observation?subject=http://ehr.test/fhir/Patient/chen&code=29463-7", "chen-weight-1");
        check("Observation?subject:Patient=chen&code=29463-7", "chen-weight-1");
        check("Observation?subject:Group=chen", "");
    }

    #[test]
    fn a_chain_follows_references_both_ways() {
        check("Condition?patient.name=keller", "bruno-hypertension bruno-angina");
        check("Condition?subject:Patient.family=okafor&clinical-status=active", "amara-prediabetes");
        check("MedicationRequest?encounter.service-provider.name=lakeside&patient=chen", "chen-salbutamol");
        check("Patient?_has:Observation:patient:code=6598-7", "bruno");
    }

    #[test]
    fn includes_follow_references_both_ways() {
        check("Immunization?patient=chen&_include=Immunization:patient", "chen-mmr +Patient/chen");
        check("Patient?_id=chen&_revinclude=Condition:patient", "chen +Condition/chen-asthma");
        check(
            "Condition?patient=chen&_include=*",
            "chen-asthma +Patient/chen +Encounter/chen-visit-1 +Practitioner/dr-silva +Organization/lakeside",
        );
    }

    #[test]
    fn pages_follow_one_another() {
        let records = Records::seeded("http://ehr.test/fhir").unwrap();
        let pairs = |offset: &str| {
            let pairs = [("patient", "amara"), ("_count", "4"), ("_offset", offset)];
            Query::parse(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()).unwrap()
        };
        let first = page(&records, "Observation", &pairs("0")).unwrap();
        assert_eq!((first.total, first.matches.len(), first.next_offset), (9, 4, Some(4)));
        let last = page(&records, "Observation", &pairs("8")).unwrap();
        assert_eq!((last.matches.len(), last.next_offset), (1, None));
    }

    #[test]
    fn what_is_not_known_is_ignored_and_what_is_wrong_is_refused() {
        check("Condition?patient=chen&colour=blue", "chen-asthma");
        let records = Records::seeded("http://ehr.test/fhir").unwrap();
        for (name, value) in [("date", "soon"), ("code:fuzzy", "1"), ("code.name", "1"), ("_has", "1")] {
            let query = Query::parse(vec![(name.to_owned(), value.to_owned())]).unwrap();
            assert!(page(&records, "Observation", &query).is_err(), "{name}");
        }
        assert!(Query::parse(vec![("_count".to_owned(), "many".to_owned())]).is_err());
        assert!(Query::parse(vec![("_format".to_owned(), "xml".to_owned())]).is_err());
    }
}
