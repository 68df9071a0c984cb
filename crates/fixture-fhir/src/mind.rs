//! How a server reads what FHIR, URLs and JSON leave open, or what they forbid.
//!
//! Invariant: with every field `false` a request is taken literally. Each field changes one reading only.

/// The leniences of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a lenience of its own, and tests switch them one by one")]
pub struct Mind {
    /// Of a parameter that is repeated only the last one counts, instead of all (AND).
    pub last_wins: bool,
    /// Names of types and parameters may be written in any case.
    pub case_insensitive_names: bool,
    /// `;` separates parameters too.
    pub semicolons: bool,
    /// What it does not know it ignores even under `Prefer: handling=strict`: parameters, modifiers, and a
    /// parameter that one of several searched types does not have.
    pub ignores_unknown: bool,
    /// In a batch `_elements` and `_summary` do nothing.
    pub ignores_elements_in_batch: bool,
    /// `X-HTTP-Method-Override` (and its like) and `_method` change the method.
    pub follows_overrides: bool,
    /// A member that stands twice in a JSON object is read as its last one; else that is a 400.
    pub merges_duplicate_json_keys_last: bool,
    /// Member names of JSON may be written in any case.
    pub case_insensitive_json: bool,
    /// What is still percent-encoded after decoding is decoded once more.
    pub double_decodes: bool,
    /// `.`, `..` and empty segments of a path are resolved.
    pub resolves_dot_segments: bool,
    /// A reference under any base, of any version, is read as one of its own.
    pub any_base: bool,
    /// `_filter` is not refused: it stands beside the other criteria as an alternative that all match.
    pub filter_widens: bool,
    /// A paging link takes further parameters, such as `_include`.
    pub pages_take_parameters: bool,
    /// `If-Match` and `If-None-Match` are ignored.
    pub ignores_preconditions: bool,
    /// A conditional reference (`Patient?identifier=…`) is resolved in every write, not only in a transaction.
    pub resolves_conditional_references: bool,
    /// A Bundle posted to `/Bundle` is executed as well as stored.
    pub runs_posted_bundles: bool,
    /// `_cascade=delete` deletes whatever names the resource as well.
    pub cascades: bool,
}

impl Mind {
    /// FHIR taken literally.
    pub const HONEST: Self = Self {
        last_wins: false,
        case_insensitive_names: false,
        semicolons: false,
        ignores_unknown: false,
        ignores_elements_in_batch: false,
        follows_overrides: false,
        merges_duplicate_json_keys_last: false,
        case_insensitive_json: false,
        double_decodes: false,
        resolves_dot_segments: false,
        any_base: false,
        filter_widens: false,
        pages_take_parameters: false,
        ignores_preconditions: false,
        resolves_conditional_references: false,
        runs_posted_bundles: false,
        cascades: false,
    };

    /// Every lenience at once.
    pub const HOSTILE: Self = Self {
        last_wins: true,
        case_insensitive_names: true,
        semicolons: true,
        ignores_unknown: true,
        ignores_elements_in_batch: true,
        follows_overrides: true,
        merges_duplicate_json_keys_last: true,
        case_insensitive_json: true,
        double_decodes: true,
        resolves_dot_segments: true,
        any_base: true,
        filter_widens: true,
        pages_take_parameters: true,
        ignores_preconditions: true,
        resolves_conditional_references: true,
        runs_posted_bundles: true,
        cascades: true,
    };
}
