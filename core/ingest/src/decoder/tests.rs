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
