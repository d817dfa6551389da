//! The place of the store: a folder, or a folder of a bucket with working copies in a folder of this machine.

use std::num::NonZeroU32;
use std::path::PathBuf;

use core_bucket::BucketAddress;
use core_settings::Values;
use core_store::Location;

use crate::config::number;
use crate::paths::Paths;

const LOCATION: &str = "store.location";
const WORKING_FOLDER: &str = "store.working_folder";
const KEPT_DAYS: &str = "store.deleted_objects_kept_days";

/// A store in a bucket. Commands work in the folder that `store` of the settings is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketStore {
    /// The address, for example `s3://acme/nexthink`.
    pub address: String,
    /// The days for which the bucket keeps deleted objects; None if it must keep none.
    pub deleted_objects_kept_days: Option<NonZeroU32>,
}

/// Reads the folder to work in, and the bucket that it is a working copy of; nothing and a problem if the location cannot
/// be used.
pub(crate) fn read(values: &mut Values, paths: &Paths) -> Option<(Location, Option<BucketStore>)> {
    let text = values.text_or_default(LOCATION);
    let working = read_path(values, paths, WORKING_FOLDER);
    let kept_days = values.integer(KEPT_DAYS).map(number).and_then(NonZeroU32::new);
    let Some(address) = values.checked(LOCATION, BucketAddress::parse(&text))? else {
        return read_folder(values, paths, &text).map(|location| (location, None));
    };
    let bucket = BucketStore { address: address.to_string(), deleted_objects_kept_days: kept_days };
    Some((Location::Folder(working?.join(address.folder_name())), Some(bucket)))
}

fn read_path(values: &mut Values, paths: &Paths, setting: &str) -> Option<PathBuf> {
    let text = values.text_or_default(setting);
    paths.resolve_setting(values, setting, &text)
}

fn read_folder(values: &mut Values, paths: &Paths, text: &str) -> Option<Location> {
    match values.checked(LOCATION, Location::parse(text))? {
        Location::Folder(_) if !text.contains("://") => {
            paths.resolve_setting(values, LOCATION, text).map(Location::Folder)
        }
        location => Some(location),
    }
}
