//! An account with one row of everything, and a snapshot of all that it can see.

use domain::{
    Actor, AdminEvent, EmailAddress, Gateway, GatewayReport, GatewayState, Invitation, InvitationState, Key,
    KeyPurpose, KeyRoles, KeyState, Member, MemberRole, OutboxMail, PasswordHash, Person, Revision, Role, RoleSession,
    Sealed, SecretHash, Service, Session, SigningKey, SpecVersion, StoredBundle, Subscription, SubscriptionState,
    Trust, TrustedAccount,
};
use policy::audit::{DecisionRecord, Effect, Entry, OutcomeRecord, Principal, Record};
use policy::bundle::Revocation;
use policy::id::{
    AccountId, AuditId, GatewayId, InvitationId, KeyId, MailId, MemberId, PersonId, RequestId, RoleId, RoleSessionId,
    ServiceId, SessionId, SpecVersionId, SubscriptionId,
};
use policy::role::RoleName;
use policy::settings::{ServiceKind, Settings};
use serde_json::json;
use store::idempotency::Attempt;
use store::single_use::Purpose;
use store::{
    Page, StoreError, Tx, accounts, admin_events, audit, bundles, gateways, idempotency, invitations, key_roles, keys,
    members, outbox, people, revocations, role_sessions, roles, services, sessions, signing_keys, single_use,
    spec_versions, subscribed_services, subscriptions,
};

use crate::harness::{Database, later, now};

/// The subject of the link that every world has.
pub(crate) const LINK_SUBJECT: &str = "inv_x";

/// One account, the owner of a Service that `partner` subscribes to and itself a subscriber of a Service of `provider`.
pub(crate) struct World {
    pub(crate) account: AccountId,
    pub(crate) partner: AccountId,
    pub(crate) provider: AccountId,
    pub(crate) person: Person,
    pub(crate) member: Member,
    pub(crate) session: Session,
    pub(crate) service: Service,
    pub(crate) spec: SpecVersion,
    pub(crate) role: Role,
    pub(crate) invitation: Invitation,
    pub(crate) subscription: Subscription,
    pub(crate) subscribed: Subscription,
    pub(crate) key: Key,
    pub(crate) key_roles: KeyRoles,
    pub(crate) role_session: RoleSession,
    pub(crate) gateway: Gateway,
    pub(crate) signing_key: SigningKey,
    pub(crate) bundle: StoredBundle,
    pub(crate) revocation: Revocation,
    pub(crate) event: AdminEvent,
    pub(crate) entry: Entry,
    pub(crate) link: SecretHash,
    pub(crate) request_hash: SecretHash,
    pub(crate) mail: OutboxMail,
}

pub(crate) fn role_ids() -> Vec<RoleName> {
    ["system/Patient.rs", "patient/Observation.rs?category=laboratory"].map(|text| text.parse().unwrap()).to_vec()
}

pub(crate) fn hash(database: &Database) -> SecretHash {
    let mut bytes = [7; 32];
    bytes[..16].copy_from_slice(database.uuid().as_bytes());
    SecretHash::new(bytes)
}

pub(crate) fn person(database: &Database) -> Person {
    let id = database.uuid();
    Person {
        id: PersonId::new(id),
        email: EmailAddress::try_from(format!("p{}@example.org", id.simple())).unwrap(),
        password_hash: PasswordHash::new("$argon2id$v=19$x".into()),
        created_at: now(),
    }
}

pub(crate) fn member(database: &Database, person_id: PersonId) -> Member {
    Member {
        id: MemberId::new(database.uuid()),
        person_id,
        role: MemberRole::Owner,
        created_at: now(),
        revision: Revision::FIRST,
    }
}

pub(crate) fn session(database: &Database, member_id: MemberId) -> Session {
    Session {
        id: SessionId::new(database.uuid()),
        member_id,
        hash: hash(database),
        created_at: now(),
        expires_at: later(3_600),
    }
}

pub(crate) fn service(database: &Database) -> Service {
    let id = database.uuid();
    Service {
        id: ServiceId::new(id),
        name: "FHIR API".parse().unwrap(),
        slug: format!("s{}", id.simple()).parse().unwrap(),
        kind: ServiceKind::Fhirv4,
        base_url: Some("https://fhir.example.org/r4".into()),
        settings: Settings::for_kind(ServiceKind::Fhirv4),
        version: 1,
        openapi: "3.0.3".into(),
        paths: 7,
        created_at: now(),
        updated_at: now(),
        revision: Revision::FIRST,
    }
}

pub(crate) fn spec(database: &Database, service_id: ServiceId, number: u32) -> SpecVersion {
    SpecVersion {
        id: SpecVersionId::new(database.uuid()),
        service_id,
        number,
        document: b"{\"openapi\":\"3.0.3\"}\0\xff".to_vec(),
        imported: vec![0xa0, 0, 1],
        findings: json!([{"pointer": "/paths/~1x", "message": "a NUL \u{0} is kept"}]),
        created_at: now(),
    }
}

pub(crate) fn role(database: &Database, service_id: ServiceId) -> Role {
    let id = database.uuid();
    Role {
        id: RoleId::new(id),
        service_id,
        name: id.simple().to_string().parse().unwrap(),
        operations: vec!["GET:/Patient/{id}".into()],
        trust: Some(Trust {
            accounts: vec![TrustedAccount { account_id: AccountId::new(id), external_id: "x-1".into() }],
            max_duration_seconds: 900,
        }),
        created_at: now(),
        updated_at: now(),
        revision: Revision::FIRST,
    }
}

pub(crate) fn invitation(database: &Database, service_id: ServiceId) -> Invitation {
    Invitation {
        id: InvitationId::new(database.uuid()),
        service_id,
        email: "ann@example.org".parse().unwrap(),
        role_ids: role_ids(),
        state: InvitationState::Pending,
        created_at: now(),
        expires_at: later(60),
        subscription_id: None,
        revision: Revision::FIRST,
    }
}

pub(crate) fn subscription(
    database: &Database,
    owner: AccountId,
    service_id: ServiceId,
    partner: AccountId,
) -> Subscription {
    Subscription {
        id: SubscriptionId::new(database.uuid()),
        service_id,
        owner_account_id: owner,
        partner_account_id: partner,
        role_ids: role_ids(),
        state: SubscriptionState::Active,
        created_at: now(),
        updated_at: now(),
        revision: Revision::FIRST,
    }
}

pub(crate) fn key(database: &Database) -> Key {
    Key {
        id: KeyId::new(database.uuid()),
        name: "nightly".parse().unwrap(),
        secret_hash: hash(database),
        created_at: now(),
        last_used_at: None,
    }
}

pub(crate) fn role_session(database: &Database, role: &Role, key_id: KeyId, partner: AccountId) -> RoleSession {
    RoleSession {
        id: RoleSessionId::new(database.uuid()),
        role_id: role.id,
        service_id: role.service_id,
        key_id,
        partner_account_id: partner,
        name: "nightly".parse().unwrap(),
        created_at: now(),
        expires_at: later(900),
    }
}

pub(crate) fn gateway(database: &Database, service_id: ServiceId) -> Gateway {
    Gateway {
        id: GatewayId::new(database.uuid()),
        service_id,
        name: "edge".parse().unwrap(),
        key_hash: hash(database),
        created_at: now(),
        last_seen_at: None,
        report: None,
    }
}

pub(crate) fn report() -> GatewayReport {
    GatewayReport {
        bundle_version: Some(3),
        state: GatewayState::Refused,
        error: Some("the signature\u{0} does not verify".into()),
        arc_version: "0.1.0".into(),
    }
}

pub(crate) fn signing_key(database: &Database, service_id: ServiceId, purpose: KeyPurpose) -> SigningKey {
    SigningKey {
        kid: database.uuid().simple().to_string(),
        service_id,
        purpose,
        public_jwk: json!({"kty": "EC", "crv": "P-256"}),
        private: Sealed::new(vec![1, 2, 3]),
        state: KeyState::Active,
        created_at: now(),
    }
}

pub(crate) fn bundle(service_id: ServiceId, version: u64) -> StoredBundle {
    StoredBundle {
        service_id,
        version,
        digest: [9; 32],
        manifest: "a.b.c".into(),
        content: vec![0, 159, 146],
        created_at: now(),
    }
}

pub(crate) fn mail(database: &Database) -> OutboxMail {
    OutboxMail {
        id: MailId::new(database.uuid()),
        to: "ann@example.org".parse().unwrap(),
        content: Sealed::new(vec![4, 5, 6]),
        attempts: 0,
        created_at: now(),
        due_at: now(),
    }
}

/// A denial by that gateway, `seq` seconds after [`now`].
pub(crate) fn decision(database: &Database, gateway: &Gateway, seq: u64) -> Entry {
    let uuid = database.uuid();
    Entry {
        id: AuditId::new(uuid),
        at: later(i64::try_from(seq).unwrap()),
        service_id: gateway.service_id,
        gateway_id: gateway.id,
        boot: 1,
        seq,
        request_id: RequestId::new(uuid),
        bundle_version: Some(1),
        prev_hash: "0".repeat(64),
        record: Record::Decision(Box::new(DecisionRecord {
            entry: None,
            principal: Principal {
                kind: "key".into(),
                id: Some("key_x".into()),
                account_id: Some(AccountId::new(uuid)),
                ..Principal::default()
            },
            token_hash: None,
            ip: Some("127.0.0.1".into()),
            method: "GET".into(),
            operation: Some("/Patient/{id}".into()),
            interaction: Some("read".into()),
            resource_type: Some("Patient".into()),
            resource_id: Some("p1".into()),
            patient: Some("p1".into()),
            fields_used: vec![],
            fields_ignored: vec![],
            effect: Effect::Deny,
            status: Some(403),
            reason: Some(policy::Reason::OtherPatient),
            phase: 5,
            rules: vec![],
            obligations: vec![],
            related: vec![],
            micros: 3,
            mode: "enforce".into(),
        })),
    }
}

/// The outcome of the request of that decision.
pub(crate) fn outcome(database: &Database, decision: &Entry) -> Entry {
    Entry {
        id: AuditId::new(database.uuid()),
        at: decision.at + chrono::TimeDelta::milliseconds(1),
        seq: decision.seq + 1,
        record: Record::Outcome(OutcomeRecord {
            upstream_status: Some(200),
            status: 200,
            reason: None,
            released: 1,
            dropped: 0,
            bytes: 17,
        }),
        ..decision.clone()
    }
}

/// The retried call that every world has.
pub(crate) fn attempt(request_hash: &SecretHash) -> Attempt<'_> {
    Attempt { principal: "mem_x", key: "retry-1", request_hash }
}

impl World {
    /// Makes an account and one row of everything in it.
    pub(crate) fn new(database: &Database) -> Self {
        let (account, partner, provider) = (database.account(), database.account(), database.account());
        let foreign = service(database);
        database.within(provider, |tx| services::insert(tx, &foreign)).unwrap();

        let person = person(database);
        let member = member(database, person.id);
        let service = service(database);
        let role = role(database, service.id);
        let key = key(database);
        let gateway = gateway(database, service.id);
        let call = domain::Call { actor: Actor::Member(member.id), ..database.call(account) };
        let world = Self {
            account,
            partner,
            provider,
            session: session(database, member.id),
            spec: spec(database, service.id, 1),
            invitation: invitation(database, service.id),
            subscription: subscription(database, account, service.id, partner),
            subscribed: subscription(database, provider, foreign.id, account),
            key_roles: KeyRoles {
                key_id: key.id,
                service_id: foreign.id,
                service_account_id: provider,
                role_ids: role_ids(),
                updated_at: now(),
            },
            role_session: role_session(database, &role, key.id, partner),
            signing_key: signing_key(database, service.id, KeyPurpose::Token),
            bundle: bundle(service.id, 1),
            revocation: Revocation::Trust(role.id, partner),
            event: AdminEvent::new(&call, "service.create", &service.id)
                .changing(None, Some(json!({"name": "a NUL \u{0} is kept"}))),
            entry: decision(database, &gateway, 1),
            link: hash(database),
            request_hash: hash(database),
            mail: mail(database),
            gateway,
            person,
            member,
            service,
            role,
            key,
        };
        database.within(account, |tx| world.write(tx)).unwrap();
        database.within(provider, |tx| subscriptions::insert(tx, &world.subscribed)).unwrap();
        database.within(account, |tx| key_roles::put(tx, &world.key_roles)).unwrap();
        world
    }

    fn write(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        people::insert(tx, &self.person)?;
        members::insert(tx, &self.member)?;
        sessions::insert(tx, &self.session)?;
        services::insert(tx, &self.service)?;
        spec_versions::insert(tx, &self.spec)?;
        roles::insert(tx, &self.role)?;
        invitations::insert(tx, &self.invitation)?;
        subscriptions::insert(tx, &self.subscription)?;
        keys::insert(tx, &self.key)?;
        role_sessions::insert(tx, &self.role_session)?;
        gateways::insert(tx, &self.gateway)?;
        signing_keys::insert(tx, &self.signing_key)?;
        assert_eq!(bundles::reserve(tx, self.service.id)?, 1);
        bundles::insert(tx, &self.bundle)?;
        revocations::put(tx, self.service.id, &self.revocation, later(900))?;
        admin_events::append(tx, &self.event)?;
        audit::insert(tx, self.service.id, self.gateway.id, std::slice::from_ref(&self.entry), now())?;
        single_use::put(tx, Purpose::Invitation, LINK_SUBJECT, &self.link, &json!({"a": 1}), later(60))?;
        idempotency::begin(tx, &attempt(&self.request_hash), now(), later(60))?;
        outbox::put(tx, &self.mail)
    }

    /// All that this account can see, as text; two that are equal mean that nothing changed.
    pub(crate) fn snapshot(&self, database: &Database) -> String {
        let seen = database.pool.read(self.account, |tx| -> Result<_, StoreError> {
            let first = [
                format!("{:?}", accounts::get(tx)?),
                format!("{:?}", members::list(tx, Page::first(9))?),
                format!("{:?}", sessions::find_by_hash(tx, &self.session.hash, now())?),
                format!("{:?}", services::list(tx, Page::first(9))?),
                format!("{:?}", spec_versions::list(tx, self.service.id, Page::first(9))?),
                format!("{:?}", roles::all(tx, self.service.id)?),
                format!("{:?}", invitations::list(tx, self.service.id, Page::first(9))?),
                format!("{:?}", subscriptions::all(tx, self.service.id)?),
                format!("{:?}", subscribed_services::list(tx, Page::first(9))?),
                format!("{:?}", keys::list(tx, Page::first(9))?),
                format!("{:?}", key_roles::all(tx, self.key.id)?),
                format!("{:?}", role_sessions::list(tx, self.role.id, Page::first(9))?),
            ];
            let second = [
                format!("{:?}", gateways::list(tx, self.service.id, Page::first(9))?),
                format!("{:?}", signing_keys::all(tx, self.service.id, KeyPurpose::Token)?),
                format!("{:?}", bundles::latest(tx, self.service.id)?),
                format!("{:?}", revocations::all(tx, self.service.id, now())?),
                format!("{:?}", admin_events::list(tx, Page::first(9))?),
                format!("{:?}", audit::search(tx, self.service.id, &audit::Filter::default(), Page::first(9))?),
            ];
            Ok([first.join("\n"), second.join("\n")].join("\n"))
        });
        // What cannot be read without changing it is tried, and taken back.
        let tried = database.within(self.account, |tx| {
            let link = single_use::take(tx, Purpose::Invitation, &self.link, now())?;
            let begun = idempotency::begin(tx, &attempt(&self.request_hash), now(), later(60))?;
            let mail = outbox::take(tx, self.mail.id, now(), later(60))?;
            let version = bundles::reserve(tx, self.service.id)?;
            Err::<(), _>(StoreError::Refused(format!("{link:?}\n{begun:?}\n{mail:?}\n{version}")))
        });
        format!("{}\n{}", seen.unwrap(), tried.unwrap_err())
    }
}
