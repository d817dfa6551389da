//! The types of which nothing may be deleted: by the generation, the last delivery, losses, purges and extras.

use std::collections::{BTreeMap, BTreeSet};

use core_jupiterone::{Contents, Delivered, Extras, JobId, SHAPE_VERSION};
use core_model::prelude::*;
use core_simulator::JupiterOneBehaviour;
use core_store::TableKind;

use crate::support::{
    Checked, Estate, FIRST, Place, SECOND, STEPS, client, delivered_before, jupiterone,
    quick_settings,
};

const DEVICE: &str = "nexthink_device";
const ALERT: &str = "nexthink_alert";
const HAS_ALERT: &str = "nexthink_device_has_alert";
const HAS_DEVICE: &str = "nexthink_account_has_device";

static EXTRA: EntityType = EntityType {
    type_name: "nexthink_login",
    class: &[Class::Record],
    resource: "Login",
    key_column: "login.uid",
    fallback_key: &[],
    newest_by: &[],
    properties: &[],
};

/// A step that is off unless it is asked for.
static EXTRA_STEP: Step = Step {
    id: "fetch-logins",
    name: "Fetch Logins",
    depends_on: &[],
    source: core_model::step::Source::Export(Query {
        config_field: "logins",
        suggested_id: "#logins",
        table: "logins",
        aliases: &[],
        partition_column: "login.uid",
        is_extra: true,
        expiry: None,
    }),
    entities: &[&EXTRA],
    relationships: &[],
};

fn names(types: &BTreeSet<String>) -> Vec<&str> {
    types.iter().map(String::as_str).collect()
}

fn set(types: &[&str]) -> BTreeSet<String> {
    types.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn a_type_that_lost_objects_is_partial_with_the_relationships_that_touch_it() -> Checked {
    let contents = Place::new()?.contents(FIRST, &Estate::of(2))?;
    assert_eq!(names(contents.partial_datasets()), [""; 0]);
    for (lost, expected) in [
        (vec![], vec![]),
        (vec![ALERT], vec![ALERT, HAS_ALERT]),
        (vec![HAS_ALERT], vec![HAS_ALERT]),
        (vec![DEVICE], vec![HAS_DEVICE, DEVICE, HAS_ALERT]),
    ] {
        let partial = contents.partial_datasets_with(lost.iter().copied());
        assert_eq!(names(&partial), expected, "{lost:?}");
    }
    assert_eq!(names(contents.partial_datasets()), [""; 0], "only that job is concerned");
    Ok(())
}

#[test]
fn what_is_purged_goes_although_it_touches_a_type_that_lost_objects() -> Checked {
    let contents = Place::new()?.contents(FIRST, &Estate::of(2))?.purge(&[ALERT])?;
    assert_eq!(names(contents.purged_types()), [ALERT, HAS_ALERT]);
    let partial = contents.partial_datasets_with([DEVICE]);
    assert_eq!(names(&partial), [HAS_DEVICE, DEVICE]);
    let tables = |kind| contents.tables(kind).map(|table| table.name.clone()).collect::<Vec<_>>();
    assert!(!tables(TableKind::Entity).contains(&ALERT.to_owned()));
    assert_eq!(tables(TableKind::Relationship), [HAS_DEVICE]);
    Ok(())
}

#[test]
fn a_partial_type_that_is_proven_in_another_way_is_complete_and_no_other_becomes_so() -> Checked {
    let estate = Estate { partial: vec![DEVICE, ALERT], ..Estate::of(2) };
    let contents = Place::new()?.contents(FIRST, &estate)?;
    assert_eq!(names(contents.partial_datasets()), [HAS_DEVICE, ALERT, DEVICE, HAS_ALERT]);
    let contents = contents.with_complete(&set(&[DEVICE, HAS_DEVICE]));
    assert_eq!(names(contents.partial_datasets()), [ALERT, HAS_ALERT]);
    Ok(())
}

#[test]
fn a_folder_calls_complete_what_the_generation_does() -> Checked {
    let place = Place::new()?;
    let estate = Estate { partial: vec![ALERT], ..Estate::of(2) };
    let generation = place.publish(FIRST, &estate)?;
    let folder = Contents::for_folder(generation.clone(), &STEPS, Extras::default());
    assert_eq!(names(folder.partial_datasets()), [ALERT, HAS_ALERT]);
    let job = Contents::new(generation, &STEPS, None, Extras::default());
    assert_eq!(job.partial_datasets().len(), 5, "what is there already is not known");
    Ok(())
}

#[test]
fn an_extra_that_was_never_asked_for_is_no_partial_type_and_one_that_was_delivered_is() -> Checked {
    let place = Place::new()?;
    let generation = place.publish(FIRST, &Estate::of(2))?;
    let steps: Vec<&Step> = STEPS.iter().copied().chain([&EXTRA_STEP]).collect();
    let never = delivered_before()?;
    let types = BTreeMap::from([("nexthink_login".to_owned(), None)]);
    let once = Delivered { types, ..delivered_before()? };
    let purged = Delivered { purged: set(&["nexthink_login"]), ..delivered_before()? };
    for (delivered, expected) in
        [(&never, vec![]), (&once, vec!["nexthink_login"]), (&purged, vec!["nexthink_login"])]
    {
        let (generation, extras) = (generation.clone(), Extras::default());
        let contents = Contents::new(generation, &steps, Some(delivered), extras);
        assert_eq!(names(contents.partial_datasets()), expected);
    }
    Ok(())
}

#[test]
fn relationships_that_only_the_last_delivery_knows_touch_the_types_at_their_ends() -> Checked {
    let place = Place::new()?;
    let ends = Some((DEVICE.to_owned(), "nexthink_room".to_owned()));
    let types = BTreeMap::from([("nexthink_device_in_room".to_owned(), ends)]);
    let delivered = Delivered { types, ..delivered_before()? };
    let generation = place.publish(FIRST, &Estate::of(2))?;
    let contents = Contents::new(generation, &STEPS, Some(&delivered), Extras::default());
    assert_eq!(names(contents.partial_datasets()), ["nexthink_device_in_room"]);
    let purged = contents.purge(&[DEVICE])?;
    let expected = [HAS_DEVICE, DEVICE, HAS_ALERT, "nexthink_device_in_room"];
    assert_eq!(names(purged.purged_types()), expected);
    Ok(())
}

#[tokio::test]
async fn a_record_names_its_job_before_anything_is_uploaded_and_keeps_what_was_there() -> Checked {
    let (server, place) = (jupiterone(JupiterOneBehaviour::default()).await?, Place::new()?);
    let client = client(&server, quick_settings())?;
    let job = JobId::parse("a-1")?;
    let contents = place.contents(FIRST, &Estate::of(2))?;
    let begun = Delivered::begin(None, client.destination(), &contents, &job);
    assert_eq!((begun.whole, begun.types.len(), begun.pending.clone()), (false, 0, Some(job)));
    let unfinished = begun.unfinished.clone().ok_or("the job is described")?;
    assert_eq!((unfinished.types.len(), unfinished.was_whole), (5, false));
    assert_eq!(unfinished.shape, SHAPE_VERSION);

    let before = Delivered { types: unfinished.types, ..delivered_before()? };
    let contents = place.contents(SECOND, &Estate::of(3))?.purge(&[ALERT])?;
    let next = JobId::parse("a-2")?;
    let begun = Delivered::begin(Some(&before), client.destination(), &contents, &next);
    assert_eq!(begun.generation.to_string(), FIRST, "JupiterOne has that still");
    assert_eq!((begun.whole, begun.types.len()), (false, 5));
    let unfinished = begun.unfinished.ok_or("the job is described")?;
    assert_eq!((unfinished.generation.to_string().as_str(), unfinished.was_whole), (SECOND, true));
    assert_eq!(names(&unfinished.purged), [ALERT, HAS_ALERT]);
    assert_eq!(unfinished.types.len(), 3);
    Ok(())
}
