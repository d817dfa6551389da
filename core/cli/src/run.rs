//! The arguments of `run`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use core_fleet::Shard;

use crate::{Global, LogFormat, ReportFormat, SeverityName};

/// The arguments of `run`.
#[derive(Debug, Clone, Default, Args)]
pub struct RunArguments {
    /// Run every tenant of a fleet
    #[arg(long, conflicts_with = "tenant")]
    pub all: bool,
    /// Run only this share of a fleet's tenants, such as 1/3 for the first of three processes
    #[arg(long, value_name = "I/N", requires = "all")]
    pub shard: Option<Shard>,
    /// Run only this step; may be repeated
    #[arg(long = "step", value_name = "STEP")]
    pub steps: Vec<String>,
    /// Accept that this type loses many objects, in this run only; may be repeated
    #[arg(long = "accept-shrink", value_name = "TYPE")]
    pub accept_shrink: Vec<String>,
    /// End with exit code 8 if a finding of this severity or higher is open
    #[arg(long, value_name = "SEVERITY")]
    pub fail_on: Option<SeverityName>,
    /// Write figures for a monitoring system to this file, such as nexthink.prom
    #[arg(long, value_name = "FILE")]
    pub metrics_file: Option<PathBuf>,
    /// Do nothing if another process has run this tenant since it was due; `schedule` asks for it over a bucket
    #[arg(long, hide = true)]
    pub if_due: bool,
    /// Print the report in this form
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub output: ReportFormat,
}

/// The run of one tenant, for the command line of another process of the program.
#[derive(Debug, Clone, Copy)]
pub struct RunWords<'a> {
    /// The options of this process, which hold for the other one too.
    pub global: &'a Global,
    /// The configuration file that was found; none if the configuration is in variables.
    pub config: Option<&'a Path>,
    /// The tenant.
    pub tenant: Option<&'a str>,
    /// The arguments of the run.
    pub arguments: &'a RunArguments,
}

impl RunWords<'_> {
    /// Returns the words after the name of the program. One of several runs prints its report for programs.
    pub fn words(self, is_one_of_several: bool) -> Vec<OsString> {
        let Self { global, config, tenant, arguments } = self;
        let mut words: Vec<OsString> = Vec::new();
        if global.quiet {
            words.push("--quiet".into());
        }
        words.extend((0..global.verbose).map(|_| "--verbose".into()));
        if global.log_format == LogFormat::Json {
            words.push("--log-format=json".into());
        }
        if let Some(path) = config {
            words.extend(["--config".into(), path.into()]);
        }
        words.extend(tenant.map(|name| format!("--tenant={name}").into()));
        words.push("run".into());
        words.extend(arguments.steps.iter().map(|step| format!("--step={step}").into()));
        let accepted = arguments.accept_shrink.iter();
        words.extend(accepted.map(|name| format!("--accept-shrink={name}").into()));
        let severity = arguments.fail_on;
        words.extend(severity.map(|severity| format!("--fail-on={}", severity.name()).into()));
        if arguments.if_due {
            words.push("--if-due".into());
        }
        if is_one_of_several {
            words.push("--output=json".into());
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cli, Command, parse};

    fn parsed(words: Vec<OsString>) -> Cli {
        let words = [OsString::from("nexthink-graph")].into_iter().chain(words);
        parse(words, "").unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn the_other_process_reads_what_this_one_was_asked_for() {
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
            fail_on: Some(SeverityName::High),
            if_due: true,
            ..RunArguments::default()
        };
        let config = Some(Path::new("a fleet.toml"));
        let run =
            RunWords { global: &global, config, tenant: Some("-acme"), arguments: &arguments };
        let words = run.words(true);
        let shown = words.join(" ".as_ref()).to_string_lossy().into_owned();
        assert_eq!(
            shown,
            "--quiet --verbose --verbose --log-format=json --config a fleet.toml --tenant=-acme run \
             --step=fetch-users --accept-shrink=nexthink_user --fail-on=high --if-due --output=json"
        );
        let Cli { global: read, command: Some(Command::Run(run)), .. } = parsed(words) else {
            panic!("it is a run");
        };
        assert_eq!((read.config.as_deref(), read.tenant.as_deref()), (config, Some("-acme")));
        assert_eq!((read.quiet, read.verbose, read.log_format), (true, 2, LogFormat::Json));
        assert_eq!((&run.steps, &run.accept_shrink), (&arguments.steps, &arguments.accept_shrink));
        assert_eq!(
            (run.fail_on, run.if_due, run.output),
            (arguments.fail_on, true, ReportFormat::Json)
        );
    }

    #[test]
    fn a_run_without_options_is_one_word() {
        let global = Global {
            config: None,
            tenant: None,
            quiet: false,
            verbose: 0,
            log_format: LogFormat::Text,
        };
        let arguments = RunArguments::default();
        let run = RunWords { global: &global, config: None, tenant: None, arguments: &arguments };
        assert_eq!(run.words(false), ["run"]);
    }
}
