//! Files in place of exports.

use super::{assert_problems, parse};

/// A configuration that reads everything from files.
const FILES: &str = "[nexthink]\ntenant = \"acme\"\nregion = \"eu\"\n[queries]\n\
                     devices = { files = [\"exports/devices-*.csv\", \"/data/rest.csv\"] }\n";

#[test]
fn who_reads_everything_from_files_needs_no_credential() {
    let config = parse(FILES, &[]).expect("it is valid");
    assert!(config.credential.is_none() && !config.reads_api());
    let files: Vec<_> = config.files["devices"].iter().map(ToString::to_string).collect();
    assert_eq!(files, ["folder/exports/devices-*.csv", "/data/rest.csv"]);

    let with = |before: &str, after: &str| FILES.replace(before, after);
    let missing = [
        "file: `nexthink.client_id` is missing",
        "file: `nexthink.client_secret` is missing; give a reference: \
                    { env = \"NAME\" }, { file = \"PATH\" } or { command = [\"…\"] }",
    ];
    assert_problems(&[
        (format!("{FILES}users = \"#users\"\n"), &missing),
        (with("[queries]", "client_id = \"0a1b\"\n[queries]"), &missing[1..]),
        (
            with("files =", "id = \"#devices\", files ="),
            &["file:5:30: `queries.devices.files` excludes the ID of a query: keep one of the two"],
        ),
        (
            with("devices-*.csv", "*-*.csv"),
            &["file:5:13: `queries.devices.files` is wrong: must have one `*` at most"],
        ),
        (
            with("\"exports/devices-*.csv\", \"/data/rest.csv\"", ""),
            &["file:5:13: `queries.devices.files` must name a file"],
        ),
        (
            with("exports/devices-*.csv", "gs://bucket/devices-*.csv"),
            &["file:5:13: `queries.devices.files` must be a path, or an address that begins with \
               s3:// or az://"],
        ),
        (
            with("exports/devices-*.csv", "s3://key:topsecret@bucket/devices-*.csv"),
            &[
                "file:5:13: `queries.devices.files` is wrong: s3://… is no address in a bucket: it must \
               not have credentials: give them in variables such as AWS_ACCESS_KEY_ID",
            ],
        ),
        (
            with("exports/devices-*.csv", "s3://bucket"),
            &["file:5:13: `queries.devices.files` must have a file behind the bucket: \
               s3://BUCKET/FOLDER/FILE"],
        ),
    ]);
}

#[test]
fn files_may_be_in_a_bucket_whose_credentials_are_needed_by_runs_alone() {
    let text = FILES.replace("exports/devices-*.csv", "s3://bucket/exports/devices-*.csv");
    let config = parse(&text, &[]).expect("it is valid");
    let files: Vec<_> = config.files["devices"].iter().map(ToString::to_string).collect();
    assert_eq!(files, ["s3://bucket/exports/devices-*.csv", "/data/rest.csv"]);
}
