//! The export of spans and figures, from its start to its end.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{
    MetricExporter, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::{Builder, Runtime};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use crate::Settings;
use crate::collector::Collector;
use crate::samples::samples;

/// The name of the source of spans and figures.
const SCOPE: &str = "nexthink-graph";

/// The time by which the library's bound is later than ours.
const LATER: Duration = Duration::from_secs(5);

/// The export of spans and figures. Each signal that is not sent is none.
pub struct Telemetry {
    collector: Collector,
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
    /// The thread of the calls.
    runtime: Runtime,
}

impl Telemetry {
    /// Sets up what the environment asks for. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// The reason, without a secret: an address or a header that cannot be used, or no thread.
    pub fn start(settings: &Settings, version: &'static str) -> Result<Self, String> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let collector = Collector::new(settings.uses_tls(), runtime.handle().clone())?;
        let resource = Resource::builder()
            .with_service_name(settings.service.clone())
            .with_attribute(KeyValue::new("service.version", version))
            .build();
        let traces = settings.traces.as_deref();
        let traces = traces.map(|address| tracer(address, &collector, resource.clone()));
        let metrics = settings.metrics.as_deref();
        let metrics = metrics.map(|address| meter(address, &collector, resource));
        let (traces, metrics) = (traces.transpose()?, metrics.transpose()?);
        Ok(Self { collector, traces, metrics, runtime })
    }

    /// Takes the spans of a subscriber, if spans are sent.
    pub fn layer<S>(&self) -> Option<impl Layer<S> + use<S>>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let traces = self.traces.as_ref()?;
        let layer = tracing_opentelemetry::layer().with_tracer(traces.tracer(SCOPE));
        // Places in the source and thread numbers say nothing about a run.
        Some(layer.with_location(false).with_threads(false).with_tracked_inactivity(false))
    }

    /// Takes the figures of a text in Prometheus' format as their newest values.
    pub fn record(&self, exposition: &str) {
        let Some(metrics) = &self.metrics else { return };
        let meter = metrics.meter(SCOPE);
        for sample in samples(exposition) {
            let unit = if sample.name.ends_with("_seconds") { "s" } else { "1" };
            let labels: Vec<KeyValue> =
                sample.labels.into_iter().map(|(name, value)| KeyValue::new(name, value)).collect();
            meter.f64_gauge(sample.name).with_unit(unit).build().record(sample.value, &labels);
        }
    }

    /// Sends what is left, for so long at most.
    ///
    /// # Errors
    ///
    /// The reason why the collector did not take everything.
    pub fn end(self, longest: Duration) -> Result<(), String> {
        let Self { collector, traces, metrics, runtime } = self;
        let (sender, ended) = std::sync::mpsc::channel();
        // The library waits for its own thread, whatever bound it is told. If its bound were ours, either could end
        // first, and the reason would be told in the words of that one.
        let later = longest + LATER;
        let ending = std::thread::Builder::new().spawn(move || {
            let traces = traces.map_or(Ok(()), |traces| traces.shutdown_with_timeout(later));
            let metrics = metrics.map_or(Ok(()), |metrics| metrics.shutdown_with_timeout(later));
            // Without a receiver the time is over.
            let _ = sender.send(traces.and(metrics).map_err(|error| error.to_string()));
        });
        let ended = match ending {
            Ok(_) => ended.recv_timeout(longest),
            Err(error) => return Err(error.to_string()),
        };
        // Asked before calls are given up, which is a failure too.
        let failure = collector.last_failure();
        runtime.shutdown_background();
        match (ended, failure) {
            (Ok(Ok(())), None) => Ok(()),
            (_, Some(reason)) | (Ok(Err(reason)), None) => Err(reason),
            (Err(_), None) => Err(format!("it did not answer within {} s", longest.as_secs())),
        }
    }
}

fn tracer(
    address: &str,
    collector: &Collector,
    resource: Resource,
) -> Result<SdkTracerProvider, String> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(address)
        .with_protocol(Protocol::HttpBinary)
        .with_http_client(collector.clone())
        .build()
        .map_err(|error| error.to_string())?;
    let provider = SdkTracerProvider::builder().with_resource(resource);
    Ok(provider.with_batch_exporter(exporter).build())
}

fn meter(
    address: &str,
    collector: &Collector,
    resource: Resource,
) -> Result<SdkMeterProvider, String> {
    let exporter = MetricExporter::builder()
        .with_http()
        .with_endpoint(address)
        .with_protocol(Protocol::HttpBinary)
        .with_http_client(collector.clone())
        .build()
        .map_err(|error| error.to_string())?;
    let provider = SdkMeterProvider::builder().with_resource(resource);
    Ok(provider.with_periodic_exporter(exporter).build())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use core_simulator::Receiver;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    const LONGEST: Duration = Duration::from_secs(10);

    fn settings(url: &str) -> Settings {
        let found =
            Settings::read(|name| (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| url.to_owned()));
        found.expect("it is valid").expect("it names a collector")
    }

    /// A run with a step and a figure, and what came of telling a collector.
    fn tell(url: &str, longest: Duration) -> Result<(), String> {
        let telemetry = Telemetry::start(&settings(url), "1.2.3").expect("there is a thread");
        let subscriber = tracing_subscriber::registry().with(telemetry.layer());
        tracing::subscriber::with_default(subscriber, || {
            let run = tracing::info_span!("run", tenant = "acme").entered();
            let step = tracing::info_span!("export", step_id = "fetch-users").entered();
            tracing::info!(rows = 3, "downloaded");
            drop((step, run));
        });
        telemetry.record("# TYPE graph_objects gauge\ngraph_objects{tenant=\"acme\"} 7\n");
        telemetry.end(longest)
    }

    fn has(body: &[u8], text: &str) -> bool {
        body.windows(text.len()).any(|window| window == text.as_bytes())
    }

    #[test]
    fn a_collector_gets_spans_and_figures() {
        let runtime = Runtime::new().expect("threads can be started");
        let receiver = runtime.block_on(Receiver::start()).expect("a port is free");
        assert_eq!(tell(receiver.url(), LONGEST), Ok(()));
        let requests = receiver.requests();
        let to = |path: &str| {
            let found = requests.iter().find(|request| request.path == path);
            found.unwrap_or_else(|| panic!("nothing came to {path}")).body.clone()
        };
        let spans = to("/v1/traces");
        for text in
            ["run", "acme", "export", "fetch-users", "downloaded", "nexthink-graph", "1.2.3"]
        {
            assert!(has(&spans, text), "{text}");
        }
        let figures = to("/v1/metrics");
        for text in ["graph_objects", "tenant", "acme", "nexthink-graph"] {
            assert!(has(&figures, text), "{text}");
        }
    }

    #[test]
    fn a_collector_that_refuses_is_told_of_with_its_reason() {
        let runtime = Runtime::new().expect("threads can be started");
        let receiver = runtime.block_on(Receiver::start()).expect("a port is free");
        receiver.answer_with(400);
        assert_eq!(tell(receiver.url(), LONGEST), Err("it answered HTTP 400".to_owned()));
        let nowhere = tell("http://127.0.0.1:9", LONGEST).expect_err("no port");
        assert!(nowhere.starts_with("no connection"), "{nowhere}");
    }

    #[test]
    fn a_collector_that_does_not_answer_costs_no_more_than_the_bound() {
        let runtime = Runtime::new().expect("threads can be started");
        let receiver = runtime.block_on(Receiver::start()).expect("a port is free");
        receiver.answer_after(Duration::from_mins(5));
        let started = Instant::now();
        let reason = tell(receiver.url(), Duration::from_millis(300)).expect_err("no answer");
        assert!(reason.contains("did not answer"), "{reason}");
        // Far below the five minutes, on a busy machine too.
        assert!(started.elapsed() < Duration::from_mins(1));
    }
}
