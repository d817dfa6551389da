//! The requests and bytes that copies cost, which `docs/scale.md` quotes.
//!
//! They depend only on the number of files, so a store of a few rows is enough.

use core_bucket::{BucketError, Needed, WorkingCopyRequest, refresh, send_reads};
use core_simulator::{BucketCall, BucketTraffic, SimulatedBucket};

use crate::copies::{bucket_place, restored, run};
use crate::estate::{Estate, FIRST, SECOND, THIRD};
use crate::working;

/// The requests between two measurements: writes, reads, lists, deletions.
fn requests(before: &BucketTraffic, after: &BucketTraffic) -> [u64; 4] {
    let count = |call| after.count(call) - before.count(call);
    [BucketCall::Put, BucketCall::Get, BucketCall::List, BucketCall::Delete].map(count)
}

#[tokio::test(start_paused = true)]
async fn the_requests_of_copies_are_those_of_the_page_on_scale() -> Result<(), BucketError> {
    let estate = Estate::empty();
    estate.publish(FIRST, &["ann"]);
    let bucket = SimulatedBucket::default();
    let place = bucket_place(&bucket);
    let mut measured = Vec::new();
    let mut before = bucket.traffic();
    let mut measure = |what: &str, bucket: &SimulatedBucket| {
        let after = bucket.traffic();
        measured.push((what.to_owned(), requests(&before, &after)));
        before = after;
    };
    run(&estate.place(), &place).await?;
    measure("first", &bucket);
    run(&estate.place(), &place).await?;
    measure("unchanged", &bucket);
    estate.publish(SECOND, &["ann"]);
    run(&estate.place(), &place).await?;
    measure("one generation of one table more", &bucket);
    estate.publish(THIRD, &["ann"]);
    run(&estate.place(), &place).await?;
    measure("one more", &bucket);
    restored(&place).await?;
    measure("restored", &bucket);
    let expected = [
        // The probe has 5 writes, 1 read and 1 deletion; taking the lease, publishing and releasing it are 3 writes and 1
        // read. Then a write and a read for each of 4 files (table, run.json, manifest, ledger) and of 2 listings.
        ("first", [14, 8, 1, 1]),
        // The listings and the ledger are read.
        ("unchanged", [8, 5, 1, 1]),
        // The old ledger and its listing are doomed and deleted, which is one publication more.
        ("one generation of one table more", [15, 11, 1, 3]),
        ("one more", [15, 12, 1, 3]),
        // The head twice, 4 listings, 10 files.
        ("restored", [0, 16, 0, 0]),
    ];
    let expected = expected.map(|(what, counts)| (what.to_owned(), counts));
    assert_eq!(measured, expected);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_requests_of_working_copies_are_those_of_the_page_on_scale() -> Result<(), BucketError>
{
    let bucket = SimulatedBucket::default();
    let machine = Estate::empty();
    let copy = working::open(&machine, &bucket).await?;
    machine.publish(FIRST, &["ann"]);
    copy.close().await?;
    let copy = working::open(&machine, &bucket).await?;
    machine.publish(SECOND, &["ann", "bob"]);
    copy.close().await?;

    let mut measured = Vec::new();
    let mut before = bucket.traffic();
    let mut measure = |what: &'static str| {
        let after = bucket.traffic();
        measured.push((what, requests(&before, &after)));
        before = after;
    };
    let reader = Estate::empty();
    refresh(&working::request(&reader, &bucket)).await?;
    measure("a first read on a machine");
    refresh(&working::request(&reader, &bucket)).await?;
    measure("a read of what is known");
    let all = WorkingCopyRequest { needed: Needed::All, ..working::request(&reader, &bucket) };
    refresh(&all).await?;
    measure("a read of everything");
    reader.append_to_ledger("query");
    send_reads(&working::request(&reader, &bucket)).await?;
    measure("its record");
    working::open(&machine, &bucket).await?.close().await?;
    measure("a command that writes the ledger");
    let mut copy = working::open(&machine, &bucket).await?;
    working::run(&machine, &mut copy).await?;
    copy.close().await?;
    measure("a run with an erasure");
    let expected = [
        // The head, 3 listings and 6 files: a manifest and `run.json` of two generations, the table of the published one,
        // and the ledger.
        ("a first read on a machine", [0, 10, 0, 0]),
        ("a read of what is known", [0, 4, 0, 0]),
        // The table of the older generation too.
        ("a read of everything", [0, 5, 0, 0]),
        ("its record", [1, 0, 0, 0]),
        // It adds the record of the reader to the ledger. Taking the lease, publishing, forgetting what is deleted and
        // releasing it are 4 writes of the head.
        ("a command that writes the ledger", [6, 7, 1, 3]),
        // Five changes are published when they are made; the erasure rewrites all generations.
        ("a run with an erasure", [28, 23, 1, 12]),
    ];
    assert_eq!(measured, expected);
    Ok(())
}
