//! The run of a tenant in a process of its own: another one of this program.

use std::io;

use core_cli::{Global, LogFormat, RunArguments, RunWords};
use core_engine::Cancellation;
use core_operations::{LabelledLog, RunLauncher, RunProcess, RunningRun};

use crate::config::Source;
use crate::exit::EXIT_CODE_TABLE;
use crate::{output, system};

/// Starts runs with the options of this process.
pub(crate) struct Launcher<'a> {
    pub(crate) global: &'a Global,
    pub(crate) source: &'a Source,
    pub(crate) arguments: &'a RunArguments,
}

impl RunLauncher for Launcher<'_> {
    fn launch(&self, tenant: Option<&str>, stop: &Cancellation) -> io::Result<RunningRun> {
        let mut command = system::own_program()?;
        let Self { global, source, arguments } = *self;
        let config = match source {
            Source::File(path) | Source::Tenant(path, _) => Some(path.as_path()),
            Source::Environment => None,
        };
        let name = tenant.or(source.chosen_name());
        command.args(RunWords { global, config, tenant: name, arguments }.words(tenant.is_some()));
        let log = tenant.map(|tenant| LabelledLog {
            label: tenant.to_owned(),
            is_json: self.global.log_format == LogFormat::Json,
            print: output::log,
        });
        let process = RunProcess::start(command, log)?;
        let stop = stop.clone();
        Ok(Box::pin(async move { process.ended(stop, EXIT_CODE_TABLE).await }))
    }
}
