//! Redaction of the rows of an export, independent of its batches.

use core_ingest::graph::Graph;
use core_ingest::listing;
use core_ingest::step::{RowAccount, StepIngest};
use core_model::column::{
    Column, ColumnForm, IdentifierKind, behaviour, direct, persistent, quasi, technical,
};
use core_privacy::keys::KeyRing;
use core_privacy::profile::{Policy, Profile};
use core_privacy::protection::Protection;
use core_privacy::suppression::{Erasure, SuppressionList};
use proptest::prelude::*;

use crate::types::{PARCEL, PARCELS, SHELVES, THINGS};

static COLUMNS: [Column; 11] = [
    persistent("shelf.uid", IdentifierKind::DeviceUid),
    persistent("thing.uid", IdentifierKind::UserUid),
    direct("thing.name", IdentifierKind::Login),
    technical("thing.label"),
    persistent("parcel.uid", IdentifierKind::DeviceUid),
    direct("parcel.name", IdentifierKind::Login),
    behaviour("parcel.seen"),
    behaviour("parcel.sent"),
    quasi("parcel.tags", ColumnForm::IpAddresses),
    technical("parcel.weight"),
    technical("parcel.fragile"),
];

fn protection(profile: Profile, erased: &[(IdentifierKind, &str)]) -> Option<Protection> {
    let since = "2026-11-22T10:00:00Z";
    let keys = KeyRing::new(since, &[1; 64]);
    let declared: Vec<&'static Column> = COLUMNS.iter().collect();
    let policy = Policy::new(profile, &declared, &["thing.uid", "shelf.uid", "parcel.uid"], &[]);
    let mut list = SuppressionList::new(&keys);
    let erasure = Erasure { id: "e-1", since, reason: "request" };
    list.suppress(&keys, "acme.eu", erasure, erased.iter().copied()).expect("the same key");
    let suppressions = list.matcher(&keys, "acme.eu", "").expect("the same key");
    let policy = policy.expect("no overrides");
    Protection::new(policy, Some(&keys), "acme.eu", suppressions).expect("there are keys")
}

/// Lists the things of an export, in batches of at most this size.
fn things(
    protection: Option<&Protection>,
    export: &str,
    batch_rows: usize,
) -> (String, RowAccount) {
    let mut graph = Graph::default();
    let mut account = RowAccount::default();
    for (step, export) in [(&SHELVES, "shelf.uid\ns1\ns2\n"), (&THINGS, export)] {
        let mut ingest = StepIngest::new(step, &graph)
            .with_protection(protection.cloned())
            .with_batch_rows(batch_rows);
        // The first bytes of a file are decoded together.
        let export = export.replacen('\n', &format!("{}\n", " ".repeat(512)), 1);
        ingest.push(export.as_bytes()).expect("accepted");
        let tables = ingest.finish().expect("accepted");
        account = tables.account.clone();
        graph.add(tables);
    }
    (listing::list(graph, &THINGS).expect("the schema fits"), account)
}

#[test]
fn a_redacted_export_is_the_same_in_batches_of_any_size() {
    let export = "thing.label,note,thing.name,shelf.uid,thing.uid\n\
                  red,Jane,ACME\\jane,s1,t1\n\
                  \"a, b\",\"by, Jane\",ACME\\jane,s1,t2\n\
                  red,Jane,ACME\\jane,s1,t1\n\
                  red,,ACME\\joe,s2,t1\n\
                  ,,,s2,t3\n";
    let protection = protection(Profile::Pseudonymous, &[]);
    let (whole, account) = things(protection.as_ref(), export, 1000);
    assert_eq!((account.used, account.merged, account.suppressed), (4, 1, 0));
    for raw in ["jane", "Jane", "joe", "\"s1\"", "\"t1\"", "s1 "] {
        assert!(!whole.contains(raw), "{raw}: {whole}");
    }
    assert!(whole.contains("label: \"a, b\"") && whole.contains("label: \"red\""), "{whole}");
    for batch_rows in 1..4 {
        assert_eq!(things(protection.as_ref(), export, batch_rows).0, whole, "{batch_rows}");
    }
}

#[test]
fn rows_that_name_an_erased_person_only_by_key_are_removed() {
    // The name comes before the key, and the second row of the key has another name.
    let export = "thing.name,thing.label,shelf.uid,thing.uid\n\
                  ACME\\joe,blue,s1,t2\n\
                  ACME\\jane,red,s1,t1\n\
                  ACME\\other,green,s2,t1\n\
                  ACME\\last,\"x, y\",s2,t3\n";
    for profile in [Profile::Full, Profile::Pseudonymous] {
        let protection = protection(profile, &[(IdentifierKind::Login, "acme\\jane")]);
        for batch_rows in [1, 2, 1000] {
            let (things, account) = things(protection.as_ref(), export, batch_rows);
            assert_eq!(account.suppressed, 2, "{batch_rows}");
            assert!(!things.contains("red") && !things.contains("green"), "{things}");
            assert!(things.contains("blue") && things.contains("x, y"), "{things}");
        }
    }
}

/// The counts of an export of parcels under a profile, and the weights of the winning rows.
fn compare_rows(profile: Profile, export: &str, batch_rows: usize) -> (Vec<String>, Vec<String>) {
    let graph = Graph::default();
    let mut ingest = StepIngest::new(&PARCELS, &graph)
        .with_protection(protection(profile, &[]))
        .with_batch_rows(batch_rows);
    ingest.push(export.as_bytes()).expect("accepted");
    let tables = ingest.finish().expect("accepted");
    let account = &tables.account;
    let rows = [account.used, account.merged, account.quarantined()];
    let mut graph = Graph::default();
    graph.add(tables);
    let table = graph.entity_table(PARCEL.type_name).expect("made");
    let now = "2026-01-01T12:00:00Z".parse().expect("a time");
    let counts = [
        format!("{rows:?} {:?}", table.counts()),
        format!("unreadable {:?}", table.unreadable().collect::<Vec<_>>()),
        format!("never {:?}", table.never_times().collect::<Vec<_>>()),
        format!("future {:?}", table.future_times(now).collect::<Vec<_>>()),
    ];
    let listing = listing::list(graph, &PARCELS).expect("the schema fits");
    let mut winners: Vec<String> =
        listing.lines().filter(|line| line.starts_with("weight")).map(str::to_owned).collect();
    winners.sort_unstable();
    (counts.to_vec(), winners)
}

const PARCEL_HEADER: &str =
    "parcel.uid,parcel.seen,parcel.sent,parcel.name,parcel.tags,parcel.weight,parcel.fragile\n";

#[test]
fn g24_every_profile_has_the_same_counts_and_the_newest_row_of_a_day_wins() {
    let export = format!(
        "{PARCEL_HEADER}\
         p,2026-01-01 09:00:00,,b,10.0.0.1/24,1,yes\n\
         p,2026-01-01 10:00:00,,a,,2,\n\
         q,2026-01-01 garbage,18.11.2026 11:06,c,\"10.0.0.1, x\",3,\n\
         r,2026-01-03 12:00:01,1970-01-01 00:00:00,,,4,\n\
         s\u{200b},,,,,5,\n\
         parcel.uid,,,,,6,\n"
    );
    let full = compare_rows(Profile::Full, &export, 1000);
    assert_eq!(full.1, ["weight: 2", "weight: 3", "weight: 4"]);
    let counts = full.0.join("\n");
    for expected in [
        "[3, 1, 2]",
        "unreadable [(\"sentOn\", 1), (\"seenOn\", 1), (\"tags\", 1)]",
        "never [(\"sentOn\", 1)]",
        "future [(\"seenOn\", 1)]",
    ] {
        assert!(counts.contains(expected), "{expected}: {counts}");
    }
    for profile in Profile::ALL {
        for batch_rows in [1, 2, 1000] {
            assert_eq!(compare_rows(profile, &export, batch_rows), full, "{profile:?}");
        }
    }
}

#[test]
fn g24_a_value_that_the_export_lacks_is_null_under_every_profile() {
    let export = format!("{PARCEL_HEADER}p,2026-01-01 garbage,1601-01-01 00:00:00,a,10.0.0.1,1,\n");
    for profile in [Profile::Full, Profile::Pseudonymous] {
        let graph = Graph::default();
        let mut ingest =
            StepIngest::new(&PARCELS, &graph).with_protection(protection(profile, &[]));
        ingest.push(export.as_bytes()).expect("accepted");
        let tables = ingest.finish().expect("accepted");
        let mut graph = Graph::default();
        graph.add(tables);
        let listing = listing::list(graph, &PARCELS).expect("the schema fits");
        assert!(!listing.contains("On: "), "{listing}");
        let is_cut = profile != Profile::Full;
        assert_eq!(listing.contains("10.0.0.0"), is_cut, "{listing}");
        assert_eq!(listing.contains("\"a\""), !is_cut, "{listing}");
    }
}

/// Rows of few keys that often conflict, each with its own weight.
fn parcels() -> impl Strategy<Value = String> {
    let time = "(2026-01-0[12] (09|10):00:00|2026-01-01 x|1970-01-01 00:00:00)?";
    let row = ("[pq]", time, time, "[abc]?", "(10\\.0\\.[01]\\.[12] ?|x ){0,2}", "(yes|no|x)?");
    prop::collection::vec(row, 1..12).prop_map(|rows| {
        let rows = rows.into_iter().enumerate().map(|(weight, row)| {
            let (uid, seen, sent, name, tags, fragile) = row;
            format!("{uid},{seen},{sent},{name},{tags},{weight},{fragile}\n")
        });
        rows.fold(PARCEL_HEADER.to_owned(), |export, row| export + &row)
    })
}

proptest! {
    #[test]
    fn g24_every_profile_chooses_the_same_rows(export in parcels(), batch_rows in 1_usize..5) {
        let full = compare_rows(Profile::Full, &export, 1000);
        for profile in Profile::ALL {
            prop_assert_eq!(compare_rows(profile, &export, batch_rows), full.clone());
        }
    }
}

#[test]
fn the_next_owner_of_an_erased_login_is_kept() {
    let export = "thing.name,thing.label,shelf.uid,thing.uid\n\
                  ACME\\joe,blue,s1,t1\n\
                  ACME\\joe,red,s1,t2\n\
                  ACME\\ann,red,s1,t3\n";
    let erased = [(IdentifierKind::UserUid, "t1"), (IdentifierKind::Login, "ACME\\joe")];
    for profile in [Profile::Full, Profile::Pseudonymous] {
        let protection = protection(profile, &erased);
        let (listing, account) = things(protection.as_ref(), export, 1000);
        assert_eq!((account.used, account.suppressed), (2, 1), "{listing}");
        let names = listing.lines().filter(|line| line.trim_start().starts_with("name: \""));
        assert_eq!(names.count(), 2, "both have a name: {listing}");
    }
    // If only the login is erased, its next owner cannot be told from the previous one.
    let protection = protection(Profile::Full, &erased[1..]);
    assert_eq!(things(protection.as_ref(), export, 1000).1.suppressed, 2);
}
