//! The ledger for people and programs: its entries, and the result of its verification.

use core_store::{LedgerEntry, Verification};
use core_terminal::count;
use serde_json::{Value, json};

/// The header of a table of entries.
pub const HEADER: [&str; 5] = ["entry", "time", "who", "event", "facts"];

/// Returns an entry as a row of a table for people.
pub fn cells(entry: &LedgerEntry) -> [String; 5] {
    let LedgerEntry { sequence, record, .. } = entry;
    let facts = record.facts.iter().map(|(name, value)| format!("{name}={}", plain(value)));
    let facts = facts.collect::<Vec<_>>().join(" ");
    [sequence.to_string(), record.at.clone(), record.who.clone(), record.event.clone(), facts]
}

/// Returns an entry for programs.
pub fn entry_json(entry: &LedgerEntry) -> Value {
    let LedgerEntry { sequence, record, hash, .. } = entry;
    json!({
        "sequence": sequence,
        "at": record.at,
        "who": record.who,
        "event": record.event,
        "facts": record.facts,
        "hash": hash,
    })
}

/// Returns the result of a verification for people. `known` is the number of heads that it was compared with.
pub fn verification_text(verification: &Verification, known: usize) -> String {
    let Verification { entries, head, known_found, known_expired, findings } = verification;
    let mut lines: Vec<String> = findings
        .iter()
        .map(|finding| match finding.line {
            Some(line) => format!("line {line} {}", finding.reason),
            None => finding.reason.clone(),
        })
        .collect();
    lines.push(if findings.is_empty() {
        format!("the ledger is whole: {}", count(*entries, "entry"))
    } else {
        let findings = count(findings.len(), "finding");
        format!("the ledger is NOT whole: {findings} in {}", count(*entries, "entry"))
    });
    if known > 0 {
        lines.push(format!(
            "{known_found} of {known} known heads are in it, {known_expired} are older than it"
        ));
    }
    if let Some(head) = head {
        lines.push(format!("head {head}"));
    }
    lines.join("\n")
}

/// Returns the result of a verification for programs. `known` is the number of heads that it was compared with.
pub fn verification_json(verification: &Verification, known: usize) -> Value {
    json!({
        "isWhole": verification.findings.is_empty(),
        "entries": verification.entries,
        "head": verification.head.as_ref().map(ToString::to_string),
        "knownHeads": known,
        "knownHeadsExpired": verification.known_expired,
        "findings": verification.findings,
    })
}

/// Returns a fact without quotation marks around a text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use core_store::{LedgerFinding, LedgerHead, LedgerRecord};

    use super::*;

    fn verification(findings: Vec<LedgerFinding>) -> Verification {
        let head = LedgerHead { sequence: 3, hash: "ab".to_owned() };
        Verification { entries: 3, head: Some(head), known_found: 1, known_expired: 1, findings }
    }

    #[test]
    fn an_entry_has_its_facts_in_one_line_and_texts_without_quotation_marks() {
        let facts = json!({ "exitCode": 7, "generation": "01JN", "steps": ["fetch-users"] });
        let record = LedgerRecord {
            at: "2026-03-01T10:00:00Z".to_owned(),
            at_ms: 0,
            who: "uid 1000".to_owned(),
            event: "run_ended".to_owned(),
            facts: facts.as_object().expect("it is an object").clone(),
        };
        let entry =
            LedgerEntry { sequence: 2, previous: "aa".to_owned(), record, hash: "ab".to_owned() };
        let facts = r#"exitCode=7 generation=01JN steps=["fetch-users"]"#;
        assert_eq!(cells(&entry), ["2", "2026-03-01T10:00:00Z", "uid 1000", "run_ended", facts]);
        let object = entry_json(&entry);
        assert_eq!((&object["hash"], &object["facts"]["exitCode"]), (&json!("ab"), &json!(7)));
        assert!(object.get("previous").is_none(), "the hash before it is no news");
    }

    #[test]
    fn a_whole_ledger_is_told_with_its_head_and_the_heads_that_were_compared() {
        let whole = verification(Vec::new());
        let expected = "the ledger is whole: 3 entries\n1 of 2 known heads are in it, 1 are older than it\nhead 3:ab";
        assert_eq!(verification_text(&whole, 2), expected);
        let empty = Verification { entries: 0, head: None, ..whole };
        assert_eq!(verification_text(&empty, 0), "the ledger is whole: 0 entries");
        assert_eq!(verification_json(&empty, 0)["isWhole"], true);
    }

    #[test]
    fn a_ledger_that_is_not_whole_names_each_defect_with_its_line() {
        let findings = vec![
            LedgerFinding { line: Some(2), reason: "was changed".to_owned() },
            LedgerFinding { line: None, reason: "entry 4 is missing".to_owned() },
        ];
        let broken = verification(findings);
        let text = verification_text(&broken, 0);
        let lines: Vec<&str> = text.lines().collect();
        let told = "the ledger is NOT whole: 2 findings in 3 entries";
        assert_eq!(lines, ["line 2 was changed", "entry 4 is missing", told, "head 3:ab"]);
        assert_eq!(verification_json(&broken, 0)["isWhole"], false);
    }
}
