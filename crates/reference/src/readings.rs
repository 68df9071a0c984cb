//! Where page and choices are silent, and what this interpreter reads there: the closed reading, unless it says why not.
//!
//! Nothing is run in this file. Each line names its phase; the engine's author holds the same list beside the engine.
//!
//! **1 Normalise.** Ids are known by place: the segment after a type, and the one after `_history` of an instance; one that
//! begins with `_` or `$` is a word, and never fits `{id}` (404). A raw `#` is malformed. A limit on query, parameters, OR
//! lists, hops and includes is 414; on bodies and depth 413. Without any `Host` only an absolute target passes; its scheme
//! has to be the base's. Control characters in a header are `malformed_url`. A second `Content-Type`, a charset
//! but UTF-8, and a body without a type are 415. Forms are D43.
//!
//! **2 Token.** Open paths keep of the query: `metadata` its `mode`, `_format` and `_pretty`; `.well-known` nothing; excluded
//! paths all.
//!
//! **3 Operation.** The most literal path is found first, then its method: a literal path without the method is 405, even if
//! a template has it. A first segment that is a whole parameter is a type, whatever its name; without an `enum` it may be
//! any type of R4. A parameter of the document that FHIR does not define is of the kind `special`.
//!
//! **4 Rules.** `no_permission` is asked before ceilings and before the patient context, so a `patient/` rule without a
//! patient still counts as a permission; `respond-async` is asked after it. A faulty line or `where` makes the role give
//! nothing. A role that lists a write through `/{type}` does not name the types that carry security. A role of the conditional
//! operations counts as `us` or `ds`. An unknown `_type` is refused here, where it is needed first. Bounds are D41.
//! `_type` of D2 in `$export` and `$everything` is read from a Parameters body too.
//!
//! **5 Query.** Ownership is a class for `patient/` rules only; for all others such a parameter is a predicate. An empty
//! element of an OR list is another patient. Modifiers are those of R4 by kind; a parameter of the document has `:missing` only. `_id` of Patient under a `patient/` rule has no modifier but `:missing`.
//! A hop whose reference names no type leads to
//! every type of the Service. A hop into, or an include of, a type that the Service has not is denied. Under a `patient/`
//! rule a hop has one target type unless all are shared. `_has` in a context: only on Patient, and its inner part is no
//! chain. A hop counts only by a rule that tags do not bind. The last part of a join has to be defined on each type that it
//! can lead to. `deny` of `search_without_context` asks for a parameter, on a compartment URL too.
//! Its order is D46. `If-None-Exist` needs a predicate and has no shape, include
//! or sort. A `_typeFilter` has one `?` (a comma list of filters is refused); a type that needs one and has none is
//! `no_rule`; another `_outputFormat` is 406. A name of a Parameters body that is not defined is 400, as it cannot be left out.
//!
//! **6 Body.** A conditional reference is denied under every rule, a contained Patient under `patient/` rules. A key that
//! differs only in its case from another one beside it, or from an element that decisions read on the type, is malformed. A
//! foreign base, an `identifier` alone and a `display` alone are undecidable, also with another `type`. An unlabelled new
//! state has `default_label`. Declared tags are set only as held, by whatever rule. What is dropped is seen only where
//! something was looked up. D14's creation of what is not there may be by another, plain rule with `c`. `If-Match` is
//! compared as text. A patched resource over 1 MiB or 64 levels cannot be applied. Malformed patches are refused before the
//! lookup. Of several rules that permit a write, one that needs no look at what is stored goes first. A DELETE of what is
//! SUBSETTED is 409 as well. The body of a `$operation` is a resource (`resourceType`).
//!
//! **7 Batch.** Every lookup of every entry comes first, also where an entry is already denied. A `POST` to the root is a nested
//! Bundle. An entry's URL with a leading slash is another base. A GET or DELETE entry with a resource is malformed. An empty
//! batch is answered, not forwarded. `urn:` references are resolved in a transaction only.
//!
//! **8 Tags.** An access tag stands in for the keys and for what `untagged_resources` says, not for a `where`. Paths of a FHIR
//! Service that FHIR does not define are tagged as in a plain one. A Basic key is bound by labels, and by no
//! tags (D29). A new resource's owner is the Service's Account.
//!
//! **9 Response.** What a vread, a history, `$everything` or an operation needs of the stored instance is denied in this phase,
//! before anything is forwarded; I26 in phase 4, writes in 6. A plain rule needs no lookup for `$everything`. A stored answer with
//! repeated keys, or of another type or id, is not covered. OperationOutcomes in a result set are left out, and not counted
//! as dropped. A match of a type that was not searched is an include. Includes are D47. A target that is kept beside its Provenance without being
//! the context's own is not looked up: it is not covered. A shared target is not the context's own. Bundle and Parameters
//! in an operation's answer are containers: their contents are the resources. An answer to a write that cannot be read
//! loses its body and keeps its status. 3xx is 502 in FHIR. An export's answer has no body. A role that names an
//! operation covers the matches of that operation, not its includes. `labels: enforce` with the clearance V hides nothing, so
//! counts are exact.
//!
//! **Order.** A rule that permits at once is enough: the lookups of others are then not asked. If none does and one asks, it is
//! undecided. `obligation_unsupported` comes after phase 8, for each rule by itself.
