//! The keys of pseudonyms: no key is lost by accident, and each change is in the ledger.

use std::sync::Arc;

use core_engine::privacy::{load_keys, policy};
use core_engine::{FailureKind, keys};
use core_privacy::profile::Profile;

use super::support::{NOON, Tenant};

#[tokio::test]
async fn a_key_file_is_never_replaced_by_a_new_one() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let first = keys::create(tenant.engine()).expect("there is no file yet");
    let refused = keys::create(tenant.engine()).expect_err("there is a file");
    assert_eq!(refused.kind, FailureKind::Configuration);
    assert!(
        refused
            .error
            .to_string()
            .ends_with("`nexthink-graph privacy key rotate` makes another one beside it")
    );
    let kept = load_keys(tenant.engine()).expect("the file is as it was");
    assert_eq!(kept.active_id(), first);
}

#[tokio::test]
async fn an_earlier_key_can_be_retired_and_the_active_one_cannot() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let first = keys::create(tenant.engine()).expect("there is no file yet");
    let second = keys::rotate(tenant.engine()).expect("there is a key");
    assert_ne!(first, second);
    for id in [second.as_str(), "no-such-key"] {
        let refused = keys::retire(tenant.engine(), id).expect_err("it cannot be retired");
        assert_eq!(refused.kind, FailureKind::Configuration, "{id}");
    }
    let remark = keys::retire(tenant.engine(), &first).expect("no generation needs it");
    assert_eq!(remark, None);
    assert_eq!(load_keys(tenant.engine()).expect("it can be read").active_id(), second);
    let ledger = tenant.ledger();
    let actions: Vec<_> = ledger.iter().map(|entry| entry.record.facts["action"].clone()).collect();
    assert_eq!(actions, ["made", "rotated", "retired"], "what is refused is no entry");
}

#[tokio::test]
async fn a_key_that_the_published_generation_needs_is_not_retired_before_the_next_run() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    let first = keys::create(tenant.engine()).expect("there is no file yet");
    tenant.settings.privacy.policy = policy(Profile::Pseudonymous, &[]).expect("no overrides");
    tenant.run().await.expect("it runs");
    keys::rotate(tenant.engine()).expect("there is a key");
    let refused = keys::retire(tenant.engine(), &first).expect_err("it is needed");
    assert_eq!(refused.kind, FailureKind::Configuration);
    assert!(refused.error.to_string().ends_with(": run first"), "{}", refused.error);
    tenant.run().await.expect("it runs");
    let remark = keys::retire(tenant.engine(), &first).expect("nothing published needs it");
    let remark = remark.expect("an older generation has its pseudonyms");
    assert!(remark.starts_with("its pseudonyms are in 1 kept generation"), "{remark}");
}

#[tokio::test]
async fn without_random_numbers_no_key_is_made_and_nothing_is_in_the_ledger() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    let random = Arc::clone(&tenant.host.random);
    let nothing = Arc::new(|_: &mut [u8]| Err(std::io::ErrorKind::Unsupported.into()));
    tenant.host.random = nothing.clone();
    keys::create(tenant.engine()).expect_err("there are no random numbers");
    assert!(!tenant.settings.privacy.key_file.exists());
    assert_eq!(tenant.ledger().len(), 0);

    tenant.host.random = random;
    let first = keys::create(tenant.engine()).expect("there is no file yet");
    tenant.host.random = nothing;
    keys::rotate(tenant.engine()).expect_err("there are no random numbers");
    assert_eq!(load_keys(tenant.engine()).expect("it can be read").active_id(), first);
    assert_eq!(tenant.ledger().len(), 1);
}
