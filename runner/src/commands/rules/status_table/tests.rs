//! The rule about complete runs, as time passes: when it fires, how often people hear of it, and when it is over.

use std::collections::BTreeSet;
use std::fs;

use core_query::{Format, QuerySession, QuerySettings, ResultWriter};
use core_rules::book::{Book, Outcome as Answer, When};
use core_rules::fingerprint::Fingerprints;
use core_rules::library::Library;
use core_rules::observation::observe;
use core_rules::outbox::Transition;
use core_rules::questions::NoQuestions;
use core_rules::rule::{Rule, RuleQuery};
use core_store::{Draft, GenerationId, Location, Outcome, Store};
use serde_json::Map;
use tempfile::TempDir;

use super::*;

/// 2026-03-02T06:01:00Z, a Monday.
const START_MS: u64 = 1_772_431_260_000;
const HOUR_MS: u64 = 3_600_000;

/// A tenant, the findings of one rule about the program, and a clock that only the test moves.
struct Scene {
    folder: TempDir,
    config: Config,
    rule: Rule,
    book: Book,
    now_ms: u64,
    told: Vec<(Transition, String)>,
}

impl Scene {
    fn new(rule: &str, settings: &str) -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let text = format!(
            "[nexthink]\ntenant = \"acme\"\nregion = \"eu\"\nclient_id = \"id\"\n\
             client_secret = {{ env = \"UNUSED\" }}\n[queries]\ndevices = \"#devices\"\n\
             [store]\nlocation = \"store\"\n{settings}"
        );
        let path = folder.path().join("nexthink-graph.toml");
        fs::write(&path, text).expect("a file can be written");
        let source = config::find(Some(&path)).expect("it is named");
        let config = config::load(&source).map_err(|failure| failure.error).expect("valid");
        let library = Library::load(&folder.path().join("rules"), &NoQuestions);
        let rule = library.find(rule).expect("it is shipped").rule.clone();
        let book = Book::new("full", BTreeSet::new());
        Self { folder, config, rule, book, now_ms: START_MS, told: Vec::new() }
    }

    fn tenant(&self) -> TenantStore {
        let store = Store::open(Location::Folder(self.folder.path().join("store")));
        store.and_then(|store| store.tenant("acme")).expect("it is ours")
    }

    /// Publishes a generation now.
    fn publish(&self, outcome: Outcome) {
        let draft = Draft {
            region: "eu".to_owned(),
            created_at: core_engine::Moment(self.now_ms).to_rfc3339(),
            outcome,
            privacy: None,
            tables: Vec::new(),
        };
        let lock = self.tenant().lock("a test").expect("the lock is free");
        lock.stage(generation_id(self.now_ms))
            .expect("there is room")
            .publish(draft, &[])
            .expect("there is room");
    }

    /// Evaluates the rule some time later, and notes what people are told.
    async fn evaluate_after(&mut self, hours: u64) {
        self.now_ms += hours * HOUR_MS;
        let facts = facts(Some(&self.config), &self.tenant(), self.now_ms);
        let mut session = QuerySession::empty(QuerySettings::default()).expect("an engine");
        session.add_table(table_of(&facts)).expect("it is new");
        let RuleQuery::Text { text, .. } = &self.rule.query else { panic!("it has a query") };
        let mut result = session.sql(text).expect("it can be asked");
        let mut lines =
            ResultWriter::new(Format::Ndjson, &result.schema(), Vec::new()).expect("lines");
        while let Some(batch) = result.next().await.expect("rows") {
            lines.write(&batch).expect("lines");
        }
        let lines = lines.finish().expect("lines");
        let rows = serde_json::Deserializer::from_slice(&lines)
            .into_iter()
            .map(|row| row.expect("an object"));
        let rows: Vec<Map<String, Value>> = rows.collect();
        let fingerprints = Fingerprints::new("acme", None);
        let observed = observe(&self.rule, &fingerprints, &rows).expect("rows with identities");
        let answer = Answer::Rows { observed, reads: Vec::new(), partial: Vec::new() };
        let run = self.now_ms.to_string();
        let when = When { at: self.now_ms, generation: None, run: &run };
        self.book.evaluate(&self.rule, answer, &fingerprints, &when);
        let told = &mut self.told;
        self.book.tell(self.now_ms, |_, finding, _, transition| {
            told.push((transition, finding.text.clone()));
            vec!["ops".to_owned()]
        });
    }
}

/// The ID of a generation that was made at a time.
fn generation_id(ms: u64) -> GenerationId {
    let digits = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let digit =
        |place: u32| char::from(digits[usize::try_from(ms >> (5 * place) & 31).expect("a digit")]);
    let time: String = (0..10).rev().map(digit).collect();
    format!("{time}000000000000000A").parse().expect("it is an ID")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_complete_run_for_three_intervals_is_told_once_and_ends_with_the_next_complete_one() {
    // A timetable, the hours after which three runs were not due yet, and those after which they were. The point of an
    // interval depends on the tenant's name.
    let table = [
        ("[schedule]\ninterval = \"6 hours\"\n", 12, 18, "(the timetable is every 6 hours)"),
        ("[schedule]\ninterval = \"1 hour\"\n", 4, 5, "(the timetable is every 1 hour)"),
        (
            "[schedule]\ninterval = \"7 days\"\n",
            14 * 24,
            21 * 24,
            "(the timetable is every 7 days)",
        ),
        (
            "[schedule]\ncron = \"0 6 * * 1-5\"\n",
            71,
            72,
            "(the timetable is cron 0 6 * * 1-5 in UTC)",
        ),
        ("", 71, 72, "(without a timetable, one is due each day)"),
    ];
    for (timetable, early, late, basis) in table {
        let mut scene = Scene::new("program-no-complete-run", timetable);
        scene.publish(Outcome::Complete);
        scene.evaluate_after(early).await;
        assert_eq!(scene.told, [], "{timetable}");
        scene.publish(Outcome::Partial);
        scene.evaluate_after(late - early).await;
        let [(Transition::Opened, text)] = &scene.told[..] else {
            panic!("{timetable}: {:?}", scene.told)
        };
        let expected =
            "the last complete run was at 2026-03-02T06:01:00Z, and 3 runs were due since ";
        assert_eq!(text.strip_prefix(expected), Some(basis));
        for _ in 0..3 {
            scene.evaluate_after(30).await;
        }
        assert_eq!(scene.told.len(), 1, "{timetable}: {:?}", scene.told);
        scene.publish(Outcome::Complete);
        scene.evaluate_after(0).await;
        let transitions = scene.told.iter().map(|(transition, _)| *transition);
        assert_eq!(transitions.collect::<Vec<_>>(), [Transition::Opened, Transition::Resolved]);
    }
}
