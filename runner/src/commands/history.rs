//! `history`: the generations that are kept.

use core_engine::generations::{self, KeptGeneration};

use crate::cli::{Global, RowFormat};
use crate::exit::{Exit, Failure};
use crate::output;

/// Lists the generations, the newest first.
pub(super) fn history(global: &Global, format: RowFormat) -> Result<Exit, Failure> {
    let kept = generations::kept(&super::tenant(global)?)?;
    if format != RowFormat::Table {
        return super::show::rows(kept.iter().map(KeptGeneration::to_json), format);
    }
    let rows = kept.iter().map(KeptGeneration::cells);
    output::result(&output::table(KeptGeneration::HEADER, rows, 3));
    Ok(Exit::Complete)
}
