//! What JupiterOne may delete, for every outcome of every type, against a model of its own.

use core_simulator::JupiterOneBehaviour;

use crate::support::{Checked, Estate, FIRST, Place, SECOND, STEPS, deliver, jupiterone, kept};
use core_jupiterone::{Contents, JupiterOneError};

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

/// Whether the objects that are gone may be deleted, written down independently: the type and, of a
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
            let place = TYPES.iter().position(|it| *it == name).expect("a known type");
            if outcomes >> place & 1 == 1 { Outcome::Partial } else { Outcome::Complete }
        };
        let server = jupiterone(JupiterOneBehaviour::default()).await?;
        let place = Place::new()?;
        deliver(&server, place.contents(FIRST, &Estate::of(4))?).await?;
        let mut estate = Estate::of(2);
        estate.partial = TYPES.iter().copied().filter(|it| of(it) == Outcome::Partial).collect();
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
    let contents = Contents::new(generation, &STEPS, None);
    assert_eq!(contents.partial_datasets().len(), 5);
    deliver(&server, contents).await?;
    for (name, expected) in TYPES.iter().zip([1, 4, 2, 4, 2]) {
        assert_eq!(kept(&server, name).len(), expected, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn a_type_that_only_the_last_delivery_had_stays_until_it_is_purged() -> Checked {
    let server = jupiterone(JupiterOneBehaviour::default()).await?;
    let place = Place::new()?;
    let first = place.contents(FIRST, &Estate::of(4))?;
    let previous = first.generation().manifest().clone();
    deliver(&server, first).await?;

    // No step makes alerts any more, and no generation has them.
    let steps = &STEPS[..2];
    let generation = place.publish_tables(SECOND, |_| Ok(Vec::new()))?;
    let contents = Contents::new(generation, steps, Some(&previous));
    deliver(&server, contents.clone()).await?;
    assert_eq!(kept(&server, "nexthink_alert").len(), 2);

    let purged = contents.purge(&["nexthink_alert"])?;
    let names: Vec<_> = purged.purged_types().iter().map(String::as_str).collect();
    assert_eq!(names, ["nexthink_alert", "nexthink_device_has_alert"]);
    deliver(&server, purged).await?;
    assert!(kept(&server, "nexthink_alert").is_empty());
    assert_eq!(kept(&server, "nexthink_device").len(), 4);
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
