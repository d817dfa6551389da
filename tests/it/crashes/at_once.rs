//! Several processes at once on keys, the ledger and the lists: nothing that one of them was told is lost.

use std::collections::BTreeSet;
use std::time::Duration;

use super::operations::keys_of;
use super::{Torture, long, torture_seconds};
use crate::kit::{Ended, Running};

/// The number of processes that start at once.
const PROCESSES: usize = 8;
/// The number of rounds that the gate plays, and that `cargo xtask torture` plays.
const ROUNDS: usize = 3;
const ALL_ROUNDS: usize = 200;
/// The number of rounds that one tenant sees. An erasure goes through all generations, and each round adds three, so
/// that a round would take ten times longer in the end if all were of one tenant.
const ROUNDS_OF_A_TENANT: usize = 20;
/// An erasure goes through all generations, beside seven other processes.
const PATIENCE: Duration = Duration::from_mins(10);

fn rounds() -> usize {
    if torture_seconds().is_some() { ALL_ROUNDS } else { ROUNDS }
}

impl Torture {
    /// Runs commands at once, each several times.
    fn at_once(&self, commands: &[&[&str]]) -> Vec<Ended> {
        let commands = commands.iter().cycle().take(PROCESSES);
        let running: Vec<Running> = commands.map(|command| self.scene().start(command)).collect();
        running.into_iter().map(|running| running.wait_for(PATIENCE)).collect()
    }
}

#[test]
fn n5_a_key_that_was_said_to_be_made_is_there_whoever_made_others_at_once() {
    let torture = Torture::new();
    let mut said: BTreeSet<String> = keys_of(&torture);
    for _ in 0..rounds() {
        for ended in torture.at_once(&[&["privacy", "key", "rotate"]]) {
            assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
            said.extend(ended.stdout.split_whitespace().last().map(str::to_owned));
        }
        let keys = keys_of(&torture);
        assert_eq!(keys, said, "every key that was said to be there");
    }
}

#[test]
fn n5_of_several_who_make_the_first_key_one_does() {
    let torture = Torture::new();
    let key = torture.scene().path("key-of-others");
    let name = format!("{{ file = \"{}\" }}", key.display());
    torture.scene().configure(|configuration| configuration.set("privacy.key", &name));
    let ended = torture.at_once(&[&["privacy", "key", "new"]]);
    let made: Vec<_> = ended.iter().filter(|ended| ended.exit == Some(0)).collect();
    assert_eq!(made.len(), 1, "{ended:?}");
    let id = made[0].stdout.split_whitespace().nth(2).expect("it says which").to_owned();
    assert!(keys_of(&torture).contains(&id), "{id} was said to be made");
}

#[test]
fn n5_runs_erasures_rotations_and_reads_at_once_lose_nothing() {
    let mut left = rounds();
    while left > 0 {
        let rounds = left.min(ROUNDS_OF_A_TENANT);
        play(&Torture::new(), rounds);
        left -= rounds;
    }
}

/// Has processes of each kind meet, once for each of so many users, who are erased meanwhile.
fn play(torture: &Torture, rounds: usize) {
    let users = torture.users();
    assert!(users.len() >= rounds, "{} users", users.len());
    for user in users.iter().take(rounds) {
        let before = torture.generations();
        let erase = ["privacy", "erase", "--user", &user[0], "--reason", "request", "--yes"];
        let query = ["query", "select count(*) from nexthink_user"];
        let rotate = ["privacy", "key", "rotate"];
        let ended = torture.at_once(&[&["run"], &erase, &query, &rotate]);
        for ended in &ended {
            // Another one holds the lock, or an erasure is under way.
            assert!(matches!(ended.exit, Some(0 | 5 | 9)), "{ended:?}");
        }
        let erased =
            ended.iter().any(|ended| ended.exit == Some(0) && ended.stdout.contains("erasure e-"));
        torture.assert_repaired(&user[0], &before);
        if erased {
            torture.place.assert_gone(&long(user.clone()), &[]);
        }
    }
}
