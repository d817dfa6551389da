//! A store whose place is a bucket.

use super::*;

fn located(location: &str, more: &str) -> Result<Config, Vec<String>> {
    let place = format!("location = \"{location}\"\n{more}");
    parse(&WHOLE.replace("location = \"kept\"", &place), &[])
}

#[test]
fn a_store_in_a_bucket_has_working_copies_in_a_folder_of_its_own() {
    let config = located("s3://acme/graph/", "deleted_objects_kept_days = 30").expect("valid");
    let bucket = config.bucket.clone().expect("it is in a bucket");
    assert_eq!(bucket.address, "s3://acme/graph");
    assert_eq!(bucket.deleted_objects_kept_days.map(u32::from), Some(30));
    let folder = config.store.folder().to_owned();
    assert!(folder.starts_with("folder/nexthink-graph-work"), "{}", folder.display());

    let other = located("s3://acme/other", "").expect("valid");
    assert_ne!(other.store, config.store, "each store has a folder of its own");
    assert_eq!(other.bucket.and_then(|bucket| bucket.deleted_objects_kept_days), None);
    let moved = located("az://acme/graph", "working_folder = \"/srv/work\"").expect("valid");
    assert!(moved.store.folder().starts_with("/srv/work"));

    let folder = located("kept", "working_folder = \"elsewhere\"").expect("valid");
    assert_eq!(folder.store, Location::Folder("folder/kept".into()));
    assert_eq!(folder.bucket, None);
}

#[test]
fn an_address_that_is_not_understood_is_refused_and_its_credentials_are_not_shown() {
    for (location, reason) in [
        ("s3://key:topsecret@acme/graph", "must not have credentials"),
        ("s3://", "write s3://BUCKET/FOLDER"),
        ("gs://topsecret/graph", "a store on gs:// is not supported"),
    ] {
        let problems = located(location, "").map(drop).expect_err(location);
        assert!(problems[0].contains(reason), "{problems:?}");
        assert!(!problems[0].contains("topsecret"), "{problems:?}");
    }
}
