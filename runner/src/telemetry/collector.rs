//! The OpenTelemetry collector that the environment names, if any.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use core_opentelemetry::{Settings, Telemetry};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use crate::{output, system};

/// The time that the collector can cost at the end of the program, at most.
const LONGEST: Duration = Duration::from_secs(10);

static TELEMETRY: Mutex<Option<Telemetry>> = Mutex::new(None);

/// Sets up what the environment asks for, and takes the spans of a subscriber. A mistake is told, and costs no run.
pub(super) fn layer<S>() -> Option<impl Layer<S>>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let started = match Settings::read(system::variable) {
        Ok(None) => return None,
        Ok(Some(settings)) => Telemetry::start(&settings, env!("CARGO_PKG_VERSION")),
        Err(error) => Err(error.to_string()),
    };
    let telemetry = started
        .inspect_err(|reason| output::note(&format!("nothing is sent to a collector: {reason}")))
        .ok()?;
    let layer = telemetry.layer();
    *TELEMETRY.lock().unwrap_or_else(PoisonError::into_inner) = Some(telemetry);
    layer
}

/// Sends figures in Prometheus' format.
pub(crate) fn record(exposition: impl FnOnce() -> String) {
    if let Some(telemetry) = &*TELEMETRY.lock().unwrap_or_else(PoisonError::into_inner) {
        telemetry.record(&exposition());
    }
}

/// Sends what is left.
pub(crate) fn end() {
    let telemetry = TELEMETRY.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(Err(reason)) = telemetry.map(|telemetry| telemetry.end(LONGEST)) {
        output::note(&format!("the OpenTelemetry collector did not take everything: {reason}"));
    }
}
