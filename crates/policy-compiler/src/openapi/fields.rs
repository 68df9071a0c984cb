//! Which fields each object of OpenAPI has, so that others can be pointed out.

use super::Dialect;
use crate::document::Cursor;
use crate::finding::{Findings, quote, says};

/// Of `info`, in every version.
pub(super) const INFO: &[&str] =
    &["title", "summary", "description", "termsOfService", "contact", "license", "version"];

const ROOT_2: &[&str] = &[
    "swagger",
    "info",
    "host",
    "basePath",
    "schemes",
    "consumes",
    "produces",
    "paths",
    "definitions",
    "parameters",
    "responses",
    "securityDefinitions",
    "security",
    "tags",
    "externalDocs",
];
const ROOT_30: &[&str] = &["openapi", "info", "servers", "paths", "components", "security", "tags", "externalDocs"];
const ROOT_31: &[&str] = &[
    "openapi",
    "info",
    "servers",
    "paths",
    "components",
    "security",
    "tags",
    "externalDocs",
    "webhooks",
    "jsonSchemaDialect",
    "$self",
];
const OPERATION_2: &[&str] = &[
    "tags",
    "summary",
    "description",
    "externalDocs",
    "operationId",
    "consumes",
    "produces",
    "parameters",
    "responses",
    "schemes",
    "deprecated",
    "security",
];
const OPERATION_3: &[&str] = &[
    "tags",
    "summary",
    "description",
    "externalDocs",
    "operationId",
    "parameters",
    "requestBody",
    "responses",
    "callbacks",
    "deprecated",
    "security",
    "servers",
];

/// Of the root.
pub(super) const fn root(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Two => ROOT_2,
        Dialect::ThreeZero => ROOT_30,
        Dialect::ThreeOne => ROOT_31,
    }
}

/// Of an operation.
pub(super) const fn operation(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Two => OPERATION_2,
        Dialect::ThreeZero | Dialect::ThreeOne => OPERATION_3,
    }
}

/// Warns of each field that is neither known nor an extension.
pub(super) fn unknown(object: Cursor<'_>, known: &[&str], findings: &mut Findings) {
    for (key, value) in object.entries() {
        if !known.contains(&key) && !is_extension(key) {
            let says = says(
                "unknown_field",
                format!("{} is no field of this object", quote(key)),
                "leave it out, or begin its name with `x-`",
            );
            findings.warning(|| value.pointer(), says);
        }
    }
}

/// Whether the key is an extension's.
pub(super) fn is_extension(key: &str) -> bool {
    key.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"))
}
