//! The texts that an operator reads of an erasure before it and after it.

use core_model::column::IdentifierKind;
use core_privacy::canonical::canonical;
use core_privacy::pseudonym::PREFIX;
use core_privacy::reuse::{REUSABLE_DAYS, is_lasting, is_reusable};
use serde::Serialize;

use crate::certificate::Certificate;
use crate::subject::Subject;

/// The longest reason.
const MAX_REASON: usize = 40;

/// An identifier of a subject, and for how long an erasure would suppress it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KnownBy {
    /// The identifier as it is written.
    pub identifier: String,
    /// `lasting`, or `reusable` if somebody else may get it.
    pub kind: &'static str,
    /// The time for which it would be suppressed, in words.
    pub suppressed: String,
}

/// Returns the identifiers that a subject is known by.
pub fn known_by(subject: &Subject) -> Vec<KnownBy> {
    let forms = |text: &str| {
        let forms = IdentifierKind::ALL
            .into_iter()
            .filter_map(|identifier_kind| canonical(identifier_kind, text));
        forms.filter(|identifier| subject.identifiers.contains(identifier)).collect::<Vec<_>>()
    };
    let has_lasting = subject.identifiers.iter().any(|(identifier_kind, text)| {
        let text = text.to_lowercase();
        let is_reusable = |identifier: &(IdentifierKind, String)| {
            is_reusable(identifier.0) && identifier.1.to_lowercase() == text
        };
        is_lasting(*identifier_kind)
            && !text.starts_with(PREFIX)
            && !subject.identifiers.iter().any(is_reusable)
    });
    let identifiers = subject.texts.iter().map(|text| {
        let forms = forms(text);
        let is_lasting = forms.iter().all(|(identifier_kind, _)| is_lasting(*identifier_kind));
        let (kind, suppressed) = match (is_lasting, has_lasting) {
            (true, _) => ("lasting", "until lifted".to_owned()),
            (false, true) => ("reusable", format!("{REUSABLE_DAYS} days, not for a next owner")),
            (false, false) => ("reusable", "until lifted, also for a next owner".to_owned()),
        };
        KnownBy { identifier: text.clone(), kind, suppressed }
    });
    identifiers.collect()
}

/// Returns true if a reason is a word, so that nobody writes a name into it.
pub fn is_reason(reason: &str) -> bool {
    let is_word = reason.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    is_word && (1..=MAX_REASON).contains(&reason.len())
}

/// Returns a certificate in a sentence.
pub fn certificate_text(certificate: &Certificate) -> String {
    let Certificate { id, rows_removed, generations, events_removed, .. } = certificate;
    let possible = certificate.possible_mentions();
    let found = if possible == 0 { "nothing found" } else { "no name found beyond doubt" };
    format!(
        "erasure {id}: {rows_removed} entities and relationships taken out of {} generations, {} texts \
         emptied, and {events_removed} events removed; {} files and {} tables looked through, and {found}",
        generations.len(),
        certificate.texts_emptied,
        certificate.files_scanned,
        certificate.tables_scanned
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(identifiers: &[(IdentifierKind, &str)]) -> Subject {
        let canonical = identifiers.iter().filter_map(|(kind, text)| canonical(*kind, text));
        Subject {
            identifiers: canonical.collect(),
            texts: identifiers.iter().map(|(_, text)| (*text).to_owned()).collect(),
            ..Subject::default()
        }
    }

    fn suppressed(subject: &Subject, text: &str) -> (&'static str, String) {
        let known = known_by(subject).into_iter().find(|known| known.identifier == text);
        let known = known.expect("the subject is known by it");
        (known.kind, known.suppressed)
    }

    #[test]
    fn a_name_that_somebody_else_may_get_is_suppressed_for_days_if_a_lasting_identifier_is_known() {
        let sid = "S-1-5-21-1-2-3-1001";
        let both = subject(&[(IdentifierKind::Login, "jdoe"), (IdentifierKind::Sid, sid)]);
        assert_eq!(suppressed(&both, sid), ("lasting", "until lifted".to_owned()));
        let days = format!("{REUSABLE_DAYS} days, not for a next owner");
        assert_eq!(suppressed(&both, "jdoe"), ("reusable", days));
    }

    #[test]
    fn a_name_alone_is_suppressed_until_it_is_lifted_whoever_has_it() {
        let alone = subject(&[(IdentifierKind::Login, "jdoe")]);
        let expected = ("reusable", "until lifted, also for a next owner".to_owned());
        assert_eq!(suppressed(&alone, "jdoe"), expected);
    }

    #[test]
    fn a_reason_is_one_word_without_room_for_a_name() {
        let longest = "a".repeat(MAX_REASON);
        for reason in ["gdpr-request", "ticket_17", "A", &longest] {
            assert!(is_reason(reason), "{reason}");
        }
        let longer = "a".repeat(MAX_REASON + 1);
        for reason in ["", "Jane Doe", "jane.doe", "jane@acme", "Zürich", "a\nb", &longer] {
            assert!(!is_reason(reason), "{reason:?}");
        }
    }
}
