//! One question: the call, the caller and what is stored, from the command line.

use std::path::Path;

use gateway::clock::Clock;
use gateway::trial::Trial;
use policy::claims::Claims;
use policy::request::Caller;
use serde_json::{Map, Value};

use super::call::{self, Call};
use super::{Fault, Question, page, words};

/// The answer, in words or as JSON.
pub(super) fn answer(trial: &Trial, question: &Question) -> Result<String, Fault> {
    let body = question.body.as_deref().map_or(Ok(Vec::new()), |text| call::text_or_file(text, Path::new("")))?;
    let url = question.url.as_deref().unwrap_or("/");
    let call = Call::new(trial, &question.method, url, &question.headers, body)?;
    let given = question.stored.iter().map(|text| call::given(text)).collect::<Result<Vec<_>, _>>()?;
    let claims = claims(trial, question)?;
    let caller = claims.as_ref().map_or(Caller::Missing, |claims| trial.caller(claims));
    let (decision, explanation) = call.explain(trial, caller, Clock::start().now().timestamp(), &given);
    if question.json {
        return Ok(words::json(&decision, &explanation));
    }
    let asked = page::Asked { call: &call, claims: claims.as_ref(), trial };
    Ok(page::text(&asked, &decision, &explanation))
}

fn claims(trial: &Trial, question: &Question) -> Result<Option<Claims>, Fault> {
    if let Some(token) = &question.token {
        let text = call::text_or_file(token, Path::new(""))?;
        return Ok(Some(trial.token(&String::from_utf8_lossy(&text))?));
    }
    let Some(text) = &question.claims else { return Ok(None) };
    let json = if text.trim_start().starts_with('{') { text.clone() } else { call::read_text(Path::new(text))? };
    Ok(Some(trial.claims(&object(&json)?)?))
}

/// A JSON object.
pub(super) fn object(json: &str) -> Result<Map<String, Value>, Fault> {
    let expected = "claims: expected a JSON object, or a file with one";
    serde_json::from_str(json).map_err(|_| Fault::Form { text: json.to_owned(), expected })
}
