//! Patches: what a resource becomes by a JSON Patch (RFC 6902) or a FHIRPath Patch (FHIR R4, `fhirpatch.html`).
//!
//! Invariant: a patch is applied whole or not at all, and what it does not reach keeps its text. Nothing is guessed: a
//! patch that another reader could take for another one is refused (D16). The result is only decided on; what goes
//! upstream is the patch as it came.

mod equality;
mod fhirpath;
mod json_patch;
mod pointer;
mod tree;

use crate::json::{Document, InvalidJson};

/// The most operations of one patch ("1 Normalise", Limits).
pub(crate) const MAX_OPERATIONS: usize = 100;
/// The largest result, and the most that all copies of one patch make: twice the largest body.
pub(crate) const MAX_RESULT_BYTES: usize = 2 * crate::MAX_BODY_BYTES;

/// A patch, read and not yet applied.
#[derive(Clone, Debug)]
pub(crate) struct Patch<'t>(Operations<'t>);

#[derive(Clone, Debug)]
enum Operations<'t> {
    Json(Vec<json_patch::Operation<'t>>),
    Fhir(Vec<fhirpath::Operation<'t>>),
}

/// Why a patch is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PatchFault {
    /// It is no patch of its kind, or one with two readings.
    Malformed,
    /// A path that is not read, though FHIRPath may know it.
    Path,
    /// Too many operations, too deep, or a result that is too large.
    TooLarge,
    /// What is stored is not JSON that can be patched.
    Stored,
    /// It does not fit what is stored: an element that is not there, or is there twice, or already.
    Target,
    /// A `test` found another value.
    Test,
}

impl<'t> Patch<'t> {
    /// Reads a JSON Patch.
    pub(crate) fn read_json(text: &'t str) -> Result<Self, PatchFault> {
        json_patch::read(text).map(|operations| Self(Operations::Json(operations)))
    }

    /// Reads a FHIRPath Patch: a Parameters resource.
    pub(crate) fn read_parameters(text: &'t str) -> Result<Self, PatchFault> {
        fhirpath::read(text).map(|operations| Self(Operations::Fhir(operations)))
    }

    /// The elements that it reads or writes, as names from the resource down, without the indexes of lists; the whole
    /// resource is the empty path. A `test`, and where a `move` or `copy` takes from, count too.
    pub(crate) fn touched(&self) -> Vec<Vec<&str>> {
        match &self.0 {
            Operations::Json(operations) => operations.iter().flat_map(json_patch::Operation::touched).collect(),
            Operations::Fhir(operations) => operations.iter().map(fhirpath::Operation::touched).collect(),
        }
    }

    /// Whether it asks what is stored (`test`), which needs `r` (D16).
    pub(crate) fn has_test(&self) -> bool {
        match &self.0 {
            Operations::Json(operations) => operations.iter().any(json_patch::Operation::is_test),
            Operations::Fhir(_) => false,
        }
    }

    /// The JSON of every value that it brings in; those of a `test` are not.
    pub(crate) fn values(&self) -> Vec<&str> {
        match &self.0 {
            Operations::Json(operations) => operations.iter().filter_map(json_patch::Operation::brings).collect(),
            Operations::Fhir(operations) => operations.iter().filter_map(fhirpath::Operation::value).collect(),
        }
    }
}

/// The resource that the patch makes of what is stored.
pub(crate) fn apply(stored: &str, patch: &Patch<'_>) -> Result<String, PatchFault> {
    run(stored, patch, false)
}

/// The same for a rule with a list of fields: refused where [`Patch::touched`] left out as an index what is the name of
/// a member (`/a/0` where `a` is no list), because the list was then asked for another element.
pub(crate) fn apply_by_names(stored: &str, patch: &Patch<'_>) -> Result<String, PatchFault> {
    run(stored, patch, true)
}

fn run(stored: &str, patch: &Patch<'_>, by_names: bool) -> Result<String, PatchFault> {
    let document = Document::read(stored).map_err(|_| PatchFault::Stored)?;
    if document.root().is_ambiguous() {
        return Err(PatchFault::Stored);
    }
    let root = document.root();
    let text = match &patch.0 {
        Operations::Json(operations) => json_patch::apply(root, operations, by_names),
        Operations::Fhir(operations) => fhirpath::apply(root, operations),
    }?;
    if text.len() > MAX_RESULT_BYTES { Err(PatchFault::TooLarge) } else { Ok(text) }
}

/// Reads a patch's text; one that names a member twice, at any depth, is refused.
fn read(text: &str) -> Result<Document<'_>, PatchFault> {
    let document = Document::read(text).map_err(|fault| match fault {
        InvalidJson::Malformed => PatchFault::Malformed,
        InvalidJson::TooDeep | InvalidJson::TooMany => PatchFault::TooLarge,
    })?;
    if document.root().is_ambiguous() { Err(PatchFault::Malformed) } else { Ok(document) }
}

/// The documents of the values, in their order.
fn documents<'o>(values: impl Iterator<Item = Option<&'o str>>) -> Result<Vec<Option<Document<'o>>>, PatchFault> {
    values.map(|value| value.map(read).transpose()).collect()
}

/// The tree's text.
fn written(root: &tree::Node<'_>) -> String {
    let mut out = String::with_capacity(root.bytes());
    root.write(&mut out);
    out
}

/// The part of the text that a value was read from, for as long as the text lives.
fn part<'t>(text: &'t str, value: crate::json::Value<'_>) -> Result<&'t str, PatchFault> {
    text.get(value.range()).ok_or(PatchFault::Malformed)
}

#[cfg(test)]
mod tests;
