//! The ledger on a disk: crashes, concurrent writers, expired entries.

use std::fs::{self, OpenOptions};
use std::io::Write as _;

use core_store::{LedgerEntry, LedgerHead, LedgerRecord};
use serde_json::{Map, json};

use crate::support::{Checked, FIRST, Place, record};

#[test]
fn entries_form_a_chain_in_a_private_file() -> Checked {
    let place = Place::new()?;
    let ledger = place.tenant.ledger();
    assert_eq!(ledger.head()?, None);
    let first = ledger.append(&record("run"))?;
    let second = ledger.append(&record("query"))?;
    assert_eq!((first.sequence, second.sequence), (1, 2));
    assert_eq!(ledger.head()?, Some(second.clone()));
    assert_eq!(ledger.verify(&[first, second])?.findings, []);
    let events: Vec<String> =
        ledger.entries()?.into_iter().map(|entry| entry.record.event).collect();
    assert_eq!(events, ["run", "query"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(place.path("ledger/entries.ndjson"))?.permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    Ok(())
}

#[test]
fn a_line_truncated_anywhere_is_repaired_and_the_repair_is_recorded() -> Checked {
    let place = Place::new()?;
    let ledger = place.tenant.ledger();
    ledger.append(&record("run"))?;
    ledger.append(&record("query"))?;
    let path = place.path("ledger/entries.ndjson");
    let whole = fs::read(&path)?;
    let second = whole.iter().position(|byte| *byte == b'\n').ok_or("there are two lines")? + 1;
    for length in second + 1..whole.len() {
        fs::write(&path, &whole[..length])?;
        assert_eq!(ledger.verify(&[])?.findings.len(), 1 + usize::from(length < whole.len() - 1));
        ledger.append(&record("run"))?;
        let verification = ledger.verify(&[])?;
        assert_eq!(verification.findings, [], "cut at {length}");
        let events: Vec<String> =
            ledger.entries()?.into_iter().map(|entry| entry.record.event).collect();
        // A line that lacks only its line end counts as written.
        let is_kept = length == whole.len() - 1;
        let expected: &[&str] =
            if is_kept { &["run", "query", "repair", "run"] } else { &["run", "repair", "run"] };
        assert_eq!(events, expected, "cut at {length}");
    }
    Ok(())
}

#[test]
fn a_truncated_first_line_is_repaired_too() -> Checked {
    let place = Place::new()?;
    let ledger = place.tenant.ledger();
    ledger.append(&record("run"))?;
    let path = place.path("ledger/entries.ndjson");
    fs::write(&path, &fs::read(&path)?[..20])?;
    let head = ledger.append(&record("run"))?;
    assert_eq!(head.sequence, 2);
    assert_eq!(ledger.verify(&[head])?.findings, []);
    Ok(())
}

#[test]
fn damage_stays_visible_and_does_not_prevent_appends() -> Checked {
    let place = Place::new()?;
    let ledger = place.tenant.ledger();
    ledger.append(&record("run"))?;
    ledger.append(&record("run"))?;
    let mut file = OpenOptions::new().append(true).open(place.path("ledger/entries.ndjson"))?;
    file.write_all(b"{\"sequence\":3}\n")?;
    let head = ledger.append(&record("run"))?;
    assert_eq!(head.sequence, 4);
    let findings = ledger.verify(&[])?.findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].line, Some(3));
    assert_eq!(ledger.trim(1, &record("retention"))?, None, "nothing of a damaged one is removed");
    Ok(())
}

#[test]
fn concurrent_writers_make_one_chain() -> Checked {
    let place = Place::new()?;
    let ledger = place.tenant.ledger();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..10).try_for_each(|_| ledger.append(&record("query")).map(drop)));
        }
    });
    let verification = ledger.verify(&[])?;
    assert_eq!((verification.entries, verification.findings), (80, vec![]));
    Ok(())
}

#[test]
fn a_trimmed_ledger_can_be_verified() -> Checked {
    let place = Place::new()?;
    let ledger = place.tenant.ledger();
    let heads: Vec<LedgerHead> =
        (0..10).map(|_| ledger.append(&record("run"))).collect::<Result<_, _>>()?;
    assert_eq!(ledger.trim(0, &record("retention"))?, None);
    let trimmed = ledger.trim(4, &record("retention"))?.ok_or("four entries go")?;
    assert_eq!((trimmed.removed, trimmed.head.sequence), (4, 11));
    assert_eq!(ledger.entries()?.first().map(|entry| entry.sequence), Some(5));
    ledger.append(&record("run"))?;
    let verification = ledger.verify(&heads)?;
    assert_eq!(verification.findings, []);
    assert_eq!((verification.known_found, verification.known_expired), (7, 3));
    // Once more, which removes the first checkpoint too.
    ledger.trim(11, &record("retention"))?;
    assert_eq!(ledger.verify(&heads)?.findings, []);
    Ok(())
}

#[test]
fn a_generation_names_the_head_of_the_ledger_it_was_published_with() -> Checked {
    let place = Place::new()?;
    assert_eq!(place.publish(FIRST, "device 1")?.manifest().ledger, None);
    assert_eq!(place.tenant.known_ledger_heads()?, []);
    let ledger = place.tenant.ledger();
    let head = ledger.append(&record("run"))?;
    let generation = place.publish(crate::support::SECOND, "device 1")?;
    assert_eq!(generation.manifest().ledger.as_ref(), Some(&head));
    fs::remove_file(place.path("ledger/entries.ndjson"))?;
    let verification = ledger.verify(&place.tenant.known_ledger_heads()?)?;
    assert_eq!(verification.findings.len(), 1, "the whole ledger is gone");
    Ok(())
}

#[test]
fn an_equal_entry_within_the_time_is_not_repeated() -> Checked {
    let place = Place::new()?;
    let ledger = place.tenant.ledger();
    let at = |at_ms, event| LedgerRecord { at_ms, ..record(event) };
    let other = LedgerRecord { who: "uid 2 (other)".to_owned(), ..at(1_000, "query") };
    let first = ledger.append_unless_repeated(&at(1_000, "query"), 60)?;
    let table = [
        (at(1_060, "query"), 1, "equal and within the time"),
        (at(1_000, "graph_read"), 2, "another event"),
        (other, 3, "another user"),
        (at(1_061, "query"), 4, "after the time"),
        (at(1_121, "query"), 4, "the time counts from the entry that there is"),
        (at(999, "query"), 5, "before it, by a clock that was set back"),
    ];
    for (record, expected, why) in table {
        let head = ledger.append_unless_repeated(&record, 60)?;
        assert_eq!(ledger.head()?.map(|head| head.sequence), Some(expected), "{why}");
        assert_eq!(head == first, expected == 1, "{why}");
    }
    assert_eq!(ledger.verify(&[])?.findings, []);
    Ok(())
}

#[test]
fn a_torn_line_does_not_hide_an_equal_entry() -> Checked {
    let place = Place::new()?;
    let ledger = place.tenant.ledger();
    let first = ledger.append(&record("query"))?;
    OpenOptions::new()
        .append(true)
        .open(place.path("ledger/entries.ndjson"))?
        .write_all(b"{\"s")?;
    assert_eq!(ledger.append_unless_repeated(&record("query"), 60)?, first);
    assert_eq!(ledger.head()?, None, "the torn line waits for the next entry");
    ledger.append_unless_repeated(&record("run"), 60)?;
    assert_eq!(ledger.verify(&[])?.findings, []);
    Ok(())
}

#[test]
fn the_end_of_a_long_ledger_tells_its_head_and_its_newest_entries() -> Checked {
    let place = Place::new()?;
    let ledger = place.tenant.ledger();
    let long = LedgerRecord {
        facts: Map::from_iter([("steps".to_owned(), json!("x".repeat(50_000)))]),
        ..record("run")
    };
    for number in 1..=9 {
        let record = if number % 3 == 0 { record("query") } else { long.clone() };
        let head = ledger.append(&record)?;
        assert_eq!((head.sequence, ledger.head()?), (number, Some(head)));
    }
    let content = ledger.content()?;
    let numbers = |entries: Vec<LedgerEntry>| -> Vec<u64> {
        entries.into_iter().map(|entry| entry.sequence).collect()
    };
    assert_eq!(numbers(content.newest(2)), [9, 8]);
    assert_eq!(numbers(content.entries_after(6)), [7, 8, 9]);
    assert_eq!((content.lines(), numbers(content.entries()).len()), (9, 9));
    assert_eq!(numbers(ledger.entries_of(&["query"])?), [3, 6, 9]);
    assert_eq!(numbers(ledger.entries_of(&["run", "repair"])?), [1, 2, 4, 5, 7, 8]);
    Ok(())
}

#[test]
fn an_event_that_only_a_fact_names_is_not_taken_for_one() -> Checked {
    let place = Place::new()?;
    let ledger = place.tenant.ledger();
    let nested = json!({ "event": "run" });
    let facts = Map::from_iter([
        ("nested".to_owned(), nested),
        ("text".to_owned(), json!("\"event\":\"run\"")),
    ]);
    ledger.append(&LedgerRecord { facts, ..record("query") })?;
    assert_eq!(ledger.entries_of(&["run"])?, []);
    assert_eq!(ledger.entries_of(&["query"])?.len(), 1);
    Ok(())
}
