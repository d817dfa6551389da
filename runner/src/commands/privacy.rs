//! `privacy`: what is known of people, the keys, the ledger, retention, the record of processing.

mod erase;
mod ledger;
mod record;
mod retention;
mod retrieve;

use core_engine::inventory::{self, InventoryColumn};
use core_engine::keys;
use core_engine::privacy;
use core_privacy::keys::KeyState;
use core_privacy::profile::{Action, Profile};
use serde_json::{Value, json};

use super::{configured, show};
use crate::cli::{
    Global, KeyCommand, LedgerCommand, PrivacyCommand, RowFormat, SuppressionCommand,
};
use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::host::engine;
use crate::output;

/// Does what stands after `privacy`.
pub(super) fn dispatch(global: &Global, command: PrivacyCommand) -> Result<Exit, Failure> {
    match command {
        PrivacyCommand::Erase(arguments) => erase::erase(global, &arguments),
        PrivacyCommand::Retrieve(arguments) => retrieve::retrieve(global, &arguments),
        PrivacyCommand::Suppression(SuppressionCommand::List { output }) => {
            erase::list(global, output.output)
        }
        PrivacyCommand::Suppression(SuppressionCommand::Lift { id, reason }) => {
            erase::lift(global, &id, &reason)
        }
        PrivacyCommand::Suppression(SuppressionCommand::Apply { remove_damaged }) => {
            erase::apply(global, remove_damaged)
        }
        PrivacyCommand::Inventory { output } => inventory(global, output.output),
        PrivacyCommand::Key(KeyCommand::New) => new_keys(&configured(global)?),
        PrivacyCommand::Key(KeyCommand::List { output }) => {
            list_keys(&configured(global)?, output.output)
        }
        PrivacyCommand::Key(KeyCommand::Rotate) => rotate(&configured(global)?),
        PrivacyCommand::Key(KeyCommand::Retire { id }) => retire(&configured(global)?, &id),
        PrivacyCommand::Ledger(LedgerCommand::List { events, output }) => {
            ledger::list(global, &events, output.output)
        }
        PrivacyCommand::Ledger(LedgerCommand::Verify { from, output }) => {
            ledger::verify(global, &from, output)
        }
        PrivacyCommand::Retention(arguments) => retention::retention(global, arguments),
        PrivacyCommand::Record { output } => record::record(global, output),
    }
}

/// Lists every column; under the full profile where nothing is configured.
fn inventory(global: &Global, format: RowFormat) -> Result<Exit, Failure> {
    let policy = match config::find(global.config.as_deref()) {
        Some(source) => config::load(&source)?.settings.privacy.policy,
        None => privacy::policy(Profile::Full, &[]).expect("nothing is overridden"),
    };
    let columns = inventory::columns(&policy);
    if format != RowFormat::Table {
        let objects = columns.iter().map(|InventoryColumn { column, action, properties }| {
            json!({
                "column": column.name,
                "class": column.class.name(),
                "action": action.name(),
                "profile": policy.profile().name(),
                "properties": properties,
            })
        });
        return show::rows(objects, format);
    }
    let rows = columns.iter().map(|InventoryColumn { column, action, properties }| {
        let is_dropped = *action == Action::Drop;
        let goes_to = if is_dropped { String::new() } else { properties.join("\n") };
        [column.name.to_owned(), column.class.name().to_owned(), action.name().to_owned(), goes_to]
    });
    output::result(&output::table(["column", "class", "action", "goes to"], rows, 4));
    Ok(Exit::Complete)
}

fn new_keys(config: &Config) -> Result<Exit, Failure> {
    let id = keys::create(engine(config))?;
    output::result(&format!("made key {id} in {}", config.privacy.key_file.display()));
    output::note("keep a copy of the file where the store is not: nobody can make this key again");
    Ok(Exit::Complete)
}

fn list_keys(config: &Config, format: RowFormat) -> Result<Exit, Failure> {
    let keys = privacy::load_keys(engine(config))?;
    let keys = keys.describe();
    if format != RowFormat::Table {
        let objects: Vec<Value> = keys
            .iter()
            .map(|key| json!({ "id": key.id, "created": key.created, "state": state(key.state) }))
            .collect();
        return show::rows(objects, format);
    }
    let rows = keys
        .iter()
        .map(|key| [key.id.to_owned(), key.created.to_owned(), state(key.state).to_owned()]);
    output::result(&output::table(["key", "created", "state"], rows, 3));
    Ok(Exit::Complete)
}

fn state(state: KeyState) -> &'static str {
    match state {
        KeyState::Active => "active",
        KeyState::Earlier => "earlier",
        KeyState::Retired => "retired",
        KeyState::Lasting => "lasting",
    }
}

fn rotate(config: &Config) -> Result<Exit, Failure> {
    let id = keys::rotate(engine(config))?;
    output::result(&format!("the next run makes its pseudonyms with key {id}"));
    output::note("keep a copy of the file anew");
    Ok(Exit::Complete)
}

fn retire(config: &Config, id: &str) -> Result<Exit, Failure> {
    keys::retire(engine(config), id)?;
    output::result(&format!("key {id} is retired: nobody can make its pseudonyms again"));
    Ok(Exit::Complete)
}
