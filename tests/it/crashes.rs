//! The program killed, without power and refused at its file operations: whatever happens, the next run repairs the store
//! without a person, nothing that was published is lost, and no erased person comes back.
//!
//! The gate tries some operations of each command. `cargo xtask torture` tries as many as fit into the time
//! that it is given.

mod anywhere;
mod at_once;
mod copied;
mod delivered;
mod lists;
pub(crate) mod operations;
mod power;
#[cfg(target_os = "linux")]
mod real_disk;
mod space;
mod strict;
mod telling;
mod unfinished;

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::kit::{Configuration, Ended, Scene, TENANT, files, start};
use crate::privacy::erasure::Place;

/// The number of operations of each command that the gate tries with each fault.
const SAMPLES: usize = 5;

/// A tenant with a key, an audit trail and a JupiterOne, of which two generations are published, and of which a user was
/// erased between them if its profile keeps users.
struct Torture {
    place: Place,
    /// The texts that the erased user was known by.
    erased: BTreeSet<String>,
    started: Instant,
    /// The number of operations that the gate tries.
    samples: usize,
}

impl Torture {
    fn new() -> Self {
        Self::with("full", SAMPLES, Self::with_a_trail)
    }

    /// Adds the audit trail to a configuration.
    fn with_a_trail(scene: &Scene, configuration: Configuration) -> Configuration {
        configuration
            .set("nexthink.daily_exports", "10000")
            .text("audit.host", scene.api())
            .text("audit.account", "demo")
            .set("audit.password", "{ file = \"secret\" }")
            .set("audit.since_days", "1")
    }

    /// The same with other settings.
    fn with(
        profile: &str,
        samples: usize,
        change: impl FnOnce(&Scene, Configuration) -> Configuration,
    ) -> Self {
        let place = Place::with(profile, change);
        // Each erasure that is tried needs a person, of whom this tenant knows two names.
        let users = if torture_seconds().is_some() { 400 } else { 20 };
        place.scene.update(|behaviour| behaviour.tenant.users = users);
        let erased = BTreeSet::new();
        let mut torture = Self { place, erased, started: Instant::now(), samples };
        torture.scene().run_completely();
        if profile == "full" {
            let user = torture.users().swap_remove(0);
            let erase = ["privacy", "erase", "--user", &user[0], "--reason", "request", "--yes"];
            torture.place.done(&erase);
            torture.erased = long(user);
        }
        torture.scene().run_completely();
        torture
    }

    fn scene(&self) -> &Scene {
        &self.place.scene
    }

    /// Runs a command under a fault, for example `kill@17`.
    fn under(&self, fault: &str, arguments: &[&str]) -> Ended {
        start(self.scene().folder(), arguments, &[("FILE_FAULT", fault)]).wait()
    }

    /// Adds alerts or takes them away again, so that the next run has something to deliver.
    fn change_estate(&self) {
        self.scene().update(|behaviour| {
            behaviour.tenant.alerts = if behaviour.tenant.alerts == 30 { 27 } else { 30 };
        });
    }

    /// Counts the file operations of a command.
    fn count(&self, arguments: &[&str]) -> usize {
        let log = self.scene().path("operations");
        let name = log.display().to_string();
        let ended = start(self.scene().folder(), arguments, &[("FILE_OPERATIONS", &name)]).wait();
        assert_eq!(ended.exit, Some(0), "{arguments:?}: {}", ended.stderr);
        let operations = fs::read_to_string(&log).expect("it was written").lines().count();
        fs::remove_file(&log).expect("it was written");
        assert!(operations > 0, "{arguments:?}: the program has no checkpoints");
        operations
    }

    /// Which operation to try with which kind of fault: numbers spread over all operations however many there is
    /// time for, and with enough time each with each kind.
    fn places<'a, T>(
        &self,
        operations: usize,
        kinds: &'a [T],
    ) -> impl Iterator<Item = (usize, &'a T)> + use<'a, T> {
        let (started, seconds) = (self.started, torture_seconds().map(Duration::from_secs));
        let all = kinds.len() * operations;
        let tries = if seconds.is_some() { all } else { self.samples.min(operations) };
        let rounds = (0..kinds.len()).flat_map(move |round| {
            let kind = move |place| &kinds[(place + round) % kinds.len()];
            spread(operations).enumerate().map(move |(place, number)| (number, kind(place)))
        });
        rounds
            .take(tries)
            .take_while(move |_| seconds.is_none_or(|seconds| started.elapsed() < seconds))
    }

    /// The ids of the generations in the history.
    fn generations(&self) -> BTreeSet<String> {
        let history = self.scene().store().history().expect("it can be listed");
        history.into_iter().map(|entry| entry.id.to_string()).collect()
    }

    /// Fails unless the next run repairs everything, here and at JupiterOne: `before` are the generations that were published.
    fn assert_repaired(&self, case: &str, before: &BTreeSet<String>) -> Ended {
        let run = self.scene().program(&["run"]);
        assert_eq!(run.exit, Some(0), "{case}: the next run: {}", run.stderr);
        self.assert_whole(case, before);
        self.assert_delivered(case);
        self.place.assert_gone(&self.erased, &[&run]);
        run
    }

    /// Fails unless the store is whole: every generation as its manifest says, no file that no manifest names, a
    /// ledger without findings.
    fn assert_whole(&self, case: &str, before: &BTreeSet<String>) {
        let store = self.scene().store();
        let after = self.generations();
        assert!(before.is_subset(&after), "{case}: {before:?} became {after:?}");
        let folder = self.scene().path("store").join(TENANT);
        for id in &after {
            let id = id.parse().expect("it is an id");
            let generation = store.generation(&id).expect("it can be opened");
            generation.verify().unwrap_or_else(|error| panic!("{case}: {error}"));
            let mut named: BTreeSet<_> =
                generation.manifest().files().map(|file| file.path.clone()).collect();
            named.insert("manifest.json".to_owned());
            let base = folder.join("generations").join(id.as_str());
            let present = files(&base).into_iter().map(|path| {
                path.strip_prefix(&base).expect("it is below").to_string_lossy().into_owned()
            });
            assert_eq!(present.collect::<BTreeSet<_>>(), named, "{case}");
        }
        assert_eq!(self.scene().leftovers(), [] as [std::path::PathBuf; 0], "{case}");
        let temporary = files(self.scene().folder()).into_iter().filter(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().contains(".new"))
        });
        assert_eq!(temporary.collect::<Vec<_>>(), [] as [std::path::PathBuf; 0], "{case}");
        let heads = store.known_ledger_heads().expect("it can be listed");
        let findings = store.ledger().verify(&heads).expect("it can be read").findings;
        assert!(findings.is_empty(), "{case}: {findings:?}");
    }

    /// The identifiers of each user, the e-mail address first.
    fn users(&self) -> Vec<[String; 3]> {
        let rows = self.scene().query(
            "select upn, id, sid from nexthink_user where upn is not null and sid is not null",
        );
        let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
        rows.iter().map(|row| ["upn", "id", "sid"].map(|name| text(row, name))).collect()
    }
}

/// The texts of a user that are long enough to belong to no other user.
fn long(texts: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    texts.into_iter().filter(|text| text.len() > 5).collect()
}

/// The numbers from 1 on, each once, in steps so large that the first few of them lie all over the range.
fn spread(numbers: usize) -> impl Iterator<Item = usize> {
    let has_common_factor = |step: usize| {
        let (mut larger, mut smaller) = (numbers, step);
        while smaller > 0 {
            (larger, smaller) = (smaller, larger % smaller);
        }
        larger > 1
    };
    let golden = (numbers * 5 / 8).max(1);
    let step = (golden..numbers).find(|step| !has_common_factor(*step)).unwrap_or(1);
    (0..numbers).map(move |number| number * step % numbers + 1)
}

#[test]
fn operations_are_tried_all_over_the_range_and_each_once() {
    for numbers in [1, 2, 6, 29, 263] {
        let tried: Vec<usize> = spread(numbers).collect();
        assert_eq!(tried.iter().copied().collect::<BTreeSet<_>>(), (1..=numbers).collect());
        assert_eq!(tried.len(), numbers);
    }
    assert_eq!(spread(100).take(5).collect::<Vec<_>>(), [1, 64, 27, 90, 53]);
}

/// The time for which each test may try operations, if that was asked for.
fn torture_seconds() -> Option<u64> {
    number("TORTURE_SECONDS")
}

/// A number that `cargo xtask torture` sets.
#[expect(clippy::disallowed_methods, reason = "a switch for these tests alone")]
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
