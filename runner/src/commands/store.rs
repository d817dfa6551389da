//! `store verify`: compares what is stored with its checksums. `copy` has `store copy`.

mod copy;

use core_cli::{Global, RowFormat};
use core_engine::generations::{self, VerifiedPart};

pub(super) use self::copy::copy;
use crate::exit::{Exit, Failure};
use crate::output;

/// Compares every file of every generation and of the events with its checksum.
pub(super) fn verify(global: &Global, format: RowFormat) -> Result<Exit, Failure> {
    let tenant = super::tenant(global)?;
    let parts = generations::verify(&tenant)?;
    if parts.is_empty() {
        output::note(&format!("nothing is stored of tenant {}", tenant.name()));
        return Ok(Exit::Complete);
    }
    let (objects, cells) =
        (parts.iter().map(VerifiedPart::to_json), parts.iter().map(VerifiedPart::cells));
    super::show::list(format, objects, ["part", "result"], cells, 2)?;
    match generations::damage_text(&parts) {
        None => Ok(Exit::Complete),
        Some(text) => Err(Failure::new(Exit::DataRefused, anyhow::Error::msg(text))),
    }
}
