//! Operating systems: which releases a device may run. Windows is known by its build, and the edition tells
//! which of several dates holds; if it does not, all that are possible are.

use jiff::civil::Date;

use crate::eol::{Products, Release, Support};
use crate::version::parts_of_release;

/// The system of some devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// Its name, such as `Windows 11 Enterprise 24H2 (64 bits)`.
    pub name: String,
    /// Its version, such as `10.0.26100.4061`.
    pub version: String,
    /// The number of devices that run it.
    pub devices: u64,
}

/// The releases that a system may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemMatch {
    /// The product, as endoflife.date names it.
    pub product: String,
    /// The releases; several if the edition cannot be told.
    pub releases: Vec<String>,
    /// The first day on which support may have ended, and the last. The same if it is known.
    pub support: (Support, Support),
    /// `build and edition`, `build`, or `name`.
    pub rule: &'static str,
}

/// The products of systems that name their version, by the beginning of their names.
const NAMED: [(&str, &str); 6] = [
    ("macos", "macos"),
    ("ubuntu", "ubuntu"),
    ("debian", "debian"),
    ("fedora", "fedora"),
    ("red hat enterprise linux", "rhel"),
    ("rocky linux", "rocky-linux"),
];
/// The ends of the releases of an edition, and words of names that tell the edition. The first that fits counts: Pro
/// Education is supported as long as Pro (Microsoft Lifecycle, Windows 11 Home and Pro).
const EDITIONS: [(&str, &[&str]); 2] =
    [("-w", &["home", "pro"]), ("-e", &["enterprise", "education"])];
/// Words of long-term editions, in names of systems and of releases.
const LONG_TERM: [&str; 3] = ["ltsc", "ltsb", "iot"];

impl Products {
    /// Finds the releases that a system may be. None if the file does not know the system.
    pub fn find_system(&self, system: &System) -> Option<SystemMatch> {
        let name = system.name.to_lowercase();
        if name.contains("windows") {
            let product = if name.contains("server") { "windows-server" } else { "windows" };
            return self.windows(product, &name, &system.version);
        }
        let (_, product) = NAMED.iter().find(|(start, _)| name.starts_with(start))?;
        let is_number = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
        let version = name.split_whitespace().find(is_number)?;
        let releases = self.product(product)?.releases.iter();
        let parts = |release: &&Release| parts_of_release(version, &release.name);
        let release = releases.filter(|release| parts(release).is_some()).max_by_key(parts)?;
        Some(matched(product, &[release], "name"))
    }

    fn windows(&self, product: &str, name: &str, version: &str) -> Option<SystemMatch> {
        let has_build = |release: &&Release| {
            let latest = release.latest.as_ref().map(|latest| latest.name.as_str());
            latest.is_some_and(|latest| {
                latest.split('.').count() >= 3 && parts_of_release(version, latest).is_some()
            })
        };
        let all: Vec<&Release> = self.product(product)?.releases.iter().filter(has_build).collect();
        if all.is_empty() {
            return None;
        }
        let words: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).collect();
        let has_word = |expected: &[&str]| expected.iter().any(|word| words.contains(word));
        let is_long_term = has_word(&LONG_TERM);
        let edition = EDITIONS.iter().find(|(_, names)| has_word(names)).map(|(end, _)| *end);
        let is_possible = |release: &&&Release| {
            let is_long_term_release =
                ["-lts", "-iot"].iter().any(|mark| release.name.contains(mark));
            let ends = EDITIONS.iter().find(|(end, _)| release.name.ends_with(end));
            // A release without an edition is of all; without a word of an edition, each is possible.
            is_long_term == is_long_term_release
                && match (edition, ends) {
                    (Some(edition), Some((end, _))) => edition == *end,
                    _ => true,
                }
        };
        let possible: Vec<&Release> = all.iter().filter(is_possible).copied().collect();
        let rule = if possible.len() == 1 && all.len() > 1 { "build and edition" } else { "build" };
        let possible = if possible.is_empty() { all } else { possible };
        Some(matched(product, &possible, rule))
    }
}

fn matched(product: &str, releases: &[&Release], rule: &'static str) -> SystemMatch {
    let mut supports: Vec<Support> = releases.iter().map(|release| release.support()).collect();
    // What is unknown may end first, and what is open last.
    supports.sort_by_key(|support| match support {
        Support::Unknown => (0, Date::MIN),
        Support::Ended => (1, Date::MIN),
        Support::Until(end) => (2, *end),
        Support::Open => (3, Date::MAX),
    });
    let first = supports.first().copied().unwrap_or(Support::Unknown);
    let last = supports.last().copied().unwrap_or(Support::Unknown);
    SystemMatch {
        product: product.to_owned(),
        releases: releases.iter().map(|release| release.name.clone()).collect(),
        support: (first, last),
        rule,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name, a version, and what is found: the releases, the first and the last day, and the rule.
    type Case =
        (&'static str, &'static str, Option<(&'static [&'static str], &'static str, &'static str)>);

    #[test]
    fn a_build_and_an_edition_give_one_date_and_a_build_alone_a_range() {
        let products =
            Products::parse(include_str!("../tests/data/products.json")).expect("products");
        let table: [Case; 11] = [
            (
                "Windows 11 Enterprise 24H2 (64 bits)",
                "10.0.26100.4061",
                Some((&["11-24h2-e"], "2027-10-12 2027-10-12", "build and edition")),
            ),
            (
                "Windows 11 Pro 24H2",
                "10.0.26100.1",
                Some((&["11-24h2-w"], "2026-10-13 2026-10-13", "build and edition")),
            ),
            (
                "Windows 11 Pro Education 24H2",
                "10.0.26100.1",
                Some((&["11-24h2-w"], "2026-10-13 2026-10-13", "build and edition")),
            ),
            (
                "Windows 11 24H2",
                "10.0.26100.1",
                Some((&["11-24h2-e", "11-24h2-w"], "2026-10-13 2027-10-12", "build")),
            ),
            (
                "Windows 11 IoT Enterprise LTSC",
                "10.0.26100.1",
                Some((&["11-24h2-iot-lts"], "2034-10-10 2034-10-10", "build and edition")),
            ),
            (
                "Windows 10 Enterprise 22H2",
                "10.0.19045.1",
                Some((&["10-22h2"], "2025-10-14 2025-10-14", "build")),
            ),
            ("Windows 12", "10.0.30000.1", None),
            ("Windows 11 Enterprise", "", None),
            ("macOS 14.3", "23E214", Some((&["14"], "2026-03-01 2026-03-01", "name"))),
            ("macOS", "23E214", None),
            ("BeOS 5", "5", None),
        ];
        for (name, version, expected) in table {
            let system = System { name: name.to_owned(), version: version.to_owned(), devices: 1 };
            let found = products.find_system(&system).map(|found| {
                let end =
                    |support: Support| support.end().map(|end| end.to_string()).unwrap_or_default();
                let days = format!("{} {}", end(found.support.0), end(found.support.1));
                (found.releases, days, found.rule)
            });
            let expected = expected.map(|(releases, days, rule)| {
                (
                    releases.iter().map(|release| (*release).to_owned()).collect(),
                    days.to_owned(),
                    rule,
                )
            });
            assert_eq!(found, expected, "{name} {version}");
        }
    }
}
