//! The graph verbs, against a plain twin over the same edges.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use arrow::array::types::UInt32Type;
use arrow::array::{ArrayRef, DictionaryArray, ListArray, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use core_query::graph::{
    Direction, Lookup, MatchKind, NeighborhoodLimits, PathOptions, SearchIndex,
};
use core_query::{QueryError, QuerySession, QuerySettings};
use core_store::{TableDeclaration, TableKind};
use proptest::prelude::*;

use crate::support::{Checked, Place, entity, estate, text};

type TableToWrite = (TableDeclaration, RecordBatch, bool);

/// Entities of a type with the keys `type:0` and so on.
fn entities(name: &str, class: &str, count: usize) -> TableToWrite {
    let keys =
        StringArray::from_iter_values((0..count).map(|number| format!("{name}:{number:05}")));
    let names = StringArray::from_iter_values((0..count).map(|number| format!("{class} {number}")));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("_key", Arc::new(keys)),
        ("name", Arc::new(names.clone())),
        ("displayName", Arc::new(names)),
    ];
    entity(name, &[class], RecordBatch::try_from_iter(columns).expect("columns of one length"))
}

/// Edges between entities of two types, by the numbers of their ends, sorted.
fn edges(class: &str, from: &str, to: &str, ends: &[(usize, usize)]) -> TableToWrite {
    let keys = |end: &str, numbers: Vec<usize>| -> ArrayRef {
        let keys = numbers.into_iter().map(|number| format!("{end}:{number:05}"));
        let keys: Vec<String> = keys.collect();
        Arc::new(keys.iter().map(String::as_str).collect::<DictionaryArray<UInt32Type>>())
    };
    let columns = vec![
        ("_fromEntityKey", keys(from, ends.iter().map(|end| end.0).collect())),
        ("_toEntityKey", keys(to, ends.iter().map(|end| end.1).collect())),
        (
            "version",
            text(
                &ends
                    .iter()
                    .map(|end| Some(if end.0 % 2 == 0 { "even" } else { "odd" }))
                    .collect::<Vec<_>>(),
            ),
        ),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let declaration = TableDeclaration {
        kind: TableKind::Relationship,
        name: format!("{from}_{}_{to}", class.to_lowercase()),
        class: vec![class.to_owned()],
        ends: Some((from.to_owned(), to.to_owned())),
        schema: batch.schema(),
        personal_columns: Vec::new(),
    };
    (declaration, batch, false)
}

async fn open(
    tables: Vec<TableToWrite>,
) -> Result<(Place, QuerySession), Box<dyn std::error::Error>> {
    let place = Place::new()?;
    let generation = place.publish(tables)?;
    let session = QuerySession::open(&generation, QuerySettings::default()).await?;
    Ok((place, session))
}

#[tokio::test]
async fn an_entity_has_its_properties_and_exact_counts_of_neighbors() -> Checked {
    let (_place, session) = estate().await?;
    let reader = session.graph_reader();
    let entity = reader.entity("d1").await?.ok_or("d1 exists")?;
    assert_eq!(
        serde_json::to_string(&entity)?,
        r#"{"_key":"d1","_type":"nexthink_device","_class":["Device","Host"],"name":"DEV-1","displayName":"DEV-1","properties":{"lastSeenOn":"2026-01-01T00:00:00Z","memory":16,"score":0.5,"tag.AccountName":"acme, \"eu\""},"partial":false}"#
    );
    assert_eq!(reader.entity("d'9").await?, None);
    let groups = reader.neighbor_groups("p1").await?;
    assert_eq!(
        serde_json::to_string(&groups)?,
        r#"[{"relationship":"nexthink_device_installed_package","class":"INSTALLED","direction":"in","otherType":"nexthink_device","count":2,"partial":true}]"#
    );
    let page =
        reader.neighbors("p1", "nexthink_device_installed_package", Direction::In, 0, 10).await?;
    assert_eq!(
        serde_json::to_string(&page)?,
        r#"{"neighbors":[{"entity":{"_key":"d1","_type":"nexthink_device","_class":["Device","Host"],"name":"DEV-1","displayName":"DEV-1"},"properties":{"version":"1.0"}},{"entity":{"_key":"d2","_type":"nexthink_device","_class":["Device","Host"],"name":"=DEV\u001b[2J","displayName":"DEV-2"},"properties":{"version":"1.1"}}],"count":2,"next":null}"#
    );
    let wrong =
        reader.neighbors("p1", "nexthink_device_installed_packages", Direction::In, 0, 10).await;
    assert!(
        matches!(wrong, Err(QueryError::UnknownTable { suggestion: Some(_), .. })),
        "{wrong:?}"
    );
    let stranger =
        reader.neighbors("p9", "nexthink_device_installed_package", Direction::In, 0, 10).await;
    assert!(matches!(stranger, Err(QueryError::UnknownEntity)), "{stranger:?}");
    Ok(())
}

#[tokio::test]
async fn pages_cross_row_groups_and_end() -> Checked {
    let ends: Vec<(usize, usize)> =
        (0..300).flat_map(|from| (0..300).map(move |to| (from, to))).collect();
    let tables = vec![
        entities("a", "Host", 300),
        entities("b", "Application", 300),
        edges("HAS", "a", "b", &ends),
    ];
    let (_place, session) = open(tables).await?;
    let reader = session.graph_reader();
    for (key, direction, other) in
        [("b:00007", Direction::In, "a"), ("a:00150", Direction::Out, "b")]
    {
        let (mut keys, mut from) = (Vec::new(), 0);
        loop {
            let page = reader.neighbors(key, "a_has_b", direction, from, 70).await?;
            assert_eq!(page.count, 300);
            keys.extend(page.neighbors.into_iter().map(|neighbor| neighbor.entity.key));
            match page.next {
                Some(next) => from = next,
                None => break,
            }
        }
        let expected: Vec<_> = (0..300).map(|number| format!("{other}:{number:05}")).collect();
        assert_eq!(keys, expected, "{key}");
    }
    Ok(())
}

#[tokio::test]
async fn names_are_found_whole_values_first_and_ambiguity_is_an_answer() -> Checked {
    let emails: ArrayRef = {
        let lists = [Some(["ann@acme.example"]), None, Some(["bob@acme.example"]), None];
        let mut builder = arrow::array::ListBuilder::new(arrow::array::StringBuilder::new());
        for list in lists {
            match list {
                Some(items) => builder.append_value(items.map(Some)),
                None => builder.append_null(),
            }
        }
        let list: ListArray = builder.finish();
        Arc::new(list)
    };
    assert!(matches!(emails.data_type(), DataType::List(_)));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("_key", text(&[Some("u:1"), Some("u:2"), Some("u:3"), Some("u:4")])),
        ("name", text(&[Some("Ann Lee"), Some("ann lee"), Some("Joann"), Some("Zoë Ännchen")])),
        ("email", emails),
    ];
    let users = entity("u", &["User"], RecordBatch::try_from_iter(columns)?);
    let (_place, session) = open(vec![users, entities("a", "Host", 3)]).await?;
    let reader = session.graph_reader();
    let index = SearchIndex::load(&session).await?;

    let found = |text: &str, limit| {
        let page = index.search(text, &[], limit);
        let hits = page.hits.iter().map(|hit| format!("{} {}", hit.entity.key, hit.property));
        (hits.collect::<Vec<_>>().join(", "), page.more)
    };
    assert_eq!(found("ANN", 10), ("u:1 name, u:2 name, u:3 name".to_owned(), 0));
    assert_eq!(found("ann", 1), ("u:1 name".to_owned(), 2));
    assert_eq!(found("bob@ACME.example", 10), ("u:3 email".to_owned(), 0));
    assert_eq!(found("änn", 10), ("u:4 name".to_owned(), 0));
    assert_eq!(found("", 10), (String::new(), 0));
    // The best of many are kept, whatever their order, with their names as they are.
    let page = index.search("n", &[], 2);
    let named = page.hits.iter().map(|hit| (&*hit.entity.key, hit.entity.name.as_deref()));
    assert_eq!(
        named.collect::<Vec<_>>(),
        [("u:1", Some("Ann Lee")), ("u:2", Some("ann lee"))],
        "{page:?}"
    );
    assert_eq!(page.more, 2);
    let page = index.search("Host 1", &["a".to_owned()], 10);
    assert_eq!((page.hits.len(), page.hits[0].kind), (1, MatchKind::Exact));
    assert_eq!(page.hits[0].value, "Host 1");
    assert!(index.search("Host 1", &["u".to_owned()], 10).hits.is_empty());
    assert_eq!(index.search("host", &[], 0).more, 3);

    let Lookup::Found(entity) = reader.find(&index, "joann", 10).await? else {
        return Err("one entity has this name".into());
    };
    assert_eq!(entity.reference.key, "u:3");
    let Lookup::Ambiguous(page) = reader.find(&index, "Ann Lee", 10).await? else {
        return Err("two entities have this name".into());
    };
    assert_eq!(page.hits.len(), 2);
    let Lookup::NotFound(page) = reader.find(&index, "Host", 2).await? else {
        return Err("no entity has this name".into());
    };
    assert_eq!((page.hits.len(), page.more), (2, 1));
    Ok(())
}

/// A small graph: devices, packages, users and an account that everything is related to.
#[derive(Debug, Clone)]
struct Small {
    installed: BTreeSet<(usize, usize)>,
    uses: BTreeSet<(usize, usize)>,
}

const COUNT: usize = 7;

fn small() -> impl Strategy<Value = Small> {
    let pairs = || prop::collection::btree_set((0..COUNT, 0..COUNT), 0..14);
    (pairs(), pairs()).prop_map(|(installed, uses)| Small { installed, uses })
}

impl Small {
    fn tables(&self) -> Vec<TableToWrite> {
        let all: Vec<(usize, usize)> = (0..COUNT).map(|number| (0, number)).collect();
        let list = |set: &BTreeSet<(usize, usize)>| set.iter().copied().collect::<Vec<_>>();
        vec![
            entities("account", "Account", 1),
            entities("device", "Device", COUNT),
            entities("package", "Application", COUNT),
            entities("user", "User", COUNT),
            edges("HAS", "account", "device", &all),
            edges("INSTALLED", "device", "package", &list(&self.installed)),
            edges("USES", "user", "device", &list(&self.uses)),
        ]
    }

    /// The neighbors of each entity, without the account.
    fn neighbors(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut neighbors: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let installed = self.installed.iter().map(|(a, b)| (("device", a), ("package", b)));
        let uses = self.uses.iter().map(|(a, b)| (("user", a), ("device", b)));
        for ((from_type, from), (to_type, to)) in installed.chain(uses) {
            let (from, to) = (format!("{from_type}:{from:05}"), format!("{to_type}:{to:05}"));
            neighbors.entry(from.clone()).or_default().insert(to.clone());
            neighbors.entry(to).or_default().insert(from);
        }
        neighbors
    }

    /// The number of steps from an entity to all that it reaches, not through the account.
    fn distances(&self, from: &str) -> BTreeMap<String, usize> {
        let neighbors = self.neighbors();
        let mut distances = BTreeMap::from([(from.to_owned(), 0)]);
        let mut waiting = VecDeque::from([from.to_owned()]);
        while let Some(key) = waiting.pop_front() {
            for other in neighbors.get(&key).into_iter().flatten() {
                if !distances.contains_key(other) {
                    distances.insert(other.clone(), distances[&key] + 1);
                    waiting.push_back(other.clone());
                }
            }
        }
        distances
    }
}

async fn agrees(graph: &Small) -> Checked {
    let (_place, session) = open(graph.tables()).await?;
    let reader = session.graph_reader();
    let neighbors = graph.neighbors();
    let from = "device:00003";
    let distances = graph.distances(from);
    for type_name in ["device", "package", "user"] {
        for number in (0..COUNT).step_by(3) {
            let to = format!("{type_name}:{number:05}");
            let path = reader.shortest_path(from, &to, &PathOptions::default()).await?;
            let length = distances.get(&to).copied().filter(|length| *length <= 6);
            assert_eq!(path.as_ref().map(|path| path.edges.len()), length, "{to}");
            if let Some(path) = path {
                let keys: Vec<_> = path.entities.iter().map(|entity| entity.key.as_str()).collect();
                assert_eq!((keys.first(), keys.last()), (Some(&from), Some(&to.as_str())));
                for (pair, edge) in keys.windows(2).zip(&path.edges) {
                    let ends = BTreeSet::from([edge.from.as_str(), edge.to.as_str()]);
                    assert_eq!(ends, pair.iter().copied().collect());
                    assert!(neighbors[pair[0]].contains(pair[1]), "{pair:?}");
                }
            }
            let counts: u64 = reader
                .neighbor_groups(&to)
                .await?
                .iter()
                .filter(|group| group.other_type != "account")
                .map(|group| group.count)
                .sum();
            assert_eq!(counts, neighbors.get(&to).map_or(0, BTreeSet::len) as u64, "{to}");
        }
    }
    let some: BTreeSet<String> = ["device", "package", "user"]
        .into_iter()
        .flat_map(|name| (0..COUNT).step_by(2).map(move |number| format!("{name}:{number:05}")))
        .collect();
    let asked: Vec<String> = some.iter().cloned().chain(["device:99999".to_owned()]).collect();
    let among = reader.edges_among(&asked, usize::MAX).await?;
    let pairs: BTreeSet<_> =
        among.iter().map(|edge| (edge.from.clone(), edge.to.clone())).collect();
    let expected: BTreeSet<_> = graph
        .installed
        .iter()
        .map(|(from, to)| (format!("device:{from:05}"), format!("package:{to:05}")))
        .chain(
            graph
                .uses
                .iter()
                .map(|(from, to)| (format!("user:{from:05}"), format!("device:{to:05}"))),
        )
        .filter(|(from, to)| some.contains(from) && some.contains(to))
        .collect();
    assert_eq!(pairs, expected);
    assert!(reader.edges_among(&asked, 1).await?.len() <= 2, "one of each type");
    for depth in 0..4 {
        let limits = NeighborhoodLimits { depth, ..NeighborhoodLimits::default() };
        let around = reader.neighborhood(from, limits).await?;
        let shown: BTreeMap<_, _> = around
            .entities
            .iter()
            .filter(|placed| placed.entity.type_name != "account")
            .map(|placed| (placed.entity.key.clone(), placed.depth as usize))
            .collect();
        let expected = distances.iter().filter(|(_, steps)| **steps <= depth as usize);
        assert_eq!(shown, expected.map(|(key, steps)| (key.clone(), *steps)).collect());
        assert!(around.hidden.is_empty(), "{:?}", around.hidden);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(5) })]

    #[test]
    fn random_graphs_are_walked_as_by_the_twin(graph in small()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let walked = runtime.expect("threads").block_on(agrees(&graph)).map_err(|error| error.to_string());
        prop_assert_eq!(walked, Ok(()));
    }
}

#[tokio::test]
async fn limits_hide_edges_and_count_them() -> Checked {
    let ends: Vec<(usize, usize)> = (0..9).map(|to| (0, to)).collect();
    let tables = vec![
        entities("a", "Host", 1),
        entities("b", "Application", 9),
        edges("HAS", "a", "b", &ends),
    ];
    let (_place, session) = open(tables).await?;
    let reader = session.graph_reader();
    for (neighbors, entities, shown) in [(4, 100, 4), (100, 3, 2)] {
        let limits = NeighborhoodLimits { depth: 1, neighbors, entities };
        let around = reader.neighborhood("a:00000", limits).await?;
        assert_eq!((around.entities.len(), around.edges.len()), (shown + 1, shown));
        assert_eq!(around.hidden[0].count, 9 - shown as u64);
    }
    assert!(
        reader.neighborhood("nothing", NeighborhoodLimits::default()).await?.entities.is_empty()
    );
    Ok(())
}

#[tokio::test]
async fn a_path_leads_through_an_account_only_if_that_is_asked_for() -> Checked {
    let graph = Small { installed: BTreeSet::new(), uses: BTreeSet::new() };
    let (_place, session) = open(graph.tables()).await?;
    let reader = session.graph_reader();
    let (one, two) = ("device:00001", "device:00002");
    let mut options = PathOptions::default();
    assert_eq!(reader.shortest_path(one, two, &options).await?, None);
    let to_account = reader.shortest_path(one, "account:00000", &options).await?;
    assert_eq!(to_account.map(|path| path.edges.len()), Some(1));
    options.through_accounts = true;
    let path = reader.shortest_path(one, two, &options).await?.ok_or("through the account")?;
    assert_eq!(path.entities[1].key, "account:00000");
    options.max_length = 1;
    assert_eq!(reader.shortest_path(one, two, &options).await?, None);
    Ok(())
}

/// Publishes three generations in which a device changes, goes and comes back.
fn generations() -> Result<(Place, Vec<core_store::Generation>), Box<dyn std::error::Error>> {
    let place = Place::new()?;
    let devices = |id: char, rows: &[(&str, &str)]| {
        let seen = id.to_string();
        let columns = vec![
            // Another value in each generation.
            ("seen", text(&vec![Some(seen.as_str()); rows.len()])),
            ("_key", text(&rows.iter().map(|row| Some(row.0)).collect::<Vec<_>>())),
            ("osName", text(&rows.iter().map(|row| Some(row.1)).collect::<Vec<_>>())),
        ];
        entity("d", &["Device"], RecordBatch::try_from_iter(columns).expect("of one length"))
    };
    let mut generations = Vec::new();
    for (id, day, rows, is_partial) in [
        ('A', 1, &[("d:1", "10"), ("d:2", "10")][..], false),
        ('B', 2, &[("d:1", "11")], false),
        ('C', 3, &[("d:1", "11"), ("d:2", "10")], false),
        ('D', 4, &[("d:1", "11")], true),
    ] {
        let (declaration, batch, _) = devices(id, rows);
        let id = format!("01JN7Z1M80000000000000000{id}");
        let table = (declaration, batch, is_partial);
        generations.push(place.publish_as(
            &id,
            &format!("2026-03-0{day}T08:00:00Z"),
            vec![table],
        )?);
    }
    Ok((place, generations))
}

#[tokio::test]
async fn history_is_a_table_of_all_generations_that_are_given() -> Checked {
    let (_place, generations) = generations()?;
    let newest = generations.last().ok_or("there are some")?;
    let mut session = QuerySession::open(newest, QuerySettings::default()).await?;
    let sql = "select substr(_generation, 26, 1) g, _createdAt, _key, \"osName\" from d_history \
               where _createdAt >= '2026-03-02' order by 1, 3";
    assert_eq!(session.types_with_history(sql)?, ["d"]);
    assert!(session.types_with_history("select * from d")?.is_empty());
    assert!(session.add_history("d", &generations, false).await?);
    assert_eq!(
        crate::support::rows(&session, sql).await?,
        [
            "B,2026-03-02T08:00:00Z,d:1,11",
            "C,2026-03-03T08:00:00Z,d:1,11",
            "C,2026-03-03T08:00:00Z,d:2,10",
            "D,2026-03-04T08:00:00Z,d:1,11",
        ]
    );
    assert!(!session.add_history("nothing", &generations, false).await?);
    let error = session.sql("select * from d_histori").err().ok_or("there is no such table")?;
    assert!(error.to_string().starts_with("there is no table d_histori, did you mean d_history?"));
    Ok(())
}

#[tokio::test]
async fn the_history_of_an_entity_tells_changes_and_does_not_take_ignorance_for_removal() -> Checked
{
    let (_place, generations) = generations()?;
    let newest = generations.last().ok_or("there are some")?;
    let volatile = [("d", "seen"), ("e", "osName")];
    let volatile = volatile.map(|(of, property)| (of.to_owned(), property.to_owned()));
    let session = QuerySession::open(newest, QuerySettings::default()).await?;
    let session = session.with_volatile(volatile.to_vec());
    let history = async |key: &'static str| {
        let history = session.graph_reader().history("d", key, &generations).await?;
        let changes = history.changes.iter().map(|change| {
            let properties = change.properties.iter().map(|property| property.after.to_string());
            let properties: Vec<_> = properties.collect();
            format!("{} {:?} {}", &change.at.created_at[..10], change.kind, properties.join(""))
        });
        let last = history.last_seen.as_ref().map(|at| at.created_at[..10].to_owned());
        Ok::<_, QueryError>((changes.collect::<Vec<_>>(), last))
    };
    let (changes, last) = history("d:1").await?;
    assert_eq!(changes, ["2026-03-01 Appeared ", "2026-03-02 Changed \"11\""]);
    assert_eq!(last.as_deref(), Some("2026-03-04"));
    let (changes, last) = history("d:2").await?;
    let expected = [
        "2026-03-01 Appeared ",
        "2026-03-02 Removed ",
        "2026-03-03 Appeared ",
        "2026-03-04 Unknown ",
    ];
    assert_eq!(
        (changes, last.as_deref()),
        (expected.map(str::to_owned).to_vec(), Some("2026-03-03"))
    );
    assert_eq!(history("d:9").await?, (Vec::new(), None));
    Ok(())
}

#[tokio::test]
async fn an_object_is_created_with_the_first_kept_generation_that_has_it() -> Checked {
    let (_place, generations) = generations()?;
    let newest = &generations[2];
    let mut session = QuerySession::open(newest, QuerySettings::default()).await?;
    let environment = core_query::Environment { now_ms: 0, parameters: &BTreeMap::new() };
    let kept: Vec<_> = generations[1..3].iter().rev().cloned().collect();
    session.add_history("d", &kept, false).await?;
    for (query, expected) in [
        (
            "FIND Device AS d RETURN d._key, d._createdOn ORDER BY d._key",
            &["d:1,2026-03-02T08:00:00Z", "d:2,2026-03-03T08:00:00Z"][..],
        ),
        ("FIND Device WITH _createdOn >= date(2026-03-03) AS d RETURN d._key", &["d:2"]),
        ("FIND d WITH _createdOn < date(2026-03-03) AS x RETURN count(x)", &["1"]),
    ] {
        let compiled = session.compile_j1ql(query, environment)?;
        assert_eq!(compiled.history.iter().collect::<Vec<_>>(), ["d"], "{query}");
        assert_eq!(crate::support::rows(&session, &compiled.sql).await?, expected, "{query}");
    }
    let compiled = session.compile_j1ql("FIND Device ORDER BY _createdOn DESC", environment)?;
    let rows = crate::support::rows(&session, &compiled.sql).await?;
    let keys: Vec<&str> = rows.iter().filter_map(|row| row.split(',').next()).collect();
    assert_eq!(keys, ["d:2", "d:1"]);
    Ok(())
}
