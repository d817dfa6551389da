//! `store copy`: a tenant to another folder or to a bucket.

use core_bucket::{
    BucketError, ClientSettings, CopyReport, CopyRequest, DeletedObjects, LIFETIME, Place,
};
use core_cli::{CopyArguments, Global, ReportFormat};
use core_engine::ledger::{self, Event};
use core_store::TenantStore;
use core_terminal::bytes;

use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::host::{engine, host};
use crate::signals::signal;
use crate::{output, system};

/// Copies a tenant from one place to another.
pub(in crate::commands) async fn copy(
    global: &Global,
    arguments: &CopyArguments,
) -> Result<Exit, Failure> {
    let settings = ClientSettings::from_variables(system::variables);
    let from = Place::open(&arguments.from, &settings)?;
    let to = Place::open(&arguments.to, &settings)?;
    let configured = config::find(global.config.as_deref());
    let configured = configured.map(|source| config::load(&source)).transpose()?;
    let tenant = tenant(global, configured.as_ref(), &from)?;
    if let (Some(config), Some(source)) = (&configured, folder(&from, &tenant)?) {
        // Else a copy of a store that was put back could bring an erased person to another place.
        core_engine::privacy::check_erasures(engine(config), &source)?;
    }
    let days = arguments.deleted_objects_kept_days;
    let request = CopyRequest {
        from: &from,
        to: &to,
        tenant: &tenant,
        owner: &format!("{}, started {}", host().process, host().now().to_rfc3339()),
        deleted_objects: days.map_or(DeletedObjects::Gone, DeletedObjects::KeptDays),
        lease_lifetime: LIFETIME,
        random: system::random_numbers().map_err(anyhow::Error::new)?,
        is_dry_run: arguments.dry_run,
        before_sending: &|| {
            let Some(source) = folder(&from, &tenant)? else { return Ok(()) };
            let days = days.map(u32::from);
            let event = Event::StoreCopied { to: &to.to_string(), deleted_objects_kept_days: days };
            ledger::record(host(), &source, &event)?;
            Ok(())
        },
    };
    let copied = tokio::select! {
        copied = core_bucket::copy(&request) => copied.map_err(|error| {
            let failure = core_engine::Failure::from(error.into_store());
            failure.context(format!("{tenant} was not copied from {from} to {to}"))
        })?,
        reason = signal() => {
            let error = anyhow::anyhow!("stopped by a signal; the next copy goes on from here");
            return Err(Failure::new(reason.into(), error));
        }
    };
    print(global, arguments, &request, &copied)?;
    Ok(Exit::Complete)
}

/// The tenant to copy: the configured one, the one that is named, or the only one of a folder.
fn tenant(global: &Global, config: Option<&Config>, from: &Place) -> Result<String, Failure> {
    if let Some(config) = config {
        return Ok(config.tenant.as_str().to_owned());
    }
    if let Some(name) = &global.tenant {
        return Ok(name.clone());
    }
    if let Place::Folder { store, .. } = from
        && let [only] = store.tenants()?.as_slice()
    {
        return Ok(only.name().to_owned());
    }
    Err(Failure::usage(format!("name the tenant of {from} to copy: --tenant NAME")))
}

/// The tenant's folder of a place; None for a bucket.
fn folder(place: &Place, tenant: &str) -> Result<Option<TenantStore>, BucketError> {
    match place {
        Place::Folder { store, .. } => Ok(Some(store.tenant(tenant)?)),
        Place::Bucket { .. } => Ok(None),
    }
}

fn print(
    global: &Global,
    arguments: &CopyArguments,
    request: &CopyRequest<'_>,
    report: &CopyReport,
) -> Result<(), Failure> {
    if arguments.output == ReportFormat::Json {
        return Ok(output::json(&report.to_json(request))?);
    }
    let cells = report.counts().map(|(what, files, size)| {
        [what.to_owned(), files.to_string(), size.map_or_else(String::new, bytes)]
    });
    output::result(&output::table(["files", "number", "size"], cells, 1));
    if !global.quiet {
        output::note(&report.text(request));
    }
    Ok(())
}
