//! `mcp`: serves an assistant over standard input and output.

use crate::cli::Global;
use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::mcp;

/// Serves until the client goes away. Nothing but the protocol is printed to standard output.
pub(super) async fn serve(global: &Global) -> Result<Exit, Failure> {
    let tenant = super::tenant(global)?;
    let personal = match config::find(global.config.as_deref()) {
        Some(source) => Config::load(&source)?.mcp.personal,
        None => false,
    };
    mcp::serve(tenant, global.config.as_deref(), personal).await
}
