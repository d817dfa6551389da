//! The effect of the settings on the people in rows, events and the ledger.

use core_engine::privacy::{
    is_like, ledger_token, of_events, of_run, policy, reusable_from, suppressions,
};
use core_engine::{Host, Moment, erasure};
use core_privacy::profile::{Action, Profile};

use super::erasures::{erase, make_keys};
use super::support::{NOON, Tenant};

#[tokio::test]
async fn a_profile_that_keeps_everything_needs_no_key_and_no_redaction() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let stored = tenant.engine().tenant().expect("the store is there");
    let privacy = of_run(tenant.engine(), &stored).expect("there is nothing to read");
    assert!(privacy.protection.is_none());
    assert_eq!((privacy.mark.profile.as_str(), privacy.mark.key), ("full", None));
}

#[tokio::test]
async fn after_an_erasure_rows_are_checked_whatever_the_profile() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    make_keys(&tenant);
    tenant.run().await.expect("it runs");
    let stored = tenant.engine().tenant().expect("the store is there");
    assert!(suppressions(tenant.engine(), &stored).expect("no list").is_empty());
    erase(&tenant);
    assert!(!suppressions(tenant.engine(), &stored).expect("there is a list").is_empty());
    let privacy = of_run(tenant.engine(), &stored).expect("the keys are there");
    assert!(privacy.protection.is_some());
    assert_eq!(privacy.mark.key, None, "there are no pseudonyms in what is published");
}

#[tokio::test]
async fn the_mark_of_a_generation_has_the_profile_the_key_and_each_override() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    make_keys(&tenant);
    let overrides = [("device.name".to_owned(), Action::Keep)];
    tenant.settings.privacy.policy =
        policy(Profile::Pseudonymous, &overrides).expect("the column is declared");
    let stored = tenant.engine().tenant().expect("the store is there");
    let mark = of_run(tenant.engine(), &stored).expect("the keys are there").mark;
    assert_eq!(mark.profile, "pseudonymous");
    assert!(mark.key.is_some());
    assert_eq!(mark.columns.get("device.name").map(String::as_str), Some("keep"));
    tenant.run().await.expect("it runs");
    let published = tenant.published().expect("it is published");
    assert!(is_like(&published, &mark));
    tenant.settings.privacy.policy = policy(Profile::Full, &[]).expect("no overrides");
    let other = of_run(tenant.engine(), &stored).expect("the keys are there").mark;
    assert!(!is_like(&published, &other));
}

#[tokio::test]
async fn events_show_people_as_the_profile_says_unless_clear_names_are_wanted() {
    let mut tenant = Tenant::start("acme", 1, NOON).await.with_audit();
    make_keys(&tenant);
    for (profile, clear_names, is_redacted) in [
        (Profile::Full, false, false),
        (Profile::Pseudonymous, false, true),
        (Profile::Minimal, false, true),
        (Profile::Minimal, true, false),
    ] {
        tenant.settings.privacy.policy = policy(profile, &[]).expect("no overrides");
        tenant.settings.audit.as_mut().expect("it is configured").clear_names = clear_names;
        let (redactor, mark) = of_events(tenant.engine()).expect("the keys are there");
        let found = (redactor.is_some(), mark.key.is_some());
        assert_eq!(found, (is_redacted, is_redacted), "{} {clear_names}", profile.name());
    }
}

#[tokio::test]
async fn a_query_is_in_the_ledger_as_a_token_that_only_this_tenant_can_make() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    let token =
        |tenant: &Tenant, text| ledger_token(tenant.engine(), text).expect("the key is right");
    assert_eq!(token(&tenant, "select 1"), None, "without keys the ledger has no text at all");
    make_keys(&tenant);
    let first = token(&tenant, "select 1");
    assert!(first.as_ref().is_some_and(|token| !token.contains("select")), "{first:?}");
    assert_eq!(token(&tenant, "select 1"), first);
    assert_ne!(token(&tenant, "select 2"), first);
    tenant.settings.tenant = "globex".parse().expect("a tenant");
    assert_ne!(token(&tenant, "select 1"), first);
}

#[test]
fn an_override_of_a_column_that_no_step_has_is_refused_with_its_name() {
    let overrides = [("device.nmae".to_owned(), Action::Drop)];
    let refused = policy(Profile::Full, &overrides).expect_err("there is no such column");
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].0, "device.nmae");
}

#[tokio::test]
async fn reusable_identifiers_count_for_their_days_by_the_clock_of_the_host() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let at = |now: Moment| {
        let host = Host { clock: std::sync::Arc::new(move || now), ..tenant.host.clone() };
        reusable_from(&host)
    };
    let days = u64::from(core_privacy::reuse::REUSABLE_DAYS);
    let expected = Moment(NOON.0 - days * 86_400_000).to_rfc3339();
    assert_eq!(at(NOON), expected);
    assert!(at(Moment(0)) < expected, "also before the epoch");
}

#[tokio::test]
async fn an_erasure_that_does_not_exist_cannot_be_lifted() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    make_keys(&tenant);
    tenant.run().await.expect("it runs");
    let lock = tenant.engine().lock().expect("the lock is free");
    let lifted =
        erasure::lift(tenant.engine(), &lock, "e-none", "mistake").expect("it is no error");
    assert_eq!((lifted.identifiers, lifted.shortfalls.len()), (0, 0));
    assert!(!erasure::is_any_unfinished(tenant.engine(), &lock).expect("it can be read"));
    drop(lock);
    let (_, id) = erase(&tenant);
    let lock = tenant.engine().lock().expect("the lock is free");
    let lifted =
        erasure::lift(tenant.engine(), &lock, "e-none", "mistake").expect("it is no error");
    assert_eq!(lifted.identifiers, 0);
    let lifted = erasure::lift(tenant.engine(), &lock, &id, "mistake").expect("it is lifted");
    assert!(lifted.identifiers > 0);
}
