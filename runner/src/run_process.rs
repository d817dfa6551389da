//! The run of a tenant in a process of its own: another one of this program.

use std::ffi::OsString;
use std::io;

use core_engine::Cancellation;
use core_operations::{LabelledLog, RunLauncher, RunProcess, RunningRun};

use crate::cli::{Global, LogFormat, RunArguments};
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
        command.args(words(self.global, self.source, tenant, self.arguments));
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

/// The command line of the run.
fn words(
    global: &Global,
    source: &Source,
    label: Option<&str>,
    arguments: &RunArguments,
) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    if global.quiet {
        words.push("--quiet".into());
    }
    words.extend((0..global.verbose).map(|_| "--verbose".into()));
    if global.log_format == LogFormat::Json {
        words.push("--log-format=json".into());
    }
    if let Source::File(path) | Source::Tenant(path, _) = source {
        words.extend(["--config".into(), path.into()]);
    }
    words.extend(label.or(source.chosen_name()).map(|name| format!("--tenant={name}").into()));
    words.push("run".into());
    words.extend(arguments.steps.iter().map(|step| format!("--step={step}").into()));
    let accepted = arguments.accept_shrink.iter();
    words.extend(accepted.map(|name| format!("--accept-shrink={name}").into()));
    let severity = arguments.fail_on;
    words.extend(severity.map(|severity| format!("--fail-on={}", severity.0).into()));
    if arguments.if_due {
        words.push("--if-due".into());
    }
    if label.is_some() {
        words.push("--output=json".into());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_says_what_the_run_was_asked_for() {
        let global = Global {
            config: None,
            tenant: None,
            quiet: true,
            verbose: 2,
            log_format: LogFormat::Json,
        };
        let arguments = RunArguments {
            steps: vec!["fetch-users".to_owned()],
            accept_shrink: vec!["nexthink_user".to_owned()],
            fail_on: Some("high".parse().expect("it is a severity")),
            ..RunArguments::default()
        };
        let source = Source::File("a fleet.toml".into());
        let shown = |words: Vec<OsString>| words.join(" ".as_ref()).to_string_lossy().into_owned();
        assert_eq!(
            shown(words(&global, &source, Some("acme"), &arguments)),
            "--quiet --verbose --verbose --log-format=json --config a fleet.toml --tenant=acme run \
             --step=fetch-users --accept-shrink=nexthink_user --fail-on=high --output=json"
        );
        let global = Global { quiet: false, verbose: 0, log_format: LogFormat::Text, ..global };
        let plain = words(&global, &Source::Environment, None, &RunArguments::default());
        assert_eq!(shown(plain), "run");
    }
}
