//! The texts of a book that may name someone.

use super::Book;
use crate::outbox::Item;

/// A part of the book that has texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BookPart {
    /// The findings.
    Findings,
    /// The messages that wait or were given up.
    Messages,
    /// The silences.
    Silences,
}

impl BookPart {
    /// The name in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Findings => "findings",
            Self::Messages => "messages",
            Self::Silences => "silences",
        }
    }
}

impl Book {
    /// Calls `take` with the texts of each finding, of each item of a message and of each silence, the names of those who
    /// changed something included. A finding and an item have the ID of the finding, a silence has its own.
    pub fn each_text(&self, take: &mut dyn FnMut(BookPart, &str, &[String])) {
        for (id, finding) in &self.findings {
            let mut texts = finding.texts();
            texts.extend(finding.acknowledged.iter().map(|acknowledged| acknowledged.by.clone()));
            texts.extend(finding.history.iter().map(|entry| entry.by.clone()));
            take(BookPart::Findings, &id.to_string(), &texts);
        }
        let messages = self.outbox.messages.iter().chain(&self.outbox.dead);
        for Item { finding, text, entity, .. } in messages.flat_map(|message| &message.items) {
            let texts: Vec<String> = [text].into_iter().chain(entity).cloned().collect();
            take(BookPart::Messages, &finding.to_string(), &texts);
        }
        for silence in &self.silences {
            let texts = [&silence.why, &silence.by].into_iter().chain(&silence.matcher.entity);
            take(BookPart::Silences, &silence.id, &texts.cloned().collect::<Vec<_>>());
        }
    }
}
