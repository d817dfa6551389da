//! The decoder, case by case and against its twin. The names of cases begin with their rows in the
//! catalogue of faults.

use core_ingest::decoder::Decoder;
use core_ingest::rejection::{QuarantineReason, QuarantinedRow, RejectionReason};
use core_ingest::sniff::FIRST_BYTES;
use proptest::prelude::*;

use crate::twin::{self, File};

/// Decodes a file that arrives in chunks of these sizes, taken in turn.
fn decode(file: &[u8], chunks: &[usize], batch_rows: usize) -> Result<File, RejectionReason> {
    let mut decoder = Decoder::default().with_batch_rows(batch_rows);
    let mut rows = Vec::new();
    let mut rest = file;
    let mut sizes = chunks.iter().cycle();
    while !rest.is_empty() {
        let size = (*sizes.next().expect("there is a size")).clamp(1, rest.len());
        let (mut chunk, after) = rest.split_at(size);
        rest = after;
        while !chunk.is_empty() {
            let read = decoder.decode(chunk).map_err(|rejection| rejection.reason)?;
            chunk = &chunk[read..];
            if decoder.is_full() {
                take_rows(&mut decoder, &mut rows);
            }
        }
    }
    decoder.finish().map_err(|rejection| rejection.reason)?;
    take_rows(&mut decoder, &mut rows);
    let counts = decoder.counts();
    let mut quarantined: Vec<(u64, QuarantineReason)> =
        counts.quarantine.listed.iter().map(|row| (row.line, row.reason)).collect();
    quarantined.sort_unstable_by_key(|(line, _)| *line);
    assert_eq!(
        counts.rows,
        rows.len() as u64 + counts.quarantine.rows,
        "every row is accounted for"
    );
    Ok(File {
        header: decoder.header().to_vec(),
        rows,
        quarantined,
        blank_lines: counts.blank_lines,
    })
}

fn take_rows(decoder: &mut Decoder, rows: &mut Vec<(u64, Vec<String>)>) {
    let width = decoder.header().len();
    let batch = decoder.take_batch();
    for row in 0..batch.len() {
        let cells = (0..width).map(|column| batch.column(Some(column)).cell(row).to_owned());
        rows.push((batch.line(row), cells.collect()));
    }
    decoder.recycle(batch);
}

/// Decodes a file at once and in chunks of 1 to 16 bytes, which must agree.
fn whole(file: &[u8]) -> Result<File, RejectionReason> {
    let at_once = at_once(file);
    for chunk in 1..=16 {
        assert_eq!(decode(file, &[chunk], 1024), at_once, "in chunks of {chunk}");
    }
    at_once
}

fn at_once(file: &[u8]) -> Result<File, RejectionReason> {
    decode(file, &[usize::MAX], 1024)
}

fn rows(file: &str) -> Vec<Vec<String>> {
    let file = whole(file.as_bytes()).expect("the file is accepted");
    file.rows.into_iter().map(|(_, row)| row).collect()
}

fn assert_rows(table: &[(&str, &[&[&str]])]) {
    for (file, expected) in table {
        assert_eq!(rows(file), *expected, "{file:?}");
    }
}

fn assert_rejected(table: &[(&[u8], RejectionReason)]) {
    for (file, reason) in table {
        assert_eq!(whole(file).as_ref(), Err(reason), "{:?}", String::from_utf8_lossy(file));
    }
}

#[test]
fn f1_a_byte_order_mark_may_come_in_any_pieces() {
    let file = "\u{feff}thing.uid,b\n1,2\n".as_bytes();
    for chunks in [&[1][..], &[2, 1], &[3], &[1, 2], &[3, 20], &[4]] {
        let file = decode(file, chunks, 1).expect("the file is accepted");
        assert_eq!(file.header, ["thing.uid", "b"], "{chunks:?}");
        assert_eq!(file.rows.len(), 1, "{chunks:?}");
    }
    assert_eq!(whole(b"\xEF\xBB\xBF"), Err(RejectionReason::Empty));
}

#[test]
fn f2_lf_and_crlf_end_lines_and_a_lone_cr_does_not() {
    assert_rows(&[
        ("a,b\n1,2\n", &[&["1", "2"]]),
        ("a,b\r\n1,2\r\n", &[&["1", "2"]]),
        ("a,b\r\n1,2\n3,4\r\n", &[&["1", "2"], &["3", "4"]]),
    ]);
    assert_rejected(&[
        (b"a,b\r1,2\r", RejectionReason::LoneCarriageReturn),
        (b"a,b\n1,2\r", RejectionReason::LoneCarriageReturn),
        (b"a,b\n1\r,2\n", RejectionReason::LoneCarriageReturn),
    ]);
}

#[test]
fn f3_the_last_line_end_is_optional_and_blank_lines_are_skipped_and_counted() {
    assert_rows(&[
        ("a,b\n1,2", &[&["1", "2"]]),
        ("a,b\n1,2\n\n", &[&["1", "2"]]),
        ("a,b\n\n1,2\n  \n\n", &[&["1", "2"]]),
        ("a,b\n", &[]),
        ("a,b", &[]),
        // A quoted cell makes a row, even an empty one.
        ("a\n\"\"\n", &[&[""]]),
    ]);
    let file = whole(b"a,b\n\n1,2\n  \n\n").expect("accepted");
    assert_eq!(file.blank_lines, 3);
}

#[test]
fn f4_quoted_cells_are_read_exactly() {
    assert_rows(&[
        ("a,b\n\"x, y\",\"say \"\"hi\"\"\"\n", &[&["x, y", "say \"hi\""]]),
        ("a,b\n\"two\nlines\",\"a\r\nb\"\n", &[&["two\nlines", "a\r\nb"]]),
        ("a,b\n\"\"\"\",\"\"\"\"\"\"\n", &[&["\"", "\"\""]]),
        ("a,b\n,\n", &[&["", ""]]),
        ("a,b\n\"\",\"\"", &[&["", ""]]),
        ("a,b\n é , ü \n", &[&["é", "ü"]]),
        ("a,b\n\"{\"\"k\"\": \"\"v, w\"\"}\",\"😀\n\"\n", &[&["{\"k\": \"v, w\"}", "😀"]]),
    ]);
}

#[test]
fn f5_a_nul_is_replaced_in_a_row_and_rejects_the_file_in_the_header() {
    assert_rows(&[(
        "a,b\n3,x\0y\n\"\0\",6\0\n",
        &[&["3", "x\u{fffd}y"], &["\u{fffd}", "6\u{fffd}"]],
    )]);
    assert_rejected(&[(b"a,b\0\n1,2\n", RejectionReason::BadHeader)]);
}

#[test]
fn f27_a_header_and_its_rows_may_end_in_a_comma() {
    assert_rows(&[("a,b,\n1,2,\n3,4,x\n", &[&["1", "2", ""], &["3", "4", "x"]])]);
    let headers: [&[u8]; 4] = [b"a,,b\n", b"a,b,,\n", b",a\n", b",\n"];
    assert_rejected(&headers.map(|header| (header, RejectionReason::BadHeader)));
}

#[test]
fn f6_invalid_utf_8_quarantines_its_row_and_utf_16_rejects_the_file() {
    let bad: &[&[u8]] = &[
        b"\xFF",
        b"M\xFCller",        // Latin-1
        b"\xC0\xAF",         // overlong
        b"\xE0\x80\x80",     // overlong
        b"\xED\xA0\x80",     // a surrogate
        b"\xF4\x90\x80\x80", // beyond the last character
        b"\xE2\x82",         // cut
        b"\x80",
    ];
    for cell in bad {
        let file = [b"a,b\n1,2\n", *cell, b",x\n3,4\n"].concat();
        let file = whole(&file).expect("accepted");
        assert_eq!(file.quarantined, [(3, QuarantineReason::Encoding)], "{cell:?}");
        assert_eq!(file.rows.len(), 2);
    }
    // Two halves of a character in two cells are not a character.
    let file = whole(b"a,b\n\xC3,\xA9\n").expect("accepted");
    assert_eq!(file.quarantined, [(2, QuarantineReason::Encoding)]);
    let utf16 = |mark: &[u8], order: fn(u16) -> [u8; 2]| -> Vec<u8> {
        let units = "device.uid,device.name\r\n1,é\r\n".encode_utf16();
        mark.iter().copied().chain(units.flat_map(order)).collect()
    };
    assert_rejected(&[
        (&utf16(b"\xFF\xFE", u16::to_le_bytes), RejectionReason::Utf16),
        (&utf16(b"\xFE\xFF", u16::to_be_bytes), RejectionReason::Utf16),
        (&utf16(b"", u16::to_le_bytes), RejectionReason::Utf16),
        (&utf16(b"", u16::to_be_bytes), RejectionReason::Utf16),
        (b"a,\xFF\n", RejectionReason::BadHeader),
    ]);
}

#[test]
fn f7_a_misplaced_quote_rejects_the_file() {
    assert_rejected(&[
        (b"a,b\n1,x\"y\n", RejectionReason::StrayQuote),
        (b"a,b\n1, \"y\"\n", RejectionReason::StrayQuote),
        (b"a,b\n\"x\"y,1\n", RejectionReason::TextAfterQuote),
        (b"a,b\n\"x\" ,1\n", RejectionReason::TextAfterQuote),
        (b"a,b\n1,\"x\\\"y\"\n", RejectionReason::TextAfterQuote),
    ]);
}

#[test]
fn f8_a_file_truncated_inside_quotes_is_rejected() {
    let row = "\"a \"\"b\"\" c\",\"two\nlines, é\",plain\n";
    let file = format!("x,y,z\n{}", row.repeat(4096 / row.len()));
    for length in "x,y,z".len()..file.len() {
        let cut = &file.as_bytes()[..length];
        // The first half of a doubled quote looks like the end of a cell.
        let quotes = String::from_utf8_lossy(cut).matches('"').count();
        let rejected = at_once(cut);
        if quotes % 2 == 1 {
            assert_eq!(rejected, Err(RejectionReason::Unterminated), "cut at {length}");
        } else {
            assert!(rejected.is_ok(), "cut at {length}: {rejected:?}");
        }
    }
}

#[test]
fn f9_a_quote_that_swallows_the_rest_of_the_file_is_rejected() {
    let swallowed = format!("a,b\n\"1,2\n{}", "3,4\n".repeat(1000));
    assert_eq!(at_once(swallowed.as_bytes()), Err(RejectionReason::Unterminated));
    let swallowed = format!("a,b\n\"1,2\n{}\",5\n", "3,4\n".repeat(300_000));
    assert_eq!(at_once(swallowed.as_bytes()), Err(RejectionReason::CellTooLong));
}

#[test]
fn f10_a_row_that_is_too_short_or_too_long_is_quarantined() {
    let file = whole(b"a,b\n1,2\nshort\n1,2,3\n3,4,\n5,6\n").expect("accepted");
    assert_eq!(file.rows.len(), 2);
    let reason = |cells| QuarantineReason::Width { cells, expected: 2 };
    assert_eq!(file.quarantined, [(3, reason(1)), (4, reason(3)), (5, reason(3))]);
}

#[test]
fn f11_another_delimiter_is_rejected_and_named() {
    let reason = |found| RejectionReason::Delimiter { found };
    assert_rejected(&[
        (b"a;b\n1;2\n", reason("semicolons")),
        (b"a\tb\n1\t2\n", reason("tabs")),
        (b"a|b\n1|2\n", reason("vertical bars")),
        (b"a\x1Fb\n1\x1F2\n", reason("unit separators")),
    ]);
}

#[test]
fn f16_a_duplicate_column_rejects_the_file() {
    assert_rejected(&[
        (b"a,b,a\n", RejectionReason::DuplicateColumn),
        (b"a,A\n", RejectionReason::DuplicateColumn),
        (b"a, a \n", RejectionReason::DuplicateColumn),
    ]);
}

#[test]
fn f23_column_names_may_be_quoted() {
    let file = whole(b"\"a\",\"b, c\"\n1,2\n").expect("accepted");
    assert_eq!(file.header, ["a", "b, c"]);
}

#[test]
fn f25_the_header_of_a_concatenated_file_is_not_a_row() {
    let part = "\u{feff}a,b\n1,2\n3,4\n";
    let file = whole(part.repeat(2).as_bytes()).expect("accepted");
    assert_eq!(file.rows.len(), 4);
    assert_eq!(file.quarantined, [(4, QuarantineReason::RepeatedHeader)]);
    // Without a line end between them the header is part of a row, which is too long.
    let file = whole(b"a,b\n1,2a,b\n3,4\n").expect("accepted");
    let reason = QuarantineReason::Width { cells: 3, expected: 2 };
    assert_eq!(file.quarantined, [(2, reason)]);
}

/// Only the length of the download can reveal the cut: everything here is complete.
#[test]
fn f26_a_file_truncated_at_a_row_end_reads_as_complete() {
    let file = format!("a,b\n{}", "1,2\n".repeat(50));
    for rows in 0..50 {
        let cut = &file.as_bytes()[..4 + 4 * rows];
        assert_eq!(at_once(cut).expect("accepted").rows.len(), rows);
    }
}

#[test]
fn a_rejection_names_line_and_column() {
    let mut decoder = Decoder::default();
    decoder.decode(b"a,b\n\"x\ny\",1\n2,\"3\" 4\n").expect("a short file is decoded at its end");
    let rejection = decoder.finish().expect_err("text after a quote");
    assert_eq!((rejection.line, rejection.column), (4, 2));
    assert_eq!(rejection.to_string(), "line 4, column 2: text after the quote that ends a cell");
}

#[test]
fn a_bad_row_is_quarantined_with_its_line_and_the_rest_is_read() {
    let file = b"a,b\n1,2\nshort\n1,2,3\n\"x\ny\",2\n\xFF,2\n\xC3,\xA9\nn\0,2\na,b\n3,4\n";
    let file = whole(file).expect("the file is accepted");
    let kept: Vec<u64> = file.rows.iter().map(|(line, _)| *line).collect();
    assert_eq!(kept, [2, 5, 9, 11]);
    assert_eq!(
        file.quarantined,
        [
            (3, QuarantineReason::Width { cells: 1, expected: 2 }),
            (4, QuarantineReason::Width { cells: 3, expected: 2 }),
            (7, QuarantineReason::Encoding),
            (8, QuarantineReason::Encoding),
            (10, QuarantineReason::RepeatedHeader),
        ]
    );
}

#[test]
fn f19_a_repeated_header_is_not_a_row_however_it_is_written() {
    for again in ["a,b", "\u{feff}a,b", " A , b", "\"a\",\"b\""] {
        let file = whole(format!("a,b\n1,2\n{again}\n3,4\n").as_bytes()).expect("accepted");
        assert_eq!(file.quarantined, [(3, QuarantineReason::RepeatedHeader)], "{again}");
    }
}

#[test]
fn f20_oversized_cells_rows_and_headers_are_rejected_or_quarantined() {
    let long = "x".repeat(1024 * 1024 + 1);
    assert_eq!(at_once(format!("a\n{long}\n").as_bytes()), Err(RejectionReason::CellTooLong));
    assert_eq!(at_once(format!("a\n\"{long}\"\n").as_bytes()), Err(RejectionReason::CellTooLong));
    let mebibyte = "x".repeat(1024 * 1024);
    let row = vec![mebibyte.as_str(); 17].join(",");
    assert_eq!(at_once(format!("a\n{row}\n").as_bytes()), Err(RejectionReason::RowTooLong));
    let header: Vec<String> = (0..1025).map(|number| format!("c{number}")).collect();
    let header = header.join(",");
    assert_eq!(at_once(header.as_bytes()), Err(RejectionReason::TooManyColumns));
    let name = "x".repeat(10_000_000);
    assert_eq!(at_once(name.as_bytes()), Err(RejectionReason::CellTooLong));
    let wide = format!("a,b\n{}\n1,2\n", ",".repeat(3_000_000));
    let file = at_once(wide.as_bytes()).expect("a wide row is set aside");
    assert_eq!(file.rows.len(), 1);
    let reason = QuarantineReason::Width { cells: 3_000_001, expected: 2 };
    assert_eq!(file.quarantined, [(2, reason)]);
}

#[test]
fn only_the_first_hundred_quarantined_rows_are_listed_and_all_are_counted() {
    let mut decoder = Decoder::default();
    let file = format!("a,b\n{}", "x\n".repeat(250));
    decoder.decode(file.as_bytes()).expect("accepted");
    decoder.finish().expect("accepted");
    let quarantine = &decoder.counts().quarantine;
    assert_eq!((quarantine.rows, quarantine.listed.len()), (250, 100));
    let reason = QuarantineReason::Width { cells: 1, expected: 2 };
    assert_eq!(quarantine.listed[99], QuarantinedRow { file: 1, line: 101, reason });
}

/// Pieces that meet at every boundary the decoder has.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => "[a-c]{1,3}".prop_map(String::into_bytes),
        6 => Just(b",".to_vec()),
        4 => Just(b"\n".to_vec()),
        2 => Just(b"\r\n".to_vec()),
        3 => "\"([a-c,\n]|\"\"|é){0,4}\"".prop_map(String::into_bytes),
        1 => Just(b"\"".to_vec()),
        1 => Just(b"\r".to_vec()),
        1 => Just("é".into()),
        1 => Just(b"\xC3".to_vec()),
        1 => Just(b"\xA9".to_vec()),
        1 => Just(b"\0".to_vec()),
        1 => Just(b" ".to_vec()),
        1 => Just(b"h,i\n".to_vec()),
        1 => Just(b"\xEF\xBB\xBFH, i\n".to_vec()),
    ]
}

/// A row of three cells, mostly an ordinary one.
fn row() -> impl Strategy<Value = Vec<u8>> {
    let cell = || {
        prop_oneof![
            20 => "[a-zé]{0,12}".prop_map(String::into_bytes),
            1 => "[a-z]{60,70}".prop_map(String::into_bytes),
            5 => "\"[a-z, ]{0,9}\"".prop_map(String::into_bytes),
            1 => "(N|n)ame".prop_map(String::into_bytes),
            1 => "\"name\"".prop_map(String::into_bytes),
            1 => piece(),
        ]
    };
    let end = prop_oneof![
        6 => Just(&b"\n"[..]),
        3 => Just(&b"\r\n"[..]),
        1 => Just(&b",i,j\n"[..]),
    ];
    (cell(), cell(), cell(), end).prop_map(|(first, second, third, end)| {
        [&[first, second, third].join(&b","[..])[..], end].concat()
    })
}

/// The names of two columns, long enough for the suffix cache.
const LONG_NAMES: &str = "second-column-with-a-long-name,third-column";

/// Rows with few distinct suffixes, mostly ordinary ones.
fn repeating_rows() -> impl Strategy<Value = Vec<u8>> {
    let cell = || {
        prop_oneof![
            20 => "[a-zé ]{0,20}".prop_map(String::into_bytes),
            5 => "\"[a-z, ]{20,40}\"".prop_map(String::into_bytes),
            1 => "[a-z]{60,70}".prop_map(String::into_bytes),
            1 => piece(),
        ]
    };
    let end = || prop_oneof![3 => Just("\n"), 1 => Just("\r\n")];
    let tail = (cell(), "[a-z-]{10,36}", cell(), end()).prop_map(|(second, key, third, end)| {
        [b",", &second[..], b",", key.as_bytes(), &third, end.as_bytes()].concat()
    });
    let first = prop_oneof![
        10 => cell(),
        10 => "[a-f0-9-]{36}".prop_map(String::into_bytes),
        1 => Just(b"name".to_vec()),
        1 => Just(b" Name".to_vec()),
        1 => Just(b"names".to_vec()),
    ];
    let tail = prop_oneof![9 => tail, 1 => Just(format!(",{LONG_NAMES}\n").into_bytes())];
    let tails = prop::collection::vec(tail, 1..5);
    // A row may become two, and only a hundred quarantined rows are listed.
    let rows = prop::collection::vec((first, any::<prop::sample::Index>()), 0..50);
    (tails, rows).prop_map(|(tails, rows)| {
        let row = |(first, tail): (Vec<u8>, prop::sample::Index)| [first, tail.get(&tails).clone()];
        rows.into_iter().flat_map(row).flatten().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn agrees_with_its_twin_on_rows_with_recurring_suffixes(
        rows in repeating_rows(),
        chunks in prop::collection::vec(1_usize..3000, 1..4),
        batch_rows in 1_usize..30,
    ) {
        let mut file = format!("name,{LONG_NAMES}\n1,2,{}\n", " ".repeat(FIRST_BYTES)).into_bytes();
        file.extend(&rows);
        let expected = twin::read(&file);
        let found = decode(&file, &chunks, batch_rows);
        prop_assert!(found == expected, "{:?}", String::from_utf8_lossy(&rows));
    }

    #[test]
    fn agrees_with_its_twin_on_mostly_ordinary_rows(
        rows in prop::collection::vec(row(), 0..60),
        chunks in prop::collection::vec(1_usize..400, 1..4),
        batch_rows in 1_usize..30,
    ) {
        // Rows beyond the first bytes, which take the fast path.
        let mut file = format!("name,i,j\n1,2,{}\n", " ".repeat(FIRST_BYTES)).into_bytes();
        file.extend(rows.concat());
        let expected = twin::read(&file);
        let found = decode(&file, &chunks, batch_rows);
        prop_assert!(found == expected, "{:?}", String::from_utf8_lossy(&rows.concat()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn agrees_with_its_twin_for_every_chunking(
        mark in any::<bool>(),
        pieces in prop::collection::vec(piece(), 0..40),
        chunks in prop::collection::vec(1_usize..17, 1..4),
        batch_rows in 1_usize..9,
    ) {
        let mut file = if mark { b"\xEF\xBB\xBFh,i\n".to_vec() } else { b"h,i\n".to_vec() };
        file.extend(pieces.concat());
        let expected = twin::read(&file);
        let found = decode(&file, &chunks, batch_rows);
        prop_assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(&file));
    }

    #[test]
    fn agrees_with_its_twin_on_any_bytes(
        file in prop::collection::vec(any::<u8>(), 0..60),
        chunks in prop::collection::vec(1_usize..17, 1..4),
    ) {
        prop_assert_eq!(decode(&file, &chunks, 3), twin::read(&file));
    }

    #[test]
    fn reads_back_what_a_csv_writer_wrote(
        rows in prop::collection::vec(prop::collection::vec("[a-z,\"\n\r é]{0,6}", 3), 0..30),
        chunks in prop::collection::vec(1_usize..40, 1..4),
    ) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["h1", "h2", "h3"]).expect("memory");
        for row in &rows {
            writer.write_record(row).expect("memory");
        }
        let file = writer.into_inner().expect("memory");
        let found = decode(&file, &chunks, 7).expect("a written file is accepted");
        let found: Vec<Vec<String>> = found.rows.into_iter().map(|(_, row)| row).collect();
        let trimmed = |row: &Vec<String>| -> Vec<String> {
            row.iter().map(|cell| cell.trim_ascii().to_owned()).collect()
        };
        prop_assert_eq!(found, rows.iter().map(trimmed).collect::<Vec<_>>());
    }
}
