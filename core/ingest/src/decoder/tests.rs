//! What cannot be reached from outside in the time of a test.

use super::*;

/// Stands where a file of more than 4 GiB would be after minutes of decoding.
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
fn f5_rows_with_a_nul_are_counted_unless_they_are_set_aside() {
    let mut decoder = Decoder::default();
    decoder.decode(b"a,b,\n1,2,\n3,x\0y\0,\n\0,4,\n\xFF,\0,\n5,6\n").expect("a short file");
    decoder.finish().expect("accepted");
    assert_eq!(decoder.take_batch().len(), 3);
    assert_eq!((decoder.counts.rows_with_nul, decoder.counts.quarantine.rows), (2, 2));
}

#[test]
fn a_line_of_separators_alone_needs_no_memory() {
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

/// A row of a key and of what one of few has.
fn row_of(number: usize, kind: usize) -> String {
    let quoted = if kind.is_multiple_of(3) { "\"Example, Inc.\"" } else { "Example" };
    format!("device-{number},{kind}-and-more-than-is-needed-to-find-it,{quoted},{}\n", kind % 2)
}

/// A decoder that has read the header and some rows.
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
fn rows_with_the_same_tail_have_the_same_cells_after_the_first() {
    let batch = after((0..1000).map(|it| row_of(it, it % 7))).take_batch();
    let mut kinds = [None; 7];
    let mut known = 0;
    for row in (1..batch.len()).filter(|&row| batch.tail(row) != NO_TAIL) {
        let kind = (row - 1) % 7;
        known += 1;
        assert_eq!(*kinds[kind].get_or_insert(batch.tail(row)), batch.tail(row));
        let cells = [0, 1, 2, 3].map(|it| batch.column(Some(it)).cell(row)).join(",");
        let expected = row_of(row - 1, kind).replace('"', "");
        assert_eq!(cells, expected.trim_end());
    }
    assert!(known > 900, "{known} of 1000 rows");
    let numbers: std::collections::BTreeSet<_> = kinds.iter().collect();
    assert_eq!(numbers.len(), 7, "{kinds:?}");
}

#[test]
fn rows_that_cannot_be_known_are_soon_not_looked_for() {
    let rows =
        (0..5000).map(|it| format!("\"device-{it}\",one and the same for all of them,x,y\n"));
    assert!(!after(rows).tails.are_useful());
}
