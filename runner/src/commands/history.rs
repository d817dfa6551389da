//! `history`: the generations that are kept.

use core_cli::{Global, RowFormat};
use core_engine::generations::{self, KeptGeneration};

use crate::exit::{Exit, Failure};

/// Lists the generations, the newest first.
pub(super) fn history(global: &Global, format: RowFormat) -> Result<Exit, Failure> {
    let kept = generations::kept(&super::tenant(global)?)?;
    let (objects, cells) =
        (kept.iter().map(KeptGeneration::to_json), kept.iter().map(KeptGeneration::cells));
    super::show::list(format, objects, KeptGeneration::HEADER, cells, 3)
}
