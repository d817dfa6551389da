//! Erasures and retrievals of a tenant that runs, in process.

use std::time::Duration;

use core_engine::erasure::{self, Lifted, Recleansing, Request};
use core_engine::interruption::Signals;
use core_engine::{Cancellation, Ending, Engine, Failure, FailureKind, StopReason, privacy};
use core_erasure::lists::erasure_ids;
use core_erasure::subject::{AllPseudonyms, SubjectKind, find};
use core_model::column::IdentifierKind;
use core_privacy::keys::{KeyRing, NEW_RING_BYTES};
use core_privacy::suppression::{Erasure, SuppressionList};
use core_store::{Generation, RunLock, StoreError, TableKind};

use super::support::{NOON, Tenant, rows};

const USERS: &str = "nexthink_user";

/// A tenant that has run, with a key file.
async fn tenant() -> Tenant {
    let tenant = Tenant::start("acme", 1, NOON).await;
    make_keys(&tenant);
    tenant.run().await.expect("it runs");
    tenant
}

/// Makes the key file.
pub(crate) fn make_keys(tenant: &Tenant) {
    let file = privacy::key_file(tenant.engine()).lock().expect("the lock is free");
    file.save(&keys()).expect("there is room");
}

/// Its keys.
pub(crate) fn keys() -> KeyRing {
    KeyRing::new("2026-01-01T00:00:00Z", &[7; NEW_RING_BYTES])
}

/// The uid of the first user of a generation.
pub(crate) fn first_uid(generation: &Generation) -> String {
    let mut batches = generation.batches(TableKind::Entity, USERS).expect("there are users");
    let batch = batches.next().expect("there are users").expect("it can be read");
    let keys = batch.column_by_name("_key").expect("there is a key");
    let keys = keys.as_any().downcast_ref::<arrow_array::StringArray>().expect("keys are text");
    keys.value(0).split_once(':').expect("a key has a type").1.to_owned()
}

fn lock(tenant: &Tenant) -> RunLock {
    tenant.engine().lock().expect("the lock is free")
}

/// Erases the first user; returns the uid and the ID of the erasure.
pub(crate) fn erase(tenant: &Tenant) -> (String, String) {
    erase_on(tenant.engine())
}

/// As [`erase`], where the store may be another one than the tenant's own.
pub(crate) fn erase_on(engine: Engine<'_>) -> (String, String) {
    let lock = engine.lock().expect("the lock is free");
    let published = lock.tenant().current().expect("it can be opened");
    let uid = first_uid(&published.expect("it is published"));
    let typed = [uid.clone()];
    let request = Request {
        kind: SubjectKind::User,
        typed: &typed,
        reason: "gdpr-request",
        removes_damaged: false,
    };
    let (subject, shortfalls) =
        erasure::subject(engine, &lock, &keys(), &request).expect("it is found");
    assert!(shortfalls.is_empty(), "{shortfalls:?}");
    let erased = erasure::erase(engine, &lock, &keys(), &request, &subject).expect("it is erased");
    (uid, erased.certificate.id)
}

#[tokio::test]
async fn an_erasure_that_is_stopped_is_finished_by_the_next_run() {
    let tenant = tenant().await;
    let uid = first_uid(&tenant.published().expect("it is published"));
    let typed = [uid.clone()];
    let request = Request {
        kind: SubjectKind::User,
        typed: &typed,
        reason: "gdpr-request",
        removes_damaged: false,
    };
    let (engine, cancellation) = (tenant.engine(), Cancellation::default());
    let lock = engine.lock_until(&cancellation).expect("the lock is free");
    let (subject, _) = erasure::subject(engine, &lock, &keys(), &request).expect("it is found");
    let is_unfinished =
        |lock: &RunLock| erasure::is_any_unfinished(engine, lock).expect("it can be read");
    assert!(!is_unfinished(&lock), "nothing was erased yet");
    cancellation.request(StopReason::Terminated);
    let stopped = erasure::erase(engine, &lock, &keys(), &request, &subject).err();
    let stopped = stopped.expect("the cleansing sees the request");
    assert!(matches!(stopped.error.downcast_ref(), Some(StoreError::Stopped)), "{stopped:?}");
    assert!(is_unfinished(&lock));
    // The preview of another erasure sees the request, too.
    assert!(erasure::preview(engine, &lock, &keys(), &subject).is_err());
    drop(lock);
    tenant.run().await.expect("it runs");
    assert!(!has_user(&tenant, &uid));
    let lock = self::lock(&tenant);
    assert!(!is_unfinished(&lock), "the run has searched for it, and certified it");
}

/// A signal that comes as soon as it is listened for.
struct AtOnce;

impl Signals for AtOnce {
    type Guard = ();

    async fn next(&self) -> StopReason {
        StopReason::Interrupted
    }

    fn guard(&self, stop: &Cancellation, _: Duration, _: &'static str) {
        stop.request(StopReason::Interrupted);
    }
}

#[tokio::test]
async fn work_that_a_signal_stops_says_whether_an_erasure_is_left_to_finish() {
    let tenant = tenant().await;
    let stopped = |work: &dyn Fn(&RunLock) -> Result<(), Failure>| {
        let failure =
            erasure::stoppable(tenant.engine(), &AtOnce, work).expect_err("it is stopped");
        assert_eq!(failure.kind, FailureKind::Stopped(StopReason::Interrupted));
        failure.error.to_string()
    };
    let text = stopped(&|_| Err(StoreError::Stopped.into()));
    assert_eq!(text, "stopped by a signal; nothing was erased");
    interrupt_erasure(&tenant);
    let text = stopped(&|lock| erasure::cleanse_what_came_back(tenant.engine(), lock).map(drop));
    assert!(text.starts_with("stopped by a signal; the erasure is not finished"), "{text}");
    assert!(text.ends_with("`nexthink-graph privacy suppression apply`"), "{text}");
    // What is done in spite of the signal counts.
    assert!(erasure::stoppable(tenant.engine(), &AtOnce, |_| Ok::<_, Failure>(())).is_ok());
}

/// Suppresses the first user as an erasure does that is killed before it cleanses anything.
fn interrupt_erasure(tenant: &Tenant) -> String {
    let uid = first_uid(&tenant.published().expect("it is published"));
    let lock = lock(tenant);
    let name = privacy::tenant_name(tenant.engine());
    let pseudonyms = AllPseudonyms::new(&keys(), &name);
    let subject = find(lock.tenant(), SubjectKind::User, std::slice::from_ref(&uid), &pseudonyms);
    let subject = subject.expect("it is found");
    let mut list = SuppressionList::new(&keys());
    let erasure = Erasure { id: "e-killed", since: "2026-03-01T10:00:00Z", reason: "gdpr-request" };
    let identifiers =
        subject.identifiers.iter().map(|(identifier_kind, text)| (*identifier_kind, text.as_str()));
    list.suppress(&keys(), &name, erasure, identifiers).expect("the key is right");
    privacy::erased_people(tenant.engine()).save(&lock, &list).expect("there is room");
    lock.set_erasures(&erasure_ids(&list)).expect("there is room");
    uid
}

/// Suppresses someone who is in no row, without cleansing anything: the next run has to cleanse every generation.
pub(crate) fn owe_an_erasure(tenant: &Tenant, number: u32) {
    let (lock, people) = (lock(tenant), privacy::erased_people(tenant.engine()));
    let list = people.read(lock.tenant()).expect("nothing is damaged");
    let mut list = list.unwrap_or_else(|| SuppressionList::new(&keys()));
    let (id, address) = (format!("e-{number}"), format!("nobody-{number}@acme.example"));
    let erasure = Erasure { id: &id, since: "2026-03-01T10:00:00Z", reason: "gdpr-request" };
    let identifier = [(IdentifierKind::Address, address.as_str())];
    list.suppress(&keys(), &people.tenant_name(), erasure, identifier).expect("the key is right");
    people.save(&lock, &list).expect("there is room");
    lock.set_erasures(&erasure_ids(&list)).expect("there is room");
}

fn has_user(tenant: &Tenant, uid: &str) -> bool {
    let pseudonyms = AllPseudonyms::none();
    let store = tenant.engine().tenant().expect("the store is there");
    let found = find(&store, SubjectKind::User, &[uid.to_owned()], &pseudonyms);
    !found.expect("it can be read").keys.is_empty()
}

fn events(tenant: &Tenant) -> Vec<String> {
    tenant.ledger().iter().map(|entry| entry.record.event.clone()).collect()
}

#[tokio::test]
async fn an_erased_person_stays_erased_in_the_next_runs() {
    let tenant = tenant().await;
    let before = rows(&tenant.published().expect("published"), USERS);
    let encrypts_downloads =
        || privacy::encrypts_downloads(tenant.engine(), lock(&tenant).tenant()).expect("readable");
    assert!(!encrypts_downloads());
    let (uid, id) = erase(&tenant);
    assert!(encrypts_downloads(), "they have the person's rows, which a run leaves out");
    assert!(!has_user(&tenant, &uid));
    assert_eq!(rows(&tenant.published().expect("published"), USERS), before - 1);
    let finished = tenant.run().await.expect("it runs");
    assert_eq!(finished.ending, Ending::Complete, "an erasure is nothing that a run lacks");
    assert!(!has_user(&tenant, &uid));
    let users = finished.report.steps.iter().find(|step| step.id == "fetch-users");
    assert_eq!(users.map(|step| step.rows.suppressed), Some(1));
    assert!(
        core_erasure::certificate::is_certified(lock(&tenant).tenant(), &id).expect("readable")
    );
    assert!(events(&tenant).contains(&"erasure".to_owned()));
}

#[tokio::test]
async fn a_lifted_erasure_lets_the_next_run_read_the_person_again() {
    let tenant = tenant().await;
    let (uid, id) = erase(&tenant);
    let lift = |id: &str| {
        let lock = lock(&tenant);
        erasure::lift(tenant.engine(), &lock, id, "by-mistake").expect("it can be lifted")
    };
    assert_eq!(lift("e-unknown").identifiers, 0);
    let Lifted { identifiers, shortfalls } = lift(&id);
    assert!(identifiers > 0 && shortfalls.is_empty());
    assert!(!has_user(&tenant, &uid), "what was removed stays removed");
    tenant.run().await.expect("it runs");
    assert!(has_user(&tenant, &uid));
    assert_eq!(events(&tenant).iter().filter(|event| *event == "suppression_lifted").count(), 1);
}

#[tokio::test]
async fn an_interrupted_erasure_is_finished_and_certified_by_the_next_run() {
    let tenant = tenant().await;
    let uid = interrupt_erasure(&tenant);
    let store = tenant.engine().tenant().expect("the store is there");
    assert!(store.current().is_err(), "a generation that has not been through it is not opened");
    let finished = tenant.run().await.expect("it runs");
    assert!(finished.report.unfinished_erasures.is_empty());
    assert!(!has_user(&tenant, &uid));
    assert!(core_erasure::certificate::is_certified(&store, "e-killed").expect("readable"));
    assert!(events(&tenant).contains(&"suppressions_applied".to_owned()));
}

#[tokio::test]
async fn an_erasure_that_is_finished_is_not_done_again() {
    let tenant = tenant().await;
    interrupt_erasure(&tenant);
    let again = || -> Result<Recleansing, Failure> {
        erasure::cleanse_what_came_back(tenant.engine(), &lock(&tenant))
    };
    assert!(again().expect("it is cleansed").has_come_back);
    assert!(!again().expect("nothing is left to do").has_come_back);
}

#[tokio::test]
async fn a_store_that_lost_its_lists_is_refused_by_a_run() {
    let tenant = tenant().await;
    erase(&tenant);
    let people = privacy::erased_people(tenant.engine());
    core_files::remove_file(&people.copy_path()).expect("it is there");
    lock(&tenant).remove_state(core_erasure::lists::SUPPRESSIONS).expect("it is there");
    let Err(refused) = tenant.run().await else { panic!("everybody would come back") };
    assert_eq!(refused.kind, FailureKind::DataRefused);
    assert!(refused.error.to_string().contains("from a backup"), "{}", refused.error);
}

#[tokio::test]
async fn a_retrieval_has_the_runs_that_hold_the_person() {
    let tenant = tenant().await;
    tenant.run().await.expect("it runs");
    let uid = first_uid(&tenant.published().expect("it is published"));
    let store = tenant.engine().tenant().expect("the store is there");
    let subject = find(&store, SubjectKind::User, &[uid], &AllPseudonyms::none());
    let subject = subject.expect("it is found");
    let at = "2026-03-01T10:00:00Z".to_owned();
    let answer = erasure::retrieve(tenant.engine(), &store, SubjectKind::User, &subject, at);
    let answer = answer.expect("everything can be read");
    assert_eq!(answer.entities[USERS].len(), 1);
    assert_eq!(answer.history.len(), 2);
    assert!(answer.history.iter().all(|held| held.run.is_some()), "{:?}", answer.history);
    assert_eq!(answer.retention.get("auditDays"), None, "the audit trail is not read");
}

#[tokio::test]
async fn a_preview_changes_nothing() {
    let tenant = tenant().await;
    let uid = first_uid(&tenant.published().expect("it is published"));
    let typed = [uid.clone()];
    let request =
        Request { kind: SubjectKind::User, typed: &typed, reason: "why", removes_damaged: false };
    let lock = lock(&tenant);
    let (subject, _) =
        erasure::subject(tenant.engine(), &lock, &keys(), &request).expect("it is found");
    let preview = erasure::preview(tenant.engine(), &lock, &keys(), &subject).expect("it is read");
    assert!(preview.rows.values().sum::<u64>() >= 1);
    drop(lock);
    assert!(has_user(&tenant, &uid));
}

#[tokio::test]
async fn an_answer_to_a_person_is_in_the_ledger_and_finds_whom_the_words_name() {
    let tenant = tenant().await;
    let uid = first_uid(&tenant.published().expect("it is published"));
    let store = tenant.engine().tenant().expect("the store is there");
    let answer = |typed: &str| {
        let answer =
            erasure::answer(tenant.engine(), &store, SubjectKind::User, &[typed.to_owned()]);
        answer.map_err(|failure| failure.error).expect("everything can be read")
    };
    let (subject, retrieval) = answer(&uid);
    assert_eq!((subject.keys.len(), retrieval.entities[USERS].len()), (1, 1));
    let (unknown, nothing) = answer("unknown@acme.example");
    assert!(unknown.keys.is_empty() && nothing.rows() == 0);
    let answers = events(&tenant).into_iter().filter(|event| event == "retrieval").count();
    assert_eq!(answers, 2, "{:?}", events(&tenant));
}
