//! Real file systems, each in a file that is mounted at the store: the power cut off in the middle of runs, no room, no
//! permission to write.
//!
//! A power cut is what the kernel offers for tests of file systems: the disk is shut down, and neither its log nor any page
//! in memory is written. The next mount repairs the file system by the log.
//!
//! Only `cargo xtask torture real-disk` tries something here, since it needs Linux, root and `xfs_io`. The gate loses power on
//! the simulated disk of `core/files`.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use tempfile::TempDir;

use super::anywhere::{add_rows, kill, seeds};
use super::{SAMPLES, Torture};
use crate::kit::until;

/// The smallest image that every file system takes.
const IMAGE_BYTES: u64 = 320 << 20;

/// A file system, and the options that make it as forgetful as its documentation allows.
const FILE_SYSTEMS: [(&str, &str); 2] = [
    // Without the option a rename or a truncation writes the data of the file, for programs that do not fsync.
    ("ext4", "loop,noauto_da_alloc"),
    ("xfs", "loop"),
];

/// A disk image that is mounted at a folder.
struct RealDisk {
    file_system: &'static str,
    image: PathBuf,
    at: PathBuf,
    options: &'static str,
    /// The image is in it.
    _folder: TempDir,
}

impl RealDisk {
    fn mounted_at(at: PathBuf, (file_system, options): (&'static str, &'static str)) -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let image = folder.path().join("image");
        let file = File::create(&image).expect("a file can be made");
        file.set_len(IMAGE_BYTES).expect("there is room");
        done(&format!("mkfs.{file_system}"), &["-q".as_ref(), &image]);
        fs::create_dir(&at).expect("a folder can be made");
        let disk = Self { file_system, image, at, options, _folder: folder };
        disk.mount();
        // The folder of ext4 for what a repair finds.
        let _ = fs::remove_dir(disk.at.join("lost+found"));
        disk
    }

    fn mount(&self) {
        done("mount", &["-o".as_ref(), self.options.as_ref(), &self.image, &self.at]);
    }

    /// Refuses to be written to, or takes that back.
    fn set_read_only(&self, is_read_only: bool) {
        let option = if is_read_only { "remount,ro" } else { "remount,rw" };
        done("mount", &["-o".as_ref(), option.as_ref(), &self.at]);
    }

    /// Fills all but so many bytes with a file that is none of the tenant's.
    fn fill(&self, room: u64) -> PathBuf {
        let path = self.at.join("filled");
        let mut file = File::create(&path).expect("a file can be made");
        let full = io::copy(&mut io::repeat(1), &mut file).expect_err("the disk has an end");
        assert_eq!(full.kind(), ErrorKind::StorageFull);
        let length = file.metadata().expect("it is there").len();
        file.set_len(length.saturating_sub(room)).expect("it can be shortened");
        file.sync_all().expect("it can be written");
        path
    }

    /// Cuts the power off. Until the next start nothing can be read or written.
    fn cut(&self) {
        done("xfs_io", &["-x".as_ref(), "-c".as_ref(), "shutdown".as_ref(), &self.at]);
    }

    /// Starts again: the file system puts itself in order by its log.
    fn start(&self) {
        let patience = Duration::from_secs(30);
        let unmounted = until(patience, || is_done("umount", &[&self.at]).then_some(()));
        assert!(unmounted.is_some(), "{} is still in use", self.at.display());
        self.mount();
    }
}

impl Drop for RealDisk {
    fn drop(&mut self) {
        is_done("umount", &["--lazy".as_ref(), &self.at]);
    }
}

fn is_done(program: &str, arguments: &[&Path]) -> bool {
    let output = Command::new(program).args(arguments).output();
    output.unwrap_or_else(|error| panic!("{program}: {error}")).status.success()
}

fn done(program: &str, arguments: &[&Path]) {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?} (it needs root): {said}");
}

/// A tenant whose store is on a disk of its own, which must be dropped first: the pair does so, and two variables would not.
fn torture(file_system: (&'static str, &'static str)) -> (RealDisk, Torture) {
    let mut disk = None;
    let torture = Torture::with("full", SAMPLES, |scene, configuration| {
        disk = Some(RealDisk::mounted_at(scene.path("store"), file_system));
        Torture::with_a_trail(scene, configuration)
    });
    add_rows(&torture);
    (disk.expect("it was mounted"), torture)
}

/// Returns true if real disks were asked for.
fn is_asked_for() -> bool {
    !seeds("TORTURE_REAL_DISK", 0).is_empty()
}

#[test]
fn j10_a_store_on_a_read_only_disk_is_refused_before_any_call() {
    for file_system in FILE_SYSTEMS.into_iter().filter(|_| is_asked_for()) {
        let place = torture(file_system);
        let (disk, torture) = &place;
        torture.change_estate();
        let before = torture.generations();
        disk.set_read_only(true);
        let requests = torture.scene().requests();
        let run = torture.scene().program(&["run"]);
        assert_eq!(run.exit, Some(2), "{file_system:?}: {}", run.stderr);
        assert!(run.stderr.contains("ead-only"), "{file_system:?}: {}", run.stderr);
        assert_eq!(torture.scene().requests(), requests, "{file_system:?}");
        // What is published can be read.
        torture.place.done(&["query", "select count(*) from nexthink_device"]);
        disk.set_read_only(false);
        torture.assert_repaired(file_system.0, &before);
    }
}

#[test]
fn j1_a_disk_that_is_full_in_the_middle_of_a_run_leaves_the_old_generation() {
    for file_system in FILE_SYSTEMS.into_iter().filter(|_| is_asked_for()) {
        let place = torture(file_system);
        let (disk, torture) = &place;
        for room in [0, 16 << 10, 64 << 10, 256 << 10] {
            torture.change_estate();
            let before = torture.generations();
            let filled = disk.fill(room);
            let run = torture.scene().program(&["run"]);
            let case = format!("{file_system:?}, {room} bytes free, {:?}", run.exit);
            assert!(matches!(run.exit, Some(0 | 1)), "{case}: {}", run.stderr);
            fs::remove_file(filled).expect("it was made");
            torture.assert_repaired(&case, &before);
        }
    }
}

#[test]
fn j6_n13_a_run_during_which_the_power_is_cut_off_is_repaired_by_the_next() {
    let make = |group: u64| {
        let group = usize::try_from(group).expect("it is small");
        torture(FILE_SYSTEMS[group % FILE_SYSTEMS.len()])
    };
    kill(seeds("TORTURE_REAL_DISK", 0), make, |disk, torture, seed, takes| {
        let moment = takes.mul_f64(Rng::with_seed(seed).f64() * 1.1);
        let mut running = torture.scene().start(&["run", "--output", "json"]);
        thread::sleep(moment);
        let has_ended = running.has_ended();
        disk.cut();
        running.kill();
        let ended = running.wait();
        disk.start();
        let (name, exit) = (disk.file_system, ended.exit);
        let case = format!(
            "seed {seed}: {name}, power cut off after {moment:?} of {takes:?}, exit {exit:?}"
        );
        if has_ended {
            let published = torture.scene().published().id().to_string();
            assert!(ended.stdout.contains(&published), "{case}: {}", ended.stdout);
        }
        case
    });
}
