#![doc = include_str!("../README.md")]

use core_model::prelude::*;
use step_devices::DEVICE;
use step_users::USER;

/// Fetches the devices that each user uses.
pub static STEP: Step = Step {
    id: "fetch-device-users",
    name: "Fetch Device Users",
    depends_on: &[&step_devices::STEP, &step_users::STEP],
    source: Source::Export(Query {
        config_field: "device_users",
        suggested_id: "#j1_device_users",
        // Event tables need a time frame; Nexthink keeps logins for 30 days (data resolution and
        // retention).
        table: "session.logins during past 30d",
        aliases: &[],
        partition_column: "device.uid",
        is_extra: true,
    }),
    entities: &[],
    relationships: &[&USER_USES_DEVICE],
};

inventory::submit!(&STEP);

/// A user uses a device.
pub static USER_USES_DEVICE: RelationshipType = RelationshipType {
    type_name: "nexthink_user_uses_device",
    from: by_column(&USER, "user.uid"),
    class: RelationshipClass::Uses,
    to: by_column(&DEVICE, "device.uid"),
    properties: &[],
}
.checked();

#[cfg(test)]
mod tests {
    use core_ingest::listing;
    use core_model::documentation;

    use super::*;

    const EXPORT: &str = include_str!("../fixtures/device_users.csv");

    #[test]
    fn draws_each_pair_of_the_export_once() {
        let exports = [
            (&step_devices::STEP, include_str!("../../devices/fixtures/devices.csv").as_bytes()),
            (&step_users::STEP, include_str!("../../users/fixtures/users.csv").as_bytes()),
            (&STEP, EXPORT.as_bytes()),
        ];
        let graph = listing::build_graph(&exports).expect("the fixtures are accepted");
        insta::assert_snapshot!(listing::list(graph, &STEP).expect("the schema fits"));
    }

    #[test]
    fn documents_what_it_makes() {
        insta::assert_snapshot!(documentation::step_section(&STEP));
    }

    #[test]
    fn reads_the_columns_of_the_saved_query_in_its_order() {
        let header = EXPORT.lines().next().expect("there is a header");
        assert_eq!(STEP.columns().join(","), header);
    }

    #[test]
    fn is_not_a_step_of_jupiterones_own_integration() {
        let is_listed = |steps: &[&Step]| steps.iter().any(|step| step.id == STEP.id);
        assert!(is_listed(&Step::generation_steps()) && !is_listed(&Step::integration_steps()));
    }
}
