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
        expiry: None,
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
    use core_ingest::conformance;

    use super::*;

    conformance!(STEP, "fixtures/device_users.csv");

    #[test]
    fn is_not_a_step_of_jupiterones_own_integration() {
        let is_listed = |steps: &[&Step]| steps.iter().any(|step| step.id == STEP.id);
        assert!(is_listed(&Step::generation_steps()) && !is_listed(&Step::integration_steps()));
    }
}
