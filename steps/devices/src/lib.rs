#![doc = include_str!("../README.md")]

use core_model::prelude::*;
use step_account::ACCOUNT;

/// Fetches devices.
pub static STEP: Step = Step {
    id: "fetch-devices",
    name: "Fetch Devices",
    depends_on: &[&step_account::STEP],
    source: Source::Export(Query {
        config_field: "devices",
        suggested_id: "#j1_devices",
        table: "devices",
        aliases: &[],
        partition_column: "device.uid",
        is_extra: false,
        expiry: None,
    }),
    entities: &[&DEVICE],
    relationships: &[&ACCOUNT_HAS_DEVICE],
};

inventory::submit!(&STEP);
inventory::submit!(Columns(COLUMNS));

/// The privacy class of each column.
pub static COLUMNS: &[Column] = &[
    persistent("device.uid", IdentifierKind::DeviceUid).of_object(),
    quasi("device.name", ColumnForm::Identifier(IdentifierKind::DeviceName)),
    persistent("device.collector.uid", IdentifierKind::CollectorUid),
    technical("device.operating_system.platform"),
    technical("device.operating_system.name"),
    technical("device.operating_system.build"),
    technical("device.hardware.manufacturer"),
    technical("device.hardware.model"),
    persistent("device.hardware.chassis_serial_number", IdentifierKind::Serial),
    persistent("device.hardware.machine_serial_number", IdentifierKind::Serial),
    technical("device.hardware.type"),
    technical("device.license_type"),
    behaviour("device.last_seen"),
    behaviour("device.first_seen"),
    quasi("device.entity", ColumnForm::Plain),
    persistent("device.sid", IdentifierKind::Sid),
    quasi("device.connectivity.last_local_ip", ColumnForm::IpAddresses),
];

const NAME: &[&str] = &["device.name"];
const NAME_ELSE_UID: &[&str] = &["device.name", "device.uid"];
const MANUFACTURER: &[&str] = &["device.hardware.manufacturer"];
const MODEL: &[&str] = &["device.hardware.model"];
const CHASSIS_ELSE_MACHINE: &[&str] =
    &["device.hardware.chassis_serial_number", "device.hardware.machine_serial_number"];
const LOCAL_IP: &[&str] = &["device.connectivity.last_local_ip"];

/// The Device class's value for each of Nexthink's platforms.
const OS_TYPES: &[(&str, Constant)] = &[
    ("Windows", Constant::Text("windows")),
    ("macOS", Constant::Text("darwin")),
    ("Linux", Constant::Text("linux")),
];

/// The Device class's category for each of Nexthink's hardware types.
const CATEGORIES: &[(&str, Constant)] = &[
    ("laptop", Constant::Text("endpoint")),
    ("desktop", Constant::Text("endpoint")),
    ("virtual", Constant::Text("endpoint")),
    ("server", Constant::Text("server")),
];

/// An endpoint on which the Nexthink Collector runs.
pub static DEVICE: EntityType = EntityType {
    type_name: "nexthink_device",
    class: &[Class::Device],
    resource: "Device",
    key_column: "device.uid",
    fallback_key: &[],
    newest_by: &["lastSeenOn"],
    properties: &[
        text("id", &["device.uid"], "Nexthink identifier of the device.").never_null(),
        convert("deviceId", &["device.uid"], Conversion::List, "Nexthink identifier.").never_null(),
        text("name", NAME_ELSE_UID, "Name of the device, else its identifier.").never_null(),
        text("displayName", NAME_ELSE_UID, "Name of the device, else its identifier.").never_null(),
        convert(
            "hostname",
            NAME,
            Conversion::HostName,
            "Name of the device, if a legal host name.",
        ),
        convert("fqdn", NAME, Conversion::DomainName, "Name of the device, if a domain name."),
        text(
            "collectorUid",
            &["device.collector.uid"],
            "Nexthink Collector UID installed on the device.",
        )
        .required(),
        lookup(
            "osType",
            &["device.operating_system.platform"],
            OS_TYPES,
            Otherwise::Null,
            "Family of the operating system.",
        ),
        text("osName", &["device.operating_system.name"], "Name of the operating system."),
        convert(
            "osVersion",
            &["device.operating_system.build"],
            Conversion::Version,
            "Build of the operating system.",
        ),
        convert(
            "osDetails",
            &["device.operating_system.name", "device.operating_system.build"],
            Conversion::NameAndVersion(" build "),
            "Name and build of the operating system.",
        ),
        text("make", MANUFACTURER, "Manufacturer of the hardware."),
        text("hardwareVendor", MANUFACTURER, "Manufacturer of the hardware."),
        text("model", MODEL, "Model of the hardware."),
        text("hardwareModel", MODEL, "Model of the hardware."),
        convert(
            "serial",
            CHASSIS_ELSE_MACHINE,
            Conversion::SerialNumber,
            "Serial number of the chassis, else of the machine.",
        )
        .identifying(),
        convert(
            "hardwareSerial",
            CHASSIS_ELSE_MACHINE,
            Conversion::SerialNumber,
            "Serial number of the chassis, else of the machine.",
        )
        .identifying(),
        convert(
            "chassisSerialNumber",
            &["device.hardware.chassis_serial_number"],
            Conversion::SerialNumber,
            "Serial number of the chassis.",
        )
        .identifying(),
        convert(
            "machineSerialNumber",
            &["device.hardware.machine_serial_number"],
            Conversion::SerialNumber,
            "Serial number of the machine.",
        )
        .identifying(),
        lookup(
            "category",
            &["device.hardware.type"],
            CATEGORIES,
            Otherwise::Value(Constant::Text("other")),
            "Category of the hardware.",
        )
        .never_null(),
        convert(
            "hardwareType",
            &["device.hardware.type"],
            Conversion::LowerCase,
            "Kind of hardware as Nexthink names it.",
        ),
        convert(
            "licenseType",
            &["device.license_type"],
            Conversion::LowerCase,
            "Nexthink license type assigned to the device.",
        )
        .required(),
        timestamp("lastSeenOn", &["device.last_seen"], "When the device last reported.").volatile(),
        timestamp("createdOn", &["device.first_seen"], "When the device first reported."),
        text("entity", &["device.entity"], "Nexthink organizational entity the device belongs to.")
            .required(),
        text("sid", &["device.sid"], "Windows Security Identifier (SID) for the device.")
            .required()
            .identifying(),
        convert("ipv4Addresses", LOCAL_IP, Conversion::Ipv4Addresses, "Last local IPv4 addresses.")
            .volatile(),
        convert("ipv6Addresses", LOCAL_IP, Conversion::Ipv6Addresses, "Last local IPv6 addresses.")
            .volatile(),
        convert(
            "privateIpAddresses",
            LOCAL_IP,
            Conversion::PrivateIpAddresses,
            "Last local addresses that are not routed on the internet.",
        )
        .volatile(),
        convert(
            "publicIpAddresses",
            LOCAL_IP,
            Conversion::PublicIpAddresses,
            "Last local addresses that are routed on the internet.",
        )
        .volatile(),
        not_collected("macAddresses", ValueType::TextList, "Not in the export."),
    ],
}
.checked();

/// The account has a device.
pub static ACCOUNT_HAS_DEVICE: RelationshipType = RelationshipType {
    type_name: "nexthink_account_has_device",
    from: singleton(&ACCOUNT),
    class: RelationshipClass::Has,
    to: by_column(&DEVICE, "device.uid"),
    properties: &[],
}
.checked();

#[cfg(test)]
mod tests {
    use core_ingest::graph::Graph;
    use core_ingest::{conformance, listing};

    use super::*;

    conformance!(STEP, "fixtures/devices.csv");

    #[test]
    fn g10_words_are_read_in_any_case_and_unknown_ones_are_kept() {
        let export = "device.uid,device.operating_system.platform,device.hardware.type,\
                      device.license_type\n\
                      1,WINDOWS,LAPTOP,Endpoint\n2,beos,Toaster,SERVER\n";
        let account = include_str!("../../account/fixtures/account.csv");
        let exports = [(&step_account::STEP, account.as_bytes()), (&STEP, export.as_bytes())];
        let graph = listing::build_graph(&exports).expect("the exports are accepted");
        let listing = listing::list(graph, &STEP).expect("the schema fits");
        for line in [
            "osType: \"windows\"",
            "category: \"endpoint\"",
            "hardwareType: \"laptop\"",
            "licenseType: \"endpoint\"",
            "category: \"other\"",
            "hardwareType: \"toaster\"",
            "licenseType: \"server\"",
        ] {
            assert_eq!(listing.lines().filter(|found| *found == line).count(), 1, "{line}");
        }
        assert_eq!(listing.matches("osType").count(), 1, "an unknown platform has no family");
    }

    /// Builds the graph of an export of devices, and lists it.
    fn devices(export: &str) -> (Graph, String) {
        let account = include_str!("../../account/fixtures/account.csv");
        let exports = [(&step_account::STEP, account.as_bytes()), (&STEP, export.as_bytes())];
        let graph = |()| listing::build_graph(&exports).expect("the exports are accepted");
        let listing = listing::list(graph(()), &STEP).expect("the schema fits");
        (graph(()), listing)
    }

    #[test]
    fn g19_an_identifier_that_more_than_three_devices_share_is_null() {
        use std::fmt::Write as _;
        let mut export = String::from(
            "device.uid,device.hardware.chassis_serial_number,\
             device.hardware.machine_serial_number,device.sid\n",
        );
        for (chassis, devices) in [("DOCK-1", 4), ("TWIN-2", 3)] {
            for device in 0..devices {
                // Upper and lower case count as equal.
                let chassis = if device == 0 { chassis.to_lowercase() } else { chassis.to_owned() };
                let uid = format!("{chassis}{device}");
                let _ = writeln!(export, "{uid},{chassis},M-{uid},S-1-5-21-7-{chassis}");
            }
        }
        let (graph, listing) = devices(&export);
        for line in [
            "serial: \"M-dock-10\"",
            "hardwareSerial: \"M-DOCK-13\"",
            "serial: \"TWIN-2\"",
            "chassisSerialNumber: \"twin-2\"",
            "sid: \"S-1-5-21-7-TWIN-2\"",
        ] {
            assert!(listing.lines().any(|found| found == line), "{line}: {listing}");
        }
        assert!(!listing.contains("\"DOCK-1\"") && !listing.contains("7-DOCK"), "{listing}");
        let table = graph.entity_table(DEVICE.type_name).expect("made");
        let shared: Vec<_> = table.shared_identifiers().collect();
        assert_eq!(shared, [("chassisSerialNumber", 4), ("sid", 4)]);
    }

    #[test]
    fn g19_the_machine_serial_number_replaces_a_placeholder() {
        let (_, listing) = devices(
            "device.uid,device.hardware.chassis_serial_number,\
             device.hardware.machine_serial_number\n\
             1,Chassis Serial Number,M-1\n2,To be filled by O.E.M,Default string\n",
        );
        assert_eq!(listing.matches("erial: \"M-1\"\n").count(), 2, "{listing}");
        assert_eq!(listing.matches("erial").count(), 3, "{listing}");
    }

    #[test]
    fn g22_brackets_in_the_name_of_an_operating_system_are_kept() {
        let (_, listing) = devices(
            "device.uid,device.operating_system.name,device.operating_system.build\n\
             1,\"[Windows, IoT]\",\"[10, 0, 22631]\"\n",
        );
        assert!(listing.contains("osDetails: \"[Windows, IoT] build 10.0.22631\"\n"), "{listing}");
    }

    #[test]
    fn g23_addresses_lose_their_prefixes_and_ports_and_unreadable_ones_are_counted() {
        let (graph, listing) = devices(
            "device.uid,device.name,device.connectivity.last_local_ip\n\
             1,lon1.acme.example.,\"10.0.0.5/24, [2001:db8::1]:443\"\n\
             2,lon2,10.0.0.6|10.0.0.7\n3,lon3,\n",
        );
        for line in [
            "fqdn: [\"lon1.acme.example\"]",
            "hostname: \"lon1\"",
            "ipv4Addresses: [\"10.0.0.5\"]",
            "ipv6Addresses: [\"2001:db8::1\"]",
        ] {
            assert!(listing.lines().any(|found| found == line), "{line}: {listing}");
        }
        let table = graph.entity_table(DEVICE.type_name).expect("made");
        let unreadable: Vec<_> = table.unreadable().collect();
        let properties =
            ["ipv4Addresses", "ipv6Addresses", "privateIpAddresses", "publicIpAddresses"];
        assert_eq!(unreadable, properties.map(|property| (property, 1)));
    }
}
