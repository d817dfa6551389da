//! The texts that an operator reads of an erasure before it and after it.

use core_model::column::IdentifierKind;
use core_privacy::canonical::canonical;
use core_privacy::pseudonym::PREFIX;
use core_privacy::reuse::{REUSABLE_DAYS, is_lasting, is_reusable};
use core_privacy::suppression::SuppressionList;
use core_terminal::count;
use serde::Serialize;
use serde_json::{Value, json};

use crate::SearchReport;
use crate::certificate::{Certificate, ErasureRecord};
use crate::lists::erasure_ids;
use crate::retrieval::Retrieval;
use crate::subject::Subject;

/// The longest reason.
const MAX_REASON: usize = 40;

/// An identifier of a subject, and for how long an erasure would suppress it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KnownBy {
    /// The identifier as it is written.
    pub identifier: String,
    /// `lasting`, or `reusable` if another person may get it.
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

/// Refuses a reason that is not a word, so that no name gets into it.
///
/// # Errors
///
/// The rule, in a sentence.
pub fn check_reason(reason: &str) -> Result<(), &'static str> {
    let is_word = reason.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_word && (1..=MAX_REASON).contains(&reason.len()) {
        return Ok(());
    }
    Err(
        "a reason is a word of at most 40 letters, digits and hyphens, such as gdpr-request: it is \
         kept for as long as the erasure, so it must not contain a name",
    )
}

/// Returns a certificate in a sentence.
pub fn certificate_text(certificate: &Certificate) -> String {
    let Certificate { id, rows_removed, generations, events_removed, .. } = certificate;
    let possible = certificate.possible_mentions();
    let found = if possible == 0 { "found no remains" } else { "found no certain remains" };
    let acts = match certificate.acts_in_ledger {
        0 => String::new(),
        acts => format!(
            "; the ledger may name the one who was erased as the one who read or changed data ({}, until \
             they expire)",
            count(acts, "entry")
        ),
    };
    format!(
        "erasure {id}: removed {} from {}, cleared {} and removed {}; searched {} and {}, {found}{acts}",
        match rows_removed {
            1 => "1 entity or relationship".to_owned(),
            rows => format!("{rows} entities and relationships"),
        },
        count(generations.len(), "generation"),
        count(certificate.texts_emptied, "text"),
        count(*events_removed, "event"),
        count(certificate.files_scanned, "file"),
        count(certificate.tables_scanned, "table"),
    )
}

/// Returns what an erasure would remove, for programs.
pub fn preview_json(subject: &Subject, found: &SearchReport) -> Value {
    json!({
        "dryRun": true,
        "rows": found.rows,
        "texts": found.texts,
        "events": found.events,
        "possibleMentions": found.possible.rows(),
        "possibleFindings": found.possible.ids(),
        "identifiers": subject.texts,
        "identifierKinds": known_by(subject),
        "sharedIdentifiers": subject.shared.len(),
    })
}

/// Returns what an erasure would remove, as rows of a place and a number.
pub fn preview_rows(found: &SearchReport) -> Vec<[String; 2]> {
    let rows = found.rows.iter().map(|(id, rows)| [id.clone(), rows.to_string()]);
    let texts = ["texts of others".to_owned(), found.texts.to_string()];
    let events = ["events of the audit trail".to_owned(), found.events.to_string()];
    rows.chain([texts, events]).collect()
}

/// Returns the remarks about a preview. `program` is the command that starts the program.
pub fn preview_remarks(subject: &Subject, found: &SearchReport, program: &str) -> Vec<String> {
    let mut remarks = Vec::from_iter(shared_remark(subject.shared.len()));
    remarks.extend(possible_cells_remark(found.possible.rows(), program));
    if subject.keys.is_empty() {
        let remark = if found.events + found.texts > 0 {
            "no generation has it: it is known from texts and the audit trail alone"
        } else {
            "nothing is stored under these identifiers; erasing now keeps later runs from reading them"
        };
        remarks.push(remark.to_owned());
    }
    remarks
}

/// Returns the places that may name the subject and stay, a place, a column, keys and a number a row.
pub fn possible_rows(found: &SearchReport) -> Vec<[String; 4]> {
    let rows = found.possible.0.iter().map(|((place, column), possible)| {
        let keys = possible.keys.iter().chain(&possible.ids);
        let keys: Vec<&str> = keys.map(String::as_str).collect();
        [place.clone(), column.clone(), keys.join("\n"), possible.rows.to_string()]
    });
    rows.collect()
}

/// Returns the remark about the places that may name the subject.
pub fn possible_remark(found: &SearchReport) -> &'static str {
    if found.possible.0.is_empty() {
        "no other text has a word of it"
    } else {
        "these texts have a word that may be a name of it or mean something else: an erasure leaves them"
    }
}

/// Returns the remarks about a certificate. `program` is the command that starts the program.
pub fn certificate_remarks(certificate: &Certificate, program: &str) -> Vec<String> {
    let Certificate { id, rows_removed, events_removed, .. } = certificate;
    let shared = certificate.shared_identifiers.unwrap_or_default();
    let mut remarks = Vec::from_iter(shared_remark(shared));
    remarks.extend(possible_cells_remark(certificate.possible_mentions(), program));
    if *rows_removed == 0 && *events_removed == 0 {
        remarks.push(format!(
            "nothing was stored under these identifiers; if you did not expect that, `{program} privacy suppression lift \
             {id}` takes the erasure back"
        ));
    }
    let damaged = certificate.damaged_generations_removed.iter();
    let removed = |generation| format!("generation {generation} could not be read and was removed");
    remarks.extend(damaged.map(removed));
    remarks.push(format!("certificate (without names): certificate-{id}.json in the store"));
    remarks
}

/// Returns a remark on findings that may be about the subject of a retrieval.
pub fn possible_findings_remark(retrieval: &Retrieval) -> Option<String> {
    let possible = retrieval.possible_findings.len();
    (possible > 0).then(|| {
        format!(
            "{} may name it by a word that may mean something else: possibleFindings has the IDs",
            count(possible, "text of findings and silences")
        )
    })
}

/// Returns the erasures of a list that are in force, for programs.
pub fn in_force(list: &SuppressionList) -> Vec<Value> {
    let erasures = erasure_ids(list).into_iter().map(|id| {
        let ErasureRecord { at, reason, identifiers, .. } = ErasureRecord::new(list, &id);
        json!({ "erasure": id, "since": at, "reason": reason, "identifiers": identifiers })
    });
    erasures.collect()
}

/// Returns the cells of an erasure of [`in_force`].
pub fn in_force_cells(erasure: &Value) -> [String; 4] {
    ["erasure", "since", "reason", "identifiers"]
        .map(|name| erasure[name].as_str().map_or_else(|| erasure[name].to_string(), str::to_owned))
}

fn possible_cells_remark(rows: u64, program: &str) -> Option<String> {
    (rows > 0).then(|| {
        format!(
            "{rows} other cells and texts have a word that may be a name of it or mean something else; they stay: \
             `{program} privacy erase --review` lists them before an erasure, and its certificate after it"
        )
    })
}

fn shared_remark(shared: usize) -> Option<String> {
    (shared > 0).then(|| {
        format!("{shared} identifiers are those of others too, so nothing is looked for by them")
    })
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
    fn a_name_that_another_person_may_get_is_suppressed_for_days_if_a_lasting_identifier_is_known()
    {
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
            assert!(check_reason(reason).is_ok(), "{reason}");
        }
        let longer = "a".repeat(MAX_REASON + 1);
        for reason in ["", "Jane Doe", "jane.doe", "jane@acme", "Zürich", "a\nb", &longer] {
            assert!(check_reason(reason).is_err(), "{reason:?}");
        }
    }

    #[test]
    fn a_preview_counts_what_goes_and_says_where_a_subject_is_known_from() {
        let alone = subject(&[(IdentifierKind::Login, "jdoe")]);
        let mut found = SearchReport::default();
        let told = |found: &SearchReport| preview_remarks(&alone, found, "nexthink-graph");
        let nothing = "nothing is stored under these identifiers; erasing now keeps later runs from reading them";
        assert_eq!(told(&found), [nothing]);
        found.events = 2;
        let texts = "no generation has it: it is known from texts and the audit trail alone";
        assert_eq!(told(&found), [texts]);
        found.rows.insert("01JN7Z".to_owned(), 3);
        let rows = [["01JN7Z", "3"], ["texts of others", "0"], ["events of the audit trail", "2"]];
        assert_eq!(preview_rows(&found), rows.map(|row| row.map(str::to_owned)));
        let object = preview_json(&alone, &found);
        assert_eq!((&object["dryRun"], &object["events"]), (&json!(true), &json!(2)));
        assert_eq!(object["identifierKinds"][0]["identifier"], "jdoe");
    }

    #[test]
    fn identifiers_of_others_and_possible_names_are_told_only_if_there_are_any() {
        assert_eq!((shared_remark(0), possible_cells_remark(0, "p")), (None, None));
        let shared = shared_remark(2).expect("there are two");
        assert!(shared.starts_with("2 identifiers are those of others too"), "{shared}");
        let possible = possible_cells_remark(5, "nexthink-graph").expect("there are five");
        assert!(possible.contains("`nexthink-graph privacy erase --review`"), "{possible}");
        let none = SearchReport::default();
        assert_eq!(possible_remark(&none), "no other text has a word of it");
        assert_eq!(possible_rows(&none), [] as [[String; 4]; 0]);
    }
}
