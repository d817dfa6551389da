//! `[mcp]`: what assistants are shown.

use core_settings::Values;

/// The settings of `mcp`.
#[derive(Debug, Default, Clone, Copy)]
pub struct Mcp {
    /// True if personal columns are shown.
    pub personal: bool,
}

/// Reads the table; without one personal columns are withheld.
pub(crate) fn read(values: &mut Values) -> Mcp {
    Mcp { personal: values.flag("mcp.personal") }
}
