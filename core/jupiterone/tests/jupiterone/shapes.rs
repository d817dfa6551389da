//! Rows as objects: what is always there, what is corrected, and that each correction is reported.

use core_jupiterone::{Contents, Extras, Fix, JupiterOneError, MAX_TEXT_CHARS, SchemaViolations};
use core_store::TableKind;
use serde_json::{Value, json};

use crate::support::{
    Checked, Columns, FIRST, Place, STEPS, booleans, edge_columns, lists, numbers, texts, times,
    write,
};

type Shaped = (Vec<Value>, Vec<(String, String, Fix, u64, Option<String>)>);

/// The objects of one table, and what was mended.
fn shaped(
    name: &str,
    class: &[&str],
    ends: Option<(&str, &str)>,
    columns: Columns,
) -> Result<Shaped, Box<dyn std::error::Error>> {
    let place = Place::new()?;
    let generation = place
        .publish_tables(FIRST, |staging| Ok(vec![write(staging, name, class, ends, columns)?]))?;
    let contents = Contents::new(generation, &STEPS, None, Extras::default());
    let (mut objects, mut findings) = (Vec::new(), SchemaViolations::default());
    let kinds = [TableKind::Entity, TableKind::Relationship];
    for table in kinds.into_iter().flat_map(|kind| contents.tables(kind)) {
        contents.for_each_object(table, &mut findings, |object| {
            let value: Value = serde_json::from_slice(object.json).expect("an object is JSON");
            assert_eq!(value["_key"], object.key);
            objects.push(value);
            Ok::<_, JupiterOneError>(())
        })?;
    }
    let findings = findings.entries().iter().map(|finding| {
        (
            finding.type_name.clone(),
            finding.property.clone(),
            finding.remedy,
            finding.count,
            finding.sample_key.clone(),
        )
    });
    Ok((objects, findings.collect()))
}

const TYPE: &str = "nexthink_device";
const KEYS: [Option<&str>; 2] = [Some("nexthink_device:1"), Some("nexthink_device:2")];

#[test]
fn a_device_has_all_that_its_class_requires_and_nothing_that_it_forbids() -> Checked {
    let (objects, findings) = shaped(
        TYPE,
        &["Device"],
        None,
        vec![
            ("_key", texts(KEYS)),
            ("name", texts([Some("pc-1"), Some("pc \"2\"\n")])),
            ("displayName", texts([Some("pc-1"), Some("pc 2")])),
            ("hostname", texts([Some("pc-1"), None])),
            ("hardwareSerial", texts([None, Some("7G5K2X3")])),
            ("licenseType", texts([None, Some("endpoint")])),
            ("ipv4Addresses", lists(&[Some(&["10.0.0.1"]), None])),
            ("lastSeenOn", times([Some(1_795_000_000_000), None])),
            ("tag.AccountName", texts([Some("acme"), Some("acme")])),
        ],
    )?;
    let mut first = json!({
        "_key": "nexthink_device:1", "_type": "nexthink_device", "_class": ["Device"],
        "name": "pc-1", "displayName": "pc-1", "hostname": "pc-1", "licenseType": null,
        "ipv4Addresses": ["10.0.0.1"], "lastSeenOn": 1_795_000_000_000_i64, "tag.AccountName": "acme",
    });
    for required in [
        "category",
        "make",
        "model",
        "serial",
        "deviceId",
        "fqdn",
        "ipv6Addresses",
        "privateIpAddresses",
        "publicIpAddresses",
        "macAddresses",
        "osName",
        "osType",
        "osDetails",
        "osVersion",
    ] {
        first[required] = Value::Null;
    }
    assert_eq!(objects[0], first);
    assert_eq!(objects[1]["name"], "pc \"2\"\n");
    assert_eq!(objects[1]["hardwareSerial"], "7G5K2X3");
    assert_eq!(objects[1]["lastSeenOn"], Value::Null);
    assert!(findings.is_empty(), "{findings:?}");
    Ok(())
}

#[test]
fn a_bad_value_is_nulled_and_counted_with_a_sample() -> Checked {
    let (objects, findings) = shaped(
        TYPE,
        &["Device"],
        None,
        vec![
            ("_key", texts(KEYS)),
            ("name", texts(KEYS)),
            ("displayName", texts(KEYS)),
            ("hostname", texts([Some("under_score"), Some("also_bad")])),
            (
                "macAddresses",
                lists(&[None, Some(&["00:1a:2b:3c:4d:5e", "00-1A", "00:1a:2b:3c:4d:5e"])]),
            ),
            ("osType", texts([Some("windows"), Some("Windows")])),
            ("encrypted", texts([Some("yes"), None])),
            ("foo_bar", texts([Some("x"), Some("x")])),
        ],
    )?;
    assert_eq!(objects[0]["hostname"], Value::Null);
    assert_eq!(objects[1]["macAddresses"], json!(["00:1a:2b:3c:4d:5e"]));
    assert_eq!((&objects[0]["osType"], &objects[1]["osType"]), (&json!("windows"), &Value::Null));
    assert!(
        objects
            .iter()
            .all(|object| object.get("encrypted").is_none() && object.get("foo_bar").is_none())
    );
    let row = |property: &str, remedy, count, key: Option<&str>| {
        (TYPE.to_owned(), property.to_owned(), remedy, count, key.map(ToOwned::to_owned))
    };
    assert_eq!(
        findings,
        [
            row("foo_bar", Fix::NameLeftOut, 1, None),
            row("hostname", Fix::Nulled, 2, KEYS[0]),
            row("encrypted", Fix::Nulled, 1, KEYS[0]),
            row("macAddresses", Fix::Nulled, 1, KEYS[1]),
            row("osType", Fix::Nulled, 1, KEYS[1]),
        ]
    );
    Ok(())
}

#[test]
fn a_name_that_is_missing_is_the_key_and_a_vendor_cannot_be_made_up() -> Checked {
    let (objects, findings) = shaped(
        "nexthink_account",
        &["Account"],
        None,
        vec![
            (
                "_key",
                texts([Some("nexthink_account:1"), Some("nexthink_account:2"), Some("short")]),
            ),
            ("name", texts([None, Some("b"), Some("c")])),
            ("vendor", texts([Some("Nexthink"), None, Some("Nexthink")])),
        ],
    )?;
    assert_eq!(objects.len(), 1);
    assert_eq!(objects[0]["name"], "nexthink_account:1");
    assert_eq!(objects[0]["displayName"], "nexthink_account:1");
    let left_out: Vec<_> = findings
        .iter()
        .map(|finding| (finding.1.as_str(), finding.2, finding.4.as_deref()))
        .collect();
    assert_eq!(
        left_out,
        [
            ("vendor", Fix::ObjectLeftOut, Some("nexthink_account:2")),
            ("_key", Fix::ObjectLeftOut, Some("short")),
        ]
    );
    Ok(())
}

#[test]
fn a_table_without_what_no_entity_can_lack_delivers_nothing_and_says_so() -> Checked {
    let (objects, findings) = shaped(
        "nexthink_alert",
        &["Alert", "Finding"],
        None,
        vec![
            ("_key", texts([Some("nexthink_alert:1")])),
            ("name", texts([Some("a")])),
            ("category", texts([Some("endpoint")])),
            ("numericSeverity", numbers([Some(7)])),
        ],
    )?;
    assert!(objects.is_empty());
    assert!(findings.iter().all(|finding| finding.1 == "open" && finding.2 == Fix::ObjectLeftOut));
    assert_eq!(findings.len(), 1);
    Ok(())
}

#[test]
fn long_texts_are_cut_between_characters() -> Checked {
    let long = "ü".repeat(MAX_TEXT_CHARS + 1);
    let fits = "ü".repeat(MAX_TEXT_CHARS);
    let (objects, findings) = shaped(
        "nexthink_package",
        &["Application"],
        None,
        vec![
            ("_key", texts([Some("nexthink_package:1"), Some("nexthink_package:2")])),
            ("name", texts([Some(long.as_str()), Some(fits.as_str())])),
            ("mobile", booleans([Some(false), None])),
        ],
    )?;
    let n_chars = |value: &Value| value.as_str().map(|text| text.chars().count());
    assert_eq!(n_chars(&objects[0]["name"]), Some(MAX_TEXT_CHARS));
    assert_eq!(objects[1]["name"], fits);
    assert_eq!((&objects[0]["mobile"], objects[1].get("mobile")), (&json!(false), None));
    let cut: Vec<_> =
        findings.iter().map(|finding| (finding.1.as_str(), finding.2, finding.3)).collect();
    assert_eq!(cut, [("name", Fix::Cut, 1)]);
    Ok(())
}

#[test]
fn a_relationship_has_its_key_its_ends_and_the_properties_that_it_has() -> Checked {
    let mut columns = edge_columns(
        &["nexthink_device:1".to_owned(), "nexthink_device:2".to_owned()],
        &["nexthink_package:1".to_owned(), "nexthink_package:1".to_owned()],
    );
    columns.push(("version", texts([Some("145.0"), None])));
    let (objects, findings) = shaped(
        "nexthink_device_installed_package",
        &["INSTALLED"],
        Some(("nexthink_device", "nexthink_package")),
        columns,
    )?;
    assert_eq!(
        objects[0],
        json!({
            "_key": "nexthink_device:1|installed|nexthink_package:1",
            "_type": "nexthink_device_installed_package",
            "_class": "INSTALLED",
            "displayName": "INSTALLED",
            "_fromEntityKey": "nexthink_device:1",
            "_toEntityKey": "nexthink_package:1",
            "version": "145.0",
        })
    );
    assert!(objects[1].get("version").is_none());
    assert!(findings.is_empty());
    Ok(())
}

#[test]
fn a_column_that_no_generation_has_is_an_error_that_names_it() -> Checked {
    let decimals = std::sync::Arc::new(arrow_array::Float64Array::from(vec![Some(1.5)]));
    let answer = shaped(
        "nexthink_package",
        &["Application"],
        None,
        vec![
            ("_key", texts([Some("nexthink_package:1")])),
            ("name", texts([Some("a")])),
            ("size", decimals),
        ],
    );
    let error = answer.err().ok_or("decimals are not delivered")?.to_string();
    assert_eq!(
        error,
        "table nexthink_package: column size holds Float64, which cannot be delivered"
    );
    Ok(())
}
