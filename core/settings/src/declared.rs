//! The declarations as concrete paths: one for each query, one for each part of a secret.

use std::collections::BTreeMap;

use crate::setting::{Absent, Kind, SECRET_PARTS, Setting};
use crate::table::{FLEET, settings};

/// The mark for any names at the end of a declared path.
const NAMES: &str = "**";

/// A setting that a file may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaf {
    pub(crate) kind: Kind,
    absent: Absent,
}

/// All settings that a file may have, by their paths.
#[derive(Debug)]
pub(crate) struct Declared {
    leaves: BTreeMap<String, Leaf>,
    /// Paths, with a dot at the end, below which any name is a setting.
    open: Vec<(String, Leaf)>,
    queries: Vec<String>,
}

impl Declared {
    /// Expands the declarations for these queries.
    pub(crate) fn new(queries: &[&str]) -> Self {
        let names: Vec<String> = queries.iter().map(|&query| query.to_owned()).collect();
        let mut declared = Self { leaves: BTreeMap::new(), open: Vec::new(), queries: names };
        for setting in settings() {
            let leaf = Leaf { kind: setting.kind, absent: setting.absent };
            if let Some(start) = setting.path.strip_suffix(NAMES) {
                declared.open.push((start.to_owned(), leaf));
            } else {
                for path in declared.paths(setting) {
                    declared.add(path, leaf);
                }
            }
        }
        declared
    }

    /// Returns the settings of a fleet's own.
    pub(crate) fn of_fleet() -> Self {
        let mut declared = Self { leaves: BTreeMap::new(), open: Vec::new(), queries: Vec::new() };
        for setting in FLEET.settings {
            let leaf = Leaf { kind: setting.kind, absent: setting.absent };
            declared.add(setting.path.to_owned(), leaf);
        }
        declared
    }

    /// Returns the paths of a declaration: one for each query if it is about queries.
    pub(crate) fn paths(&self, setting: &Setting) -> Vec<String> {
        match setting.path.split_once('*') {
            Some((start, rest)) => {
                let queries = self.queries.iter();
                queries.map(|query| format!("{start}{query}{rest}")).collect()
            }
            None => vec![setting.path.to_owned()],
        }
    }

    fn add(&mut self, path: String, leaf: Leaf) {
        if leaf.kind == Kind::Secret {
            for part in &SECRET_PARTS {
                let path = format!("{path}.{}", part.name);
                self.leaves.insert(path, Leaf { kind: part.kind, absent: part.absent });
            }
        }
        self.leaves.insert(path, leaf);
    }

    /// Returns the declaration of a setting.
    pub(crate) fn get(&self, path: &str) -> Option<Leaf> {
        let open = || self.open.iter().find(|(start, _)| path.starts_with(start));
        self.leaves.get(path).copied().or_else(|| open().map(|(_, leaf)| *leaf))
    }

    /// Returns the path of a setting or a table without names that the user chose; none if it is not declared.
    pub(crate) fn declared_path(&self, path: &str) -> Option<String> {
        if self.leaves.contains_key(path) || self.is_table(path) {
            return Some(path.to_owned());
        }
        let open = self.open.iter().find(|(start, _)| path.starts_with(start));
        open.map(|(start, _)| format!("{start}{NAMES}"))
    }

    /// Returns the value that holds if a setting is not set, as TOML; none if the declaration has only
    /// words.
    pub(crate) fn default(&self, path: &str) -> Option<&'static str> {
        match self.get(path)?.absent {
            Absent::Default(value) => Some(value),
            Absent::Required | Absent::Otherwise(_) => None,
        }
    }

    /// Returns true if a table may have this path.
    pub(crate) fn is_table(&self, path: &str) -> bool {
        let below = format!("{path}.");
        let mut open = self.open.iter();
        self.leaves.keys().any(|known| known.starts_with(&below))
            || open.any(|(start, _)| start.starts_with(&below))
    }

    /// Returns what to say of a path that is not declared, after a semicolon: the nearest one that is, behind the
    /// prefix that it has in the file.
    pub(crate) fn hint(&self, path: &str, prefix: &str) -> String {
        let nearest = self.nearest(path);
        nearest.map_or_else(String::new, |known| format!("; did you mean `{prefix}{known}`?"))
    }

    /// Returns the declared path that is most like one that is not declared: one of the same table if
    /// its last part is alike, else one that is alike as a whole.
    fn nearest(&self, path: &str) -> Option<&str> {
        let (table, name) = path.rsplit_once('.').unwrap_or(("", path));
        let siblings = self.leaves.keys().filter_map(|known| {
            let (known_table, known_name) = known.rsplit_once('.')?;
            (known_table == table).then(|| (likeness(known_name, name), known))
        });
        let others = || self.leaves.keys().map(|known| (likeness(known, path), known));
        let nearest = most_alike(siblings, LIKE_NAMES);
        nearest.or_else(|| most_alike(others(), LIKE_PATHS)).map(String::as_str)
    }
}

/// The least similarity of the last parts of two paths if one may stand for the other.
const LIKE_NAMES: f64 = 0.6;

/// The least similarity of two paths if one may stand for the other. More than for names, since the tables in
/// them are alike anyway.
const LIKE_PATHS: f64 = 0.8;

fn likeness(known: &str, written: &str) -> f64 {
    strsim::normalized_damerau_levenshtein(known, written)
}

fn most_alike<'a>(
    paths: impl Iterator<Item = (f64, &'a String)>,
    least: f64,
) -> Option<&'a String> {
    let alike = paths.filter(|(likeness, _)| *likeness > least);
    alike.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, path)| path)
}
