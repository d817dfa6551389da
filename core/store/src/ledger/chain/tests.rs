//! Tampering with a ledger: each of more than a thousand changes is found.

use super::*;

const ENTRIES: u64 = 40;

fn record(number: u64) -> LedgerRecord {
    let facts =
        [("generation".to_owned(), Value::from(format!("01JN7Z1M8000000000000000{number:02}")))];
    LedgerRecord {
        at: format!("2026-03-01T08:{number:02}:00Z"),
        at_ms: 1_772_352_000_000 + number * 60_000,
        who: "uid 1000 (operator)".to_owned(),
        event: "run".to_owned(),
        facts: facts.into_iter().collect(),
    }
}

/// The lines of a ledger, each with its line end, and the head of the last one.
fn ledger(after: Option<LedgerHead>, entries: u64) -> (Vec<Vec<u8>>, LedgerHead) {
    let mut head = after;
    let mut lines = Vec::new();
    for number in 0..entries {
        let (line, next) = seal(head.as_ref(), &record(number));
        lines.push(line);
        head = Some(next);
    }
    (lines, head.expect("there are entries"))
}

fn findings(lines: &[Vec<u8>], known: &[LedgerHead]) -> Vec<LedgerFinding> {
    verify(&lines.concat(), known).findings
}

#[test]
fn an_intact_ledger_has_no_findings_and_a_head() {
    let (lines, head) = ledger(None, ENTRIES);
    let verification = verify(&lines.concat(), std::slice::from_ref(&head));
    assert_eq!(verification.findings, []);
    assert_eq!((verification.entries, verification.known_found), (40, 1));
    assert_eq!(LedgerHead::parse(&head.to_string()), Some(head.clone()));
    assert_eq!(verification.head, Some(head));
    assert_eq!(verify(b"", &[]).findings, []);
}

#[test]
fn an_entry_round_trips() {
    let (lines, _) = ledger(None, 3);
    let line = lines[2].strip_suffix(b"\n").expect("a line has an end");
    let entry = unseal(line).expect("it is whole");
    assert_eq!((entry.sequence, &entry.record), (3, &record(2)));
}

#[test]
fn more_than_a_thousand_changes_of_one_line_are_all_found() {
    let (lines, head) = ledger(None, ENTRIES);
    let known = [head];
    let mut changes = 0;
    for line in 0..lines.len() {
        // One bit of a byte anywhere in the line, including the line end.
        for place in (0..lines[line].len()).step_by(7).chain([lines[line].len() - 1]) {
            let mut damaged = lines.clone();
            damaged[line][place] ^= 1;
            assert_ne!(findings(&damaged, &known), [], "line {line}, byte {place}");
            changes += 1;
        }
    }
    assert!(changes > 1_000, "{changes}");
}

#[test]
fn every_deletion_duplication_and_reordering_is_found() {
    let (lines, head) = ledger(None, ENTRIES);
    let known = [head];
    let mut changes = 0;
    for line in 0..lines.len() {
        let mut without = lines.clone();
        without.remove(line);
        assert_ne!(findings(&without, &known), [], "without line {line}");
        let mut twice = lines.clone();
        twice.insert(line, lines[line].clone());
        assert_ne!(findings(&twice, &known), [], "line {line} twice");
        assert_ne!(findings(&lines[..line], &known), [], "cut before line {line}");
        assert_ne!(findings(&lines[line + 1..], &known), [], "cut after line {line}");
        for other in 0..line {
            let mut swapped = lines.clone();
            swapped.swap(line, other);
            assert_ne!(findings(&swapped, &known), [], "lines {other} and {line}");
            changes += 1;
        }
        changes += 4;
    }
    // Without its last line the ledger is intact except for the known head.
    assert_eq!(findings(&lines[..lines.len() - 1], &[]), []);
    assert!(changes > 900, "{changes}");
}

#[test]
fn a_replaced_ledger_is_found_by_a_head_kept_elsewhere() {
    let (_, head) = ledger(None, ENTRIES);
    let start = LedgerHead { sequence: 1, hash: "0".repeat(64) };
    let (forged, _) = ledger(Some(start), ENTRIES - 1);
    assert_ne!(findings(&forged, &[]), [], "what is before its first entry is unaccounted for");
    let other = LedgerRecord { who: "uid 0 (root)".to_owned(), ..record(0) };
    let (first, forged) = seal(None, &other);
    assert_eq!(findings(std::slice::from_ref(&first), &[]), []);
    let reason = "entry 40 is known and not there".to_owned();
    assert_eq!(findings(&[first], &[head, forged]), [LedgerFinding { line: None, reason }]);
}

#[test]
fn entries_may_be_removed_only_if_a_checkpoint_accounts_for_them() {
    let (mut lines, head) = ledger(None, 10);
    let entry = |line: &Vec<u8>| unseal(&line[..line.len() - 1]).expect("it is whole");
    let through = entry(&lines[5]).head();
    let facts = [("through".to_owned(), serde_json::json!(through))].into_iter().collect();
    let checkpoint = LedgerRecord { event: CHECKPOINT.to_owned(), facts, ..record(11) };
    let second = entry(&lines[1]).head();
    lines.push(seal(Some(&head), &checkpoint).0);
    let verification = verify(&lines[6..].concat(), &[second, through, head]);
    assert_eq!(verification.findings, []);
    assert_eq!((verification.known_found, verification.known_expired), (2, 1));
    assert_ne!(findings(&lines[5..], &[]), [], "fewer than it says");
    assert_ne!(findings(&lines[7..], &[]), [], "more than it says");
}

#[test]
fn a_damaged_line_stays_visible_while_entries_are_appended() {
    let (mut lines, _) = ledger(None, 3);
    lines[2] = b"overwritten\n".to_vec();
    let (head, is_whole) = head_after(b"overwritten", 3);
    assert!(!is_whole);
    lines.push(seal(Some(&head), &record(4)).0);
    let reason = "is not an entry".to_owned();
    assert_eq!(findings(&lines, &[]), [LedgerFinding { line: Some(3), reason }]);
}

#[test]
fn a_head_is_a_number_and_a_hash() {
    let hash = "0a".repeat(32);
    assert!(LedgerHead::parse(&format!("12:{hash}")).is_some());
    for text in ["", "12", "12:", "0:", &hash, &format!("0:{hash}"), &format!("12:{}", &hash[1..])]
    {
        assert_eq!(LedgerHead::parse(text), None, "{text}");
    }
}
