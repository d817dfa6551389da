//! The record of processing: what derives from the settings and the store, and what only people know.

use core_engine::processing::{Record, WrittenPart, kept, transfer_warning};

use super::deliveries;
use super::support::{NOON, Tenant};

#[tokio::test]
async fn data_that_leaves_its_region_is_warned_of() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    assert_eq!(transfer_warning(&tenant.settings), None, "there is no destination");
    let table = [
        ("https://api.us.jupiterone.io", true),
        ("https://api.eu.jupiterone.io", false),
        ("http://127.0.0.1:1", false),
    ];
    for (url, is_warned_of) in table {
        tenant.settings.jupiterone = Some(deliveries::settings(url, "a-key"));
        assert_eq!(transfer_warning(&tenant.settings).is_some(), is_warned_of, "{url}");
    }
}

#[tokio::test]
async fn the_record_has_what_was_written_and_names_what_is_missing() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    tenant.settings.retention.ledger_days = 401;
    tenant.settings.jupiterone =
        Some(deliveries::settings("https://api.us.jupiterone.io", "a-key"));
    let written = WrittenPart {
        controller: Some("ACME, privacy@acme.example".to_owned()),
        purposes: vec!["inventory".to_owned(), "security".to_owned()],
        ..WrittenPart::default()
    };
    let record = Record::new(tenant.engine(), written, None);
    let page = record.to_markdown();
    let expected = [
        "Tenant acme of region eu, 2026-03-01T10:00:00Z.",
        "ACME, privacy@acme.example",
        "- inventory\n- security",
        "missing: set `privacy.record.legal_basis`",
        "| `nexthink_user` | – |",
        "JupiterOne, account acme, at api.us.jupiterone.io, region us",
        "the ledger: 401 days",
        "personal data leaves its region",
        "No generation was published yet.",
        "employees and others who use devices of the estate",
    ];
    for text in expected {
        assert!(page.contains(text), "{text} is not in\n{page}");
    }
    let user = record.categories.iter().find(|category| category.type_name == "nexthink_user");
    assert!(user.is_some_and(|user| !user.direct.is_empty()));
}

#[tokio::test]
async fn the_objects_of_the_published_generation_are_counted() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.run().await.expect("it runs");
    let published = tenant.published().expect("it is published");
    let record = Record::new(tenant.engine(), WrittenPart::default(), Some(&published));
    assert_eq!(record.generation.as_deref(), Some(published.id().as_str()));
    let user = record.categories.iter().find(|category| category.type_name == "nexthink_user");
    assert_eq!(user.and_then(|user| user.objects), Some(20));
}

#[tokio::test]
async fn events_are_kept_only_if_they_are_read() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let names =
        |tenant: &Tenant| kept(&tenant.settings).iter().map(|kept| kept.what).collect::<Vec<_>>();
    assert!(!names(&tenant).contains(&"events of the audit trail"));
    assert!(names(&tenant.with_audit()).contains(&"events of the audit trail"));
}
