//! Cases that a test cannot reach through the public interface in reasonable time.

use super::*;

/// Stands in for a file of more than 4 GiB, which would take minutes to decode.
#[test]
fn f24_lines_and_rows_are_counted_beyond_32_bits() {
    let far = u64::from(u32::MAX);
    let mut decoder = Decoder {
        header: vec!["a".to_owned(), "b".to_owned()],
        preamble: None,
        line: far,
        row: RowStart { line: far, ..RowStart::default() },
        counts: DecoderCounts { rows: far - 1, ..DecoderCounts::default() },
        ..Decoder::default()
    };
    decoder.decode(b"1,2\n\"x\ny\",2\nshort\n").expect("rows");
    decoder.finish().expect("whole rows");
    let batch = decoder.take_batch();
    assert_eq!([batch.line(0), batch.line(1)], [far, far + 1]);
    assert_eq!(decoder.counts().rows, far + 2);
    assert_eq!(decoder.counts().quarantine.listed[0].line, far + 3);
}

#[test]
fn f5_rows_with_a_nul_are_counted_unless_they_are_quarantined() {
    let mut decoder = Decoder::default();
    decoder.decode(b"a,b,\n1,2,\n3,x\0y\0,\n\0,4,\n\xFF,\0,\n5,6\n").expect("a short file");
    decoder.finish().expect("accepted");
    assert_eq!(decoder.take_batch().len(), 3);
    assert_eq!((decoder.counts.rows_with_nul, decoder.counts.quarantine.rows), (2, 2));
}

#[test]
fn a_line_of_only_separators_takes_no_memory() {
    for cells in ["", "\"\""] {
        let mut decoder = Decoder::default();
        decoder.decode(format!("a,b{}\n", " ".repeat(FIRST_BYTES)).as_bytes()).expect("a header");
        let chunk = format!("{cells},").repeat(10_000);
        for _ in 0..10 {
            decoder.decode(chunk.as_bytes()).expect("cells of a row");
            assert!(decoder.bytes.len() < 10, "{} bytes", decoder.bytes.len());
        }
        decoder.decode(b"\n").expect("the row ends");
        assert_eq!(decoder.counts.quarantine.rows, 1);
    }
}

#[test]
fn a_row_may_be_as_long_as_the_limit() {
    let cell = "x".repeat(MAX_CELL_BYTES);
    let row = vec![cell.as_str(); MAX_ROW_BYTES / MAX_CELL_BYTES];
    let header: Vec<String> = (0..row.len()).map(|number| format!("c{number}")).collect();
    let mut decoder = Decoder::default();
    let file = format!("{}\n{}\n", header.join(","), row.join(","));
    decoder.decode(file.as_bytes()).expect("it is not above the limit");
    decoder.finish().expect("it is whole");
    assert_eq!((decoder.counts.rows, decoder.counts.quarantine.rows), (1, 0));
}

/// A row with its own first cell and one of a few suffixes.
fn row_with_suffix(number: usize, kind: usize) -> String {
    let quoted = if kind.is_multiple_of(3) { "\"Example, Inc.\"" } else { "Example" };
    format!("device-{number},{kind}-and-more-than-is-needed-to-find-it,{quoted},{}\n", kind % 2)
}

/// A decoder that has read the header and these rows.
fn after(rows: impl Iterator<Item = String>) -> Decoder {
    let mut decoder = Decoder::default().with_batch_rows(usize::MAX);
    let first = format!("a,b,c,d\n,,,{}\n", " ".repeat(FIRST_BYTES));
    decoder.decode(first.as_bytes()).expect("a header and a row");
    for row in rows.collect::<Vec<_>>().chunks(100) {
        let mut input = row.concat().into_bytes();
        while !input.is_empty() {
            let read = decoder.decode(&input).expect("rows");
            input.drain(..read);
            if decoder.is_full() {
                let batch = decoder.take_batch();
                decoder.recycle(batch);
            }
        }
    }
    decoder
}

#[test]
fn rows_with_the_same_suffix_number_have_the_same_cells_after_the_first() {
    let batch = after((0..1000).map(|number| row_with_suffix(number, number % 7))).take_batch();
    let mut kinds = [None; 7];
    let mut known = 0;
    for row in (1..batch.len()).filter(|&row| batch.suffix(row) != NO_SUFFIX) {
        let kind = (row - 1) % 7;
        known += 1;
        assert_eq!(*kinds[kind].get_or_insert(batch.suffix(row)), batch.suffix(row));
        let cells = [0, 1, 2, 3].map(|column| batch.column(Some(column)).cell(row)).join(",");
        let expected = row_with_suffix(row - 1, kind).replace('"', "");
        assert_eq!(cells, expected.trim_end());
    }
    assert!(known > 900, "{known} of 1000 rows");
    let numbers: std::collections::BTreeSet<_> = kinds.iter().collect();
    assert_eq!(numbers.len(), 7, "{kinds:?}");
}

#[test]
fn the_suffix_cache_is_disabled_when_rows_never_hit_it() {
    let rows = (0..5000)
        .map(|number| format!("\"device-{number}\",one and the same for all of them,x,y\n"));
    assert!(!after(rows).suffix_cache.is_enabled());
}
