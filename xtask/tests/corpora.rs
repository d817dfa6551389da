//! Everything that reads what strangers send or leave, over corpora of such bytes and over thousands of inputs that are made
//! of them: no reader panics or says something that cannot be true.

#[path = "../fuzz/src/targets.rs"]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fastrand::Rng;

use self::targets::{TARGETS, Target};

/// The number of inputs that are made of each input of a corpus.
const MADE: u64 = 150;

/// The inputs of a target, by their files.
fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpora");
    let entries = fs::read_dir(root.join(target.name)).expect("every target has a corpus");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).expect("it can be read"))).collect()
}

/// Changes some bytes: turned, removed, doubled, or taken from another input.
fn change(bytes: &[u8], other: &[u8], random: &mut Rng) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    for _ in 0..random.usize(1..4) {
        let at = random.usize(..=changed.len());
        let end = (at + random.usize(..9)).min(changed.len());
        match random.u8(..5) {
            0 => changed.insert(at, random.u8(..)),
            1 => drop(changed.drain(at..end)),
            2 => changed.extend_from_within(at..end),
            3 if !other.is_empty() => {
                let from = random.usize(..other.len());
                let to = (from + random.usize(..20)).min(other.len());
                changed.splice(at..end, other[from..to].iter().copied());
            }
            _ if at < changed.len() => changed[at] ^= 1 << random.u8(..8),
            _ => {}
        }
    }
    changed
}

/// Runs a target, and shows the input with which it fails.
fn run(target: &Target, origin: &str, bytes: &[u8]) {
    let ran = catch_unwind(AssertUnwindSafe(|| (target.run)(bytes)));
    assert!(ran.is_ok(), "{} of {origin}: {:?}", target.name, String::from_utf8_lossy(bytes));
}

#[test]
fn no_target_fails_on_its_corpus_nor_on_what_is_made_of_it() {
    for target in &TARGETS {
        let corpus = corpus(target);
        assert!(!corpus.is_empty(), "{} has no corpus", target.name);
        for (number, (path, bytes)) in corpus.iter().enumerate() {
            let origin = path.display().to_string();
            run(target, &origin, bytes);
            let other = &corpus[(number + 1) % corpus.len()].1;
            let mut random = Rng::with_seed(number as u64);
            for _ in 0..MADE {
                run(target, &origin, &change(bytes, other, &mut random));
            }
        }
    }
}
