//! The decoder, case by case and against its twin.

use core_ingest::decoder::Decoder;
use core_ingest::refusal::{QuarantineReason, QuarantinedRow, RefusalReason};
use proptest::prelude::*;

use crate::twin::{self, File};

/// Decodes a file that arrives in chunks of these sizes, taken in turn.
fn decode(file: &[u8], chunks: &[usize], batch_rows: usize) -> Result<File, RefusalReason> {
    let mut decoder = Decoder::default().with_batch_rows(batch_rows);
    let mut rows = Vec::new();
    let mut rest = file;
    let mut sizes = chunks.iter().cycle();
    while !rest.is_empty() {
        let size = (*sizes.next().expect("there is a size")).clamp(1, rest.len());
        let (mut chunk, after) = rest.split_at(size);
        rest = after;
        while !chunk.is_empty() {
            let read = decoder.decode(chunk).map_err(|it| it.reason)?;
            chunk = &chunk[read..];
            if decoder.is_full() {
                take_rows(&mut decoder, &mut rows);
            }
        }
    }
    decoder.finish().map_err(|it| it.reason)?;
    take_rows(&mut decoder, &mut rows);
    let counts = decoder.counts();
    let mut quarantined: Vec<(u64, QuarantineReason)> =
        counts.quarantine.listed.iter().map(|it| (it.line, it.reason)).collect();
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
        let cells = (0..width).map(|it| batch.column(Some(it)).cell(row).to_owned());
        rows.push((batch.line(row), cells.collect()));
    }
    decoder.recycle(batch);
}

fn whole(file: &[u8]) -> Result<File, RefusalReason> {
    decode(file, &[usize::MAX], 1024)
}

fn rows(file: &str) -> Vec<Vec<String>> {
    let file = whole(file.as_bytes()).expect("the file is accepted");
    file.rows.into_iter().map(|(_, row)| row).collect()
}

#[test]
fn files_that_are_read_exactly() {
    let table: &[(&str, &[&[&str]])] = &[
        ("a,b\n1,2\n", &[&["1", "2"]]),
        ("a,b\n1,2", &[&["1", "2"]]),
        ("\u{feff}a,b\r\n1,2\r\n", &[&["1", "2"]]),
        ("a,b\r\n1,2\n3,4\r\n", &[&["1", "2"], &["3", "4"]]),
        ("a,b\n\n1,2\n  \n\n", &[&["1", "2"]]),
        ("\"a\",\"b\"\n\"x, y\",\"say \"\"hi\"\"\"\n", &[&["x, y", "say \"hi\""]]),
        ("a,b\n\"two\nlines\",\"a\r\nb\"\n", &[&["two\nlines", "a\r\nb"]]),
        ("a,b\n,\n", &[&["", ""]]),
        ("a,b\n\"\",\"\"", &[&["", ""]]),
        ("a,b\n é , ü \n", &[&["é", "ü"]]),
        ("a\n\"\"\n", &[&[""]]),
        ("a,b\n", &[]),
        ("a,b", &[]),
    ];
    for (file, expected) in table {
        assert_eq!(rows(file), *expected, "{file:?}");
    }
}

#[test]
fn files_that_are_refused() {
    let table: &[(&[u8], RefusalReason)] = &[
        (b"", RefusalReason::Empty),
        (b"\xEF\xBB\xBF", RefusalReason::Empty),
        (b"\n\n", RefusalReason::Empty),
        (b"\xFF\xFEa\0", RefusalReason::Utf16),
        (b"a,b\n1,x\"y\n", RefusalReason::StrayQuote),
        (b"a,b\n\"x\"y,1\n", RefusalReason::TextAfterQuote),
        (b"a,b\n1,\"cut", RefusalReason::Unterminated),
        (b"a,b\r1,2\r", RefusalReason::LoneCarriageReturn),
        (b"a,b\n1,2\r", RefusalReason::LoneCarriageReturn),
        (b"a,A\n", RefusalReason::DuplicateColumn),
        (b"a,\n", RefusalReason::BadHeader),
        (b"a,\xFF\n", RefusalReason::BadHeader),
        (b"a,b\0\n", RefusalReason::BadHeader),
        (b"a;b\n1;2\n", RefusalReason::Delimiter),
        (b"a\tb\n1\t2\n", RefusalReason::Delimiter),
    ];
    for (file, reason) in table {
        assert_eq!(whole(file).as_ref(), Err(reason), "{:?}", String::from_utf8_lossy(file));
    }
}

#[test]
fn a_refusal_names_line_and_column() {
    let mut decoder = Decoder::default();
    let refusal = decoder.decode(b"a,b\n\"x\ny\",1\n2,\"3\" 4\n").expect_err("text after a quote");
    assert_eq!((refusal.line, refusal.column), (4, 2));
    assert_eq!(refusal.to_string(), "line 4, column 2: text after the quote that ends a cell");
}

#[test]
fn a_bad_row_is_set_aside_with_its_line_and_the_rest_is_read() {
    let file = b"a,b\n1,2\nshort\n1,2,3\n\"x\ny\",2\n\xFF,2\n\xC3,\xA9\nn\0,2\na,b\n3,4\n";
    let file = whole(file).expect("the file is accepted");
    let kept: Vec<u64> = file.rows.iter().map(|(line, _)| *line).collect();
    assert_eq!(kept, [2, 5, 11]);
    assert_eq!(
        file.quarantined,
        [
            (3, QuarantineReason::Width { cells: 1, expected: 2 }),
            (4, QuarantineReason::Width { cells: 3, expected: 2 }),
            (7, QuarantineReason::Encoding),
            (8, QuarantineReason::Encoding),
            (9, QuarantineReason::Nul),
            (10, QuarantineReason::RepeatedHeader),
        ]
    );
}

#[test]
fn a_header_that_comes_again_is_no_row_however_it_is_written() {
    for again in ["a,b", "\u{feff}a,b", " A , b", "\"a\",\"b\""] {
        let file = whole(format!("a,b\n1,2\n{again}\n3,4\n").as_bytes()).expect("accepted");
        assert_eq!(file.quarantined, [(3, QuarantineReason::RepeatedHeader)], "{again}");
    }
}

#[test]
fn a_mark_that_comes_byte_by_byte_is_still_a_mark() {
    assert_eq!(decode(b"\xFF\xFEa\0", &[1], 1), Err(RefusalReason::Utf16));
    let file = "\u{feff}thing.uid,b\n1,2\n".as_bytes();
    for chunks in [&[1][..], &[2, 1], &[3], &[1, 2], &[4]] {
        let file = decode(file, chunks, 1).expect("the file is accepted");
        assert_eq!(file.header, ["thing.uid", "b"], "{chunks:?}");
        assert_eq!(file.rows.len(), 1, "{chunks:?}");
    }
}

#[test]
fn caps_are_refusals() {
    let long = "x".repeat(1024 * 1024 + 1);
    assert_eq!(whole(format!("a\n{long}\n").as_bytes()), Err(RefusalReason::CellTooLong));
    assert_eq!(whole(format!("a\n\"{long}\"\n").as_bytes()), Err(RefusalReason::CellTooLong));
    let mebibyte = "x".repeat(1024 * 1024);
    let row = vec![mebibyte.as_str(); 17].join(",");
    assert_eq!(whole(format!("a\n{row}\n").as_bytes()), Err(RefusalReason::RowTooLong));
    let header: Vec<String> = (0..1025).map(|it| format!("c{it}")).collect();
    let header = header.join(",");
    assert_eq!(whole(header.as_bytes()), Err(RefusalReason::TooManyColumns));
    let wide = format!("a,b\n{}\n1,2\n", ",".repeat(3_000_000));
    let file = whole(wide.as_bytes()).expect("a wide row is set aside");
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
    assert_eq!(quarantine.listed[99], QuarantinedRow { line: 101, reason });
}

/// Pieces that meet at every border the decoder knows.
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn agrees_with_its_twin_however_the_file_is_cut(
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
    fn gives_back_what_a_csv_writer_wrote(
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
            row.iter().map(|it| it.trim_ascii().to_owned()).collect()
        };
        prop_assert_eq!(found, rows.iter().map(trimmed).collect::<Vec<_>>());
    }
}
