//! The changes of a delivery, before it is made.

use core_destination::{DeliveryPlan, TypeChanges};
use core_jupiterone::{Contents, Extras, plan_between};

use crate::support::{
    Checked, Estate, FIRST, Place, SECOND, STEPS, delivered_before, device_columns, write,
};

fn of<'a>(plan: &'a DeliveryPlan, name: &str) -> &'a TypeChanges {
    plan.types.iter().find(|changes| changes.type_name == name).expect("a known type")
}

#[test]
fn without_a_last_delivery_everything_is_created() -> Checked {
    let place = Place::new()?;
    let plan = plan_between(None, &place.contents(FIRST, &Estate::of(4))?)?;
    assert_eq!(of(&plan, "nexthink_device").creates, 4);
    assert_eq!(of(&plan, "nexthink_device_has_alert").creates, 2);
    assert!(!plan.is_empty());
    Ok(())
}

#[test]
fn creates_updates_and_deletes_are_told_by_type() -> Checked {
    let place = Place::new()?;
    let before = place.contents(FIRST, &Estate::of(4))?;
    let mut estate = Estate::of(6);
    estate.devices.remove(0);
    let same = plan_between(Some(&before), &place.contents(SECOND, &estate)?)?;
    let devices = of(&same, "nexthink_device");
    assert_eq!(
        (devices.creates, devices.updates, devices.deletes, devices.unchanged),
        (2, 0, 1, 3)
    );

    estate.model = "Precision";
    let other = Place::new()?;
    let changed = plan_between(Some(&before), &other.contents(SECOND, &estate)?)?;
    let devices = of(&changed, "nexthink_device");
    assert_eq!(
        (devices.creates, devices.updates, devices.deletes, devices.unchanged),
        (2, 3, 1, 0)
    );
    let edges = of(&changed, "nexthink_account_has_device");
    assert_eq!((edges.creates, edges.updates, edges.deletes, edges.unchanged), (2, 0, 1, 3));
    Ok(())
}

#[test]
fn the_same_estate_needs_no_job() -> Checked {
    let place = Place::new()?;
    let before = place.contents(FIRST, &Estate::of(4))?;
    let plan = plan_between(Some(&before), &place.contents(SECOND, &Estate::of(4))?)?;
    assert!(plan.is_empty(), "{plan:?}");
    assert_eq!(of(&plan, "nexthink_device").unchanged, 4);
    Ok(())
}

#[test]
fn a_partial_type_deletes_nothing_and_is_worth_a_job_when_it_is_complete_again() -> Checked {
    let place = Place::new()?;
    let before = place.contents(FIRST, &Estate::of(4))?;
    let mut estate = Estate::of(2);
    estate.partial = vec!["nexthink_device"];
    let partial = place.contents(SECOND, &estate)?;
    let plan = plan_between(Some(&before), &partial)?;
    let devices = of(&plan, "nexthink_device");
    assert_eq!((devices.deletes, devices.kept), (0, 2));

    let other = Place::new()?;
    let again = other.contents(SECOND, &Estate::of(2))?;
    let plan = plan_between(Some(&partial), &again)?;
    assert!(plan.completed.contains(&"nexthink_device".to_owned()));
    assert!(!plan.is_empty());
    Ok(())
}

#[test]
fn a_type_that_is_gone_is_deleted_only_when_it_is_purged() -> Checked {
    let place = Place::new()?;
    let before = place.contents(FIRST, &Estate::of(4))?;
    let generation = place.publish_tables(SECOND, |_| Ok(Vec::new()))?;
    let next = Contents::new(generation, &STEPS, Some(&delivered_before()?), Extras::default());
    let plan = plan_between(Some(&before), &next)?;
    assert!(plan.is_empty(), "{plan:?}");
    assert_eq!(of(&plan, "nexthink_alert").kept, 2);
    let plan = plan_between(Some(&before), &next.purge(&["nexthink_alert"])?)?;
    assert_eq!(of(&plan, "nexthink_alert").deletes, 2);
    assert_eq!(of(&plan, "nexthink_device_has_alert").deletes, 2);
    Ok(())
}

#[test]
fn a_relationship_goes_with_its_end_also_where_its_type_is_partial() -> Checked {
    let place = Place::new()?;
    let before = place.contents(FIRST, &Estate::of(4))?;
    let mut estate = Estate::of(2);
    estate.partial = vec!["nexthink_account_has_device"];
    let plan = plan_between(Some(&before), &place.contents(SECOND, &estate)?)?;
    let edges = of(&plan, "nexthink_account_has_device");
    assert_eq!((edges.deletes, edges.kept), (2, 0));
    Ok(())
}

#[test]
fn another_class_of_a_type_is_an_update_of_each_of_its_objects() -> Checked {
    let place = Place::new()?;
    let publish = |id: &str, class: &[&str]| {
        let keys = ["nexthink_device:a".to_owned(), "nexthink_device:b".to_owned()];
        place.publish_tables(id, |staging| {
            let columns = device_columns(&keys, "Latitude");
            Ok(vec![write(staging, "nexthink_device", class, None, columns)?])
        })
    };
    let contents = |generation| {
        let delivered = delivered_before()?;
        Ok::<_, Box<dyn std::error::Error>>(Contents::new(
            generation,
            &STEPS,
            Some(&delivered),
            Extras::default(),
        ))
    };
    let before = contents(publish(FIRST, &["Device"])?)?;
    let next = contents(publish(SECOND, &["Device", "Host"])?)?;
    let plan = plan_between(Some(&before), &next)?;
    let devices = of(&plan, "nexthink_device");
    assert_eq!((devices.updates, devices.unchanged), (2, 0), "the rows are the same");
    Ok(())
}

#[test]
fn a_type_that_was_partial_and_is_complete_now_may_lose_more_than_is_known() -> Checked {
    let place = Place::new()?;
    let partial = Estate { partial: vec!["nexthink_alert"], ..Estate::of(4) };
    let before = place.contents(FIRST, &partial)?;
    let plan = plan_between(Some(&before), &place.contents(SECOND, &Estate::of(4))?)?;
    assert_eq!(plan.completed, ["nexthink_alert", "nexthink_device_has_alert"]);
    assert!(!plan.is_empty(), "that is worth a job by itself");
    let again = plan_between(Some(&before), &before)?;
    assert!(again.completed.is_empty() && again.is_empty(), "{again:?}");
    Ok(())
}
