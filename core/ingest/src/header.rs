//! Which column of a file is which declared column.
//!
//! Columns match in any order: by their full path in any case, else by the one column of the file
//! that ends in the declared path, since Nexthink puts the namespace of an event table before some
//! columns (`alert.monitor.name` for `monitor.name`), else in the same way by another name.

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
    /// Finds the declared columns in a header, and where one is missing its other names.
    pub fn new(
        declared: &[&'static str],
        aliases: &[(&'static str, &'static str)],
        header: &[String],
    ) -> ColumnMap {
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
        ColumnMap { missing: missing.collect(), unknown: header.len() - used.len(), positions }
    }

    /// Where a declared column stands in the file.
    pub fn position(&self, column: &str) -> Option<usize> {
        self.positions.iter().find(|(path, _)| *path == column).and_then(|(_, it)| *it)
    }
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
    fn columns_match_by_path_then_by_the_only_suffix() {
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
