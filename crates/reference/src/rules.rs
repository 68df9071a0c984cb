//! Rules: what scopes, roles, keys and ceilings give ("Rules", the first half of phase 4).
//!
//! Invariant: a rule is used whole. A ceiling only takes away from it.

use std::collections::BTreeMap;

use policy::basic::BasicKey;
use policy::bundle::Issuer;
use policy::claims::{Claims, TokenKind};
use policy::id::AccountId;
use policy::letters::Letters;
use policy::operation::{Interaction, Method};
use policy::request::Caller;
use policy::settings::{Confidentiality, DefaultUserRole, Labels, UntaggedResources};

use crate::condition::{self, Condition};
use crate::document::{Operation, same_shape};
use crate::fields::{self, Field};
use crate::scope::{self, Context, Scope, Word};
use crate::{Interpreter, Role};

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    pub(crate) account: Option<AccountId>,
    pub(crate) kind: TokenKind,
    /// The patient context, if the token has a usable one.
    pub(crate) patient: Option<String>,
    pub(crate) tags: BTreeMap<String, Vec<String>>,
    pub(crate) clearance: Confidentiality,
}

/// What one scope, role or key gives.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    /// None for a role of operations.
    pub(crate) context: Option<Context>,
    /// Types (none: all) and letters; none for a role.
    pub(crate) letters: Option<(Option<String>, Letters)>,
    /// The only operations that count; none: all.
    pub(crate) operations: Option<Vec<usize>>,
    pub(crate) constraints: Vec<(String, String)>,
    /// The lists of fields, by operation.
    pub(crate) fields: BTreeMap<usize, Vec<Vec<Field>>>,
    /// Its own `where`, which stands in for the match of tags.
    pub(crate) condition: Option<Condition>,
    /// Those of the roles that bound it: they hold beside whatever its own tags or `where` say (D41).
    pub(crate) bounds: Vec<Condition>,
    /// A key of Basic credentials: its R is every interaction that writes nothing.
    pub(crate) basic: bool,
    /// `default_user_role`, which never names a `$operation`.
    pub(crate) by_default: bool,
}

/// The types that carry security: `*` does not give their writing.
pub(crate) const SECURITY_TYPES: &[&str] = &["AccessPolicy", "AuditEvent", "Consent", "Provenance", "Subscription"];

impl Rule {
    fn of_scope(text: &str, scope: Scope) -> Self {
        Self {
            name: text.to_owned(),
            context: Some(scope.context),
            letters: Some((scope.resource_type, scope.letters)),
            operations: None,
            constraints: scope.constraints,
            fields: BTreeMap::new(),
            condition: None,
            bounds: Vec::new(),
            basic: false,
            by_default: false,
        }
    }

    fn of_operations(name: String, operations: Vec<usize>) -> Self {
        Self {
            name,
            context: None,
            letters: None,
            operations: Some(operations),
            constraints: Vec::new(),
            fields: BTreeMap::new(),
            condition: None,
            bounds: Vec::new(),
            basic: false,
            by_default: false,
        }
    }

    pub(crate) fn is_patient(&self) -> bool {
        self.context == Some(Context::Patient)
    }

    /// Whether it gives exactly this operation, as roles do.
    pub(crate) fn names(&self, operation: usize) -> bool {
        self.letters.is_none() && self.operations.as_ref().is_some_and(|list| list.contains(&operation))
    }

    /// Whether it is limited to other operations than this one.
    pub(crate) fn excludes(&self, operation: usize) -> bool {
        self.operations.as_ref().is_some_and(|list| !list.contains(&operation))
    }

    /// The lists of fields for this operation; each holds.
    pub(crate) fn field_lists(&self, operation: usize) -> &[Vec<Field>] {
        self.fields.get(&operation).map(Vec::as_slice).unwrap_or_default()
    }

    /// Its own `where`, and those that bound it.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.condition.iter().chain(&self.bounds)
    }
}

impl Interpreter {
    /// The letters that a rule gives on a type.
    pub(crate) fn letters_on(&self, rule: &Rule, resource_type: &str) -> Letters {
        self.letters_for(rule, resource_type, None)
    }

    /// The same, for one operation: what a role lists of conditional writes counts for nothing else (D42).
    pub(crate) fn letters_for(&self, rule: &Rule, resource_type: &str, operation: Option<usize>) -> Letters {
        let by_star = !SECURITY_TYPES.contains(&resource_type) || rule.basic;
        let harmless = Letters::READ | Letters::SEARCH;
        let limit = |letters: Letters, named: bool| if named || by_star { letters } else { letters & harmless };
        if rule.basic {
            let places = || rule.operations.iter().flatten().filter_map(|index| self.operations.get(*index));
            let reads = if places().any(|one| !self.is_write(one)) { harmless } else { Letters::NONE };
            let writes = Letters::CREATE | Letters::UPDATE | Letters::DELETE;
            return reads | if places().any(|one| self.is_write(one)) { writes } else { Letters::NONE };
        }
        let by_scope = rule.letters.as_ref().map(|(only, letters)| match only {
            None => limit(*letters, false),
            Some(name) if name == resource_type => *letters,
            Some(_) => Letters::NONE,
        });
        let by_operations = rule.operations.as_ref().map(|list| {
            let counts = |index: &&usize| {
                operation == Some(**index)
                    || self.operations.get(**index).is_some_and(|one| one.interaction != Some(Interaction::Conditional))
            };
            let of = list.iter().filter(counts).filter_map(|index| self.operations.get(*index));
            let on_type = of.filter(|one| {
                one.is_of_system()
                    || (one.type_at.is_some() && one.literal_type.as_deref().is_none_or(|name| name == resource_type))
            });
            on_type.fold(Letters::NONE, |all, one| all | limit(one.letters(), one.literal_type.is_some()))
        });
        match (by_scope, by_operations) {
            (Some(one), Some(other)) => one & other,
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => Letters::NONE,
        }
    }

    /// The letters that a rule gives on every type, by `*`.
    pub(crate) fn letters_on_all(&self, rule: &Rule) -> Letters {
        let by_scope =
            rule.letters.as_ref().map(|(only, letters)| if only.is_none() { *letters } else { Letters::NONE });
        let by_operations = rule.operations.as_ref().map(|list| {
            let of = list.iter().filter_map(|index| self.operations.get(*index));
            let of = of.filter(|one| one.interaction != Some(Interaction::Conditional));
            let on_all = of.filter(|one| one.is_of_system() || (one.type_at.is_some() && one.literal_type.is_none()));
            on_all.fold(Letters::NONE, |all, one| all | one.letters())
        });
        match (by_scope, by_operations) {
            (Some(one), Some(other)) => one & other,
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => Letters::NONE,
        }
    }

    /// Whether the default match of tags binds a rule (D20); a key of Basic credentials has no tags that could match (D40).
    pub(crate) fn matches_tags(&self, rule: &Rule) -> bool {
        let service = &self.service;
        let binds = !service.tag_keys.is_empty()
            || !service.tagged.is_empty()
            || service.settings.untagged_resources != UntaggedResources::ByRole;
        rule.condition.is_none() && binds && !rule.basic
    }

    /// Whether tags bind a rule, by the default match or by a `where` (D20).
    pub(crate) fn tags_bind(&self, rule: &Rule) -> bool {
        self.matches_tags(rule) || rule.conditions().any(Condition::reads_resource)
    }

    pub(crate) fn enforces_labels(&self) -> bool {
        self.service.settings.labels == Labels::Enforce
    }

    /// Whether a rule is plain (D5): nothing about a resource can change what it gives. A list of fields counts for its operation.
    pub(crate) fn is_plain(&self, rule: &Rule, operation: usize) -> bool {
        !rule.is_patient()
            && rule.constraints.is_empty()
            && rule.field_lists(operation).is_empty()
            && !self.tags_bind(rule)
            && !self.enforces_labels()
    }

    /// Who calls, of a token.
    pub(crate) fn principal_of_token(&self, claims: &Claims, issuer: &Issuer) -> Principal {
        let trusted = issuer.trusted_for_roles;
        let clearance = claims.clearance.as_deref().filter(|_| trusted).and_then(Confidentiality::parse);
        Principal {
            account: claims.account_id,
            kind: claims.kind,
            patient: claims.patient.clone().filter(|id| policy::text::FhirId::accepts(id)),
            tags: if trusted { claims.tags.clone() } else { BTreeMap::new() },
            clearance: clearance.unwrap_or(Confidentiality::U),
        }
    }

    /// Who calls, of a key.
    pub(crate) fn principal_of_key(key: &BasicKey) -> Principal {
        Principal {
            account: Some(key.account_id),
            kind: TokenKind::Key,
            patient: None,
            tags: BTreeMap::new(),
            clearance: Confidentiality::U,
        }
    }

    /// Who calls, and the rules before any ceiling; none without a permission (D39).
    pub(crate) fn collect(&self, caller: &Caller<'_>) -> Option<(Principal, Vec<Rule>)> {
        match caller {
            Caller::Missing | Caller::Refused(_) => None,
            Caller::Verified(claims, issuer) | Caller::Both(claims, issuer, _) => {
                let rules = self.rules_of_token(claims, issuer);
                Some((self.principal_of_token(claims, issuer), rules)).filter(|(_, rules)| !rules.is_empty())
            }
            Caller::Basic(key) => {
                let rules = self.rules_of_key(key);
                Some((Self::principal_of_key(key), rules)).filter(|(_, rules)| !rules.is_empty())
            }
        }
    }

    fn rules_of_token(&self, claims: &Claims, issuer: &Issuer) -> Vec<Rule> {
        let scopes = claims.scope.clone().unwrap_or_default();
        let words: Vec<(&str, Word)> =
            scopes.split(' ').filter(|word| !word.is_empty()).map(|word| (word, scope::word(self, word))).collect();
        let has_smart = words.iter().any(|(_, word)| matches!(word, Word::Resource(_) | Word::Invalid));
        let has_extension = words.iter().any(|(_, word)| matches!(word, Word::Extension(_)));
        let names_person = claims.fhir_user.is_some() || claims.kind == TokenKind::User;
        let roles: Vec<Rule> = if issuer.trusted_for_roles {
            claims
                .role_ids
                .iter()
                .filter_map(|id| self.service.roles.iter().find(|role| role.id == *id))
                .filter_map(|role| self.rule_of_role(role))
                .collect()
        } else {
            Vec::new()
        };
        let bound = has_smart && issuer.trusted_for_roles && !claims.role_ids.is_empty();
        let mut rules = Vec::new();
        for (text, word) in words {
            match word {
                Word::Resource(scope) if scope.context == Context::System && names_person => {}
                Word::Resource(scope) => {
                    let rule = Rule::of_scope(text, scope);
                    if bound && rule.context == Some(Context::User) {
                        rules.extend(roles.iter().filter_map(|role| meet(&rule, role)));
                    } else {
                        rules.push(rule);
                    }
                }
                Word::Extension(name) => rules.extend(self.rule_of_extension(&name)),
                Word::Invalid | Word::Other => {}
            }
        }
        if !has_smart {
            rules.extend(roles);
        }
        if !has_smart && !has_extension && claims.role_ids.is_empty() {
            rules.extend(self.default_rule());
        }
        rules
    }

    fn rule_of_extension(&self, name: &str) -> Option<Rule> {
        let (_, lines) = self.service.extension_scopes.iter().find(|(known, _)| known == name)?;
        let role = self.operations_of(lines)?;
        let mut rule = Rule::of_operations(name.to_owned(), role.0);
        rule.fields = role.1.into_iter().map(|(index, list)| (index, vec![list])).collect();
        Some(rule)
    }

    fn rule_of_role(&self, role: &Role) -> Option<Rule> {
        let (operations, fields) = self.operations_of(&role.operations)?;
        let mut rule = Rule::of_operations(role.id.to_string(), operations);
        rule.fields = fields.into_iter().map(|(index, list)| (index, vec![list])).collect();
        rule.condition = match &role.condition {
            Some(text) => Some(condition::read(text)?),
            None => None,
        };
        Some(rule)
    }

    /// The operations of lines; none if a line has a fault. A line that the document has not gives nothing.
    fn operations_of(&self, lines: &[String]) -> Option<(Vec<usize>, BTreeMap<usize, Vec<Field>>)> {
        let mut operations = Vec::new();
        let mut lists: BTreeMap<usize, Vec<Field>> = BTreeMap::new();
        let mut whole = Vec::new();
        for text in lines {
            let line = fields::line(text)?;
            let place = |one: &Operation| one.method == line.method && same_shape(&one.template, &line.template);
            let Some(index) = self.operations.iter().position(place) else { continue };
            operations.push(index);
            match line.fields {
                Some(list) => lists.entry(index).or_default().extend(list),
                None => whole.push(index),
            }
        }
        lists.retain(|index, _| !whole.contains(index));
        operations.sort_unstable();
        operations.dedup();
        Some((operations, lists))
    }

    fn default_rule(&self) -> Option<Rule> {
        (self.service.settings.default_user_role == DefaultUserRole::GetAll).then(|| {
            let gets = self
                .operations
                .iter()
                .enumerate()
                .filter(|(_, one)| one.method == Method::Get && one.interaction != Some(Interaction::Operation));
            let mut rule = Rule::of_operations("default_user_role".to_owned(), gets.map(|(index, _)| index).collect());
            rule.by_default = true;
            rule
        })
    }

    /// What a key may do: R and W of the required security resource (D29).
    pub(crate) fn privileges(&self, key: &BasicKey) -> (bool, bool) {
        match self.service.settings.basic.as_ref().map(|basic| &basic.required_resource) {
            None => (false, false),
            Some(None) => (true, true),
            Some(Some(resource)) => {
                let held = key.privileges.iter().filter(|one| one.resource == *resource);
                let (read, write) =
                    held.fold((false, false), |(read, write), one| (read || one.read, write || one.write));
                let public = self.service.security_resources.iter().any(|one| one.name == *resource && one.public_read);
                (read || public, write)
            }
        }
    }

    fn rules_of_key(&self, key: &BasicKey) -> Vec<Rule> {
        let (read, write) = self.privileges(key);
        if !read && !write {
            return Vec::new();
        }
        let given = |one: &Operation| if self.is_write(one) { write } else { read };
        let places = self.operations.iter().enumerate().filter(|(_, one)| given(one)).map(|(index, _)| index);
        let mut rule = Rule::of_operations(format!("basic:{}", key.id), places.collect());
        rule.basic = true;
        vec![rule]
    }

    /// Whether an operation writes, in the sense of Basic credentials.
    pub(crate) fn is_write(&self, operation: &Operation) -> bool {
        use Interaction as I;
        match operation.interaction {
            Some(I::Create | I::Update | I::Patch | I::Delete | I::Conditional) => true,
            Some(_) => false,
            None => !matches!(operation.method, Method::Get | Method::Head),
        }
    }

    /// Takes away what no ceiling of the caller's Subscription gives; the owner's Account has none.
    pub(crate) fn under_ceiling(&self, principal: &Principal, rules: Vec<Rule>) -> Vec<Rule> {
        match principal.account {
            None if principal.kind == TokenKind::Foreign => return rules,
            Some(account) if account == self.service.account_id => return rules,
            _ => {}
        }
        let subscription = self.service.subscriptions.iter().find(|one| Some(one.account_id) == principal.account);
        let Some(subscription) = subscription else { return Vec::new() };
        let scopes = subscription.scopes.iter().filter_map(|text| match scope::word(self, text) {
            Word::Resource(scope) => Some(Rule::of_scope(text, scope)),
            _ => None,
        });
        let roles = subscription.roles.iter().filter_map(|id| self.service.roles.iter().find(|role| role.id == *id));
        let ceilings: Vec<Rule> = scopes.chain(roles.filter_map(|role| self.rule_of_role(role))).collect();
        rules
            .iter()
            .flat_map(|rule| ceilings.iter().filter_map(|ceiling| meet(rule, ceiling)).collect::<Vec<_>>())
            .collect()
    }
}

/// What both give, as one rule in the first one's context; none for nothing.
fn meet(rule: &Rule, ceiling: &Rule) -> Option<Rule> {
    let contexts_agree = match (rule.context, ceiling.context) {
        (_, None) => true,
        (Some(one), Some(other)) if one == other => true,
        (Some(Context::Patient), Some(Context::System)) => true,
        _ => false,
    };
    if !contexts_agree {
        return None;
    }
    let letters = match (&rule.letters, &ceiling.letters) {
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => Some(one.clone()),
        (Some((one, letters)), Some((other, others))) => {
            let name = match (one, other) {
                (None, name) | (name, None) => name.clone(),
                (Some(one), Some(other)) if one == other => Some(one.clone()),
                _ => return None,
            };
            Some((name, *letters & *others))
        }
    };
    let operations = match (&rule.operations, &ceiling.operations) {
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => Some(one.clone()),
        (Some(one), Some(other)) => Some(one.iter().copied().filter(|index| other.contains(index)).collect()),
    };
    let mut constraints = [rule.constraints.clone(), ceiling.constraints.clone()].concat();
    constraints.sort();
    constraints.dedup();
    let mut fields = rule.fields.clone();
    for (index, lists) in &ceiling.fields {
        fields.entry(*index).or_default().extend(lists.clone());
    }
    let bounds = rule.bounds.iter().chain(ceiling.conditions()).cloned().collect();
    let met = Rule { letters, operations, constraints, fields, bounds, ..rule.clone() };
    let empty = met.letters.as_ref().is_some_and(|(_, letters)| letters.is_empty());
    (!empty).then_some(met)
}
