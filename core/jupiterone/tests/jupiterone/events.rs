//! Events that are delivered beside a generation: those that the destination does not have yet, and nothing of them is
//! ever deleted.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use core_jupiterone::{Contents, Events, Extras, JupiterOneError, SchemaViolations};
use core_model::prelude::*;
use core_simulator::JupiterOneBehaviour;
use core_store::{EventDeclaration, TableKind};
use serde_json::Value;

use crate::support::{
    Checked, Estate, FIRST, Place, SECOND, STEPS, deliver, delivered_before, jupiterone, kept,
};

const NOON_MS: i64 = 1_772_359_200_000;
const EVENT: &str = "nexthink_event";
const HAS_EVENT: &str = "nexthink_account_has_event";

static ACCOUNT: EntityType = EntityType {
    type_name: "nexthink_account",
    class: &[Class::Account],
    resource: "Account",
    key_column: "account.id",
    fallback_key: &[],
    newest_by: &[],
    properties: &[],
};

static EVENT_TYPE: EntityType = EntityType {
    type_name: EVENT,
    class: &[Class::Record],
    resource: "Event",
    key_column: "event.id",
    fallback_key: &[],
    newest_by: &[],
    properties: &[
        text("name", &["event.id"], "The name.").never_null(),
        text("displayName", &["event.id"], "The name.").never_null(),
    ],
};

static ACCOUNT_HAS_EVENT: RelationshipType = RelationshipType {
    type_name: HAS_EVENT,
    from: singleton(&ACCOUNT),
    class: RelationshipClass::Has,
    to: by_column(&EVENT_TYPE, "event.id"),
    properties: &[],
};

fn schema() -> Arc<Schema> {
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("_key", DataType::Utf8, false),
        Field::new("name", DataType::Utf8, false),
        Field::new("displayName", DataType::Utf8, false),
        Field::new("observedOn", time, true),
    ]))
}

/// Appends events to the log of a tenant.
fn append(place: &Place, names: &[&str]) -> Checked {
    let lock = place.tenant().lock("a test")?;
    let declaration = EventDeclaration {
        schema: schema(),
        personal_columns: Vec::new(),
        time_column: "observedOn",
        own_time_column: "observedOn",
    };
    let mut appender = lock.append_events("audit", declaration)?;
    for name in names {
        let key = format!("{EVENT}:{name}");
        let text = |value: &str| Arc::new(StringArray::from(vec![value]));
        let at = TimestampMillisecondArray::from(vec![NOON_MS]).with_timezone("UTC");
        assert!(appender.is_new(NOON_MS, Some(NOON_MS), &key)?);
        let columns: Vec<arrow_array::ArrayRef> =
            vec![text(&key), text(name), text(name), Arc::new(at)];
        appender.write("2026-03-01", &RecordBatch::try_new(schema(), columns)?)?;
    }
    Ok(appender.commit(Value::Null)?)
}

/// The events of the log since a number, with the tag of an account.
fn events(place: &Place, since: u64) -> Result<Events, Box<dyn std::error::Error>> {
    let log = place.tenant().events("audit")?;
    let tags = vec![("tag.AccountName".to_owned(), "acme".to_owned())];
    let account = "nexthink_account:acme".to_owned();
    Ok(Events::new(log, since, &EVENT_TYPE, &ACCOUNT_HAS_EVENT, account, tags))
}

/// The objects of a type that a delivery would upload.
fn objects(contents: &Contents, name: &str) -> Result<Vec<Value>, JupiterOneError> {
    let mut objects = Vec::new();
    for kind in [TableKind::Entity, TableKind::Relationship] {
        for table in contents.tables(kind).filter(|table| table.name == name) {
            contents.for_each_object(table, &mut SchemaViolations::default(), |object| {
                objects.push(serde_json::from_slice(object.json).expect("it is JSON"));
                Ok::<_, JupiterOneError>(())
            })?;
        }
    }
    Ok(objects)
}

#[test]
fn only_events_that_are_new_since_a_number_are_delivered_each_with_its_tags_and_its_account()
-> Checked {
    let place = Place::new()?;
    append(&place, &["first", "second"])?;
    let since = place.tenant().events("audit")?.next_part();
    append(&place, &["third"])?;
    for (since, expected) in [(0, vec!["first", "second", "third"]), (since, vec!["third"])] {
        let contents = place.contents(if since == 0 { FIRST } else { SECOND }, &Estate::of(1))?;
        let contents = contents.with_events(events(&place, since)?);
        let entities = objects(&contents, EVENT)?;
        let names: BTreeSet<_> =
            entities.iter().filter_map(|event| event["name"].as_str()).collect();
        assert_eq!(Vec::from_iter(names), expected);
        assert!(entities.iter().all(|event| event["tag.AccountName"] == "acme"), "{entities:?}");
        let edges = objects(&contents, HAS_EVENT)?;
        assert_eq!(edges.len(), expected.len());
        for edge in &edges {
            assert_eq!(edge["_fromEntityKey"], "nexthink_account:acme");
            let to = edge["_toEntityKey"].as_str().unwrap_or_default();
            assert!(expected.iter().any(|name| to == format!("{EVENT}:{name}")), "{to}");
        }
    }
    Ok(())
}

#[test]
fn types_of_events_are_partial_whatever_is_proven_of_others() -> Checked {
    let place = Place::new()?;
    append(&place, &["first"])?;
    let contents = place.contents(FIRST, &Estate::of(1))?.with_events(events(&place, 0)?);
    let both: BTreeSet<String> = [EVENT, HAS_EVENT].map(str::to_owned).into();
    assert_eq!(contents.partial_datasets(), &both);
    assert_eq!(contents.clone().with_complete(&both).partial_datasets(), &both);
    // The one way to remove them.
    let purged = contents.purge(&[EVENT])?;
    assert_eq!(purged.purged_types(), &both);
    assert!(purged.partial_datasets().is_empty());
    assert!(objects(&purged, EVENT)?.is_empty());
    Ok(())
}

#[tokio::test]
async fn events_that_were_delivered_stay_and_are_not_sent_again() -> Checked {
    let (server, place) = (jupiterone(JupiterOneBehaviour::default()).await?, Place::new()?);
    append(&place, &["first", "second"])?;
    let contents = place.contents(FIRST, &Estate::of(1))?.with_events(events(&place, 0)?);
    let delivered = deliver(&server, contents).await?.delivered(Some(&delivered_before()?));
    let through = delivered.events[EVENT];
    assert_eq!(kept(&server, EVENT).len(), 2);

    append(&place, &["third"])?;
    let generation = place.publish(SECOND, &Estate::of(1))?;
    let next = Contents::new(generation, &STEPS, Some(&delivered), Extras::default());
    let next = next.with_events(events(&place, through)?);
    assert_eq!(objects(&next, EVENT)?.len(), 1);
    deliver(&server, next).await?;
    assert_eq!((kept(&server, EVENT).len(), kept(&server, HAS_EVENT).len()), (3, 3));
    Ok(())
}
