//! The saved queries: an ID each, or a table that also says how the query is exported in parts, or which files are
//! read in its place.

use std::collections::BTreeMap;

use core_bucket::{ClientSettings, FileFolder};
use core_engine::export_files::FilePattern;
use core_engine::settings::{Partition, SavedQuery};
use core_ingest::partition::Pattern;
use core_model::step::{Query, Step};
use core_nexthink::QueryId;
use core_settings::Values;

use crate::paths::Paths;

/// The most parts that can be configured. Nexthink allows 50 exports a day.
const MAX_PARTS: usize = 256;

/// The longest value of a parameter, in bytes.
const MAX_VALUE: usize = 32;

/// The sources of the steps' rows, by the name of the setting.
#[derive(Default)]
pub(crate) struct Read {
    /// The queries that are exported.
    pub(crate) queries: BTreeMap<&'static str, SavedQuery>,
    /// The files that are read in place of an export.
    pub(crate) files: BTreeMap<&'static str, Vec<FilePattern>>,
    /// True if a query names files, rightly or not.
    pub(crate) names_files: bool,
}

/// Reads the queries; one that is blank is left out.
pub(crate) fn read(values: &mut Values, paths: &Paths) -> Read {
    let mut read = Read::default();
    for query in Step::all().into_iter().filter_map(Step::query) {
        let name = query.config_field;
        let setting = format!("queries.{name}");
        if values.has(&format!("{setting}.files")) {
            read.names_files = true;
            read.files.extend(read_files(values, paths, &setting).map(|files| (name, files)));
        } else if let Some(saved) = read_query(values, query) {
            read.queries.insert(name, saved);
        }
    }
    read
}

/// The files of a query; none if it names none.
fn read_files(values: &mut Values, paths: &Paths, path: &str) -> Option<Vec<FilePattern>> {
    let setting = format!("{path}.files");
    let texts = values.texts(&setting)?;
    if texts.is_empty() {
        values.problem(&setting, "must name a file");
    }
    if values.has(path) || values.has(&format!("{path}.id")) {
        values.problem(&setting, "excludes the ID of a query: keep one of the two");
    }
    values.ignore_below(path);
    let mut patterns = Vec::with_capacity(texts.len());
    for text in texts {
        patterns.push(read_file(values, paths, &setting, &text)?);
    }
    Some(patterns)
}

/// The pattern of a path, or of an address in a bucket.
fn read_file(values: &mut Values, paths: &Paths, setting: &str, text: &str) -> Option<FilePattern> {
    let Some((scheme, _)) = text.split_once("://") else {
        let file = paths.resolve_setting(values, setting, text)?;
        return values.checked(setting, FilePattern::parse(&file));
    };
    if !["s3", "az"].contains(&scheme) {
        let rule = "must be a path, or an address that begins with s3:// or az://";
        values.problem(setting, rule);
        return None;
    }
    let (folder, name) = text.rsplit_once('/')?;
    let client = ClientSettings::from_variables(paths.environment().variables);
    let Some(folder) = values.checked(setting, FileFolder::at(folder, client))? else {
        values.problem(setting, "must have a file behind the bucket: s3://BUCKET/FOLDER/FILE");
        return None;
    };
    values.checked(setting, FilePattern::in_bucket(folder, name))
}

fn read_query(values: &mut Values, query: &Query) -> Option<SavedQuery> {
    let path = format!("queries.{}", query.config_field);
    let path_of = |name: &str| format!("{path}.{name}");
    if values.take_empty_table(&path) {
        return None;
    }
    let is_text = values.has(&path);
    let has_table = values.has_table(&path);
    let id: Option<QueryId> = if has_table && !is_text {
        if values.is_blank(&path_of("id")) {
            values.ignore_below(&path);
            return None;
        }
        values.parsed(&path_of("id"))
    } else {
        // A variable of the environment gives a table another ID, or none to skip the step.
        let text = values.text(&path);
        values.text(&path_of("id"));
        if text.is_none() {
            values.ignore_below(&path);
        }
        values.checked(&path, text?.parse())
    };
    let partition = values
        .take_table(&path_of("partition"))
        .then(|| read_partition(values, &path_of("partition"), id.as_ref()));
    Some(SavedQuery { id: id?, partition: partition.flatten() })
}

fn read_partition(values: &mut Values, path: &str, whole: Option<&QueryId>) -> Option<Partition> {
    let path_of = |name: &str| format!("{path}.{name}");
    let query = match values.text(&path_of("query")) {
        Some(text) => values.checked(&path_of("query"), text.parse()),
        None => whole.cloned(),
    };
    let parameter = values.text_or_default(&path_of("parameter"));
    if !is_parameter(&parameter) {
        let rule = "must be the name after the $: letters, digits and _, a letter first";
        values.problem(&path_of("parameter"), rule);
    }
    let parts = values.texts_or_default(&path_of("values"));
    let parts = values.checked(&path_of("values"), patterns(&parts))?;
    Some(Partition { query: query?, parameter, values: parts })
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
        if let Some(other) = patterns.iter().find(|other| other.overlaps(&pattern)) {
            return Err(format!("a row can match both `{other}` and `{value}`"));
        }
        patterns.push(pattern);
    }
    Ok(patterns)
}

fn is_parameter(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}
