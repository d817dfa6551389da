//! Rows E: results links, downloads, compression. Every byte at which a file may be cut or flipped
//! has its test in core-nexthink and core-ingest, under the same names.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::time::Duration;

use core_simulator::{
    AnnouncedLength, Answer, Cut, Download, Etag, Fault, FaultAction, FaultPoint, RangeAnswer,
    RecordedRequest, ResultsCompression, SavedQuery,
};
use flate2::write::GzEncoder;

use super::case::{Case, healthy};
use super::exports::{
    Export, assert_changes_nothing, assert_refused, devices, forget_downloads, text,
};
use crate::kit::{Run, Scene};

/// An answer of the file host in place of the devices export.
fn at_file(answer: Answer) -> Fault {
    let query = Some(SavedQuery::Devices.id().to_owned());
    Fault { query, ..Fault::new(FaultPoint::File, FaultAction::Answer(answer)) }
}

/// The same for a link that was signed a while ago: links of the same second are the same.
fn at_file_later(answer: Answer) -> Fault {
    Fault { delay: Duration::from_millis(1_100), ..at_file(answer) }
}

/// A refusal as Amazon S3 writes it.
fn refusal(status: u16, code: &str) -> Answer {
    let body = format!("<Error><Code>{code}</Code><Message>canary-of-s3</Message></Error>");
    Answer::from_status(status).with_body(body)
}

/// The devices export is handed out like this.
fn handed_out(change: impl FnOnce(&mut Download)) -> Case {
    Case::new().fault(|behaviour| {
        change(
            &mut behaviour.queries.entry(SavedQuery::Devices.id().to_owned()).or_default().download,
        );
    })
}

/// The devices export is a file of these bytes, whatever compression was asked for.
fn stored(bytes: impl Into<Vec<u8>>) -> Case {
    let bytes: Vec<u8> = bytes.into();
    Case::new().serving_as(SavedQuery::Devices, ResultsCompression::AsIs, bytes)
}

/// The requests to the file host.
fn file_requests(case: &Case) -> Vec<RecordedRequest> {
    case.scene().recorded().into_iter().filter(|request| request.is_for_files).collect()
}

/// Returns the number of exports of devices that were started.
fn device_exports(case: &Case) -> u64 {
    case.scene().requests().exports.get(&SavedQuery::Devices).copied().unwrap_or(0)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes all bytes")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("the level is known");
    encoder.include_checksum(true).expect("a switch");
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes all bytes")
}

fn assert_fails(case: Case, telling: &str) -> Run {
    let run = assert_refused(&case, telling);
    assert!(!run.ended.stderr.contains("canary-of-s3"), "{}", run.ended.stderr);
    case.recovers();
    run
}

#[test]
fn e1_a_link_that_has_expired_is_replaced_and_then_the_export_is() {
    let expired = || at_file_later(refusal(403, "AccessDenied"));
    let once = Fault { times: Some(1), ..expired() };
    let case = Case::new().fault(|behaviour| behaviour.faults = vec![once.clone()]);
    assert_changes_nothing(&case);
    assert_eq!(device_exports(&case), 1);
    case.recovers();
    // The tenant gives the same link again, which works once the file host knows of the file.
    let case = handed_out(|download| download.same_link_again = true)
        .fault(|behaviour| behaviour.faults = vec![once]);
    assert_changes_nothing(&case);
    assert_eq!(device_exports(&case), 1);
    case.recovers();
    let case = Case::new().fault(|behaviour| behaviour.faults = vec![expired()]);
    assert_refused(&case, "the results link is not accepted any more (AccessDenied)");
    assert_eq!(device_exports(&case), 2, "and no third");
    case.recovers();
}

#[test]
fn e2_a_link_that_expires_in_mid_download_is_replaced_and_the_rest_asked_for() {
    let case = handed_out(|download| download.cut = Some(Cut { at: 100, times: Some(1) }));
    let expired = Fault { after: 1, times: Some(1), ..at_file_later(refusal(403, "AccessDenied")) };
    let case = case.fault(|behaviour| behaviour.faults = vec![expired]);
    assert_changes_nothing(&case);
    assert_eq!(device_exports(&case), 1);
    let header = |request: &RecordedRequest, name: &str| {
        let found = request.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    };
    let rests = file_requests(&case);
    let rests: Vec<_> = rests.iter().filter(|rest| header(rest, "range").is_some()).collect();
    assert_eq!(rests.len(), 2, "with the old link and with the new one");
    for rest in &rests {
        assert_eq!(header(rest, "range").as_deref(), Some("bytes=100-"));
        assert!(header(rest, "if-match").is_some());
    }
    assert_ne!(rests[0].target, rests[1].target);
    case.recovers();
}

#[test]
fn e3_a_link_is_taken_byte_for_byte_and_a_wrong_signature_is_final() {
    let target = "/results/a%2Fb+c~d%20e.csv?X-Amz-Date=1&q=%7e%2b";
    let case = Case::new();
    let mut files = None;
    case.scene().configure(|configuration| {
        files = configuration
            .value("nexthink.endpoints.files")
            .map(|value| value.trim_matches('"').to_owned());
        configuration
    });
    let link = files.expect("it is configured") + target;
    let case = case.fault(|behaviour| {
        behaviour.queries.entry(SavedQuery::Devices.id().to_owned()).or_default().download.link =
            Some(link);
    });
    assert_refused(&case, "the file host refused the download (HTTP 403, SignatureDoesNotMatch)");
    assert_eq!(file_requests(&case).iter().filter(|request| request.target == target).count(), 1);
    assert_eq!(device_exports(&case), 1);
    case.recovers();
}

#[test]
fn e4_a_missing_file_gets_a_new_link_and_a_busy_host_more_time() {
    for (status, code) in [(404, "NoSuchKey"), (503, "SlowDown")] {
        let fault = Fault { times: Some(1), ..at_file(refusal(status, code)) };
        let case = Case::new().fault(|behaviour| behaviour.faults = vec![fault]);
        // Links of one second are the same: time passes until the status is asked for again.
        let case = case.configured(|configuration| {
            configuration.set("nexthink.polling", "{ first_ms = 1300, longest_ms = 1300 }")
        });
        assert_changes_nothing(&case);
        assert_eq!(device_exports(&case), 1, "{code}");
        case.recovers();
    }
}

#[test]
fn b18_a_file_host_that_gives_out_only_csv_is_asked_for_it() {
    let case = handed_out(|download| download.accepts_only_csv = true);
    assert_changes_nothing(&case);
    assert_eq!(device_exports(&case), 1, "it was paid for once");
    case.recovers();
}

#[test]
fn e5_a_redirect_of_the_file_host_is_not_followed() {
    let trap = Trap::set();
    let redirect = FaultAction::Redirect(format!("http://{}/a.csv", trap.address()));
    let case = Case::new()
        .fault(|behaviour| behaviour.faults = vec![Fault::new(FaultPoint::File, redirect)]);
    let run = case.run(5);
    assert!(
        run.ended.stderr.contains("a redirect, which is never followed"),
        "{}",
        run.ended.stderr
    );
    trap.assert_no_call_came();
    case.recovers();
}

#[test]
fn e6_the_file_host_never_gets_the_token() {
    let case = handed_out(|download| download.cut = Some(Cut { at: 100, times: Some(1) }));
    case.run(0);
    let requests = file_requests(&case);
    assert_eq!(requests.len(), 5, "four files, one of them in two pieces");
    for request in requests {
        assert!(request.headers.iter().all(|(name, _)| name != "authorization"), "{request:?}");
    }
    assert_eq!(case.scene().requests().authorized_downloads, 0);
    case.recovers();
}

#[test]
fn e7_a_file_of_another_length_or_another_part_is_refused() {
    let cut = || Some(Cut { at: 100, times: Some(1) });
    // With fewer bytes announced, HTTP calls the file whole; its compression does not.
    let shorter = handed_out(|download| download.announced_length = AnnouncedLength::Literal(100));
    assert_fails(shorter, "the file cannot be read to its end");
    let longer =
        handed_out(|download| download.announced_length = AnnouncedLength::Literal(100_000));
    assert_fails(longer, "the results file changed after ");
    let unasked = handed_out(|download| download.range = RangeAnswer::Unasked);
    assert_fails(unasked, "something else than a whole file");
    let wrong = handed_out(|download| (download.range, download.cut) = (RangeAnswer::Wrong, cut()));
    assert_fails(wrong, "a part of the file that was not asked for");
    let ignored =
        handed_out(|download| (download.range, download.cut) = (RangeAnswer::Ignored, cut()));
    assert_changes_nothing(&ignored);
    ignored.recovers();
}

#[test]
fn e8_a_file_that_changes_in_mid_download_starts_from_zero() {
    let cut = Some(Cut { at: 100, times: Some(1) });
    let case = handed_out(|download| (download.etag, download.cut) = (Etag::Changing, cut));
    assert_changes_nothing(&case);
    assert_eq!(device_exports(&case), 1);
    case.recovers();
}

#[test]
fn e9_the_compression_is_what_the_bytes_say() {
    let csv = devices().csv();
    let served = |compression| {
        Case::new().serving_as(SavedQuery::Devices, compression, csv.clone().into_bytes())
    };
    let cases = [
        (served(ResultsCompression::Gzip), "gzip"),
        (served(ResultsCompression::AsIs), "none"),
        (handed_out(|download| download.content_encoding = Some("gzip".to_owned())), "zstd"),
        (handed_out(|download| download.content_type = Some("text/html".to_owned())), "zstd"),
    ];
    for (case, compression) in cases {
        let run = assert_changes_nothing(&case);
        assert_eq!(run.step("fetch-devices")["compression"], compression);
        case.recovers();
    }
    assert_fails(stored(gzip(&gzip(csv.as_bytes()))), "the file is compressed twice");
}

#[test]
fn e10_a_gzip_file_that_is_cut_publishes_none_of_its_rows() {
    let whole = gzip(devices().csv().as_bytes());
    for cut in [1, 8, whole.len() / 2] {
        assert_fails(stored(&whole[..whole.len() - cut]), "the file cannot be read to its end");
    }
}

#[test]
fn e11_gzip_members_are_read_one_after_the_other_and_nothing_else_may_follow() {
    let csv = devices().csv();
    let (first, second) = csv.as_bytes().split_at(csv.len() / 2);
    let members = [gzip(first), gzip(second)].concat();
    let case = stored(members.clone());
    assert_changes_nothing(&case);
    case.recovers();
    assert_fails(stored([&members[..], b"garbage"].concat()), "the file cannot be read to its end");
    assert_fails(stored(gzip(b"")), "the file is empty");
}

#[test]
fn e12_a_zstd_file_that_is_cut_or_changed_publishes_none_of_its_rows() {
    let whole = zstd(devices().csv().as_bytes());
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 4;
    for bytes in [&whole[..whole.len() - 1], &whole[..whole.len() / 2], &flipped] {
        assert_fails(stored(bytes), "the file cannot be read to its end");
    }
    // Cut between two frames it reads as whole: only the announced length tells.
    let csv = devices().csv();
    let (first, second) = csv.as_bytes().split_at(csv.len() / 2);
    let (first, second) = (zstd(first), zstd(second));
    let both = AnnouncedLength::Literal((first.len() + second.len()) as u64);
    let case = stored(first).fault(|behaviour| {
        let query = behaviour.queries.get_mut(SavedQuery::Devices.id()).expect("it was just set");
        query.download.announced_length = both;
    });
    assert_refused(&case, "the results file changed after ");
    // That export stays cut.
    forget_downloads(&case);
    case.recovers();
}

#[test]
fn e13_a_file_that_grows_beyond_all_measure_is_refused() {
    let mib = 1 << 20;
    let lines = zstd(&vec![b'\n'; mib]).repeat(70);
    assert!(lines.len() < 70_000, "{} bytes", lines.len());
    assert_fails(stored(lines), "it grows far beyond the size of an export when decompressed");
    let letters = gzip(&vec![b'a'; 4 * mib]);
    assert_fails(stored(letters), "a cell of more than 1 MiB");
}

#[test]
fn e14_a_file_without_a_byte_is_refused() {
    assert_fails(stored([]), "the file is empty, without even a header");
}

#[test]
fn e15_a_header_alone_empties_nothing_that_held_something() {
    let header = |query| Export { rows: Vec::new(), ..Export::of(query) }.csv();
    let case = Case::new().serving(SavedQuery::Packages, header(SavedQuery::Packages));
    let run = case.run(7);
    let step = run.step("fetch-packages");
    assert_eq!((&step["outcome"], &step["rows"]["read"]), (&"partial".into(), &0.into()));
    assert!(text(&step["reason"]).contains("would be removed"), "{step}");
    forget_downloads(&case);
    case.recovers();
    // Where nothing was, there is nothing to lose.
    let mut without_alerts = healthy();
    without_alerts.behaviour.tenant.alerts = 0;
    without_alerts.behaviour.tenant.dangling_rows = 0;
    let scene = Scene::with(without_alerts);
    let run = scene.run_completely();
    assert_eq!(run.step("fetch-alerts")["outcome"], "complete");
    assert_eq!(run.step("fetch-alerts")["rows"]["read"], 0);
    assert_eq!(run.objects()["nexthink_alert"], 0);
}

#[test]
fn e16_what_is_no_csv_is_named_and_never_shown() {
    for (body, telling) in [
        ("<!DOCTYPE html><title>canary-of-s3</title>", "a page of the web"),
        ("<Error><Code>ExpiredToken</Code><a>canary-of-s3</a></Error>", "error ExpiredToken"),
        ("{\"error\":\"canary-of-s3\"}", "the file is JSON"),
        ("%PDF-1.7 canary-of-s3", "a PDF document"),
    ] {
        assert_fails(stored(body), telling);
    }
}

#[test]
fn e17_a_file_that_is_larger_than_the_disk_is_not_begun() {
    let announced = AnnouncedLength::Literal(9_000_000_000_000_000_000);
    let case = handed_out(|download| download.announced_length = announced);
    // Not every system tells how much room there is; there the cap on downloads holds.
    let telling = if cfg!(unix) {
        "cannot keep an export in the store: a download has 9000000.0 TB more, and "
    } else {
        "the download is larger than the cap of 8589934592 bytes"
    };
    assert_refused(&case, telling);
    assert_eq!(device_exports(&case), 1);
    for path in case.scene().leftovers() {
        let is_note = path.extension().is_some_and(|extension| extension == "json");
        assert!(
            is_note || fs::metadata(&path).is_ok_and(|metadata| metadata.len() == 0),
            "{path:?}"
        );
    }
    case.recovers();
}

#[test]
fn e18_a_link_that_leads_elsewhere_is_not_followed() {
    let trap = Trap::set();
    let address = trap.address();
    let port = address.split(':').next_back().expect("it has a port");
    let mut case = Case::new();
    for link in [
        format!("http://{address}/a.csv"),
        format!("http://localhost:{port}/a.csv"),
        format!("http://2130706433:{port}/a.csv"),
        format!("http://[::ffff:127.0.0.1]:{port}/a.csv"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "https://evil.example/a.csv".to_owned(),
        "https://bucket.s3.eu-west-1.amazonaws.com.evil.example/a.csv".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        case = case.fault(|behaviour| {
            let query = behaviour.queries.entry(SavedQuery::Devices.id().to_owned()).or_default();
            query.download.link = Some(link.clone());
        });
        let run = assert_refused(&case, "the results link was refused: ");
        assert!(!run.ended.stderr.contains(&link), "{}", run.ended.stderr);
    }
    case.recovers();
    trap.assert_no_call_came();
}

/// A host that must not be called.
struct Trap(TcpListener);

impl Trap {
    fn set() -> Trap {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.set_nonblocking(true).expect("it can be asked without waiting");
        Trap(listener)
    }

    fn address(&self) -> String {
        self.0.local_addr().expect("it is bound").to_string()
    }

    fn assert_no_call_came(&self) {
        // A connection is in the queue as soon as the other side has it.
        assert!(self.0.accept().is_err(), "it was called");
    }
}
