//! Proofs that a store is an older copy of what a mirror was given, as after a restored backup.

use std::collections::BTreeSet;

/// The content of a mirror that a generation lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OlderCopy {
    /// A newer generation.
    Generation(String),
    /// An erasure that the rows of the mirror have been through: the generation may bring the erased back.
    Erasure(String),
}

impl OlderCopy {
    /// Returns the proof, if there is one. `found` and `found_erasures` are those of the mirror, `ours` and `erasures`
    /// those of the generation.
    pub fn find(
        found: Option<&str>,
        found_erasures: &BTreeSet<String>,
        ours: &str,
        erasures: &BTreeSet<String>,
    ) -> Option<Self> {
        if let Some(newer) = found.filter(|found| *found > ours) {
            return Some(Self::Generation(newer.to_owned()));
        }
        found_erasures.difference(erasures).next().cloned().map(Self::Erasure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_generation_or_a_missing_erasure_is_a_proof() {
        let set = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
        let newer = Some(OlderCopy::Generation("B".to_owned()));
        let erasure = Some(OlderCopy::Erasure("e-1".to_owned()));
        for (found, found_erasures, ours, erasures, expected) in [
            (None, set(&[]), "A", set(&[]), None),
            (Some("A"), set(&[]), "A", set(&["e-1"]), None),
            (Some("A"), set(&["e-1"]), "B", set(&["e-1", "e-2"]), None),
            (Some("B"), set(&[]), "A", set(&[]), newer.clone()),
            (Some("A"), set(&["e-1"]), "B", set(&["e-2"]), erasure),
            (Some("B"), set(&["e-1"]), "A", set(&[]), newer),
        ] {
            let proof = OlderCopy::find(found, &found_erasures, ours, &erasures);
            assert_eq!(proof, expected, "{found:?} {ours}");
        }
    }
}
