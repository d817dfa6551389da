//! Lists, shows and changes findings for the command line.

mod changes;
mod history;
#[cfg(test)]
mod tests;

use core_engine::Failure;
use core_engine::ledger::Event;
use core_reading::Reader;
use core_rules::book::Book;
use core_rules::finding::{Finding, HistoryEntry};
use core_rules::fingerprint::FindingId;
use core_rules::view::{SilenceView, Wanted, since, time};
use core_terminal::count;
use serde_json::{Value, json};

pub use self::changes::{Acknowledging, SilenceRequest, acknowledge, end_silence, silence};
pub use self::history::History;

/// The number of characters of an ID in lists.
const SHORT_ID: usize = 12;
/// The fewest characters that count as the beginning of an ID.
const MIN_PREFIX: usize = 4;

/// The findings of a tenant at a time.
pub struct Findings<'a> {
    reader: &'a Reader<'a>,
    book: Book,
    /// Milliseconds since 1970-01-01 UTC.
    now: u64,
}

impl<'a> Findings<'a> {
    /// Reads the findings of a tenant.
    ///
    /// # Errors
    ///
    /// No rule was evaluated yet, or the findings cannot be read.
    pub fn read(reader: &'a Reader<'a>) -> Result<Self, Failure> {
        let book = Book::read(reader.tenant)?.ok_or_else(|| {
            let program = &reader.host.program;
            Failure::configuration(format!(
                "no rule was evaluated yet: `{program} rules enable ID` enables one, and `{program} rules \
                 run` evaluates it"
            ))
        })?;
        Ok(Self { reader, book, now: reader.host.now().0 })
    }

    /// Returns the only finding whose ID begins with a text.
    ///
    /// # Errors
    ///
    /// No finding has such an ID, several have, or the text is too short.
    pub fn named(&self, text: &str) -> Result<FindingId, Failure> {
        let text = text.trim();
        let text = text.strip_prefix("nexthink_finding:").unwrap_or(text).to_lowercase();
        if text.len() < MIN_PREFIX {
            return Err(Failure::configuration(format!(
                "`{text}` is too short for an ID: write at least {MIN_PREFIX} of its characters"
            )));
        }
        match self.book.ids(&text)[..] {
            [id] => Ok(id),
            [] => Err(Failure::configuration(format!(
                "there is no finding whose ID begins with `{text}`; `{} findings list` shows them",
                self.reader.host.program
            ))),
            ref several => Err(Failure::configuration(format!(
                "the IDs of {} findings begin with `{text}`: write more of it",
                several.len()
            ))),
        }
    }

    /// Lists findings, the most severe first, at most `lines` of them. The ledger gets an entry.
    pub fn list(&self, wanted: &Wanted, lines: Option<usize>) -> List<'_> {
        self.reader.record(&Event::FindingsRead { what: "list" });
        let found = self.book.wanted(wanted);
        let shown = lines.unwrap_or(found.len());
        List { findings: self, found, shown }
    }

    /// Returns one finding with its row and history. The ledger gets an entry.
    ///
    /// # Errors
    ///
    /// As [`Findings::named`].
    pub fn one(&self, text: &str) -> Result<Detail<'_>, Failure> {
        let id = self.named(text)?;
        let Some(finding) = self.book.finding(id) else { unreachable!("it was just found") };
        self.reader.record(&Event::FindingsRead { what: "show" });
        Ok(Detail { findings: self, id, finding })
    }

    /// Returns the silences as objects.
    pub fn silence_objects(&self) -> Vec<Value> {
        let silences = self.book.silences().iter();
        silences.map(|silence| json!(SilenceView::new(silence, self.now))).collect()
    }

    /// Returns a table of the silences for a terminal of so many columns.
    pub fn silences_table(&self, columns: Option<usize>) -> String {
        let rows = self.book.silences().iter().map(|silence| {
            [
                silence.id.clone(),
                silence.matcher.describe(),
                time(silence.until) + if silence.until > self.now { "" } else { " (over)" },
                silence.by.clone(),
                silence.why.clone(),
            ]
        });
        let header = ["silence", "of", "until", "by", "why"];
        core_terminal::table(header, rows, header.len(), columns)
    }
}

/// A list of findings.
pub struct List<'a> {
    findings: &'a Findings<'a>,
    found: Vec<(FindingId, &'a Finding)>,
    /// The largest number of findings to show.
    shown: usize,
}

impl List<'_> {
    /// Returns the findings as objects, one after the other: there may be hundreds of thousands.
    pub fn objects(&self) -> impl Iterator<Item = Value> {
        let Findings { book, now, .. } = self.findings;
        self.found.iter().take(self.shown).map(|(id, finding)| json!(book.row(*id, finding, *now)))
    }

    /// Returns a table for a terminal of so many columns.
    pub fn table(&self, columns: Option<usize>) -> String {
        let Findings { book, now, .. } = self.findings;
        let rows = self.found.iter().take(self.shown).map(|(id, finding)| {
            let mut state = finding.state().name().to_owned();
            if finding.life.is_unknown {
                state.push_str(", unknown");
            }
            if book.silence_of(*id, *now).is_some() {
                state.push_str(", silenced");
            }
            [
                short(*id),
                book.severity(finding).name().to_owned(),
                state,
                time(since(finding)),
                finding.rule.clone(),
                finding.text.clone(),
            ]
        });
        let header = ["finding", "severity", "state", "since", "rule", "what"];
        core_terminal::table(header, rows, header.len(), columns)
    }

    /// Returns a sentence with the number of findings, and the way to see the hidden ones.
    pub fn remark(&self) -> String {
        let (all, shown) = (count(self.found.len(), "finding"), self.shown);
        if self.found.len() > shown {
            format!(
                "{all}, of which the first {shown} are shown: --lines or --output csv shows more"
            )
        } else {
            all
        }
    }
}

/// A finding with its row and history.
pub struct Detail<'a> {
    findings: &'a Findings<'a>,
    id: FindingId,
    finding: &'a Finding,
}

impl Detail<'_> {
    /// Returns the finding as an object.
    pub fn object(&self) -> Value {
        json!(self.findings.book.detail(self.id, self.finding, self.findings.now))
    }

    /// Returns the finding as a page for a terminal of so many columns.
    pub fn page(&self, columns: Option<usize>) -> String {
        let Self { findings: Findings { book, now, .. }, id, finding } = self;
        let object = self.object();
        let title = object["title"].as_str().unwrap_or_default();
        let mut lines = vec![
            format!("{} ({}, {})", finding.text, book.severity(finding), finding.state().name()),
            format!("finding  {id}"),
            format!("rule     {}: {title}", finding.rule),
        ];
        lines.extend(finding.entity.as_ref().map(|entity| format!("entity   {entity}")));
        if finding.life.is_unknown {
            lines.push(
                "unknown  the last evaluation could not tell whether it still holds".to_owned(),
            );
        }
        if let Some(ack) = &finding.acknowledged {
            let note = ack.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
            lines.push(format!("acknowledged by {} at {}{note}", ack.by, time(ack.at)));
        }
        if let Some(silence) = book.silence_of(*id, *now) {
            lines.push(format!("silenced until {}: {}", time(silence.until), silence.why));
        }
        lines.push(String::new());
        let row = object["row"].as_object().into_iter().flatten().map(|(name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (name.clone(), value)
        });
        lines.push(core_terminal::fields(row, "  ", columns));
        lines.extend(finding.history.iter().map(|entry| {
            format!("  {}  {}  ({}){}", time(entry.at), word(entry), entry.by, reason(entry))
        }));
        lines.join("\n")
    }
}

fn short(id: FindingId) -> String {
    id.to_string()[..SHORT_ID].to_owned()
}

/// The change, in a word.
fn word(entry: &HistoryEntry) -> String {
    let word = serde_json::to_value(entry.what).unwrap_or_default();
    word.as_str().unwrap_or_default().to_owned()
}

/// The reason of a change, as a suffix of its word.
fn reason(entry: &HistoryEntry) -> String {
    entry.reason.map(|reason| format!(": {}", reason.text())).unwrap_or_default()
}
