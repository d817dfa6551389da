//! Search over the names and identifiers of entities: a scan over texts that are held in memory.

use std::collections::BTreeMap;

use datafusion::arrow::array::{Array, ArrayRef, AsArray as _};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::TableReference;
use memchr::memmem::Finder;

use super::GraphReader;
use super::answers::{Lookup, MatchKind, SearchHit, SearchPage};
use crate::error::QueryError;
use crate::session::QuerySession;
use crate::stored::StoredTable;

/// The properties that are searched, the most telling first.
const SEARCHED: [&str; 16] = [
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

/// The entities of an answer, at most.
const MAX_HITS: usize = 1_000;

/// Stands between two texts; no text is searched that has it.
const END: char = '\n';

/// The names and identifiers of all entities of a generation, in memory: about 300 bytes for each.
/// Building it reads the columns once; a search is one pass over the texts.
pub struct SearchIndex {
    /// All texts in lower case, each followed by [`END`].
    texts: String,
    entries: Vec<Entry>,
    /// The type and the key of each entity.
    entities: Vec<(u16, String)>,
    types: Vec<String>,
}

/// A text, by where it begins.
struct Entry {
    start: usize,
    entity: u32,
    property: u8,
}

impl SearchIndex {
    /// Reads the names of all entities of a session's generation. Events have no names of their own and
    /// are left out.
    ///
    /// # Errors
    /// [`QueryError::Store`] for damaged files, [`QueryError::Execution`].
    pub async fn load(session: &QuerySession) -> Result<Self, QueryError> {
        let mut index = Self {
            texts: String::new(),
            entries: Vec::new(),
            entities: Vec::new(),
            types: Vec::new(),
        };
        for table in &session.graph().entities {
            if !matches!(session.stored.get(&table.name), Some(StoredTable::Generation(..))) {
                continue;
            }
            let type_number = u16::try_from(index.types.len()).unwrap_or(u16::MAX);
            index.types.push(table.name.clone());
            let has = |name: &str| table.properties.iter().any(|known| known.name == name);
            let columns: Vec<&str> = SEARCHED.into_iter().filter(|name| has(name)).collect();
            let engine = |error| session.error(&error);
            let rows = session.context.table(TableReference::bare(table.name.as_str())).await;
            let rows = rows.and_then(|rows| rows.select_columns(&columns)).map_err(engine)?;
            let mut answer = session.run_plan(rows.into_unoptimized_plan())?;
            while let Some(batch) = answer.next().await? {
                index.add(type_number, &columns, batch.columns())?;
            }
        }
        index.texts.shrink_to_fit();
        Ok(index)
    }

    fn add(
        &mut self,
        type_number: u16,
        columns: &[&str],
        values: &[ArrayRef],
    ) -> Result<(), QueryError> {
        let texts: Vec<Vec<Vec<String>>> = values.iter().map(texts_of).collect::<Result<_, _>>()?;
        let Some(key) = columns.iter().position(|name| *name == "_key") else { return Ok(()) };
        for row in 0..texts[key].len() {
            let Some(key) = texts[key][row].first() else { continue };
            let entity = u32::try_from(self.entities.len()).unwrap_or(u32::MAX);
            self.entities.push((type_number, key.clone()));
            for (name, column) in columns.iter().zip(&texts) {
                let property = SEARCHED.iter().position(|known| known == name).unwrap_or_default();
                let property = u8::try_from(property).unwrap_or(u8::MAX);
                for text in &column[row] {
                    self.push(text, entity, property);
                }
            }
        }
        Ok(())
    }

    /// Adds a text, unless the entity has it in another property.
    fn push(&mut self, text: &str, entity: u32, property: u8) {
        let text = text.to_lowercase().replace(END, " ");
        let others = self.entries.iter().rev().take_while(|entry| entry.entity == entity);
        let is_same = |entry: &Entry| self.texts[entry.start..].split(END).next() == Some(&text);
        if !others.into_iter().any(is_same) {
            self.entries.push(Entry { start: self.texts.len(), entity, property });
            self.texts.push_str(&text);
            self.texts.push(END);
        }
    }

    /// Finds the entities that have a text in a name or identifier, in any case, whole matches first.
    /// Returns for each its type, key, property and value.
    fn find(&self, text: &str, types: &[String]) -> Vec<Found<'_>> {
        let text = text.trim().to_lowercase();
        if text.is_empty() || text.contains(END) {
            return Vec::new();
        }
        let is_meant = |type_number: u16| {
            types.is_empty() || types.contains(&self.types[usize::from(type_number)])
        };
        let mut best: BTreeMap<u32, Found<'_>> = BTreeMap::new();
        let mut from = 0;
        let finder = Finder::new(&text);
        while let Some(at) = self.texts.as_bytes().get(from..).and_then(|rest| finder.find(rest)) {
            let at = from + at;
            let number = self.entries.partition_point(|entry| entry.start <= at) - 1;
            let entry = &self.entries[number];
            let end = self.entries.get(number + 1).map_or(self.texts.len(), |next| next.start);
            from = end;
            let value = &self.texts[entry.start..end - END.len_utf8()];
            if !is_meant(self.entities[entry.entity as usize].0) {
                continue;
            }
            let kind = match at == entry.start {
                true if value.len() == text.len() => MatchKind::Exact,
                true => MatchKind::Prefix,
                false => MatchKind::Substring,
            };
            let found = Found { kind, property: entry.property, value, entity: entry.entity };
            let known = best.entry(entry.entity).or_insert(found);
            if found < *known {
                *known = found;
            }
        }
        let mut found: Vec<_> = best.into_values().collect();
        found.sort_unstable();
        found
    }
}

/// A text that was found; the order is that of the answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Found<'a> {
    kind: MatchKind,
    property: u8,
    value: &'a str,
    entity: u32,
}

impl GraphReader<'_> {
    /// Searches the names and identifiers of entities for a text, in any case: whole values first, then
    /// beginnings, then the others. At most `limit` entities, and at most 1,000; only of some types, if
    /// any are named. The index must be of the same generation.
    ///
    /// # Errors
    /// [`QueryError::Store`] for damaged files, [`QueryError::Execution`].
    pub async fn search(
        self,
        index: &SearchIndex,
        text: &str,
        types: &[String],
        limit: usize,
    ) -> Result<SearchPage, QueryError> {
        self.page(index, &index.find(text, types), limit).await
    }

    /// Returns the entity that a key or a name stands for. Several entities with the same name are
    /// answered with all of them.
    ///
    /// # Errors
    /// [`QueryError::Store`] for damaged files, [`QueryError::Execution`].
    pub async fn find(
        self,
        index: &SearchIndex,
        text: &str,
        limit: usize,
    ) -> Result<Lookup, QueryError> {
        if let Some(entity) = self.entity(text).await? {
            return Ok(Lookup::Found(Box::new(entity)));
        }
        let found = index.find(text, &[]);
        let exact = found.partition_point(|found| found.kind == MatchKind::Exact);
        match exact {
            0 => Ok(Lookup::NotFound(self.page(index, &found, limit).await?)),
            1 => {
                let (_, key) = &index.entities[found[0].entity as usize];
                let entity = self.entity(key).await?;
                let entity = entity.ok_or(QueryError::Execution {
                    reason: "the names that are searched are those of another generation",
                })?;
                Ok(Lookup::Found(Box::new(entity)))
            }
            _ => Ok(Lookup::Ambiguous(self.page(index, &found[..exact], limit).await?)),
        }
    }

    async fn page(
        self,
        index: &SearchIndex,
        found: &[Found<'_>],
        limit: usize,
    ) -> Result<SearchPage, QueryError> {
        let shown = &found[..found.len().min(limit.min(MAX_HITS))];
        let keys: Vec<_> = shown
            .iter()
            .map(|found| {
                let (type_number, key) = &index.entities[found.entity as usize];
                (index.types[usize::from(*type_number)].clone(), key.clone())
            })
            .collect();
        let entities = self.ordered_references(&keys).await?;
        let hits = entities.into_iter().zip(shown).map(|(entity, found)| {
            let property = SEARCHED[usize::from(found.property)];
            let original = match property {
                "_key" => Some(&entity.key),
                "name" => entity.name.as_ref(),
                "displayName" => entity.display_name.as_ref(),
                _ => None,
            };
            let value = original.map_or(found.value, String::as_str).to_owned();
            SearchHit { property: property.to_owned(), value, kind: found.kind, entity }
        });
        Ok(SearchPage { hits: hits.collect(), more: (found.len() - shown.len()) as u64 })
    }
}

/// The texts of each row of a column of texts or of lists of texts.
fn texts_of(column: &ArrayRef) -> Result<Vec<Vec<String>>, QueryError> {
    let engine = |error| QueryError::from_arrow(&error);
    if !matches!(column.data_type(), DataType::List(_)) {
        let column = cast(column, &DataType::Utf8).map_err(engine)?;
        let texts = column.as_string::<i32>().iter();
        return Ok(texts.map(|text| text.map(str::to_owned).into_iter().collect()).collect());
    }
    let lists = column.as_list::<i32>();
    let mut rows = Vec::with_capacity(lists.len());
    for list in lists.iter() {
        let Some(list) = list else {
            rows.push(Vec::new());
            continue;
        };
        let list = cast(&list, &DataType::Utf8).map_err(engine)?;
        rows.push(list.as_string::<i32>().iter().flatten().map(str::to_owned).collect());
    }
    Ok(rows)
}
