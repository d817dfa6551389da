//! Advisories that a user has written down or received: which versions of a package are affected.

use std::cmp::Ordering;

use serde::Deserialize;

use crate::Package;
use crate::error::SoftwareError;
use crate::pattern::Pattern;
use crate::version::compare_versions;

/// The advisories of a file.
#[derive(Debug, Clone, Default)]
pub struct Advisories(Vec<Advisory>);

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advisory {
    id: String,
    name: Pattern,
    publisher: Option<Pattern>,
    #[serde(default)]
    fixed_in: String,
    #[serde(default)]
    severity: String,
    #[serde(default)]
    link: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    advisory: Vec<Advisory>,
}

/// The verdict on a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its version is before the one with the fix, or there is no fix.
    Affected,
    /// Its version cannot be compared, so that it may be affected.
    Unknown,
}

/// An advisory that is about a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvisoryMatch {
    /// The advisory.
    pub id: String,
    /// The verdict on it.
    pub verdict: Verdict,
    /// The version with the fix; empty if there is none.
    pub fixed_in: String,
    /// The severity, as the file has it.
    pub severity: String,
    /// Where to read more.
    pub link: String,
}

impl Advisories {
    /// Reads a CSV file with the columns `id`, `name`, `publisher`, `fixed_in`, `severity` and `link`, of
    /// which the first two are needed.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse_csv(text: &str) -> Result<Self, SoftwareError> {
        let mut reader =
            csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
        let advisories: Result<Vec<Advisory>, _> = reader.deserialize().collect();
        let expected = "a CSV file of advisories with the columns id, name, fixed_in";
        Self::checked(advisories.map_err(|error| SoftwareError::new(expected, &error))?)
    }

    /// Reads a TOML file with tables `[[advisory]]` that have the same fields.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse_toml(text: &str) -> Result<Self, SoftwareError> {
        let expected = "a TOML file of advisories with `[[advisory]]`";
        let file: Result<File, _> = toml::from_str(text);
        Self::checked(file.map_err(|error| SoftwareError::new(expected, &error))?.advisory)
    }

    /// Refuses an advisory about every package, and a version with a fix that nothing compares with.
    fn checked(advisories: Vec<Advisory>) -> Result<Self, SoftwareError> {
        for Advisory { id, name, fixed_in, .. } in &advisories {
            let reason = if id.is_empty() || name.is_empty() {
                format!("advisory {id:?} lacks an id or a name")
            } else if !fixed_in.is_empty() && compare_versions(fixed_in, fixed_in).is_none() {
                format!("fixed_in of advisory {id} is no version")
            } else {
                continue;
            };
            return Err(SoftwareError::new("a file of advisories", &reason));
        }
        Ok(Self(advisories))
    }

    /// Finds the advisories that a package is affected by, or may be.
    pub fn find(&self, package: &Package) -> Vec<AdvisoryMatch> {
        let matches = self.0.iter().filter_map(|advisory| {
            let publisher = advisory.publisher.as_ref().filter(|pattern| !pattern.is_empty());
            let is_about = advisory.name.fits(&package.name)
                && publisher.is_none_or(|pattern| pattern.fits(&package.publisher));
            if !is_about {
                return None;
            }
            let verdict = if advisory.fixed_in.is_empty() {
                Verdict::Affected
            } else {
                match compare_versions(&package.version, &advisory.fixed_in) {
                    Some(Ordering::Less) => Verdict::Affected,
                    Some(_) => return None,
                    None => Verdict::Unknown,
                }
            };
            Some(AdvisoryMatch {
                id: advisory.id.clone(),
                verdict,
                fixed_in: advisory.fixed_in.clone(),
                severity: advisory.severity.clone(),
                link: advisory.link.clone(),
            })
        });
        matches.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: &str = "id,publisher,name,fixed_in,severity,link\n\
        ADV-1,Contoso*,Contoso Backup*,3.12.5,high,https://contoso.example/adv-1\n\
        ADV-2,,Fabrikam Agent,,low,\n";

    #[test]
    fn older_versions_are_affected_and_unreadable_ones_may_be() {
        let toml = "[[advisory]]\nid = \"ADV-1\"\npublisher = \"Contoso*\"\nname = \"Contoso Backup*\"\n\
                    fixed_in = \"3.12.5\"\n[[advisory]]\nid = \"ADV-2\"\nname = \"Fabrikam Agent\"\n";
        let files = [Advisories::parse_csv(CSV), Advisories::parse_toml(toml)];
        let table = [
            ("Contoso Backup Pro", "Contoso Ltd", "3.12.4", Some(("ADV-1", Verdict::Affected))),
            ("Contoso Backup Pro", "Contoso Ltd", "3.12.5", None),
            ("Contoso Backup Pro", "Contoso Ltd", "3.100", None),
            ("Contoso Backup Pro", "Contoso Ltd", "", Some(("ADV-1", Verdict::Unknown))),
            ("Contoso Backup Pro", "Someone", "3.12.4", None),
            ("Fabrikam Agent", "Fabrikam", "99", Some(("ADV-2", Verdict::Affected))),
            ("Fabrikam Agent 2", "Fabrikam", "99", None),
        ];
        for file in files {
            let advisories = file.expect("it is a file of advisories");
            for (name, publisher, version, expected) in table {
                let [name, publisher, version] = [name, publisher, version].map(str::to_owned);
                let package = Package { name, publisher, version, ..Package::default() };
                let found = advisories.find(&package);
                let found: Vec<_> =
                    found.iter().map(|advisory| (advisory.id.as_str(), advisory.verdict)).collect();
                assert_eq!(found, Vec::from_iter(expected), "{package:?}");
            }
        }
    }

    #[test]
    fn what_would_match_everything_or_nothing_is_refused() {
        for text in [
            "id,name\nADV-1,\n",
            "id,name,fixed_in\nADV-1,x,soon\n",
            "name\nx\n",
            "id,name,cpe\na,b,c\n",
        ] {
            assert!(Advisories::parse_csv(text).is_err(), "{text}");
        }
        assert!(Advisories::parse_toml("[[advisory]]\nid = \"a\"").is_err());
    }
}
