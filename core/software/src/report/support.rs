//! The end of support of operating systems and packages.

use jiff::civil::Date;
use serde_json::{Value, json};

use super::Source;
use crate::{Mapping, Package, Products, Support, System};

/// An operating system or package, and the end of its support.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupportLine {
    /// `system` or `package`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its version; empty if the release is known by the name alone.
    pub version: String,
    /// The key of the package; none for a system.
    pub package: Option<String>,
    /// On how many devices it is.
    pub devices: u64,
    /// The product, as endoflife.date names it.
    pub product: String,
    /// The releases that it may be one of.
    pub releases: Vec<String>,
    /// The earliest and the latest end of support among these releases.
    pub support: (Support, Support),
    /// The rule of the match.
    pub rule: &'static str,
    /// The confidence of the match, in a word.
    pub confidence: &'static str,
}

/// Returns the systems, most devices first, then the packages in their order. What is no known product is left out.
pub fn support(
    systems: Vec<System>,
    packages: &[Package],
    products: &Products,
    mapping: &Mapping,
) -> Vec<SupportLine> {
    let mut lines = of_systems(systems, products);
    lines.extend(packages.iter().filter_map(|package| of_package(package, products, mapping)));
    lines
}

/// Returns a line for each release of a system: its updates share one end of support.
fn of_systems(systems: Vec<System>, products: &Products) -> Vec<SupportLine> {
    let mut merged: Vec<SupportLine> = Vec::new();
    for system in systems {
        let Some(found) = products.find_system(&system) else { continue };
        let build: Vec<&str> = system.version.split('.').take(3).collect();
        // Other systems than Windows are known by their names alone.
        let version = if found.rule == "name" { String::new() } else { build.join(".") };
        let is_same = |other: &&mut SupportLine| {
            other.name == system.name && other.releases == found.releases
        };
        if let Some(other) = merged.iter_mut().find(is_same) {
            other.devices += system.devices;
            continue;
        }
        merged.push(SupportLine {
            kind: "system",
            name: system.name,
            version,
            package: None,
            devices: system.devices,
            product: found.product,
            releases: found.releases,
            support: found.support,
            rule: found.rule,
            confidence: "certain",
        });
    }
    merged.sort_by(|one, two| two.devices.cmp(&one.devices).then_with(|| one.name.cmp(&two.name)));
    merged
}

fn of_package(package: &Package, products: &Products, mapping: &Mapping) -> Option<SupportLine> {
    let found = products.find(package, mapping)?;
    Some(SupportLine {
        kind: "package",
        name: package.name.clone(),
        version: package.version.clone(),
        package: Some(package.key.clone()),
        devices: package.devices,
        product: found.product,
        releases: found.release.into_iter().collect(),
        support: (found.support, found.support),
        rule: found.rule,
        confidence: found.confidence.name(),
    })
}

impl SupportLine {
    /// Returns whether support has ended by a day, in a word: `unknown` if it may have.
    pub fn state(&self, today: Date) -> &'static str {
        match (self.support.0.has_ended(today), self.support.1.has_ended(today)) {
            (Some(false), Some(false)) => "supported",
            (Some(true), Some(true)) => "ended",
            _ => "unknown",
        }
    }

    /// Returns the end of support as a day or a span of days; empty if it is not known.
    pub fn ends(&self) -> String {
        match (day(self.support.0), day(self.support.1)) {
            (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
            (Some(end), _) | (None, Some(end)) => end,
            (None, None) => String::new(),
        }
    }

    /// The header of a table of lines, whose last column is a number.
    pub const HEADER: [&str; 6] =
        ["software", "product and release", "support", "ends", "rule", "devices"];

    /// Returns the line for people.
    pub fn cells(&self, today: Date) -> [String; 6] {
        [
            format!("{} {}", self.name, self.version).trim().to_owned(),
            format!("{} {}", self.product, self.releases.join(", ")),
            self.state(today).to_owned(),
            self.ends(),
            format!("{} ({})", self.rule, self.confidence),
            self.devices.to_string(),
        ]
    }

    /// Returns the line as an object.
    pub fn to_json(&self, source: &Source, today: Date) -> Value {
        json!({
            "kind": self.kind,
            "name": self.name,
            "version": self.version,
            "devices": self.devices,
            "product": self.product,
            "releases": self.releases,
            "state": self.state(today),
            "endsFrom": day(self.support.0),
            "endsUntil": day(self.support.1),
            "rule": self.rule,
            "confidence": self.confidence,
            "source": source.name,
            "sourceAgeDays": source.age_days,
        })
    }

    /// Returns the line as a row of a table, whose cells are texts and numbers and which has a key.
    pub fn to_row(&self, source: &Source, today: Date) -> Value {
        let mut row = self.to_json(source, today);
        let package = self.package.as_deref();
        let key = package.map_or_else(|| format!("{} {}", self.name, self.version), str::to_owned);
        row["_key"] = json!(format!("{}:{key}", self.kind));
        row["package"] = json!(package);
        row["releases"] = json!(self.releases.join(", "));
        row
    }
}

fn day(support: Support) -> Option<String> {
    support.end().map(|end| end.to_string())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn line(support: (Support, Support)) -> SupportLine {
        SupportLine {
            kind: "system",
            name: "Windows 11 Pro".to_owned(),
            version: "10.0.26100".to_owned(),
            package: None,
            devices: 3,
            product: "windows".to_owned(),
            releases: vec!["11-24h2-e".to_owned(), "11-24h2-w".to_owned()],
            support,
            rule: "build",
            confidence: "certain",
        }
    }

    #[test]
    fn support_has_ended_only_if_it_has_for_every_release_that_it_may_be() {
        let (past, future) = (date(2026, 1, 1), date(2027, 1, 1));
        let until = Support::Until;
        let table = [
            ((until(past), until(past)), "ended", "2026-01-01"),
            ((until(past), until(future)), "unknown", "2026-01-01 to 2027-01-01"),
            ((until(future), until(future)), "supported", "2027-01-01"),
            ((Support::Ended, Support::Ended), "ended", ""),
            ((Support::Ended, until(future)), "unknown", "2027-01-01"),
        ];
        for (support, state, ends) in table {
            let line = line(support);
            let found = (line.state(date(2026, 3, 1)), line.ends());
            assert_eq!(found, (state, ends.to_owned()), "{support:?}");
        }
    }

    #[test]
    fn a_row_has_a_key_and_texts_and_an_object_has_lists() {
        let line = line((Support::Ended, Support::Ended));
        let source = Source { name: "products.json".to_owned(), age_days: Some(7) };
        let (object, row) =
            (line.to_json(&source, date(2026, 3, 1)), line.to_row(&source, date(2026, 3, 1)));
        assert_eq!(object["releases"], json!(["11-24h2-e", "11-24h2-w"]));
        assert_eq!(row["releases"], "11-24h2-e, 11-24h2-w");
        let expected = [
            "Windows 11 Pro 10.0.26100",
            "windows 11-24h2-e, 11-24h2-w",
            "ended",
            "",
            "build (certain)",
            "3",
        ];
        assert_eq!(line.cells(date(2026, 3, 1)), expected);
        assert_eq!(row["_key"], "system:Windows 11 Pro 10.0.26100");
        assert_eq!((&row["source"], &row["sourceAgeDays"]), (&json!("products.json"), &json!(7)));
        let package = SupportLine { kind: "package", package: Some("p1".to_owned()), ..line };
        assert_eq!(package.to_row(&source, date(2026, 3, 1))["_key"], "package:p1");
    }
}
