//! `destroy`: removes all that is stored of a tenant, and certifies it.

use std::io::{self, BufRead as _, IsTerminal as _};

use core_cli::{DestroyArguments, Global, ReportFormat};
use core_engine::Engine;
use core_engine::destruction::{self, Found, Removal};
use core_store::{Destruction, Store};

use crate::exit::{Exit, Failure};
use crate::host::{engine, host};
use crate::{output, system};

/// Removes a tenant, or shows what would go.
pub(super) fn destroy(global: &Global, arguments: &DestroyArguments) -> Result<Exit, Failure> {
    let DestroyArguments { tenant: name, dry_run, output, yes } = arguments;
    let config = super::configured(global)?;
    if config.bucket.is_some() && name != config.tenant.as_str() {
        return Err(Failure::usage(format!(
            "this configuration is of tenant {}, and only its working copy of the bucket is open: name the \
             configuration of {name} with --config",
            config.tenant.as_str()
        )));
    }
    let removal = match destruction::find(engine(&config), name, *dry_run)? {
        Found::Stored(removal) => removal,
        Found::Interrupted(_) if *dry_run => {
            output::note(
                "a destruction of this tenant was interrupted: without --dry-run it is finished",
            );
            return gone(engine(&config), name, false);
        }
        Found::Interrupted(destruction) => {
            finish(*output, destruction)?;
            return gone(engine(&config), name, true);
        }
    };
    if *dry_run || !yes {
        show(&removal, *dry_run, *output)?;
        if *dry_run {
            return Ok(Exit::Complete);
        }
        confirm(name)?;
    }
    finish(*output, removal.begin(host())?)
}

/// Checks that no run has stored something since a destruction was interrupted.
fn gone(engine: Engine<'_>, name: &str, is_finished: bool) -> Result<Exit, Failure> {
    let store = Store::open(engine.settings.store.clone())?;
    destruction::check_gone(engine.host, &store.tenant(name)?, is_finished)?;
    Ok(Exit::Complete)
}

fn show(removal: &Removal, is_dry_run: bool, format: ReportFormat) -> Result<(), Failure> {
    if format == ReportFormat::Json {
        return Ok(output::json(&removal.preview(is_dry_run))?);
    }
    output::result(&output::table(["stored", "files", "size"], removal.rows(), 1));
    output::notes(&removal.remarks());
    Ok(())
}

/// Asks for the tenant's name, so that a slip of the keyboard removes no tenant.
fn confirm(name: &str) -> Result<(), Failure> {
    const NOTHING: &str = "nothing was removed";
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format!(
            "{NOTHING}: a destruction cannot be undone, so without a terminal it takes `--yes`"
        )));
    }
    output::note(&format!("This cannot be undone. Type {name} to remove it:"));
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(anyhow::Error::new)?;
    if line.trim() == name {
        return Ok(());
    }
    Err(Failure::usage(format!("{NOTHING}: the answer was not `{name}`")))
}

/// Removes what is out of the store already, and writes the certificate.
fn finish(format: ReportFormat, destruction: Destruction) -> Result<Exit, Failure> {
    let Some((certificate, path)) = destruction::finish_begun(host(), destruction)? else {
        output::note("an interrupted destruction, which was certified already, is finished");
        return Ok(Exit::Complete);
    };
    match format {
        ReportFormat::Json => output::json(&certificate)?,
        ReportFormat::Table => output::result(&certificate.text()),
    }
    output::note(&format!("the certificate is {}", path.display()));
    output::notes(&certificate.remarks(system::own_command()));
    Ok(Exit::Complete)
}
