//! A check that `deny.toml` allows the licence of every package of the lock file. `cargo deny`
//! checks more, but is not installed everywhere; this costs nothing.

use anyhow::Context as _;
use spdx::{Expression, LicenseReq, ParseMode};
use toml_edit::DocumentMut;

use crate::tidy::Violation;
use crate::workspace::Package;

/// The file that lists the allowed licences.
pub(super) const POLICY: &str = "deny.toml";

/// The licences that the policy allows, as SPDX identifiers.
///
/// # Errors
///
/// The policy is not TOML, or it has no list `licenses.allow`.
pub(super) fn allowed(policy: &str) -> anyhow::Result<Vec<String>> {
    let policy: DocumentMut = policy.parse().context(POLICY)?;
    let list = policy
        .get("licenses")
        .and_then(|table| table.get("allow"))
        .and_then(|list| list.as_array());
    let list = list.with_context(|| format!("{POLICY} has no list `licenses.allow`"))?;
    Ok(list.iter().filter_map(|item| item.as_str()).map(str::to_owned).collect())
}

/// Returns every package whose licence is not allowed.
pub(super) fn check(packages: &[Package], allowed: &[String]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for package in packages {
        let licence = package.licence.as_deref().unwrap_or("none");
        if !allows(licence, allowed) {
            violations.push(Violation {
                path: "Cargo.lock".to_owned(),
                what: format!(
                    "the licence of {} {} is not allowed: {licence}",
                    package.name, package.version
                ),
                mend: format!("use another package, or discuss the list in {POLICY}"),
            });
        }
    }
    violations
}

/// Returns true if the allowed licences satisfy an SPDX expression. The old notation
/// `MIT/Apache-2.0` means a choice.
fn allows(expression: &str, allowed: &[String]) -> bool {
    let mode = ParseMode { allow_slash_as_or_operator: true, ..ParseMode::STRICT };
    let is_allowed = |needed: &LicenseReq| allowed.contains(&needed.to_string());
    Expression::parse_mode(expression, mode).is_ok_and(|parsed| parsed.evaluate(is_allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Vec<String> {
        allowed("[licenses]\nallow = [\"MIT\", \"Zlib\", \"ISC\"]\n").expect("it has the list")
    }

    #[test]
    fn an_expression_is_read_as_spdx_means_it() {
        let table = [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("GPL-3.0-only OR MIT", true),
            ("GPL-3.0-only/MIT", true),
            ("MIT AND Zlib", true),
            ("MIT AND GPL-3.0", false),
            ("MIT OR GPL-3.0-only AND GPL-2.0-only", true),
            ("(MIT OR GPL-3.0-only) AND GPL-2.0-only", false),
            ("(GPL-3.0-only OR MIT) AND (ISC)", true),
            ("MIT WITH LLVM-exception", false),
            ("MIT WITH LLVM-exception OR ISC", true),
            ("MIT WITH Some-exception", false),
            ("Some-licence OR MIT", false),
            ("(MIT", false),
            ("MIT Zlib", false),
            ("", false),
            ("none", false),
        ];
        for (expression, expected) in table {
            assert_eq!(allows(expression, &policy()), expected, "{expression}");
        }
    }

    #[test]
    fn a_package_of_another_licence_or_of_none_is_found() {
        let package = |licence: Option<&str>| Package {
            name: "thing".to_owned(),
            version: "1.2.3".to_owned(),
            licence: licence.map(str::to_owned),
        };
        let packages = [package(Some("MIT")), package(Some("AGPL-3.0-only")), package(None)];
        let violations = check(&packages, &policy());
        let what: Vec<_> = violations.iter().map(|violation| violation.what.as_str()).collect();
        assert_eq!(
            what,
            [
                "the licence of thing 1.2.3 is not allowed: AGPL-3.0-only",
                "the licence of thing 1.2.3 is not allowed: none"
            ]
        );
    }

    #[test]
    fn a_policy_without_a_list_is_refused() {
        assert!(allowed("[licenses]\n").is_err());
        assert!(allowed("not toml").is_err());
    }
}
