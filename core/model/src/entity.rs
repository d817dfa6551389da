//! One type of entity: a vertex of the graph.

use crate::class::{Class, REQUIRED_OF_EVERY_ENTITY};
use crate::property::{Property, ValueType};
use crate::text;

/// The key column of every entity table.
pub const KEY: &str = "_key";

/// One type of entity.
#[derive(Debug)]
pub struct EntityType {
    /// The graph's `_type`, for example `nexthink_device`.
    pub type_name: &'static str,
    /// The graph's `_class`: the classes that the type inherits from.
    pub class: &'static [Class],
    /// Nexthink's name of the object, for example `Device`.
    pub resource: &'static str,
    /// The column whose value identifies an entity within its type.
    pub key_column: &'static str,
    /// The parts that together identify an entity whose key cell is empty or missing; its key is
    /// derived from them. Each part is the first of its columns with a value. If there are no parts,
    /// a row without a key is quarantined.
    pub fallback_key: &'static [&'static [&'static str]],
    /// The times that show which of two conflicting rows is newer: the first property in which they
    /// differ decides, and the later time wins. If none decides, the greater values win, property
    /// by property, so that the order of the rows never matters.
    pub newest_by: &'static [&'static str],
    /// The properties, in the order of the columns in the query to save.
    pub properties: &'static [Property],
}

impl EntityType {
    /// Returns the columns from which keys are derived.
    pub fn fallback_key_columns(&self) -> impl Iterator<Item = &'static str> {
        self.fallback_key.iter().copied().flatten().copied()
    }

    /// Rejects, at compile time, a type whose properties clash, whose key is not among its columns,
    /// or that lacks a property that its classes require.
    #[must_use]
    pub const fn checked(self) -> Self {
        self.checked_with_filled(&[])
    }

    /// As [`Self::checked`], for a type with further columns that are never empty, because the run
    /// itself fills them.
    #[must_use]
    pub const fn checked_with_filled(self, filled: &[&str]) -> Self {
        self.check_properties(filled);
        self.check_newest_by();
        self.check_required(REQUIRED_OF_EVERY_ENTITY, true);
        let mut i = 0;
        while i < self.class.len() {
            self.check_required(self.class[i].required_properties(), false);
            i += 1;
        }
        self
    }

    /// Appends the key of an entity, for example `nexthink_device:0f3a…`, in a form that no other
    /// entity and no relationship key shares.
    ///
    /// The separator of relationship keys, the percent sign and control characters are
    /// percent-encoded.
    pub fn write_key(&self, uid: &str, key: &mut String) {
        use std::fmt::Write as _;
        key.push_str(self.type_name);
        key.push(':');
        for character in uid.chars() {
            if character == '|' || character == '%' || character.is_control() {
                let mut buffer = [0; 4];
                for byte in character.encode_utf8(&mut buffer).bytes() {
                    let _ = write!(key, "%{byte:02X}");
                }
            } else {
                key.push(character);
            }
        }
    }

    /// Returns the uid of a key that [`Self::write_key`] wrote; `None` for the key of another type.
    pub fn uid_of_key(&self, key: &str) -> Option<String> {
        let encoded = key.strip_prefix(self.type_name)?.strip_prefix(':')?;
        let mut uid = Vec::with_capacity(encoded.len());
        let mut bytes = encoded.bytes();
        while let Some(byte) = bytes.next() {
            if byte == b'%' {
                let digits = [bytes.next()?, bytes.next()?];
                uid.push(u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?);
            } else {
                uid.push(byte);
            }
        }
        String::from_utf8(uid).ok()
    }

    /// Finds the property with this name.
    pub const fn property(&self, name: &str) -> Option<&'static Property> {
        let mut i = 0;
        while i < self.properties.len() {
            if text::equal(self.properties[i].name, name) {
                return Some(&self.properties[i]);
            }
            i += 1;
        }
        None
    }

    /// Returns true if a destination always gets the property, as null if it has no value.
    pub fn requires(&self, property: &Property) -> bool {
        property.required
            || REQUIRED_OF_EVERY_ENTITY.contains(&property.name)
            || self.class.iter().any(|class| class.required_properties().contains(&property.name))
    }

    /// Returns true if the property belongs to the type itself, not to one of its classes.
    pub fn owns(&self, property: &Property) -> bool {
        !self.class.iter().any(|class| class.defines(property.name))
    }

    const fn check_properties(&self, filled: &[&str]) {
        let mut key_is_mapped = false;
        let mut i = 0;
        while i < self.properties.len() {
            let property = &self.properties[i];
            let reads_key = text::is_one_of(self.key_column, property.columns);
            key_is_mapped |= reads_key;
            let reads_filled = reads_key || text::intersect(filled, property.columns);
            assert!(
                !property.never_null || property.kind.always_has_value(reads_filled),
                "a property marked as never null can be null: add the key column or a default"
            );
            self.check_identifying(property);
            let mut j = 0;
            while j < i {
                assert!(
                    !text::equal(property.name, self.properties[j].name),
                    "two properties have one name"
                );
                j += 1;
            }
            i += 1;
        }
        assert!(key_is_mapped, "the key column is not the column of any property");
    }

    /// An identifying property that falls back from one column to the next needs a property for
    /// each of them, to count how many entities share the column's value.
    const fn check_identifying(&self, property: &Property) {
        let mut i = 0;
        while property.identifying && property.columns.len() > 1 && i < property.columns.len() {
            assert!(
                self.identifying_of_column(property.columns[i]).is_some(),
                "an identifying property of several columns needs one for each of them"
            );
            i += 1;
        }
    }

    /// The position of the identifying property that reads only this column.
    pub const fn identifying_of_column(&self, column: &str) -> Option<usize> {
        let mut i = 0;
        while i < self.properties.len() {
            let Property { columns, identifying, .. } = &self.properties[i];
            if *identifying && columns.len() == 1 && text::equal(columns[0], column) {
                return Some(i);
            }
            i += 1;
        }
        None
    }

    const fn check_newest_by(&self) {
        let mut i = 0;
        while i < self.newest_by.len() {
            let Some(property) = self.property(self.newest_by[i]) else {
                panic!("`newest_by` names a property that the type does not have")
            };
            assert!(
                matches!(property.value_type(), ValueType::Timestamp),
                "`newest_by` names a property that is no time"
            );
            i += 1;
        }
    }

    const fn check_required(&self, names: &[&str], never_null: bool) {
        let mut i = 0;
        while i < names.len() {
            let Some(property) = self.property(names[i]) else {
                panic!("a property that every entity or a class of the type requires is missing")
            };
            assert!(
                !never_null || property.never_null,
                "`name` and `displayName` must be marked as never null"
            );
            i += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::property::text;

    static THING: EntityType = EntityType {
        type_name: "nexthink_thing",
        class: &[Class::Application],
        resource: "Thing",
        key_column: "thing.uid",
        fallback_key: &[],
        newest_by: &[],
        properties: &[
            text("name", &["thing.uid"], "Identifier.").never_null(),
            text("displayName", &["thing.uid"], "Identifier.").never_null(),
        ],
    }
    .checked();

    #[test]
    fn a_key_maps_back_to_its_uid_and_has_no_separator() {
        for uid in ["0f3a", "", "a|b", "100%", "%7C", "a\nb", "Büro:1", "|has|"] {
            let mut key = String::new();
            THING.write_key(uid, &mut key);
            assert!(!key.contains('|'), "{key}");
            assert_eq!(THING.uid_of_key(&key).as_deref(), Some(uid), "{key}");
        }
        for key in ["nexthink_other:1", "nexthink_thing", "nexthink_thing:%", "nexthink_thing:%zz"]
        {
            assert_eq!(THING.uid_of_key(key), None, "{key}");
        }
    }
}
