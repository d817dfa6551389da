//! The arguments of `rules` and `findings`.

use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};

use crate::{Output, ReportFormat, TimeSpan};

/// `rules` and what follows it.
#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// List the rules, and which are enabled
    #[command(after_help = "\
Examples:
  nexthink-graph rules list
  nexthink-graph rules list --output json")]
    List {
        /// The form of the rows.
        #[command(flatten)]
        output: Output,
    },
    /// Show a rule, what it reads and its last result
    #[command(after_help = "\
Examples:
  nexthink-graph rules explain device-silent-for-14-days
  nexthink-graph rules explain device-silent-for-14-days --file > my-rule.toml")]
    Explain {
        /// Show the rule with this ID
        id: String,
        /// Print the file of the rule, as a start for your own
        #[arg(long)]
        file: bool,
        /// Print the rule in this form
        #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
        output: ReportFormat,
    },
    /// Enable rules from the next run on
    #[command(after_help = "\
Examples:
  nexthink-graph rules enable critical-alert-open device-silent-for-14-days
  nexthink-graph rules enable 'program-*'

`*` stands for any text. The switches are in rules/switches.toml beside the configuration.")]
    Enable {
        /// Enable the rules with these IDs
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Disable rules and close their findings
    #[command(after_help = "Example:\n  nexthink-graph rules disable critical-alert-open")]
    Disable {
        /// Disable the rules with these IDs
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Run the tests in rule files
    #[command(after_help = "\
Examples:
  nexthink-graph rules test
  nexthink-graph rules test device-silent-for-14-days

Without an ID, it runs the tests of all rules. A test gives rows as the query would return them, and the
texts of the findings to expect. It ends with exit code 2 if a test fails or a file has a mistake.")]
    Test {
        /// Run the tests of these rules
        ids: Vec<String>,
        /// Print the results in this form
        #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
        output: ReportFormat,
    },
    /// Evaluate rules on the published generation now
    #[command(after_help = "\
Examples:
  nexthink-graph rules run
  nexthink-graph rules run --fail-on critical
  nexthink-graph rules run --dry-run device-silent-for-14-days

Each run does the same after it has published. With --dry-run, it evaluates any rule, even a disabled one,
prints what the rule would find, and changes nothing.")]
    Run(RulesRunArguments),
    /// Print the rows of rules for the process that has started this one
    #[command(hide = true)]
    Evaluate {
        /// Evaluate the rules with these IDs
        ids: Vec<String>,
    },
}

/// The arguments of `rules run`.
#[derive(Debug, Args)]
pub struct RulesRunArguments {
    /// Evaluate only the rules with these IDs
    pub ids: Vec<String>,
    /// Print what the rules would find, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// End with exit code 8 if a finding of this severity or higher is open
    #[arg(long, value_name = "SEVERITY", conflicts_with = "dry_run")]
    pub fail_on: Option<SeverityName>,
    /// Print the report in this form
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub output: ReportFormat,
}

/// `findings` and what follows it.
#[derive(Debug, Subcommand)]
pub enum FindingsCommand {
    /// List findings, the most severe first
    #[command(after_help = "\
Examples:
  nexthink-graph findings list
  nexthink-graph findings list --severity high --output json
  nexthink-graph findings list --state resolved --rule 'device-*'")]
    List(FindingsListArguments),
    /// Show a finding with its row and its history
    #[command(after_help = "\
Example:
  finding=$(nexthink-graph query -o csv \"select _key from nexthink_finding\" | tail -n 1)
  nexthink-graph findings show \"$finding\"")]
    Show {
        /// Show the finding whose ID begins with this
        id: String,
        /// Print the finding in this form
        #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
        output: ReportFormat,
    },
    /// Acknowledge findings, so that others know who handles them
    #[command(after_help = "\
Example:
  finding=$(nexthink-graph query -o csv \"select _key from nexthink_finding\" | tail -n 1)
  nexthink-graph findings ack \"$finding\" --note 'ordered a new disk'
  nexthink-graph findings ack \"$finding\" --undo")]
    Ack {
        /// Acknowledge the findings whose IDs begin with these
        #[arg(required = true)]
        ids: Vec<String>,
        /// Add a remark
        #[arg(long, value_name = "TEXT", conflicts_with = "undo")]
        note: Option<String>,
        /// Withdraw the acknowledgement instead
        #[arg(long)]
        undo: bool,
    },
    /// Send no messages about some findings for a time
    #[command(after_help = "\
Examples:
  nexthink-graph findings silence --rule 'device-*' --for 7d --why 'office move'
  nexthink-graph findings silence

Without options, it lists the silences. If a finding is still open when its silence ends, a message is
sent then.")]
    Silence(SilenceArguments),
    /// List the changes of findings, the newest first
    #[command(after_help = "\
Examples:
  nexthink-graph findings history
  nexthink-graph findings history --output ndjson")]
    History {
        /// List only the changes of the finding whose ID begins with this
        id: Option<String>,
        /// List at most this many entries [default: 50 in a table, else all]
        #[arg(long, short = 'n')]
        lines: Option<usize>,
        /// The form of the rows.
        #[command(flatten)]
        output: Output,
    },
}

/// The arguments of `findings list`.
#[derive(Debug, Args)]
pub struct FindingsListArguments {
    /// List findings in this state; may be repeated [default: open, acknowledged, clearing]
    #[arg(long = "state", value_enum, value_name = "STATE")]
    pub states: Vec<StateName>,
    /// List findings of this severity or higher
    #[arg(long, value_name = "SEVERITY")]
    pub severity: Option<SeverityName>,
    /// List findings of rules of this name; * stands for any text
    #[arg(long, value_name = "RULE")]
    pub rule: Option<String>,
    /// List at most this many findings [default: 50 in a table, else all]
    #[arg(long, short = 'n')]
    pub lines: Option<usize>,
    /// The form of the rows.
    #[command(flatten)]
    pub output: Output,
}

/// The arguments of `findings silence`.
#[derive(Debug, Args)]
pub struct SilenceArguments {
    /// Silence the finding whose ID begins with this
    #[arg(long, value_name = "ID")]
    pub finding: Option<String>,
    /// Silence the findings of rules of this name; * stands for any text
    #[arg(long, value_name = "RULE")]
    pub rule: Option<String>,
    /// Silence the findings about the entity with this key
    #[arg(long, value_name = "KEY")]
    pub entity: Option<String>,
    /// Silence the findings of rules with this label
    #[arg(long, value_name = "NAME=VALUE")]
    pub label: Option<String>,
    /// Silence them for this long: 90m, 12h, 7d
    #[arg(long = "for", value_name = "TIME")]
    pub duration: Option<TimeSpan>,
    /// Record why
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
    /// End the silence with this ID now
    #[arg(long, value_name = "ID", conflicts_with_all = ["finding", "rule", "entity", "label", "duration", "why"])]
    pub end: Option<String>,
    /// The form of the rows.
    #[command(flatten)]
    pub output: Output,
}

/// A severity on the command line, the least severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SeverityName {
    /// Good to know.
    Informational,
    /// To look at when there is time.
    Low,
    /// To look at soon.
    Medium,
    /// To look at today.
    High,
    /// To look at now.
    Critical,
}

impl SeverityName {
    /// All severities, the least severe first.
    pub const ALL: [Self; 5] =
        [Self::Informational, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The severity as it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl FromStr for SeverityName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|severity| severity.name() == text)
            .ok_or_else(|| format!("write one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// A state of findings on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StateName {
    /// Found, but not in enough generations yet
    Pending,
    /// Found
    Open,
    /// Found, and a person handles it
    Acknowledged,
    /// No longer found, but not in enough generations yet
    Clearing,
    /// Over
    Resolved,
}
