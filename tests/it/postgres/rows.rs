//! The rows of the tables, and the report of a delivery.

use core_simulator::TenantSpec;

use super::Delivery;

#[test]
fn a_run_delivers_what_it_publishes_and_nothing_if_nothing_changed() {
    let delivery = Delivery::new();
    let run = delivery.scene.run_completely();
    let result = &run.report["mirrors"]["postgres"];
    assert_eq!(result["result"], "delivered", "{result}");
    assert_eq!(delivery.counts(), delivery.published());
    let again = delivery.scene.run_completely();
    assert_eq!(again.report["mirrors"]["postgres"]["result"], "nothing_changed");
    let generation: String =
        delivery.database.value(&format!("SELECT generation FROM {}._delivery", delivery.schema));
    assert_eq!(generation, delivery.scene.published().id().as_str(), "readers see how new it is");
}

#[test]
fn columns_have_the_types_of_the_generation_and_the_values_of_its_rows() {
    let delivery = Delivery::new();
    delivery.scene.run_completely();
    let query = format!(
        "SELECT column_name || ' ' || data_type FROM information_schema.columns WHERE table_schema = '{}' \
         AND table_name = 'nexthink_device' AND column_name IN ('_key', 'memoryBytes', 'lastSeenOn', 'name') \
         ORDER BY 1",
        delivery.schema
    );
    let types: Vec<String> = delivery.database.column(&query);
    assert!(types.contains(&"_key text".to_owned()), "{types:?}");
    assert!(types.iter().any(|of| of.ends_with("timestamp with time zone")), "{types:?}");
    // Hostile names too, against the rows that `query` prints.
    let query = "SELECT _key || ',' || name AS line FROM nexthink_device ORDER BY _key";
    let ours = delivery.scene.program(&["query", query, "--output", "ndjson"]);
    assert_eq!(ours.exit, Some(0), "{}", ours.stderr);
    let theirs: Vec<String> = delivery.database.column(&format!(
        "SELECT _key || ',' || name FROM {}.nexthink_device ORDER BY _key COLLATE \"C\"",
        delivery.schema
    ));
    let line = |text: &str| {
        let row: serde_json::Value = serde_json::from_str(text).expect("it is JSON");
        row["line"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(ours.stdout.lines().map(line).collect::<Vec<_>>(), theirs);
}

#[test]
fn a_plan_says_what_a_delivery_then_does() {
    let delivery = Delivery::new();
    delivery.scene.run_completely();
    delivery.configure_with(|configuration| {
        configuration.set("destinations.postgres.after_run", "false")
    });
    delivery.scene.update(|behaviour| {
        behaviour.tenant =
            TenantSpec { devices: 28, users: 27, alerts: 25, ..TenantSpec::default() };
    });
    let names = ["nexthink_alert", "nexthink_device_has_alert", "nexthink_user_has_alert"];
    let accepted = names.iter().flat_map(|name| ["--accept-shrink", name]);
    delivery.scene.run(&accepted.collect::<Vec<_>>());
    let before = delivery.counts();
    let (exit, plan, _) = delivery.sync(&["--dry-run"]);
    assert_eq!((exit, &plan["delivers"]), (Some(0), &true.into()), "{plan}");
    assert_eq!(delivery.counts(), before, "a dry run changes nothing");
    let (exit, report, stderr) = delivery.sync(&[]);
    assert_eq!(exit, Some(0), "{stderr}");
    assert_eq!(delivery.counts(), delivery.published());
    let changed = |types: &serde_json::Value| {
        let types = types.as_array().cloned().unwrap_or_default();
        let counts = types.into_iter().map(|of| {
            let count = |name: &str| of[name].as_u64().unwrap_or_default();
            (of["typeName"].to_string(), count("creates"), count("updates"), count("deletes"))
        });
        let mut counts: Vec<_> = counts
            .filter(|(_, creates, updates, deletes)| creates + updates + deletes > 0)
            .collect();
        counts.sort();
        counts
    };
    assert_eq!(changed(&plan["types"]), changed(&report["types"]), "{report}");
    assert!(!changed(&report["types"]).is_empty());
}

#[test]
fn purged_types_go_with_what_touches_them_and_come_back() {
    let delivery = Delivery::new();
    delivery.scene.run_completely();
    let purge = ["purge", "postgres", "--type", "nexthink_alert", "--output", "json"];
    let ended = delivery.scene.program(&purge);
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    let counts = delivery.counts();
    for gone in ["nexthink_alert", "nexthink_device_has_alert", "nexthink_user_has_alert"] {
        assert!(!counts.contains_key(gone), "{counts:?}");
    }
    assert!(counts.contains_key("nexthink_device"));
    let unknown = delivery.scene.program(&["purge", "postgres", "--type", "nexthink_car"]);
    assert_eq!(unknown.exit, Some(2), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("no type `nexthink_car`"), "{}", unknown.stderr);
    let (exit, _, stderr) = delivery.sync(&[]);
    assert_eq!(exit, Some(0), "{stderr}");
    assert_eq!(delivery.counts(), delivery.published());
}

#[test]
fn a_database_that_was_changed_by_hand_is_mended_by_a_full_delivery() {
    let delivery = Delivery::new();
    delivery.scene.run_completely();
    let schema = &delivery.schema;
    delivery.database.run(&format!(
        "DELETE FROM {schema}.nexthink_device WHERE \"_key\" = (SELECT min(\"_key\") FROM {schema}.nexthink_device); \
         DROP TABLE {schema}.nexthink_alert"
    ));
    // A table that is missing shows by itself, a row only if one looks.
    let (exit, _, stderr) = delivery.sync(&["--full"]);
    assert_eq!(exit, Some(0), "{stderr}");
    assert_eq!(delivery.counts(), delivery.published());
    delivery.database.run(&format!("DROP SCHEMA {schema} CASCADE"));
    let (exit, report, stderr) = delivery.sync(&[]);
    assert_eq!((exit, &report["result"]), (Some(0), &"delivered".into()), "{stderr}");
    assert_eq!(delivery.counts(), delivery.published());
}

#[test]
fn a_column_that_a_user_added_stays_and_one_that_the_program_made_goes_with_the_generation() {
    let delivery = Delivery::new();
    delivery.scene.run_completely();
    let (schema, table) = (&delivery.schema, "nexthink_device");
    delivery.database.run(&format!(
        "ALTER TABLE {schema}.{table} ADD COLUMN theirs text DEFAULT 'mine'; \
         ALTER TABLE {schema}.{table} ADD COLUMN \"ofEarlier\" text; \
         UPDATE {schema}._types SET columns = columns || 'ofEarlier'::text"
    ));
    let columns = || {
        delivery.database.column::<String>(&format!(
            "SELECT column_name::text FROM information_schema.columns WHERE table_schema = '{schema}' \
             AND table_name = '{table}' AND column_name IN ('theirs', 'ofEarlier')"
        ))
    };
    let (exit, _, stderr) = delivery.sync(&["--full"]);
    assert_eq!(exit, Some(0), "{stderr}");
    assert_eq!(columns(), ["theirs"]);
    // As a version before this record left the schema.
    delivery.database.run(&format!("ALTER TABLE {schema}._types DROP COLUMN columns"));
    for (arguments, expected) in [(&["--full"][..], 0), (&["--full"], 1)] {
        let (exit, _, stderr) = delivery.sync(arguments);
        assert_eq!(exit, Some(0), "{stderr}");
        assert_eq!(columns().len(), expected, "{arguments:?}");
        delivery
            .database
            .run(&format!("ALTER TABLE {schema}.{table} ADD COLUMN IF NOT EXISTS theirs text"));
    }
    assert_eq!(delivery.counts(), delivery.published());
}
