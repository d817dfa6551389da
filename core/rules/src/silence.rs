//! Silences: who wants to hear nothing of which findings, until when and why.

use serde::{Deserialize, Serialize};

use crate::book::RuleRecord;
use crate::finding::Finding;
use crate::fingerprint::FindingId;

/// The characters of the reason of a silence, and of a remark.
pub const MAX_NOTE: usize = 500;

/// A silence. Findings that it matches stay as they are, without notifications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Its id.
    pub id: String,
    /// The findings that it is about.
    pub matcher: Matcher,
    /// When it ends, milliseconds since 1970-01-01 UTC.
    pub until: u64,
    /// When it was made.
    pub at: u64,
    /// Who made it.
    pub by: String,
    /// The reason.
    pub why: String,
}

/// The conditions on a finding for a silence. All that are given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matcher {
    /// This finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<FindingId>,
    /// Of a rule of this name; `*` stands for any text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// About the entity with this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// Of a rule with this label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<(String, String)>,
}

impl Matcher {
    /// Returns whether nothing is given, so that every finding would match.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether a finding matches.
    pub fn matches(&self, id: FindingId, finding: &Finding, rule: Option<&RuleRecord>) -> bool {
        let has_label = |(name, value): &(String, String)| {
            rule.is_some_and(|rule| rule.labels.get(name) == Some(value))
        };
        self.finding.is_none_or(|wanted| wanted == id)
            && self.rule.as_ref().is_none_or(|pattern| matches_pattern(pattern, &finding.rule))
            && self.entity.as_ref().is_none_or(|key| finding.entity.as_ref() == Some(key))
            && self.label.as_ref().is_none_or(has_label)
    }

    /// The matcher in words.
    pub fn describe(&self) -> String {
        let parts = [
            self.finding.map(|id| format!("finding {id}")),
            self.rule.as_ref().map(|rule| format!("rule {rule}")),
            self.entity.as_ref().map(|key| format!("entity {key}")),
            self.label.as_ref().map(|(name, value)| format!("label {name}={value}")),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// Returns whether a text matches a pattern in which `*` stands for any text.
pub(crate) fn matches_pattern(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = left.split_once(part) else { return false };
        left = after;
    }
    left.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("device-silent", "device-silent", true),
            ("device-silent", "device-silent-2", false),
            ("device-*", "device-silent", true),
            ("*silent", "device-silent", true),
            ("d*-*t", "device-silent", true),
            ("d*-*x", "device-silent", false),
            ("*", "", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches_pattern(pattern, text), expected, "{pattern} {text}");
        }
    }
}
