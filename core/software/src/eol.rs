//! The end of support: products and their releases, and which package is of which.

use jiff::civil::Date;
use serde::Deserialize;

use crate::error::SoftwareError;
use crate::pattern::Pattern;
use crate::version::parts_of_release;
use crate::{Confidence, Package};

/// The products of endoflife.date.
#[derive(Debug, Clone, Deserialize)]
pub struct Products {
    #[serde(rename = "result")]
    pub(crate) products: Vec<Product>,
}

/// A product and its releases, the newest first.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Product {
    pub(crate) name: String,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    label: String,
    pub(crate) releases: Vec<Release>,
}

/// A release that is supported as a whole.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Release {
    pub(crate) name: String,
    #[serde(default)]
    is_eol: Option<bool>,
    #[serde(default)]
    eol_from: Option<String>,
    #[serde(default)]
    pub(crate) latest: Option<Latest>,
}

/// The newest version of a release.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Latest {
    #[serde(default)]
    pub(crate) name: String,
}

/// Until when a release is supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// Its end is known: supported before this day.
    Until(Date),
    /// It has ended, and the file does not say when.
    Ended,
    /// It goes on, and the file names no end.
    Open,
    /// The file says nothing, or not of this release.
    Unknown,
}

impl Support {
    /// Returns whether support has ended on a day. None if that is not known.
    pub fn has_ended(self, today: Date) -> Option<bool> {
        match self {
            Self::Until(end) => Some(end <= today),
            Self::Ended => Some(true),
            Self::Open => Some(false),
            Self::Unknown => None,
        }
    }

    /// The day from which it is not supported, if that is known.
    pub fn end(self) -> Option<Date> {
        match self {
            Self::Until(end) => Some(end),
            _ => None,
        }
    }
}

impl Release {
    pub(crate) fn support(&self) -> Support {
        match (self.eol_from.as_deref().map(str::parse), self.is_eol) {
            (Some(Ok(end)), _) => Support::Until(end),
            (_, Some(true)) => Support::Ended,
            (None, Some(false)) => Support::Open,
            _ => Support::Unknown,
        }
    }
}

/// Which packages are which products, as a person has written it down.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    #[serde(default, rename = "package")]
    packages: Vec<MappedPackage>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct MappedPackage {
    name: Pattern,
    publisher: Option<Pattern>,
    product: String,
}

/// The product and release of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EolMatch {
    /// The product, as endoflife.date names it.
    pub product: String,
    /// The release; none if the version is of none in the file.
    pub release: Option<String>,
    /// Until when it is supported.
    pub support: Support,
    /// `mapping`, or `same name`.
    pub rule: &'static str,
    /// The certainty that the package is the product.
    pub confidence: Confidence,
}

impl Products {
    /// Reads `https://endoflife.date/api/v1/products/full` as it was saved.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse(text: &str) -> Result<Self, SoftwareError> {
        let expected = "endoflife.date's products/full in JSON";
        serde_json::from_str(text).map_err(|error| SoftwareError::new(expected, &error))
    }

    /// Finds the product and release of a package. None if it is no product that the file knows.
    pub fn find(&self, package: &Package, mapping: &Mapping) -> Option<EolMatch> {
        let mapped = mapping.product(package);
        let (product, rule, confidence) = match mapped {
            Some(name) => (self.product(name)?, "mapping", Confidence::Certain),
            None => (self.of_same_name(package)?, "same name", Confidence::Likely),
        };
        let releases = product.releases.iter();
        let parts = |release: &&Release| parts_of_release(&package.version, &release.name);
        // `3` and `3.12` may both be releases: the one that says more counts.
        let release = releases.filter(|release| parts(release).is_some()).max_by_key(parts);
        Some(EolMatch {
            product: product.name.clone(),
            release: release.map(|release| release.name.clone()),
            support: release.map_or(Support::Unknown, Release::support),
            rule,
            confidence,
        })
    }

    /// The names that a mapping uses and the file does not have.
    pub fn unknown_products(&self, mapping: &Mapping) -> Vec<String> {
        let names = mapping.packages.iter().map(|package| package.product.clone());
        names.filter(|name| self.product(name).is_none()).collect()
    }

    pub(crate) fn product(&self, name: &str) -> Option<&Product> {
        self.products.iter().find(|product| product.name == name)
    }

    fn of_same_name(&self, package: &Package) -> Option<&Product> {
        let name = package.name.trim();
        let is_it = |product: &&Product| {
            let mut names = product.aliases.iter().chain([&product.label, &product.name]);
            names.any(|known| known.eq_ignore_ascii_case(name))
        };
        self.products.iter().find(is_it)
    }
}

impl Mapping {
    /// Reads a mapping in TOML: tables `[[package]]` with `name`, perhaps `publisher`, and `product`.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse(text: &str) -> Result<Self, SoftwareError> {
        let expected = "a mapping in TOML with `[[package]]`";
        toml::from_str(text).map_err(|error| SoftwareError::new(expected, &error))
    }

    fn product(&self, package: &Package) -> Option<&str> {
        let is_it = |mapped: &&MappedPackage| {
            let publisher = mapped.publisher.as_ref();
            mapped.name.fits(&package.name)
                && publisher.is_none_or(|pattern| pattern.fits(&package.publisher))
        };
        self.packages.iter().find(is_it).map(|mapped| mapped.product.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn products() -> Products {
        Products::parse(include_str!("../tests/data/products.json"))
            .expect("it is a file of products")
    }

    fn package(name: &str, publisher: &str, version: &str) -> Package {
        let texts = [name, publisher, version].map(str::to_owned);
        let [name, publisher, version] = texts;
        Package { name, publisher, version, ..Package::default() }
    }

    #[test]
    fn a_package_is_a_product_by_the_mapping_or_by_its_name_and_never_by_a_guess() {
        let mapping = "[[package]]\nname = \"Contoso Backup*\"\npublisher = \"Contoso*\"\nproduct = \"backup\"\n";
        let mapping = Mapping::parse(mapping).expect("it is a mapping");
        let day = |text: &str| Support::Until(text.parse().expect("a day"));
        let table = [
            (
                ("Contoso Backup Pro", "Contoso Ltd", "3.12.4"),
                Some((Some("3.12"), day("2027-01-31"), "mapping")),
            ),
            (
                ("Contoso Backup Pro", "Contoso Ltd", "3.9"),
                Some((Some("3"), Support::Ended, "mapping")),
            ),
            (
                ("Contoso Backup Pro", "Contoso Ltd", "4.0"),
                Some((Some("4"), Support::Open, "mapping")),
            ),
            (
                ("Contoso Backup Pro", "Contoso Ltd", "5.0"),
                Some((None, Support::Unknown, "mapping")),
            ),
            (("Contoso Backup Pro", "Contoso Ltd", ""), Some((None, Support::Unknown, "mapping"))),
            (("Contoso Backup Pro", "Someone", "3.12.4"), None),
            (
                ("contoso backup", "", "3.12.4"),
                Some((Some("3.12"), day("2027-01-31"), "same name")),
            ),
            (("Backup", "", "3.12.4"), Some((Some("3.12"), day("2027-01-31"), "same name"))),
            (("Contoso Backup Viewer", "", "3.12.4"), None),
        ];
        for ((name, publisher, version), expected) in table {
            let found = products().find(&package(name, publisher, version), &mapping);
            let found = found.map(|product| (product.release, product.support, product.rule));
            let expected = expected
                .map(|(release, support, rule)| (release.map(str::to_owned), support, rule));
            assert_eq!(found, expected, "{name} {publisher} {version}");
        }
    }

    #[test]
    fn support_ends_on_its_day_and_ignorance_is_no_answer() {
        let today: Date = "2026-05-01".parse().expect("a day");
        let until = |text: &str| Support::Until(text.parse().expect("a day"));
        assert_eq!(until("2026-05-01").has_ended(today), Some(true));
        assert_eq!(until("2026-05-02").has_ended(today), Some(false));
        assert_eq!(Support::Unknown.has_ended(today), None);
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        assert!(Products::parse("[]").is_err());
        assert!(Mapping::parse("[[package]]\nname = \"a\"\nprodukt = \"b\"").is_err());
        let mapping =
            Mapping::parse("[[package]]\nname = \"a\"\nproduct = \"b\"").expect("a mapping");
        assert_eq!(products().unknown_products(&mapping), ["b"]);
    }
}
