//! Rules, and a tenant with a clock that only the test moves.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

// A step that no code names is not linked, and so not in the registry.
use step_account as _;
use step_alerts as _;
use step_audit as _;
use step_devices as _;
use step_packages as _;
use step_users as _;

use core_config::{Config, Environment, Source};
use core_engine::{Ending, FailureKind, Host, Moment};
use core_reading::Reader;
use core_rules::book::Book;
use core_rules::document::Document;
use core_rules::fingerprint::Fingerprints;
use core_rules::questions::NoQuestions;
use core_rules::rule::Rule;
use core_store::{Draft, GenerationId, Location, Outcome, Store, TenantStore};
use tempfile::TempDir;

use crate::evaluate::{Evaluator, RuleAnswers};
use crate::report::RulesReport;
use crate::{Answers, answer_rules, load_rules};

/// 2026-03-02T06:01:00Z, a Monday.
pub(crate) const START_MS: u64 = 1_772_431_260_000;
pub(crate) const HOUR_MS: u64 = 3_600_000;

/// Returns the text of a rule file without a baseline.
pub(crate) fn rule_text(id: &str, query: &str) -> String {
    format!(
        "id = '{id}'\ntitle = 'A title'\nseverity = 'high'\nquery = '''{query}'''\n\
         identity = ['_key']\nfirst_run = 'all'\nmessage = '{{{{ _key }}}} is found'\n"
    )
}

/// Returns a rule.
pub(crate) fn rule(id: &str, query: &str) -> Rule {
    let text = rule_text(id, query);
    let document = Document { file: "rule.toml", text: &text };
    core_rules::rule_file::read(document, &NoQuestions).expect("it is valid")
}

/// Returns a query with a row for each key.
pub(crate) fn keys(keys: &[&str]) -> String {
    let rows: Vec<String> = keys.iter().map(|key| format!("('{key}')")).collect();
    format!("select column1 as _key from (values {}) as t", rows.join(", "))
}

/// A tenant, its files beside the configuration, and a clock that only the test moves.
pub(crate) struct Scene {
    pub(crate) folder: TempDir,
    pub(crate) config: Config,
    pub(crate) tenant: TenantStore,
    pub(crate) host: Host,
    now_ms: Arc<AtomicU64>,
}

impl Scene {
    /// A tenant with additional settings.
    pub(crate) fn new(settings: &str) -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let text = format!(
            "[nexthink]\ntenant = \"acme\"\nregion = \"eu\"\nclient_id = \"id\"\n\
             client_secret = {{ env = \"UNUSED\" }}\n[queries]\ndevices = \"#devices\"\n\
             [store]\nlocation = \"store\"\n{settings}"
        );
        let path = folder.path().join("nexthink-graph.toml");
        core_files::replace_file(&path, text.as_bytes()).expect("a file can be written");
        let environment = Environment {
            variable: |_| None,
            variables: |_| BTreeMap::new(),
            own_command: || "nexthink-graph",
        };
        let source = Source::find(Some(&path), None, environment).expect("it is named");
        let config = Config::load(&source, environment).expect("it is valid");
        let store = Store::open(Location::Folder(folder.path().join("store")));
        let tenant = store.and_then(|store| store.tenant("acme")).expect("it is ours");
        let now_ms = Arc::new(AtomicU64::new(START_MS));
        let host = host(Arc::clone(&now_ms));
        Self { folder, config, tenant, host, now_ms }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    /// Moves the clock.
    pub(crate) fn pass(&self, hours: u64) {
        self.now_ms.fetch_add(hours * HOUR_MS, Ordering::Relaxed);
    }

    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader {
            tenant: &self.tenant,
            settings: Some(&self.config),
            host: &self.host,
            folder: Some(self.folder.path()),
            tell: |_| {},
            is_quiet: false,
        }
    }

    /// Publishes a generation without tables now.
    pub(crate) fn publish(&self, outcome: Outcome) {
        let draft = Draft {
            region: "eu".to_owned(),
            created_at: Moment(self.now_ms()).to_rfc3339(),
            outcome,
            privacy: None,
            tables: Vec::new(),
        };
        let lock = self.tenant.lock("a test").expect("the lock is free");
        let staging = lock.stage(generation_id(self.now_ms())).expect("there is room");
        staging.publish(draft, &[]).expect("there is room");
    }

    /// Writes a file beside the configuration.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        core_files::create_folder(path.parent().expect("it has a folder")).expect("there is room");
        core_files::replace_file(&path, text.as_bytes()).expect("there is room");
        path
    }

    /// Writes an enabled rule.
    pub(crate) fn add_rule(&self, id: &str, query: &str) {
        self.write(&format!("rules/{id}.toml"), &rule_text(id, query));
    }

    /// Evaluates the enabled rules in this process.
    pub(crate) async fn evaluate(&self) -> RulesReport {
        let library = load_rules(Some(self.folder.path()));
        let reader = self.reader();
        let evaluator = Evaluator { reader, library: &library, source: InProcess(self) };
        evaluator.evaluate(&[]).await.expect("it can be read and written")
    }

    /// The findings, by text: the state of each.
    pub(crate) fn findings(&self) -> BTreeMap<String, &'static str> {
        let book = Book::read(&self.tenant).expect("it is whole").unwrap_or_default();
        let findings = book.findings().values();
        findings.map(|finding| (finding.text.clone(), finding.state().name())).collect()
    }

    /// The texts of the findings in a state.
    pub(crate) fn in_state(&self, state: &str) -> Vec<String> {
        let found = self.findings().into_iter().filter(|(_, name)| *name == state);
        found.map(|(text, _)| text).collect()
    }
}

/// Runs the queries in this process.
pub(crate) struct InProcess<'a>(pub(crate) &'a Scene);

impl RuleAnswers for InProcess<'_> {
    async fn ask(&self, rules: &[&Rule], fingerprints: &Fingerprints) -> Answers {
        let owned: Vec<Rule> = rules.iter().map(|rule| (*rule).clone()).collect();
        let ids: Vec<String> = owned.iter().map(|rule| rule.id.clone()).collect();
        let (reader, mut out) = (self.0.reader(), Vec::new());
        match answer_rules(&reader, Some(&self.0.config.schedule), &ids, &mut out).await {
            Ok(()) => Answers::read(&out[..], &owned, fingerprints),
            Err(failure) => Answers::none(format!("{:#}", failure.error)),
        }
    }
}

fn host(now_ms: Arc<AtomicU64>) -> Host {
    let next = AtomicU8::new(0);
    Host {
        clock: Arc::new(move || Moment(now_ms.load(Ordering::Relaxed))),
        random: Arc::new(move |buffer| {
            buffer.fill_with(|| next.fetch_add(1, Ordering::Relaxed));
            Ok(())
        }),
        processors: 2,
        process: "a test".to_owned(),
        user: "uid 1000 (tester)".to_owned(),
        program: "nexthink-graph".to_owned(),
        exit_code: |ending| match ending {
            Ending::Complete => 0,
            Ending::Partial => 7,
            Ending::Failed(FailureKind::DestinationFailed) => 6,
            Ending::Failed(FailureKind::Deferred) => 75,
            Ending::Failed(FailureKind::Locked | FailureKind::Stopped(_)) => 2,
            Ending::Failed(_) => 1,
        },
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
