//! The names and identifiers of all entities of a generation, held in memory and searched by a scan.

use std::collections::BinaryHeap;

use datafusion::arrow::array::{Array, ArrayRef, AsArray as _, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::TableReference;
use memchr::memmem::Finder;

use super::answers::{EntityRef, MatchKind};
use crate::error::QueryError;
use crate::session::QuerySession;
use crate::stored::StoredTable;

/// The properties that are searched, the most telling first.
pub(super) const SEARCHED: [&str; 16] = [
    "displayName",
    "name",
    "hostname",
    "fqdn",
    "email",
    "upn",
    "username",
    "shortLoginId",
    "serial",
    "chassisSerialNumber",
    "machineSerialNumber",
    "_key",
    "sid",
    "collectorUid",
    "ipv4Addresses",
    "ipv6Addresses",
];

/// Stands between two texts; no text is searched that has it.
const END: char = '\n';

/// The length of a name that an entity does not have.
const NONE: u32 = u32::MAX;

/// The length of a `name` that is the same as `displayName`.
const SAME: u32 = u32::MAX - 1;

/// The names and identifiers of all entities of a generation, in memory: about 250 bytes for each.
/// Building it reads the columns once. A search is one pass over the texts, and reads no file.
pub struct SearchIndex {
    /// All texts in lower case, each followed by [`END`].
    texts: String,
    /// Where each text begins, in order.
    entries: Vec<Entry>,
    /// The key, `displayName` and `name` of each entity as they are, one after the other.
    originals: String,
    entities: Vec<Names>,
    types: Vec<(String, Vec<String>)>,
}

/// A text, by where it begins.
struct Entry {
    start: usize,
    entity: u32,
    property: u8,
}

/// Where the key and the names of an entity are. The lengths are in bytes.
struct Names {
    start: usize,
    key: u32,
    display_name: u32,
    name: u32,
    type_number: u16,
}

/// A text that was found; the order is that of the answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found<'a> {
    pub(super) kind: MatchKind,
    pub(super) property: u8,
    pub(super) value: &'a str,
    pub(super) entity: u32,
}

/// The result of a search.
pub(super) struct Matches<'a> {
    /// The best entities, in the order of the answer.
    pub(super) best: Vec<Found<'a>>,
    /// The number of entities.
    pub(super) total: u64,
    /// The number of them that have the whole text as a name or identifier. They are the first.
    pub(super) exact: u64,
}

impl SearchIndex {
    /// Reads the names of all entities of a session's generation. Events have no names and are left out.
    ///
    /// # Errors
    /// [`QueryError::Store`] for damaged files, [`QueryError::Execution`].
    pub async fn load(session: &QuerySession) -> Result<Self, QueryError> {
        let mut index = Self {
            texts: String::new(),
            entries: Vec::new(),
            originals: String::new(),
            entities: Vec::new(),
            types: Vec::new(),
        };
        for table in &session.graph().entities {
            if !matches!(session.stored.get(&table.name), Some(StoredTable::Generation(..))) {
                continue;
            }
            index.types.push((table.name.clone(), table.classes.clone()));
            let has = |name: &str| table.properties.iter().any(|known| known.name == name);
            let columns: Vec<&str> = SEARCHED.into_iter().filter(|name| has(name)).collect();
            let engine = |error| session.error(&error);
            let rows = session.context.table(TableReference::bare(table.name.as_str())).await;
            let rows = rows.and_then(|rows| rows.select_columns(&columns)).map_err(engine)?;
            let mut answer = session.run_plan(rows.into_unoptimized_plan())?;
            while let Some(batch) = answer.next().await? {
                index.add(&columns, batch.columns())?;
            }
        }
        index.texts.shrink_to_fit();
        index.entries.shrink_to_fit();
        index.originals.shrink_to_fit();
        index.entities.shrink_to_fit();
        Ok(index)
    }

    /// Adds rows of the type that was added last.
    fn add(&mut self, columns: &[&str], values: &[ArrayRef]) -> Result<(), QueryError> {
        let type_number = u16::try_from(self.types.len() - 1).unwrap_or(u16::MAX);
        let columns: Vec<(u8, &str, Texts)> = columns
            .iter()
            .zip(values)
            .map(|(name, values)| {
                let property = SEARCHED.iter().position(|known| known == name);
                let property = u8::try_from(property.unwrap_or_default()).unwrap_or(u8::MAX);
                Ok((property, *name, Texts::new(values)?))
            })
            .collect::<Result<_, QueryError>>()?;
        let column = |name: &str| columns.iter().find(|(_, known, _)| *known == name);
        let Some((_, _, keys)) = column("_key") else { return Ok(()) };
        let (display_names, names) = (column("displayName"), column("name"));
        for row in 0..keys.rows() {
            let Some(key) = keys.of(row).next() else { continue };
            let entity = u32::try_from(self.entities.len()).unwrap_or(u32::MAX);
            let text = |column: Option<&(u8, &str, Texts)>| -> Option<String> {
                column.and_then(|(_, _, texts)| texts.of(row).next()).map(str::to_owned)
            };
            let (display_name, name) = (text(display_names), text(names));
            self.add_names(type_number, key, display_name.as_deref(), name.as_deref());
            let first = self.entries.len();
            for (property, _, texts) in &columns {
                for text in texts.of(row) {
                    self.push(&text.to_lowercase(), first, entity, *property);
                }
            }
        }
        Ok(())
    }

    fn add_names(
        &mut self,
        type_number: u16,
        key: &str,
        display_name: Option<&str>,
        name: Option<&str>,
    ) {
        let start = self.originals.len();
        let length = |text: &str| u32::try_from(text.len()).unwrap_or(NONE);
        let name_length = match name {
            Some(name) if display_name == Some(name) => SAME,
            Some(name) => length(name),
            None => NONE,
        };
        self.originals.push_str(key);
        self.originals.push_str(display_name.unwrap_or_default());
        self.originals.push_str(name.filter(|_| name_length != SAME).unwrap_or_default());
        let display_name = display_name.map_or(NONE, length);
        let key = length(key);
        self.entities.push(Names { start, key, display_name, name: name_length, type_number });
    }

    /// Adds a text, unless the entity, whose entries begin at `first`, has it in another property.
    fn push(&mut self, text: &str, first: usize, entity: u32, property: u8) {
        let is_same = |entry: &Entry| {
            let known = self.texts[entry.start..].split(END).next();
            known.is_some_and(|known| known.len() == text.len() && known == text)
        };
        if self.entries[first..].iter().any(is_same) {
            return;
        }
        self.entries.push(Entry { start: self.texts.len(), entity, property });
        if text.contains(END) {
            self.texts.push_str(&text.replace(END, " "));
        } else {
            self.texts.push_str(text);
        }
        self.texts.push(END);
    }

    /// Finds the entities that have a text in a name or identifier, in any case: whole matches first. Keeps the best
    /// ones, at most `limit`, and counts all.
    pub(super) fn find(&self, text: &str, types: &[String], limit: usize) -> Matches<'_> {
        let text = text.trim().to_lowercase();
        let mut best = Best { heap: BinaryHeap::new(), limit, total: 0, exact: 0 };
        if text.is_empty() || text.contains(END) {
            return best.into_matches();
        }
        let is_meant: Vec<bool> =
            self.types.iter().map(|(name, _)| types.is_empty() || types.contains(name)).collect();
        let finder = Finder::new(&text);
        // The best text of the entity that is looked at. The texts of one entity follow each other.
        let mut last: Option<Found<'_>> = None;
        let (mut from, mut number) = (0, 0);
        while let Some(at) = self.texts.as_bytes().get(from..).and_then(|rest| finder.find(rest)) {
            let at = from + at;
            // Places only grow, so one walk over the entries finds all of them; a binary search for each place
            // would be slower where a text is in most names.
            while self.entries.get(number + 1).is_some_and(|next| next.start <= at) {
                number += 1;
            }
            let entry = &self.entries[number];
            let end = self.entries.get(number + 1).map_or(self.texts.len(), |next| next.start);
            from = end;
            let type_number = self.entities[entry.entity as usize].type_number;
            if is_meant.get(usize::from(type_number)) != Some(&true) {
                continue;
            }
            let value = &self.texts[entry.start..end - END.len_utf8()];
            let kind = match at == entry.start {
                true if value.len() == text.len() => MatchKind::Exact,
                true => MatchKind::Prefix,
                false => MatchKind::Substring,
            };
            let found = Found { kind, property: entry.property, value, entity: entry.entity };
            last = match last {
                Some(known) if known.entity == found.entity => Some(known.min(found)),
                known => {
                    best.add(known);
                    Some(found)
                }
            };
        }
        best.add(last);
        best.into_matches()
    }

    /// The key of an entity.
    pub(super) fn key(&self, entity: u32) -> &str {
        let names = &self.entities[entity as usize];
        &self.originals[names.start..names.start + names.key as usize]
    }

    /// An entity by its key, type and names.
    pub(super) fn reference(&self, entity: u32) -> EntityRef {
        let names = &self.entities[entity as usize];
        let mut at = names.start + names.key as usize;
        let mut take = |length: u32| {
            let end = at + length as usize;
            let text = self.originals[at..end].to_owned();
            at = end;
            text
        };
        let display_name = (names.display_name != NONE).then(|| take(names.display_name));
        let name = match names.name {
            NONE => None,
            SAME => display_name.clone(),
            length => Some(take(length)),
        };
        let (type_name, class) = self.types[usize::from(names.type_number)].clone();
        EntityRef { key: self.key(entity).to_owned(), type_name, class, name, display_name }
    }
}

/// Collects the best hits without holding the rest.
struct Best<'a> {
    /// The worst of them is on top.
    heap: BinaryHeap<Found<'a>>,
    limit: usize,
    total: u64,
    exact: u64,
}

impl<'a> Best<'a> {
    fn add(&mut self, found: Option<Found<'a>>) {
        let Some(found) = found else { return };
        self.total += 1;
        self.exact += u64::from(found.kind == MatchKind::Exact);
        if self.heap.len() < self.limit {
            self.heap.push(found);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && found < *worst
        {
            *worst = found;
        }
    }

    fn into_matches(self) -> Matches<'a> {
        let best = self.heap.into_sorted_vec();
        Matches { best, total: self.total, exact: self.exact }
    }
}

/// A column of texts or of lists of texts.
enum Texts {
    One(StringArray),
    /// The texts of all rows, and where those of each row begin.
    Several(StringArray, Vec<usize>),
}

impl Texts {
    fn new(column: &ArrayRef) -> Result<Self, QueryError> {
        let engine = |error| QueryError::from_arrow(&error);
        if !matches!(column.data_type(), DataType::List(_)) {
            let column = cast(column, &DataType::Utf8).map_err(engine)?;
            return Ok(Self::One(column.as_string::<i32>().clone()));
        }
        let lists = column.as_list::<i32>();
        let offsets = lists.offsets().iter();
        let offsets = offsets.map(|offset| usize::try_from(*offset).unwrap_or_default()).collect();
        let texts = cast(lists.values(), &DataType::Utf8).map_err(engine)?;
        Ok(Self::Several(texts.as_string::<i32>().clone(), offsets))
    }

    fn rows(&self) -> usize {
        match self {
            Self::One(texts) => texts.len(),
            Self::Several(_, offsets) => offsets.len().saturating_sub(1),
        }
    }

    /// The texts of a row.
    fn of(&self, row: usize) -> impl Iterator<Item = &str> {
        let (texts, places) = match self {
            Self::One(texts) => (texts, row..row + 1),
            Self::Several(texts, offsets) => (texts, offsets[row]..offsets[row + 1]),
        };
        places.filter(|place| texts.is_valid(*place)).map(|place| texts.value(place))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    /// An entity by its `displayName`, `name` and serial number; its key is its place.
    type Row = (Option<String>, Option<String>, Option<String>);

    fn index(rows: &[Row]) -> SearchIndex {
        let column = |text: fn(&Row) -> Option<&String>| -> ArrayRef {
            Arc::new(rows.iter().map(|row| text(row).map(String::as_str)).collect::<StringArray>())
        };
        let keys: StringArray = (0..rows.len()).map(|row| Some(format!("t:{row}"))).collect();
        let values = [
            column(|row| row.0.as_ref()),
            column(|row| row.1.as_ref()),
            column(|row| row.2.as_ref()),
            Arc::new(keys),
        ];
        let mut index = SearchIndex {
            texts: String::new(),
            entries: Vec::new(),
            originals: String::new(),
            entities: Vec::new(),
            types: vec![("t".to_owned(), Vec::new())],
        };
        let columns = ["displayName", "name", "serial", "_key"];
        index.add(&columns, &values).expect("columns of texts");
        index
    }

    /// The first text of an entity that is as good as any other: kind, property, entity.
    fn plainly(rows: &[Row], text: &str) -> Vec<(MatchKind, usize, usize)> {
        let text = text.trim().to_lowercase();
        let of = |(place, row): (usize, &Row)| {
            let key = Some(format!("t:{place}"));
            let values = [&row.0, &row.1, &row.2, &key].map(Clone::clone);
            let found = values.into_iter().zip([0, 1, 8, 11]).filter_map(|(value, property)| {
                let value = value?.to_lowercase().replace(END, " ");
                let kind = match value.find(&text)? {
                    0 if value.len() == text.len() => MatchKind::Exact,
                    0 => MatchKind::Prefix,
                    _ => MatchKind::Substring,
                };
                Some((kind, property, place))
            });
            found.min()
        };
        let is_searched = !text.is_empty() && !text.contains(END);
        let mut found: Vec<_> =
            rows.iter().enumerate().filter(|_| is_searched).filter_map(of).collect();
        found.sort_unstable();
        found
    }

    fn name() -> impl Strategy<Value = Option<String>> {
        proptest::option::of("[aAbBä \n]{0,4}")
    }

    proptest! {
        #[test]
        fn a_search_finds_what_a_plain_one_finds(
            rows in proptest::collection::vec((name(), name(), name()), 0..20),
            text in "[aAbBä :t1\n]{0,3}",
            limit in 0_usize..6,
        ) {
            let index = index(&rows);
            let expected = plainly(&rows, &text);
            let Matches { best, total, exact } = index.find(&text, &[], limit);
            prop_assert_eq!(total, expected.len() as u64);
            let is_exact = |(kind, ..): &&(MatchKind, usize, usize)| *kind == MatchKind::Exact;
            prop_assert_eq!(exact, expected.iter().filter(is_exact).count() as u64);
            prop_assert_eq!(best.len(), expected.len().min(limit));
            for (found, (kind, property, _)) in best.iter().zip(&expected) {
                prop_assert_eq!((found.kind, usize::from(found.property)), (*kind, *property));
            }
            prop_assert!(best.is_sorted());
            for (place, row) in rows.iter().enumerate() {
                let entity = index.reference(u32::try_from(place).expect("few"));
                prop_assert_eq!(entity.key, format!("t:{place}"));
                prop_assert_eq!((&entity.display_name, &entity.name), (&row.0, &row.1));
            }
            prop_assert!(index.find(&text, &["other".to_owned()], limit).best.is_empty());
        }
    }
}
