//! The story: a document becomes a Service, a partner joins, a gateway decides, and everything is written down.
//!
//! Invariant: whatever is shown went over HTTP between the programs. The story knows them by their URLs, their
//! mail files and their enrolment file; it links none of them.

use std::path::{Path, PathBuf};

use crate::args::Args;
use crate::client::Named;
use crate::failure::Failure;
use crate::people::Who;
use crate::processes::{Program, free_port};
use crate::stage::Stage;
use crate::upstream::{self, Upstream};

mod audit;
mod change;
mod farewell;
mod gateway;
mod outage;
mod owner;
mod partner;
mod plain;
mod play;
mod requests;
mod rows;
mod suspension;

pub(crate) use farewell::{farewell, folder};

/// The OpenAPI document of the sample EHR.
const DOCUMENT: &str = include_str!("../assets/ehr-openapi.yaml");
/// The base in it that the gateway's takes the place of.
const DOCUMENT_BASE: &str = "https://ehr.example/fhir";

/// A person with an Account.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) email: String,
    pub(crate) password: String,
    pub(crate) account_id: String,
    /// The session token: `$OWNER` or `$PARTNER`.
    pub(crate) session: Named,
}

/// The Service of the story.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) id: String,
    /// Whether it decides in FHIR's terms.
    pub(crate) fhir: bool,
    /// The keys of its operations: `GET:/Patient/{id}`.
    pub(crate) operations: Vec<String>,
}

/// The partner's key, and what it was given.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: Named,
    pub(crate) role_ids: Vec<String>,
}

/// The running programs; they end when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    pub(crate) ehr: Option<Program>,
    pub(crate) control: Option<Program>,
    pub(crate) gateway: Option<Program>,
}

/// What the story leaves standing.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) owner: Member,
    pub(crate) partner: Member,
    pub(crate) service: Service,
    pub(crate) key: Key,
    pub(crate) upstream: Upstream,
    pub(crate) tokens: rows::Tokens,
    /// The custom role, and the operations that it had at first.
    pub(crate) front_desk: owner::CustomRole,
}

/// Where the programs listen: known before they start, because each is told of the others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    control: u16,
    gateway: u16,
    status: u16,
}

/// Plays the story; what is left running is in `programs`, also when it fails.
pub(crate) async fn tell(stage: &mut Stage, args: &Args, programs: &mut Programs) -> Result<Standing, Failure> {
    let ports = Ports { control: free_port()?, gateway: free_port()?, status: free_port()? };
    let logs = stage.folder.join("logs");
    stage.gateway.value = format!("http://127.0.0.1:{}{}", ports.gateway, crate::ehr::BASE_PATH);
    let upstream = start(stage, args, programs, (ports, &logs)).await?;
    let document = document(stage, args)?;

    let owner = owner::sign_up(stage).await?;
    let service = owner::create_service(stage, &owner, &document).await?;
    let roles = owner::roles(stage, &owner, &service).await?;
    let partner = partner::join(stage, &owner, (&service, &roles)).await?;
    let key = partner::make_key(stage, &partner, (&service, &roles)).await?;
    gateway::enrol(stage, (&owner, &service), ports, (programs, &upstream)).await?;

    let mut tokens = partner::tokens(stage, (&key, &service), (&roles, &upstream)).await?;
    let mut play = play::Play::new();
    if service.fhir {
        play.fhir(stage, (&owner, &service), (&upstream, &tokens)).await?;
        partner::assume_role(stage, (&owner, &partner), (&service, &key), &mut tokens).await?;
        play.table(stage, (&owner, &service), (&upstream, &tokens), requests::assumed()).await?;
    } else {
        stage.chapter("Requests through the gateway");
        play.table(stage, (&owner, &service), (&upstream, &tokens), plain::rows(&service, &roles)).await?;
        stage.leave_out(
            "patients, the lent role, the outage, the change and the suspension: they need a FHIR Service with Patient \
             and Observation at its base",
        );
    }
    audit::read_back(stage, (&owner.session, &service), (&upstream.a.id, play.made())).await?;
    outage::survive(stage, (&owner, &service), (&upstream, &tokens), (programs, &mut play, ports)).await?;
    let front_desk =
        change::role(stage, (&owner, &service), (&upstream, &tokens), (&mut play, roles.front_desk.clone())).await?;
    suspension::suspend(stage, (&owner, &service), (&upstream, &mut tokens), (&mut play, &key, &roles)).await?;
    measure(stage, programs);
    Ok(Standing { owner, partner, service, key, upstream, tokens, front_desk })
}

/// Starts the control plane and, unless another FHIR server is named, the sample EHR.
async fn start(
    stage: &mut Stage,
    args: &Args,
    programs: &mut Programs,
    (ports, logs): (Ports, &Path),
) -> Result<Upstream, Failure> {
    stage.chapter("Three programs, each a process of its own");
    std::fs::create_dir_all(logs).map_err(|error| Failure::File(logs.to_owned(), error))?;
    stage.control.value = format!("http://127.0.0.1:{}", ports.control);
    programs.control = Some(start_control(stage, ports).await?);
    stage.tell(Who::Owner, "firewarden serve", &format!("the control plane, at {}", stage.control.value), true);
    if let Some(url) = &args.upstream {
        return upstream::prepare(stage, url).await;
    }
    let ehr = Program::start("ehr", &["demo-ehr", "--listen", "127.0.0.1:0"], logs).await?;
    let upstream = Upstream::sample(&ehr.url);
    stage.tell(Who::Owner, "the sample EHR", &format!("a FHIR server that trusts everyone, at {}", ehr.url), true);
    programs.ehr = Some(ehr);
    Ok(upstream)
}

/// Starts the control plane on its folder, new or existing.
async fn start_control(stage: &Stage, ports: Ports) -> Result<Program, Failure> {
    let folder = stage.folder.join("control-plane");
    let listen = format!("127.0.0.1:{}", ports.control);
    let arguments =
        ["serve", "--data-dir", &folder.to_string_lossy(), "--listen", &listen, "--public-url", &stage.control.value];
    Program::start("control-plane", &arguments, &stage.folder.join("logs")).await
}

/// The document to upload: its bytes, and the file that holds them.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) bytes: Vec<u8>,
    pub(crate) file: PathBuf,
    /// Whether its base has to be set after the upload.
    pub(crate) foreign: bool,
}

fn document(stage: &mut Stage, args: &Args) -> Result<Document, Failure> {
    if let Some(file) = &args.openapi {
        let bytes = std::fs::read(file).map_err(|error| Failure::File(file.clone(), error))?;
        return Ok(Document { bytes, file: file.clone(), foreign: true });
    }
    let file = stage.folder.join("ehr-openapi.yaml");
    let bytes = DOCUMENT.replace(DOCUMENT_BASE, &stage.gateway.value).into_bytes();
    std::fs::write(&file, &bytes).map_err(|error| Failure::File(file.clone(), error))?;
    Ok(Document { bytes, file, foreign: false })
}

fn measure(stage: &mut Stage, programs: &Programs) {
    let resident = |program: &Option<Program>| program.as_ref().and_then(Program::resident_bytes);
    stage.report.measured.serve_resident_bytes = resident(&programs.control);
    stage.report.measured.arc_resident_bytes = resident(&programs.gateway);
}

/// A password that nobody else on this machine knows.
fn password() -> Result<String, Failure> {
    use std::io::Read;
    let source = Path::new("/dev/urandom");
    let mut bytes = [0_u8; 12];
    let read = std::fs::File::open(source).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|error| Failure::File(source.to_owned(), error))?;
    Ok(bytes.iter().fold("demo-".to_owned(), |text, byte| text + &format!("{byte:02x}")))
}

/// A text that the rest of the story needs.
fn text(stage: &mut Stage, answer: &crate::client::Answer, pointer: &str) -> Result<String, Failure> {
    match answer.text(pointer) {
        Some(text) => Ok(text.to_owned()),
        None => Err(stage.fail(&format!("the answer's `{pointer}`"), "it is missing".to_owned())),
    }
}

/// A token that the story made before.
fn text_of(token: Option<&Named>) -> Result<Named, Failure> {
    let missing = || Failure::Unexpected { what: "a token".to_owned(), found: "it was not made".to_owned() };
    token.cloned().ok_or_else(missing)
}
