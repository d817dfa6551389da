//! The changes that people make to findings. Each is one step, with an entry in the ledger.

use core_engine::Failure;
use core_engine::ledger::{self, Event};
use core_reading::Reader;
use core_rules::book::Book;
use core_rules::finding::Acknowledgement;
use core_rules::silence::{MAX_NOTE, Matcher, Silence};
use core_rules::template::one_line;
use core_rules::view::time;
use core_store::DeliveryLock;
use core_terminal::count;

use super::{Findings, short};

/// An acknowledgement, or its withdrawal.
#[derive(Debug, Clone, Copy)]
pub enum Acknowledging<'a> {
    /// A person handles the findings.
    Acknowledge {
        /// A remark.
        note: Option<&'a str>,
    },
    /// The acknowledgement is withdrawn.
    Withdraw,
}

/// A request for a silence: the findings to silence, the length and the reason.
#[derive(Debug, Clone, Default)]
pub struct SilenceRequest {
    /// The beginning of a finding's ID.
    pub finding: Option<String>,
    /// The name of a rule; `*` stands for any text.
    pub rule: Option<String>,
    /// The key of an entity.
    pub entity: Option<String>,
    /// A label of rules: `NAME=VALUE`.
    pub label: Option<String>,
    /// Its length. Milliseconds.
    pub length_ms: Option<u64>,
    /// Its reason.
    pub why: Option<String>,
}

/// Acknowledges the findings whose IDs begin with these texts, or withdraws their acknowledgements. Returns a line
/// for each.
///
/// # Errors
///
/// A finding does not exist, or does not allow this change; then none is changed.
pub async fn acknowledge(
    reader: &Reader<'_>,
    texts: &[String],
    acknowledging: Acknowledging<'_>,
) -> Result<Vec<String>, Failure> {
    let mut change = Change::begin(reader).await?;
    let (now, by) = (change.findings.now, &reader.host.user);
    let (action, done, refusal) = match acknowledging {
        Acknowledging::Acknowledge { .. } => ("acknowledge", "acknowledged", "it is resolved"),
        Acknowledging::Withdraw => {
            ("unacknowledge", "acknowledgement withdrawn", "it is not acknowledged")
        }
    };
    let mut lines = Vec::new();
    for text in texts {
        let id = change.findings.named(text)?;
        let book = &mut change.findings.book;
        let is_changed = match acknowledging {
            Acknowledging::Acknowledge { note } => {
                let note = note.map(|note| one_line(note, MAX_NOTE));
                book.acknowledge(id, Acknowledgement { by: by.clone(), at: now, note })
            }
            Acknowledging::Withdraw => book.unacknowledge(id, now, by),
        };
        if !is_changed {
            let id = short(id);
            return Err(Failure::configuration(format!("finding {id} stays as it is: {refusal}")));
        }
        lines.push(format!("{done}: {}", short(id)));
    }
    change.save(action, lines.len())?;
    Ok(lines)
}

/// Silences findings. Returns a line about the result.
///
/// # Errors
///
/// The request is incomplete, or names a finding that does not exist.
pub async fn silence(reader: &Reader<'_>, request: SilenceRequest) -> Result<String, Failure> {
    let mut change = Change::begin(reader).await?;
    let now = reader.host.now();
    let matcher = request.matcher(&change.findings)?;
    let (Some(length_ms), Some(why)) = (request.length_ms, request.why) else {
        return Err(Failure::configuration(
            "a silence needs its end and a reason: add --for 7d --why TEXT",
        ));
    };
    let silence = Silence {
        id: format!("s-{}", reader.host.new_id(now)?).to_lowercase(),
        matcher,
        until: now.0.saturating_add(length_ms),
        at: now.0,
        by: reader.host.user.clone(),
        why: one_line(&why, MAX_NOTE),
    };
    let book = &mut change.findings.book;
    let matching = book.active_matching(&silence.matcher);
    let line = format!(
        "silenced until {}: {}, {} ({} now)",
        time(silence.until),
        silence.id,
        silence.matcher.describe(),
        count(matching, "open finding")
    );
    book.silence(silence);
    change.save("silence", matching)?;
    Ok(line)
}

/// Ends a silence now. Returns a line about the result.
///
/// # Errors
///
/// No active silence has this ID.
pub async fn end_silence(reader: &Reader<'_>, id: &str) -> Result<String, Failure> {
    let mut change = Change::begin(reader).await?;
    let now = change.findings.now;
    if !change.findings.book.end_silence(id, now) {
        return Err(Failure::configuration(format!("there is no silence `{id}` in force")));
    }
    change.save("end-silence", 0)?;
    Ok(format!("ended: {id}"))
}

impl SilenceRequest {
    /// Returns true if the request names nothing to silence.
    pub fn names_nothing(&self) -> bool {
        let Self { finding, rule, entity, label, .. } = self;
        [finding, rule, entity, label].into_iter().all(Option::is_none)
    }

    fn matcher(&self, findings: &Findings<'_>) -> Result<Matcher, Failure> {
        let label = self.label.as_ref().map(|text| {
            let pair =
                text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
            pair.ok_or_else(|| Failure::configuration("write a label as NAME=VALUE"))
        });
        Ok(Matcher {
            finding: self.finding.as_ref().map(|text| findings.named(text)).transpose()?,
            rule: self.rule.clone(),
            entity: self.entity.clone(),
            label: label.transpose()?,
        })
    }
}

/// The findings during a change, with their lock.
struct Change<'a> {
    lock: DeliveryLock,
    findings: Findings<'a>,
}

impl<'a> Change<'a> {
    async fn begin(reader: &'a Reader<'a>) -> Result<Self, Failure> {
        let lock = Book::lock(reader.tenant, &reader.host.lock_owner()).await?;
        Ok(Self { lock, findings: Findings::read(reader)? })
    }

    /// Writes the findings in one step, and a ledger entry with the number of changed ones.
    fn save(self, action: &'static str, findings: usize) -> Result<(), Failure> {
        let reader = self.findings.reader;
        self.findings.book.write(&self.lock)?;
        let event = Event::FindingsChanged { action, findings, user: None };
        ledger::record(reader.host, reader.tenant, &event)?;
        Ok(())
    }
}
