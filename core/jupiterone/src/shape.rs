//! The rows of a table as the objects that JupiterOne takes.
//!
//! A value that the data model requires and the row does not have is null; one that it does not allow is nulled,
//! cut or left out, and counted. A property that no class defines is always there.

use arrow_array::RecordBatch;
use core_store::{Table, TableKind};

use crate::class_rules::{Legal, PropertyRule, is_legal_name, rules_of};
use crate::column::{Cell, Column};
use crate::error::JupiterOneError;
use crate::json::{write_integer, write_text, write_text_part, write_texts};
use crate::raw_data::RawData;
use crate::schema_violations::{Fix, SchemaViolations};
use crate::text_rule::TextRule;

/// The most characters of one text that are delivered: JupiterOne's own integrations cut there too
/// (integration SDK 17.4, `truncateEntityPropertyValue`).
pub const MAX_TEXT_CHARS: usize = 4096;

/// The number of the rules by which rows become objects. It goes up whenever a row makes another object than
/// before, so that a caller knows that what JupiterOne has is of another form although no row changed.
pub const SHAPE_VERSION: u32 = 1;

/// The fewest characters of a `_key` that the data model allows.
const MIN_KEY_CHARS: usize = 10;

const KEY: &str = "_key";
const FROM_KEY: &str = "_fromEntityKey";
const TO_KEY: &str = "_toEntityKey";

/// One object.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a> {
    /// Its `_key`.
    pub key: &'a str,
    /// The object as JSON.
    pub json: &'a [u8],
}

/// The conversion of the rows of one table into objects.
pub struct Shape {
    kind: TableKind,
    type_name: String,
    /// The class as relationship keys have it, in lower case.
    class: String,
    /// The text that follows the key: `_type`, `_class` and what is the same for every object.
    head: Vec<u8>,
    properties: Vec<ShapedProperty>,
    /// A property that no object can be without, and the table does not have.
    lacking: Option<&'static str>,
    illegal_names: Vec<String>,
    has_raw_data: bool,
}

/// A column that becomes a property.
struct ShapedProperty {
    name: String,
    /// The comma, the name and the colon.
    prefix: Vec<u8>,
    rules: Vec<&'static PropertyRule>,
    null: Null,
}

/// The placeholder for an absent value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Null {
    /// The word null.
    Written,
    /// Nothing: the property is left out.
    Nothing,
    /// The object's key.
    Key,
    /// Nothing can: the object is left out.
    Impossible,
}

impl Shape {
    /// The shape of a table's objects.
    pub fn new(table: &Table) -> Self {
        let is_entity = table.kind == TableKind::Entity;
        let class = table.class.first().map(|class| class.to_lowercase()).unwrap_or_default();
        let mut shape = Self {
            kind: table.kind,
            type_name: table.name.clone(),
            head: head(table),
            class,
            properties: Vec::new(),
            lacking: None,
            illegal_names: Vec::new(),
            has_raw_data: false,
        };
        let names = table.columns.iter().map(|column| column.name.as_str());
        for name in names.filter(|name| ![KEY, FROM_KEY, TO_KEY].contains(name)) {
            if is_legal_name(name) {
                shape.properties.push(ShapedProperty::new(name, table));
            } else {
                shape.illegal_names.push(name.to_owned());
            }
        }
        if is_entity {
            shape.add_missing(table);
        }
        shape
    }

    /// The same with the stored values of each entity as its raw data; a relationship has none.
    #[must_use]
    pub fn with_raw_data(self) -> Self {
        Self { has_raw_data: self.kind == TableKind::Entity, ..self }
    }

    /// The `_type` of the objects.
    pub fn type_name(&self) -> &str {
        &self.type_name
    }

    /// Adds what the classes require and the table does not have.
    fn add_missing(&mut self, table: &Table) {
        let required = table.class.iter().flat_map(|class| rules_of(class));
        for rule in required.filter(|rule| rule.required) {
            if self.properties.iter().any(|property| property.name == rule.name) {
                continue;
            }
            let property = ShapedProperty::new(rule.name, table);
            if property.null == Null::Impossible {
                self.lacking = Some(rule.name);
            }
            self.properties.push(property);
        }
    }

    /// Notes what is wrong with the table as a whole; once, before its rows.
    pub(crate) fn note_illegal_names(&self, findings: &mut SchemaViolations) {
        for name in &self.illegal_names {
            findings.note(&self.type_name, name, Fix::NameLeftOut, None);
        }
    }

    /// Writes the rows of a batch, one object after the other.
    ///
    /// # Errors
    /// [`JupiterOneError::Column`] when a column holds what no generation has; what `each` answers.
    pub fn write_rows<E: From<JupiterOneError>>(
        &self,
        batch: &RecordBatch,
        findings: &mut SchemaViolations,
        mut each: impl FnMut(Object<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let keys = self.keys(batch)?;
        let columns: Vec<_> = self
            .properties
            .iter()
            .map(|property| self.optional_column(batch, &property.name))
            .collect::<Result<_, _>>()?;
        let raw_data = self.has_raw_data.then(|| RawData::new(batch, KEY));
        let mut key = String::new();
        let mut json = Vec::new();
        for row in 0..batch.num_rows() {
            key.clear();
            json.clear();
            self.start(&keys, row, &mut key, &mut json);
            if self.fill(&columns, row, &key, &mut json, findings) {
                if let Some(raw_data) = &raw_data {
                    raw_data.write(row, &mut json);
                }
                json.push(b'}');
                each(Object { key: &key, json: &json })?;
            }
        }
        Ok(())
    }

    fn keys<'a>(&self, batch: &'a RecordBatch) -> Result<Vec<Column<'a>>, JupiterOneError> {
        let names: &[&str] = match self.kind {
            TableKind::Entity => &[KEY],
            TableKind::Relationship => &[FROM_KEY, TO_KEY],
        };
        let column = |name: &&str| {
            let found = self.optional_column(batch, name)?;
            found.ok_or_else(|| self.refuse(name, "nothing".to_owned()))
        };
        names.iter().map(column).collect()
    }

    fn optional_column<'a>(
        &self,
        batch: &'a RecordBatch,
        name: &str,
    ) -> Result<Option<Column<'a>>, JupiterOneError> {
        let Some(array) = batch.column_by_name(name) else { return Ok(None) };
        let column = Column::from_array(array.as_ref());
        column.map(Some).ok_or_else(|| self.refuse(name, array.data_type().to_string()))
    }

    fn refuse(&self, column: &str, found: String) -> JupiterOneError {
        JupiterOneError::Column {
            type_name: self.type_name.clone(),
            column: column.to_owned(),
            found,
        }
    }

    /// Writes what every object begins with, and its key apart.
    fn start(&self, keys: &[Column<'_>], row: usize, key: &mut String, json: &mut Vec<u8>) {
        let text = |column: &Column<'_>, key: &mut String| {
            if let Some(Cell::Text(text)) = column.cell(row) {
                key.push_str(text);
            }
        };
        text(&keys[0], key);
        let from_length = key.len();
        if let Some(to) = keys.get(1) {
            key.push('|');
            key.push_str(&self.class);
            key.push('|');
            text(to, key);
        }
        json.extend_from_slice(b"{\"_key\":\"");
        write_text_part(key, json);
        json.extend_from_slice(&self.head);
        if keys.len() == 2 {
            json.extend_from_slice(b",\"_fromEntityKey\":");
            write_text(&key[..from_length], json);
            json.extend_from_slice(b",\"_toEntityKey\":");
            write_text(&key[from_length + self.class.len() + 2..], json);
        }
    }

    /// Writes the properties; whether the object can be delivered.
    fn fill(
        &self,
        columns: &[Option<Column<'_>>],
        row: usize,
        key: &str,
        json: &mut Vec<u8>,
        findings: &mut SchemaViolations,
    ) -> bool {
        let mut left_out = self.lacking;
        if key.chars().take(MIN_KEY_CHARS).count() < MIN_KEY_CHARS {
            left_out = Some(KEY);
        }
        for (property, column) in self.properties.iter().zip(columns) {
            let cell = column.as_ref().and_then(|column| column.cell(row));
            if let Some(cell) = cell {
                let before = json.len();
                json.extend_from_slice(&property.prefix);
                let mut note = |remedy| {
                    findings.note(&self.type_name, &property.name, remedy, Some(key));
                };
                if property.write(&cell, json, &mut note) {
                    continue;
                }
                json.truncate(before);
            }
            if !property.write_null(key, json) {
                findings.note(&self.type_name, &property.name, Fix::ObjectLeftOut, Some(key));
                return false;
            }
        }
        if let Some(property) = left_out {
            findings.note(&self.type_name, property, Fix::ObjectLeftOut, Some(key));
        }
        left_out.is_none()
    }
}

impl ShapedProperty {
    fn new(name: &str, table: &Table) -> Self {
        let is_entity = table.kind == TableKind::Entity;
        let classes = table.class.iter().filter(|_| is_entity);
        let rules: Vec<_> =
            classes.flat_map(|class| rules_of(class)).filter(|rule| rule.name == name).collect();
        let required = rules.iter().any(|rule| rule.required);
        let nullable = rules.iter().all(|rule| rule.nullable);
        let null = match (is_entity, required, nullable) {
            (false, ..) | (true, false, false) => Null::Nothing,
            (true, true, false) if name == "name" || name == "displayName" => Null::Key,
            (true, true, false) => Null::Impossible,
            // A property of no class is nullable, and always there.
            (true, _, true) => Null::Written,
        };
        let mut prefix = vec![b','];
        write_text(name, &mut prefix);
        prefix.push(b':');
        Self { name: name.to_owned(), prefix, rules, null }
    }

    /// Writes a value; false where it is not legal.
    fn write(&self, cell: &Cell<'_>, json: &mut Vec<u8>, note: &mut dyn FnMut(Fix)) -> bool {
        if !self.rules.iter().all(|rule| is_legal_kind(cell, rule.legal)) {
            note(Fix::Nulled);
            return false;
        }
        match cell {
            Cell::Text(text) => {
                if !self.accepts(text) {
                    note(Fix::Nulled);
                    return false;
                }
                write_text(cut(text, note), json);
            }
            Cell::Number(number) => write_integer(*number, json),
            Cell::Boolean(yes) => json.extend_from_slice(if *yes { b"true" } else { b"false" }),
            Cell::Texts(texts) => {
                let mut legal: Vec<&str> = Vec::new();
                for text in texts.iter() {
                    if self.accepts(text) {
                        let text = cut(text, note);
                        if !legal.contains(&text) {
                            legal.push(text);
                        }
                    } else {
                        note(Fix::Nulled);
                    }
                }
                if legal.is_empty() {
                    return false;
                }
                write_texts(legal, json);
            }
        }
        true
    }

    fn accepts(&self, text: &str) -> bool {
        self.rules.iter().all(|rule| match rule.legal {
            Legal::Text(each) | Legal::Texts(each) => each.accepts(text),
            _ => TextRule::Any.accepts(text),
        })
    }

    /// Writes what stands for no value; false where nothing can.
    fn write_null(&self, key: &str, json: &mut Vec<u8>) -> bool {
        match self.null {
            Null::Nothing => return true,
            Null::Impossible => return false,
            Null::Written => {
                json.extend_from_slice(&self.prefix);
                json.extend_from_slice(b"null");
            }
            Null::Key => {
                json.extend_from_slice(&self.prefix);
                write_text(key, json);
            }
        }
        true
    }
}

/// Returns whether a cell is of the right kind, and a number in its range.
fn is_legal_kind(cell: &Cell<'_>, legal: Legal) -> bool {
    match (cell, legal) {
        (Cell::Text(_), Legal::Text(_) | Legal::TextOrTexts)
        | (Cell::Boolean(_), Legal::Boolean)
        | (Cell::Texts(_), Legal::Texts(_) | Legal::TextOrTexts) => true,
        (Cell::Number(number), Legal::Number(least, most)) => (least..=most).contains(number),
        _ => false,
    }
}

/// The part of a text that is delivered.
fn cut<'a>(text: &'a str, note: &mut dyn FnMut(Fix)) -> &'a str {
    // As many bytes cannot be more characters.
    if text.len() <= MAX_TEXT_CHARS {
        return text;
    }
    match text.char_indices().nth(MAX_TEXT_CHARS) {
        Some((end, _)) => {
            note(Fix::Cut);
            &text[..end]
        }
        None => text,
    }
}

/// The end of the key, and what all objects of a table share.
fn head(table: &Table) -> Vec<u8> {
    let mut head = b"\",\"_type\":".to_vec();
    write_text(&table.name, &mut head);
    head.extend_from_slice(b",\"_class\":");
    match table.kind {
        TableKind::Entity => write_texts(table.class.iter().map(String::as_str), &mut head),
        TableKind::Relationship => {
            let class = table.class.first().map_or("", String::as_str);
            write_text(class, &mut head);
            head.extend_from_slice(b",\"displayName\":");
            write_text(class, &mut head);
        }
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_legal_by_its_kind_and_a_number_by_its_range() {
        let text = Legal::Text(TextRule::Any);
        for (cell, legal, expected) in [
            (Cell::Text("a"), text, true),
            (Cell::Text("a"), Legal::TextOrTexts, true),
            (Cell::Text("a"), Legal::Texts(TextRule::Any), false),
            (Cell::Text("1"), Legal::Number(0, 9), false),
            (Cell::Number(1), Legal::Number(1, 10), true),
            (Cell::Number(10), Legal::Number(1, 10), true),
            (Cell::Number(0), Legal::Number(1, 10), false),
            (Cell::Number(11), Legal::Number(1, 10), false),
            (Cell::Number(1), text, false),
            (Cell::Boolean(true), Legal::Boolean, true),
            (Cell::Boolean(true), Legal::Number(0, 1), false),
            (Cell::Number(1), Legal::Boolean, false),
        ] {
            assert_eq!(is_legal_kind(&cell, legal), expected, "{cell:?} {legal:?}");
        }
    }

    #[test]
    fn a_text_is_cut_after_so_many_characters_and_not_bytes() {
        let notes = |text: &str| {
            let mut fixes = Vec::new();
            let length = cut(text, &mut |fix| fixes.push(fix)).chars().count();
            (length, fixes)
        };
        let [fits, wide, long] = [
            "a".repeat(MAX_TEXT_CHARS),
            // More bytes than the limit, and no more characters.
            "é".repeat(MAX_TEXT_CHARS),
            "é".repeat(MAX_TEXT_CHARS + 1),
        ];
        assert_eq!(notes(&fits), (MAX_TEXT_CHARS, vec![]));
        assert_eq!(notes(&wide), (MAX_TEXT_CHARS, vec![]));
        assert_eq!(notes(&long), (MAX_TEXT_CHARS, vec![Fix::Cut]));
    }
}
