//! Two invented types and their steps: things stand on shelves.

use core_model::class::{Class, RelationshipClass};
use core_model::entity::EntityType;
use core_model::property::{Property, text};
use core_model::relationship::{EdgeProperty, RelationshipType, row};
use core_model::step::{Query, Source, Step};

const fn display_name(columns: &'static [&'static str]) -> Property {
    text("displayName", columns, "Name.").never_null()
}

pub(crate) static SHELF: EntityType = EntityType {
    type_name: "shop_shelf",
    class: &[Class::Application],
    resource: "Shelf",
    key_column: "shelf.uid",
    key_else: &[],
    properties: &[text("name", &["shelf.uid"], "Name.").never_null(), display_name(&["shelf.uid"])],
}
.checked();

pub(crate) static THING: EntityType = EntityType {
    type_name: "shop_thing",
    class: &[Class::Application],
    resource: "Thing",
    key_column: "thing.uid",
    key_else: &["thing.serial", "thing.maker"],
    properties: &[
        text("name", &["thing.name", "thing.uid"], "Name.").never_null(),
        display_name(&["thing.name", "thing.uid"]),
        text("label", &["thing.label"], "Label."),
    ],
}
.checked();

pub(crate) static SHELF_HAS_THING: RelationshipType = RelationshipType {
    type_name: "shop_shelf_has_thing",
    from: row(&SHELF, "shelf.uid"),
    class: RelationshipClass::Has,
    to: row(&THING, "thing.uid"),
    properties: &[EdgeProperty { name: "label", description: "Label." }],
}
.checked();

const fn query(table: &'static str) -> Source {
    Source::Export(Query {
        config_field: table,
        suggested_id: "#x",
        table,
        aliases: &[("thing.label", "thing.tag")],
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
