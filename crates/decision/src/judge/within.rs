//! What of a request lists of fields and conditions look at.

use policy::decision::Phase;
use policy::operation::Method;
use policy::reason::Reason;

use super::{Scene, Trace};
use crate::denial::Denial;
use crate::fields;
use crate::json::Document;
use crate::rules::Rule;

impl<'a> Scene<'_, 'a> {
    /// The rules whose lists of fields let the request's parameters and body pass (D28); `bodies` says that the body of a write is
    /// looked at here.
    pub(super) fn within_fields(
        &self,
        fitting: &'a [u16],
        bodies: bool,
        trace: &mut Trace<'a>,
    ) -> Result<&'a [u16], Denial> {
        let limited = |rule: &Rule| rule.lists_fields(self.engine, self.index);
        if !self.rules(fitting).any(limited) {
            return Ok(fitting);
        }
        let writes = bodies && matches!(self.operation.method, Method::Post | Method::Put | Method::Patch);
        let document = Document::of(self.request.body);
        let known = trace.used.len();
        let mut left = self.arena.list_of(fitting.len());
        for index in fitting {
            let rule = self.grants.list.get(usize::from(*index));
            let Some(rule) = rule.filter(|rule| rule.lists_fields(self.engine, self.index)) else {
                left.push(*index);
                continue;
            };
            let mut lists = rule.fields(self.engine, self.index);
            let outside = if writes {
                trace.phase = Phase::Body;
                match &document {
                    Some(document) if !document.root().is_ambiguous() => {
                        lists.find_map(|list| fields::outside(list, document.root()))
                    }
                    None if self.request.body.is_empty() => None,
                    // What cannot be read cannot be held against a list.
                    _ => Some("body".to_owned()),
                }
            } else {
                lists.find_map(|list| {
                    let mut names = self.call.parameters.iter().map(|one| one.name);
                    names.find(|name| !fields::query_name_allowed(list, name)).map(str::to_owned)
                })
            };
            match outside {
                None => left.push(*index),
                Some(name) => trace.used.push(self.arena.text(&name).into()),
            }
        }
        if left.is_empty() {
            return Err(Denial::new(trace.phase, Reason::FieldDenied));
        }
        // Where another rule permits, nobody's list decided.
        trace.used.truncate(known);
        Ok(left.into_bump_slice())
    }

    /// The JSON body, where a `where` may look at it.
    pub(super) fn body_for_conditions(&self) -> Option<Document<'a>> {
        let wanted = !self.request.body.is_empty() && !self.call.form && self.grants.has_conditions(self.engine);
        let text = wanted.then(|| std::str::from_utf8(self.request.body).ok())??;
        Document::read(text).ok().filter(|document| !document.root().is_ambiguous())
    }
}
