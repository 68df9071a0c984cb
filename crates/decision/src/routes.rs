//! The Service's paths as a tree: which operations a path has.
//!
//! Invariant: the most literal template wins, segment by segment from the left, and only then the
//! method counts: `GET /Patient/_search` is never a read of an instance named `_search`.

use policy::operation::{Method, Operation, Segment};
use rustc_hash::FxHashMap;

/// The tree, as an arena; the root is the first node.
#[derive(Debug)]
pub(crate) struct Routes {
    nodes: Vec<Node>,
    /// In a FHIR Service no parameter stands for `_search` or `$everything`.
    fhir: bool,
}

#[derive(Debug, Default)]
struct Node {
    literals: FxHashMap<Box<str>, usize>,
    parameters: Vec<Parameter>,
    rests: Vec<(Box<str>, usize)>,
    operations: Vec<(Method, u32)>,
}

#[derive(Debug)]
struct Parameter {
    prefix: Box<str>,
    suffix: Box<str>,
    next: usize,
}

impl Routes {
    /// The tree of these operations.
    pub(crate) fn new(operations: &[Operation], fhir: bool) -> Self {
        let mut routes = Self { nodes: vec![Node::default()], fhir };
        for (index, operation) in operations.iter().enumerate() {
            let end = operation.template.segments().iter().fold(0, |at, segment| routes.step(at, segment));
            if let (Some(node), Ok(index)) = (routes.nodes.get_mut(end), u32::try_from(index)) {
                node.operations.push((operation.method, index));
            }
        }
        for node in &mut routes.nodes {
            node.parameters.sort_by_key(|one| std::cmp::Reverse(one.prefix.len() + one.suffix.len()));
            node.rests.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        }
        routes
    }

    /// The operations of the path with these segments, by method; none if no template fits.
    pub(crate) fn find(&self, path: &[&str]) -> Option<&[(Method, u32)]> {
        self.descend(0, path)
    }

    fn descend(&self, at: usize, path: &[&str]) -> Option<&[(Method, u32)]> {
        let node = self.nodes.get(at)?;
        let Some((segment, rest)) = path.split_first() else {
            return (!node.operations.is_empty()).then_some(&node.operations);
        };
        if let Some(found) = node.literals.get(*segment).and_then(|next| self.descend(*next, rest)) {
            return Some(found);
        }
        let reserved = self.fhir && segment.starts_with(['_', '$']);
        let fitting = node.parameters.iter().filter(|one| {
            !reserved
                && segment.len() > one.prefix.len() + one.suffix.len()
                && segment.starts_with(&*one.prefix)
                && segment.ends_with(&*one.suffix)
        });
        if let Some(found) = fitting.into_iter().find_map(|one| self.descend(one.next, rest)) {
            return Some(found);
        }
        node.rests.iter().find_map(|(suffix, next)| {
            (1..=path.len()).find_map(|count| {
                let (taken, left) = path.split_at_checked(count)?;
                let last = taken.last()?;
                let fits = last.len() > suffix.len() && last.ends_with(&**suffix);
                if fits { self.descend(*next, left) } else { None }
            })
        })
    }

    /// The node behind a segment, made if it is not there.
    fn step(&mut self, at: usize, segment: &Segment) -> usize {
        let new = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else { return at };
        let found = match segment {
            Segment::Literal(text) => *node.literals.entry(text.clone()).or_insert(new),
            Segment::Parameter { prefix, suffix, .. } => {
                let known = node.parameters.iter().find(|one| one.prefix == *prefix && one.suffix == *suffix);
                if let Some(known) = known {
                    known.next
                } else {
                    node.parameters.push(Parameter { prefix: prefix.clone(), suffix: suffix.clone(), next: new });
                    new
                }
            }
            Segment::Rest { suffix, .. } => {
                if let Some((_, next)) = node.rests.iter().find(|(known, _)| known == suffix) {
                    *next
                } else {
                    node.rests.push((suffix.clone(), new));
                    new
                }
            }
        };
        if found == new {
            self.nodes.push(Node::default());
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(templates: &[&str], path: &str) -> Option<String> {
        let operations: Vec<Operation> = templates
            .iter()
            .map(|template| Operation {
                method: Method::Get,
                template: template.parse().unwrap(),
                fhir: None,
                query: Vec::new(),
                headers: Vec::new(),
            })
            .collect();
        let path: Vec<&str> = path.split('/').skip(1).filter(|part| !part.is_empty()).collect();
        let routes = Routes::new(&operations, true);
        let (_, index) = routes.find(&path)?.first().copied()?;
        operations.get(index as usize).map(|operation| operation.template.to_string())
    }

    #[test]
    fn a_literal_path_beats_a_template() {
        let templates =
            ["/", "/Patient/_search", "/Patient/{id}", "/{type}/{id}", "/{type}/$x", "/f/{id}.json", "/f/{id}"];
        for (path, expected) in [
            ("/", Some("/")),
            ("/Patient/_search", Some("/Patient/_search")),
            ("/Patient/1", Some("/Patient/{id}")),
            ("/Patient/$x", Some("/{type}/$x")),
            ("/Patient/_history", None),
            ("/Group/1", Some("/{type}/{id}")),
            ("/Group/$x", Some("/{type}/$x")),
            ("/f/1.json", Some("/f/{id}.json")),
            ("/f/.json", Some("/f/{id}")),
            ("/Patient", None),
            ("/Patient/1/2", None),
        ] {
            assert_eq!(find(&templates, path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn a_reserved_expansion_takes_one_or_more_segments() {
        let templates = ["/v1/{+name}:export", "/v1/{+name}", "/v1/{+name}/fhir/{id}"];
        for (path, expected) in [
            ("/v1/a/b:export", Some("/v1/{+name}:export")),
            ("/v1/a", Some("/v1/{+name}")),
            ("/v1", None),
            ("/v2/a", None),
        ] {
            assert_eq!(find(&templates, path).as_deref(), expected, "{path}");
        }
        assert_eq!(find(&["/v1/{+name}/fhir/{id}"], "/v1/a/b/fhir/7").as_deref(), Some("/v1/{+name}/fhir/{id}"));
    }
}
