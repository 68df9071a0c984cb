//! The known attacks against servers: one that takes FHIR literally, and one that reads every request in the way that
//! suits an attacker.
//!
//! Invariant: what a case expects is read from its row, never from the engine. A case passes when the verdict is the
//! row's, what the row withholds does not arrive, and no byte of another patient's record reaches a caller who is
//! bound to ME, nor is one changed; with either server.

mod answers;
mod leniences;
mod world;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use decision::{Engine, Grants};
use fixture_fhir::{Mind, Server};
use policy::decision::Verdict;
use testkit::call::Call;
use testkit::markdown::{Document, Row};
use testkit::token::Token;

use crate::check::{engine, said_of};
use crate::drive::{self, Driven, Purpose, drive, follow};
use world::{CANARY, World};

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let all = SERVERS.iter().chain(leniences::LENIENCES).map(|(_, mind)| *mind);
    World::new(&all.collect::<Vec<_>>())
});

/// The tables of attacks, those of the cases that have a test of their own besides, and those beyond the collection.
static TABLES: LazyLock<Vec<Table>> = LazyLock::new(|| {
    let texts = [
        include_str!("../../../../tests/decisions/attacks.md"),
        include_str!("../../../../tests/decisions/attacks-labels.md"),
        include_str!("../../../../tests/decisions/attacks-tags.md"),
        include_str!("servers/more.md"),
    ];
    texts.map(Document::parse).map(|document| Table { engine: engine(&document), document }).into()
});

struct Table {
    engine: Engine,
    document: Document,
}

impl Table {
    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.document.rows.iter().filter(|row| row.has("id") && row.has("call"))
    }
}

/// The servers, by name.
const SERVERS: [(&str, Mind); 2] = [("honest", Mind::HONEST), ("hostile", Mind::HOSTILE)];

/// Whether no rule of the token reaches beyond ME.
fn bound(token: &str) -> bool {
    let beyond = ["user/", "system/", "role:", "basic:", "both:"];
    !token.split_whitespace().any(|word| beyond.iter().any(|start| word.starts_with(start)))
        && !token.contains("patient:OTHER")
}

/// Runs `act` with the request of a row.
fn with<T>(engine: &Engine, row: &Row, act: impl FnOnce(&policy::request::Request<'_>, &Grants) -> T) -> T {
    let (call, token) = (call(row), Token::parse(row.cell("token")));
    let headers = call.borrowed();
    let request = call.request(&headers, &token);
    act(&request, &Grants::new(engine, &request.caller))
}

/// The call of a row; `{x*500}` stands for that many of it.
fn call(row: &Row) -> Call {
    let text = row.cell("call");
    let Some((before, rest)) = text.split_once("{*") else { return Call::parse(text) };
    let (many, after) = rest.split_once('}').unwrap();
    let (count, what) = many.split_once(' ').unwrap();
    Call::parse(&format!("{before}{}{after}", what.repeat(count.parse().unwrap())))
}

/// What a row comes to on a server: the answer, and each page of it that the client can turn to.
fn run(engine: &Engine, row: &Row, server: &mut Server) -> Vec<Driven> {
    const MAX_PAGES: usize = 20;
    with(engine, row, |request, grants| {
        let mut all = vec![drive(engine, grants, request, server)];
        let mut links: Vec<String> = all[0].sealed.clone();
        while let Some(link) = links.pop().filter(|_| all.len() < MAX_PAGES) {
            let page = follow(engine, grants, request, server, &link);
            links.extend(page.sealed.iter().filter(|next| **next != link).cloned());
            all.push(page);
        }
        all
    })
}

/// The resources in an answer, by type and id, at whatever depth.
fn arrived(answers: &[Driven]) -> BTreeSet<String> {
    fn visit(value: &serde_json::Value, found: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Array(items) => items.iter().for_each(|item| visit(item, found)),
            serde_json::Value::Object(members) => {
                if let (Some(kind), Some(id)) = (members.get("resourceType"), members.get("id"))
                    && kind != "Bundle"
                {
                    found.insert(format!("{}/{}", kind.as_str().unwrap(), id.as_str().unwrap()));
                }
                members.values().for_each(|member| visit(member, found));
            }
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    for answer in answers {
        if let Ok(value) = serde_json::from_slice(&answer.body) {
            visit(&value, &mut found);
        }
    }
    found
}

/// Checks one row on one server; of an attack, what arrives as well.
fn check(engine: &Engine, row: &Row, mind: Mind, attack: bool) -> Result<(), String> {
    let mut server = WORLD.server(mind);
    let before: Vec<String> = server.all().into_iter().map(str::to_owned).collect();
    let answers = run(engine, row, &mut server);
    let driven = &answers[0];
    let said = said_of(&driven.decision);
    if said != row.cell("decision") {
        return Err(format!("the verdict is {said}, not {}", row.cell("decision")));
    }
    status(row, driven, attack)?;
    for answer in &answers {
        not_cached(answer)?;
    }
    if !driven.decision.permits() {
        let after = server.all();
        if driven.sent.iter().any(|sent| sent.purpose != Purpose::Lookup) || before != after {
            return Err("a denied request reached the server".to_owned());
        }
    }
    if attack {
        withheld(row, &answers, mind == Mind::HONEST)?;
    }
    let settings = &engine.bundle().parts().settings;
    // What everybody may read without a rule of the token's own.
    let open = match row.cell("token") {
        "none" => settings.unauthenticated_until.is_some(),
        "openid" => settings.default_user_role == policy::settings::DefaultUserRole::GetAll,
        _ => false,
    };
    if bound(row.cell("token")) && !open {
        nothing_of_others(row, &answers)?;
        others_unchanged(&before, &server)?;
    }
    Ok(())
}

/// The status that the row asks for.
fn status(row: &Row, driven: &Driven, attack: bool) -> Result<(), String> {
    let fits = match (driven.decision.verdict, row.cell("released")) {
        (Verdict::Deny { status, .. }, _) => driven.status == status,
        // What a row of the corpus says of its own answer need not be so of the server's.
        _ if !attack => true,
        (_, "not found") => driven.status == 404,
        // By a whole answer that was refused in the row; another server may have nothing to refuse in it.
        (_, number) if number.parse::<u16>().is_ok() => {
            driven.status == 200 || Ok(driven.status) == number.parse::<u16>()
        }
        (_, "") => true,
        _ => driven.status == 200,
    };
    if fits { Ok(()) } else { Err(format!("the status is {}", driven.status)) }
}

/// Z-09: no shared cache keeps an answer; that of `OPTIONS` has nothing in it.
fn not_cached(answer: &Driven) -> Result<(), String> {
    let all =
        |name: &str| answer.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| &**value).collect();
    let (control, vary): (Vec<&[u8]>, Vec<&[u8]>) = (all("cache-control"), all("vary"));
    let private = control == [b"private, no-store"] && vary == [b"Authorization"];
    if private || (answer.status == 204 && answer.sent.is_empty()) { Ok(()) } else { Err("a cache may keep it".into()) }
}

/// What the row's own answer withholds is withheld here; what it releases, an honest server's client gets.
fn withheld(row: &Row, answers: &[Driven], honest: bool) -> Result<(), String> {
    if row.cell("answer").is_empty() {
        return Ok(());
    }
    let arrived = arrived(answers);
    let has = |name: &str| arrived.iter().any(|known| known.ends_with(&format!("/{name}")));
    let released: Vec<&str> = match row.cell("released") {
        "nothing" | "not found" => Vec::new(),
        text => text.split_whitespace().filter(|word| word.parse::<u16>().is_err()).collect(),
    };
    if row.cell("released") == "not found" && !arrived.is_empty() {
        return Err(format!("{arrived:?} arrive, and nothing may"));
    }
    let answer = row.cell("answer").split_whitespace().map(|word| word.split_once(':').map_or(word, |(_, name)| name));
    if let Some(name) = answer.filter(|name| !released.contains(name)).find(|name| has(name)) {
        return Err(format!("{name} arrives"));
    }
    match released.iter().find(|name| honest && !has(name)) {
        Some(name) => Err(format!("{name} does not arrive: {arrived:?}")),
        None => Ok(()),
    }
}

/// No canary and no id of another patient's record, but for those that the client named, or that ME's records name.
fn nothing_of_others(row: &Row, answers: &[Driven]) -> Result<(), String> {
    for answer in answers {
        if answer.shows(CANARY) {
            return Err(format!("the canary arrives: {}", answer.text()));
        }
        let text = answer.text();
        let known = WORLD.records.iter().filter(|known| !known.foreign);
        let own: Vec<&str> = known.filter(|known| text.contains(&known.id)).map(|known| &*known.text).collect();
        for foreign in WORLD.foreign().filter(|known| names(&text, &known.id)) {
            let told = names(row.cell("call"), &foreign.id) || own.iter().any(|text| names(text, &foreign.id));
            if !told && !WORLD.records.iter().any(|known| !known.foreign && known.id == foreign.id) {
                return Err(format!("the id {} arrives: {text}", foreign.id));
            }
        }
    }
    Ok(())
}

/// Whether a text names this id as a whole.
fn names(text: &str, id: &str) -> bool {
    let part_of_an_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    text.match_indices(id).any(|(at, _)| {
        let before = text.as_bytes()[..at].last().is_some_and(|byte| part_of_an_id(*byte));
        let after = text.as_bytes().get(at + id.len()).is_some_and(|byte| part_of_an_id(*byte));
        !before && !after
    })
}

/// No record of another patient was changed, deleted, or made.
fn others_unchanged(before: &[String], server: &Server) -> Result<(), String> {
    let others = |text: &&str| text.contains(CANARY) || text.contains("Patient/OTHER");
    let old: BTreeSet<&str> = before.iter().map(String::as_str).filter(others).collect();
    let new: BTreeSet<&str> = server.all().into_iter().filter(others).collect();
    match old.symmetric_difference(&new).next() {
        Some(changed) => Err(format!("a record of another patient was written: {changed}")),
        None => Ok(()),
    }
}

/// Checks rows on both servers; how many there were, and what failed.
fn check_all<'t>(rows: impl Iterator<Item = (&'t Engine, &'t Row)>, attack: bool) -> (usize, Vec<String>) {
    let (mut faults, mut count) = (Vec::new(), 0);
    for (engine, row) in rows {
        for (name, mind) in SERVERS {
            count += 1;
            if let Err(fault) = check(engine, row, mind, attack) {
                let (line, token, call) = (row.line, row.cell("token"), row.cell("call"));
                faults.push(format!("line {line} `{token}` {call}, {name} server: {fault:.600}"));
            }
        }
    }
    (count, faults)
}

#[test]
fn every_attack_holds_against_an_honest_and_a_hostile_server() {
    let rows = TABLES.iter().flat_map(|table| table.rows().map(|row| (&table.engine, row)));
    let (count, faults) = check_all(rows, true);
    println!("{count} rows of attacks on servers");
    assert!(faults.is_empty(), "{} of {count}:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_attack_of_the_collection_is_run_against_servers() {
    let source = include_str!("servers/answers.rs");
    let ids: BTreeSet<&str> = TABLES.iter().flat_map(Table::rows).map(|row| row.cell("id")).collect();
    let known = crate::attacks::collection();
    let has_test = |id: &str| source.contains(&format!("\nfn {}_", id.replace('-', "_").to_ascii_lowercase()));
    let missing: Vec<_> = known.iter().flatten().filter(|id| !ids.contains(&***id) && !has_test(id)).collect();
    assert!(missing.is_empty(), "no row with a call and no test: {missing:?}");
}

#[test]
fn the_corpus_holds_against_an_honest_and_a_hostile_server() {
    let (mut count, mut faults) = (0, Vec::new());
    for (path, document) in crate::corpus::documents() {
        if document.header.get("service").is_none_or(|service| service != "ehr") || path.contains("attacks") {
            continue;
        }
        let engine = engine(&document);
        let rows = document.rows.iter().filter(|row| row.has("call")).map(|row| (&engine, row));
        let (rows, failed) = check_all(rows, false);
        count += rows;
        faults.extend(failed.into_iter().map(|fault| format!("{path} {fault}")));
    }
    println!("{count} rows of the corpus on servers");
    assert!(faults.is_empty(), "{} of {count}:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn whatever_the_settings_no_attack_shows_another_patients_record() {
    let settings = [
        "search_without_context=check",
        "compartment=subject_only chains=context",
        "related=reject results=reject",
        "everything=filter shared=referenced",
        "hide_existence=false legacy_400=true check_token=off",
    ];
    let mut faults = Vec::new();
    for words in settings {
        let engine = crate::check::ehr_engine(words);
        // A table with settings of its own means these: what labels hide may be ME's.
        let tables = TABLES.iter().filter(|table| !table.document.header.contains_key("settings"));
        for row in tables.flat_map(Table::rows).filter(|row| bound(row.cell("token"))) {
            let mut server = WORLD.server(Mind::HOSTILE);
            let before: Vec<String> = server.all().into_iter().map(str::to_owned).collect();
            let answers = run(&engine, row, &mut server);
            if let Err(fault) = nothing_of_others(row, &answers).and_then(|()| others_unchanged(&before, &server)) {
                faults.push(format!("{words}: `{}` {}: {fault:.600}", row.cell("token"), row.cell("call")));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_the_checks_look_for_they_find() {
    let mut seen = 0;
    for table in &*TABLES {
        for row in table.rows().filter(|row| bound(row.cell("token"))) {
            let mut server = WORLD.server(Mind::HOSTILE);
            let before: Vec<String> = server.all().into_iter().map(str::to_owned).collect();
            let driven = run(&table.engine, row, &mut server).swap_remove(0);
            let answer = with(&table.engine, row, |request, _| drive::bypass(request, &mut server));
            let leaks = drive::holds(&answer.body, CANARY.as_bytes());
            let raw = Driven { body: answer.body, ..driven };
            assert!(!leaks || nothing_of_others(row, &[raw]).is_err(), "{}", row.cell("call"));
            seen += usize::from(leaks || others_unchanged(&before, &server).is_err());
        }
    }
    assert!(seen > 140, "{seen}");
    // An id alone is found as well, and one that is a part of another is not.
    let text = TABLES[0].rows().find(|row| row.cell("call") == "GET /Observation").unwrap();
    let driven = run(&TABLES[0].engine, text, &mut WORLD.server(Mind::HONEST)).swap_remove(0);
    for (body, found) in [("Observation/OBS-INLINE", true), ("Observation/OBS-INLINE-1", false), ("", false)] {
        let told = Driven { body: body.as_bytes().to_vec(), ..driven.clone() };
        assert_eq!(nothing_of_others(text, &[told]).is_err(), found, "{body}");
    }
}
