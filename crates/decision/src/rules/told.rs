//! What a rule gives, and why it does not fit, in words.

use policy::Reason;
use policy::facts::Standing;
use policy::letters::Letters;
use policy::settings::Shared;

use super::fit::reaches;
use super::{Asked, Gives, Grants, Rule, Set, Source, Types};
use crate::Engine;
use crate::engine::Place;

impl Rule {
    /// What kind of rule it is.
    pub(crate) const fn kind(&self) -> &'static str {
        match self.source {
            Source::Scope => "scope",
            Source::Role(_) => "role",
            Source::Extension => "scope of the Service",
            Source::Default => "default role",
            Source::Basic => "Basic credentials",
        }
    }

    /// The name of the role that it is, for people.
    pub(crate) fn title<'e>(&self, engine: &'e Engine) -> Option<&'e str> {
        let Source::Role(role) = self.source else { return None };
        engine.role_at(role).map(|role| &*role.name)
    }

    /// What it gives: `rs on Observation`, `3 operations`.
    pub(crate) fn said(&self, engine: &Engine) -> String {
        match &self.gives {
            Gives::Letters(Types::All, letters) => format!("{letters} on every type"),
            Gives::Letters(Types::One(place), letters) => {
                let name = engine.facts_at(*place).map_or("a type", |facts| facts.name.as_str());
                format!("{letters} on {name}")
            }
            Gives::Letters(Types::None, letters) => format!("{letters} on a type that the Service has not"),
            Gives::Operations(operations) => match operations.set.list(engine).len() {
                1 => "1 operation".to_owned(),
                many => format!("{many} operations"),
            },
            Gives::EveryGet => "every GET".to_owned(),
            Gives::Access(access) => match (access.read, access.write) {
                (true, true) => "everything".to_owned(),
                (true, false) => "what writes nothing".to_owned(),
                (false, true) => "what writes".to_owned(),
                (false, false) => "nothing".to_owned(),
            },
        }
    }

    /// The roles and extension scopes that it counts in only.
    pub(crate) fn bounds(&self, engine: &Engine) -> Vec<String> {
        self.within.iter().filter_map(|within| within.set.name(engine)).collect()
    }

    /// Why it does not fit a request in phase 4, without a full stop; none if that is not what keeps it.
    pub(crate) fn misfit(&self, engine: &Engine, asked: &Asked<'_>, patient: Option<&str>) -> Option<(Reason, String)> {
        if !self.gives_operation(engine, asked.operation, asked.place, asked.letters) {
            return Some((Reason::NoRule, self.lacks(engine, asked)));
        }
        if !self.is_patient() {
            return None;
        }
        let standing =
            asked.place.and_then(|place| engine.kind(place)).map_or(Standing::Undecidable, |kind| kind.standing);
        if !reaches(standing, asked.interaction, engine.settings().shared) {
            let why = if reaches(standing, asked.interaction, Shared::Scope) {
                "the setting `shared` lets only a reference open this type"
            } else {
                "no `patient/` rule reaches this type by this interaction"
            };
            return Some((Reason::NoRule, why.to_owned()));
        }
        match (asked.path_patient, patient) {
            (Some(named), Some(own)) if named != own => {
                Some((Reason::OtherPatient, "the path names another patient than the token".to_owned()))
            }
            _ => None,
        }
    }

    /// What it lacks to give an operation.
    fn lacks(&self, engine: &Engine, asked: &Asked<'_>) -> String {
        let without_bounds = Self { within: Vec::new(), ..self.clone() };
        if without_bounds.gives_operation(engine, asked.operation, asked.place, asked.letters) {
            return format!("it counts only within {}, which has not this operation", self.bounds(engine).join(", "));
        }
        match &self.gives {
            Gives::Letters(..) if asked.letters.is_empty() => "letters never give this operation".to_owned(),
            Gives::Letters(types, letters) => lacks_letters(engine, *types, *letters, asked),
            Gives::Operations(_) => "it does not list this operation".to_owned(),
            Gives::EveryGet => "it gives GET only".to_owned(),
            Gives::Access(_) => "the key has not the privilege on the required resource".to_owned(),
        }
    }
}

fn lacks_letters(engine: &Engine, types: Types, letters: Letters, asked: &Asked<'_>) -> String {
    let type_fits = match (types, asked.place) {
        (Types::All, Some(_)) => true,
        (Types::One(one), Some(place)) => one == place,
        _ => false,
    };
    match (type_fits, letters.contains(asked.letters)) {
        (false, true) => "it is for another type".to_owned(),
        (false, false) => format!("it is for another type, and gives no {}", missing(letters, asked.letters)),
        (true, false) => format!("it gives no {}", missing(letters, asked.letters)),
        (true, true) => {
            let name =
                asked.place.and_then(|place| engine.facts_at(place)).map_or("this type", |facts| facts.name.as_str());
            format!("`*` is not enough to write {name}: a scope has to name it")
        }
    }
}

/// The letters that are asked and not given.
fn missing(given: Letters, asked: Letters) -> String {
    asked.each().filter(|one| !given.contains(*one)).map(|one| format!("`{one}`")).collect::<Vec<_>>().join(" and no ")
}

impl Set {
    fn name(self, engine: &Engine) -> Option<String> {
        match self {
            Self::Role(role) => engine.role_at(role).map(|role| role.id.to_string()),
            Self::Extension(index) => {
                let scope = engine.parts().extension_scopes.get(usize::try_from(index).ok()?)?;
                Some(scope.name.to_string())
            }
            Self::Nothing => None,
        }
    }
}

impl Grants {
    /// Whether a rule gives letters on one of these types, or names the operation; for requests of several types.
    pub(crate) fn touches(
        engine: &Engine,
        rule: &Rule,
        operation: u32,
        letters: Letters,
        types: Option<&[Place]>,
    ) -> bool {
        rule.names(engine, operation)
            || match types {
                Some(types) => types.iter().any(|place| rule.gives_at(*place, letters)),
                None => rule.gives_everywhere(letters),
            }
    }
}
