//! Rows F: the bytes and the structure of CSV. Every way to cut a file into pieces is tested in
//! core-ingest, under the same names; F24, lines beyond 32 bits, only there.

use core_simulator::{AnnouncedLength, Pace, ResultsCompression, SavedQuery};

use super::case::Case;
use super::exports::{
    assert_changes_nothing, assert_partial, assert_quarantined, assert_refused, devices, text,
    with_devices,
};

/// The mark for a cell that is written otherwise than [`super::exports::Export`] would.
const MARK: &str = "put-it-here";

/// The devices export with a name that is written like this, quotes and all.
fn with_raw_name(raw: &[u8]) -> Vec<u8> {
    let csv = devices().with(2, "device.name", MARK).csv();
    let (before, after) = csv.split_once(MARK).expect("the mark is there");
    [before.as_bytes(), raw, after.as_bytes()].concat()
}

/// The devices export with its second row written so many times, each with this done to it.
fn with_second_line(changes: &[fn(&str) -> String]) -> String {
    let mut lines = devices().lines();
    let line = lines[2].trim_end().to_owned();
    lines.splice(2..3, changes.iter().map(|change| change(&line) + "\n"));
    lines.concat()
}

fn accepted(content: impl Into<Vec<u8>>) {
    let case = with_devices(content.into());
    assert_changes_nothing(&case);
    case.recovers();
}

fn refused(content: impl Into<Vec<u8>>, telling: &str) {
    let case = with_devices(content.into());
    assert_refused(&case, telling);
    case.recovers();
}

fn quarantined(content: impl Into<Vec<u8>>, rows: u64, reason: &str) {
    let case = with_devices(content.into());
    assert_quarantined(&case, rows, reason);
    case.recovers();
}

#[test]
fn f1_a_byte_order_mark_is_no_part_of_a_name_even_if_it_comes_alone() {
    let csv = "\u{feff}".to_owned() + &devices().csv();
    let case = Case::new().serving_as(SavedQuery::Devices, ResultsCompression::AsIs, csv);
    let case = case.fault(|behaviour| {
        let query = behaviour.queries.get_mut(SavedQuery::Devices.id()).expect("it was just set");
        query.download.pace = Some(Pace { bytes: 3, pause: std::time::Duration::ZERO });
    });
    assert_changes_nothing(&case);
    case.recovers();
}

#[test]
fn f2_lines_end_with_lf_crlf_or_both_and_not_with_cr() {
    let ended = |end: &str| -> String {
        let lines = devices().lines();
        lines.iter().map(|line| line.trim_end_matches('\n').to_owned() + end).collect()
    };
    accepted(ended("\r\n"));
    let mixed: String = devices().lines().concat().replacen('\n', "\r\n", 1);
    accepted(mixed);
    refused(ended("\r"), "a carriage return without a line feed");
}

#[test]
fn f3_blank_lines_and_a_missing_last_end_do_no_harm() {
    let csv = devices().csv();
    accepted(csv.trim_end());
    accepted(csv.clone() + "\n\n");
    let mut lines = devices().lines();
    lines.insert(2, "\n   \n".to_owned());
    accepted(lines.concat());
}

#[test]
fn f4_commas_quotes_and_line_ends_within_quotes_are_exact() {
    let name = "a, \"b\"\r\nc\n\"\"";
    let export = devices().with(2, "device.name", name);
    let uid = export.rows[2][0].clone();
    let case = with_devices(export.csv());
    case.run(0);
    let sql = format!("select name from nexthink_device where id = '{uid}'");
    assert_eq!(case.scene().query(&sql)[0]["name"], name);
    case.recovers();
}

#[test]
fn f5_a_nul_costs_a_row_only_in_its_key_and_in_the_header_the_file() {
    let export = devices().with(2, "device.name", "a\0b");
    let uid = export.rows[2][0].clone();
    let case = with_devices(export.csv());
    let run = case.run(0);
    assert_eq!(run.step("fetch-devices")["rowsWithNul"], 1);
    let sql = format!("select name from nexthink_device where id = '{uid}'");
    assert_eq!(case.scene().query(&sql)[0]["name"], "a\u{fffd}b");
    case.recovers();
    let export = devices().with(2, "device.uid", "a\0b").csv();
    quarantined(export, 1, "the key has an invisible character");
    let header = devices().renamed("device.name", "device.na\0me").csv();
    refused(header, "a column name that is empty or no text");
}

#[test]
fn f6_what_is_not_utf_8_costs_its_row_and_utf_16_the_file() {
    for name in [&b"Ren\xe9"[..], b"\xc0\xaf", b"\xed\xa0\x80"] {
        quarantined(with_raw_name(name), 1, "not UTF-8");
    }
    let units = devices().csv().encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    refused(units, "the file is UTF-16");
}

#[test]
fn f7_a_quote_out_of_place_refuses_the_file() {
    refused(with_raw_name(b"14\" screen"), "a quote inside a cell that does not begin with one");
    refused(with_raw_name(b"\"a\"b"), "text after the quote that ends a cell");
}

#[test]
fn f8_a_file_that_ends_inside_quotes_was_cut() {
    let csv = with_raw_name(b"\"a, b\"");
    let end = csv.windows(4).position(|window| window == b"\"a, ").expect("the cell is there") + 3;
    refused(&csv[..end], "the file ends inside quotes, so it was cut");
}

#[test]
fn f9_a_quote_that_swallows_the_rest_is_refused() {
    let csv = "device.uid,device.name\na,\"b\nc,d\ne,f\n";
    refused(csv, "the file ends inside quotes");
    let long = csv.to_owned() + &"g,h\n".repeat(300_000);
    refused(long, "a cell of more than 1 MiB");
}

#[test]
fn f10_a_row_that_is_too_short_or_too_long_is_set_aside() {
    let short = |line: &str| line.rsplit_once(',').expect("it has cells").0.to_owned();
    quarantined(with_second_line(&[short]), 1, "16 cells, the header has 17");
    let long = |line: &str| line.to_owned() + ",x";
    quarantined(with_second_line(&[long]), 1, "18 cells, the header has 17");
}

#[test]
fn f11_another_separator_is_refused_and_named() {
    for (separator, name) in [(";", "semicolons"), ("\t", "tabs"), ("\u{1f}", "unit separators")] {
        let case = with_devices(devices().separated_by(separator));
        let run = assert_refused(&case, "the columns are separated by");
        let reason = text(&run.step("fetch-devices")["reason"]);
        assert!(reason.contains(name), "{reason}");
        case.recovers();
    }
}

#[test]
fn f12_without_its_key_an_export_is_refused_and_without_another_column_values_are_kept() {
    refused(devices().without("device.uid").csv(), "the export has no column `device.uid`");
    let case = with_devices(devices().without("device.hardware.model").csv());
    let run = assert_changes_nothing(&case);
    let step = run.step("fetch-devices");
    assert_eq!(step["missingColumns"], serde_json::json!(["device.hardware.model"]));
    assert_eq!(step["doubtful"], serde_json::json!(["model", "hardwareModel"]));
    case.recovers();
}

#[test]
fn f13_a_key_column_in_other_writing_is_suggested() {
    for name in ["uid", "Device UID", "device_uid"] {
        refused(devices().renamed("device.uid", name).csv(), &format!("(it has `{name}`)"));
    }
    accepted(devices().renamed("device.uid", "Device.Uid").csv());
}

#[test]
fn f14_the_order_of_columns_changes_nothing() {
    let mut export = devices();
    export.columns.reverse();
    for row in &mut export.rows {
        row.reverse();
    }
    accepted(export.csv());
}

#[test]
fn f15_an_undeclared_column_goes_nowhere() {
    let mut export = devices();
    export.columns.insert(3, "device.payroll".to_owned());
    for row in &mut export.rows {
        row.insert(3, "canary-9000".to_owned());
    }
    let case = with_devices(export.csv());
    let run = assert_changes_nothing(&case);
    assert_eq!(run.step("fetch-devices")["unknownColumns"], 1);
    for printed in [&run.ended.stdout, &run.ended.stderr] {
        assert!(!printed.contains("canary-9000"), "{printed}");
    }
    case.recovers();
}

#[test]
fn f16_a_column_that_stands_twice_refuses_the_file() {
    let twice = devices().renamed("device.name", "device.uid").csv();
    refused(twice, "a column name that stands twice");
}

#[test]
fn f17_a_file_without_a_header_is_refused_and_not_repeated() {
    let lines = devices().lines();
    let case = with_devices(lines[1..].concat());
    // A header has no empty name, and the first row has an empty cell.
    let run = assert_refused(&case, "a column name that is empty");
    let uid = &devices().rows[0][0];
    assert!(!run.ended.stderr.contains(uid), "{}", run.ended.stderr);
    let case = case.serving(SavedQuery::Devices, "canary-1,canary-2\ncanary-3,canary-4\n");
    let run = assert_refused(&case, "the export has no column `device.uid`");
    assert!(!run.ended.stderr.contains("canary-"), "{}", run.ended.stderr);
    case.recovers();
}

#[test]
fn f18_a_preamble_or_a_second_table_is_never_taken_for_rows() {
    let csv = devices().csv();
    refused(format!("Devices of today\n{csv}"), "the export has no column `device.uid`");
    let case = with_devices(csv + "\ndevice.uid,device.type\nx,laptop\n");
    let run = assert_partial(&case, "rows were quarantined");
    assert_eq!(run.step("fetch-devices")["rows"]["quarantined"], 2);
    case.recovers();
}

#[test]
fn f19_a_header_that_comes_again_is_no_row() {
    let mut lines = devices().lines();
    lines.insert(5, lines[0].clone());
    quarantined(lines.concat(), 1, "the header again");
}

#[test]
fn f20_what_is_beyond_all_measure_is_refused() {
    let long = devices().with(2, "device.name", &"x".repeat((1 << 20) + 1));
    refused(long.csv(), "a cell of more than 1 MiB");
    let wide: Vec<String> = (0..10_000).map(|n| format!("device.c{n}")).collect();
    refused(format!("device.uid,{}\n", wide.join(",")), "a header of more than 1,024 columns");
}

#[test]
fn f21_white_space_around_a_value_goes_and_an_invisible_character_in_a_key_costs_the_row() {
    let mut export = devices();
    for row in &mut export.rows {
        for cell in row {
            *cell = format!(" \t{cell}  ");
        }
    }
    accepted(export.csv());
    let uid = devices().rows[2][0].clone();
    let kept = devices().with(2, "device.name", "\u{a0}a\u{200b}");
    let case = with_devices(kept.csv());
    case.run(0);
    let sql = format!("select name from nexthink_device where id = '{uid}'");
    assert_eq!(case.scene().query(&sql)[0]["name"], "\u{a0}a\u{200b}");
    case.recovers();
    let invisible = devices().with(2, "device.uid", &format!("{uid}\u{200b}"));
    quarantined(invisible.csv(), 1, "the key has an invisible character");
}

#[test]
fn f22_only_an_empty_cell_is_null() {
    let mut export = devices();
    let cells = ["", "null", "-", "N/A"];
    for (row, cell) in cells.iter().enumerate() {
        export = export.with(row, "device.entity", cell);
    }
    // The first row comes again at the end, since it is one that is duplicated.
    let last = export.rows.len() - 1;
    let export = export.with(last, "device.entity", "");
    let case = with_devices(export.csv());
    case.run(0);
    for (row, cell) in cells.iter().enumerate() {
        let uid = &export.rows[row][0];
        let sql = format!("select entity from nexthink_device where id = '{uid}'");
        let entity = &case.scene().query(&sql)[0]["entity"];
        assert_eq!(text(entity), *cell);
        assert_eq!(entity.is_null(), cell.is_empty(), "{cell}");
    }
    case.recovers();
}

#[test]
fn f23_column_names_may_be_quoted() {
    let mut lines = devices().lines();
    lines[0] = format!("\"{}\"\n", devices().columns.join("\",\""));
    accepted(lines.concat());
}

#[test]
fn f25_a_file_that_comes_twice_in_one_is_noticed() {
    quarantined(devices().csv().repeat(2), 1, "the header again");
}

#[test]
fn f26_a_file_that_may_have_been_cut_at_a_row_end_deletes_nothing() {
    let half = devices().lines()[..7].concat();
    for announced in [AnnouncedLength::None, AnnouncedLength::Chunked] {
        let case =
            Case::new().serving_as(SavedQuery::Devices, ResultsCompression::AsIs, half.clone());
        let case = case.fault(|behaviour| {
            let query =
                behaviour.queries.get_mut(SavedQuery::Devices.id()).expect("it was just set");
            query.download.announced_length = announced;
        });
        let run = assert_partial(&case, "the length of the download was not proven");
        assert_eq!(run.step("fetch-devices")["rows"]["read"], 6);
        assert_eq!(run.objects()["nexthink_device"], 12);
        case.recovers();
    }
}
