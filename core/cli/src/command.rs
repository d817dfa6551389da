//! The commands, with their examples.

use std::path::PathBuf;

use clap::Subcommand;
use clap_complete::Shell;

use crate::{
    AskArguments, AuditCommand, BackfillArguments, ConfigCommand, DestroyArguments, DiffArguments,
    DocsFormat, ExportCommand, FindingsCommand, FleetCommand, InitArguments, NeighborsArguments,
    NotifyCommand, Output, Page, PathArguments, PlanFormat, PrivacyCommand, PurgeArguments,
    QueryArguments, ReportFormat, RulesCommand, RunArguments, ScheduleArguments, SearchArguments,
    ServeArguments, ShowArguments, SimulateArguments, SoftwareCommand, StatusArguments,
    StoreCommand, SyncArguments,
};

/// The commands of the program.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Fetch the estate and publish a new generation
    #[command(after_help = "\
Examples:
  nexthink-graph run
  nexthink-graph run --output json > report.json
  nexthink-graph run --step fetch-devices --step fetch-users
  nexthink-graph run --accept-shrink nexthink_device
  nexthink-graph run --fail-on critical
  nexthink-graph run --all
  nexthink-graph run --metrics-file nexthink.prom

If a destination is configured, the run then delivers the generation to it. Finally it evaluates the
enabled rules (`nexthink-graph rules list`).")]
    Run(RunArguments),
    /// Start runs on a schedule until Ctrl-C
    #[command(after_help = "\
Examples:
  nexthink-graph schedule --interval \"6 hours\"
  nexthink-graph schedule --interval \"6 hours\" --listen 127.0.0.1:9464

The configuration can set the schedule:
  [schedule]
  interval = \"6 hours\"

If Nexthink cannot be reached, it tries again after 5 minutes, then after ever longer waits. After five
failed runs in a row it starts no more. In a fleet it runs every tenant that has a schedule.")]
    Schedule(ScheduleArguments),
    /// Show when the tenant has run and will run
    #[command(after_help = "\
Examples:
  nexthink-graph status
  nexthink-graph status --max-age 26h --output json

It only reads the store, so it works at any time, whether or not a run is going on.")]
    Status(StatusArguments),
    /// Look after the tenants of a fleet
    #[command(subcommand)]
    Fleet(FleetCommand),
    /// Write a configuration and print the queries to save
    #[command(after_help = "\
Example:
  nexthink-graph init --tenant https://acme.eu.nexthink.cloud --client-id 0a1b2c

On a terminal, it asks for what the options leave out. It never asks for the secret itself, only where
to read it.")]
    Init(InitArguments),
    /// Check everything that a run needs
    #[command(after_help = "\
Examples:
  nexthink-graph check
  nexthink-graph check --output json

Each failed check says what to do. It starts no export: it runs each query once for its first rows,
which does not count against the daily quota of exports.")]
    Check {
        /// Print the checks in this form
        #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
        output: ReportFormat,
        /// The same as --output json
        #[arg(long, hide = true, conflicts_with = "output")]
        json: bool,
    },
    /// Show what a run would do and what it costs
    #[command(after_help = "\
Examples:
  nexthink-graph plan
  nexthink-graph plan --output dot | dot -Tsvg > plan.svg")]
    Plan {
        /// Print the plan in this form
        #[arg(long, short, alias = "format", value_enum, default_value_t = PlanFormat::Text)]
        output: PlanFormat,
    },
    /// List the steps and the types that they make
    #[command(after_help = "Example:\n  nexthink-graph steps --output json")]
    Steps {
        /// The form of the rows.
        #[command(flatten)]
        output: Output,
    },
    /// Print the NQL queries to save in Nexthink
    #[command(after_help = "\
Examples:
  nexthink-graph nql
  nexthink-graph nql packages
  nexthink-graph nql --partitioned packages

Nexthink exports at most one million rows at once, or your license's maximum. To export a larger query
in parts, also save the query that --partitioned prints, and name it in the configuration
(docs/configuration.md, Large tenants).")]
    Nql {
        /// Print only these queries: `devices`, `users`, `packages`, `alerts`, `device_users`, `audit`
        fields: Vec<String>,
        /// Print the queries for exports in parts
        #[arg(long)]
        partitioned: bool,
    },
    /// Query the published generation in SQL or J1QL
    #[command(after_help = "\
Examples:
  nexthink-graph query --tables
  nexthink-graph query \"FIND Device THAT INSTALLED Application WITH name ~= 'Zoom'\"
  nexthink-graph query \"select _type, count(*) n from entities group by 1 order by 1\"
  nexthink-graph query --output csv \"select name, osName from nexthink_device\" > devices.csv
  nexthink-graph query --output parquet --out devices.parquet \"select * from nexthink_device\"

Names keep their case: osName, not osname. On a terminal, a table is cut to the width of the screen, and
a pager shows a long one (PAGER, else less). The other formats print everything.")]
    Query(QueryArguments),
    /// Ask a saved question, or list the questions
    #[command(after_help = "\
Examples:
  nexthink-graph ask
  nexthink-graph ask --tag software
  nexthink-graph ask silent-devices
  nexthink-graph ask package-below-version --param package=zoom --param version=6.39
  nexthink-graph ask silent-devices --file > my-question.toml

To add a question, put such a file into the folder `questions` beside the configuration, and change it.")]
    Ask(AskArguments),
    /// Show an entity, its neighbors, alerts and history
    #[command(after_help = "\
Examples:
  nexthink-graph show LAP-000002
  nexthink-graph show LAP-000002 --output json

If several entities have the name, it prints their keys.")]
    Show(ShowArguments),
    /// List the entities related to one
    #[command(after_help = "\
Examples:
  nexthink-graph neighbors LAP-000002
  nexthink-graph neighbors LAP-000002 --depth 2 --limit 5

It follows no relationships beyond the account, to which everything is related.")]
    Neighbors(NeighborsArguments),
    /// Show a shortest path between two entities
    #[command(after_help = "\
Example:
  nexthink-graph path LAP-000002 LAP-000003")]
    Path(PathArguments),
    /// Find entities by their names and identifiers
    #[command(after_help = "\
Examples:
  nexthink-graph search lap-0000
  nexthink-graph search zoom --type nexthink_package")]
    Search(SearchArguments),
    /// Show what changed between two generations
    #[command(after_help = "\
Examples:
  nexthink-graph diff
  nexthink-graph diff --names --type nexthink_package
  nexthink-graph diff --rows --property osVersion --output csv > changes.csv

Without arguments, it compares the published generation with the one before it. An object that is absent
from a partial table is unknown, not removed. It ignores properties that change with every run.")]
    Diff(DiffArguments),
    /// Manage the rules that check each generation
    #[command(subcommand)]
    Rules(RulesCommand),
    /// List, acknowledge and silence what rules have found
    #[command(subcommand)]
    Findings(FindingsCommand),
    /// Show the published generation in a browser
    #[command(after_help = "\
Examples:
  nexthink-graph serve
  nexthink-graph serve --open

It prints an address that works once, for one browser. Ctrl-C stops it. It reads the store on this
machine and needs no internet.")]
    Serve(ServeArguments),
    /// Send notifications of what rules have found
    #[command(subcommand)]
    Notify(NotifyCommand),
    /// Write a generation or all stored data as a folder
    #[command(subcommand)]
    Export(ExportCommand),
    /// Deliver the published generation to a destination
    #[command(after_help = "\
Examples:
  nexthink-graph sync jupiterone --dry-run
  nexthink-graph sync jupiterone
  nexthink-graph sync jupiterone --full

The first delivery deletes nothing. Later ones delete only objects of complete types. If nothing has
changed, it starts no job, unless you add --full.")]
    Sync(SyncArguments),
    /// Remove types from a destination, with their relationships
    #[command(after_help = "\
Examples:
  nexthink-graph purge jupiterone --type nexthink_alert --dry-run
  nexthink-graph purge jupiterone --type nexthink_alert

The next delivery brings the types back, unless their query is blank.")]
    Purge(PurgeArguments),
    /// Remove all stored data of a tenant and certify it
    #[command(after_help = "\
Examples:
  nexthink-graph destroy --tenant demo --dry-run
  nexthink-graph export everything ./acme-data
  nexthink-graph destroy --tenant demo --yes

It removes the tenant's folder in the store and the copy of its list of erasures beside the key file.
It does not remove what was delivered to a destination, the key file, the configuration or exports.
If it is interrupted, the same command finishes it.")]
    Destroy(DestroyArguments),
    /// Look up, erase and account for personal data
    #[command(subcommand)]
    Privacy(PrivacyCommand),
    /// Show who did what in Nexthink
    #[command(after_help = "\
Examples:
  nexthink-graph audit tail --action failed-login
  nexthink-graph audit report failed-logins
  nexthink-graph audit status

Runs read the audit trail if the configuration has a table [audit]:
  [audit]
  account = \"audit-reader\"
  password = { env = \"NEXTHINK_AUDIT_PASSWORD\" }
  engines = [\"*\"]")]
    Audit {
        /// The command below this one.
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Re-read a period of the audit trail
    #[command(after_help = "\
Examples:
  nexthink-graph backfill audit --from 7d
  nexthink-graph backfill audit --from 14d --to 7d

It adds no event that is stored already.")]
    Backfill(BackfillArguments),
    /// List the kept generations, and which are damaged
    #[command(after_help = "Example:\n  nexthink-graph history --output json")]
    History {
        /// The form of the rows.
        #[command(flatten)]
        output: Output,
    },
    /// Check the store for damage, or copy it
    Store {
        /// The command below this one.
        #[command(subcommand)]
        command: StoreCommand,
    },
    /// Print a page of the generated documentation
    #[command(after_help = "\
Examples:
  nexthink-graph docs data-model
  nexthink-graph docs --format page > nexthink.md
  nexthink-graph docs --format page --check nexthink.md")]
    Docs {
        /// Print this page
        #[arg(value_enum, required_unless_present = "format")]
        page: Option<Page>,
        /// Print what JupiterOne's documentation shows, in this form
        #[arg(long, value_enum, conflicts_with = "page")]
        format: Option<DocsFormat>,
        /// Compare this file with the page and print nothing
        #[arg(long, value_name = "FILE")]
        check: Option<PathBuf>,
    },
    /// Show the configuration and the settings that it can have
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Compare software with your own lists of support and advisories
    #[command(subcommand)]
    Software(SoftwareCommand),
    /// Serve an AI assistant over the Model Context Protocol
    #[command(after_help = "\
Example:
  echo '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}' | nexthink-graph mcp

It reads requests from standard input, answers on standard output and changes no data. It withholds
personal columns, unless the configuration has `[mcp]` with `personal = true`. The ledger records each
call.")]
    Mcp,
    /// Serve a simulated tenant until Ctrl-C
    #[command(after_help = "\
Examples:
  nexthink-graph simulate --config-out demo.toml
  nexthink-graph simulate --jupiterone --devices 200 --config-out demo.toml --force

Then, in another terminal:
  nexthink-graph run --config demo.toml

A scenario (--scenario FILE) makes the tenant slow or lets it truncate exports:
  row_cap = 1000
  preparation_seconds = 5")]
    Simulate(SimulateArguments),
    /// Write a file about runs and settings for support
    #[command(after_help = "\
Example:
  nexthink-graph support-bundle support.json

It has numbers, times, types and reasons, but no texts of the configuration and no cell of a table. Read it
before you send it.")]
    SupportBundle {
        /// Write this new file
        file: PathBuf,
    },
    /// Write the manual pages into a folder
    #[command(after_help = "Example:\n  nexthink-graph man ./manual")]
    Man {
        /// Make this folder, or fill it if it is empty
        folder: PathBuf,
    },
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  nexthink-graph completions bash > nexthink-graph.bash")]
    Completions {
        /// Print the script for this shell
        #[arg(value_enum)]
        shell: Shell,
    },
}
