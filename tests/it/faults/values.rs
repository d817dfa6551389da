//! Rows G: what cells mean. What each kind of value makes of any cell is tested in core-ingest, under
//! the same names.

use std::collections::BTreeSet;

use core_simulator::SavedQuery;
use serde_json::{Value, json};

use super::case::Case;
use super::exports::{
    Export, assert_changes_nothing, assert_quarantined, devices, text, with_devices,
};

/// A row that is there once; the very first one comes again at the end.
const ROW: usize = 2;

/// A property of the device that the row of `devices()` is about.
fn property(case: &Case, row: usize, name: &str) -> Value {
    let uid = &devices().rows[row][0];
    let sql = format!("select \"{name}\" from nexthink_device where id = '{uid}'");
    case.scene().query(&sql)[0][name].clone()
}

/// The devices export with these cells in one column, from [`ROW`] on.
fn with_cells(column: &str, cells: &[&str]) -> Case {
    let rows = cells.iter().enumerate();
    with_devices(rows.fold(devices(), |export, (n, cell)| export.with(ROW + n, column, cell)).csv())
}

/// The devices export with a copy of a row, changed, in front of it or after it.
fn with_rival(is_first: bool, change: impl FnOnce(Export, usize) -> Export) -> Case {
    let mut export = devices();
    let copy = export.rows[ROW].clone();
    export.rows.insert(ROW, copy);
    let changed = if is_first { ROW } else { ROW + 1 };
    with_devices(change(export, changed).csv())
}

#[test]
fn g1_a_time_in_no_accepted_form_is_null_and_counted() {
    let cells = ["yesterday", "2026-02-30 00:00:00", "0", "9223372036854775808", "05/06/2026"];
    let case = with_cells("device.last_seen", &cells);
    let run = case.run(0);
    let step = run.step("fetch-devices");
    assert_eq!(step["unreadable"], json!({ "lastSeenOn": cells.len() }), "{step}");
    for row in 0..cells.len() {
        assert!(property(&case, ROW + row, "lastSeenOn").is_null());
    }
    case.recovers();
}

#[test]
fn g2_a_time_that_is_still_to_come_is_kept_and_counted() {
    let case = with_cells("device.last_seen", &["2999-01-01 00:00:00"]);
    let run = case.run(0);
    assert_eq!(run.step("fetch-devices")["futureTimes"], json!({ "lastSeenOn": 1 }));
    let kept = property(&case, ROW, "lastSeenOn");
    assert!(text(&kept).starts_with("2999-01-01T00:00:00"), "{kept}");
    case.recovers();
}

/// No column of the saved queries is a number; what looks like one stays what it was.
#[test]
fn g3_what_looks_like_a_number_stays_text() {
    let cells = ["NaN", "1e400", "1,5", "0x10", "-0", "18446744073709551616"];
    let mut export = Export::of(SavedQuery::Alerts);
    for (row, cell) in cells.iter().enumerate() {
        export = export.with(1 + row, "alert.trigger_value", cell);
    }
    let uids: Vec<String> = export.rows.iter().map(|row| row[0].clone()).collect();
    let case = Case::new().serving(SavedQuery::Alerts, export.csv());
    case.run(0);
    for (row, cell) in cells.iter().enumerate() {
        let sql =
            format!("select \"triggerValue\" from nexthink_alert where id = '{}'", uids[1 + row]);
        assert_eq!(case.scene().query(&sql)[0]["triggerValue"], *cell);
    }
    case.recovers();
}

#[test]
fn g4_a_row_that_comes_again_changes_nothing() {
    let case = with_rival(false, |export, _| export);
    let run = assert_changes_nothing(&case);
    let step = run.step("fetch-devices");
    assert_eq!(step["rows"]["merged"], 2, "{step}");
    assert_eq!(step["conflicting"], 0, "{step}");
    case.recovers();
}

#[test]
fn g5_the_newest_of_two_rows_wins_whichever_comes_first() {
    let mut tables = Vec::new();
    for is_first in [true, false] {
        let case = with_rival(is_first, |export, row| {
            export.with(row, "device.last_seen", "2026-07-01 00:00:00").with(
                row,
                "device.name",
                "the-newer",
            )
        });
        let run = case.run(0);
        assert_eq!(run.step("fetch-devices")["conflicting"], 1);
        assert_eq!(property(&case, ROW, "name"), "the-newer");
        tables.push(case.scene().tables());
        case.recovers();
    }
    assert!(tables[0] == tables[1], "the order of rows does not matter");
}

#[test]
fn g6_keys_that_differ_by_case_stay_apart_and_are_counted() {
    let case = with_rival(false, |export, row| {
        let uid = export.rows[row][0].to_uppercase();
        assert_ne!(uid, export.rows[row][0]);
        export.with(row, "device.uid", &uid)
    });
    let run = case.run(0);
    assert_eq!(run.objects()["nexthink_device"], 13);
    assert_eq!(run.step("fetch-devices")["alikeKeys"], 2);
    case.recovers();
}

#[test]
fn g7_a_row_without_a_key_is_set_aside() {
    let case = with_cells("device.uid", &["", "  "]);
    assert_quarantined(&case, 2, "the key is empty");
    case.recovers();
}

#[test]
fn g8_a_device_that_was_set_up_anew_is_another_one() {
    let case = with_rival(false, |export, row| {
        export.with(row, "device.uid", "aaaaaaaa-0000-4000-8000-000000000000")
    });
    let run = case.run(0);
    assert_eq!(run.objects()["nexthink_device"], 13);
    assert_eq!(run.objects()["nexthink_account_has_device"], 13);
    let uid = &devices().rows[ROW][0];
    let same = format!(
        "select count(*) as n from nexthink_device a join nexthink_device b on a.name = b.name \
         where a.id = '{uid}'"
    );
    assert_eq!(case.scene().query(&same)[0]["n"], 2);
    case.recovers();
}

#[test]
fn g9_a_key_may_hold_anything_that_can_be_seen() {
    let uids = ["..", "../../etc/passwd", "a|b", "a%7Cb", "#", "a:b"];
    let mut export = devices();
    let row = export.rows[ROW].clone();
    export.rows.extend(uids.map(|uid| {
        let mut row = row.clone();
        uid.clone_into(&mut row[0]);
        row
    }));
    let case = with_devices(export.csv());
    let run = case.run(0);
    assert_eq!(run.objects()["nexthink_device"], 12 + uids.len() as u64);
    let rows = case.scene().query("select id from nexthink_device");
    let ids: BTreeSet<&str> = rows.iter().map(|row| text(&row["id"])).collect();
    assert!(uids.iter().all(|uid| ids.contains(uid)), "{ids:?}");
    assert_eq!(case.scene().keys("nexthink_device").len(), 12 + uids.len());
    case.recovers();
    let case = with_cells("device.uid", &[&"x".repeat(64 << 10)]);
    assert_quarantined(&case, 1, "the key has more than 256 bytes");
    case.recovers();
    let case = with_cells("device.uid", &["a\u{1b}[2Jb"]);
    assert_quarantined(&case, 1, "the key has an invisible character");
    case.recovers();
}

/// The first alerts have these cells in one column; what becomes of them.
fn alerts_with(column: &str, cells: &[&str], sql: &str) -> Vec<Value> {
    let mut export = Export::of(SavedQuery::Alerts);
    for (row, cell) in cells.iter().enumerate() {
        export = export.with(1 + row, column, cell);
    }
    let case = Case::new().serving(SavedQuery::Alerts, export.csv());
    case.run(0);
    let uids = export.rows[1..=cells.len()].iter().map(|row| &row[0]);
    let found = uids
        .map(|uid| {
            let sql = format!("select {sql} as v from nexthink_alert where id = '{uid}'");
            case.scene().query(&sql)[0]["v"].clone()
        })
        .collect();
    case.recovers();
    found
}

#[test]
fn g10_unknown_words_are_kept() {
    let found = alerts_with("alert.status", &["Snoozed", "AUTO_CLOSED"], "status");
    assert_eq!(found, ["snoozed", "auto_closed"]);
    let case = with_cells("device.operating_system.platform", &["ChromeOS"]);
    case.run(0);
    assert!(property(&case, ROW, "osType").is_null(), "the Device class does not know it");
    case.recovers();
}

#[test]
fn g11_an_alert_is_open_if_its_status_says_so_in_any_case() {
    let cells = ["open", "OPEN", "Open", "true", "1", "closed"];
    let found = alerts_with("alert.status", &cells, "open");
    assert_eq!(found, [true, true, true, false, false, false]);
}

#[test]
fn g12_a_huge_text_is_cut_and_marked() {
    let case = with_cells("device.name", &[&"é".repeat(100_000)]);
    case.run(0);
    assert_eq!(property(&case, ROW, "name"), "é".repeat(2048) + "…");
    case.recovers();
}

#[test]
fn g13_hostile_text_is_stored_as_it_is_and_does_nothing_where_it_is_shown() {
    let hostile = [
        "=cmd|' /C calc'!A0",
        "</script><script>alert(1)</script>",
        "'; drop table nexthink_device; --",
        "\u{1b}[31mred\u{1b}]0;title\u{7}",
        "\u{202e}gpj.exe",
        "\"}) DETACH DELETE n //",
    ];
    let case = with_cells("device.name", &hostile);
    let run = case.run(0);
    for printed in [&run.ended.stdout, &run.ended.stderr] {
        assert!(!printed.contains(['\u{1b}', '\u{202e}']), "{printed}");
    }
    for (row, text) in hostile.iter().enumerate() {
        assert_eq!(property(&case, ROW + row, "name"), *text);
    }
    let sql = "select name from nexthink_device";
    for output in ["table", "json", "ndjson"] {
        let shown = case.scene().program(&["query", "--output", output, sql]);
        assert_eq!(shown.exit, Some(0), "{}", shown.stderr);
        assert!(!shown.stdout.contains(['\u{1b}', '\u{202e}']), "{output}: {}", shown.stdout);
    }
    let csv = case.scene().program(&["query", "--output", "csv", sql]);
    assert!(csv.stdout.contains("'=cmd"), "{}", csv.stdout);
    case.recovers();
}

#[test]
fn g14_two_writings_of_a_name_are_one_user() {
    let mut tables = Vec::new();
    for names in [["Jos\u{e9}", "Jose\u{301}"], ["Jose\u{301}", "Jos\u{e9}"]] {
        let mut export = Export::of(SavedQuery::Users);
        let copy = export.rows[ROW].clone();
        export.rows.insert(ROW, copy);
        let export = export.with(ROW, "user.name", names[0]).with(ROW + 1, "user.name", names[1]);
        let case = Case::new().serving(SavedQuery::Users, export.csv());
        let run = case.run(0);
        assert_eq!(run.objects()["nexthink_user"], 10);
        assert_eq!(run.step("fetch-users")["conflicting"], 1);
        tables.push(case.scene().tables());
        case.recovers();
    }
    assert!(tables[0] == tables[1], "the order of rows does not matter");
}

#[test]
fn g15_a_time_without_a_zone_is_one_of_the_configured_zone() {
    for (zone, expected) in
        [("UTC", "2026-01-15T12:00:00"), ("Europe/Zurich", "2026-01-15T11:00:00")]
    {
        let cells = ["2026-01-15 12:00:00", "2026-01-15T12:00:00Z"];
        let case = with_cells("device.last_seen", &cells);
        let case = case.configured(|configuration| configuration.text("nexthink.time_zone", zone));
        case.run(0);
        let found = property(&case, ROW, "lastSeenOn");
        assert!(text(&found).starts_with(expected), "{zone}: {found}");
        let named = property(&case, ROW + 1, "lastSeenOn");
        assert!(text(&named).starts_with("2026-01-15T12:00:00"), "{zone}: {named}");
        case.recovers();
    }
}

#[test]
fn g16_an_alert_that_comes_again_is_what_its_latest_times_say() {
    let mut export = Export::of(SavedQuery::Alerts);
    let row = export.rows[1].clone();
    export.rows.insert(1, row);
    let open = |export: Export, row: usize| {
        export.with(row, "alert.status", "open").with(row, "alert.recovery_time", "")
    };
    let recovered = |export: Export, row: usize| {
        export.with(row, "alert.status", "closed").with(
            row,
            "alert.recovery_time",
            "2026-08-01 00:00:00",
        )
    };
    let orders = [recovered(open(export.clone(), 1), 2), open(recovered(export, 1), 2)];
    for export in orders {
        let sql = format!("select status from nexthink_alert where id = '{}'", export.rows[1][0]);
        let case = Case::new().serving(SavedQuery::Alerts, export.csv());
        let run = case.run(0);
        assert_eq!(run.step("fetch-alerts")["conflicting"], 1);
        assert_eq!(case.scene().query(&sql)[0]["status"], "closed");
        case.recovers();
    }
}
