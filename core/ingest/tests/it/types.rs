//! Invented types and their steps: things stand on shelves, parcels stand alone.

use core_model::class::{Class, RelationshipClass};
use core_model::entity::EntityType;
use core_model::property::{
    Constant, Conversion, Otherwise, Property, convert, integer, lookup, text, timestamp,
};
use core_model::relationship::{EdgeProperty, RelationshipType, by_column};
use core_model::step::{Query, Source, Step};

const fn display_name(columns: &'static [&'static str]) -> Property {
    text("displayName", columns, "Name.").never_null()
}

pub(crate) static SHELF: EntityType = EntityType {
    type_name: "shop_shelf",
    class: &[Class::Application],
    resource: "Shelf",
    key_column: "shelf.uid",
    fallback_key: &[],
    newest_by: &[],
    properties: &[text("name", &["shelf.uid"], "Name.").never_null(), display_name(&["shelf.uid"])],
}
.checked();

pub(crate) static THING: EntityType = EntityType {
    type_name: "shop_thing",
    class: &[Class::Application],
    resource: "Thing",
    key_column: "thing.uid",
    fallback_key: &[&["thing.serial", "thing.number"], &["thing.maker"]],
    newest_by: &[],
    properties: &[
        text("name", &["thing.name", "thing.uid"], "Name.").never_null(),
        display_name(&["thing.name", "thing.uid"]),
        text("label", &["thing.label"], "Label."),
    ],
}
.checked();

/// A type with a property of every kind of value.
pub(crate) static PARCEL: EntityType = EntityType {
    type_name: "shop_parcel",
    class: &[Class::Application],
    resource: "Parcel",
    key_column: "parcel.uid",
    fallback_key: &[],
    newest_by: &["seenOn", "sentOn"],
    properties: &[
        text("name", &["parcel.name", "parcel.uid"], "Name.").never_null(),
        display_name(&["parcel.name", "parcel.uid"]),
        timestamp("sentOn", &["parcel.sent"], "When it was sent."),
        timestamp("seenOn", &["parcel.seen"], "When it was last seen."),
        integer("weight", &["parcel.weight"], "Weight in grams."),
        convert("kind", &["parcel.kind"], Conversion::LowerCase, "Kind."),
        convert("tags", &["parcel.tags"], Conversion::Ipv4Addresses, "Addresses."),
        lookup(
            "fragile",
            &["parcel.fragile"],
            &[("yes", Constant::Boolean(true)), ("no", Constant::Boolean(false))],
            Otherwise::Null,
            "Whether it breaks.",
        ),
    ],
}
.checked();

pub(crate) static SHELF_HAS_THING: RelationshipType = RelationshipType {
    type_name: "shop_shelf_has_thing",
    from: by_column(&SHELF, "shelf.uid"),
    class: RelationshipClass::Has,
    to: by_column(&THING, "thing.uid"),
    properties: &[EdgeProperty { name: "label", description: "Label." }],
}
.checked();

const fn query(table: &'static str) -> Source {
    Source::Export(Query {
        config_field: table,
        suggested_id: "#x",
        table,
        aliases: &[("thing.label", "thing.tag")],
        partition_column: "thing.uid",
        is_extra: false,
        expiry: None,
    })
}

pub(crate) static SHELVES: Step = Step {
    id: "fetch-shelves",
    name: "Fetch Shelves",
    depends_on: &[],
    source: query("shelves"),
    entities: &[&SHELF],
    relationships: &[],
};

pub(crate) static THINGS: Step = Step {
    id: "fetch-things",
    name: "Fetch Things",
    depends_on: &[&SHELVES],
    source: query("things"),
    entities: &[&THING],
    relationships: &[&SHELF_HAS_THING],
};

pub(crate) static PARCELS: Step = Step {
    id: "fetch-parcels",
    name: "Fetch Parcels",
    depends_on: &[],
    source: query("parcels"),
    entities: &[&PARCEL],
    relationships: &[],
};
