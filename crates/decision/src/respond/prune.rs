//! Elements that were asked for only to decide, taken out of a resource again.

use std::ops::Range;

use policy::decision::Body;

use crate::json::Value;

/// Whether a resource has one of these elements, or what extends it (`_status`).
pub(super) fn has_any(resource: &Value<'_>, elements: &[&str]) -> bool {
    !elements.is_empty() && resource.members().any(|member| is_one_of(&member.name, elements))
}

/// The parts of a resource's text without these elements: runs of members with what stands between them.
pub(super) fn runs(resource: &Value<'_>, elements: &[&str]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut open = false;
    for member in resource.members() {
        if is_one_of(&member.name, elements) {
            open = false;
            continue;
        }
        let end = member.value.range().end;
        match runs.last_mut() {
            Some(run) if open => run.end = end,
            _ => runs.push(end.saturating_sub(member.raw.len())..end),
        }
        open = true;
    }
    runs
}

/// Writes a resource of which these runs are left.
pub(super) fn write(runs: impl Iterator<Item = Range<usize>>, body: &mut Body) {
    let mut separator = "{";
    for run in runs {
        body.write(separator);
        body.keep(run);
        separator = ",";
    }
    body.write(if separator == "{" { "{}" } else { "}" });
}

fn is_one_of(name: &str, elements: &[&str]) -> bool {
    elements.iter().any(|one| *one == name || name.strip_prefix('_') == Some(one))
}
