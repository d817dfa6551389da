//! The objects that JupiterOne may delete, for every outcome of every type, against a model of its own.

use core_simulator::JupiterOneBehaviour;

use crate::support::{
    Checked, Estate, FIRST, FOURTH, Place, SECOND, STEPS, THIRD, deliver, delivered_before,
    jupiterone, kept,
};
use core_jupiterone::{Contents, Extras, JupiterOneError};

const TYPES: [&str; 5] = [
    "nexthink_account",
    "nexthink_device",
    "nexthink_alert",
    "nexthink_account_has_device",
    "nexthink_device_has_alert",
];

/// Everything that a type of the second generation can be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    Complete,
    Partial,
}

/// Returns whether the objects that are gone may be deleted, written down independently: the type and, of a
/// relationship, both ends are complete.
fn may_delete(type_name: &str, of: impl Fn(&str) -> Outcome) -> bool {
    let needs: &[&str] = match type_name {
        "nexthink_account_has_device" => {
            &["nexthink_account_has_device", "nexthink_account", "nexthink_device"]
        }
        "nexthink_device_has_alert" => {
            &["nexthink_device_has_alert", "nexthink_device", "nexthink_alert"]
        }
        _ => &[type_name],
    };
    needs.iter().all(|name| of(name) == Outcome::Complete)
}

#[tokio::test]
async fn only_complete_types_lose_what_is_gone() -> Checked {
    for outcomes in 0..1_u32 << TYPES.len() {
        let of = |name: &str| {
            let place =
                TYPES.iter().position(|type_name| *type_name == name).expect("a known type");
            if outcomes >> place & 1 == 1 { Outcome::Partial } else { Outcome::Complete }
        };
        let server = jupiterone(JupiterOneBehaviour::default()).await?;
        let place = Place::new()?;
        deliver(&server, place.contents(FIRST, &Estate::of(4))?).await?;
        let mut estate = Estate::of(2);
        estate.partial =
            TYPES.iter().copied().filter(|type_name| of(type_name) == Outcome::Partial).collect();
        deliver(&server, place.contents(SECOND, &estate)?).await?;

        for (name, before, after) in
            [("nexthink_device", 4, 2), ("nexthink_alert", 2, 1), ("nexthink_account", 1, 1)]
        {
            let expected = if may_delete(name, of) { after } else { before };
            assert_eq!(kept(&server, name).len(), expected, "{name} {outcomes:05b}");
        }
        // An edge also goes with an end that is deleted, and can never be kept then.
        let devices = kept(&server, "nexthink_device").len();
        let expected = if may_delete("nexthink_account_has_device", of) { 2 } else { devices };
        assert_eq!(kept(&server, "nexthink_account_has_device").len(), expected, "{outcomes:05b}");
        let (alerts, deletes) =
            (kept(&server, "nexthink_alert").len(), may_delete("nexthink_device_has_alert", of));
        let expected = if deletes { 1 } else { alerts.min(devices) };
        assert_eq!(kept(&server, "nexthink_device_has_alert").len(), expected, "{outcomes:05b}");
    }
    Ok(())
}

#[tokio::test]
async fn a_type_of_a_skipped_step_stays() -> Checked {
    let server = jupiterone(JupiterOneBehaviour::default()).await?;
    let place = Place::new()?;
    deliver(&server, place.contents(FIRST, &Estate::of(4))?).await?;
    let generation = place.publish_tables(SECOND, |_| Ok(Vec::new()))?;
    let contents = Contents::new(generation, &STEPS, Some(&delivered_before()?), Extras::default());
    assert_eq!(contents.partial_datasets().len(), 5);
    deliver(&server, contents).await?;
    for (name, expected) in TYPES.iter().zip([1, 4, 2, 4, 2]) {
        assert_eq!(kept(&server, name).len(), expected, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn a_first_delivery_deletes_nothing_of_what_is_there() -> Checked {
    let server = jupiterone(JupiterOneBehaviour::default()).await?;
    let place = Place::new()?;
    deliver(&server, place.contents(FIRST, &Estate::of(4))?).await?;
    // The same scope, by a program that does not know of the delivery before.
    let generation = place.publish(SECOND, &Estate::of(2))?;
    let report =
        deliver(&server, Contents::new(generation.clone(), &STEPS, None, Extras::default()))
            .await?;
    assert_eq!(report.partial_datasets.len(), TYPES.len());
    for (name, expected) in TYPES.iter().zip([1, 4, 2, 4, 2]) {
        assert_eq!(kept(&server, name).len(), expected, "{name}");
    }
    let delivered = report.delivered(None);
    deliver(&server, Contents::new(generation, &STEPS, Some(&delivered), Extras::default()))
        .await?;
    assert_eq!(kept(&server, "nexthink_device").len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_type_that_no_step_makes_any_more_stays_for_good_until_it_is_purged() -> Checked {
    let server = jupiterone(JupiterOneBehaviour::default()).await?;
    let place = Place::new()?;
    let first = place.publish(FIRST, &Estate::of(4))?;
    let report = deliver(&server, Contents::new(first, &STEPS, None, Extras::default())).await?;
    let mut delivered = report.delivered(None);

    // No step makes alerts any more, and no generation has them; the first one is not asked again.
    let steps = &STEPS[..2];
    for id in [SECOND, THIRD] {
        let generation = place.publish_tables(id, |_| Ok(Vec::new()))?;
        let contents = Contents::new(generation, steps, Some(&delivered), Extras::default());
        delivered = deliver(&server, contents).await?.delivered(Some(&delivered));
        assert_eq!(kept(&server, "nexthink_alert").len(), 2, "{id}");
        assert_eq!(kept(&server, "nexthink_device_has_alert").len(), 2, "{id}");
    }

    let generation = place.publish_tables(FOURTH, |_| Ok(Vec::new()))?;
    let contents = Contents::new(generation, steps, Some(&delivered), Extras::default());
    let report = deliver(&server, contents.clone().purge(&["nexthink_alert"])?).await?;
    assert!(kept(&server, "nexthink_alert").is_empty());
    assert_eq!(kept(&server, "nexthink_device").len(), 4);
    let delivered = report.delivered(Some(&delivered));
    let names: Vec<_> = delivered.purged.iter().map(String::as_str).collect();
    assert_eq!(names, ["nexthink_alert", "nexthink_device_has_alert"]);
    assert!(report.partial_datasets.iter().all(|type_name| !delivered.purged.contains(type_name)));
    // It is known still, so that it can be purged again, and is spared if it is not.
    let again =
        Contents::new(contents.generation().clone(), steps, Some(&delivered), Extras::default());
    assert!(again.partial_datasets().contains("nexthink_device_has_alert"));
    assert!(again.purge(&["nexthink_device_has_alert"]).is_ok());
    Ok(())
}

#[test]
fn a_type_that_does_not_exist_cannot_be_purged() -> Checked {
    let place = Place::new()?;
    let contents = place.contents(FIRST, &Estate::of(1))?;
    let error = contents.purge(&["nexthink_devices"]).expect_err("a slip");
    let JupiterOneError::UnknownType { known, .. } = error else { return Err(error.into()) };
    assert_eq!(known.len(), 5);
    Ok(())
}
