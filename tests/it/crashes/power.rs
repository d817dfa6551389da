//! The work that a command has said to be done survives a loss of power right after it.

use super::operations::keys_of;
use super::{Torture, torture_seconds};
use crate::kit::Ended;

/// The number of losses that the gate tries after each command, and that `cargo xtask torture` tries.
const LOSSES: u64 = 2;
const ALL_LOSSES: u64 = 100;

impl Torture {
    /// Runs a command again and again, each time with a loss of power after its last operation.
    fn losses(
        &self,
        mut arguments: impl FnMut() -> Vec<String>,
        mut check: impl FnMut(&str, &Ended),
    ) {
        let losses = if torture_seconds().is_some() { ALL_LOSSES } else { LOSSES };
        for seed in 0..losses {
            let arguments = arguments();
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let fault = format!("power@end:{seed}");
            let before = self.generations();
            let ended = self.under(&fault, &arguments);
            assert_eq!(ended.exit, None, "{fault}: {ended:?}");
            check(&fault, &ended);
            self.assert_repaired(&fault, &before);
        }
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[test]
fn n13_a_generation_that_was_said_to_be_published_survives_a_loss_of_power() {
    let torture = Torture::new();
    torture.losses(
        || words("run --output json"),
        |fault, ended| {
            let current = torture.scene().store().current().expect("it can be read");
            let id = current.expect("one is published").id().to_string();
            assert!(ended.stdout.contains(&id), "{fault}: {id} is current: {}", ended.stdout);
        },
    );
}

#[test]
fn n13_a_key_that_was_said_to_be_made_survives_a_loss_of_power() {
    let torture = Torture::new();
    torture.losses(
        || words("privacy key rotate"),
        |fault, ended| {
            let said = ended.stdout.split_whitespace().last().unwrap_or_default();
            assert!(keys_of(&torture).contains(said), "{fault}: {said}");
        },
    );
}

#[test]
fn n13_an_erasure_that_was_said_to_be_done_survives_a_loss_of_power() {
    let torture = Torture::new();
    let mut users = torture.users().into_iter();
    let mut certified = torture.certificates();
    torture.losses(
        || {
            let user = users.next().expect("there are more users than losses");
            words(&format!("privacy erase --user {} --reason request --yes", user[0]))
        },
        |fault, ended| {
            let now = torture.certificates();
            let new = now.difference(&certified).next().unwrap_or_else(|| panic!("{fault}"));
            assert!(ended.stdout.contains(new), "{fault}: {new}: {}", ended.stdout);
            assert_eq!(now, torture.suppressed(), "{fault}");
            certified = now;
        },
    );
}
