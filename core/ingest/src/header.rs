//! Mapping of declared columns to the columns of a file.
//!
//! Columns match in any order: by their full path in any case, else by the only column of the file
//! that ends in the declared path, since Nexthink prefixes some columns with the namespace of an
//! event table (`alert.monitor.name` for `monitor.name`), else in the same way by an alias.

use core_model::step::Step;

use crate::rejection::RejectionReason;

/// Delimiters of files that are not exports, and their names in messages.
const DELIMITERS: [(char, &str); 4] =
    [('\t', "tabs"), (';', "semicolons"), ('|', "vertical bars"), ('\x1F', "unit separators")];

/// The position of each declared column in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnMap {
    positions: Vec<(&'static str, Option<usize>)>,
    /// Declared columns that the file lacks; their cells are null.
    pub missing: Vec<&'static str>,
    /// The number of undeclared columns in the file; they are ignored.
    pub unknown: usize,
}

impl ColumnMap {
    /// Finds the columns of a step in a header. A column that the suggested query does not list is
    /// never missing.
    pub fn from_header(step: &Step, header: &[String]) -> Self {
        let listed = step.columns();
        let declared = [&listed[..], &step.unlisted_columns()].concat();
        let mut columns = Self::new(&declared, step.aliases(), header);
        columns.missing.retain(|path| listed.contains(path));
        columns
    }

    /// Finds the declared columns in a header, and their aliases where they are missing.
    pub fn new(
        declared: &[&'static str],
        aliases: &[(&'static str, &'static str)],
        header: &[String],
    ) -> Self {
        let exact = |path: &str| header.iter().position(|name| name.eq_ignore_ascii_case(path));
        let mut used: Vec<usize> = declared.iter().filter_map(|path| exact(path)).collect();
        let find = |path: &str| exact(path).or_else(|| only_suffix_match(path, header, &used));
        let mut positions = Vec::with_capacity(declared.len());
        for path in declared {
            let mut other_names =
                aliases.iter().filter(|(declared, _)| declared == path).map(|(_, alias)| *alias);
            positions.push((*path, find(path).or_else(|| other_names.find_map(find))));
        }
        used.extend(positions.iter().filter_map(|(_, position)| *position));
        used.sort_unstable();
        used.dedup();
        let missing =
            positions.iter().filter(|(_, position)| position.is_none()).map(|(path, _)| *path);
        Self { missing: missing.collect(), unknown: header.len() - used.len(), positions }
    }

    /// The key columns of a step that the file lacks, so that its rows cannot be identified.
    pub fn missing_keys(&self, step: &Step) -> Vec<&'static str> {
        let is_there = |column: &&str| self.position(column).is_some();
        let without_key = step.entities.iter().filter(|entity| {
            !is_there(&entity.key_column)
                && !entity.fallback_key_columns().any(|column| is_there(&column))
        });
        without_key.map(|entity| entity.key_column).collect()
    }

    /// The first type of a step that the file does not describe, though it describes something
    /// else: no column of the file shares a namespace (`device.`) with the columns of the type. Key
    /// columns and the ends of edges do not count, because other queries have them too.
    pub fn undescribed_type(&self, step: &Step, header: &[String]) -> Option<&'static str> {
        let ends = step
            .relationships
            .iter()
            .flat_map(|relationship| [relationship.from.column, relationship.to.column]);
        let ends: Vec<&str> = ends.flatten().collect();
        let undescribed = step.entities.iter().find(|entity| {
            let mut keys = [&[entity.key_column], ends.as_slice()].concat();
            keys.extend(entity.fallback_key_columns());
            let columns =
                entity.properties.iter().flat_map(|property| property.columns.iter().copied());
            let own: Vec<&str> = columns.filter(|column| !keys.contains(column)).collect();
            let is_key = |n: usize| keys.iter().any(|key| self.position(key) == Some(n));
            let describes = |n: usize, name: &str| {
                let is_read = own.iter().any(|column| self.position(column) == Some(n));
                is_read || own.iter().any(|column| namespace(column) == namespace(name))
            };
            let others =
                header.iter().enumerate().filter(|(n, name)| name.contains('.') && !is_key(*n));
            let mut others = others.peekable();
            !own.is_empty()
                && others.peek().is_some()
                && !others.any(|(n, name)| describes(n, name))
        });
        undescribed.map(|entity| entity.type_name)
    }

    /// The declared column at a position of the file; `None` for an undeclared one.
    pub fn declared_at(&self, place: usize) -> Option<&'static str> {
        self.positions.iter().find(|(_, position)| *position == Some(place)).map(|(path, _)| *path)
    }

    /// The position of a declared column in the file.
    pub fn position(&self, column: &str) -> Option<usize> {
        self.positions.iter().find(|(path, _)| *path == column).and_then(|(_, position)| *position)
    }
}

/// Reads the column names from the cells of the first row. An error comes with the number of the
/// cell, counted from 1.
///
/// A header that ends in a comma has a last column without a name, since some programs write a
/// separator after every cell. It counts as an undeclared column: the others keep their meaning,
/// and rows still need as many cells as the header has.
pub(crate) fn read_names<'a>(
    cells: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<String>, (usize, RejectionReason)> {
    let mut names: Vec<String> = Vec::new();
    for cell in cells {
        let column = names.len() + 1;
        if names.last().is_some_and(String::is_empty) {
            return Err((column - 1, RejectionReason::BadHeader));
        }
        let name = match str::from_utf8(cell.trim_ascii()) {
            Ok(name) if !name.contains('\0') && (!name.is_empty() || column > 1) => name,
            _ => return Err((column, RejectionReason::BadHeader)),
        };
        if names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err((column, RejectionReason::DuplicateColumn));
        }
        names.push(name.to_owned());
    }
    if let [only] = &names[..]
        && let Some((_, found)) =
            DELIMITERS.into_iter().find(|(delimiter, _)| only.contains(*delimiter))
    {
        return Err((1, RejectionReason::Delimiter { found }));
    }
    Ok(names)
}

/// The columns of a file that a missing declared column may refer to: spellings of its full path or
/// of its last part (`Device UID`, `device_uid`, `uid` for `device.uid`).
///
/// No other text is ever shown, since the first line may be a row of data instead of a header.
pub fn near_names<'a>(declared: &str, header: &'a [String]) -> Vec<&'a str> {
    let normalized = |name: &str| -> String {
        let characters =
            name.chars().filter(|character| !matches!(character, ' ' | '_' | '-' | '.'));
        characters.map(|character| character.to_ascii_lowercase()).collect()
    };
    let last = declared.rsplit('.').next().unwrap_or(declared);
    let wanted = [normalized(declared), normalized(last)];
    let is_near = |name: &&String| {
        name.len() <= declared.len() + 2 && wanted.contains(&normalized(name)) && *name != declared
    };
    header.iter().filter(is_near).map(String::as_str).collect()
}

/// Finds the only column of the file that ends in the path, ignoring columns that match a declared
/// column in full.
fn only_suffix_match(path: &str, header: &[String], used: &[usize]) -> Option<usize> {
    let mut matches = header
        .iter()
        .enumerate()
        .filter(|(position, name)| !used.contains(position) && ends_in_path(name, path));
    let (position, _) = matches.next()?;
    matches.next().is_none().then_some(position)
}

/// The namespace of a column in lower case: `device` for `device.name`.
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
        let header: Vec<String> = header.iter().map(|&name| name.to_owned()).collect();
        let map = ColumnMap::new(DECLARED, ALIASES, &header);
        DECLARED.iter().map(|path| map.position(path)).collect()
    }

    #[test]
    fn f13_other_spellings_of_a_column_are_suggested_and_cells_never_are() {
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
    fn f14_columns_match_by_path_then_by_their_only_suffix() {
        let table: &[(&[&str], [Option<usize>; 3])] = &[
            (&["alert.uid", "alert.status", "monitor.name"], [Some(0), Some(1), Some(2)]),
            (&["monitor.name", "alert.uid", "alert.status"], [Some(1), Some(2), Some(0)]),
            (&["Monitor.Name", "ALERT.UID", "alert.status"], [Some(1), Some(2), Some(0)]),
            (&["alert.alert.uid", "x.alert.status"], [Some(0), Some(1), None]),
            // An alias matches, the first of several, unless the column itself is there.
            (&["alert.uid", "x.alert.s", "alert.state"], [Some(0), Some(2), None]),
            (&["alert.uid", "alert.s", "alert.status"], [Some(0), Some(2), None]),
            // Two columns match.
            (&["a.monitor.name", "b.monitor.name", "alert.uid"], [Some(2), None, None]),
            // The full path wins over the suffix.
            (&["a.alert.uid", "alert.uid", "alert.status"], [Some(1), Some(2), None]),
            // A part of a word is no suffix, and a shorter name is not a match.
            (&["xalert.uid", "uid", "status"], [None, None, None]),
        ];
        for (header, expected) in table {
            assert_eq!(positions(header), expected, "{header:?}");
        }
    }

    #[test]
    fn missing_columns_are_named_and_unknown_ones_are_counted() {
        let header: Vec<String> =
            ["alert.uid", "device.#secret", "x"].iter().map(|&name| name.to_owned()).collect();
        let map = ColumnMap::new(DECLARED, ALIASES, &header);
        assert_eq!(map.missing, ["alert.status", "monitor.name"]);
        assert_eq!(map.unknown, 2);
    }

    #[test]
    fn a_name_that_cannot_be_used_is_told_with_its_column() {
        type Read = Result<usize, (usize, RejectionReason)>;
        let table: [(&[&[u8]], Read); 5] = [
            (&[b"a", b"b", b""], Ok(3)),
            (&[b"a", b"", b"b"], Err((2, RejectionReason::BadHeader))),
            (&[b"", b"a"], Err((1, RejectionReason::BadHeader))),
            (&[b"a", b"b\xFF"], Err((2, RejectionReason::BadHeader))),
            (&[b"a", b"b", b" A "], Err((3, RejectionReason::DuplicateColumn))),
        ];
        for (cells, expected) in table {
            let names = read_names(cells.iter().copied());
            assert_eq!(names.map(|names| names.len()), expected, "{cells:?}");
        }
    }
}
