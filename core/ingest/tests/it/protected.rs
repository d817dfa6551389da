//! What a privacy policy makes of the rows of an export, whatever the batches they come in.

use core_ingest::graph::Graph;
use core_ingest::listing;
use core_ingest::step::{RowAccount, StepIngest};
use core_model::column::{Column, Family, direct, persistent, technical};
use core_privacy::keys::KeyRing;
use core_privacy::profile::{Policy, Profile};
use core_privacy::protection::Protection;
use core_privacy::suppression::{Erasure, SuppressionList};

use crate::types::{SHELVES, THINGS};

static COLUMNS: [Column; 4] = [
    persistent("shelf.uid", Family::DeviceUid),
    persistent("thing.uid", Family::UserUid),
    direct("thing.name", Family::Login),
    technical("thing.label"),
];

fn protection(profile: Profile, erased: &[(Family, &str)]) -> Option<Protection> {
    let since = "2026-11-22T10:00:00Z";
    let keys = KeyRing::new(since, &[1; 64]);
    let declared: Vec<&'static Column> = COLUMNS.iter().collect();
    let policy = Policy::new(profile, &declared, &["thing.uid", "shelf.uid"], &[]);
    let mut list = SuppressionList::new(&keys);
    let erasure = Erasure { id: "e-1", since, reason: "request" };
    list.suppress(&keys, "acme.eu", erasure, erased.iter().copied()).expect("the same key");
    let suppressions = list.matcher(&keys, "acme.eu").expect("the same key");
    let policy = policy.expect("no overrides");
    Protection::new(policy, Some(&keys), "acme.eu", suppressions).expect("there are keys")
}

/// The things that an export makes, in batches of at most so many rows.
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
        // The first bytes of a file are read together.
        let export = export.replacen('\n', &format!("{}\n", " ".repeat(512)), 1);
        ingest.push(export.as_bytes()).expect("accepted");
        let tables = ingest.finish().expect("accepted");
        account = tables.account.clone();
        graph.add(tables);
    }
    (listing::list(graph, &THINGS).expect("the schema fits"), account)
}

#[test]
fn a_protected_export_is_the_same_in_batches_of_any_size() {
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
fn rows_that_name_somebody_who_was_erased_by_nothing_but_the_key_go_too() {
    // The name comes before the key, and the second row of the key has another name.
    let export = "thing.name,thing.label,shelf.uid,thing.uid\n\
                  ACME\\joe,blue,s1,t2\n\
                  ACME\\jane,red,s1,t1\n\
                  ACME\\other,green,s2,t1\n\
                  ACME\\last,\"x, y\",s2,t3\n";
    for profile in [Profile::Full, Profile::Pseudonymous] {
        let protection = protection(profile, &[(Family::Login, "acme\\jane")]);
        for batch_rows in [1, 2, 1000] {
            let (things, account) = things(protection.as_ref(), export, batch_rows);
            assert_eq!(account.suppressed, 2, "{batch_rows}");
            assert!(!things.contains("red") && !things.contains("green"), "{things}");
            assert!(things.contains("blue") && things.contains("x, y"), "{things}");
        }
    }
}
