//! The specification: a whole file at once, one byte and one row at a time, into maps. Slow and
//! plain; where the decoder or the mapper differs from it, they are wrong.

use std::collections::{BTreeMap, BTreeSet};

use core_ingest::rejection::{QuarantineReason, RejectionReason};
use core_ingest::sniff::{FIRST_BYTES, sniff};

const DELIMITERS: [(char, &str); 4] =
    [('\t', "tabs"), (';', "semicolons"), ('|', "vertical bars"), ('\x1F', "unit separators")];

/// The most columns of a header.
const MAX_COLUMNS: usize = 1_024;

/// An accepted file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<(u64, Vec<String>)>,
    pub(crate) quarantined: Vec<(u64, QuarantineReason)>,
    pub(crate) blank_lines: u64,
}

struct Record {
    line: u64,
    cells: Vec<Vec<u8>>,
    quoted: bool,
}

/// Reads a file.
pub(crate) fn read(file: &[u8]) -> Result<File, RejectionReason> {
    if let Some(reason) = sniff(&file[..file.len().min(FIRST_BYTES)]) {
        return Err(reason);
    }
    let file = file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file);
    let (records, rejection) = read_records(file);
    let blank_lines = records.iter().filter(|record| is_blank(record)).count() as u64;
    let mut records = records.into_iter().filter(|record| !is_blank(record));
    // The first problem in the file is the reason for its rejection.
    let first = records.next();
    let header = first.as_ref().map(read_header).transpose()?;
    if let Some(rejection) = rejection {
        return Err(rejection);
    }
    let header = header.ok_or(RejectionReason::Empty)?;
    let mut accepted = File { header, rows: Vec::new(), quarantined: Vec::new(), blank_lines };
    for record in records {
        match read_row(&record, &accepted.header) {
            Ok(row) => accepted.rows.push((record.line, row)),
            Err(reason) => accepted.quarantined.push((record.line, reason)),
        }
    }
    Ok(accepted)
}

/// The records of a file up to its end or to its rejection.
fn read_records(file: &[u8]) -> (Vec<Record>, Option<RejectionReason>) {
    let mut records = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < file.len() {
        let is_header = records.iter().all(is_blank);
        match read_record(file, &mut at, &mut line, is_header) {
            Ok(record) => records.push(record),
            Err(rejection) => return (records, Some(rejection)),
        }
    }
    (records, None)
}

fn read_record(
    file: &[u8],
    at: &mut usize,
    line: &mut u64,
    is_header: bool,
) -> Result<Record, RejectionReason> {
    let mut record = Record { line: *line, cells: Vec::new(), quoted: false };
    loop {
        let cell = if file.get(*at) == Some(&b'"') {
            record.quoted = true;
            read_quoted(file, at, line)?
        } else {
            read_plain(file, at)?
        };
        record.cells.push(cell);
        let rest = &file[*at..];
        let (separator, is_last) = match rest {
            [b',', ..] => (1, false),
            [b'\r', b'\n', ..] => (2, true),
            [b'\n', ..] => (1, true),
            [b'\r', ..] => return Err(RejectionReason::LoneCarriageReturn),
            [_, ..] => return Err(RejectionReason::TextAfterQuote),
            [] => (0, true),
        };
        if is_header && record.cells.len() > MAX_COLUMNS {
            return Err(RejectionReason::TooManyColumns);
        }
        *at += separator;
        if is_last {
            *line += u64::from(separator > 0);
            return Ok(record);
        }
    }
}

fn read_plain(file: &[u8], at: &mut usize) -> Result<Vec<u8>, RejectionReason> {
    let mut cell = Vec::new();
    while let Some(&byte) = file.get(*at) {
        match byte {
            b',' | b'\r' | b'\n' => break,
            b'"' => return Err(RejectionReason::StrayQuote),
            _ => cell.push(byte),
        }
        *at += 1;
    }
    Ok(cell)
}

fn read_quoted(file: &[u8], at: &mut usize, line: &mut u64) -> Result<Vec<u8>, RejectionReason> {
    let mut cell = Vec::new();
    *at += 1;
    loop {
        match (file.get(*at), file.get(*at + 1)) {
            (Some(b'"'), Some(b'"')) => {
                cell.push(b'"');
                *at += 2;
            }
            (Some(b'"'), _) => {
                *at += 1;
                return Ok(cell);
            }
            (Some(&byte), _) => {
                *line += u64::from(byte == b'\n');
                cell.push(byte);
                *at += 1;
            }
            (None, _) => return Err(RejectionReason::Unterminated),
        }
    }
}

fn is_blank(record: &Record) -> bool {
    record.cells.len() == 1 && !record.quoted && record.cells[0].trim_ascii().is_empty()
}

fn read_header(record: &Record) -> Result<Vec<String>, RejectionReason> {
    let mut names = Vec::new();
    let mut seen = BTreeSet::new();
    for (place, cell) in record.cells.iter().enumerate() {
        let name = String::from_utf8(cell.trim_ascii().to_vec());
        let name = name.map_err(|_| RejectionReason::BadHeader)?;
        let may_be_empty = place > 0 && place == record.cells.len() - 1;
        if (name.is_empty() && !may_be_empty) || name.contains('\0') {
            return Err(RejectionReason::BadHeader);
        }
        if !seen.insert(name.to_ascii_lowercase()) {
            return Err(RejectionReason::DuplicateColumn);
        }
        names.push(name);
    }
    if names.len() == 1 {
        for (delimiter, found) in DELIMITERS {
            if names[0].contains(delimiter) {
                return Err(RejectionReason::Delimiter { found });
            }
        }
    }
    Ok(names)
}

fn read_row(record: &Record, header: &[String]) -> Result<Vec<String>, QuarantineReason> {
    let (cells, expected) = (record.cells.len(), header.len());
    if cells != expected {
        return Err(QuarantineReason::Width { cells, expected });
    }
    let without_mark = |cell: &[u8]| cell.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(cell).to_vec();
    let is_name = |(cell, name): (&Vec<u8>, &String)| {
        without_mark(cell).trim_ascii().eq_ignore_ascii_case(name.as_bytes())
    };
    if record.cells.iter().zip(header).all(is_name) {
        return Err(QuarantineReason::RepeatedHeader);
    }
    let mut row = Vec::new();
    for cell in &record.cells {
        let text = String::from_utf8(cell.clone()).map_err(|_| QuarantineReason::Encoding)?;
        row.push(text.replace('\0', "\u{fffd}").trim_ascii().to_owned());
    }
    Ok(row)
}

/// The graph of things and the shelves they stand on, row by row into maps.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Graph {
    /// The name and label of each thing, by its uid.
    pub(crate) things: BTreeMap<String, (Option<String>, Option<String>)>,
    /// Pairs of a shelf and a thing on it.
    pub(crate) edges: BTreeSet<(String, String)>,
    pub(crate) identical: u64,
    pub(crate) conflicting: u64,
    pub(crate) dangling: u64,
    pub(crate) unlinked: u64,
    pub(crate) used: u64,
    pub(crate) merged: u64,
    pub(crate) without_key: u64,
}

/// Maps rows of shelf, uid, name and label to a graph, with the known shelves.
pub(crate) fn map(rows: &[[String; 4]], shelves: &BTreeSet<String>) -> Graph {
    let mut graph = Graph::default();
    let mut first_rows: BTreeMap<String, [String; 2]> = BTreeMap::new();
    for [shelf, uid, name, label] in rows {
        if uid.is_empty() {
            graph.without_key += 1;
            continue;
        }
        let mut added = false;
        let value = |text: &String| (!text.is_empty()).then(|| text.clone());
        let values = (value(name).or(value(uid)), value(label));
        let said = [name.clone(), label.clone()];
        match first_rows.get(uid) {
            None => {
                graph.things.insert(uid.clone(), values);
                first_rows.insert(uid.clone(), said);
                added = true;
            }
            Some(first) if *first == said => graph.identical += 1,
            Some(_) => {
                graph.conflicting += 1;
                if values > graph.things[uid] {
                    graph.things.insert(uid.clone(), values);
                }
            }
        }
        if shelf.is_empty() {
            graph.unlinked += 1;
        } else if shelves.contains(shelf) {
            added |= graph.edges.insert((shelf.clone(), uid.clone()));
        } else {
            graph.dangling += 1;
            added = true;
        }
        if added {
            graph.used += 1;
        } else {
            graph.merged += 1;
        }
    }
    graph
}
