//! A tenant whose results are ready-made files: it generates and compresses nothing while it
//! serves, so that a measurement sees only the program.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use core_simulator::{
    Answer, AuditSpec, Behaviour, Fault, FaultAction, FaultPoint, QueryBehaviour, Results,
    ResultsCompression, SavedQuery, Simulator, SimulatorConfig, TenantSpec,
};

/// Serves the two files of a folder, prints the hosts (login and API, then files), and continues
/// until standard input ends.
///
/// # Errors
///
/// A file is not readable, or no port is free.
pub(crate) fn serve(folder: &Path) -> anyhow::Result<()> {
    let mut behaviour =
        Behaviour { polls_submitted: 0, polls_in_progress: 0, ..Behaviour::default() };
    for (query, name) in [(SavedQuery::Devices, "devices"), (SavedQuery::Packages, "packages")] {
        let path = folder.join(format!("{name}.csv.zst"));
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let results = Results { content: bytes.into(), compression: ResultsCompression::AsIs };
        let of_query = QueryBehaviour { results: Some(results), ..QueryBehaviour::default() };
        behaviour.queries.insert(query.id().to_owned(), of_query);
    }
    // The files are compressed, so that their first rows cannot be shown. An error of the server would be waited out.
    let refusal = FaultAction::Answer(Answer::from_status(403));
    behaviour.faults = vec![Fault::new(FaultPoint::Execute, refusal)];
    serve_tenant(behaviour)
}

/// Serves a small tenant with an audit trail of a line a second, in the same way.
///
/// # Errors
///
/// No port is free.
pub(crate) fn serve_audit() -> anyhow::Result<()> {
    let tenant = TenantSpec { devices: 10, users: 10, ..TenantSpec::default() };
    let audit = AuditSpec { lines_per_hour: 3_600, ..AuditSpec::default() };
    serve_tenant(Behaviour { tenant, audit, ..Behaviour::default() })
}

fn serve_tenant(behaviour: Behaviour) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let config = SimulatorConfig { behaviour, ..SimulatorConfig::default() };
    let simulator = runtime.block_on(Simulator::start(config))?;
    let endpoints = simulator.endpoints();
    println!("{} {}", endpoints.api, endpoints.files);
    std::io::stdin().read_to_end(&mut Vec::new())?;
    runtime.block_on(simulator.stop());
    Ok(())
}
