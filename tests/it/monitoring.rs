//! Metrics, health and the heartbeat.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use core_simulator::{Receiver, TenantSpec};
use tokio::runtime::Runtime;

use crate::kit::{Scene, ask, start, until};

/// Texts that no metric may contain: devices, users, packages and secrets of the simulated tenant.
const CANARIES: [&str; 4] = ["LAP-0", "@", "canary", "demo-secret"];

fn scene() -> Scene {
    Scene::of(TenantSpec { devices: 5, users: 4, alerts: 2, ..TenantSpec::default() })
}

/// A monitoring service that takes one request, and gives the line with its path.
fn service(status: &'static str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it listens");
    let taking = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("it is asked");
        let mut request = [0; 4096];
        let read = stream.read(&mut request).expect("it is asked");
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").expect("it is heard");
        String::from_utf8_lossy(&request[..read]).lines().next().unwrap_or_default().to_owned()
    });
    (format!("http://{address}/ping/canary-of-the-check"), taking)
}

#[test]
fn a_run_writes_its_figures_for_others_to_read() {
    let scene = scene();
    let ended = scene.program(&["run", "--metrics-file", "nexthink.prom"]);
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    let text = fs::read_to_string(scene.path("nexthink.prom")).expect("it was written");
    for line in [
        "nexthink_graph_generation_complete{tenant=\"acme\"} 1\n",
        "nexthink_graph_objects{tenant=\"acme\",type=\"nexthink_device\"} 5\n",
        "nexthink_graph_last_run_exit_code{tenant=\"acme\"} 0\n",
        "nexthink_graph_failed_runs{tenant=\"acme\"} 0\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    for canary in CANARIES {
        assert!(!text.contains(canary), "{canary}\n{text}");
    }

    scene.write("secret", "refused");
    let ended = scene.program(&["run", "--metrics-file", "nexthink.prom"]);
    assert_eq!(ended.exit, Some(3), "{}", ended.stderr);
    let text = fs::read_to_string(scene.path("nexthink.prom")).expect("it was written");
    assert!(text.contains("nexthink_graph_last_run_exit_code{tenant=\"acme\"} 3\n"), "{text}");
    assert!(text.contains("nexthink_graph_failed_runs{tenant=\"acme\"} 1\n"), "{text}");

    let ended = scene.program(&["run", "--metrics-file", "nexthink-graph.toml"]);
    assert_eq!(ended.exit, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("is not a file of metrics"), "{}", ended.stderr);
}

#[test]
fn a_heartbeat_is_sent_after_a_run_that_published_and_its_address_is_never_shown() {
    let scene = scene();
    let configure = |address: &str| {
        scene.write("heartbeat", address);
        crate::kit::set_mode(&scene.path("heartbeat"), 0o600);
        scene.configure(|configuration| {
            configuration.set("monitoring.heartbeat", "{ file = \"heartbeat\" }")
        });
    };
    let (address, taken) = service("204 No Content");
    configure(&address);
    let ended = scene.program(&["run"]);
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    assert_eq!(taken.join().expect("it was asked"), "GET /ping/canary-of-the-check HTTP/1.1");

    let (address, taken) = service("503 Service Unavailable");
    configure(&address);
    let failed = scene.program(&["run"]);
    taken.join().expect("it was asked");
    assert_eq!(failed.exit, Some(0), "the run is what it is: {}", failed.stderr);
    assert!(failed.stderr.contains("the heartbeat was not sent"), "{}", failed.stderr);
    assert!(failed.stderr.contains("it answers with HTTP 503"), "{}", failed.stderr);
    for ended in [ended, failed] {
        assert!(!ended.stderr.contains("canary") && !ended.stdout.contains("canary"));
    }

    configure("http://monitoring.example/canary");
    let ended = scene.program(&["run"]);
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("the heartbeat was not sent"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("canary"), "{}", ended.stderr);

    // A run that publishes nothing sends none, so that the service raises the alarm; nor does one of some steps alone.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.set_nonblocking(true).expect("it can be asked");
    configure(&format!("http://{}/", listener.local_addr().expect("it listens")));
    let ended = scene.program(&["run", "--step", "fetch-users"]);
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    assert!(listener.accept().is_err(), "nothing was sent");
    scene.write("secret", "refused");
    assert_eq!(scene.program(&["run"]).exit, Some(3));
    assert!(listener.accept().is_err(), "nothing was sent");
}

#[cfg(unix)]
#[test]
fn a_schedule_answers_whether_it_is_alive_and_ready_and_what_it_has_done() {
    const PATIENCE: Duration = Duration::from_secs(30);
    let scene = scene();
    scene.configure(|configuration| configuration.text("schedule.interval", "12 hours"));
    let running = scene.start(&["schedule", "--listen", "127.0.0.1:0"]);
    let address = until(PATIENCE, || {
        let said = running.said();
        let (_, rest) = said.split_once("/metrics are at ")?;
        Some(rest.split_once('\n')?.0.to_owned())
    });
    let address = address.unwrap_or_else(|| panic!("it listens nowhere: {}", running.said()));
    let get = |path: &str| ask(&address, &format!("GET {path} HTTP/1.1"), "");
    assert!(get("/healthz").starts_with("HTTP/1.1 200"), "{}", get("/healthz"));
    let ready = until(PATIENCE, || get("/readyz").starts_with("HTTP/1.1 200").then_some(()));
    assert!(ready.is_some(), "{}", get("/readyz"));
    let run = "nexthink_graph_runs_total{tenant=\"acme\",exit_code=\"0\"} 1\n";
    let counted = until(PATIENCE, || get("/metrics").contains(run).then_some(()));
    let figures = get("/metrics");
    assert!(counted.is_some(), "{figures}");
    assert!(figures.contains("content-type: text/plain; version=0.0.4"), "{figures}");
    assert!(figures.contains("nexthink_graph_running{tenant=\"acme\"} 0\n"), "{figures}");
    assert!(figures.contains("nexthink_graph_next_run_timestamp_seconds{"), "{figures}");
    assert!(figures.contains("# TYPE nexthink_graph_runs_total counter\n"), "{figures}");
    for canary in CANARIES {
        assert!(!figures.contains(canary), "{canary}\n{figures}");
    }
    assert!(get("/").starts_with("HTTP/1.1 404"));
    running.signal("TERM");
    assert_eq!(running.wait().exit, Some(143));
}

#[test]
fn a_run_tells_an_opentelemetry_collector_of_its_spans_and_figures_and_of_no_person() {
    let runtime = Runtime::new().expect("threads can be started");
    let collector = runtime.block_on(Receiver::start()).expect("a port is free");
    let scene = scene();
    let run =
        |url: &str| start(scene.folder(), &["run"], &[("OTEL_EXPORTER_OTLP_ENDPOINT", url)]).wait();
    let ended = run(collector.url());
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    let requests = collector.requests();
    let sent_to = |path: &str| {
        let bodies = requests.iter().filter(|request| request.path == path);
        let bytes: Vec<u8> = bodies.flat_map(|request| request.body.clone()).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (spans, figures) = (sent_to("/v1/traces"), sent_to("/v1/metrics"));
    for word in ["run", "export", "fetch-devices", "#j1_users", "step", "publish", "acme"] {
        assert!(spans.contains(word), "{word}");
    }
    for word in ["nexthink_graph_objects", "nexthink_device", "nexthink_graph_exports_left", "acme"]
    {
        assert!(figures.contains(word), "{word}");
    }
    // A number may have the byte of a lone `@`.
    for canary in CANARIES.map(|canary| canary.replace('@', "@acme")) {
        assert!(!spans.contains(&canary) && !figures.contains(&canary), "{canary}");
    }

    // A collector that is not there, or a mistake in a variable, is told and costs no run.
    for (url, told) in [
        (
            "http://127.0.0.1:9",
            "the OpenTelemetry collector did not take everything: no connection",
        ),
        ("collector:4317", "nothing is sent to a collector: OTEL_EXPORTER_OTLP_ENDPOINT is no"),
    ] {
        let ended = run(url);
        assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
        assert!(ended.stderr.contains(told), "{url}: {}", ended.stderr);
    }
}
