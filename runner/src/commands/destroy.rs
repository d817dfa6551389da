//! `destroy`: removes all that is stored of a tenant, and certifies it.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, IsTerminal as _};

use core_engine::destruction::{self, Certificate};
use core_engine::{mirrors, run};
use core_store::{Destruction, FileCount, Store};
use serde::Serialize;

use crate::cli::{DestroyArguments, Global, ReportFormat};
use crate::exit::{Exit, Failure};
use crate::host::{self, engine};
use crate::{output, system};

/// The files that a destruction would remove.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Preview<'a> {
    dry_run: bool,
    tenant: &'a str,
    files: &'a BTreeMap<String, FileCount>,
    copies: &'a [String],
    remaining: &'a [String],
}

/// Removes a tenant, or shows what would go.
pub(super) fn destroy(global: &Global, arguments: &DestroyArguments) -> Result<Exit, Failure> {
    let DestroyArguments { tenant: name, dry_run, output, .. } = arguments;
    let config = super::configured(global)?;
    if config.bucket.is_some() && name != config.tenant.as_str() {
        return Err(Failure::usage(format!(
            "this configuration is of tenant {}, and only its working copy of the bucket is open: name the \
             configuration of {name} with --config",
            config.tenant.as_str()
        )));
    }
    let store = Store::open(config.store.clone())?;
    let interrupted = store.interrupted_destruction(name, &host::host().lock_owner())?;
    if let Some(interrupted) = interrupted {
        if destruction::must_begin_anew(&store.tenant(name)?)? && !dry_run {
            interrupted.discard()?;
            return destroy(global, arguments);
        }
        finish(arguments, interrupted)?;
        destruction::check_gone(host::host(), &store.tenant(name)?, !dry_run)?;
        return Ok(Exit::Complete);
    }
    let tenant = destruction::stored_tenant(&store, name)?;
    let lock = run::lock_tenant(host::host(), &tenant)?;
    let owner = host::host().lock_owner();
    let deliveries = mirrors::destinations().map(|name| tenant.lock_delivery(name, &owner));
    let deliveries = deliveries.collect::<Result<Vec<_>, _>>()?;
    let files = tenant.inventory()?;
    let copies = destruction::copies(engine(&config), &tenant)?;
    let remaining = destruction::remaining(engine(&config), &tenant);
    if *dry_run || !arguments.yes {
        let shown: Vec<_> = copies.iter().map(|path| path.display().to_string()).collect();
        let preview = Preview {
            dry_run: *dry_run,
            tenant: name,
            files: &files,
            copies: &shown,
            remaining: &remaining,
        };
        show(&preview, *output)?;
        if *dry_run {
            return Ok(Exit::Complete);
        }
        confirm(name)?;
    }
    let draft = destruction::draft(host::host(), &tenant, files, copies, remaining)?;
    let bytes = serde_json::to_vec_pretty(&draft).map_err(anyhow::Error::new)?;
    finish(arguments, lock.begin_destruction(deliveries, &bytes)?)
}

fn show(preview: &Preview<'_>, format: ReportFormat) -> Result<(), Failure> {
    if format == ReportFormat::Json {
        output::result(&serde_json::to_string_pretty(preview).map_err(anyhow::Error::new)?);
        return Ok(());
    }
    let rows = preview.files.iter().map(|(kind, count)| {
        [kind.clone(), count.files.to_string(), core_terminal::bytes(count.bytes)]
    });
    output::result(&output::table(["stored", "files", "size"], rows, 1));
    for path in preview.copies {
        output::note(&format!("the copy of the suppression list goes too: {path}"));
    }
    note_remaining(preview.remaining);
    Ok(())
}

/// Asks for the tenant's name, so that nobody removes a tenant by a wrong key.
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
fn finish(arguments: &DestroyArguments, destruction: Destruction) -> Result<Exit, Failure> {
    if arguments.dry_run {
        output::note(
            "a destruction of this tenant was interrupted: without --dry-run it is finished",
        );
        return Ok(Exit::Complete);
    }
    let Some(draft) = destruction.draft().map(<[u8]>::to_vec) else {
        destruction.discard()?;
        output::note("an interrupted destruction, which was certified already, is finished");
        return Ok(Exit::Complete);
    };
    let draft: Certificate = serde_json::from_slice(&draft).map_err(anyhow::Error::new)?;
    let (certificate, path) = destruction::finish(host::host(), destruction, draft)?;
    if arguments.output == ReportFormat::Json {
        output::result(&serde_json::to_string_pretty(&certificate).map_err(anyhow::Error::new)?);
    } else {
        let files: u64 = certificate.files.values().map(|count| count.files).sum();
        output::result(&format!(
            "destruction {}: {files} files of tenant {} and {} copies of its suppression list are removed",
            certificate.id, certificate.tenant, certificate.copies_removed
        ));
    }
    output::note(&format!("the certificate is {}", path.display()));
    note_remaining(&certificate.remaining);
    output::note(&format!(
        "the next `{} run` would fetch the tenant again, people who were erased included: remove its \
         configuration too",
        system::own_command()
    ));
    Ok(Exit::Complete)
}

fn note_remaining(remaining: &[String]) {
    for what in remaining {
        output::note(&format!("not removed: {what}"));
    }
}
