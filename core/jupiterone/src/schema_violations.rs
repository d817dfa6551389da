//! Values that could not be delivered as they are in the generation, counted, with the key of one example.

use serde::Serialize;

/// Values of one property that the data model does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fix {
    /// The value, or an item of a list, was left out or replaced by null.
    Nulled,
    /// The text was cut to [`MAX_TEXT_CHARS`](crate::MAX_TEXT_CHARS) characters.
    Cut,
    /// The property was left out of every object, because its name is not legal.
    NameLeftOut,
    /// The whole object was left out: the property must have a legal value, or it is too large.
    ObjectLeftOut,
}

/// Values of one property that were mended in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SchemaViolation {
    /// The `_type`.
    pub type_name: String,
    /// The property.
    pub property: String,
    /// The fix.
    pub remedy: Fix,
    /// The number of values or objects.
    pub count: u64,
    /// The `_key` of the first object; none for a property's name.
    pub sample_key: Option<String>,
}

/// Everything that was mended.
#[derive(Debug, Clone, Default)]
pub struct SchemaViolations {
    // One entry for each type, property and remedy: few, so a list will do.
    entries: Vec<SchemaViolation>,
}

impl SchemaViolations {
    /// The findings, in the order in which they were first met.
    pub fn entries(&self) -> &[SchemaViolation] {
        &self.entries
    }

    /// The types of which whole objects were left out.
    pub fn types_with_losses(&self) -> impl Iterator<Item = &str> {
        let losses = self.entries.iter().filter(|finding| finding.remedy == Fix::ObjectLeftOut);
        losses.map(|finding| finding.type_name.as_str())
    }

    /// Counts one.
    pub(crate) fn note(&mut self, type_name: &str, property: &str, remedy: Fix, key: Option<&str>) {
        if let Some(known) = self.known(type_name, property, remedy) {
            known.count += 1;
            return;
        }
        self.entries.push(SchemaViolation {
            type_name: type_name.to_owned(),
            property: property.to_owned(),
            remedy,
            count: 1,
            sample_key: key.map(ToOwned::to_owned),
        });
    }

    /// Adds those of another part.
    pub(crate) fn merge(&mut self, other: Self) {
        for entry in other.entries {
            match self.known(&entry.type_name, &entry.property, entry.remedy) {
                Some(known) => known.count += entry.count,
                None => self.entries.push(entry),
            }
        }
    }

    fn known(
        &mut self,
        type_name: &str,
        property: &str,
        remedy: Fix,
    ) -> Option<&mut SchemaViolation> {
        let is_same = |finding: &&mut SchemaViolation| {
            finding.remedy == remedy
                && finding.type_name == type_name
                && finding.property == property
        };
        self.entries.iter_mut().find(is_same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_mended_alike_are_one_entry_with_the_first_key() {
        let mut violations = SchemaViolations::default();
        violations.note("device", "osType", Fix::Nulled, Some("device:1"));
        violations.note("device", "osType", Fix::Nulled, Some("device:2"));
        violations.note("device", "osType", Fix::Cut, Some("device:3"));
        violations.note("device", "osVersion", Fix::Nulled, Some("device:4"));
        violations.note("user", "osType", Fix::Nulled, None);
        let entries = violations.entries().iter();
        let found: Vec<_> =
            entries.map(|entry| (entry.count, entry.sample_key.as_deref())).collect();
        let expected =
            [(2, Some("device:1")), (1, Some("device:3")), (1, Some("device:4")), (1, None)];
        assert_eq!(found, expected);
    }

    #[test]
    fn parts_are_added_up_and_only_objects_that_are_left_out_are_losses() {
        let mut one = SchemaViolations::default();
        one.note("device", "osType", Fix::Nulled, Some("device:1"));
        let mut other = SchemaViolations::default();
        other.note("device", "osType", Fix::Nulled, Some("device:2"));
        other.note("user", "name", Fix::ObjectLeftOut, Some("user:1"));
        other.note("alert", "my_name", Fix::NameLeftOut, None);
        one.merge(other);
        assert_eq!(one.entries().iter().map(|entry| entry.count).collect::<Vec<_>>(), [2, 1, 1]);
        assert_eq!(one.entries()[0].sample_key.as_deref(), Some("device:1"));
        assert_eq!(one.types_with_losses().collect::<Vec<_>>(), ["user"]);
    }
}
