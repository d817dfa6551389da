//! The rules that decide about a delivery and what it may delete: the state of the last one, edited as versions,
//! crashes and erasures leave it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use core_destination::{DeliveryError, DeliveryRequest, DeliveryResult};
use core_engine::erasure::elsewhere;
use core_engine::{
    Cancellation, Ending, FailureKind, Moment, Progress, StopReason, deliver, jupiterone,
};
use core_jupiterone::{DeliveryDecision, DeliveryReport, compared_with, known_ledger_head};
use core_simulator::{JupiterOne, SavedQuery, TenantSpec};
use serde_json::{Value, json};

use super::deliveries::{deliver_with, start};
use super::erasure_damage::erase as erase_user;
use super::erasures::{erase, first_uid, make_keys};
use super::support::{NOON, Tenant};

const STATE: &str = "delivered-jupiterone";

/// A tenant whose generation JupiterOne has.
struct Delivered {
    tenant: Tenant,
    server: JupiterOne,
    settings: core_engine::settings::JupiterOne,
}

impl Delivered {
    async fn start() -> Self {
        let tenant = Tenant::start("acme", 1, NOON).await;
        make_keys(&tenant);
        tenant.run().await.expect("it runs");
        let (server, settings) = start().await;
        let delivered = Self { tenant, server, settings };
        delivered.deliver(&DeliveryRequest::default()).await.expect("it delivers");
        delivered
    }

    async fn deliver(
        &self,
        request: &DeliveryRequest,
    ) -> Result<DeliveryResult<DeliveryReport>, core_engine::Failure> {
        deliver_with(&self.tenant, &self.settings, request).await
    }

    fn plan(&self, request: &DeliveryRequest) -> Result<DeliveryDecision, DeliveryError> {
        let store = self.tenant.engine().tenant().expect("the store is there");
        let generation = self.tenant.published().expect("it is published");
        jupiterone::rules(self.tenant.engine(), &self.settings).plan(&store, generation, request)
    }

    /// The reason why there would be a job; `None` if there would be none.
    fn reason(&self) -> Option<&'static str> {
        self.plan(&DeliveryRequest::default()).expect("everything can be read").reason
    }

    /// Returns true if JupiterOne has the user.
    fn has_user(&self, uid: &str) -> bool {
        let graph = self.server.graph("api", "nexthink-acme");
        graph.entities.contains_key(&format!("nexthink_user:{uid}"))
    }

    /// Changes the state of the last delivery.
    fn edit(&self, change: impl FnOnce(&mut Value)) {
        let lock = self.tenant.engine().lock().expect("the lock is free");
        let bytes = lock.tenant().state(STATE).expect("readable").expect("it was delivered");
        let mut state = serde_json::from_slice(&bytes).expect("it is JSON");
        change(&mut state);
        lock.set_state(STATE, state.to_string().as_bytes()).expect("there is room");
    }

    fn change_tenant(&self) {
        self.tenant.simulator.update(|behaviour| {
            behaviour.tenant = TenantSpec { devices: 28, ..behaviour.tenant.clone() };
        });
    }
}

#[tokio::test]
async fn there_is_a_job_only_for_a_reason() {
    let delivered = Delivered::start().await;
    assert_eq!(delivered.reason(), None);
    delivered.tenant.run().await.expect("it runs");
    assert_eq!(delivered.reason(), None, "another generation of the same content");
    for (member, value, expected) in [
        ("whole", json!(false), "the last delivery is not known to be complete"),
        ("generation", json!("01JN7Z1M80000000000000000A"), "is no longer stored"),
        ("shape", json!(0), "writes objects differently"),
    ] {
        let mut kept = Value::Null;
        delivered.edit(|state| kept = std::mem::replace(&mut state[member], value));
        let reason = delivered.reason().expect("there is a reason");
        assert!(reason.contains(expected), "{member}: {reason}");
        delivered.edit(|state| state[member] = kept);
        assert_eq!(delivered.reason(), None, "{member}");
    }
    delivered.change_tenant();
    delivered.tenant.run().await.expect("it runs");
    assert_eq!(delivered.reason(), Some("the graph has changed"));
}

#[tokio::test]
async fn a_destination_that_is_accepted_anew_is_a_first_one_and_deletes_nothing() {
    let delivered = Delivered::start().await;
    let request = DeliveryRequest { accept_destination: true, ..DeliveryRequest::default() };
    let decision = delivered.plan(&request).expect("everything can be read");
    assert!(decision.reason.is_some_and(|reason| reason.contains("first delivery")));
    let types: Vec<_> = decision.plan.types.iter().map(|changes| &changes.type_name).collect();
    assert!(types.iter().all(|name| decision.partial_datasets.contains(*name)));
    assert_eq!(decision.plan.deletes(), 0);
}

#[tokio::test]
async fn an_erased_person_is_deleted_if_the_type_is_proven() {
    let delivered = Delivered::start().await;
    // After the first delivery every type was partial, so that nothing would be proven.
    delivered
        .deliver(&DeliveryRequest { full: true, ..DeliveryRequest::default() })
        .await
        .expect("it delivers");
    let (uid, _) = erase(&delivered.tenant);
    assert!(delivered.has_user(&uid));
    // The generation that was delivered last is cleansed too, so that a comparison finds no change.
    let decision = delivered.plan(&DeliveryRequest::default()).expect("everything can be read");
    assert!(decision.plan.is_empty(), "{:?}", decision.plan);
    assert_eq!(decision.reason, Some("people or devices were erased since the last delivery"));
    assert_eq!(decision.still_held.len(), 0, "{:?}", decision.still_held);
    let done = delivered.deliver(&DeliveryRequest::default()).await.expect("it delivers");
    assert!(done.is_whole());
    assert!(!delivered.has_user(&uid));
    assert_eq!(delivered.reason(), None, "no erasure is owed any more");
}

#[tokio::test]
async fn an_erased_person_goes_after_a_first_delivery_that_failed_once_it_was_applied() {
    for forgets in [false, true] {
        let delivered = Delivered::start().await;
        // The same as if the first delivery had failed: all that is known is that nothing is known.
        delivered.server.clear();
        forget(&delivered);
        delivered.server.update(|behaviour| {
            behaviour.ends_as = "ERROR_BAD_DATA";
            behaviour.applies_failed_jobs = true;
        });
        delivered.deliver(&DeliveryRequest::default()).await.expect_err("the job has failed");
        let (uid, _) = erase(&delivered.tenant);
        assert!(delivered.has_user(&uid), "the job was applied");
        delivered.server.update(|behaviour| behaviour.ends_as = "FINISHED");
        if forgets {
            forget(&delivered);
        }
        assert_first_deletes_nothing_and_second_erases(
            &delivered,
            &DeliveryRequest::default(),
            &uid,
        )
        .await;
    }
}

#[tokio::test]
async fn an_erased_person_goes_from_a_destination_that_was_accepted_under_another_name() {
    let mut delivered = Delivered::start().await;
    let (uid, _) = erase(&delivered.tenant);
    let url = delivered.server.url().replace("127.0.0.1", "localhost");
    delivered.settings = super::deliveries::settings(&url, "a-key");
    let accepted = DeliveryRequest { accept_destination: true, ..DeliveryRequest::default() };
    assert_first_deletes_nothing_and_second_erases(&delivered, &accepted, &uid).await;
}

/// Removes the record of the last delivery, as the message about a damaged one advises.
fn forget(delivered: &Delivered) {
    let lock = delivered.tenant.engine().lock().expect("the lock is free");
    lock.remove_state(STATE).expect("it can be removed");
}

/// Delivers twice. The first delivery says that it leaves the erased person, the second one deletes them.
async fn assert_first_deletes_nothing_and_second_erases(
    delivered: &Delivered,
    request: &DeliveryRequest,
    uid: &str,
) {
    let decision = delivered.plan(request).expect("everything can be read");
    assert!(!decision.after_erasure, "it deletes no person");
    let first = delivered.deliver(request).await.expect("it delivers");
    let DeliveryResult::Delivered { reason, still_held, .. } = first else {
        panic!("a first delivery is a job")
    };
    assert!(reason.contains("first delivery"), "{reason}");
    assert!(still_held.contains("nexthink_user"), "{still_held:?}");
    assert!(delivered.has_user(uid), "a first delivery deletes nothing");
    assert_eq!(delivered.reason(), Some("people or devices were erased since the last delivery"));
    let second = delivered.deliver(&DeliveryRequest::default()).await.expect("it delivers");
    let DeliveryResult::Delivered { still_held, .. } = second else {
        panic!("there is a job after an erasure")
    };
    assert_eq!(still_held, BTreeSet::new());
    assert!(!delivered.has_user(uid), "the erasure is carried out");
    assert_eq!(delivered.reason(), None, "no erasure is owed any more");
}

#[tokio::test]
async fn an_erased_person_of_a_partial_type_may_still_be_there_and_that_is_told() {
    let delivered = Delivered::start().await;
    delivered.tenant.simulator.update(|behaviour| _ = behaviour.missing.insert(SavedQuery::Users));
    delivered.tenant.run().await.expect("the other steps run");
    delivered.deliver(&DeliveryRequest::default()).await.expect("it delivers");
    erase(&delivered.tenant);
    let decision = delivered.plan(&DeliveryRequest::default()).expect("everything can be read");
    assert!(decision.still_held.contains("nexthink_user"), "{:?}", decision.still_held);
    let request = DeliveryRequest::default();
    let Ok(DeliveryResult::Delivered { still_held, .. }) = delivered.deliver(&request).await else {
        panic!("there is a job after an erasure")
    };
    assert!(still_held.contains("nexthink_user"));
    assert!(
        delivered.reason().is_some_and(|reason| reason.contains("erased")),
        "it is tried again"
    );
}

#[tokio::test]
async fn events_that_no_delivery_deletes_make_one_job_after_an_erasure_and_no_more() {
    let mut tenant = Tenant::start("acme", 1, NOON).await.with_audit();
    make_keys(&tenant);
    let now = Arc::new(AtomicU64::new(NOON.0 + 300_000));
    let clock = Arc::clone(&now);
    tenant.host.clock = Arc::new(move || Moment(clock.load(Ordering::SeqCst)));
    tenant.run().await.expect("it runs");
    let (server, mut settings) = start().await;
    settings.audit = true;
    tenant.settings.jupiterone = Some(super::deliveries::settings(server.url(), "a-key"));
    let delivered = Delivered { tenant, server, settings };
    let deliver = async |full| {
        let request = DeliveryRequest { full, ..DeliveryRequest::default() };
        delivered.deliver(&request).await.expect("it delivers")
    };
    deliver(false).await;
    deliver(true).await;
    let uid = first_uid(&delivered.tenant.published().expect("it is published"));
    let erased = erase_user(&delivered.tenant, &uid, false).expect("it is erased");
    let engine = delivered.tenant.engine();
    let remarks = elsewhere(engine, &engine.tenant().expect("the store is there"), &erased);
    let purge = "purge jupiterone --type nexthink_audit_event`";
    assert!(remarks[1].contains(purge) && remarks[2].starts_with("folders"), "{remarks:?}");
    let graph = || delivered.server.graph("api", "nexthink-acme").entities;
    let n_events = |entities: &std::collections::BTreeMap<String, Value>| {
        entities.values().filter(|entity| entity["_type"] == "nexthink_audit_event").count()
    };
    let before = n_events(&graph());
    assert!(before > 0 && graph().contains_key(&format!("nexthink_user:{uid}")));
    let result = deliver(false).await;
    let lines = core_jupiterone::messages::delivery(&result, true);
    assert!(lines.len() == 1 && lines[0].contains("no delivery deletes events"), "{lines:?}");
    let DeliveryResult::Delivered { reason, still_held, .. } = result else {
        panic!("there is a job after an erasure")
    };
    assert_eq!(reason, "people or devices were erased since the last delivery");
    assert_eq!(Vec::from_iter(&still_held), ["nexthink_audit_event"], "that is told");
    assert!(!graph().contains_key(&format!("nexthink_user:{uid}")));
    assert_eq!(n_events(&graph()), before);
    // The next deliveries are differences again.
    for _ in 0..2 {
        assert!(matches!(deliver(false).await, DeliveryResult::NothingChanged { .. }));
    }
    delivered.change_tenant();
    delivered.tenant.run().await.expect("it runs");
    let DeliveryResult::Delivered { reason, still_held, .. } = deliver(false).await else {
        panic!("there are more devices")
    };
    assert_eq!((reason, still_held.len()), ("the graph has changed", 0));
    // Another erasure is told again.
    now.fetch_add(1_000, Ordering::SeqCst);
    erase(&delivered.tenant);
    let decision = delivered.plan(&DeliveryRequest::default()).expect("everything can be read");
    assert!(decision.after_erasure && decision.still_held.contains("nexthink_audit_event"));
}

#[tokio::test]
async fn a_purge_names_a_known_type_and_takes_what_touches_it() {
    let delivered = Delivered::start().await;
    let purge =
        |name: &str| DeliveryRequest { purge: vec![name.to_owned()], ..DeliveryRequest::default() };
    let refused = delivered.plan(&purge("nexthink_alarm")).expect_err("there is no such type");
    assert!(matches!(refused, DeliveryError::Configuration(_)), "{refused}");
    let decision = delivered.plan(&purge("nexthink_device")).expect("everything can be read");
    for name in
        ["nexthink_device", "nexthink_device_installed_package", "nexthink_account_has_device"]
    {
        let changes = decision.plan.types.iter().find(|changes| changes.type_name == name);
        assert!(changes.is_some_and(|changes| changes.deletes > 0), "{name}");
    }
}

#[tokio::test]
async fn an_interrupted_delivery_is_asked_for_before_the_next_one() {
    let delivered = Delivered::start().await;
    let job = delivered.server.jobs()[0].id.clone();
    delivered.edit(|state| {
        state["pending"] = json!(job);
        state["whole"] = json!(false);
    });
    let decision = delivered.plan(&DeliveryRequest::default()).expect("everything can be read");
    assert_eq!(decision.unresolved_job.map(|job| job.as_str().to_owned()), Some(job));
    delivered.deliver(&DeliveryRequest::default()).await.expect("it delivers");
    let decision = delivered.plan(&DeliveryRequest::default()).expect("everything can be read");
    assert!(decision.unresolved_job.is_none());
}

#[tokio::test]
async fn a_damaged_state_is_an_error_that_says_what_its_loss_means() {
    let delivered = Delivered::start().await;
    let lock = delivered.tenant.engine().lock().expect("the lock is free");
    let store = lock.tenant().clone();
    assert_eq!(compared_with(&store).len(), 1, "the delivered generation stays");
    assert!(known_ledger_head(&store).expect("readable").is_some());
    lock.set_state(STATE, b"damaged").expect("there is room");
    drop(lock);
    let refused = delivered.plan(&DeliveryRequest::default()).expect_err("it is damaged");
    assert!(refused.to_string().contains("and deletes nothing"), "{refused}");
    assert!(compared_with(&store).is_empty());
}

#[tokio::test]
async fn the_generation_that_was_delivered_last_stays_until_it_was_compared_with() {
    let delivered = Delivered::start().await;
    let first = delivered.tenant.published().expect("it is published").id().clone();
    delivered.change_tenant();
    delivered.tenant.run().await.expect("it runs");
    let store = delivered.tenant.engine().tenant().expect("the store is there");
    assert_eq!(compared_with(&store), [first]);
    delivered.deliver(&DeliveryRequest::default()).await.expect("it delivers");
    let second = delivered.tenant.published().expect("it is published").id().clone();
    assert_eq!(compared_with(&store), [second]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_that_is_stopped_gives_its_job_up_and_the_next_one_delivers() {
    let delivered = Delivered::start().await;
    delivered.change_tenant();
    delivered.tenant.run().await.expect("it runs");
    let cancellation = Cancellation::default();
    let asked = cancellation.clone();
    // The first upload is the moment: the job is there and not finalized.
    let progress = Progress::new(move |_| asked.request(StopReason::Interrupted));
    let engine = delivered.tenant.engine();
    let destination = jupiterone::destination(engine, &delivered.settings).expect("it is valid");
    let request = DeliveryRequest::default();
    let stopped =
        deliver::deliver_published(engine, &destination, &request, &progress, &cancellation).await;
    if stopped.is_err() {
        let jobs = delivered.server.jobs();
        assert!(jobs.last().is_some_and(|job| job.status != "FINISHED"), "{:?}", jobs.last());
        assert!(delivered.reason().is_some());
    }
    delivered.deliver(&request).await.expect("it delivers");
    assert_eq!(delivered.reason(), None);
}

#[tokio::test]
async fn objects_that_jupiterone_refuses_make_the_delivery_a_failed_one_and_are_sent_again() {
    let delivered = Delivered::start().await;
    let generation = delivered.tenant.published().expect("it is published");
    let key = format!("nexthink_user:{}", first_uid(&generation));
    let refuse = |keys: BTreeSet<String>| {
        delivered.server.update(|behaviour| behaviour.refused_keys = keys);
    };
    refuse(BTreeSet::from([key]));
    let full = DeliveryRequest { full: true, ..DeliveryRequest::default() };
    let done = delivered.deliver(&full).await.expect("the job is done");
    assert!(!done.is_whole());
    assert_eq!(deliver::ending(&done), Ending::Failed(FailureKind::DestinationFailed));
    assert!(delivered.reason().is_some_and(|reason| reason.contains("not known to be complete")));
    refuse(BTreeSet::new());
    let done = delivered.deliver(&DeliveryRequest::default()).await.expect("the job is done");
    assert_eq!(deliver::ending(&done), Ending::Complete);
    assert_eq!(delivered.reason(), None);
}
