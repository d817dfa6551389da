//! `privacy`: what is known of people, the keys, the ledger, retention, the record of processing.

mod erase;
mod ledger;
mod record;
mod retention;
mod retrieve;

use core_cli::{Global, KeyCommand, LedgerCommand, PrivacyCommand, RowFormat, SuppressionCommand};
use core_engine::inventory::{self, InventoryColumn};
use core_engine::keys;
use core_engine::privacy;
use core_privacy::profile::Profile;
use serde_json::json;

use super::{configured, show};
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
    let objects = columns.iter().map(|column| column.to_json(&policy));
    let cells = columns.iter().map(InventoryColumn::cells);
    show::list(format, objects, InventoryColumn::HEADER, cells, 4)
}

fn new_keys(config: &Config) -> Result<Exit, Failure> {
    let id = keys::create(engine(config))?;
    output::result(&format!("made key {id} in {}", config.privacy.key_file.display()));
    output::note("keep a copy of the key file elsewhere: a lost key cannot be made again");
    Ok(Exit::Complete)
}

fn list_keys(config: &Config, format: RowFormat) -> Result<Exit, Failure> {
    let keys = privacy::load_keys(engine(config))?;
    let keys = keys.describe();
    let objects = keys
        .iter()
        .map(|key| json!({ "id": key.id, "created": key.created, "state": key.state.name() }));
    let cells = keys
        .iter()
        .map(|key| [key.id.to_owned(), key.created.to_owned(), key.state.name().to_owned()]);
    show::list(format, objects, ["key", "created", "state"], cells, 3)
}

fn rotate(config: &Config) -> Result<Exit, Failure> {
    let id = keys::rotate(engine(config))?;
    output::result(&format!("the next run makes its pseudonyms with key {id}"));
    output::note("make a new copy of the key file");
    Ok(Exit::Complete)
}

fn retire(config: &Config, id: &str) -> Result<Exit, Failure> {
    let remark = keys::retire(engine(config), id)?;
    output::result(&format!("key {id} is retired: its pseudonyms cannot be made again"));
    output::notes(&Vec::from_iter(remark));
    Ok(Exit::Complete)
}
