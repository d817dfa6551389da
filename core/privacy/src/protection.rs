//! Protection: what a policy does to one export, cell by cell, and whose rows are not read at all.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use core_model::cell::ip_addresses;
use core_model::column::{ColumnForm, Family};

use crate::canonical::looks_hashed;
use crate::error::PrivacyError;
use crate::identifiers::{Found, Identifiers};
use crate::keys::KeyRing;
use crate::mentions::Position;
use crate::profile::{Action, Policy};
use crate::pseudonym::Pseudonyms;
use crate::reuse::{Families, is_lasting};
use crate::suppression::{MentionCache, Suppressions};

/// What a run does to the rows of people.
#[derive(Clone)]
pub struct Protection {
    policy: Arc<Policy>,
    /// Nothing if the policy makes none.
    pseudonyms: Option<Arc<Pseudonyms>>,
    suppressions: Suppressions,
    /// What was found of the keys of entities, which later exports name again.
    kept: Arc<Mutex<Vec<Identifiers>>>,
}

/// What happens to the cells of one column of one export.
pub struct ColumnProtection {
    rule: Rule,
    /// How values of whose kind were seen: those that look like hashes, and all.
    hashed: u64,
    distinct: u64,
}

enum Rule {
    Keep,
    Drop,
    Day,
    Network,
    /// What names somebody who was erased is empty.
    FreeText,
    Identify(Box<Identifiers>),
}

/// A cell after the policy was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'a> {
    /// This text.
    Text(&'a str),
    /// The row is of somebody who was erased, unless it is of the next owner of the identifier.
    Suppressed {
        /// It is if it has another identifier of one of these families.
        unless: Families,
        /// What stands in the place of the cell in the row of the next owner.
        text: &'a str,
    },
}

impl Protection {
    /// Whether the rows of anybody are to be left out.
    pub fn suppresses(&self) -> bool {
        !self.suppressions.is_empty()
    }

    /// Applies a policy with the keys of an installation. `tenant` names the tenant as nothing else
    /// does, with its region. Nothing is given if nothing is to be done.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::NoKey`] when the policy makes pseudonyms and there are no keys.
    pub fn new(
        policy: Policy,
        keys: Option<&KeyRing>,
        tenant: &str,
        suppressions: Suppressions,
    ) -> Result<Option<Protection>, PrivacyError> {
        if !policy.changes_anything() && suppressions.is_empty() {
            return Ok(None);
        }
        let pseudonyms = match (policy.needs_key(), keys) {
            (false, _) => None,
            (true, Some(keys)) => Some(Arc::new(Pseudonyms::new(keys, tenant))),
            (true, None) => return Err(PrivacyError::NoKey),
        };
        Ok(Some(Protection {
            policy: Arc::new(policy),
            pseudonyms,
            suppressions,
            kept: Arc::default(),
        }))
    }

    /// What happens to a column. One that nobody declared is dropped.
    pub fn column(&self, name: &str) -> ColumnProtection {
        let action = self.policy.action(name);
        let form = self.policy.column(name).map(|it| it.form);
        let rule = match (form, action) {
            (Some(ColumnForm::Identifier(family)), action)
                if action == Action::Pseudonym || !self.suppressions.is_empty() =>
            {
                let kept = self.take_kept(family);
                let new = || Identifiers::new(family, action, self.pseudonyms.clone());
                Rule::Identify(Box::new(kept.unwrap_or_else(new)))
            }
            (Some(ColumnForm::FreeText), Action::Keep) if !self.suppressions.is_empty() => {
                Rule::FreeText
            }
            (_, Action::Keep) => Rule::Keep,
            (_, Action::Day) => Rule::Day,
            (_, Action::Network) => Rule::Network,
            (_, Action::Drop | Action::Pseudonym) => Rule::Drop,
        };
        ColumnProtection { rule, hashed: 0, distinct: 0 }
    }

    /// Keeps what was found in a column for later exports, if that helps them.
    pub fn keep(&self, column: ColumnProtection) {
        // Whom to suppress is learnt from export to export, so nothing found before is to be trusted then.
        if let Rule::Identify(identifiers) = column.rule
            && matches!(identifiers.family(), Family::UserUid | Family::DeviceUid)
            && !self.suppresses()
        {
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(*identifiers);
        }
    }

    fn take_kept(&self, family: Family) -> Option<Identifiers> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|it| it.family() == family)?;
        Some(kept.swap_remove(place))
    }

    /// Suppresses, for the rest of the run, what a suppressed row is identified by: rows of later
    /// exports name the same person by nothing else. Returns whether that is new.
    pub fn suppress(&mut self, column: &str, value: &str) -> bool {
        match self.policy.column(column).map(|it| it.form) {
            Some(ColumnForm::Identifier(family)) => self.suppressions.add(family, value),
            _ => false,
        }
    }
}

impl ColumnProtection {
    /// Whether cells stay as they are.
    pub fn keeps(&self) -> bool {
        match &self.rule {
            Rule::Keep => true,
            Rule::Identify(it) => it.action() == Action::Keep,
            _ => false,
        }
    }

    /// Whether nothing stays of any cell.
    pub fn drops(&self) -> bool {
        matches!(self.rule, Rule::Drop)
    }

    /// Whether a cell may show that its row is of somebody who was erased.
    pub fn identifies(&self) -> bool {
        matches!(self.rule, Rule::Identify(_))
    }

    /// The family of the column, if its values are lasting identifiers.
    pub fn lasting_family(&self) -> Option<Family> {
        match &self.rule {
            Rule::Identify(it) => Some(it.family()).filter(|it| is_lasting(*it)),
            _ => None,
        }
    }

    /// Forgets what was found of values, because more is to be suppressed by now.
    pub fn forget(&mut self) {
        if let Rule::Identify(identifiers) = &mut self.rule {
            identifiers.forget();
        }
    }

    /// What becomes of a cell. `buffer` may hold the text for as long as it is used.
    pub fn apply<'a>(
        &'a mut self,
        cell: &'a str,
        protection: &Protection,
        buffer: &'a mut String,
    ) -> Cell<'a> {
        buffer.clear();
        match &mut self.rule {
            Rule::Keep => Cell::Text(cell),
            Rule::Drop => Cell::Text(""),
            Rule::Day => Cell::Text(day(cell, buffer)),
            Rule::Network => Cell::Text(networks(cell, buffer)),
            Rule::FreeText => {
                // Nothing is remembered: whom to suppress is still being learnt.
                let suppressions = &protection.suppressions;
                let cache = &mut MentionCache::default();
                let is_named = suppressions.are_named_in(Position::Text, cell, cache);
                Cell::Text(if is_named { "" } else { cell })
            }
            Rule::Identify(_) if cell.is_empty() => Cell::Text(""),
            Rule::Identify(identifiers) => {
                let (found, is_new) = identifiers.find(cell, &protection.suppressions);
                if is_new {
                    self.distinct += 1;
                    self.hashed += u64::from(looks_hashed(cell));
                }
                match found {
                    Found::Suppressed(unless, text) => {
                        Cell::Suppressed { unless, text: text.unwrap_or(cell) }
                    }
                    Found::Kept => Cell::Text(cell),
                    Found::Pseudonym(text) => Cell::Text(text),
                }
            }
        }
    }

    /// How many of the distinct login names look like hashes, and how many there are in all; nothing
    /// for other columns. One that was forgotten counts again.
    pub fn hashed_names(&self) -> Option<(u64, u64)> {
        match &self.rule {
            Rule::Identify(it) if matches!(it.family(), Family::Login) => {
                Some((self.hashed, self.distinct))
            }
            _ => None,
        }
    }
}

/// The day of a point in time, as its first second in the zone it is written in; nothing of what is no
/// time.
fn day<'a>(cell: &str, buffer: &'a mut String) -> &'a str {
    let cell = cell.trim_ascii();
    let (Some(date), Some(rest)) = (cell.get(..10), cell.get(10..)) else { return "" };
    let is_date = date.bytes().enumerate().all(|(place, it)| match place {
        4 | 7 => it == b'-',
        _ => it.is_ascii_digit(),
    });
    if !is_date {
        return "";
    }
    let zone = match rest.rfind(['Z', 'z', '+', '-']) {
        Some(start) if rest[start..].len() <= 6 && rest[start + 1..].bytes().all(is_of_offset) => {
            &rest[start..]
        }
        _ => "",
    };
    buffer.push_str(date);
    buffer.push_str("T00:00:00");
    buffer.push_str(zone);
    buffer
}

fn is_of_offset(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b':'
}

/// The networks of a list of IP addresses, each once; what is no address is left out.
fn networks<'a>(cell: &str, buffer: &'a mut String) -> &'a str {
    let mut networks: Vec<IpAddr> = Vec::new();
    for address in ip_addresses(cell).flatten() {
        let network = network(address);
        if !networks.contains(&network) {
            networks.push(network);
        }
    }
    for network in networks {
        if !buffer.is_empty() {
            buffer.push(' ');
        }
        buffer.push_str(&network.to_string());
    }
    buffer
}

/// The network of an address: the first 24 bits of IPv4, the first 48 of IPv6, which is what one site
/// has (RFC 6177).
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(it) => Ipv4Addr::from_bits(it.to_bits() & (u32::MAX << 8)).into(),
        IpAddr::V6(it) => Ipv6Addr::from_bits(it.to_bits() & (u128::MAX << 80)).into(),
    }
}

#[cfg(test)]
mod tests {
    use core_model::column::{Column, behaviour, direct, free_text, persistent, technical};

    use super::*;
    use crate::identifiers::MAX_KNOWN;
    use crate::profile::Profile;
    use crate::suppression::{Erasure, SuppressionList};

    static COLUMNS: [Column; 6] = [
        persistent("user.uid", Family::UserUid),
        direct("user.name", Family::Login),
        direct("user.upn", Family::Address),
        behaviour("user.last_seen"),
        technical("user.type"),
        free_text("alert.trigger_value"),
    ];

    fn protection(profile: Profile, suppressed: &[(Family, &str)]) -> Option<Protection> {
        let keys = KeyRing::new("2026-11-22T10:00:00Z", &[1; 64]);
        let declared: Vec<&'static Column> = COLUMNS.iter().collect();
        let policy = Policy::new(profile, &declared, &["user.uid"], &[]).expect("no overrides");
        let mut list = SuppressionList::new(&keys);
        let erasure = Erasure { id: "e-1", since: "2026-11-22T10:00:00Z", reason: "request" };
        let suppressed = suppressed.iter().copied();
        list.suppress(&keys, "acme.eu", erasure, suppressed).expect("the same key");
        let suppressions = list.matcher(&keys, "acme.eu", "").expect("the same key");
        Protection::new(policy, Some(&keys), "acme.eu", suppressions).expect("there are keys")
    }

    fn applied(protection: &Protection, column: &str, cell: &str) -> Option<String> {
        let mut buffer = String::new();
        match protection.column(column).apply(cell, protection, &mut buffer) {
            Cell::Text(text) => Some(text.to_owned()),
            Cell::Suppressed { .. } => None,
        }
    }

    #[test]
    fn nothing_is_done_where_nothing_is_to_be_done() {
        assert!(protection(Profile::Full, &[]).is_none());
        let protection = protection(Profile::Pseudonymous, &[]).expect("there is much to be done");
        assert!(protection.column("user.type").keeps());
        assert!(!protection.column("user.name").keeps());
    }

    #[test]
    fn each_column_gets_its_own() {
        let protection = protection(Profile::Pseudonymous, &[]).expect("there is much to be done");
        let upn =
            applied(&protection, "user.upn", "jane.doe@acme.example").expect("not suppressed");
        assert!(upn.starts_with("p1-"), "{upn}");
        assert_eq!(applied(&protection, "user.name", "Jane.Doe@acme.example"), Some(upn));
        let table = [
            ("user.name", "", ""),
            ("user.last_seen", "2026-11-18 11:06:40", "2026-11-18T00:00:00"),
            ("user.type", "domain", "domain"),
            ("nobody.declared", "Jane Doe", ""),
        ];
        for (column, cell, expected) in table {
            assert_eq!(applied(&protection, column, cell).as_deref(), Some(expected), "{column}");
        }
    }

    #[test]
    fn rows_of_somebody_who_was_erased_are_known_in_every_profile() {
        for profile in Profile::ALL {
            let mut protection = protection(profile, &[(Family::Address, "jane.doe@acme.example")])
                .expect("somebody is suppressed");
            assert_eq!(applied(&protection, "user.upn", "JANE.DOE@acme.example"), None);
            assert_eq!(applied(&protection, "user.name", "jane.doe@acme.example"), None);
            assert!(applied(&protection, "user.uid", "u-1").is_some());
            protection.suppress("user.uid", "u-1");
            assert_eq!(applied(&protection, "user.uid", "u-1"), None);
            assert!(applied(&protection, "user.uid", "u-2").is_some());
        }
    }

    #[test]
    fn g18_somebody_who_was_erased_is_known_by_each_address_of_a_list() {
        let jane = [(Family::Address, "jane.doe@acme.example")];
        for profile in Profile::ALL {
            let protection = protection(profile, &jane).expect("somebody is suppressed");
            for cell in [
                "j.doe@acme.example; Jane.Doe@acme.example",
                "['jane.doe@acme.example', 'j.doe@acme.example']",
                "j.doe@acme.example jane.doe@acme.example",
                "'jane.doe@acme.example'",
                "jane.doe_acme.example#EXT#@partner.onmicrosoft.com",
            ] {
                assert_eq!(applied(&protection, "user.upn", cell), None, "{cell}");
            }
            for cell in [
                "x.jane.doe@acme.example; j.doe@acme.example",
                "mary jane.doe@acme.example",
                "o'jane.doe@acme.example",
            ] {
                assert!(applied(&protection, "user.upn", cell).is_some(), "{cell}");
            }
        }
    }

    #[test]
    fn g18_each_address_of_a_list_has_the_pseudonym_that_it_has_alone() {
        let protection = protection(Profile::Pseudonymous, &[]).expect("there is much to be done");
        let pseudonym = |cell| applied(&protection, "user.upn", cell).expect("not suppressed");
        let [jane, joe] = ["jane@acme.example", "joe@acme.example"].map(pseudonym);
        assert_eq!(pseudonym("Jane@acme.example; joe@acme.example"), format!("{jane}; {joe}"));
        assert_eq!(pseudonym("['jane@acme.example']"), jane);
        let guest = pseudonym("jane_acme.example#EXT#@partner.onmicrosoft.com");
        assert!(guest.starts_with("p1-") && guest != jane, "{guest}");
    }

    #[test]
    fn a_free_text_that_names_somebody_who_was_erased_is_empty() {
        let suppressed = [(Family::Address, "jane.doe@acme.example")];
        let protection = protection(Profile::Full, &suppressed).expect("somebody is suppressed");
        let text = |cell| applied(&protection, "alert.trigger_value", cell);
        assert_eq!(text("blocked <Jane.Doe@acme.example>").as_deref(), Some(""));
        assert_eq!(text("93 %").as_deref(), Some("93 %"));
    }

    #[test]
    fn a_value_is_the_same_the_second_time() {
        let protection = protection(Profile::Pseudonymous, &[(Family::Login, "ACME\\gone")]);
        let protection = protection.expect("there is much to be done");
        let mut column = protection.column("user.name");
        let mut read = |cell: &str| {
            let mut buffer = String::new();
            match column.apply(cell, &protection, &mut buffer) {
                Cell::Text(text) => text.to_owned(),
                Cell::Suppressed { .. } => "suppressed".to_owned(),
            }
        };
        let cells = [
            "ACME\\jdoe",
            "ACME\\jdoe",
            "acme\\gone",
            "",
            "ACME\\other",
            "ACME\\jdoe",
            "acme\\gone",
        ];
        let read: Vec<String> = cells.iter().map(|it| read(it)).collect();
        assert_eq!([&read[1], &read[5]], [&read[0]; 2]);
        assert_eq!(
            (read[2].as_str(), read[3].as_str(), read[6].as_str()),
            ("suppressed", "", "suppressed")
        );
        assert_ne!(read[4], read[0]);
        let hash = "5f4dcc3b5aa765d61d8327deb882cf99";
        let mut buffer = String::new();
        column.apply(hash, &protection, &mut buffer);
        assert_eq!(column.hashed_names(), Some((1, 4)));
    }

    #[test]
    fn a_value_that_was_forgotten_gets_the_same_pseudonym() {
        let protection = protection(Profile::Pseudonymous, &[]).expect("there is much to be done");
        let mut column = protection.column("user.name");
        let mut read = |cell: &str| match column.apply(cell, &protection, &mut String::new()) {
            Cell::Text(text) => text.to_owned(),
            Cell::Suppressed { .. } => "suppressed".to_owned(),
        };
        let [first, empty] = ["ACME\\jdoe", ""].map(&mut read);
        (0..=MAX_KNOWN).for_each(|number| _ = read(&format!("u{number}")));
        assert_eq!(["ACME\\jdoe", ""].map(&mut read), [first, empty]);
    }

    #[test]
    fn times_are_cut_to_their_day_in_their_own_zone() {
        let table = [
            ("2026-11-18 11:06:40", "2026-11-18T00:00:00"),
            ("2026-11-18T11:06:40Z", "2026-11-18T00:00:00Z"),
            ("2026-11-18T11:06:40.123+02:00", "2026-11-18T00:00:00+02:00"),
            (" 2026-11-18 23:59:59-0530 ", "2026-11-18T00:00:00-0530"),
            ("2026-11-18", "2026-11-18T00:00:00"),
            ("2026-11-18 Jane-Doe", "2026-11-18T00:00:00"),
            ("Jane Doe, at noon", ""),
            ("18.11.2026 11:06", ""),
            ("äöüäöüäöüäöü", ""),
            ("", ""),
        ];
        for (cell, expected) in table {
            assert_eq!(day(cell, &mut String::new()), expected, "{cell}");
        }
    }

    #[test]
    fn addresses_are_cut_to_their_network() {
        let table = [
            ("10.20.30.40", "10.20.30.0"),
            ("10.20.30.40, 10.20.30.41; 10.20.31.1", "10.20.30.0 10.20.31.0"),
            ("[\"2001:db8:1:2:3:4:5:6\"]", "2001:db8:1::"),
            ("fe80::1%en0, ::ffff:10.0.0.5", "fe80:: 10.0.0.0"),
            ("10.20.30.40/24 [2001:db8:1:2::3]:443", "10.20.30.0 2001:db8:1::"),
            ("jane-laptop", ""),
        ];
        for (cell, expected) in table {
            assert_eq!(networks(cell, &mut String::new()), expected, "{cell}");
        }
    }
}
