//! Which column of a file is which declared column.
//!
//! Columns match in any order: by their full path in any case, else by the one column of the file
//! that ends in the declared path, since Nexthink puts the namespace of an event table before some
//! columns (`alert.monitor.name` for `monitor.name`), else in the same way by another name.

use core_model::step::Step;

use crate::refusal::RefusalReason;

/// What separates columns in files that are not an export, and what it is called.
const DELIMITERS: [(char, &str); 4] =
    [('\t', "tabs"), (';', "semicolons"), ('|', "vertical bars"), ('\x1F', "unit separators")];

/// Where each declared column stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnMap {
    positions: Vec<(&'static str, Option<usize>)>,
    /// Declared columns that the file does not have; their cells are null.
    pub missing: Vec<&'static str>,
    /// How many columns of the file nobody declared; they are ignored.
    pub unknown: usize,
}

impl ColumnMap {
    /// Finds the columns of a step in a header. A column that the query to save does not list is
    /// never missing.
    pub fn of_step(step: &Step, header: &[String]) -> Self {
        let listed = step.columns();
        let declared = [&listed[..], &step.unlisted_columns()].concat();
        let mut columns = Self::new(&declared, step.aliases(), header);
        columns.missing.retain(|it| listed.contains(it));
        columns
    }

    /// Finds the declared columns in a header, and where one is missing its other names.
    pub fn new(
        declared: &[&'static str],
        aliases: &[(&'static str, &'static str)],
        header: &[String],
    ) -> Self {
        let exact = |path: &str| header.iter().position(|it| it.eq_ignore_ascii_case(path));
        let mut used: Vec<usize> = declared.iter().filter_map(|path| exact(path)).collect();
        let find = |path: &str| exact(path).or_else(|| only_suffix_match(path, header, &used));
        let mut positions = Vec::with_capacity(declared.len());
        for path in declared {
            let mut others = aliases.iter().filter(|(of, _)| of == path).map(|(_, other)| *other);
            positions.push((*path, find(path).or_else(|| others.find_map(find))));
        }
        used.extend(positions.iter().filter_map(|(_, position)| *position));
        used.sort_unstable();
        used.dedup();
        let missing = positions.iter().filter(|(_, it)| it.is_none()).map(|(path, _)| *path);
        Self { missing: missing.collect(), unknown: header.len() - used.len(), positions }
    }

    /// The key columns of a step that the file lacks, so that its rows cannot be identified.
    pub fn missing_keys(&self, step: &Step) -> Vec<&'static str> {
        let is_there = |column: &&str| self.position(column).is_some();
        let without_key = step
            .entities
            .iter()
            .filter(|it| !is_there(&it.key_column) && !it.key_else.iter().any(is_there));
        without_key.map(|it| it.key_column).collect()
    }

    /// The first type of a step that the file does not describe though it describes something: none
    /// of its columns begins as those of the type do (`device.`), but those that say which entity it
    /// is or name the end of an edge, which other queries have too.
    pub fn undescribed_type(&self, step: &Step, header: &[String]) -> Option<&'static str> {
        let ends = step.relationships.iter().flat_map(|it| [it.from.column, it.to.column]);
        let ends: Vec<&str> = ends.flatten().collect();
        let undescribed = step.entities.iter().find(|entity| {
            let keys = [&[entity.key_column], entity.key_else, &ends].concat();
            let columns = entity.properties.iter().flat_map(|it| it.columns.iter().copied());
            let own: Vec<&str> = columns.filter(|it| !keys.contains(it)).collect();
            let is_key = |n: usize| keys.iter().any(|it| self.position(it) == Some(n));
            let describes = |n: usize, name: &str| {
                let is_read = own.iter().any(|it| self.position(it) == Some(n));
                is_read || own.iter().any(|it| namespace(it) == namespace(name))
            };
            let others =
                header.iter().enumerate().filter(|(n, it)| it.contains('.') && !is_key(*n));
            let mut others = others.peekable();
            !own.is_empty() && others.peek().is_some() && !others.any(|(n, it)| describes(n, it))
        });
        undescribed.map(|it| it.type_name)
    }

    /// The declared column that stands at a place of the file; nothing where nobody declared one.
    pub fn declared_at(&self, place: usize) -> Option<&'static str> {
        self.positions.iter().find(|(_, it)| *it == Some(place)).map(|(path, _)| *path)
    }

    /// Where a declared column stands in the file.
    pub fn position(&self, column: &str) -> Option<usize> {
        self.positions.iter().find(|(path, _)| *path == column).and_then(|(_, it)| *it)
    }
}

/// The names of the columns, from the cells of the first row. What is wrong with them comes with the
/// number of the cell, counted from 1.
///
/// A header that ends in a comma has a last column without a name, since some programs write a separator
/// after every cell. It is a column that nobody declared: all others are what they are without it, and rows
/// still need as many cells as the header has.
pub(crate) fn read_names<'a>(
    cells: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<String>, (usize, RefusalReason)> {
    let mut names: Vec<String> = Vec::new();
    for cell in cells {
        let column = names.len() + 1;
        if names.last().is_some_and(String::is_empty) {
            return Err((column - 1, RefusalReason::BadHeader));
        }
        let name = match str::from_utf8(cell.trim_ascii()) {
            Ok(name) if !name.contains('\0') && (!name.is_empty() || column > 1) => name,
            _ => return Err((column, RefusalReason::BadHeader)),
        };
        if names.iter().any(|it| it.eq_ignore_ascii_case(name)) {
            return Err((column, RefusalReason::DuplicateColumn));
        }
        names.push(name.to_owned());
    }
    if let [only] = &names[..]
        && let Some((_, found)) = DELIMITERS.into_iter().find(|(it, _)| only.contains(*it))
    {
        return Err((1, RefusalReason::Delimiter { found }));
    }
    Ok(names)
}

/// The columns of a file that may be meant by a declared column that it lacks: its full path or its
/// last name in other writing (`Device UID`, `device_uid`, `uid` for `device.uid`).
///
/// Nothing else is ever named, since what should be the header of a file may be a row of it.
pub fn near_names<'a>(declared: &str, header: &'a [String]) -> Vec<&'a str> {
    let plain = |name: &str| -> String {
        let characters = name.chars().filter(|it| !matches!(it, ' ' | '_' | '-' | '.'));
        characters.map(|it| it.to_ascii_lowercase()).collect()
    };
    let last = declared.rsplit('.').next().unwrap_or(declared);
    let meant = [plain(declared), plain(last)];
    let is_near = |name: &&String| {
        name.len() <= declared.len() + 2 && meant.contains(&plain(name)) && *name != declared
    };
    header.iter().filter(is_near).map(String::as_str).collect()
}

/// The only column of the file, among those that no declared column names in full, that ends in
/// the path.
fn only_suffix_match(path: &str, header: &[String], used: &[usize]) -> Option<usize> {
    let mut matches = header
        .iter()
        .enumerate()
        .filter(|(position, name)| !used.contains(position) && ends_in_path(name, path));
    let (position, _) = matches.next()?;
    matches.next().is_none().then_some(position)
}

/// `device` of `device.name`, in lower case.
fn namespace(column: &str) -> String {
    column.split('.').next().unwrap_or("").to_ascii_lowercase()
}

fn ends_in_path(name: &str, path: &str) -> bool {
    let Some(prefix_len) = name.len().checked_sub(path.len()) else { return false };
    let (prefix, suffix) = (&name.as_bytes()[..prefix_len], &name.as_bytes()[prefix_len..]);
    prefix.last() == Some(&b'.') && suffix.eq_ignore_ascii_case(path.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECLARED: &[&str] = &["alert.uid", "alert.status", "monitor.name"];

    const ALIASES: &[(&str, &str)] =
        &[("alert.status", "alert.state"), ("alert.status", "alert.s")];

    fn positions(header: &[&str]) -> Vec<Option<usize>> {
        let header: Vec<String> = header.iter().map(|&it| it.to_owned()).collect();
        let map = ColumnMap::new(DECLARED, ALIASES, &header);
        DECLARED.iter().map(|path| map.position(path)).collect()
    }

    #[test]
    fn f13_a_column_in_other_writing_is_near_and_a_cell_never_is() {
        let header: Vec<String> = [
            "Device UID",
            "device_uid",
            "uid",
            "UID",
            "DeviceUid",
            "device-uid",
            "collector.uid",
            "device.uid2",
            "0f3a",
            "device",
            "d e v i c e u i d",
        ]
        .map(str::to_owned)
        .to_vec();
        assert_eq!(near_names("device.uid", &header), &header[..6]);
        assert_eq!(near_names("device.name", &header), [""; 0]);
    }

    #[test]
    fn f14_columns_match_by_path_then_by_the_only_suffix() {
        let table: &[(&[&str], [Option<usize>; 3])] = &[
            (&["alert.uid", "alert.status", "monitor.name"], [Some(0), Some(1), Some(2)]),
            (&["monitor.name", "alert.uid", "alert.status"], [Some(1), Some(2), Some(0)]),
            (&["Monitor.Name", "ALERT.UID", "alert.status"], [Some(1), Some(2), Some(0)]),
            (&["alert.alert.uid", "x.alert.status"], [Some(0), Some(1), None]),
            // Another name stands in, the first of several, unless the column itself is there.
            (&["alert.uid", "x.alert.s", "alert.state"], [Some(0), Some(2), None]),
            (&["alert.uid", "alert.s", "alert.status"], [Some(0), Some(2), None]),
            // Two columns could be meant.
            (&["a.monitor.name", "b.monitor.name", "alert.uid"], [Some(2), None, None]),
            // The full path wins over the suffix.
            (&["a.alert.uid", "alert.uid", "alert.status"], [Some(1), Some(2), None]),
            // A part of a word is no suffix, and a shorter name is not what was declared.
            (&["xalert.uid", "uid", "status"], [None, None, None]),
        ];
        for (header, expected) in table {
            assert_eq!(positions(header), expected, "{header:?}");
        }
    }

    #[test]
    fn what_is_missing_is_named_and_what_is_unknown_is_counted() {
        let header: Vec<String> =
            ["alert.uid", "device.#secret", "x"].iter().map(|&it| it.to_owned()).collect();
        let map = ColumnMap::new(DECLARED, ALIASES, &header);
        assert_eq!(map.missing, ["alert.status", "monitor.name"]);
        assert_eq!(map.unknown, 2);
    }
}
