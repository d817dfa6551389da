//! `store verify`: compares what is stored with its checksums. `copy` has `store copy`.

mod copy;

use core_cli::{Global, RowFormat};
use core_engine::generations::{self, VerifiedPart};

pub(super) use self::copy::copy;
use super::opened::Opened;
use crate::exit::{Exit, Failure};

/// Compares every file of every generation and of the events with its checksum.
pub(super) fn verify(global: &Global, format: RowFormat) -> Result<Exit, Failure> {
    let opened = Opened::new(global)?;
    let parts = generations::verify(&opened.tenant)?;
    if parts.is_empty() {
        return Err(Failure::usage(generations::nothing_to_verify(
            &opened.tenant,
            &opened.place(),
        )?));
    }
    let (objects, cells) =
        (parts.iter().map(VerifiedPart::to_json), parts.iter().map(VerifiedPart::cells));
    super::show::list(format, objects, ["part", "result"], cells, 2)?;
    match generations::damage_text(&parts) {
        None => Ok(Exit::Complete),
        Some(text) => Err(Failure::new(Exit::DataRefused, anyhow::Error::msg(text))),
    }
}
