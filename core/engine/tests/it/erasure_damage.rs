//! Erasures while a generation cannot be read, so that no one can be taken out of it.

use core_engine::erasure::{self, Erased, Request};
use core_engine::{Ending, Failure, FailureKind};
use core_erasure::certificate::is_certified;
use core_erasure::subject::SubjectKind;
use core_store::GenerationId;

use super::erasures::{first_uid, keys, make_keys};
use super::support::{NOON, Tenant};
use super::world::files;

/// A tenant with two generations; returns the older one too.
async fn tenant() -> (Tenant, GenerationId) {
    let tenant = Tenant::start("acme", 1, NOON).await;
    make_keys(&tenant);
    tenant.run().await.expect("it runs");
    let older = tenant.published().expect("it is published").id().clone();
    tenant.run().await.expect("it runs");
    (tenant, older)
}

/// Removes the users of a generation from the disk.
fn damage(tenant: &Tenant, generation: &GenerationId) {
    let files = files(tenant.folder()).into_iter().filter(|path| {
        let path = path.to_string_lossy();
        path.contains(generation.as_str()) && path.contains("nexthink_user/")
    });
    let files: Vec<_> = files.collect();
    assert!(!files.is_empty(), "there is a table of users");
    for path in files {
        std::fs::remove_file(path).expect("it is ours");
    }
}

/// Erases a user.
pub(crate) fn erase(tenant: &Tenant, uid: &str, removes_damaged: bool) -> Result<Erased, Failure> {
    let (engine, typed) = (tenant.engine(), [uid.to_owned()]);
    let lock = engine.lock().expect("the lock is free");
    let reason = "gdpr-request";
    let request = Request { kind: SubjectKind::User, typed: &typed, reason, removes_damaged };
    let (subject, _) = erasure::subject(engine, &lock, &keys(), &request)?;
    erasure::erase(engine, &lock, &keys(), &request, &subject)
}

fn kept(tenant: &Tenant) -> Vec<GenerationId> {
    let store = tenant.engine().tenant().expect("the store is there");
    let history = store.history().expect("it can be listed");
    history.into_iter().map(|entry| entry.id).collect()
}

#[tokio::test]
async fn nothing_is_erased_unless_a_generation_that_cannot_be_read_may_be_removed() {
    let (tenant, older) = tenant().await;
    let uid = first_uid(&tenant.published().expect("it is published"));
    damage(&tenant, &older);
    let Err(refused) = erase(&tenant, &uid, false) else { panic!("it would stay in the file") };
    assert_eq!(refused.kind, FailureKind::DataRefused);
    let words = refused.error.to_string();
    assert!(words.starts_with("nothing was erased"), "{words}");
    assert!(words.contains(older.as_str()) && words.contains("--remove-damaged"), "{words}");
    assert_eq!(kept(&tenant).len(), 2);

    let erased = erase(&tenant, &uid, true).unwrap_or_else(|refused| panic!("{refused:?}"));
    assert_eq!(erased.certificate.damaged_generations_removed, [older.to_string()]);
    assert_eq!(kept(&tenant).len(), 1);
    let store = tenant.engine().tenant().expect("the store is there");
    assert!(is_certified(&store, &erased.certificate.id).expect("it can be read"));
    let ledger = tenant.ledger();
    let removals = ledger.iter().filter(|entry| entry.record.event == "damage_removed").count();
    assert_eq!(removals, 1);
}

#[tokio::test]
async fn a_published_generation_that_cannot_be_read_is_never_removed() {
    let (tenant, _) = tenant().await;
    let published = tenant.published().expect("it is published");
    let uid = first_uid(&published);
    damage(&tenant, published.id());
    let Err(refused) = erase(&tenant, &uid, true) else { panic!("readers need it") };
    assert_eq!(refused.kind, FailureKind::DataRefused);
    assert!(refused.error.to_string().contains("CURRENT"), "{}", refused.error);
    assert_eq!(kept(&tenant).len(), 2);
}

#[tokio::test]
async fn an_erasure_that_damage_keeps_from_being_finished_is_a_shortfall_of_each_run_until_it_goes()
{
    let (tenant, older) = tenant().await;
    super::erasures::owe_an_erasure(&tenant, 1);
    damage(&tenant, &older);
    let finished = tenant.run().await.expect("it runs");
    let told = finished.report.unfinished_erasures.join("\n");
    assert!(told.contains(older.as_str()), "{told}");
    assert_ne!(finished.ending, Ending::Complete);

    let engine = tenant.engine();
    let lock = engine.lock().expect("the lock is free");
    let (removed, recleansing) =
        erasure::apply_suppressions(engine, &lock, true).expect("it can go");
    assert_eq!(removed, [older.to_string()]);
    assert!(recleansing.shortfalls.is_empty(), "{:?}", recleansing.shortfalls);
    assert!(!erasure::is_any_unfinished(engine, &lock).expect("it can be read"));
}
