//! Comparing two generations: what a plain twin finds over maps is what the merge of sorted tables finds.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::types::UInt32Type;
use arrow::array::{
    Array as _, AsArray as _, DictionaryArray, Int64Array, RecordBatch, StringArray,
};
use core_query::{
    ColumnView, DiffDetail, DiffReport, DiffRequest, QueryError, QuerySession, QuerySettings,
    TypeDiff, Withholding,
};
use core_store::{Generation, PrivacyMark, TableDeclaration, TableKind};
use proptest::prelude::*;

use crate::support::{Checked, Place, rows};

const THING: &str = "nexthink_thing";
const EDGE: &str = "nexthink_thing_has_thing";

/// The values of a thing: a name, a size, and when it was seen.
type Thing = (Option<String>, Option<i64>, i64);

/// One generation as plain maps.
#[derive(Debug, Clone, Default)]
struct Estate {
    /// By uid.
    things: BTreeMap<String, Thing>,
    /// By the uids of both ends: a version.
    edges: BTreeMap<(String, String), String>,
    has_things: bool,
    is_partial: bool,
}

fn key(uid: &str) -> String {
    let mut key = format!("{THING}:");
    for character in uid.chars() {
        if character == '|' || character == '%' || character.is_control() {
            let _ = write!(key, "%{:02X}", u32::from(character));
        } else {
            key.push(character);
        }
    }
    key
}

fn publish(place: &Place, estate: &Estate, id: &str) -> Result<Generation, Box<dyn Error>> {
    let mut tables = Vec::new();
    if estate.has_things {
        let keys: StringArray = estate.things.keys().map(|uid| Some(key(uid))).collect();
        let names: StringArray = estate.things.values().map(|thing| thing.0.clone()).collect();
        let sizes: Int64Array = estate.things.values().map(|thing| thing.1).collect();
        let seen: Int64Array = estate.things.values().map(|thing| Some(thing.2)).collect();
        let batch = RecordBatch::try_from_iter([
            ("_key", Arc::new(keys) as _),
            ("displayName", Arc::new(names) as _),
            ("size", Arc::new(sizes) as _),
            ("seen", Arc::new(seen) as _),
        ])?;
        tables.push((declaration(TableKind::Entity, THING, &batch), batch, estate.is_partial));
    }
    let texts = |texts: Vec<String>| -> DictionaryArray<UInt32Type> {
        texts.iter().map(String::as_str).collect()
    };
    let batch = RecordBatch::try_from_iter([
        (
            "_fromEntityKey",
            Arc::new(texts(estate.edges.keys().map(|ends| key(&ends.0)).collect())) as _,
        ),
        (
            "_toEntityKey",
            Arc::new(texts(estate.edges.keys().map(|ends| key(&ends.1)).collect())) as _,
        ),
        ("version", Arc::new(texts(estate.edges.values().cloned().collect())) as _),
    ])?;
    tables.push((declaration(TableKind::Relationship, EDGE, &batch), batch, estate.is_partial));
    place.publish_marked(id, None, tables)
}

fn declaration(kind: TableKind, name: &str, batch: &RecordBatch) -> TableDeclaration {
    let is_edge = kind == TableKind::Relationship;
    TableDeclaration {
        kind,
        name: name.to_owned(),
        class: vec![if is_edge { "HAS" } else { "Thing" }.to_owned()],
        ends: is_edge.then(|| (THING.to_owned(), THING.to_owned())),
        schema: batch.schema(),
        personal_columns: Vec::new(),
    }
}

const BEFORE: &str = "01JN7Z1M80000000000000000A";
const AFTER: &str = "01JN7Z1M80000000000000000B";

fn request(before: Generation, after: Generation) -> DiffRequest {
    DiffRequest {
        before,
        after,
        types: Vec::new(),
        properties: Vec::new(),
        volatile: vec![(THING.to_owned(), "seen".to_owned())],
        withholding: None,
    }
}

/// The counts and, as lines, the rows.
fn outcome(
    request: &DiffRequest,
    detail: DiffDetail,
) -> Result<(DiffReport, Vec<String>), QueryError> {
    let mut lines = Vec::new();
    let report = request.run(detail, &mut |batch| {
        for row in 0..batch.num_rows() {
            let cell = |column: &Arc<dyn arrow::array::Array>| {
                let texts = column.as_string::<i32>();
                if texts.is_null(row) { "-".to_owned() } else { texts.value(row).to_owned() }
            };
            lines.push(batch.columns().iter().map(cell).collect::<Vec<_>>().join(" "));
        }
        Ok(())
    })?;
    Ok((report, lines))
}

/// The result that the merge must have: the counts added, removed, unknown, changed, unchanged, carried over, and a
/// line for each change.
fn twin(before: &Estate, after: &Estate) -> (Vec<[u64; 6]>, Vec<String>) {
    let (mut counts, mut lines) = (Vec::new(), Vec::new());
    if before.has_things || after.has_things {
        let things = |estate: &Estate| -> BTreeMap<String, (String, [String; 2], i64)> {
            let shown = |value: Option<String>| value.unwrap_or("-".to_owned());
            let things = estate.things.iter().filter(|_| estate.has_things);
            let thing = |(uid, (name, size, seen)): (&String, &Thing)| {
                let values = [shown(name.clone()), shown(size.map(|size| size.to_string()))];
                (uid.clone(), (key(uid), values, *seen))
            };
            things.map(thing).collect()
        };
        let is_partial = after.is_partial || !after.has_things;
        let names = ["displayName", "size"];
        counts.push(plain(THING, &names, &things(before), &things(after), is_partial, &mut lines));
    }
    let edges = |estate: &Estate| -> BTreeMap<(String, String), (String, [String; 1], i64)> {
        let edge = |(ends, version): (&(String, String), &String)| {
            let key = format!("{}|has|{}", key(&ends.0), key(&ends.1));
            (ends.clone(), (key, [version.clone()], 0))
        };
        estate.edges.iter().map(edge).collect()
    };
    counts.push(plain(
        EDGE,
        &["version"],
        &edges(before),
        &edges(after),
        after.is_partial,
        &mut lines,
    ));
    (counts, lines)
}

fn plain<K: Ord + Clone, const N: usize>(
    type_name: &str,
    names: &[&str; N],
    before: &BTreeMap<K, (String, [String; N], i64)>,
    after: &BTreeMap<K, (String, [String; N], i64)>,
    is_partial: bool,
    lines: &mut Vec<String>,
) -> [u64; 6] {
    let mut counts = [0; 6];
    let all: std::collections::BTreeSet<&K> = before.keys().chain(after.keys()).collect();
    for uid in all {
        // An edge has no name of its own.
        let shown = |values: &[String; N]| if N == 1 { "-".to_owned() } else { values[0].clone() };
        match (before.get(uid), after.get(uid)) {
            (None, Some((key, values, _))) => {
                counts[0] += 1;
                lines.push(format!("added {type_name} {key} {} - - -", shown(values)));
            }
            (Some((key, values, _)), None) => {
                let (place, word) = if is_partial { (2, "unknown") } else { (1, "removed") };
                counts[place] += 1;
                lines.push(format!("{word} {type_name} {key} {} - - -", shown(values)));
            }
            (Some((_, old, old_seen)), Some((key, new, new_seen))) if old == new => {
                let _ = key;
                counts[4] += 1;
                counts[5] += u64::from(is_partial && old_seen == new_seen);
            }
            (Some((_, old, _)), Some((key, new, _))) => {
                counts[3] += 1;
                for (place, name) in names.iter().enumerate() {
                    if old[place] != new[place] {
                        let (old, shown) = (&old[place], shown(new));
                        let new = &new[place];
                        lines.push(format!("changed {type_name} {key} {shown} {name} {old} {new}"));
                    }
                }
            }
            (None, None) => unreachable!("it is in one of both"),
        }
    }
    counts
}

fn counts(diff: &TypeDiff) -> [u64; 6] {
    [diff.added, diff.removed, diff.unknown, diff.changed, diff.unchanged, diff.carried_over]
}

fn estates() -> impl Strategy<Value = Estate> {
    let uid = || "[ab%|\u{1}]{1,3}";
    let name = proptest::option::of("[xy]{1,2}");
    let thing = (name, proptest::option::of(0..3_i64), 0..2_i64);
    let things = proptest::collection::btree_map(uid(), thing, 0..12);
    let edges = proptest::collection::btree_map((uid(), uid()), "[12]", 0..16);
    (things, edges, proptest::bool::weighted(0.9), any::<bool>()).prop_map(
        |(things, edges, has_things, is_partial)| Estate { things, edges, has_things, is_partial },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn the_merge_finds_what_the_twin_finds(before in estates(), after in estates(), same in any::<bool>()) {
        let checked = || -> Result<(), Box<dyn Error>> {
            let place = Place::new()?;
            // Half of the pairs share most of their objects, as generations do.
            let mut after = after.clone();
            if same {
                after.things.extend(before.things.clone());
                after.edges.extend(before.edges.clone());
            }
            let old = publish(&place, &before, BEFORE)?;
            let new = publish(&place, &after, AFTER)?;
            let request = request(old, new);
            let (report, lines) = outcome(&request, DiffDetail::Rows)?;
            let (expected, expected_lines) = twin(&before, &after);
            let found: Vec<_> = report.types.iter().map(counts).collect();
            assert_eq!(found, expected);
            assert_eq!(lines, expected_lines);
            let (summary, none) = outcome(&request, DiffDetail::Summary)?;
            assert_eq!((summary, none.len()), (report, 0));
            let (_, names) = outcome(&request, DiffDetail::Names)?;
            let differing: u64 = expected.iter().map(|counts| counts[..4].iter().sum::<u64>()).sum();
            assert_eq!(names.len() as u64, differing);
            Ok(())
        };
        checked().map_err(|error| TestCaseError::fail(error.to_string()))?;
    }
}

/// Two generations: a thing that stays, one that is renamed, one that goes and one that comes.
fn pair(place: &Place) -> Result<(Generation, Generation), Box<dyn Error>> {
    let thing = |name: &str, seen| (Some(name.to_owned()), Some(1), seen);
    let edge = |from: &str, to: &str| ((from.to_owned(), to.to_owned()), "1".to_owned());
    let before = Estate {
        things: [("a", "stays"), ("b", "old"), ("c", "goes")]
            .map(|(uid, name)| (uid.to_owned(), thing(name, 1)))
            .into(),
        edges: [edge("a", "b"), edge("a", "c")].into(),
        has_things: true,
        is_partial: false,
    };
    let after = Estate {
        things: [("a", "stays"), ("b", "new"), ("d", "comes")]
            .map(|(uid, name)| (uid.to_owned(), thing(name, 2)))
            .into(),
        edges: [edge("a", "b"), edge("a", "d")].into(),
        has_things: true,
        is_partial: false,
    };
    Ok((publish(place, &before, BEFORE)?, publish(place, &after, AFTER)?))
}

#[test]
fn a_named_property_counts_even_if_it_is_volatile_and_nothing_else_does() -> Checked {
    let place = Place::new()?;
    let (before, after) = pair(&place)?;
    let mut request = request(before, after);
    let (report, _) = outcome(&request, DiffDetail::Summary)?;
    assert_eq!(report.types[0].properties, [("displayName".to_owned(), 1)].into());
    assert_eq!(report.types[0].ignored, ["seen"]);
    request.properties = vec!["seen".to_owned()];
    request.types = vec![THING.to_owned()];
    let (report, _) = outcome(&request, DiffDetail::Summary)?;
    assert_eq!(report.types.len(), 1);
    assert_eq!(report.types[0].properties, [("seen".to_owned(), 2)].into());
    for (types, properties) in [(vec!["nexthink_thin"], vec![]), (vec![], vec!["siz"])] {
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        request.types = owned(types);
        request.properties = owned(properties);
        let error = outcome(&request, DiffDetail::Summary).expect_err("it does not exist");
        assert!(error.to_string().contains("did you mean"), "{error}");
    }
    Ok(())
}

#[test]
fn what_is_withheld_is_neither_compared_nor_shown() -> Checked {
    let place = Place::new()?;
    let (before, after) = pair(&place)?;
    let rule = |_: &str, column: &str| match column {
        "displayName" => ColumnView::Withheld,
        "seen" => ColumnView::Day,
        _ => ColumnView::Stored,
    };
    let withholding = Some(Withholding::new(rule, "set it"));
    let request = DiffRequest { withholding, ..request(before, after) };
    let (report, lines) = outcome(&request, DiffDetail::Rows)?;
    assert_eq!(counts(&report.types[0]), [1, 1, 0, 0, 2, 0]);
    assert_eq!(report.types[0].withheld, ["displayName", "seen"]);
    assert!(!lines.iter().any(|line| line.contains("comes") || line.contains("new")), "{lines:?}");
    Ok(())
}

#[test]
fn generations_that_show_people_in_two_ways_are_refused() -> Checked {
    let place = Place::new()?;
    let (before, _) = pair(&place)?;
    let mark = |profile: &str, key: Option<&str>| PrivacyMark {
        profile: profile.to_owned(),
        key: key.map(str::to_owned),
        columns: BTreeMap::new(),
    };
    let mut marked = Vec::new();
    for (number, mark) in
        [mark("full", None), mark("pseudonymous", Some("k1")), mark("pseudonymous", Some("k2"))]
            .into_iter()
            .enumerate()
    {
        let id = format!("01JN7Z1M80000000000000000{}", ["C", "D", "E"][number]);
        marked.push(place.publish_marked(&id, Some(mark), Vec::new())?);
    }
    let error = |before: &Generation, after: &Generation| {
        let outcome = outcome(&request(before.clone(), after.clone()), DiffDetail::Summary);
        outcome.err().map(|error| error.to_string()).unwrap_or_default()
    };
    // An older program wrote no mark, and showed everything.
    assert_eq!(error(&before, &marked[0]), "");
    assert!(error(&marked[0], &marked[1]).contains("full in one and pseudonymous in the other"));
    assert!(error(&marked[1], &marked[2]).contains("by two keys"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_tables_that_a_query_can_join() -> Checked {
    let place = Place::new()?;
    let (before, after) = pair(&place)?;
    let mut session = QuerySession::open(&after, QuerySettings::default()).await?;
    session.add_diff(&request(before, after))?;
    let sql = "select d.change, d._key, e.displayName, d.property, d.before, d.after \
               from diff_entities d left join nexthink_thing e on e._key = d._key order by 1, 2";
    assert_eq!(
        rows(&session, sql).await?,
        [
            "added,nexthink_thing:d,comes,,,",
            "changed,nexthink_thing:b,new,displayName,old,new",
            "removed,nexthink_thing:c,,,,",
        ]
    );
    let sql = "select change, _toEntityKey from diff_relationships order by 1";
    assert_eq!(rows(&session, sql).await?, ["added,nexthink_thing:d", "removed,nexthink_thing:c"]);
    assert_eq!(rows(&session, "select count(*) from diff_entities limit 1").await?, ["3"]);
    Ok(())
}

#[test]
fn a_table_that_is_not_sorted_is_refused() -> Checked {
    let place = Place::new()?;
    let batch = |keys: &[&str]| {
        RecordBatch::try_from_iter([(
            "_key",
            Arc::new(keys.iter().map(|key| Some(*key)).collect::<StringArray>()) as _,
        )])
    };
    let mut generations = Vec::new();
    for (id, keys) in [(BEFORE, ["t:a", "t:b"]), (AFTER, ["t:b", "t:a"])] {
        let batch = batch(&keys)?;
        let declaration = declaration(TableKind::Entity, THING, &batch);
        generations.push(place.publish_marked(id, None, vec![(declaration, batch, false)])?);
    }
    let request = request(generations[0].clone(), generations[1].clone());
    let error = outcome(&request, DiffDetail::Summary).expect_err("it is not sorted");
    assert!(error.to_string().contains("not in the order of its keys"), "{error}");
    Ok(())
}
