//! The saved queries: an ID each, or a table that also says how the query is exported in parts.

use std::collections::BTreeMap;

use core_ingest::partition::Pattern;
use core_model::step::{Query, Step};
use core_nexthink::QueryId;

use super::flat::Settings;

/// The name of the parameter that is suggested for queries that are exported in parts.
pub(crate) const PARAMETER: &str = "p";

/// The values that split a column of identifiers evenly: by its first hexadecimal digit.
const HEXADECIMAL: [&str; 16] = [
    "0*", "1*", "2*", "3*", "4*", "5*", "6*", "7*", "8*", "9*", "a*", "b*", "c*", "d*", "e*", "f*",
];

/// The most parts that can be configured. Nexthink allows 50 exports a day.
const MAX_PARTS: usize = 256;

/// The longest value of a parameter, in bytes.
const MAX_VALUE: usize = 32;

/// A query that an administrator has saved in Nexthink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SavedQuery {
    pub(crate) id: QueryId,
    /// How it is exported in parts where its whole has too many rows; else it stays truncated.
    pub(crate) partition: Option<Partition>,
}

/// How a query is exported in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partition {
    /// The query with the parameter; that of the whole if it has one itself.
    pub(crate) query: QueryId,
    /// The name of the parameter, without its `$`.
    pub(crate) parameter: String,
    /// One value for each part; no text matches two of them.
    pub(crate) values: Vec<Pattern>,
}

impl SavedQuery {
    /// The parameters of an export of the whole: none, unless the query asks for one.
    pub(crate) fn whole(&self) -> BTreeMap<String, String> {
        let own = self.partition.iter().filter(|it| it.query == self.id);
        own.map(|it| (it.parameter.clone(), "*".to_owned())).collect()
    }
}

/// Reads the queries; one that is blank is left out.
pub(super) fn read(settings: &mut Settings) -> BTreeMap<&'static str, SavedQuery> {
    let fields = Step::all().into_iter().filter_map(Step::query);
    let read = fields.filter_map(|query| Some((query.config_field, read_query(settings, query)?)));
    read.collect()
}

fn read_query(settings: &mut Settings, query: &Query) -> Option<SavedQuery> {
    let path = format!("queries.{}", query.config_field);
    let path_of = |name: &str| format!("{path}.{name}");
    if settings.take_empty_table(&path) {
        return None;
    }
    let is_text = settings.has(&path);
    let has_table = settings.has_table(&path);
    let id: Option<QueryId> = if has_table && !is_text {
        if settings.is_blank(&path_of("id")) {
            settings.ignore_below(&path);
            return None;
        }
        settings.parsed(&path_of("id"))
    } else {
        // A variable of the environment gives a table another ID, or none to skip the step.
        let text = settings.text(&path);
        settings.text(&path_of("id"));
        if text.is_none() {
            settings.ignore_below(&path);
        }
        settings.checked(&path, text?.parse())
    };
    let partition = settings
        .take_table(&path_of("partition"))
        .then(|| read_partition(settings, &path_of("partition"), id.as_ref()));
    Some(SavedQuery { id: id?, partition: partition.flatten() })
}

fn read_partition(
    settings: &mut Settings,
    path: &str,
    whole: Option<&QueryId>,
) -> Option<Partition> {
    let path_of = |name: &str| format!("{path}.{name}");
    let query = match settings.text(&path_of("query")) {
        Some(text) => settings.checked(&path_of("query"), text.parse()),
        None => whole.cloned(),
    };
    let parameter = settings.text(&path_of("parameter")).unwrap_or_else(|| PARAMETER.to_owned());
    if !is_parameter(&parameter) {
        let rule = "must be the name after the $: letters, digits and _, a letter first";
        settings.problem(&path_of("parameter"), rule);
    }
    let values = settings.texts(&path_of("values"));
    let values = values.unwrap_or_else(|| HEXADECIMAL.map(str::to_owned).to_vec());
    let values = settings.checked(&path_of("values"), patterns(&values))?;
    Some(Partition { query: query?, parameter, values })
}

/// The values as patterns, if each row can be in one part at most.
fn patterns(values: &[String]) -> Result<Vec<Pattern>, String> {
    if !(2..=MAX_PARTS).contains(&values.len()) {
        return Err(format!("{} values; there must be 2 to {MAX_PARTS}", values.len()));
    }
    let mut patterns: Vec<Pattern> = Vec::with_capacity(values.len());
    for value in values {
        if value.len() > MAX_VALUE {
            return Err(format!("`{value}` has more than {MAX_VALUE} bytes"));
        }
        let pattern = Pattern::parse(value).map_err(|error| format!("`{value}`: {error}"))?;
        if let Some(other) = patterns.iter().find(|it| it.overlaps(&pattern)) {
            return Err(format!("a row can match both `{other}` and `{value}`"));
        }
        patterns.push(pattern);
    }
    Ok(patterns)
}

fn is_parameter(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
}
