//! Bodies: JSON of at most 1 MiB whose every fault is named by its place, merge patches, and documents of at most 16 MiB.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::bearer::sha256;
use crate::once::BodyHash;
use crate::pointer;
use crate::problem::{Fault, Problem};

/// The largest JSON body: a role with every operation of a large Service has 400 KiB.
pub const MAX_JSON_BYTES: usize = 1024 * 1024;
/// The largest API document: the largest real ones have 12 MiB.
pub const MAX_DOCUMENT_BYTES: usize = 16 * 1024 * 1024;

type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

/// A JSON body. What cannot be read, or has a field that `T` does not know, is a 400 with its pointer.
#[derive(Clone, Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = BoxFuture<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let kind = media_type(request);
        let body = read(request, payload, MAX_JSON_BYTES);
        Box::pin(async move {
            if !matches!(kind.as_deref(), None | Some("application/json" | "application/merge-patch+json")) {
                return Err(Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
            }
            parse(&body.await?).map(Json)
        })
    }
}

/// Reads a JSON text; the fault names its place.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        let pointer = pointer::at(body, error.line(), error.column());
        let text = error.to_string();
        let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
        let code = match message {
            message if message.starts_with("unknown field") => "unknown_field",
            message if message.starts_with("missing field") => "missing_field",
            message if message.starts_with("duplicate field") => "duplicate_field",
            _ if error.is_data() => "wrong_value",
            _ => "not_json",
        };
        let place = if pointer.is_empty() { "the body".to_owned() } else { format!("`{pointer}`") };
        let detail = format!("{place}, line {} column {}: {message}", error.line(), error.column());
        Problem::unreadable("bad_request", detail).errors(vec![Fault::new(pointer, code, message)])
    })
}

/// An API document, as it came: JSON or YAML, under any of the types that people send it with.
#[derive(Clone, Debug)]
pub struct Document(pub Bytes);

impl FromRequest for Document {
    type Error = Problem;
    type Future = BoxFuture<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let kind = media_type(request);
        let body = read(request, payload, MAX_DOCUMENT_BYTES);
        Box::pin(async move {
            match kind.as_deref() {
                None
                | Some(
                    "application/json"
                    | "application/yaml"
                    | "application/x-yaml"
                    | "text/yaml"
                    | "text/x-yaml"
                    | "text/plain"
                    | "application/octet-stream"
                    | "application/vnd.oai.openapi"
                    | "application/vnd.oai.openapi+json"
                    | "application/fhir+json",
                ) => body.await.map(Document),
                Some(_) => Err(Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
                    .detail("send the document itself, as application/json or application/yaml")),
            }
        })
    }
}

/// The type without its parameters, in lower case.
fn media_type(request: &HttpRequest) -> Option<String> {
    let value = request.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(|kind| kind.trim().to_ascii_lowercase())
}

/// Reads a body up to its limit; a length over it is refused before anything is read.
fn read(request: &HttpRequest, payload: &mut Payload, limit: usize) -> BoxFuture<Bytes> {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let encoded = request.headers().get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
    let mut payload = payload.take();
    let request = request.clone();
    Box::pin(async move {
        if encoded {
            return Err(Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
                .detail("compressed bodies are not taken: send it without Content-Encoding"));
        }
        if length.is_some_and(|length| length > limit) {
            return Err(too_large(limit));
        }
        let mut body = BytesMut::with_capacity(length.unwrap_or(0));
        while let Some(part) = payload.next().await {
            let part = part.map_err(|_| Problem::unreadable("bad_request", "the body broke off"))?;
            if body.len().saturating_add(part.len()) > limit {
                return Err(too_large(limit));
            }
            body.extend_from_slice(&part);
        }
        request.extensions_mut().insert(BodyHash(sha256(&body)));
        Ok(body.freeze())
    })
}

fn too_large(limit: usize) -> Problem {
    Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE)
        .detail(format!("the body is larger than {} MiB", limit / (1024 * 1024)))
}

/// A member of a merge patch (RFC 7396): left out, null, or a value. Use with `#[serde(default)]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// Left as it is.
    #[default]
    Absent,
    /// Removed, or set back to its default.
    Null,
    /// Set.
    Value(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Value))
    }
}

impl<T> Patch<T> {
    /// The new value of something that cannot be removed: null is a 400.
    pub fn required(self, name: &str) -> Result<Option<T>, Problem> {
        match self {
            Self::Absent => Ok(None),
            Self::Value(value) => Ok(Some(value)),
            Self::Null => Err(Problem::unreadable_at(Fault::new(
                format!("/{name}"),
                "wrong_value",
                format!("`{name}` cannot be removed"),
            ))),
        }
    }
}

/// Applies a merge patch (RFC 7396): objects are merged, null removes, all else replaces.
pub fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(target) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(&name);
        } else {
            merge(target.entry(name).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_merge_patch_does_what_rfc_7396_appendix_a_says() {
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut merged = target.clone();
            merge(&mut merged, patch.clone());
            assert_eq!(merged, result, "{target} {patch}");
        }
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        #[serde(default)]
        name: Patch<String>,
    }

    #[test]
    fn b07_an_unknown_field_is_a_400_at_its_place() {
        let problem = parse::<Form>(br#"{"name": "x", "account_id": "acct_x"}"#).unwrap_err();
        assert_eq!((problem.status, &*problem.errors[0].pointer), (400, "/account_id"));
        assert_eq!(problem.errors[0].code, "unknown_field");
        assert_eq!(parse::<Form>(b"{}").unwrap().name, Patch::Absent);
        assert_eq!(parse::<Form>(br#"{"name": null}"#).unwrap().name, Patch::Null);
        assert_eq!(parse::<Form>(b"{").unwrap_err().errors[0].code, "not_json");
        assert_eq!(parse::<Form>(br#"{"name": 7}"#).unwrap_err().errors[0].pointer, "/name");
    }

    #[test]
    fn e02_a_text_that_is_deep_is_refused() {
        assert_eq!(parse::<Value>("[".repeat(10_000).as_bytes()).unwrap_err().status, 400);
    }
}
