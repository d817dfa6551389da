//! The arguments of `privacy`.

use clap::{Args, Subcommand, ValueEnum};

use crate::{Output, ReportFormat};

/// `privacy` and what follows it.
#[derive(Debug, Subcommand)]
pub enum PrivacyCommand {
    /// List every column and what happens to it
    #[command(after_help = "\
Examples:
  nexthink-graph privacy inventory
  nexthink-graph privacy inventory --output csv > inventory.csv")]
    Inventory {
        /// The form of the rows.
        #[command(flatten)]
        output: Output,
    },
    /// Erase a person or device for good
    #[command(after_help = "\
Examples:
  nexthink-graph privacy erase --user jane.sharma191@acme.example --reason gdpr-request --dry-run
  nexthink-graph privacy erase --user jane.sharma191@acme.example --review
  nexthink-graph privacy erase --user jane.sharma191@acme.example --reason gdpr-request --yes

It rewrites every kept generation, removes downloads and quarantined rows, and then searches every byte of
the store. Later runs recognize the subject by an HMAC under the key that `privacy key new` makes; it is in
the store and in a copy beside the key file. The next delivery removes the subject from JupiterOne.")]
    Erase(EraseArguments),
    /// Show everything stored about a person or device
    #[command(after_help = "\
Examples:
  nexthink-graph privacy retrieve --user jane.sharma191@acme.example > answer.json
  nexthink-graph privacy retrieve --user jane.sharma191@acme.example --output html > answer.html")]
    Retrieve(RetrieveArguments),
    /// List and lift erasures
    #[command(subcommand)]
    Suppression(SuppressionCommand),
    /// Make and rotate the keys of pseudonyms and erasures
    #[command(subcommand)]
    Key(KeyCommand),
    /// List or verify the record of who used the data
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Remove what is older than its retention period
    #[command(after_help = "\
Examples:
  nexthink-graph privacy retention --dry-run
  nexthink-graph privacy retention --output json

`[retention]` in the configuration sets the periods. It removes nothing while the clock is behind an
earlier run. If the clock has jumped far ahead, it removes nothing until a later run confirms the time.")]
    Retention(RetentionArguments),
    /// Print the record of processing (GDPR, article 30)
    #[command(after_help = "\
Examples:
  nexthink-graph privacy record > record-of-processing.md
  nexthink-graph privacy record --output json

Purposes and contacts come from `[privacy.record]` in the configuration. The rest describes what the
program reads, keeps and sends.")]
    Record {
        /// Print the record in this form; table is Markdown
        #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
        output: ReportFormat,
    },
}

/// `privacy suppression` and what follows it.
#[derive(Debug, Subcommand)]
pub enum SuppressionCommand {
    /// List the erasures that are in force
    #[command(after_help = "Example:\n  nexthink-graph privacy suppression list --output json")]
    List {
        /// The form of the rows.
        #[command(flatten)]
        output: Output,
    },
    /// Lift an erasure: the next run reads the subject again
    #[command(after_help = "\
Example:
  erasure=$(nexthink-graph privacy suppression list --output csv | tail -n 1 | cut -d , -f 1)
  nexthink-graph privacy suppression lift \"$erasure\" --reason rehired")]
    Lift {
        /// Lift the erasure with this ID
        id: String,
        /// Record this reason: one word without a name
        #[arg(long, value_name = "WORD")]
        reason: String,
    },
    /// Finish erasures, and repeat them on a restored store
    #[command(after_help = "\
Example:
  nexthink-graph privacy suppression apply

It ends with exit code 5 if it cannot finish an erasure, for example because a generation is damaged.")]
    Apply {
        /// Remove old generations that are damaged, since no person can be erased from them
        #[arg(long)]
        remove_damaged: bool,
    },
}

/// Whom an erasure or a retrieval is about.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct SubjectArguments {
    /// A user, by UPN, e-mail address, login name, SID or uid; may be repeated
    #[arg(long, value_name = "USER", conflicts_with = "device")]
    pub user: Vec<String>,
    /// A device, by uid, name or SID; may be repeated
    #[arg(long, value_name = "DEVICE")]
    pub device: Vec<String>,
}

/// The arguments of `privacy erase`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct EraseArguments {
    /// Whom it is about.
    #[command(flatten)]
    pub subject: SubjectArguments,
    /// Record this reason: one word without a name
    #[arg(long, value_name = "WORD", required_unless_present = "review")]
    pub reason: Option<String>,
    /// Show what would be erased, and erase nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Only list the places that may name the subject and that an erasure would keep, without their values
    #[arg(long, conflicts_with_all = ["dry_run", "yes"])]
    pub review: bool,
    /// Remove old generations that are damaged, since no person can be erased from them
    #[arg(long)]
    pub remove_damaged: bool,
    /// Erase without asking; this cannot be undone
    #[arg(long)]
    pub yes: bool,
    /// Print the certificate in this form
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub output: ReportFormat,
}

/// The arguments of `privacy retrieve`.
#[derive(Debug, Args)]
pub struct RetrieveArguments {
    /// Whom it is about.
    #[command(flatten)]
    pub subject: SubjectArguments,
    /// Print the answer in this form
    #[arg(long, short, value_enum, default_value_t = RetrievalFormat::Json)]
    pub output: RetrievalFormat,
}

/// The format of a retrieval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RetrievalFormat {
    /// For programs
    Json,
    /// A page for the person
    Html,
}

/// `privacy key` and what follows it.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make the key file, if there is none
    #[command(after_help = "\
Example:
  nexthink-graph privacy key new

Keep a copy of the file outside of the store. Without the file, the program cannot find a person in what
it has published, and refuses the next run.")]
    New,
    /// List the keys without their secrets
    #[command(after_help = "Example:\n  nexthink-graph privacy key list --output json")]
    List {
        /// The form of the rows.
        #[command(flatten)]
        output: Output,
    },
    /// Use a new key from the next run on
    #[command(after_help = "\
Example:
  nexthink-graph privacy key rotate
  nexthink-graph run

The next run replaces everything at once. It publishes only if every step is complete.")]
    Rotate,
    /// Forget an earlier key for good
    #[command(after_help = "\
Example:
  key=$(nexthink-graph privacy key list --output csv | grep ,earlier | cut -d , -f 2)
  nexthink-graph privacy key retire \"$key\"

Also remove it from your copies of the key file.")]
    Retire {
        /// Forget the key with this ID
        id: String,
    },
}

/// `privacy ledger` and what follows it.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// List the entries, oldest first
    #[command(after_help = "\
Examples:
  nexthink-graph privacy ledger list
  nexthink-graph privacy ledger list --event query --output ndjson")]
    List {
        /// List only this event; may be repeated
        #[arg(long = "event", value_name = "EVENT")]
        events: Vec<String>,
        /// The form of the rows.
        #[command(flatten)]
        output: Output,
    },
    /// Verify that no entry was changed, removed or moved
    #[command(after_help = "\
Examples:
  nexthink-graph privacy ledger verify | sed -n 's/^head //p' > ledger-head
  nexthink-graph privacy ledger verify --from \"$(cat ledger-head)\"

Keep the head, the number and hash of the last entry, outside of the store: only a known head reveals a
ledger that was cut at its end or replaced. It always checks the heads in the kept generations and in the last
delivery. It ends with exit code 5 if the ledger was changed.")]
    Verify {
        /// Also check this earlier head; may be repeated
        #[arg(long = "from", value_name = "NUMBER:HASH")]
        from: Vec<String>,
        /// Print the result in this form
        #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
        output: ReportFormat,
    },
}

/// The arguments of `privacy retention`.
#[derive(Debug, Clone, Copy, Args)]
pub struct RetentionArguments {
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Accept a clock that has jumped
    #[arg(long)]
    pub accept_clock: bool,
    /// Print the report in this form
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub output: ReportFormat,
}
