//! The rows for another document that is no FHIR Service: what can be told of any API.

use policy::Reason;

use super::Service;
use super::owner::Roles;
use super::rows::{Row, With};

/// What stands for a path's parameter.
const ANY_ID: &str = "1";

/// Rows of the Service's own operations; whatever the upstream makes of a permitted one is its own business.
pub(crate) fn rows(service: &Service, roles: &Roles) -> Vec<Row> {
    let path = |key: &str| key.split_once(':').map(|(_, path)| filled(path));
    let granted = roles.front_desk.operations.first().and_then(|key| path(key));
    let refused =
        service.operations.iter().find(|key| key.starts_with("GET:") && !roles.front_desk.operations.contains(key));
    let mut rows = vec![Row::get("not_in_service", With::FrontDesk, "/no/such/path/in/the/document").deny(
        404,
        Reason::NotInService,
        "a path that the document has not",
    )];
    if let Some(granted) = granted {
        rows.push(
            Row::get("role_permit", With::FrontDesk, &granted).forward("an operation of the role: it is forwarded"),
        );
        rows.push(Row::get("no_token", With::Nothing, &granted).deny(401, Reason::NoToken, "nobody"));
        rows.push(Row::get("garbage", With::Garbage, &granted).deny(
            401,
            Reason::MalformedToken,
            "something that is no token",
        ));
        rows.push(Row::get("forged", With::Forged, &granted).deny(
            401,
            Reason::BadSignature,
            "a token that somebody changed",
        ));
    }
    if let Some(refused) = refused.and_then(|key| path(key)) {
        rows.push(Row::get("role_denied", With::FrontDesk, &refused).deny(
            403,
            Reason::NoRule,
            "an operation that the role has not",
        ));
    }
    rows
}

/// The path with something in place of its parameters.
fn filled(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        out += before;
        out += ANY_ID;
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_filled_in() {
        assert_eq!(filled("/pets/{petId}/photos/{n}.jpg"), "/pets/1/photos/1.jpg");
        assert_eq!(filled("/pets"), "/pets");
    }
}
