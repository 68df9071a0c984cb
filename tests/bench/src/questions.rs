//! What is asked: tokens with three roles, and requests of them, with the answer that the roles' own lists give.
//!
//! Invariant: the expected answer is read off the lists of operations that the questions were drawn from; no engine
//! has a part in it.

use policy::Bundle;
use policy::id::RoleId;

use crate::draws::Draws;
use crate::service::BASE_PATH;

/// Roles of one token.
pub const ROLES: usize = 3;
/// Different tokens among the questions.
const TOKENS: usize = 200;

/// A method and a path; or an operation that the Service has, as its key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    pub method: &'static str,
    pub template: String,
}

/// A role, as everybody is told of it.
pub struct Grant {
    pub id: RoleId,
    pub name: String,
    pub permissions: Vec<Permission>,
}

pub struct Question {
    pub method: &'static str,
    /// Below the base: `/Patient/p-17`.
    pub path: String,
    /// With the base: `/fhir/Patient/p-17`.
    pub target: String,
    /// The template of the operation, which a caller of some peers has to find; a text that no role has, if there is none.
    pub template: String,
    pub token: usize,
    pub permit: bool,
}

impl Question {
    /// The segments of the path below the base.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.path.split('/').skip(1)
    }
}

/// The roles, the tokens as indexes of roles, and the questions.
pub struct Sample {
    pub grants: Vec<Grant>,
    pub tokens: Vec<[usize; ROLES]>,
    pub questions: Vec<Question>,
}

impl Sample {
    /// Draws `count` questions about that bundle's custom roles: half are about what one of the token's roles has, the
    /// others about any operation of the Service, and some about none of it.
    pub fn of(bundle: &Bundle, count: usize) -> Self {
        let parts = bundle.parts();
        let operations: Vec<Permission> = parts
            .operations
            .iter()
            .map(|one| Permission { method: one.method.as_str(), template: one.template.to_string() })
            .collect();
        let grants: Vec<Grant> = parts
            .roles
            .iter()
            .map(|role| Grant {
                id: role.id,
                name: role.id.to_string(),
                permissions: role.operations.iter().map(|index| operations[*index as usize].clone()).collect(),
            })
            .collect();
        let mut draws = Draws::new(2);
        let tokens: Vec<[usize; ROLES]> = (0..TOKENS).map(|_| three(&mut draws, grants.len())).collect();
        let questions = (0..count).map(|_| question(&mut draws, &operations, &grants, &tokens)).collect();
        Self { grants, tokens, questions }
    }
}

fn three(draws: &mut Draws, roles: usize) -> [usize; ROLES] {
    loop {
        let drawn = [draws.below(roles), draws.below(roles), draws.below(roles)];
        if drawn[0] != drawn[1] && drawn[0] != drawn[2] && drawn[1] != drawn[2] {
            return drawn;
        }
    }
}

fn question(draws: &mut Draws, operations: &[Permission], grants: &[Grant], tokens: &[[usize; ROLES]]) -> Question {
    let token = draws.below(tokens.len());
    let roles = tokens[token];
    let asked = match draws.below(10) {
        0..5 => {
            let role = *draws.one(&roles);
            draws.one(&grants[role].permissions).clone()
        }
        5..9 => draws.one(operations).clone(),
        _ => nothing(draws, operations),
    };
    let permit = roles.iter().any(|role| grants[*role].permissions.contains(&asked));
    let path = asked
        .template
        .replace("{id}", &format!("p-{}", draws.below(100_000)))
        .replace("{vid}", &(1 + draws.below(9)).to_string());
    let target = format!("{BASE_PATH}{path}");
    Question { method: asked.method, path, target, template: asked.template, token, permit }
}

/// What the Service has not: another path, a method that the path has not, a type that nobody knows.
fn nothing(draws: &mut Draws, operations: &[Permission]) -> Permission {
    let base = draws.one(operations).template.split('/').nth(1).unwrap_or_default().to_owned();
    let (method, template) = match draws.below(5) {
        0 => ("PATCH", format!("/{base}")),
        1 => ("GET", format!("/{base}/_search")),
        2 => ("PUT", format!("/{base}/_history")),
        3 => ("GET", format!("/{base}/{{id}}/_history/{{vid}}/more")),
        _ => ("GET", format!("/{base}s/{{id}}")),
    };
    Permission { method, template }
}
