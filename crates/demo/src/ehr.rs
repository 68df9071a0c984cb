//! The sample EHR: a small FHIR R4 server with synthetic patients, in memory.
//!
//! Invariant: it guards nothing. Whoever reaches it reads and writes every record, unknown search
//! parameters are ignored as FHIR's lenient handling has it, and errors tell what they know; so whatever
//! a gateway in front of it lets slip shows.

use std::sync::RwLock;

use actix_web::web::Data;
use actix_web::{App, HttpServer};

mod answers;
mod dates;
mod matching;
mod parameters;
mod query;
mod records;
mod resource;
mod routes;
mod search;

pub(crate) use records::SEED;

/// The path that the server answers below.
pub const BASE_PATH: &str = "/fhir";

/// One worker is enough for one demo, and keeps the process small.
const WORKERS: usize = 1;

/// The settings of the sample EHR.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    pub listen: String,
}

/// Serves the sample EHR until the process is stopped; prints where it listens once it does.
pub async fn serve(args: Args) -> std::io::Result<()> {
    let listener = std::net::TcpListener::bind(&args.listen)?;
    let base = format!("http://{}{BASE_PATH}", listener.local_addr()?);
    let records = records::Records::seeded(&base).map_err(std::io::Error::other)?;
    let records = Data::new(RwLock::new(records));
    let server = HttpServer::new(move || App::new().app_data(Data::clone(&records)).configure(routes::mount))
        .workers(WORKERS)
        .listen(listener)?
        .run();
    println!("listening on {base}");
    server.await
}
