//! Exports that come in parts: patterns, several files of one step, and coverage.

use core_ingest::coverage::Coverage;
use core_ingest::graph::Graph;
use core_ingest::partition::{Pattern, PatternError, cover_hexadecimal};
use core_ingest::rejection::{QuarantineReason, QuarantinedRow};
use core_ingest::step::{IngestError, StepIngest, StepTables};
use proptest::prelude::*;

use crate::support::{ingest, listed_graph};
use crate::types::{SHELVES, THINGS};

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).expect("a pattern")
}

/// Reads files of one export, each with the pattern that a column must match.
fn read_parts(
    graph: &Graph,
    files: &[(&str, Option<&str>)],
    column: &str,
    chunk: usize,
) -> Result<StepTables, IngestError> {
    let mut ingest = StepIngest::new(&THINGS, graph).with_batch_rows(3);
    for (index, (file, expected)) in files.iter().enumerate() {
        if index > 0 {
            ingest.next_file()?;
        }
        if let Some(expected) = expected {
            ingest.expect(column, &pattern(expected));
        }
        for bytes in file.as_bytes().chunks(chunk) {
            ingest.push(bytes)?;
        }
    }
    ingest.finish()
}

fn shelves() -> Graph {
    let mut graph = Graph::default();
    ingest(&mut graph, &SHELVES, "shelf.uid\ns1\ns2\n");
    graph
}

#[test]
fn files_of_one_export_make_one_table_whatever_the_order_of_their_columns() {
    let whole = "shelf.uid,thing.uid,thing.name\ns1,0a,one\ns2,0a,one\ns1,1a,two\n,1b,three\n";
    let parts = [
        ("shelf.uid,thing.uid,thing.name\ns1,0a,one\ns2,0a,one\n", Some("0*")),
        ("thing.name,thing.uid,shelf.uid\ntwo,1a,s1\nthree,1b,\n", Some("1*")),
    ];
    let mut expected = shelves();
    let account = ingest(&mut expected, &THINGS, whole);
    for chunk in [1, 7, 1000] {
        let mut graph = shelves();
        let tables = read_parts(&graph, &parts, "thing.uid", chunk).expect("accepted");
        let in_parts = tables.account.clone();
        graph.add(tables);
        let mut expected = shelves();
        ingest(&mut expected, &THINGS, whole);
        assert_eq!(listed_graph(graph, &THINGS), listed_graph(expected, &THINGS));
        assert_eq!((in_parts.files, in_parts.read()), (2, account.read()));
        assert_eq!((in_parts.used, in_parts.merged), (account.used, account.merged));
        assert_eq!(in_parts.outside_partition, 0);
    }
}

#[test]
fn quarantined_rows_are_listed_by_file_and_line() {
    let parts = [
        ("thing.uid,thing.name\n1,a\nshort\n", None),
        ("thing.uid,thing.name\n,b\nlong,b,c\n", None),
    ];
    let tables = read_parts(&Graph::default(), &parts, "thing.uid", 5).expect("accepted");
    let width = |cells| QuarantineReason::Width { cells, expected: 2 };
    let mut listed = tables.account.decoder.quarantine.listed;
    listed.sort_unstable_by_key(|row| (row.file, row.line));
    assert_eq!(
        listed,
        [
            QuarantinedRow { file: 1, line: 3, reason: width(1) },
            QuarantinedRow { file: 2, line: 2, reason: QuarantineReason::NoKey },
            QuarantinedRow { file: 2, line: 3, reason: width(3) },
        ]
    );
}

#[test]
fn a_rejected_file_rejects_the_export() {
    let good = "thing.uid\n1\n";
    for bad in ["thing.uid\n\"2\n", "thing.name\n2\n", "", "<html>"] {
        for parts in [[(good, None), (bad, None)], [(bad, None), (good, None)]] {
            let read = read_parts(&Graph::default(), &parts, "thing.uid", 100);
            assert!(read.is_err(), "{parts:?}");
        }
    }
}

#[test]
fn a_column_missing_in_several_files_is_reported_once() {
    let parts = [
        ("thing.uid,thing.name,x\n1,a,\n", None),
        ("thing.uid,shelf.uid,x,y\n2,s1,,\n", None),
        ("thing.uid,thing.name\n3,c\n", None),
    ];
    let account = read_parts(&shelves(), &parts, "thing.uid", 100).expect("accepted").account;
    assert_eq!(account.missing_columns, ["shelf.uid", "thing.label", "thing.name"]);
    assert_eq!(account.missing_ends, ["shop_shelf_has_thing"]);
    assert_eq!(account.unknown_columns, 2);
}

#[test]
fn rows_outside_their_part_are_used_and_counted() {
    let all = "thing.uid\n0a\n1a\n1b\n";
    let both = [(all, Some("0*")), (all, Some("1*"))];
    let tables = read_parts(&Graph::default(), &both, "thing.uid", 100).expect("accepted");
    assert_eq!(tables.account.outside_partition, 3);
    assert_eq!((tables.account.used, tables.account.merged), (3, 3));
    // A file that lacks the column proves nothing; nor does a file without an expectation.
    let without = [("thing.uid\n0a\n", Some("s*")), (all, None)];
    let tables = read_parts(&Graph::default(), &without, "shelf.uid", 100).expect("accepted");
    assert_eq!(tables.account.outside_partition, 1);
}

#[test]
fn coverage_counts_the_rows_that_no_part_has() {
    let patterns = ["0*", "1*"].map(pattern);
    let uncovered = |file: &str, column: &str, chunk: usize| {
        let mut coverage = Coverage::new(&THINGS, column, &patterns);
        for bytes in file.as_bytes().chunks(chunk) {
            coverage.push(bytes)?;
        }
        coverage.finish()
    };
    let rows: Vec<String> = (0..3000).map(|number| format!("{:x}{number}\n", number % 3)).collect();
    let rows = rows.concat();
    for chunk in [50, 100_000] {
        let found = uncovered(&format!("thing.uid\n{rows}"), "thing.uid", chunk);
        assert_eq!(found, Ok(1000));
    }
    // The empty value, and quarantined rows.
    assert_eq!(uncovered("thing.uid,x\n0a,\n,\n0a\n", "thing.uid", 9), Ok(2));
    assert_eq!(uncovered("thing.uid\n0a\n", "shelf.uid", 9), Ok(1));
    assert!(uncovered("thing.uid\n\"0a\n", "thing.uid", 9).is_err());
}

#[test]
fn coverage_finds_the_column_by_its_aliases_too() {
    let patterns = [pattern("red*")];
    let mut coverage = Coverage::new(&THINGS, "thing.label", &patterns);
    coverage.push(b"thing.uid,thing.tag\n1,red\n2,blue\n").expect("accepted");
    assert_eq!(coverage.finish(), Ok(1));
}

#[test]
fn a_pattern_matches_as_nql_does() {
    let table = [
        ("0*", &["0", "0a", "0123-4"][..], &["", "1", "a0"][..]),
        ("*", &["", "x"], &[]),
        ("a?c", &["abc", "ABC", "aéc"], &["ac", "abbc"]),
        ("*b*b", &["bb", "abxb", "b-b-b"], &["b", "bba"]),
        ("Ab", &["ab", "AB"], &["abc", ""]),
        ("?*", &["a", "ab"], &[""]),
    ];
    for (text, matching, others) in table {
        assert!(matching.iter().all(|value| pattern(text).matches(value)), "{text}");
        assert!(!others.iter().any(|value| pattern(text).matches(value)), "{text}");
    }
}

#[test]
fn a_text_that_is_not_a_pattern_is_rejected() {
    assert_eq!(Pattern::parse(""), Err(PatternError::Empty));
    assert_eq!(Pattern::parse("a\nb"), Err(PatternError::ControlCharacter));
    assert_eq!(Pattern::parse(&"é".repeat(257)), Err(PatternError::TooLong));
    assert!(Pattern::parse(&"é".repeat(256)).is_ok());
}

#[test]
fn a_pattern_of_a_text_and_a_star_is_split_by_the_next_digit() {
    let parts = pattern("0A*").split().expect("it can be split");
    let texts: Vec<&str> = parts.iter().map(Pattern::as_str).collect();
    assert_eq!((texts.len(), texts[0], texts[15]), (16, "0A0*", "0Af*"));
    for (a, first) in parts.iter().enumerate() {
        assert!(first.overlaps(&pattern("0A*")));
        for (b, second) in parts.iter().enumerate() {
            assert_eq!(first.overlaps(second), a == b);
        }
    }
    assert_eq!(pattern("*").split().map(|parts| parts.len()), Some(16));
    for whole in ["0a", "*a", "0*a*", "?*", "a?*"] {
        assert_eq!(pattern(whole).split(), None, "{whole}");
    }
}

/// The specification of matching, one character after the other.
fn matches(pattern: &[char], value: &[char]) -> bool {
    match (pattern, value) {
        ([], []) => true,
        (['*', rest @ ..], _) => {
            matches(rest, value) || (!value.is_empty() && matches(pattern, &value[1..]))
        }
        (['?', pattern @ ..], [_, value @ ..]) => matches(pattern, value),
        ([a, pattern @ ..], [b, value @ ..]) => {
            a.eq_ignore_ascii_case(b) && matches(pattern, value)
        }
        _ => false,
    }
}

/// All values over two letters up to a length. Two patterns of at most four items each that share a
/// value share one of at most eight characters, made of their letters.
fn values(length: u32) -> impl Iterator<Item = String> {
    (0..=length).flat_map(|length| {
        (0..2_u32.pow(length)).map(move |bits| {
            (0..length).map(|bit| if bits >> bit & 1 == 0 { 'a' } else { 'b' }).collect()
        })
    })
}

proptest! {
    #[test]
    fn a_pattern_matches_like_its_twin(text in "[abB*?]{1,6}", value in "[abA]{0,7}") {
        let (items, characters): (Vec<char>, Vec<char>) =
            (text.chars().collect(), value.chars().collect());
        prop_assert_eq!(pattern(&text).matches(&value), matches(&items, &characters));
    }

    #[test]
    fn two_patterns_overlap_if_a_value_matches_both(a in "[abA*?]{1,4}", b in "[abB*?]{1,4}") {
        let (first, second) = (pattern(&a), pattern(&b));
        let shared = values(8).find(|value| first.matches(value) && second.matches(value));
        prop_assert_eq!(first.overlaps(&second), shared.is_some(), "{} {} {:?}", a, b, shared);
        prop_assert_eq!(first.overlaps(&second), second.overlaps(&first));
    }

    #[test]
    fn the_parts_of_a_pattern_match_values_that_continue_with_a_digit(
        prefix in "[0-9a-f]{0,3}",
        value in "[0-9a-fA-F]{0,6}",
    ) {
        let parts = pattern(&format!("{prefix}*")).split().expect("it can be split");
        let matching = parts.iter().filter(|part| part.matches(&value)).count();
        let goes_on = value.len() > prefix.len() && pattern(&format!("{prefix}*")).matches(&value);
        prop_assert_eq!(matching, usize::from(goes_on));
    }

    #[test]
    fn an_export_split_into_files_anywhere_gives_the_same_tables(
        rows in prop::collection::vec("(s[12])?,t[0-4],[ab]?", 0..20),
        cuts in prop::collection::vec(0_usize..20, 0..3),
    ) {
        let header = "shelf.uid,thing.uid,thing.name\n";
        let file = |rows: &[String]| format!("{header}{}\n", rows.join("\n"));
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(rows.len())).collect();
        cuts.extend([0, rows.len()]);
        cuts.sort_unstable();
        let files = cuts.windows(2).map(|range| file(&rows[range[0]..range[1]]));
        let files: Vec<String> = files.collect();
        let parts = files.iter().map(|file| (file.as_str(), None));
        let parts: Vec<(&str, Option<&str>)> = parts.collect();
        let mut whole = shelves();
        let account = ingest(&mut whole, &THINGS, &file(&rows));
        let mut graph = shelves();
        let tables = read_parts(&graph, &parts, "", 100).expect("accepted");
        prop_assert_eq!((tables.account.used, tables.account.merged), (account.used, account.merged));
        graph.add(tables);
        prop_assert_eq!(listed_graph(graph, &THINGS), listed_graph(whole, &THINGS));
    }
}

fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| pattern(text)).collect()
}

#[test]
fn only_all_sixteen_digits_of_a_position_cover_hexadecimal_texts() {
    let digits = pattern("*").split().expect("a prefix");
    assert!(cover_hexadecimal(&digits));
    assert!(cover_hexadecimal(&patterns(&["*"])));
    for lacking in 0..16 {
        let mut some = digits.clone();
        let split = some.remove(lacking).split().expect("a prefix");
        assert!(!cover_hexadecimal(&some), "{lacking}");
        some.extend(split.clone());
        assert!(cover_hexadecimal(&some), "{lacking}");
        some.pop();
        assert!(!cover_hexadecimal(&some), "{lacking}");
        some.extend(split[15].split().expect("a prefix"));
        assert!(cover_hexadecimal(&some), "{lacking}");
    }
    for texts in [&[][..], &["acme-*"], &["?*"], &["0*", "1*"], &["Europe", "Asia"]] {
        assert!(!cover_hexadecimal(&patterns(texts)), "{texts:?}");
    }
}

#[test]
fn a_value_matches_exactly_only_in_the_case_of_the_pattern() {
    let pattern = pattern("aB?*");
    let table = [
        ("aBx", true, true),
        ("aBxyz", true, true),
        ("abx", true, false),
        ("ABX", true, false),
        ("aB", false, false),
    ];
    for (value, loosely, exactly) in table {
        assert_eq!(pattern.matches(value), loosely, "{value}");
        assert_eq!(pattern.matches_exactly(value), exactly, "{value}");
    }
}

/// The columns of a thing. Any of them may be the first one of a file.
const COLUMNS: [&str; 5] = ["shelf.uid", "thing.uid", "thing.serial", "thing.name", "thing.label"];

/// A thing's cells without that of its shelf.
fn thing() -> impl Strategy<Value = [String; 4]> {
    let select = |cells: &'static [&'static str]| prop::sample::select(cells).prop_map_into();
    (
        prop_oneof![1 => Just(String::new()), 5 => "thing-[a-e][a-e]-with-a-long-uid"],
        prop_oneof![2 => Just("serial-1".to_owned()), 1 => "serial-[2-9]"],
        select(&["a name of more than a few bytes", "another name, in quotes"]),
        select(&["blue"]),
    )
        .prop_map(Into::into)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Rows that come a byte at a time take the slow path; rows that come together are recognized
    /// by their suffixes.
    #[test]
    fn rows_with_cached_suffixes_give_the_same_tables(
        files in prop::collection::vec(
            (
                Just([0, 1, 2, 3, 4]).prop_shuffle(),
                prop::collection::vec(thing(), 1..20),
                prop::collection::vec((0..3_usize, any::<prop::sample::Index>()), 20..80),
            ),
            1..4,
        ),
    ) {
        let file = |(order, things, rows): &([usize; 5], Vec<[String; 4]>, Vec<_>)| {
            let line = |cells: [&str; 5]| {
                let cells = order.map(|index| cells[index]);
                let quoted = cells.map(|cell| {
                    if cell.contains(',') { format!("\"{cell}\"") } else { cell.to_owned() }
                });
                quoted.join(",") + "\n"
            };
            let row = |(shelf, index): &(usize, prop::sample::Index)| {
                let [uid, serial, name, label] = index.get(things).each_ref().map(String::as_str);
                line([["s1", "s2", "unknown"][*shelf], uid, serial, name, label])
            };
            line(COLUMNS) + &rows.iter().map(row).collect::<String>()
        };
        let files: Vec<String> = files.iter().map(file).collect();
        let files = files.iter().map(|file| (file.as_str(), None));
        let files: Vec<(&str, Option<&str>)> = files.collect();
        let read = |chunk| {
            let mut graph = shelves();
            let tables = read_parts(&graph, &files, "thing.uid", chunk).expect("accepted");
            let account = tables.account.clone();
            graph.add(tables);
            (account, listed_graph(graph, &THINGS))
        };
        prop_assert!(read(1) == read(100_000), "{files:?}");
    }
}
