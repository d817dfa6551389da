#![doc = include_str!("../README.md")]

mod boot;
mod checkpoint;
mod error;
mod file;
mod folder;
mod lock;
mod private_file;
mod replace;

pub use boot::boot_id;
#[cfg(feature = "fault-injection")]
pub use checkpoint::SimulatedDisk;
pub use checkpoint::{Operation, checkpoint, end_of_operations};
pub use error::FileError;
pub use file::{File, link_target, read_if_present, remove_file, remove_file_if_present, rename};
pub use folder::{
    create_folder, create_folder_durably, ensure_writable, free_bytes, remove_folder,
    remove_folder_if_empty, remove_folder_if_present, repair_folder, replace_folder, sync_folder,
};
pub use lock::FileLock;
pub use private_file::{PrivateFileError, ensure_private};
pub use replace::{
    Replacement, create_whole_file, remove_leftovers, replace_file, replace_output_file,
    replace_public_file, write_new_file,
};
