//! The targets of a fuzzer: each takes any bytes as a stranger could send or leave them, and fails if a reader panics
//! or says something that cannot be true. `tests/corpora.rs` runs them over the corpora.

#[path = "../../../core/ingest/tests/it/twin.rs"]
#[allow(dead_code, reason = "only its decoder is compared here")]
mod twin;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use core_audit::{LineReader, TimeReader};
use core_ingest::decoder::Decoder;
use core_ingest::rejection::{QuarantineReason, RejectionReason};
use core_j1ql::{EntityTable, Environment, Graph, Kind, Property, RelationshipTable};
use core_jupiterone::Delivered;
use core_nexthink::fuzzing::{Readers, results_link};
use core_nexthink::{Credentials, Endpoints, Secret};
use core_rules::document::Document;
use core_rules::questions::NoQuestions;
use core_rules::rule_file;
use core_settings::Values;
use core_store::{Location, Manifest, Store, TenantStore};
use jiff::tz::TimeZone;
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use tempfile::TempDir;

/// A reader of strange bytes.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&[u8]),
}

/// All targets.
pub(crate) const TARGETS: [Target; 11] = [
    Target { name: "decoder", run: decoder },
    Target { name: "token", run: token },
    Target { name: "status", run: status },
    Target { name: "retry-after", run: retry_after },
    Target { name: "results-link", run: link },
    Target { name: "audit", run: audit },
    Target { name: "configuration", run: configuration },
    Target { name: "manifest", run: manifest },
    Target { name: "j1ql", run: j1ql },
    Target { name: "rule", run: rule },
    Target { name: "ledger", run: ledger },
];

/// The decoder and its twin agree, however the file is cut. The first bytes choose the cuts.
fn decoder(bytes: &[u8]) {
    let Some((cuts, file)) = bytes.split_at_checked(3) else { return };
    let expected = twin::read(file);
    let chunks = [usize::from(cuts[0]) + 1, usize::from(cuts[1]) + 1];
    let rows = usize::from(cuts[2] % 7) + 1;
    assert_eq!(decode(file, &chunks, rows, &expected), expected);
    assert_eq!(decode(file, &[usize::MAX], 1_024, &expected), expected);
}

/// Decodes a file in pieces of these sizes. The decoder lists only some of very many quarantined rows, the twin all: if
/// those that are listed are among the twin's, its list is returned.
fn decode(
    file: &[u8],
    chunks: &[usize],
    batch_rows: usize,
    expected: &Result<twin::File, RejectionReason>,
) -> Result<twin::File, RejectionReason> {
    let mut decoder = Decoder::default().with_batch_rows(batch_rows);
    let (mut rows, mut rest) = (Vec::new(), file);
    let mut sizes = chunks.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().map_or(1, |size| (*size).clamp(1, rest.len()));
        let (mut chunk, after) = rest.split_at(size);
        rest = after;
        while !chunk.is_empty() {
            let read = decoder.decode(chunk).map_err(|rejection| rejection.reason)?;
            chunk = &chunk[read..];
            if decoder.is_full() {
                take_rows(&mut decoder, &mut rows);
            }
        }
    }
    decoder.finish().map_err(|rejection| rejection.reason)?;
    take_rows(&mut decoder, &mut rows);
    let counts = decoder.counts();
    let listed = &counts.quarantine.listed;
    let mut quarantined: Vec<(u64, QuarantineReason)> =
        listed.iter().map(|row| (row.line, row.reason)).collect();
    quarantined.sort_unstable_by_key(|(line, _)| *line);
    assert_eq!(counts.rows, rows.len() as u64 + counts.quarantine.rows, "rows are accounted for");
    if let Ok(expected) = expected
        && counts.quarantine.rows > quarantined.len() as u64
        && counts.quarantine.rows == expected.quarantined.len() as u64
        && quarantined.iter().all(|row| expected.quarantined.contains(row))
    {
        quarantined.clone_from(&expected.quarantined);
    }
    let blank_lines = counts.blank_lines;
    Ok(twin::File { header: decoder.header().to_vec(), rows, quarantined, blank_lines })
}

fn take_rows(decoder: &mut Decoder, rows: &mut Vec<(u64, Vec<String>)>) {
    let width = decoder.header().len();
    let batch = decoder.take_batch();
    for row in 0..batch.len() {
        let cells = (0..width).map(|column| batch.column(Some(column)).cell(row).to_owned());
        rows.push((batch.line(row), cells.collect()));
    }
    decoder.recycle(batch);
}

static READERS: LazyLock<Readers> = LazyLock::new(|| {
    let tenant = "acme".parse().expect("it is a tenant");
    let region = "eu".parse().expect("it is a region");
    let credentials = Credentials::new("fuzzer", Secret::new("secret".to_owned()));
    let endpoints = Endpoints::for_tenant(&tenant, &region);
    Readers::new(&endpoints, credentials.expect("they can be sent")).expect("a client can be made")
});

/// A token is used for half a minute at least and less than an hour.
fn token(bytes: &[u8]) {
    if let Ok(seconds) = READERS.token(bytes) {
        assert!((24.0..=2_880.0).contains(&seconds), "{seconds}");
    }
}

/// Whatever the status is, reading it ends.
fn status(bytes: &[u8]) {
    // What it means is compared with the simulator elsewhere; nothing of a link is shown.
    let shown = format!("{:?}", READERS.status(bytes));
    assert!(!shown.contains("X-Amz-Signature"), "{shown}");
}

/// A wait is longer than nothing and a week at most.
fn retry_after(bytes: &[u8]) {
    let mut parts = bytes.split(|byte| *byte == b'|');
    let mut headers = HeaderMap::new();
    for name in [RETRY_AFTER, DATE] {
        if let Some(value) = parts.next().and_then(|part| HeaderValue::from_bytes(part).ok()) {
            headers.insert(name, value);
        }
    }
    if let Some(wait) = core_http::requested_wait(&headers) {
        assert!(
            (1..=7 * 24 * 3_600).contains(&wait.as_secs()) || wait.subsec_nanos() > 0,
            "{wait:?}"
        );
    }
    let _ = core_http::server_time_ms(&headers);
}

/// A link that is followed leads to Amazon S3 or Nexthink over HTTPS, whoever reads it, and is sent as it came.
fn link(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let Ok((link, exposed)) = results_link(text) else { return };
    assert_eq!(exposed, text);
    let url = reqwest::Url::parse(text).expect("it was read as a URL");
    assert_eq!(url.scheme(), "https");
    assert_eq!(url.port_or_known_default(), Some(443));
    assert!(url.username().is_empty() && url.password().is_none());
    let host = url.host_str().expect("it has a host");
    assert!(host.eq_ignore_ascii_case(link.host()), "{host} is not {}", link.host());
    let is_known = [".amazonaws.com", ".nexthink.cloud"].iter().any(|known| host.ends_with(known));
    assert!(is_known, "{host}");
}

/// A trail gives the same records however it is cut, and each becomes an event. The first byte chooses the cuts.
fn audit(bytes: &[u8]) {
    let Some((cut, trail)) = bytes.split_first() else { return };
    let read = |chunk: usize| {
        let mut reader = LineReader::default();
        let mut records = Vec::new();
        for piece in trail.chunks(chunk.max(1)) {
            reader.push(piece, |record| records.push((record.bytes.to_vec(), record.length)));
        }
        reader.finish(|record| records.push((record.bytes.to_vec(), record.length)));
        records
    };
    let records = read(trail.len());
    assert_eq!(read(usize::from(*cut) + 1), records);
    let times = TimeReader::new(TimeZone::UTC, 1_772_359_200_000);
    for (bytes, length) in &records {
        let event = core_audit::parse(&core_audit::Record { bytes, length: *length }, &times);
        assert!(event.raw_length >= bytes.len() as u64);
    }
}

/// A configuration is read, or refused with its mistakes.
fn configuration(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let variables = BTreeMap::new();
    match Values::parse(text, &variables, &["devices", "users"]) {
        Ok(mut values) => {
            // Settings of each type, as the program reads them.
            let _ = values.text("nexthink.tenant");
            let _ = values.integer("nexthink.daily_exports");
            let _ = values.texts("audit.engines");
            if let Err(problems) = values.finish() {
                assert!(!problems.is_empty());
            }
        }
        Err(problems) => assert!(!problems.is_empty(), "refused without a reason"),
    }
}

/// A manifest that was read, or the record of a delivery, is written as it was read.
fn manifest(bytes: &[u8]) {
    if let Ok(manifest) = serde_json::from_slice::<Manifest>(bytes) {
        let written = serde_json::to_vec(&manifest).expect("it can be written");
        let again: Manifest = serde_json::from_slice(&written).expect("it was written");
        assert_eq!(again, manifest);
    }
    if let Ok(delivered) = serde_json::from_slice::<Delivered>(bytes) {
        let written = serde_json::to_vec(&delivered).expect("it can be written");
        let again: Delivered = serde_json::from_slice(&written).expect("it was written");
        assert_eq!(again, delivered);
    }
}

static GRAPH: LazyLock<Graph> = LazyLock::new(|| {
    let properties = |names: &[(&str, Kind)]| {
        let property =
            |(name, kind): &(&str, Kind)| Property { name: (*name).to_owned(), kind: *kind };
        names.iter().map(property).collect::<Vec<_>>()
    };
    let entity = |name: &str, class: &str| EntityTable {
        name: name.to_owned(),
        classes: vec![class.to_owned()],
        properties: properties(&[
            ("_key", Kind::Text),
            ("_type", Kind::Text),
            ("_class", Kind::TextList),
            ("name", Kind::Text),
            ("count", Kind::Number),
            ("active", Kind::Boolean),
            ("lastSeenOn", Kind::Time),
        ]),
        has_history: true,
    };
    let relationship = RelationshipTable {
        name: "nexthink_user_uses_device".to_owned(),
        class: "USES".to_owned(),
        from: "nexthink_user".to_owned(),
        to: "nexthink_device".to_owned(),
        properties: properties(&[
            ("_key", Kind::Text),
            ("_type", Kind::Text),
            ("_fromEntityKey", Kind::Text),
            ("_toEntityKey", Kind::Text),
            ("since", Kind::Time),
        ]),
        has_history: false,
    };
    Graph {
        entities: vec![entity("nexthink_device", "Device"), entity("nexthink_user", "User")],
        relationships: vec![relationship],
        possible: Vec::new(),
    }
});

/// A query becomes SQL, twice the same, or has a mistake at a place that it has.
fn j1ql(bytes: &[u8]) {
    let Ok(query) = str::from_utf8(bytes) else { return };
    let parameters = BTreeMap::from([("p".to_owned(), "it's".to_owned())]);
    let compile = || {
        let environment = Environment { now_ms: 1_772_359_200_000, parameters: &parameters };
        core_j1ql::compile(query, &GRAPH, environment)
    };
    let compiled = compile();
    assert_eq!(compiled.is_ok(), compile().is_ok());
    match compiled {
        Ok(compiled) => {
            assert_eq!(compile().ok().as_ref(), Some(&compiled));
            for warning in &compiled.warnings {
                assert!(query.get(warning.span.start..warning.span.end).is_some(), "{warning:?}");
            }
        }
        Err(error) => {
            assert!(query.get(error.span.start..error.span.end).is_some(), "{error:?}");
        }
    }
}

/// A rule is read, or refused with mistakes at lines that the file has.
fn rule(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let document = Document { file: "rule.toml", text };
    if let Err(problems) = rule_file::read(document, &NoQuestions) {
        assert!(!problems.is_empty(), "refused without a reason");
        let lines = text.matches('\n').count() + 1;
        assert!(problems.iter().all(|problem| problem.line <= lines), "{problems:?}");
    }
}

/// A store whose ledger is replaced.
struct LedgerFolder {
    tenant: TenantStore,
    file: std::path::PathBuf,
    _folder: TempDir,
}

thread_local! {
    static LEDGER: LedgerFolder = {
        let folder = TempDir::new().expect("a folder can be made");
        let store = Store::open(Location::Folder(folder.path().join("store"))).expect("it is new");
        let tenant = store.tenant("acme").expect("it is a name");
        let ledger = folder.path().join("store/acme/ledger");
        std::fs::create_dir_all(&ledger).expect("there is room");
        LedgerFolder { tenant, file: ledger.join("entries.ndjson"), _folder: folder }
    };
}

/// Damage of a ledger is a finding, never an error; and a ledger without findings has as many entries as lines.
fn ledger(bytes: &[u8]) {
    LEDGER.with(|LedgerFolder { tenant, file, .. }| {
        std::fs::write(file, bytes).expect("there is room");
        let ledger = tenant.ledger();
        let verified = ledger.verify(&[]).expect("it can be read");
        let entries = ledger.entries().expect("it can be read");
        let lines = bytes.split(|byte| *byte == b'\n').count() - 1;
        if verified.findings.is_empty() {
            assert_eq!(entries.len(), lines);
            assert!(entries.is_sorted_by_key(|entry| entry.sequence));
        }
        let head = ledger.head().expect("it can be read");
        assert!(head.is_none() || !entries.is_empty());
    });
}
