//! Which rows, edges, texts and events stay.

use core_erasure::ErasureError;
use core_erasure::cleansing::Cleanser;
use core_erasure::subject::SubjectKind;
use core_model::relationship::TO_KEY;
use core_privacy::suppression::Suppressions;
use core_store::TableKind;
use serde_json::json;

use crate::kit::{
    EVER, NAME, Place, alert, batch_of, device, edge, keys, list_of, published_keys,
    suppressions_of, user,
};

const USERS: &str = "nexthink_user";
const HAS_USER: &str = "nexthink_account_has_user";

fn zoe_and_eve(place: &Place, number: u32) {
    place.publish(
        number,
        &[
            (
                USERS,
                vec![
                    user("u-zoe-1", json!({ "upn": "zoe@acme.example", "sid": "S-1-5-21-1" })),
                    user("u-eve-2", json!({ "upn": "eve@acme.example", "sid": "S-1-5-21-2" })),
                ],
            ),
            (
                HAS_USER,
                vec![
                    edge("nexthink_account:acme", "nexthink_user:u-eve-2"),
                    edge("nexthink_account:acme", "nexthink_user:u-zoe-1"),
                ],
            ),
        ],
    );
}

fn suppressions(place: &Place, address: &str) -> Suppressions {
    suppressions_of(&place.find(SubjectKind::User, &[address]).expect("it is one"))
}

#[test]
fn an_erased_person_goes_with_their_edges_from_every_generation() {
    let place = Place::new();
    zoe_and_eve(&place, 1);
    zoe_and_eve(&place, 2);
    let (tables, _) = place.cleanse(&suppressions(&place, "zoe@acme.example"));
    let once = [(USERS.to_owned(), 1), (HAS_USER.to_owned(), 1)];
    assert_eq!(tables, [once.clone(), once].concat());
    assert_eq!(published_keys(&place, TableKind::Entity, USERS, "_key"), ["nexthink_user:u-eve-2"]);
    assert_eq!(
        published_keys(&place, TableKind::Relationship, HAS_USER, TO_KEY),
        ["nexthink_user:u-eve-2"]
    );
}

#[test]
fn cleansing_twice_changes_nothing_more() {
    let place = Place::new();
    zoe_and_eve(&place, 1);
    let suppressions = suppressions(&place, "zoe@acme.example");
    assert_eq!(place.cleanse(&suppressions).0.len(), 2);
    assert_eq!(place.cleanse(&suppressions).0, []);
}

#[test]
fn nothing_is_removed_where_no_person_was_erased() {
    let place = Place::new();
    zoe_and_eve(&place, 1);
    place.append_events(&[("ACME\\zoe", "zoe@acme.example logged in")]);
    assert_eq!(place.cleanse(&Suppressions::default()), (Vec::new(), 0));
}

#[test]
fn the_next_owner_of_an_address_stays() {
    let place = Place::new();
    zoe_and_eve(&place, 1);
    let suppressions = suppressions(&place, "zoe@acme.example");
    let successor = json!({ "upn": "zoe@acme.example", "sid": "S-1-5-21-9" });
    place.publish(2, &[(USERS, vec![user("u-new-9", successor)])]);
    place.cleanse(&suppressions);
    assert_eq!(published_keys(&place, TableKind::Entity, USERS, "_key"), ["nexthink_user:u-new-9"]);
}

#[test]
fn a_device_of_the_erased_person_stays_and_its_own_erasure_removes_it() {
    let place = Place::new();
    let devices =
        vec![device("d-one-1", json!({ "hostname": "pc-1" })), device("d-two-2", json!({}))];
    place.publish(1, &[("nexthink_device", devices), (USERS, vec![user("u-zoe-1", json!({}))])]);
    let zoe = place.find(SubjectKind::User, &["u-zoe-1"]).expect("it is one");
    assert_eq!(place.cleanse(&suppressions_of(&zoe)).0, [(USERS.to_owned(), 1)]);
    let pc = place.find(SubjectKind::Device, &["d-one-1"]).expect("it is one");
    assert_eq!(place.cleanse(&suppressions_of(&pc)).0, [("nexthink_device".to_owned(), 1)]);
}

#[test]
fn a_free_text_of_another_object_that_names_the_person_is_emptied_once() {
    let place = Place::new();
    let publish = |number| {
        let alerts = vec![
            alert("a-one-1", json!({ "triggerValue": "mailbox of zoe@acme.example is full" })),
            alert("a-two-2", json!({ "triggerValue": "mailbox of eve@acme.example is full" })),
        ];
        let zoe = user("u-zoe-1", json!({ "upn": "zoe@acme.example" }));
        place.publish(number, &[("nexthink_alert", alerts), (USERS, vec![zoe])]);
    };
    publish(1);
    publish(2);
    let suppressions = suppressions(&place, "zoe@acme.example");
    let cleanser = Cleanser::new(&suppressions);
    cleanser.cleanse_generations(&place.lock, &|_| Vec::new()).expect("nothing is damaged");
    assert_eq!(cleanser.emptied_texts(), 1, "the same text of two generations counts once");
    assert_eq!(
        published_keys(&place, TableKind::Entity, "nexthink_alert", "triggerValue"),
        ["(empty)", "mailbox of eve@acme.example is full"]
    );
    assert_eq!(
        cleanser.into_removed_keys().into_iter().collect::<Vec<_>>(),
        ["nexthink_user:u-zoe-1"]
    );
}

#[test]
fn events_go_whose_actor_or_record_is_the_person() {
    let place = Place::new();
    let identified = json!({ "upn": "zoe@acme.example", "username": ["ACME\\zoe"] });
    place.publish(1, &[(USERS, vec![user("u-zoe-1", identified)])]);
    place.append_events(&[
        ("ACME\\zoe", "[Portal|LOGIN|20101|ACME\\zoe] logged in"),
        ("ACME\\eve", "[Portal|USER|91012|ACME\\eve] user zoe@acme.example created"),
        ("ACME\\eve", "[Portal|LOGIN|20101|ACME\\eve] logged in"),
        ("ACME\\zoe2", "[Portal|LOGIN|20101|ACME\\zoe2] logged in"),
    ]);
    let (_, removed) = place.cleanse(&suppressions(&place, "zoe@acme.example"));
    assert_eq!(removed, 2);
    assert_eq!(place.tenant().events("audit").expect("they are cleansed").rows(), 2);
}

#[test]
fn a_list_of_erased_people_is_enough_to_cleanse_an_older_copy() {
    let place = Place::new();
    zoe_and_eve(&place, 1);
    let zoe = place.find(SubjectKind::User, &["zoe@acme.example"]).expect("it is one");
    let text = list_of("e-1", &zoe).to_text();
    drop(zoe);
    let list = core_privacy::suppression::SuppressionList::parse(&text).expect("it is a list");
    let (tables, _) = place.cleanse(&list.matcher(&keys(), NAME, EVER).expect("the key is right"));
    assert_eq!(tables.len(), 2);
}

#[test]
fn a_batch_without_the_person_is_not_rewritten() {
    let place = Place::new();
    zoe_and_eve(&place, 1);
    let suppressions = suppressions(&place, "zoe@acme.example");
    let generation = place.tenant().current().expect("it is whole").expect("it is published");
    let table = generation.manifest().table(TableKind::Entity, USERS).expect("it is there");
    let cleanser = Cleanser::new(&suppressions);
    let eve = batch_of(USERS, &[user("u-eve-2", json!({ "upn": "eve@acme.example" }))]);
    assert!(cleanser.keep(table, &eve).is_none());
    let zoe = batch_of(USERS, &[user("u-zoe-1", json!({}))]);
    assert_eq!(cleanser.keep(table, &zoe).map(|rows| rows.num_rows()), Some(0));
}

#[test]
fn damaged_events_say_how_to_go_on() {
    let place = Place::new();
    zoe_and_eve(&place, 1);
    place.append_events(&[("ACME\\eve", "logged in")]);
    let suppressions = suppressions(&place, "zoe@acme.example");
    let files = place.tenant().files().expect("they can be listed");
    let (_, path) = files
        .iter()
        .find(|(name, _)| name.starts_with("events/") && name.ends_with(".parquet"))
        .expect("one was written");
    core_files::replace_file(path, b"damaged").expect("it is ours");
    let cleanser = Cleanser::new(&suppressions);
    let error = cleanser.cleanse_events(&mut place.appender(), "nexthink-graph");
    let error = error.expect_err("the file is damaged");
    assert!(matches!(error, ErasureError::EventsDamaged { .. }), "{error}");
    assert!(error.to_string().contains("`nexthink-graph backfill audit --start-over"), "{error}");
}
