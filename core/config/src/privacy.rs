//! `[privacy]`: how much of people is kept, and under which keys.

use core_engine::privacy::policy;
use core_engine::processing::WrittenPart;
use core_engine::settings::Privacy;
use core_privacy::profile::{Action, Profile};
use core_settings::Values;

use crate::paths::Paths;
use crate::record;

/// The key file where no other is named, beside the configuration.
const DEFAULT_KEY_FILE: &str = "nexthink-graph.key";

/// Reads the table; without one everything that is declared is kept.
pub(crate) fn read(values: &mut Values, paths: &Paths) -> (Privacy, WrittenPart) {
    let profile: Result<Profile, _> = values.choice("privacy.profile").parse();
    let profile = values.checked("privacy.profile", profile);
    let key_file = paths.read(values, "privacy.key.file");
    let key_file = key_file.unwrap_or_else(|| paths.in_folder(DEFAULT_KEY_FILE));
    let mut overrides = Vec::new();
    for column in values.names_below("privacy.columns") {
        let path = format!("privacy.columns.{column}");
        let Some(action) = values.text(&path) else { continue };
        if let Some(action) = values.checked(&path, action.parse::<Action>()) {
            overrides.push((column, action));
        }
    }
    let profile = profile.unwrap_or_default();
    let policy = policy(profile, &overrides).unwrap_or_else(|errors| {
        for (column, error) in errors {
            values.problem(&format!("privacy.columns.{column}"), &error.to_string());
        }
        policy(profile, &[]).expect("nothing is overridden")
    });
    (Privacy { policy, key_file }, record::read(values))
}
