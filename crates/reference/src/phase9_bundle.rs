//! Phase 9, result sets: searches, histories and `$everything`, entry by entry.
//!
//! Invariant: an entry is kept by one rule that covers it, and an included one only if a kept entry leads to it.

use policy::Reason as R;
use policy::decision::Lookup;
use policy::letters::Letters;
use policy::operation::Interaction as I;
use policy::settings::Uncovered;
use serde_json::{Map, Value};

use crate::answer::Response;
use crate::coverage::{Cover, Sight};
use crate::decide::Permitted;
use crate::membership::Named;
use crate::phase9_response::{Hold, Kept, MAX_LOOKUPS, Parsed, fetched, without};
use crate::query_includes::Include;
use crate::{Interpreter, json};

/// One entry with a resource that can be read.
struct Entry<'a> {
    value: &'a Value,
    resource: &'a Value,
    is_match: bool,
    covers: Vec<Cover>,
}

impl Interpreter {
    /// A Bundle of results.
    pub(crate) fn bundle_answer(
        &self,
        permitted: &Permitted<'_>,
        status: u16,
        parsed: Parsed,
        sight: &Sight,
    ) -> Response {
        let scene = &permitted.scene;
        let Parsed::Json(bundle, repeats) = parsed else { return self.unreadable() };
        let is_history =
            matches!(scene.target.interaction, Some(I::HistoryInstance | I::HistoryType | I::HistorySystem));
        let kind = if is_history { "history" } else { "searchset" };
        let list = match bundle.get("entry") {
            None => Vec::new(),
            Some(Value::Array(list)) => list.clone(),
            Some(_) => return self.unreadable(),
        };
        let outside = repeats.iter().any(|place| place.first().is_none_or(|first| first != "entry") || place.len() < 2);
        if status != 200
            || outside
            || json::text(&bundle, "resourceType") != Some("Bundle")
            || json::text(&bundle, "type") != Some(kind)
        {
            return self.unreadable();
        }
        let mut dropped = 0;
        let mut entries = Vec::new();
        for (at, value) in list.iter().enumerate() {
            let repeated = repeats.iter().any(|place| place.get(1) == Some(&at.to_string()));
            match value.get("resource").filter(|resource| resource.is_object() && !repeated) {
                // It is about the search, not of it: it goes, and nobody is told.
                Some(resource) if json::text(resource, "resourceType") == Some("OperationOutcome") => {}
                Some(resource) => match self.look(permitted, value, resource, sight) {
                    Some(entry) => entries.push(entry),
                    None => dropped += 1,
                },
                None => dropped += 1,
            }
        }
        let kept = match self.keep(permitted, &entries, sight) {
            Ok(kept) => kept,
            Err(Hold::Ask(mut lookups)) => {
                lookups.sort();
                lookups.dedup();
                return Response::Lookup(lookups);
            }
        };
        dropped += kept.iter().filter(|kept| !**kept).count();
        let reject = match scene.target.interaction {
            Some(I::Operation) => self.service.settings.everything == Uncovered::Reject,
            _ => self.service.settings.results == Uncovered::Reject,
        };
        if dropped > 0 && reject {
            return self.own(403, R::ResponseNotCovered, dropped);
        }
        let left: Vec<&Entry<'_>> =
            entries.iter().zip(&kept).filter(|(_, kept)| **kept).map(|(entry, _)| entry).collect();
        self.write_bundle(permitted, status, &bundle, &left, dropped, sight)
    }

    /// One entry; none for what can never be kept.
    fn look<'a>(
        &self,
        permitted: &Permitted<'_>,
        value: &'a Value,
        resource: &'a Value,
        sight: &Sight,
    ) -> Option<Entry<'a>> {
        let scene = &permitted.scene;
        let name = json::text(resource, "resourceType").filter(|name| self.has_type(name))?;
        json::text(resource, "id").filter(|id| policy::text::FhirId::accepts(id))?;
        let mode = value.get("search").and_then(|search| json::text(search, "mode")).unwrap_or("match");
        let searched = self.searched(scene);
        let (is_match, letters) = match scene.target.interaction {
            Some(I::HistoryInstance) => {
                let same = scene.target.resource_type.as_deref() == Some(name)
                    && scene.target.id.as_deref() == json::text(resource, "id");
                if !same {
                    return None;
                }
                (true, Letters::READ)
            }
            Some(I::HistoryType | I::HistorySystem) => {
                if !searched.iter().any(|one| one == name) {
                    return None;
                }
                (true, Letters::SEARCH)
            }
            Some(I::Operation) => (true, Letters::READ),
            _ if mode == "match" && searched.iter().any(|one| one == name) => (true, Letters::SEARCH),
            _ => (false, Letters::READ),
        };
        let letters = if is_match { letters } else { self.include_letters(permitted, name) };
        // What no include asked for can be led to by nothing.
        let leads = |one: &Include| one.brings(name);
        if !is_match && !permitted.merged.plan.includes.iter().any(leads) {
            return None;
        }
        // A role that names a chart gives none of what is in it: that is by letters (D10).
        let named = is_match && scene.target.interaction != Some(I::Operation);
        let covers = self.is_covered(scene, resource, letters, named, sight);
        Some(Entry { value, resource, is_match, covers })
    }

    /// `s` for what only a reverse include can have brought, else `r`.
    fn include_letters(&self, permitted: &Permitted<'_>, name: &str) -> Letters {
        let includes = &permitted.merged.plan.includes;
        let forward =
            includes.iter().any(|one| !one.reverse && one.target.as_deref().is_none_or(|target| target == name));
        let reverse = includes.iter().any(|one| one.reverse && one.source == name);
        if reverse && !forward { Letters::SEARCH } else { Letters::READ }
    }

    /// Which entries are kept.
    fn keep(&self, permitted: &Permitted<'_>, entries: &[Entry<'_>], sight: &Sight) -> Result<Vec<bool>, Hold> {
        let scene = &permitted.scene;
        let includes = &permitted.merged.plan.includes;
        let open: Vec<bool> = entries
            .iter()
            .map(|entry| entry.covers.contains(&Cover::Yes) || self.is_shared_entry(permitted, entry))
            .collect();
        let first = self.reach(entries, &open, includes, sight);
        let beside: Vec<&Value> =
            entries.iter().zip(&first).filter(|(_, kept)| **kept).map(|(entry, _)| entry.resource).collect();
        let (mut all, mut asks) = (open, Vec::new());
        let room = Self::room(scene, entries.iter().map(|entry| entry.resource), sight);
        for (entry, open) in entries.iter().zip(&mut all) {
            if !*open && entry.covers.contains(&Cover::ByTargets) {
                *open = settle(self.by_targets(scene, entry.resource, &beside, &room, sight), &mut asks);
            }
        }
        self.check_states(permitted, entries, &mut all, &mut asks, sight);
        if asks.is_empty() { Ok(self.reach(entries, &all, includes, sight)) } else { Err(Hold::Ask(asks)) }
    }

    /// A shared resource that no rule covers may still be included.
    fn is_shared_entry(&self, permitted: &Permitted<'_>, entry: &Entry<'_>) -> bool {
        let name = json::text(entry.resource, "resourceType").unwrap_or_default();
        let open = || {
            permitted.permits.iter().any(|one| self.is_open_by_reference(&permitted.scene, &one.rule, entry.resource))
        };
        !entry.is_match && self.shared_by_reference(name) && open()
    }

    /// D7: under rules that are not plain, the current state of each entry of a type's history.
    fn check_states(
        &self,
        permitted: &Permitted<'_>,
        entries: &[Entry<'_>],
        open: &mut [bool],
        asks: &mut Vec<Lookup>,
        sight: &Sight,
    ) {
        let scene = &permitted.scene;
        let plain = permitted.permits.iter().any(|one| self.is_plain(&one.rule, scene.target.operation));
        if !matches!(scene.target.interaction, Some(I::HistoryType | I::HistorySystem)) || plain {
            return;
        }
        let (mut asked, mut lookups): (Vec<Lookup>, usize) = (Vec::new(), 0);
        for (entry, open) in entries.iter().zip(open) {
            let (name, id) = (
                json::text(entry.resource, "resourceType").unwrap_or_default(),
                json::text(entry.resource, "id").unwrap_or_default(),
            );
            let lookup = Lookup { path: format!("/{name}/{id}"), query: String::new() };
            // The first instances count, covered or not: what may not be seen makes no room for more.
            let is_asked = scene.asked.as_ref().is_none_or(|types| types.iter().any(|one| one == name));
            if is_asked && !asked.contains(&lookup) {
                if lookups >= MAX_LOOKUPS {
                    *open = false;
                    continue;
                }
                lookups += 1;
                asked.push(lookup.clone());
            }
            if !*open {
                continue;
            }
            let kept = match fetched(scene, &lookup) {
                Ok(None) => Ok(false),
                Ok(Some(document)) => Ok(document.repeats.is_empty()
                    && json::text(&document.value, "resourceType") == Some(name)
                    && json::text(&document.value, "id") == Some(id)
                    && self.is_covered(scene, &document.value, Letters::READ, false, sight).contains(&Cover::Yes)),
                Err(hold) => Err(hold),
            };
            *open = settle(kept, asks);
        }
    }

    /// Of the open entries: the matches, and what a kept entry leads to.
    fn reach(&self, entries: &[Entry<'_>], open: &[bool], includes: &[Include], sight: &Sight) -> Vec<bool> {
        let mut kept: Vec<bool> = entries.iter().zip(open).map(|(entry, open)| *open && entry.is_match).collect();
        loop {
            let before = kept.clone();
            for (at, entry) in entries.iter().enumerate() {
                let is_open = open.get(at).copied().unwrap_or(false);
                let led = || {
                    entries.iter().zip(&before).any(|(from, kept)| {
                        *kept
                            && includes
                                .iter()
                                .any(|include| leads(include, from.resource, entry.resource, &sight.bases))
                    })
                };
                if is_open
                    && !entry.is_match
                    && led()
                    && let Some(place) = kept.get_mut(at)
                {
                    *place = true;
                }
            }
            if kept == before {
                return kept;
            }
        }
    }

    /// The Bundle with what is left.
    fn write_bundle(
        &self,
        permitted: &Permitted<'_>,
        status: u16,
        bundle: &Value,
        left: &[&Entry<'_>],
        dropped: usize,
        sight: &Sight,
    ) -> Response {
        let scene = &permitted.scene;
        let searched = self.searched(scene);
        let mut released = Vec::new();
        let mut list = Vec::new();
        for entry in left {
            let name = json::text(entry.resource, "resourceType").unwrap_or_default();
            let resource = if searched.iter().any(|one| one == name) {
                without(entry.resource, &permitted.merged.added_elements)
            } else {
                entry.resource.clone()
            };
            released.push(resource.clone());
            let mut out = Map::new();
            if let Some(url) = json::text(entry.value, "fullUrl").and_then(|url| self.own_url(url, sight)) {
                out.insert("fullUrl".to_owned(), Value::String(url));
            }
            out.insert("resource".to_owned(), resource);
            if let Some(search) = entry.value.get("search") {
                out.insert("search".to_owned(), search.clone());
            }
            list.push(Value::Object(out));
        }
        let mut out = Map::new();
        out.insert("resourceType".to_owned(), Value::String("Bundle".to_owned()));
        if let Some(kind) = bundle.get("type") {
            out.insert("type".to_owned(), kind.clone());
        }
        if let Some(total) = bundle.get("total").filter(|_| dropped == 0 && self.is_certain(permitted)) {
            out.insert("total".to_owned(), total.clone());
        }
        out.insert("entry".to_owned(), Value::Array(list));
        Response::Released { status, reason: None, body: Some(Value::Object(out)), released, dropped }
    }

    /// Whether nothing can be dropped on another page either.
    fn is_certain(&self, permitted: &Permitted<'_>) -> bool {
        if Self::is_search(&permitted.scene) {
            return permitted.merged.exact;
        }
        let interaction = permitted.scene.target.interaction;
        let plain = permitted.permits.iter().any(|one| self.is_plain(&one.rule, permitted.scene.target.operation));
        interaction != Some(I::Operation) && plain
    }

    /// A URL on the Service's base; none for a foreign one.
    fn own_url(&self, url: &str, sight: &Sight) -> Option<String> {
        let rest =
            sight.bases.iter().find_map(|base| url.strip_prefix(base.as_str()).filter(|rest| rest.starts_with('/')))?;
        Some(format!("{}{rest}", self.own_base()))
    }
}

/// Collects what has to be fetched.
fn settle(kept: Kept, asks: &mut Vec<Lookup>) -> bool {
    match kept {
        Ok(kept) => kept,
        Err(Hold::Ask(lookups)) => {
            asks.extend(lookups);
            false
        }
    }
}

/// Whether an include that was asked for brings one resource beside another: one of them names the other, wherever.
fn leads(include: &Include, from: &Value, to: &Value, bases: &[String]) -> bool {
    let (holder, held) = if include.reverse { (to, from) } else { (from, to) };
    let (Some(name), Some(id)) = (json::text(held, "resourceType"), json::text(held, "id")) else { return false };
    let brought = json::text(to, "resourceType").unwrap_or_default();
    let wanted = Named::Instance(name.to_owned(), id.to_owned());
    include.brings(brought) && json::objects(holder).iter().any(|one| Interpreter::named(one, bases) == wanted)
}
