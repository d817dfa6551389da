//! Headers of about as many columns as a header may have, against the decoder's twin.

use core_ingest::decoder::Decoder;
use core_ingest::rejection::RejectionReason;

use crate::twin;

/// Returns why the decoder rejects a file.
fn rejection(file: &str) -> Option<RejectionReason> {
    let mut decoder = Decoder::default();
    let read = decoder.decode(file.as_bytes()).and_then(|_| decoder.finish());
    read.err().map(|rejection| rejection.reason)
}

#[test]
fn a_header_of_too_many_columns_is_rejected_at_the_first_of_them_whatever_else_is_wrong() {
    for columns in 1_023..=1_026 {
        let names: Vec<String> = (1..columns).map(|number| format!("c{number}")).collect();
        let names = names.join(",");
        for file in [
            format!("first,{names}\n"),
            format!("\n\nfirst,{names}"),
            format!(",{names}\n"),
            format!("c1,{names}\n"),
            format!("first,{names}\""),
            format!("first,{names}\r"),
            format!("first,{names},\"not closed"),
        ] {
            assert_eq!(rejection(&file), twin::read(file.as_bytes()).err(), "{columns}: {file}");
        }
    }
}
