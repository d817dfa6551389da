//! What can be typed after `privacy`.

use clap::{Args, Subcommand, ValueEnum};

use super::{Output, ReportFormat};

#[derive(Debug, Subcommand)]
pub(crate) enum PrivacyCommand {
    /// List every column with what it tells about people, what happens to it, and where it goes
    #[command(after_help = "\
Examples:
  nexthink-graph privacy inventory
  nexthink-graph privacy inventory --output csv > inventory.csv")]
    Inventory {
        #[command(flatten)]
        output: Output,
    },
    /// Erase a person or device from everything that is stored, and never read it again
    #[command(after_help = "\
Examples:
  nexthink-graph privacy erase --user jane.doe@acme.example --reason gdpr-request --dry-run
  nexthink-graph privacy erase --user jane.doe@acme.example --review
  nexthink-graph privacy erase --user jane.doe@acme.example --reason gdpr-request --yes

Every kept generation is rewritten, downloads and rows that were set aside are removed, and every byte
of the store is looked through afterwards. What finds somebody again is an HMAC under the key that
`privacy key new` makes, in the store and in a copy beside the key file. The next delivery removes the
subject at JupiterOne.")]
    Erase(EraseArguments),
    /// Show everything that is known of a person or device
    #[command(after_help = "\
Examples:
  nexthink-graph privacy retrieve --user jane.doe@acme.example > answer.json
  nexthink-graph privacy retrieve --user jane.doe@acme.example --output html > answer.html")]
    Retrieve(RetrieveArguments),
    /// Those who were erased
    #[command(subcommand)]
    Suppression(SuppressionCommand),
    /// The keys that pseudonyms are made with
    #[command(subcommand)]
    Key(KeyCommand),
    /// Who did what with the data and when: list it, or prove that nothing of it was changed
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Remove what was kept long enough, as after each run
    #[command(after_help = "\
Examples:
  nexthink-graph privacy retention --dry-run
  nexthink-graph privacy retention --output json

The windows are those of `[retention]` in the configuration, for events too. Nothing is removed
while the clock is behind an earlier run, or when it has jumped far ahead until a later run sees it
there too.")]
    Retention(RetentionArguments),
    /// Print the record of processing: purposes, kinds of data, recipients, how long it is kept
    #[command(after_help = "\
Examples:
  nexthink-graph privacy record > record-of-processing.md
  nexthink-graph privacy record --output json

Purposes and contacts come from `[privacy.record]` in the configuration, everything else from what
the program reads, keeps and sends.")]
    Record {
        /// How it is printed; `table` is Markdown
        #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
        output: ReportFormat,
    },
}

/// `privacy suppression` and what follows it.
#[derive(Debug, Subcommand)]
pub(crate) enum SuppressionCommand {
    /// List the erasures that are in force
    #[command(after_help = "Example:\n  nexthink-graph privacy suppression list --output json")]
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Lift an erasure, so that the next run reads that person or device again
    #[command(after_help = "\
Example:
  nexthink-graph privacy suppression lift e-01JN7Z1M80000000000000000A --reason rehired")]
    Lift {
        /// The id of the erasure
        id: String,
        /// Why, in a word without a name
        #[arg(long, value_name = "WORD")]
        reason: String,
    },
    /// Take out again who came back with an older copy of the store; the next run does it too
    #[command(after_help = "Example:\n  nexthink-graph privacy suppression apply")]
    Apply,
}

/// Whom an erasure or a retrieval is about.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct SubjectArguments {
    /// A user, by UPN, e-mail address, login name, SID or uid; several of one and the same person
    #[arg(long, value_name = "USER", conflicts_with = "device")]
    pub(crate) user: Vec<String>,
    /// A device, by uid, name or SID; several of one and the same device
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Vec<String>,
}

/// What `privacy erase` takes.
#[derive(Debug, Args)]
pub(crate) struct EraseArguments {
    #[command(flatten)]
    pub(crate) subject: SubjectArguments,
    /// Why, in a word without a name: it is kept
    #[arg(long, value_name = "WORD", required_unless_present = "review")]
    pub(crate) reason: Option<String>,
    /// Only show what is known and would go
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Only list the places that may name the subject and would stay, without their values
    #[arg(long, conflicts_with_all = ["dry_run", "yes"])]
    pub(crate) review: bool,
    /// Remove old generations that cannot be read, since nobody can be taken out of them
    #[arg(long)]
    pub(crate) remove_damaged: bool,
    /// Do it: it cannot be undone
    #[arg(long)]
    pub(crate) yes: bool,
    /// How the certificate is printed
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) output: ReportFormat,
}

/// What `privacy retrieve` takes.
#[derive(Debug, Args)]
pub(crate) struct RetrieveArguments {
    #[command(flatten)]
    pub(crate) subject: SubjectArguments,
    /// How it is printed
    #[arg(long, short, value_enum, default_value_t = RetrievalFormat::Json)]
    pub(crate) output: RetrievalFormat,
}

/// How a retrieval is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RetrievalFormat {
    /// For programs
    Json,
    /// A page for the person, with nothing loaded from elsewhere
    Html,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make the key file; one that is there is never replaced
    #[command(after_help = "\
Example:
  nexthink-graph privacy key new

Keep a copy of the file where the store is not. Without it nobody can be found in what was
published, and the next run is refused.")]
    New,
    /// List the keys, without their secrets
    #[command(after_help = "Example:\n  nexthink-graph privacy key list --output json")]
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Make pseudonyms with a new key from the next run on
    #[command(after_help = "\
Example:
  nexthink-graph privacy key rotate
  nexthink-graph run

The next run replaces everything at once; it publishes nothing unless every step is complete.")]
    Rotate,
    /// Forget an earlier key, so that its pseudonyms cannot be made again
    #[command(after_help = "\
Example:
  nexthink-graph privacy key retire bnapz2lc

Remove the copies that you keep of the file too.")]
    Retire {
        /// The id of the key; `privacy key list` shows it
        id: String,
    },
}

/// `privacy ledger` and what follows it.
#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// List the entries, the oldest first
    #[command(after_help = "\
Examples:
  nexthink-graph privacy ledger list
  nexthink-graph privacy ledger list --event query --output ndjson")]
    List {
        /// Only entries of this event; may be given several times
        #[arg(long = "event", value_name = "EVENT")]
        events: Vec<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Verify that no entry was changed, removed or moved, and print the head
    #[command(after_help = "\
Examples:
  nexthink-graph privacy ledger verify
  nexthink-graph privacy ledger verify --from 812:6b1f…

Keep the head elsewhere, and give it as --from the next time: that is how a ledger that was cut at
its end or made anew is found out. The heads that the kept generations and the last delivery name are
checked always.
A ledger that is not whole ends with exit code 5.")]
    Verify {
        /// A head that an earlier run or `verify` has printed; may be given several times
        #[arg(long = "from", value_name = "NUMBER:HASH")]
        from: Vec<String>,
        /// How the verdict is printed
        #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
        output: ReportFormat,
    },
}

/// What `privacy retention` takes.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct RetentionArguments {
    /// Only show what would be removed
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Believe the clock although it is behind an earlier run or has jumped far ahead
    #[arg(long)]
    pub(crate) accept_clock: bool,
    /// How the report is printed
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) output: ReportFormat,
}
