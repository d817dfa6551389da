//! `[privacy]`: how much of people is kept, and under which keys.

use std::path::PathBuf;

use core_model::column::Column;
use core_model::step::Step;
use core_privacy::profile::{Action, Policy, Profile};

use super::flat::Settings;
use super::paths::Paths;
use super::record::{self, RecordOfProcessing};

/// The key file where no other is named, beside the configuration.
const DEFAULT_KEY_FILE: &str = "nexthink-graph.key";

/// What is kept of people.
#[derive(Debug)]
pub(crate) struct Privacy {
    pub(crate) policy: Policy,
    /// Where the keys are; they are read only where they are needed.
    pub(crate) key_file: PathBuf,
    /// What people have written for the record of processing.
    pub(crate) record: RecordOfProcessing,
}

/// Reads the table; without one everything that is declared is kept.
pub(super) fn read(settings: &mut Settings, paths: &Paths) -> Privacy {
    let profile = settings.text("privacy.profile").map(|it| it.parse::<Profile>());
    let profile = profile.and_then(|it| settings.checked("privacy.profile", it));
    let key_file = settings.path("privacy.key.file", paths);
    let key_file = key_file.unwrap_or_else(|| paths.in_folder(DEFAULT_KEY_FILE));
    let mut overrides = Vec::new();
    for column in settings.names_below("privacy.columns") {
        let path = format!("privacy.columns.{column}");
        let Some(action) = settings.text(&path) else { continue };
        if let Some(action) = settings.checked(&path, action.parse::<Action>()) {
            overrides.push((column, action));
        }
    }
    let profile = profile.unwrap_or_default();
    let policy = policy(profile, &overrides).unwrap_or_else(|errors| {
        for (column, error) in errors {
            settings.problem(&format!("privacy.columns.{column}"), &error.to_string());
        }
        policy(profile, &[]).expect("nothing is overridden")
    });
    Privacy { policy, key_file, record: record::read(settings) }
}

type Errors = Vec<(String, core_privacy::profile::OverrideError)>;

/// What a profile does to the columns of the linked steps.
pub(crate) fn policy(profile: Profile, overrides: &[(String, Action)]) -> Result<Policy, Errors> {
    let keys: Vec<&str> = Step::all().iter().flat_map(|it| it.key_columns()).collect();
    Policy::new(profile, &Column::all(), &keys, overrides)
}
