//! The packages that advisories are about, or may be.

use serde_json::{Value, json};

use super::Source;
use crate::{Advisories, Confidence, ExploitedVulnerabilities, Package, Verdict};

/// An advisory and a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvisoryLine {
    /// The package.
    pub package: Package,
    /// The advisory.
    pub id: String,
    /// `affected`, `unknown` or `candidate`.
    pub verdict: &'static str,
    /// The first version without the vulnerability; empty if there is none.
    pub fixed_in: String,
    /// The severity, in the words of the file.
    pub severity: String,
    /// A link to read more.
    pub link: String,
    /// The rule of the match.
    pub rule: &'static str,
    /// The confidence of the match.
    pub confidence: Confidence,
    /// The file that has it.
    pub source: Source,
}

/// Returns the matches, package by package, one for each advisory: those of the advisories, then those of the catalog of
/// exploited vulnerabilities, which names no versions. An advisory that several lines or files have for a package has the
/// surest verdict of them, and the names of all these files.
pub fn advisories(
    packages: &[Package],
    lists: &[(Advisories, Source)],
    exploited: Option<&(ExploitedVulnerabilities, Source)>,
) -> Vec<AdvisoryLine> {
    let mut lines = Vec::new();
    for package in packages {
        let first = lines.len();
        for (advisories, source) in lists {
            for found in advisories.find(package) {
                let line = AdvisoryLine {
                    package: package.clone(),
                    id: found.id,
                    verdict: match found.verdict {
                        Verdict::Affected => "affected",
                        Verdict::Unknown => "unknown",
                    },
                    fixed_in: found.fixed_in,
                    severity: found.severity,
                    link: found.link,
                    rule: "name and version",
                    confidence: Confidence::Certain,
                    source: source.clone(),
                };
                add(&mut lines, first, line);
            }
        }
        if let Some((catalog, source)) = exploited {
            for found in catalog.find(package) {
                let line = AdvisoryLine {
                    package: package.clone(),
                    id: found.id,
                    verdict: "candidate",
                    fixed_in: String::new(),
                    severity: String::new(),
                    link: String::new(),
                    rule: "vendor and product named",
                    confidence: Confidence::Candidate,
                    source: source.clone(),
                };
                add(&mut lines, first, line);
            }
        }
    }
    lines
}

/// Adds a line to those of its package, which begin at `first`, or merges it with the one of the same advisory.
fn add(lines: &mut Vec<AdvisoryLine>, first: usize, line: AdvisoryLine) {
    let Some(known) = lines[first..].iter_mut().find(|known| known.id == line.id) else {
        lines.push(line);
        return;
    };
    let mut names: Vec<&str> = known.source.name.split(", ").collect();
    if !names.contains(&line.source.name.as_str()) {
        names.push(&line.source.name);
    }
    let names = names.join(", ");
    if line.certainty() > known.certainty() {
        *known = line;
    }
    known.source.name = names;
}

impl AdvisoryLine {
    /// The header of a table of lines, whose last column is a number.
    pub const HEADER: [&str; 7] =
        ["package", "advisory", "verdict", "fixed in", "severity", "source", "devices"];

    /// Returns a larger number for a surer verdict.
    fn certainty(&self) -> u8 {
        match self.verdict {
            "affected" => 2,
            "unknown" => 1,
            _ => 0,
        }
    }

    /// Returns the line for people.
    pub fn cells(&self) -> [String; 7] {
        [
            format!("{} {}", self.package.name, self.package.version).trim().to_owned(),
            self.id.clone(),
            self.verdict.to_owned(),
            self.fixed_in.clone(),
            self.severity.clone(),
            self.source.name.clone(),
            self.package.devices.to_string(),
        ]
    }

    /// Returns the line as an object.
    pub fn to_json(&self) -> Value {
        json!({
            "package": self.package.key,
            "name": self.package.name,
            "version": self.package.version,
            "devices": self.package.devices,
            "advisory": self.id,
            "verdict": self.verdict,
            "fixedIn": self.fixed_in,
            "severity": self.severity,
            "link": self.link,
            "rule": self.rule,
            "confidence": self.confidence.name(),
            "source": self.source.name,
            "sourceAgeDays": self.source.age_days,
        })
    }

    /// Returns the line as a row of a table, which has a key.
    pub fn to_row(&self) -> Value {
        let mut row = self.to_json();
        row["_key"] = json!(format!("{}|{}", self.package.key, self.id));
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_has_a_line_for_each_file_that_names_it() {
        let source = |name: &str| Source { name: name.to_owned(), age_days: None };
        let list = "id,name,publisher,fixed_in,severity,link\nA-1,Foo,,2.0,high,\n";
        let list = Advisories::parse_csv(list).expect("a list");
        let catalog =
            r#"{"vulnerabilities":[{"cveID":"CVE-1","vendorProject":"Maker","product":"Foo"}]}"#;
        let catalog = ExploitedVulnerabilities::parse(catalog).expect("a catalog");
        let package = |key: &str, name: &str, version: &str| Package {
            key: key.to_owned(),
            name: name.to_owned(),
            publisher: "Maker".to_owned(),
            version: version.to_owned(),
            devices: 2,
        };
        let packages =
            [package("p1", "Foo", "1.0"), package("p2", "Foo", "2.0"), package("p3", "Bar", "1.0")];
        let lists = [(list, source("own.csv"))];
        let lines = advisories(&packages, &lists, Some(&(catalog, source("exploited.json"))));
        let found: Vec<_> = lines
            .iter()
            .map(|line| (line.package.key.as_str(), line.id.as_str(), line.verdict))
            .collect();
        let expected =
            [("p1", "A-1", "affected"), ("p1", "CVE-1", "candidate"), ("p2", "CVE-1", "candidate")];
        assert_eq!(found, expected);
        let expected = ["Foo 1.0", "A-1", "affected", "2.0", "high", "own.csv", "2"];
        assert_eq!(lines[0].cells(), expected);
        let row = lines[0].to_row();
        assert_eq!((&row["_key"], &row["source"]), (&json!("p1|A-1"), &json!("own.csv")));
    }

    #[test]
    fn an_advisory_of_several_files_and_lines_is_one_line_of_a_package() {
        let source = |name: &str| Source { name: name.to_owned(), age_days: None };
        let list =
            "id,name,publisher,fixed_in,severity,link\nCVE-1,Foo,,2.0,high,\nCVE-1,Fo*,,3.0,low,\n";
        let list = Advisories::parse_csv(list).expect("a list");
        let catalog =
            r#"{"vulnerabilities":[{"cveID":"CVE-1","vendorProject":"Maker","product":"Foo"}]}"#;
        let catalog = ExploitedVulnerabilities::parse(catalog).expect("a catalog");
        let package = |version: &str| Package {
            key: version.to_owned(),
            name: "Foo".to_owned(),
            publisher: "Maker".to_owned(),
            version: version.to_owned(),
            devices: 2,
        };
        let packages = ["1.0", "2.0", "3.0", "unreadable"].map(package);
        let lists = [(list, source("own.csv"))];
        let catalog = (catalog, source("exploited.json"));
        let lines = advisories(&packages, &lists, Some(&catalog));
        let rows: Vec<_> = lines.iter().map(|line| line.cells().join("|")).collect();
        let expected = [
            "Foo 1.0|CVE-1|affected|2.0|high|own.csv, exploited.json|2",
            "Foo 2.0|CVE-1|affected|3.0|low|own.csv, exploited.json|2",
            "Foo 3.0|CVE-1|candidate|||exploited.json|2",
            "Foo unreadable|CVE-1|unknown|2.0|high|own.csv, exploited.json|2",
        ];
        assert_eq!(rows, expected);
    }
}
