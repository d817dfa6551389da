//! Rows C: names, connections and proxies. What takes minutes there is tested in virtual time in
//! core-nexthink, under the same names; certificates and tunnels are in `proxies`.

use core_simulator::{
    AnnouncedLength, Content, Cut, Download, Fault, FaultAction, FaultPoint, FaultProxy, Pace,
    RangeAnswer, Toxics,
};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tokio::runtime::Runtime;

use super::calls::{
    ALERTS, DEVICES, PACKAGES, Trap, USERS, about, assert_failed, n_exports, once, outcome,
};
use super::case::Case;
use crate::kit::Configuration;

/// A host behind a proxy that spoils its connections.
struct Spoilt {
    proxy: FaultProxy,
    // Behind the proxy, which is dropped first.
    runtime: Runtime,
}

impl Spoilt {
    /// Spoils the connections to `http://address:port`.
    fn host(url: &str, toxics: Toxics) -> Spoilt {
        let upstream: SocketAddr =
            url.trim_start_matches("http://").parse().expect("it is an address");
        let runtime = Runtime::new().expect("threads can be started");
        let proxy = runtime.block_on(FaultProxy::start(upstream, toxics)).expect("a port is free");
        Spoilt { proxy, runtime }
    }

    fn url(&self) -> String {
        format!("http://{}", self.proxy.address())
    }

    fn spoil(&self, toxics: Toxics) {
        let _inside = self.runtime.enter();
        self.proxy.update(|current| *current = toxics);
    }
}

/// A case whose file host is behind a proxy.
fn with_spoilt_files(change: impl FnOnce(Configuration) -> Configuration) -> (Case, Spoilt) {
    let case = Case::new();
    let spoilt = Spoilt::host(case.scene().files(), Toxics::default());
    let url = spoilt.url();
    let case = case
        .configured(|configuration| change(configuration.text("nexthink.endpoints.files", &url)));
    (case.fault(|behaviour| behaviour.files_url = Some(url)), spoilt)
}

/// Another way to hand out the results files of some queries.
fn with_downloads(case: Case, downloads: &[(&str, Download)]) -> Case {
    case.fault(|behaviour| {
        for (query, download) in downloads {
            behaviour.queries.entry((*query).to_owned()).or_default().download = download.clone();
        }
    })
}

/// The ranges that the file host was asked for.
fn ranges(case: &Case) -> Vec<String> {
    let recorded = case.scene().recorded();
    let headers = recorded
        .iter()
        .filter(|request| request.is_for_files)
        .flat_map(|recorded| &recorded.headers);
    let ranges = headers.filter(|(name, _)| name == "range");
    ranges.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
}

fn n_file_requests(case: &Case) -> usize {
    case.scene().recorded().iter().filter(|request| request.is_for_files).count()
}

/// The same address for all three hosts.
fn all_at(configuration: Configuration, url: &str) -> Configuration {
    let it = configuration.text("nexthink.endpoints.login", url);
    it.text("nexthink.endpoints.api", url).text("nexthink.endpoints.files", url)
}

const PATIENT: &str = "{ attempts = 8, longest_ms = 10 }";
const HASTY: &str = "{ idle_s = 1, answer_s = 1 }";

#[test]
fn c1_a_name_without_an_address_is_told_with_its_host() {
    // The top-level domain that never exists (RFC 6761, section 6.4).
    let host = "acme-login.eu.invalid";
    let case =
        Case::new().configured(|configuration| all_at(configuration, &format!("https://{host}")));
    let run = case.run(4);
    let words = format!("cannot reach {host}: its name could not be resolved");
    assert!(run.ended.stderr.contains(&words), "{}", run.ended.stderr);
    case.recovers();
}

#[test]
fn c2_a_results_link_to_another_address_is_not_called() {
    let trap = Trap::set();
    let link = |link: &str| Download { link: Some(link.to_owned()), ..Download::default() };
    let case = with_downloads(
        Case::new(),
        &[
            (DEVICES, link("https://169.254.169.254/latest/meta-data/canary")),
            (USERS, link(&format!("{}/canary", trap.url()))),
            (PACKAGES, link("https://10.0.0.1/canary")),
            (ALERTS, link("http://[::1]:9/canary")),
        ],
    );
    let run = case.run(5);
    for step in ["fetch-devices", "fetch-users", "fetch-packages", "fetch-alerts"] {
        assert_failed(&run, &[(step, "the results link was refused: ")]);
    }
    assert!(!run.ended.stderr.contains("canary"), "{}", run.ended.stderr);
    trap.assert_untouched();
    case.recovers();
}

#[test]
fn c3_a_host_that_takes_no_connection_or_never_answers_is_told_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let closed = format!("http://{}", listener.local_addr().expect("it is bound"));
    drop(listener);
    let case = Case::new()
        .configured(|configuration| configuration.text("nexthink.endpoints.api", &closed));
    let words = "cannot reach 127.0.0.1: no connection";
    assert_failed(&case.run(4), &[("fetch-devices", words), ("fetch-alerts", words)]);

    let hole = Toxics { black_hole: true, ..Toxics::default() };
    let hole = Spoilt::host(case.scene().api(), hole);
    let case = case.configured(|configuration| {
        configuration.text("nexthink.endpoints.login", &hole.url()).set("nexthink.timeouts", HASTY)
    });
    let run = case.run(4);
    let words = "cannot reach 127.0.0.1: no answer in time";
    assert!(run.ended.stderr.contains(words), "{}", run.ended.stderr);
    assert_eq!(hole.proxy.connections(), 2, "it was tried twice");
    case.recovers();
}

#[test]
fn c5_a_reset_connection_is_replaced_and_the_file_goes_on_where_it_was() {
    let (case, spoilt) =
        with_spoilt_files(|configuration| configuration.set("nexthink.retry", PATIENT));
    for (after, connections) in [(0, 2), (1, 2), (700, 4), (1_500, 4)] {
        let connections = Some(connections);
        spoilt.spoil(Toxics { reset_after: Some(after), connections, ..Toxics::default() });
        case.run(0);
    }
    let ranges = ranges(&case);
    assert!(
        ranges.iter().any(|range| range.starts_with("bytes=") && range != "bytes=0-"),
        "{ranges:?}"
    );
    assert_eq!(n_exports(&case), 16, "no export was paid for twice");
    // The API too; there is no telling whether an export was started, so it is started again.
    let reset = |at| once(Fault::new(at, FaultAction::Reset));
    let points = [FaultPoint::Token, FaultPoint::Start, FaultPoint::Status];
    let case = case.fault(|behaviour| behaviour.faults = points.map(reset).to_vec());
    case.run(0);
    case.recovers();
}

#[test]
fn c5_a_download_that_never_gets_further_is_given_up_and_gone_on_with() {
    let (case, spoilt) =
        with_spoilt_files(|configuration| configuration.set("nexthink.retry", PATIENT));
    spoilt.spoil(Toxics { reset_after: Some(250), ..Toxics::default() });
    let run = case.run(4);
    assert_failed(&run, &[("fetch-packages", "the download broke after ")]);
    assert!(n_file_requests(&case) <= 4 * 6, "a first request and five resumptions each");
    spoilt.spoil(Toxics::default());
    case.run(0);
    assert_eq!(n_exports(&case), 4, "what was paid for is gone on with");
    case.recovers();
}

#[test]
fn c6_a_short_file_is_gone_on_with_or_given_up() {
    let cut = Download { cut: Some(Cut { at: 300, times: Some(1) }), ..Download::default() };
    let no_range = Download { range: RangeAnswer::Ignored, ..cut.clone() };
    let too_long = AnnouncedLength::Literal(1_000_000);
    let never = Download { announced_length: too_long, ..Download::default() };
    let case = with_downloads(Case::new(), &[(PACKAGES, cut), (DEVICES, no_range), (USERS, never)]);
    let run = case.run(7);
    // It is asked for its rest, of which there is none, and then for the whole again.
    assert_failed(&run, &[("fetch-users", "the results file changed after ")]);
    assert!(ranges(&case).contains(&"bytes=300-".to_owned()), "{:?}", ranges(&case));
    assert_eq!(outcome(&run, "fetch-devices").0, "complete");
    assert_eq!(n_exports(&case), 4);
    case.recovers();
}

#[test]
fn c7_a_file_without_an_announced_length_is_no_proof_that_anything_is_gone() {
    let whole = Download { announced_length: AnnouncedLength::None, ..Download::default() };
    let cut = Download { cut: Some(Cut { at: 300, times: None }), ..whole.clone() };
    let chunked = Download { announced_length: AnnouncedLength::Chunked, ..Download::default() };
    let case = with_downloads(Case::new(), &[(USERS, whole), (ALERTS, chunked), (PACKAGES, cut)]);
    let run = case.run(7);
    for step in ["fetch-users", "fetch-alerts"] {
        assert_eq!(outcome(&run, step), ("partial", "the length of the download was not proven"));
    }
    assert_failed(&run, &[("fetch-packages", "the export of query #j1_packages was refused")]);
    case.recovers();
}

#[test]
fn c8_c9_c10_a_host_that_falls_silent_is_not_waited_for() {
    let raw = |text: &str| FaultAction::RawThenHang(Content::from(text.to_owned()));
    let half = raw("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\ndevice.uid,");
    let head = raw("HTTP/1.1 200 OK\r\nx: y");
    let pace = Some(Pace { bytes: 1, pause: Duration::from_secs(20) });
    let trickle = Download { pace, ..Download::default() };
    let case = Case::new()
        .configured(|configuration| configuration.set("nexthink.timeouts", HASTY))
        .fault(|behaviour| {
            behaviour.faults = vec![
                once(about(DEVICES, FaultPoint::File, half)),
                about(USERS, FaultPoint::Status, head.clone()),
                about(ALERTS, FaultPoint::File, head),
            ];
        });
    let case = with_downloads(case, &[(PACKAGES, trickle)]);
    let run = case.run(7);
    assert_eq!(outcome(&run, "fetch-devices").0, "complete", "it was gone on with");
    let words = "cannot reach 127.0.0.1: no answer in time";
    assert_failed(&run, &[("fetch-users", words), ("fetch-alerts", words)]);
    let (packages, reason) = outcome(&run, "fetch-packages");
    assert_eq!(packages, "failed", "{reason}");
    case.recovers();
}

#[test]
fn c13_the_proxy_of_the_environment_is_for_others_than_loopback_and_keeps_its_password() {
    let case = Case::new();
    let around = [
        ("HTTPS_PROXY", "http://canary-user:canary-pass@127.0.0.1:9"),
        ("NO_PROXY", ",;*. ,[::"),
        ("HTTP_PROXY", "canary"),
        ("ALL_PROXY", "canary"),
    ];
    let run = case.run_under(0, &around);
    assert!(run.ended.stderr.contains("using a proxy"), "{}", run.ended.stderr);
    assert!(!run.ended.stderr.contains("canary"), "{}", run.ended.stderr);
    let calls = case.scene().recorded().len();
    for malformed in [("HTTPS_PROXY", "canary"), ("https_proxy", "socks5://canary:canary@host")] {
        let run = case.run_under(2, &[malformed]);
        assert!(
            run.ended.stderr.contains("the proxy URL cannot be used: "),
            "{}",
            run.ended.stderr
        );
        assert!(!run.ended.stderr.contains("canary"), "{}", run.ended.stderr);
    }
    assert_eq!(case.scene().recorded().len(), calls, "no call was made");
    let case = case.configured(|configuration| configuration.text("nexthink.proxy", "none"));
    case.run_under(0, &[("HTTPS_PROXY", "canary")]);
    case.recovers();
}

#[test]
fn c15_a_slow_line_gets_done() {
    let (case, spoilt) = with_spoilt_files(|configuration| configuration);
    spoilt.spoil(Toxics { bytes_per_second: Some(2_000), ..Toxics::default() });
    let run = case.run(0);
    let took = run.step("fetch-packages")["fetchMs"].as_u64();
    assert!(took.is_some_and(|took| took > 500), "the line was slow: {took:?} ms");
    case.recovers();
}

#[test]
fn c16_a_kept_connection_that_died_is_replaced() {
    let body = r#"{"status":"IN_PROGRESS"}"#;
    let head = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length";
    let answer = format!("{head}: {}\r\n\r\n{body}", body.len());
    // It says that more is welcome, and closes the connection.
    let dying = Fault {
        times: Some(12),
        ..Fault::new(FaultPoint::Status, FaultAction::Raw(Content::from(answer)))
    };
    let case = Case::new().fault(|behaviour| behaviour.faults = vec![dying]);
    let run = case.run(0);
    assert_eq!((case.scene().requests().faults, n_exports(&case)), (12, 4));
    assert_eq!(run.report["outcome"], "complete");
    case.recovers();
}
