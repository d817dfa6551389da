//! The keys of pseudonyms: created, rotated, retired. Each change is in the ledger before it is in the key file.

use core_privacy::keys::{KEY_BYTES, KeyRing, NEW_RING_BYTES};
use core_store::Generation;
use core_terminal::count;
use zeroize::Zeroizing;

use crate::engine::Engine;
use crate::failure::{Failure, FailureKind};
use crate::ledger::{self, Event};
use crate::privacy;

/// Creates the key file, which must not exist. Returns the ID of the active key.
///
/// # Errors
///
/// There is a key file already, or the key file or the ledger cannot be written, or the system has no random numbers.
pub fn create(engine: Engine<'_>) -> Result<String, Failure> {
    let file = privacy::key_file(engine).lock()?;
    if file.exists() {
        return Err(Failure::configuration(format!(
            "{} is there already; a new key in its place would cut the graph off from what was published before: \
             `{} privacy key rotate` makes another one beside it",
            engine.settings.privacy.key_file.display(),
            engine.host.program
        )));
    }
    let mut random = Zeroizing::new([0; NEW_RING_BYTES]);
    engine.host.fill_random(random.as_mut_slice())?;
    let keys = KeyRing::new(&engine.host.now().to_rfc3339(), &random);
    record(engine, "made", keys.active_id())?;
    file.save(&keys)?;
    Ok(keys.active_id().to_owned())
}

/// Adds a key and makes it the active one. Returns its ID.
///
/// # Errors
///
/// The key file or the ledger cannot be written, or the system has no random numbers.
pub fn rotate(engine: Engine<'_>) -> Result<String, Failure> {
    let file = privacy::key_file(engine).lock()?;
    let mut keys = file.load()?;
    let mut random = Zeroizing::new([0; KEY_BYTES]);
    engine.host.fill_random(random.as_mut_slice())?;
    keys.rotate(&engine.host.now().to_rfc3339(), &random);
    record(engine, "rotated", keys.active_id())?;
    file.save(&keys)?;
    Ok(keys.active_id().to_owned())
}

/// Destroys an earlier key, so that its pseudonyms cannot be made again. Returns a remark if kept generations have such
/// pseudonyms.
///
/// # Errors
///
/// There is no such key, it is the active one, or the published generation has pseudonyms of it; or the key file or
/// the ledger cannot be written.
pub fn retire(engine: Engine<'_>, id: &str) -> Result<Option<String>, Failure> {
    let file = privacy::key_file(engine).lock()?;
    let mut keys = file.load()?;
    let tenant = engine.tenant()?;
    let has_key = |generation: &Generation| {
        generation.manifest().privacy.as_ref().and_then(|mark| mark.key.as_deref()) == Some(id)
    };
    if let Some(published) = tenant.current()?.filter(has_key) {
        return Err(Failure::configuration(format!(
            "the published generation {} has pseudonyms of key {id}: run first",
            published.id()
        )));
    }
    keys.retire(id).map_err(|error| Failure::new(FailureKind::Configuration, error))?;
    record(engine, "retired", id)?;
    file.save(&keys)?;
    // The key is retired, whatever can be read.
    let history = tenant.history().unwrap_or_default();
    let kept = history.iter().filter_map(|entry| tenant.generation(&entry.id).ok());
    let kept = kept.filter(has_key).count();
    Ok((kept > 0).then(|| {
        let kept = count(kept, "kept generation");
        format!("its pseudonyms are in {kept}: until retention removes that, no erasure finds anyone there")
    }))
}

fn record(engine: Engine<'_>, action: &str, key: &str) -> Result<(), Failure> {
    ledger::record(engine.host, &engine.tenant()?, &Event::Key { action, key })?;
    Ok(())
}
