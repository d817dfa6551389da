//! The rows of the users export.

use super::dice::{Dice, Kind, uid};
use super::people::Person;
use super::{DAY, Tenant};
use crate::row::Row;

const DEPARTMENTS: &[&str] = &[
    "Engineering",
    "Finance, Risk & Compliance",
    "Forschung und Entwicklung (Zürich)",
    "Human Resources",
    "Sales \"EMEA\"",
    "経営企画",
];

const ENTITIES: &[&str] = &["Lausanne", "Zürich", "Boston, MA", "東京"];

impl Tenant {
    pub(crate) fn user_row(&self, user: u64, row: &mut Row) {
        let seed = self.spec.seed;
        let mut dice = Dice::new(seed, Kind::User, user);
        let person = Person::new(&mut dice, user);
        let style = dice.below(20);
        // Local accounts are not in the directory.
        let is_local = matches!(style, 16 | 17);

        row.uid(uid(seed, Kind::UserUid, user));
        match style {
            0..9 => row.format(format_args!("ACME\\{}", person.account())),
            9..12 => row.format(format_args!("{}@acme", person.account())),
            12..14 => row.text(&person.account()),
            14 => row.format(format_args!("{}@acme.example", person.mailbox())),
            15 => row.format(format_args!("ACME\\{}", person.full_name())),
            16 => row.format(format_args!("LAP-{user:06}\\Administrator")),
            17 => row.format(format_args!("kiosk{user}@LAP-{user:06}")),
            // The Collector of some devices sends a hash instead of the name.
            _ => row.format(format_args!("{:016x}{:016x}", dice.number(), dice.number())),
        }
        if is_local || dice.once_in(8) {
            row.null();
        } else {
            row.format(format_args!("{}@acme.example", person.mailbox()));
        }
        row.format(format_args!("S-1-5-21-1004336348-1177238915-682003330-{}", 500_000 + user));
        row.text(match style {
            16 => "LOCAL_ADMIN",
            17 => "LOCAL_USER",
            _ => "DOMAIN_USER",
        });
        let last_seen = self.last_seen(&mut dice, user);
        row.time(last_seen);
        row.time(last_seen - dice.below(700 * DAY));
        if dice.once_in(20) {
            row.null();
        } else {
            row.text(dice.pick(ENTITIES));
        }
        if is_local || dice.once_in(6) {
            (0..3).for_each(|_| row.null());
            return;
        }
        row.format(format_args!("{}@acme.example", person.mailbox()));
        row.text(&person.full_name());
        if dice.once_in(10) {
            row.null();
        } else {
            row.text(dice.pick(DEPARTMENTS));
        }
    }
}
