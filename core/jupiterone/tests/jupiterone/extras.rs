//! The objects that are delivered only where it is asked for: relationships to Persons, and raw data.

use core_destination::{DeliveryPlan, TypeChanges};
use core_jupiterone::{
    Contents, Delivered, Extras, JupiterOneError, SchemaViolations, StepResult, StepStatus,
    USER_IS_PERSON, export_folder, plan_between,
};
use core_simulator::JupiterOneBehaviour;
use core_store::{Generation, StoreError, TableKind};
use serde_json::{Value, json};

use crate::folder::declared_steps;
use crate::support::{
    Checked, FIRST, Place, SECOND, STEPS, USER_STEP, deliver, delivered_before, jupiterone, kept,
    lists, texts, times, write,
};

const PERSONS: Extras = Extras { persons: true, raw_data: false };
const RAW_DATA: Extras = Extras { persons: false, raw_data: true };

/// Publishes users by the addresses that each has.
fn publish(
    place: &Place,
    id: &str,
    emails: &[Option<&[&str]>],
    partial: bool,
) -> Result<Generation, StoreError> {
    let keys: Vec<_> = (0..emails.len()).map(|number| format!("nexthink_user:{number}")).collect();
    let names = || texts(keys.iter().map(|key| Some(key.as_str())));
    let columns = vec![
        ("_key", names()),
        ("name", names()),
        ("displayName", names()),
        ("email", lists(emails)),
        ("department", texts(vec![Some("x".repeat(5_000).as_str()); emails.len()])),
        ("lastSeenOn", times(vec![Some(1_795_000_000_000); emails.len()])),
    ];
    place.publish_tables(id, |staging| {
        let mut table = write(staging, "nexthink_user", &["User"], None, columns)?;
        table.partial = partial;
        Ok(vec![table])
    })
}

fn objects_of(contents: &Contents, name: &str) -> Result<Vec<Value>, JupiterOneError> {
    let mut objects = Vec::new();
    for kind in [TableKind::Entity, TableKind::Relationship] {
        for table in contents.tables(kind).filter(|table| table.name == name) {
            contents.for_each_object(table, &mut SchemaViolations::default(), |object| {
                let object: Value = serde_json::from_slice(object.json).expect("it is JSON");
                objects.push(object);
                Ok::<_, JupiterOneError>(())
            })?;
        }
    }
    Ok(objects)
}

fn of<'a>(plan: &'a DeliveryPlan, name: &str) -> &'a TypeChanges {
    plan.types.iter().find(|changes| changes.type_name == name).expect("a known type")
}

fn delivered_with(extras: Extras) -> Result<Delivered, JupiterOneError> {
    Ok(Delivered { extras, ..delivered_before()? })
}

#[test]
fn a_user_is_mapped_to_the_person_with_its_first_address_and_no_person_is_made() -> Checked {
    let place = Place::new()?;
    let emails: [Option<&[&str]>; 4] = [
        Some(&["jane@acme.example", "j@acme.example"]),
        None,
        Some(&["no address"]),
        Some(&["o\"hara@acme.example"]),
    ];
    let generation = publish(&place, FIRST, &emails, false)?;
    let contents = Contents::new(generation.clone(), &STEPS, None, PERSONS);
    let found = objects_of(&contents, USER_IS_PERSON)?;
    let expected = json!({
        "_key": "nexthink_user:0|is|FORWARD:_class=Person:email=jane@acme.example",
        "_type": "nexthink_user_is_person",
        "_class": "IS",
        "displayName": "IS",
        "_mapping": {
            "relationshipDirection": "FORWARD",
            "sourceEntityKey": "nexthink_user:0",
            "targetFilterKeys": [["_class", "email"]],
            "targetEntity": { "_class": "Person", "email": "jane@acme.example" },
            "skipTargetCreation": true,
        },
    });
    assert_eq!(found, [expected]);
    let usual = Contents::new(generation, &STEPS, None, Extras::default());
    assert!(objects_of(&usual, USER_IS_PERSON)?.is_empty());
    assert!(!usual.partial_datasets().contains(USER_IS_PERSON));
    Ok(())
}

#[tokio::test]
async fn relationships_to_persons_are_deleted_only_if_the_users_are_complete() -> Checked {
    let server = jupiterone(JupiterOneBehaviour::default()).await?;
    let place = Place::new()?;
    let two: [Option<&[&str]>; 2] = [Some(&["a@acme.example"]), Some(&["b@acme.example"])];
    let one: [Option<&[&str]>; 2] = [Some(&["a@acme.example"]), None];
    let before = Contents::new(
        publish(&place, FIRST, &two, false)?,
        &STEPS,
        Some(&delivered_with(PERSONS)?),
        PERSONS,
    );
    deliver(&server, before.clone()).await?;
    assert_eq!(kept(&server, USER_IS_PERSON).len(), 2);
    for (partial, left) in [(true, 2), (false, 1)] {
        let place = Place::new()?;
        let generation = publish(&place, SECOND, &one, partial)?;
        let now = Contents::new(generation, &STEPS, Some(&delivered_with(PERSONS)?), PERSONS);
        assert_eq!(now.partial_datasets().contains(USER_IS_PERSON), partial);
        let plan = plan_between(Some(&before), &now)?;
        let changes = of(&plan, USER_IS_PERSON);
        let gone = u64::from(!partial);
        assert_eq!((changes.unchanged, changes.deletes, changes.kept), (1, gone, 1 - gone));
        deliver(&server, now).await?;
        assert_eq!(kept(&server, USER_IS_PERSON).len(), left);
    }
    Ok(())
}

#[tokio::test]
async fn errors_of_mapped_relationships_and_of_raw_data_leave_a_delivery_incomplete() -> Checked {
    let emails: [Option<&[&str]>; 1] = [Some(&["a@acme.example"])];
    for (name, is_whole) in [
        ("numMappedRelationshipsUpdated", true),
        ("numMappedRelationshipCreateErrors", false),
        ("numEntityRawDataEntryUpdateErrors", false),
        ("numRelationshipRawDataEntryDeleteErrors", false),
    ] {
        let (place, server) = (Place::new()?, jupiterone(JupiterOneBehaviour::default()).await?);
        server.update(|behaviour| _ = behaviour.counted_errors.insert(name, 1));
        let generation = publish(&place, FIRST, &emails, false)?;
        let contents = Contents::new(generation, &STEPS, Some(&delivered_with(PERSONS)?), PERSONS);
        let report = deliver(&server, contents).await?;
        assert_eq!(report.counters.num_mapped_relationships_created, 1, "{name}");
        assert_eq!(report.is_whole(), is_whole, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn switched_off_they_stay_until_they_are_purged() -> Checked {
    let server = jupiterone(JupiterOneBehaviour::default()).await?;
    let place = Place::new()?;
    let emails: [Option<&[&str]>; 2] = [Some(&["a@acme.example"]), None];
    let generation = publish(&place, FIRST, &emails, false)?;
    let with = Contents::new(generation.clone(), &STEPS, Some(&delivered_before()?), PERSONS);
    let delivered = deliver(&server, with.clone()).await?.delivered(None);
    assert_eq!(delivered.extras, PERSONS);

    let without = Contents::new(generation, &STEPS, Some(&delivered), Extras::default());
    let plan = plan_between(Some(&with), &without)?;
    assert_eq!((of(&plan, USER_IS_PERSON).deletes, of(&plan, USER_IS_PERSON).kept), (0, 1));
    deliver(&server, without.clone()).await?;
    assert_eq!(kept(&server, USER_IS_PERSON).len(), 1);

    let purged = without.purge(&[USER_IS_PERSON])?;
    let plan = plan_between(Some(&with), &purged)?;
    assert_eq!(of(&plan, USER_IS_PERSON).deletes, 1);
    deliver(&server, purged).await?;
    assert!(kept(&server, USER_IS_PERSON).is_empty());
    assert_eq!(kept(&server, "nexthink_user").len(), 2);
    Ok(())
}

#[test]
fn raw_data_has_the_stored_values_as_they_are_and_is_a_change() -> Checked {
    let place = Place::new()?;
    let emails: [Option<&[&str]>; 1] = [Some(&["no address"])];
    let generation = publish(&place, FIRST, &emails, false)?;
    let contents = |extras| {
        let delivered = delivered_with(extras)?;
        Ok::<_, JupiterOneError>(Contents::new(
            generation.clone(),
            &STEPS,
            Some(&delivered),
            extras,
        ))
    };
    let (usual, raw) = (contents(Extras::default())?, contents(RAW_DATA)?);
    let found = objects_of(&raw, "nexthink_user")?;
    assert_eq!(found[0]["email"], Value::Null);
    assert_eq!(found[0]["department"].as_str().map(str::len), Some(4096));
    let record = json!({
        "name": "nexthink_user:0",
        "displayName": "nexthink_user:0",
        "email": ["no address"],
        "department": "x".repeat(5_000),
        "lastSeenOn": 1_795_000_000_000_u64,
    });
    assert_eq!(found[0]["_rawData"], json!([{ "name": "default", "rawData": record }]));
    assert_eq!(objects_of(&usual, "nexthink_user")?[0].get("_rawData"), None);
    let plan = plan_between(Some(&usual), &raw)?;
    assert_eq!(of(&plan, "nexthink_user").updates, 1);
    assert!(plan_between(Some(&raw), &raw)?.is_empty());
    Ok(())
}

#[test]
fn the_folder_has_what_was_asked_for() -> Checked {
    let place = Place::new()?;
    let emails: [Option<&[&str]>; 2] = [Some(&["a@acme.example"]), None];
    let generation = publish(&place, FIRST, &emails, false)?;
    let folder = place.folder.path().join("out");
    let steps = [StepResult { step: &USER_STEP, status: StepStatus::Success }];
    let extras = Extras { persons: true, raw_data: true };
    let contents = Contents::for_folder(generation, &[&USER_STEP], extras);
    let report = export_folder(&contents, &steps, &folder)?;
    assert_eq!(report.objects[USER_IS_PERSON], 1);
    let relationships = folder.join(".j1-integration/graph/relationships").join(USER_IS_PERSON);
    let files = std::fs::read_dir(relationships)?.collect::<Result<Vec<_>, _>>()?;
    let content: Value = serde_json::from_slice(&std::fs::read(files[0].path())?)?;
    let relationships = content["relationships"].as_array().expect("a list");
    assert_eq!(relationships[0]["_mapping"]["sourceEntityKey"], "nexthink_user:0");
    let mapped = json!({
        "_type": USER_IS_PERSON,
        "_class": "IS",
        "sourceType": "nexthink_user",
        "targetType": "person",
        "direction": "FORWARD",
    });
    assert_eq!(declared_steps(&folder)?[0]["mappedRelationships"], json!([mapped]));
    let page = std::fs::read_to_string(folder.join("docs/jupiterone.md"))?;
    assert!(page.contains("### Mapped Relationships"), "{page}");
    let summary = std::fs::read(folder.join(".j1-integration/summary.json"))?;
    let summary: Value = serde_json::from_slice(&summary)?;
    let counts = &summary["integrationStepResults"][0]["encounteredTypeCounts"];
    assert_eq!(*counts, json!({ "nexthink_user": 2, USER_IS_PERSON: 1 }));
    Ok(())
}
