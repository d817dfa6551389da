//! The whole command line: the options of every command, and the command.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args, Parser};

use crate::{
    AskArguments, Command, ExportCommand, HtmlArguments, LogFormat, QueryArguments, RulesCommand,
};

/// Fetch a Nexthink estate and publish it as a graph.
///
/// Without a command and without a configuration, it runs a demo on a simulated tenant.
#[derive(Debug, Parser)]
#[command(name = "nexthink-graph", bin_name = "nexthink-graph", version)]
pub struct Cli {
    /// The options of every command.
    #[command(flatten)]
    pub global: Global,
    /// Answer the query in this process, which `query` has started for it
    #[arg(long, hide = true)]
    pub worker: bool,
    /// Answer the queries of one session in this process, which `serve --postgres` has started for it
    #[arg(long, hide = true, requires = "worker")]
    pub worker_session: bool,
    /// The width of the terminal that the worker's parent prints to
    #[arg(long, hide = true)]
    pub worker_columns: Option<usize>,
    /// The command; without one, a run or the demo.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The names of the command and of those below it, as they were typed: `privacy`, `key`, `list`.
    #[arg(skip)]
    pub words: Vec<String>,
}

impl Cli {
    /// The tenant that the command line chooses. `init` has an option of that name for another purpose.
    pub fn chosen_tenant(&self) -> Option<&str> {
        let is_chosen = !matches!(self.command, Some(Command::Init(_)));
        self.global.tenant.as_deref().filter(|_| is_chosen)
    }

    /// Returns true for a command that names the tenant that it is about, whichever the configuration is for.
    pub fn names_its_tenant(&self) -> bool {
        matches!(self.command, Some(Command::Destroy(_)))
    }

    /// The start of a command that the user may copy from a message: the program, and the configuration and the tenant that
    /// the user has named. A configuration that is in the environment, too, needs no option.
    pub fn own_command(&self, program: &str, in_environment: Option<&Path>) -> String {
        command_with(program, &self.own_options(in_environment))
    }

    fn own_options(&self, in_environment: Option<&Path>) -> Vec<OsString> {
        let mut options = Vec::new();
        let config = self.global.config.as_deref();
        // One that a variable names holds for the next command, too.
        if let Some(path) = config.filter(|path| in_environment != Some(*path)) {
            options.extend(["--config".into(), path.into()]);
        }
        // The removal of a tenant names it where it gives a command.
        if let Some(name) = self.chosen_tenant().filter(|_| !self.names_its_tenant()) {
            options.extend(["--tenant".into(), name.into()]);
        }
        options
    }

    /// The memory for a query in bytes, if this is the process that answers it. Rules have no option for theirs.
    pub fn worker_memory_bytes(&self, for_rules: u64) -> Option<u64> {
        let command = self.command.as_ref().filter(|_| self.worker)?;
        let limit = match command {
            Command::Query(QueryArguments { limits, .. })
            | Command::Ask(AskArguments { limits, .. })
            | Command::Export(ExportCommand::Html(HtmlArguments { limits, .. })) => {
                limits.memory_limit_bytes()
            }
            Command::Serve(arguments) => arguments.memory_limit_bytes(),
            Command::Rules(RulesCommand::Evaluate { .. }) => return Some(for_rules),
            _ => return None,
        };
        Some(limit as u64)
    }
}

/// A command with options as a shell reads them; without them if one has a NUL, which no argument of a process can have.
fn command_with(program: &str, options: &[OsString]) -> String {
    let options: Vec<_> = options.iter().map(|option| option.to_string_lossy()).collect();
    match shlex::try_join(options.iter().map(|option| &**option)) {
        Ok(words) if !words.is_empty() => format!("{program} {words}"),
        _ => program.to_owned(),
    }
}

/// The options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Read this configuration file [default: nexthink-graph.toml, if it exists]
    // An empty variable is none, as elsewhere in shells and containers.
    #[arg(long, short, global = true, value_name = "FILE", env = "NEXTHINK_GRAPH_CONFIG",
        value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub config: Option<PathBuf>,
    /// Work for this tenant of a fleet
    #[arg(long, global = true, value_name = "NAME")]
    pub tenant: Option<String>,
    /// Print only results and errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Log in more detail; -vv logs even more
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Write log lines in this form
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Cli {
        let words = [&["nexthink-graph"], words].concat();
        Cli::try_parse_from(&words).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_command_in_a_message_names_what_the_user_has_named() {
        let table: [(&[&str], &[&str]); 5] = [
            (&["run"], &[]),
            (
                &["query", "--tenant", "acme", "-c", "a.toml", "select 1"],
                &["--config", "a.toml", "--tenant", "acme"],
            ),
            (&["run", "-c", "of-the-environment.toml"], &[]),
            (&["destroy", "--tenant", "acme"], &[]),
            (&["init", "--tenant", "acme"], &[]),
        ];
        for (words, expected) in table {
            let variable = Path::new("of-the-environment.toml");
            assert_eq!(parsed(words).own_options(Some(variable)), expected, "{words:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_command_of_a_message_can_be_pasted_into_a_shell() {
        assert_eq!(command_with("printf", &[]), "printf");
        for word in ["a/b.toml", "two words", "it's", "$HOME", "", "naïve", "a\\b"] {
            let script = command_with("printf", &["%s".into(), word.into()]);
            let shell = std::process::Command::new("/bin/sh").args(["-c", &script]).output();
            assert_eq!(String::from_utf8_lossy(&shell.expect("a shell").stdout), word);
        }
    }

    #[test]
    fn a_tenant_is_chosen_by_every_command_but_the_one_that_writes_a_configuration() {
        for (words, chosen, names_its_own) in [
            (["run", "--tenant", "acme"], Some("acme"), false),
            (["destroy", "--tenant", "acme"], Some("acme"), true),
            (["init", "--tenant", "acme"], None, false),
        ] {
            let cli = parsed(&words);
            assert_eq!((cli.chosen_tenant(), cli.names_its_tenant()), (chosen, names_its_own));
        }
    }

    #[test]
    fn only_the_process_of_a_query_has_a_limit_of_memory() {
        const MIB: u64 = 1024 * 1024;
        let table: [(&[&str], Option<u64>); 8] = [
            (&["query", "select 1"], None),
            (&["--worker", "query", "select 1"], Some(1024 * MIB)),
            (&["--worker", "query", "--memory-limit", "64", "select 1"], Some(64 * MIB)),
            (&["--worker", "ask", "--memory-limit", "65", "silent-devices"], Some(65 * MIB)),
            (&["--worker", "export", "html", "a.html"], Some(1024 * MIB)),
            (&["--worker", "serve"], Some(512 * MIB)),
            (&["--worker", "rules", "evaluate"], Some(7)),
            (&["--worker", "run"], None),
        ];
        for (words, expected) in table {
            assert_eq!(parsed(words).worker_memory_bytes(7), expected, "{words:?}");
        }
    }
}
