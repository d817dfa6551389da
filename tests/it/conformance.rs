//! The declarations against JupiterOne's integration page for Nexthink, of which the tables here
//! are copies.

use core_model::column::Column;
use core_model::entity::EntityType;
use core_model::plan::{Decision, Plan};
use core_model::step::Step;
use core_simulator::SavedQuery;

fn entities() -> Vec<&'static EntityType> {
    Step::generation_steps().into_iter().flat_map(|step| step.entities).copied().collect()
}

#[test]
fn every_step_lists_the_columns_of_its_saved_query_in_their_order() {
    let mut n_exports = 0;
    for step in Step::generation_steps() {
        let Some(query) = step.query() else { continue };
        let saved = SavedQuery::from_id(query.suggested_id).expect("the tenant has it");
        assert_eq!(step.columns(), saved.columns(), "{}", step.id);
        n_exports += 1;
    }
    assert_eq!(n_exports, SavedQuery::ALL.len());
}

#[test]
fn every_saved_query_begins_with_the_table_of_the_page() {
    let mut tables = Vec::new();
    for step in Step::integration_steps() {
        let (Some(query), Some(nql)) = (step.query(), step.nql()) else { continue };
        let words: Vec<&str> = nql.split_whitespace().collect();
        let (head, columns) = words.split_at(3);
        assert_eq!(columns.join(" "), step.columns().join(", "), "{}", step.id);
        tables.push((query.suggested_id, head.join(" ")));
    }
    tables.sort();
    let expected = [
        ("#j1_alerts", "alerts | list"),
        ("#j1_devices", "devices | list"),
        ("#j1_packages", "package.installed_packages | list"),
        ("#j1_users", "users | list"),
    ];
    assert_eq!(tables, expected.map(|(id, head)| (id, head.to_owned())));
}

#[test]
fn the_steps_are_named_and_configured_as_on_the_page() {
    let exports = Step::integration_steps().into_iter().filter(|step| step.query().is_some());
    let names: Vec<_> = exports
        .map(|export| (export.name, export.query().map(|query| query.config_field)))
        .collect();
    let expected = [
        ("Fetch Alerts", Some("alerts")),
        ("Fetch Devices", Some("devices")),
        ("Fetch Packages", Some("packages")),
        ("Fetch Users", Some("users")),
    ];
    assert_eq!(names, expected);
}

#[test]
fn the_entity_types_are_those_of_the_page() {
    let mut made: Vec<(&str, &str, Vec<&str>)> = entities()
        .into_iter()
        .map(|entity| {
            (
                entity.resource,
                entity.type_name,
                entity.class.iter().map(|class| class.name()).collect(),
            )
        })
        .collect();
    made.sort_unstable();
    let expected = [
        ("Account", "nexthink_account", vec!["Account"]),
        ("Alert", "nexthink_alert", vec!["Alert", "Finding"]),
        ("Device", "nexthink_device", vec!["Device"]),
        ("Package", "nexthink_package", vec!["Application"]),
        ("User", "nexthink_user", vec!["User"]),
    ];
    assert_eq!(made, expected);
}

#[test]
fn the_relationship_types_are_those_of_the_page_in_its_order() {
    let plan =
        Plan::new(&Step::integration_steps(), |_| Decision::Run).expect("the steps make a plan");
    let made = plan.steps().iter().flat_map(|planned| planned.step.relationships);
    let made =
        made.map(|edge| (edge.from.entity.type_name, edge.class.name(), edge.to.entity.type_name));
    let expected = [
        ("nexthink_account", "HAS", "nexthink_device"),
        ("nexthink_account", "HAS", "nexthink_user"),
        ("nexthink_device", "INSTALLED", "nexthink_package"),
        ("nexthink_device", "HAS", "nexthink_alert"),
        ("nexthink_user", "HAS", "nexthink_alert"),
    ];
    assert_eq!(made.collect::<Vec<_>>(), expected);
}

#[test]
fn every_column_that_a_step_reads_says_what_it_tells_about_people() {
    let declared: Vec<&str> = Column::all().iter().map(|column| column.name).collect();
    let mut once = declared.clone();
    once.dedup();
    assert_eq!(declared, once, "each column is declared once");
    for step in Step::all() {
        for column in [step.columns(), step.unlisted_columns()].concat() {
            assert!(declared.contains(&column), "{}: {column}", step.id);
        }
    }
}

#[test]
fn every_type_has_the_properties_that_the_page_marks_as_required() {
    for (type_name, expected) in [
        ("nexthink_account", &["region", "tenantId"][..]),
        (
            "nexthink_alert",
            &[
                "duration",
                "monitorName",
                "monitorNqlId",
                "monitorOrigin",
                "monitorPriority",
                "monitorType",
                "triggerValue",
            ],
        ),
        ("nexthink_device", &["collectorUid", "entity", "licenseType", "sid"]),
        ("nexthink_package", &["packageType", "platform", "publisher", "version"]),
        ("nexthink_user", &["department", "entity", "sid", "upn", "userType"]),
    ] {
        let entity = entities().into_iter().find(|entity| entity.type_name == type_name);
        let entity = entity.expect("the type is made");
        let own =
            entity.properties.iter().filter(|property| property.required && entity.owns(property));
        let mut own: Vec<_> =
            own.map(|property| (property.name, property.documented_type())).collect();
        own.sort_unstable();
        // The page gives the account's two the type `string`, all others `string | null`.
        let is_account = type_name == "nexthink_account";
        let documented = if is_account { "string" } else { "string | null" };
        let expected: Vec<_> = expected.iter().map(|name| (*name, documented.to_owned())).collect();
        assert_eq!(own, expected, "{type_name}");
    }
}
