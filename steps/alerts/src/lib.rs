#![doc = include_str!("../README.md")]

use core_model::prelude::*;
use step_devices::DEVICE;
use step_users::USER;

/// Fetches alerts.
pub static STEP: Step = Step {
    id: "fetch-alerts",
    name: "Fetch Alerts",
    depends_on: &[&step_devices::STEP, &step_users::STEP],
    source: Source::Export(Query {
        config_field: "alerts",
        suggested_id: "#j1_alerts",
        table: "alerts",
        aliases: &[("alert.trigger_time", "alert.time")],
        partition_column: "alert.uid",
        is_extra: false,
        expiry: Some(Expiry { property: "createdOn", days: 30 }),
    }),
    entities: &[&ALERT],
    relationships: &[&DEVICE_HAS_ALERT, &USER_HAS_ALERT],
};

inventory::submit!(&STEP);
inventory::submit!(Columns(COLUMNS));

/// The privacy class of each column.
pub static COLUMNS: &[Column] = &[
    technical("alert.uid"),
    technical("alert.status"),
    Column { form: ColumnForm::Time, ..technical("alert.trigger_time") },
    Column { form: ColumnForm::Time, ..technical("alert.recovery_time") },
    free_text("alert.trigger_value"),
    technical("alert.duration"),
    technical("monitor.name"),
    technical("monitor.nql_id"),
    technical("monitor.priority"),
    technical("monitor.type"),
    technical("monitor.origin"),
];

const STATUS: &[&str] = &["alert.status"];
const TRIGGER_TIME: &[&str] = &["alert.trigger_time"];
const PRIORITY: &[&str] = &["monitor.priority"];
const BEST_NAME: &[&str] = &["monitor.name", "monitor.nql_id", "alert.uid"];

/// The columns that together identify an alert if the tenant has no `alert.uid`. The name of a monitor may change.
const IDENTITY: &[&[&str]] =
    &[&["monitor.nql_id", "monitor.name"], &["device.uid"], &["user.uid"], &["alert.trigger_time"]];

/// The Finding class's severity for each of Nexthink's priorities.
const SEVERITIES: &[(&str, Constant)] = &[
    ("critical", Constant::Text("critical")),
    ("high", Constant::Text("high")),
    ("medium", Constant::Text("medium")),
    ("low", Constant::Text("low")),
];

/// The severities on the Finding class's scale from 0 to 10.
const NUMERIC_SEVERITIES: &[(&str, Constant)] = &[
    ("critical", Constant::Integer(10)),
    ("high", Constant::Integer(7)),
    ("medium", Constant::Integer(5)),
    ("low", Constant::Integer(3)),
];

/// A condition that a monitor found on a device, for a user, or over many of them.
pub static ALERT: EntityType = EntityType {
    type_name: "nexthink_alert",
    class: &[Class::Alert, Class::Finding],
    resource: "Alert",
    key_column: "alert.uid",
    fallback_key: IDENTITY,
    // A recovered alert keeps the time of its trigger; a recurring one has a later trigger time.
    newest_by: &["createdOn", "recoveredOn"],
    properties: &[
        text("id", &["alert.uid"], "Nexthink identifier of the alert.").never_null(),
        constant("category", Constant::Text("endpoint"), "What the alert is about.").never_null(),
        convert("status", STATUS, Conversion::LowerCase, "Status of the alert."),
        lookup(
            "open",
            STATUS,
            &[("open", Constant::Boolean(true))],
            Otherwise::Value(Constant::Boolean(false)),
            "Whether the alert is open.",
        )
        .never_null(),
        timestamp("createdOn", TRIGGER_TIME, "When the condition began."),
        timestamp("reportedOn", TRIGGER_TIME, "When the condition began."),
        timestamp("recoveredOn", &["alert.recovery_time"], "When the condition ended."),
        text("triggerValue", &["alert.trigger_value"], "The value that triggered the alert.")
            .required(),
        text("duration", &["alert.duration"], "Duration the alert condition was active.")
            .required(),
        text(
            "monitorName",
            &["monitor.name"],
            "Name of the Nexthink monitor that triggered the alert.",
        )
        .required(),
        text("monitorNqlId", &["monitor.nql_id"], "NQL identifier of the monitor.").required(),
        text("name", BEST_NAME, "Name of the monitor, else its NQL identifier.").never_null(),
        text("displayName", BEST_NAME, "Name of the monitor, else its NQL identifier.")
            .never_null(),
        convert(
            "monitorPriority",
            PRIORITY,
            Conversion::LowerCase,
            "Priority of the monitor (e.g. critical, high, medium, low).",
        )
        .required(),
        convert("priority", PRIORITY, Conversion::LowerCase, "Priority of the monitor."),
        lookup("severity", PRIORITY, SEVERITIES, Otherwise::Null, "Severity by the priority."),
        lookup(
            "numericSeverity",
            PRIORITY,
            NUMERIC_SEVERITIES,
            Otherwise::Null,
            "Severity by the priority, from 0 to 10.",
        ),
        convert(
            "monitorType",
            &["monitor.type"],
            Conversion::LowerCase,
            "Type of monitor (e.g. metric, event).",
        )
        .required(),
        convert(
            "monitorOrigin",
            &["monitor.origin"],
            Conversion::LowerCase,
            "Origin of the monitor (e.g. nexthink_library, custom).",
        )
        .required(),
        text("deviceUid", &["device.uid"], "The device that the alert concerns."),
        text("userUid", &["user.uid"], "The user that the alert concerns."),
    ],
}
.checked();

/// A device has an alert.
pub static DEVICE_HAS_ALERT: RelationshipType = RelationshipType {
    type_name: "nexthink_device_has_alert",
    from: by_column(&DEVICE, "device.uid"),
    class: RelationshipClass::Has,
    to: by_column(&ALERT, "alert.uid"),
    properties: &[],
}
.checked();

/// A user has an alert.
pub static USER_HAS_ALERT: RelationshipType = RelationshipType {
    type_name: "nexthink_user_has_alert",
    from: by_column(&USER, "user.uid"),
    class: RelationshipClass::Has,
    to: by_column(&ALERT, "alert.uid"),
    properties: &[],
}
.checked();

#[cfg(test)]
mod tests {
    use core_ingest::{conformance, listing};

    use super::*;

    conformance!(STEP, "fixtures/alerts.csv");

    /// Lists the alerts of an export whose devices and users are unknown.
    fn alerts(rows: &str) -> String {
        let export = format!(
            "alert.uid,alert.status,alert.trigger_time,alert.recovery_time,monitor.priority,\
             monitor.type,monitor.origin\n{rows}"
        );
        let exports = [
            (&step_devices::STEP, b"device.uid\n".as_slice()),
            (&step_users::STEP, b"user.uid\n"),
            (&STEP, export.as_bytes()),
        ];
        let graph = listing::build_graph(&exports).expect("the exports are accepted");
        listing::list(graph, &STEP).expect("the schema fits")
    }

    #[test]
    fn g10_known_and_unknown_words_are_stored_in_lower_case() {
        let listing =
            alerts("1,Closed,,,CRITICAL,Metric,Nexthink_Library\n2,paused,,,urgent,X,Y\n");
        for line in [
            "status: \"closed\"",
            "monitorPriority: \"critical\"",
            "severity: \"critical\"",
            "numericSeverity: 10",
            "monitorType: \"metric\"",
            "monitorOrigin: \"nexthink_library\"",
            "status: \"paused\"",
            "monitorPriority: \"urgent\"",
            "monitorType: \"x\"",
        ] {
            assert_eq!(
                listing.lines().filter(|found| *found == line).count(),
                1,
                "{line}: {listing}"
            );
        }
        assert_eq!(listing.matches("everity: ").count(), 2, "urgent is no severity");
    }

    #[test]
    fn g11_an_alert_is_open_if_its_status_says_so_in_any_case() {
        for (status, open) in
            [("open", true), ("OPEN", true), (" Open ", true), ("closed", false), ("", false)]
        {
            let listing = alerts(&format!("1,{status},,,,,\n"));
            assert!(listing.contains(&format!("open: {open}\n")), "{status}: {listing}");
        }
    }

    #[test]
    fn g16_the_row_with_the_latest_times_describes_a_recurring_alert() {
        let open = "1,open,2026-11-18 08:00:00,,,,\n";
        let closed = "1,closed,2026-11-18 08:00:00,2026-11-18 09:00:00,,,\n";
        let again = "1,open,2026-11-18 10:00:00,,high,,\n";
        for (rows, expected) in [
            ([open, closed, ""], "closed"),
            ([closed, open, ""], "closed"),
            ([again, closed, open], "open"),
            ([open, closed, again], "open"),
        ] {
            let listing = alerts(&rows.concat());
            assert!(listing.contains(&format!("status: \"{expected}\"\n")), "{rows:?}");
        }
    }

    #[test]
    fn g17_a_recovery_time_that_means_never_is_null() {
        for never in ["0001-01-01T00:00:00Z", "1970-01-01 00:00:00"] {
            let listing = alerts(&format!("1,open,2026-11-18 08:20:00,{never},,,\n"));
            assert!(listing.contains("createdOn") && !listing.contains("recoveredOn"), "{listing}");
        }
    }
}
