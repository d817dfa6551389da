//! What can be typed.

mod destinations;
mod privacy;
mod query;
mod store;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use core_query::Format;

pub(crate) use self::destinations::{
    DestinationName, DestroyArguments, EverythingArguments, ExportCommand, FolderArguments,
    PurgeArguments, SyncArguments, TableFormat,
};
pub(crate) use self::privacy::{
    EraseArguments, KeyCommand, LedgerCommand, PrivacyCommand, RetentionArguments, RetrievalFormat,
    RetrieveArguments, SubjectArguments, SuppressionCommand,
};
pub(crate) use self::query::QueryArguments;
pub(crate) use self::store::StoreCommand;
use crate::exit::EXIT_CODES;

/// Brings a Nexthink estate into a graph that you can query: devices, users, packages, alerts.
///
/// With no command and no configuration it shows itself on a simulated tenant.
#[derive(Debug, Parser)]
#[command(name = "nexthink-graph", bin_name = "nexthink-graph", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    /// Answer the query in this process, which `query` has started for it
    #[arg(long, hide = true)]
    pub(crate) worker: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

impl Cli {
    /// The memory for a query, if this is the process that answers it.
    pub(crate) fn worker_memory_bytes(&self) -> Option<u64> {
        match &self.command {
            Some(Command::Query(arguments)) if self.worker => {
                Some(arguments.memory_limit_bytes() as u64)
            }
            _ => None,
        }
    }
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// The configuration file [default: nexthink-graph.toml, if there is one]
    #[arg(long, short, global = true, value_name = "FILE", env = "NEXTHINK_GRAPH_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Show no progress and no remarks, only results and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Log what happens; twice for more
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// How log lines are written to standard error
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fetch everything, publish a new generation, and deliver it if a destination is configured
    #[command(after_help = "\
Examples:
  nexthink-graph run
  nexthink-graph run --output json > report.json
  nexthink-graph run --step fetch-devices --step fetch-users
  nexthink-graph run --accept-shrink nexthink_device")]
    Run(RunArguments),
    /// Write a configuration file, print the queries to save, and check what is there
    #[command(after_help = "\
Examples:
  nexthink-graph init
  nexthink-graph init --tenant acme --region eu --client-id 0a1b2c \\
      --secret-env NEXTHINK_CLIENT_SECRET

On a terminal it asks for what no flag says. The secret itself is never asked for.")]
    Init(InitArguments),
    /// Check everything that a run needs, and say how to mend what is wrong
    #[command(after_help = "\
Examples:
  nexthink-graph check
  nexthink-graph check --json

It starts no export. Each query is run once for its first rows, which does not count against
the day's exports.")]
    Check {
        /// Print one JSON object for each check, as an array
        #[arg(long)]
        json: bool,
    },
    /// Draw what a run would do, in which order, and how many exports it costs
    #[command(after_help = "\
Examples:
  nexthink-graph plan
  nexthink-graph plan --format dot | dot -Tsvg > plan.svg")]
    Plan {
        /// The language of the drawing
        #[arg(long, value_enum, default_value_t = PlanFormat::Text)]
        format: PlanFormat,
    },
    /// List the steps and what they make
    #[command(after_help = "Example:\n  nexthink-graph steps --output json")]
    Steps {
        #[command(flatten)]
        output: Output,
    },
    /// Print the NQL queries to save in Nexthink
    #[command(after_help = "\
Examples:
  nexthink-graph nql
  nexthink-graph nql packages
  nexthink-graph nql --partitioned packages

A query with more rows than Nexthink exports at once (one million, or your licence's
maximum) is fetched in parts: save the text of --partitioned beside it and name it in the
configuration. A truncated export then costs one export more for each part, 16 unless
`values` says otherwise, out of the 50 that Nexthink allows a day.")]
    Nql {
        /// Only these, by configuration field: devices, users, packages, alerts
        fields: Vec<String>,
        /// The texts for queries that are fetched in parts, with a parameter
        #[arg(long)]
        partitioned: bool,
    },
    /// Ask the published generation in SQL
    #[command(after_help = "\
Examples:
  nexthink-graph query --tables
  nexthink-graph query \"select _type, count(*) n from entities group by 1 order by 1\"
  nexthink-graph query --output csv \"select name, \\\"osName\\\" from nexthink_device\" > devices.csv

Names keep their case: write osName, not osname. A table on a terminal is cut to its width; the other
formats write everything.")]
    Query(QueryArguments),
    /// Write a generation, or all that is stored, as a folder
    #[command(subcommand)]
    Export(ExportCommand),
    /// Deliver the published generation to a destination
    #[command(after_help = "\
Examples:
  nexthink-graph sync jupiterone --dry-run
  nexthink-graph sync jupiterone
  nexthink-graph sync jupiterone --full

The first delivery deletes nothing there. After it, only a complete type loses objects; partial
datasets are named to JupiterOne, which then deletes nothing of them. If nothing has changed
there is no job, unless --full asks for one.")]
    Sync(SyncArguments),
    /// Remove types at a destination, with the relationships that touch them
    #[command(after_help = "\
Example:
  nexthink-graph purge jupiterone --type nexthink_alert --dry-run

Whatever else has changed is delivered too. The next delivery brings the types back unless
their query is blank.")]
    Purge(PurgeArguments),
    /// Remove all that is stored of a tenant, and certify it
    #[command(after_help = "\
Examples:
  nexthink-graph destroy --tenant acme --dry-run
  nexthink-graph export everything ./data-return
  nexthink-graph destroy --tenant acme

It removes the tenant's folder in the store and the copy of its suppression list beside the key file.
It does not remove what was delivered to a destination, the key file, the configuration or exports.
If it is interrupted, the same command finishes it.")]
    Destroy(DestroyArguments),
    /// Personal data under control: inventory, keys, the ledger, retention, the record of processing
    #[command(subcommand)]
    Privacy(PrivacyCommand),
    /// Look at what people and the system did in Nexthink
    #[command(after_help = "\
Examples:
  nexthink-graph audit tail --action failed-login
  nexthink-graph audit tail --follow --output ndjson
  nexthink-graph audit ask failed-logins
  nexthink-graph audit status

`run` reads the audit trail where the configuration has a table [audit]:
  [audit]
  account = \"audit-reader\"
  password = { env = \"NEXTHINK_AUDIT_PASSWORD\" }
  engines = [\"*\"]")]
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Read a time of the audit trail again
    #[command(after_help = "\
Example:
  nexthink-graph backfill audit --from 2026-03-01 --to 2026-03-08

What is there already is not added again.")]
    Backfill(BackfillArguments),
    /// List the generations that are kept, and which of them are damaged
    #[command(after_help = "Example:\n  nexthink-graph history --output json")]
    History {
        #[command(flatten)]
        output: Output,
    },
    /// Look after what is stored
    Store {
        #[command(subcommand)]
        command: StoreCommand,
    },
    /// Print a page of the documentation that is generated from the steps
    #[command(after_help = "\
Examples:
  nexthink-graph docs data-model
  nexthink-graph docs --format page
  nexthink-graph docs --format sdk --check docs/jupiterone.md")]
    Docs {
        /// Which page
        #[arg(value_enum, required_unless_present = "format")]
        page: Option<Page>,
        /// The form of JupiterOne's documentation instead
        #[arg(long, value_enum, conflicts_with = "page")]
        format: Option<DocsFormat>,
        /// Print nothing, and fail unless this file says the same
        #[arg(long, value_name = "FILE")]
        check: Option<PathBuf>,
    },
    /// Serve a simulated tenant until Ctrl-C
    #[command(after_help = "\
Examples:
  nexthink-graph simulate --devices 2000 --config-out demo.toml
  nexthink-graph run --config demo.toml        (in another terminal)
  nexthink-graph simulate --scenario faults.toml --config-out demo.toml
  nexthink-graph simulate --jupiterone --config-out demo.toml
  nexthink-graph sync jupiterone --config demo.toml        (in another terminal, after a run)

A scenario that truncates exports and is slow:
  row_cap = 1000
  preparation_seconds = 5")]
    Simulate(SimulateArguments),
    /// Print a script that completes commands in a shell
    #[command(
        after_help = "Example:\n  nexthink-graph completions bash > /etc/bash_completion.d/nexthink-graph"
    )]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Print the latest events
    #[command(after_help = "Example:\n  nexthink-graph audit tail -n 50 --code 90213 --code 90214")]
    Tail(TailArguments),
    /// Answer a ready question; without one, list them
    #[command(after_help = "Example:\n  nexthink-graph audit ask support-access --output csv")]
    Ask {
        /// The question
        question: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Tell what of each trail was read, and what is missing
    #[command(after_help = "Example:\n  nexthink-graph audit status --output json")]
    Status {
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct TailArguments {
    /// How many events
    #[arg(long, short = 'n', default_value_t = 20)]
    pub(crate) lines: u32,
    /// Go on with the events that further runs read, until Ctrl-C
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Only events of this code; may be given several times
    #[arg(long = "code", value_name = "CODE")]
    pub(crate) codes: Vec<u32>,
    /// Only what this account did; may be given several times
    #[arg(long = "account", value_name = "ACCOUNT")]
    pub(crate) accounts: Vec<String>,
    /// Only events of this kind, such as failed-login; may be given several times
    #[arg(long = "action", value_name = "ACTION")]
    pub(crate) actions: Vec<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct BackfillArguments {
    /// Of what
    #[arg(value_enum)]
    pub(crate) source: BackfillSource,
    /// From when: 2026-03-01, 2026-03-01T10:00:00 or 2026-03-01T10:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) from: String,
    /// Until when [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// Remove all events first, so that they are read again as the privacy settings are now; only if
    /// the audit trail answers. What Nexthink does not keep any more is gone then
    #[arg(long)]
    pub(crate) start_over: bool,
    /// How the report is printed
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) output: ReportFormat,
}

/// What can be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackfillSource {
    /// The audit trail
    Audit,
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RunArguments {
    /// Run only this step, and the account; may be given several times
    #[arg(long = "step", value_name = "STEP")]
    pub(crate) steps: Vec<String>,
    /// Let this type shrink by more than 15 % and 20 objects, this once
    #[arg(long = "accept-shrink", value_name = "TYPE")]
    pub(crate) accept_shrink: Vec<String>,
    /// How the report is printed
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) output: ReportFormat,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct InitArguments {
    /// The tenant: `acme` of acme.eu.nexthink.cloud
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// The region: us, eu, pac or meta
    #[arg(long)]
    pub(crate) region: Option<String>,
    /// The client ID of the API credential
    #[arg(long)]
    pub(crate) client_id: Option<String>,
    /// The environment variable that will hold the client secret
    #[arg(long, value_name = "NAME", conflicts_with = "secret_file")]
    pub(crate) secret_env: Option<String>,
    /// The file, readable by you alone, that holds the client secret
    #[arg(long, value_name = "PATH")]
    pub(crate) secret_file: Option<PathBuf>,
    /// A query ID other than the suggested one, as `devices=#my_devices`; blank skips the step
    #[arg(long = "query", value_name = "FIELD=ID")]
    pub(crate) queries: Vec<String>,
    /// Replace the file if it exists
    #[arg(long)]
    pub(crate) force: bool,
    /// Only write the file and print the queries
    #[arg(long)]
    pub(crate) no_check: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SimulateArguments {
    /// Where the login and the API listen
    #[arg(long, default_value = "127.0.0.1:8480", value_name = "ADDR:PORT")]
    pub(crate) listen: SocketAddr,
    /// How it behaves: a TOML file with faults, limits and delays; see core/simulator/README.md
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,
    /// What the estate is made from; the same seed gives the same estate [default: 1]
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// How many devices there are [default: 2000]
    #[arg(long)]
    pub(crate) devices: Option<u32>,
    /// How many users there are [default: 1500]
    #[arg(long)]
    pub(crate) users: Option<u32>,
    /// How many packages a device has on average [default: 60]
    #[arg(long)]
    pub(crate) packages_per_device: Option<u32>,
    /// How many alerts there are [default: 300]
    #[arg(long)]
    pub(crate) alerts: Option<u32>,
    /// Serve a simulated JupiterOne too, at 127.0.0.1:8481 unless an address is given
    #[arg(
        long,
        value_name = "ADDR:PORT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "127.0.0.1:8481"
    )]
    pub(crate) jupiterone: Option<SocketAddr>,
    /// Write a configuration that works with this tenant, and its secret beside it
    #[arg(long, value_name = "FILE")]
    pub(crate) config_out: Option<PathBuf>,
}

/// How the rows of a reading command are written.
#[derive(Debug, Clone, Args)]
pub(crate) struct Output {
    /// The format of the output
    #[arg(long, short, value_enum, default_value_t = RowFormat::Table)]
    pub(crate) output: RowFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowFormat {
    /// Aligned columns
    Table,
    /// One array of objects
    Json,
    /// One object a line
    Ndjson,
    /// Comma-separated values; texts that a spreadsheet would run are quoted with '
    Csv,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// Aligned columns
    #[default]
    Table,
    /// One object
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    /// Indented lines
    Text,
    /// For Graphviz
    Dot,
    /// For Markdown
    Mermaid,
    /// For programs
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DocsFormat {
    /// The section that JupiterOne's `j1-integration document` writes into a page
    Sdk,
    /// The page of an integration in JupiterOne's documentation
    Page,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Page {
    /// Entities, relationships, queries, properties
    DataModel,
    /// OAuth scopes and endpoints by step
    Authorization,
    /// Properties that tell something about a person
    PersonalData,
}

impl From<RowFormat> for Format {
    fn from(format: RowFormat) -> Format {
        match format {
            RowFormat::Table => Format::Table,
            RowFormat::Json => Format::Json,
            RowFormat::Ndjson => Format::Ndjson,
            RowFormat::Csv => Format::Csv,
        }
    }
}
