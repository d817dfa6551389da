//! `privacy`: what is known of people, the keys, the ledger, retention, the record of processing.

mod erase;
mod ledger;
pub(super) mod page;
mod record;
mod retention;
mod retrieve;

use core_engine::ledger::Event;
use core_engine::privacy;
use core_model::column::Column;
use core_model::step::Step;
use core_privacy::keys::{KEY_BYTES, KeyRing, KeyState, NEW_RING_BYTES};
use core_privacy::profile::{Action, Policy, Profile};
use core_store::Store;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{configured, show};
use crate::cli::{
    Global, KeyCommand, LedgerCommand, PrivacyCommand, RowFormat, SuppressionCommand,
};
use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::host::{engine, host};
use crate::output;
use crate::system;

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
        Some(source) => Config::load(&source)?.settings.privacy.policy,
        None => core_engine::privacy::policy(Profile::Full, &[]).expect("nothing is overridden"),
    };
    let lines = inventory_of(&policy);
    if format != RowFormat::Table {
        let objects: Vec<Value> = lines
            .iter()
            .map(|(column, action, goes_to)| {
                json!({
                    "column": column.name,
                    "class": column.class.name(),
                    "action": action.name(),
                    "profile": policy.profile().name(),
                    "properties": goes_to,
                })
            })
            .collect();
        return show::rows(&objects, format);
    }
    let rows = lines.iter().map(|(column, action, goes_to)| {
        let goes_to = if *action == Action::Drop { String::new() } else { goes_to.join("\n") };
        [column.name.to_owned(), column.class.name().to_owned(), action.name().to_owned(), goes_to]
    });
    output::result(&output::table(["column", "class", "action", "goes to"], rows, 4));
    Ok(Exit::Complete)
}

/// Every column with its action and the properties that are read from it.
fn inventory_of(policy: &Policy) -> Vec<(&'static Column, Action, Vec<String>)> {
    let steps = Step::all();
    let lines = policy.columns().map(|(column, action)| {
        let mut goes_to = Vec::new();
        for entity in steps.iter().flat_map(|step| step.entities) {
            let read =
                entity.properties.iter().filter(|property| property.columns.contains(&column.name));
            goes_to.extend(read.map(|property| format!("{}.{}", entity.type_name, property.name)));
            if entity.key_column == column.name
                || entity.fallback_key_columns.contains(&column.name)
            {
                goes_to.push(format!("{}._key", entity.type_name));
            }
        }
        (column, action, goes_to)
    });
    lines.collect()
}

fn new_keys(config: &Config) -> Result<Exit, Failure> {
    let file = privacy::key_file(engine(config)).lock()?;
    let shown = config.privacy.key_file.display();
    if file.exists() {
        return Err(Failure::usage(format!(
            "{shown} is there already; a new key in its place would cut the graph off from what was \
             published before: `{} privacy key rotate` makes another one beside it",
            system::own_command()
        )));
    }
    let mut random = Zeroizing::new([0; NEW_RING_BYTES]);
    host().fill_random(random.as_mut_slice())?;
    let keys = KeyRing::new(&system::now().to_rfc3339(), &random);
    record_key(config, "made", keys.active_id())?;
    file.save(&keys)?;
    output::result(&format!("made key {} in {shown}", keys.active_id()));
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
        return show::rows(&objects, format);
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
    let file = privacy::key_file(engine(config)).lock()?;
    let mut keys = file.load()?;
    let mut random = Zeroizing::new([0; KEY_BYTES]);
    host().fill_random(random.as_mut_slice())?;
    keys.rotate(&system::now().to_rfc3339(), &random);
    record_key(config, "rotated", keys.active_id())?;
    file.save(&keys)?;
    output::result(&format!("the next run makes its pseudonyms with key {}", keys.active_id()));
    output::note("keep a copy of the file anew");
    Ok(Exit::Complete)
}

fn retire(config: &Config, id: &str) -> Result<Exit, Failure> {
    let file = privacy::key_file(engine(config)).lock()?;
    let mut keys = file.load()?;
    let tenant = Store::open(config.store.clone())?.tenant(config.tenant.as_str())?;
    if let Some(published) = tenant.current()?
        && published.manifest().privacy.as_ref().and_then(|mark| mark.key.as_deref()) == Some(id)
    {
        return Err(Failure::usage(format!(
            "the published generation {} has pseudonyms of key {id}: run first",
            published.id()
        )));
    }
    let refused = |error| Failure::new(Exit::Configuration, error);
    keys.retire(id).map_err(refused)?;
    record_key(config, "retired", id)?;
    file.save(&keys)?;
    output::result(&format!("key {id} is retired: nobody can make its pseudonyms again"));
    Ok(Exit::Complete)
}

/// Tells the ledger what is about to be done with a key.
fn record_key(config: &Config, action: &str, key: &str) -> Result<(), Failure> {
    let tenant = Store::open(config.store.clone())?.tenant(config.tenant.as_str())?;
    core_engine::ledger::record(host(), &tenant, &Event::Key { action, key })?;
    Ok(())
}
