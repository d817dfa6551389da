#![doc = include_str!("../README.md")]

use core_model::prelude::*;
use step_devices::DEVICE;

/// Fetches packages.
pub static STEP: Step = Step {
    id: "fetch-packages",
    name: "Fetch Packages",
    depends_on: &[&step_devices::STEP],
    source: Source::Export(Query {
        config_field: "packages",
        suggested_id: "#j1_packages",
        table: "package.installed_packages",
        aliases: &[],
        partition_column: "device.uid",
        is_extra: false,
        expiry: None,
    }),
    entities: &[&PACKAGE],
    relationships: &[&DEVICE_INSTALLED_PACKAGE],
};

inventory::submit!(&STEP);
inventory::submit!(Columns(COLUMNS));

/// The privacy class of each column.
pub static COLUMNS: &[Column] = &[
    technical("package.uid"),
    technical("package.name"),
    technical("package.version"),
    technical("package.publisher"),
    technical("package.type"),
    technical("package.platform"),
];

/// Software that is installed on a device.
pub static PACKAGE: EntityType = EntityType {
    type_name: "nexthink_package",
    class: &[Class::Application],
    resource: "Package",
    key_column: "package.uid",
    fallback_key: &[],
    newest_by: &[],
    properties: &[
        text("id", &["package.uid"], "Nexthink identifier of the package.").never_null(),
        text("name", &["package.name", "package.uid"], "Name of the package, else its identifier.")
            .never_null(),
        convert("version", &["package.version"], Conversion::Version, "Package version string.")
            .required(),
        convert(
            "displayName",
            &["package.name", "package.version", "package.uid"],
            Conversion::NameAndVersionElse(" "),
            "Name of the package, else its identifier, and version.",
        )
        .never_null(),
        text("publisher", &["package.publisher"], "Software publisher/vendor name.").required(),
        convert(
            "packageType",
            &["package.type"],
            Conversion::LowerCase,
            "Package type (e.g. msi, exe, deb, rpm).",
        )
        .required(),
        convert(
            "platform",
            &["package.platform"],
            Conversion::LowerCase,
            "Operating system platform the package targets.",
        )
        .required(),
    ],
}
.checked();

/// A device has a package installed.
pub static DEVICE_INSTALLED_PACKAGE: RelationshipType = RelationshipType {
    type_name: "nexthink_device_installed_package",
    from: by_column(&DEVICE, "device.uid"),
    class: RelationshipClass::Installed,
    to: by_column(&PACKAGE, "package.uid"),
    properties: &[EdgeProperty { name: "version", description: "Version of the package." }],
}
.checked();

#[cfg(test)]
mod tests {
    use core_ingest::{conformance, listing};

    use super::*;

    conformance!(STEP, "fixtures/packages.csv");

    #[test]
    fn g22_brackets_in_the_name_of_a_package_are_kept() {
        let export = "device.uid,package.uid,package.name,package.version\n\
                      d,1,[Legacy] Print Deploy [server.acme.example],1.0\n\
                      d,2,[O'Reilly's Tool],\"[1, 2]\"\nd,3,[beta],[beta]\nd,4,,\n";
        let exports =
            [(&step_devices::STEP, b"device.uid\n".as_slice()), (&STEP, export.as_bytes())];
        let graph = listing::build_graph(&exports).expect("the exports are accepted");
        let listing = listing::list(graph, &STEP).expect("the schema fits");
        for name in [
            "[Legacy] Print Deploy [server.acme.example] 1.0",
            "[O'Reilly's Tool] 1.2",
            "[beta] [beta]",
            "4",
        ] {
            assert!(listing.contains(&format!("displayName: {name:?}\n")), "{name}: {listing}");
        }
    }
}
