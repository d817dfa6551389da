//! `[fleet]`: where the files of many tenants are, and how many of them run at once.

use crate::setting::{Table, integer, path};

/// `[fleet]`
pub(super) const FLEET: Table = Table {
    path: "fleet",
    sentence: "A folder with a configuration file for each tenant; `[defaults.…]` beside it holds what \
               the files leave out",
    is_optional: true,
    starters: &[],
    settings: &[
        path("fleet.tenants", "Folder with the tenants' files, such as `acme.toml`")
            .required()
            .example(r#""tenants.d""#),
        integer("fleet.parallel_runs", (1, 256), "runs", "Runs at once, each in its own process")
            .default("4")
            .example("16"),
    ],
};
