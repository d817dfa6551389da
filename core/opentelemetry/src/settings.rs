//! The variables that name a collector.

use std::fmt;

use url::Url;

/// The name of this program for the collector, unless `OTEL_SERVICE_NAME` has another.
const SERVICE: &str = "nexthink-graph";

/// The collector as the environment names it (OpenTelemetry specification 1.50, "OpenTelemetry Protocol Exporter").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The name of the service in every span and figure.
    pub(crate) service: String,
    /// The address for spans; none if they are not sent.
    pub(crate) traces: Option<String>,
    /// The address for figures; none if they are not sent.
    pub(crate) metrics: Option<String>,
}

/// A variable whose value this program cannot follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    name: &'static str,
    reason: &'static str,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.name, self.reason)
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// True if any address is one of `https`.
    pub(crate) fn uses_tls(&self) -> bool {
        self.traces.iter().chain(&self.metrics).any(|address| address.starts_with("https://"))
    }

    /// Reads the variables. None if they name no collector, or switch everything off.
    ///
    /// # Errors
    ///
    /// An address that is none of HTTP, or a protocol that this program does not speak.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, SettingsError> {
        let value = |name| variable(name).filter(|value| !value.trim().is_empty());
        let address = |signal, path, exporter| {
            let is_off = value(exporter).is_some_and(|exporter| exporter.trim() == "none");
            // The address of one signal is used as it is, that of all is the beginning of each.
            let all = || {
                let all = value("OTEL_EXPORTER_OTLP_ENDPOINT")?;
                Some(format!("{}/{path}", all.trim_end_matches('/')))
            };
            value(signal).or_else(all).filter(|_| !is_off)
        };
        let traces = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        let traces = address(traces, "v1/traces", "OTEL_TRACES_EXPORTER");
        let metrics = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
        let metrics = address(metrics, "v1/metrics", "OTEL_METRICS_EXPORTER");
        let is_disabled =
            value("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if is_disabled || (traces.is_none() && metrics.is_none()) {
            return Ok(None);
        }
        for name in [
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
        ] {
            if value(name).is_some_and(|protocol| protocol != "http/protobuf") {
                let reason = "names a protocol that this program does not speak: set `http/protobuf`, \
                              for which collectors listen on port 4318";
                return Err(SettingsError { name, reason });
            }
        }
        let is_http = |address: &String| {
            Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
        };
        if !traces.iter().chain(&metrics).all(is_http) {
            let reason = "is no address of HTTP, such as `https://collector.example:4318`";
            return Err(SettingsError { name: "OTEL_EXPORTER_OTLP_ENDPOINT", reason });
        }
        let service = value("OTEL_SERVICE_NAME").unwrap_or_else(|| SERVICE.to_owned());
        Ok(Some(Self { service, traces, metrics }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Settings>, SettingsError> {
        Settings::read(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_collector_is_named_by_the_variables_of_the_specification() {
        const BOTH: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");
        const TRACES: &str = "http://collector:4318/v1/traces";
        const METRICS: &str = "http://collector:4318/v1/metrics";
        let addresses = |variables: &[(&str, &str)]| {
            let settings = read(variables).expect("they are valid");
            settings.map(|settings| (settings.traces, settings.metrics))
        };
        let some = |traces: Option<&str>, metrics: Option<&str>| {
            Some((traces.map(str::to_owned), metrics.map(str::to_owned)))
        };
        assert_eq!(addresses(&[]), None);
        assert_eq!(addresses(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]), None);
        assert_eq!(addresses(&[BOTH]), some(Some(TRACES), Some(METRICS)));
        assert_eq!(addresses(&[BOTH, ("OTEL_SDK_DISABLED", "TRUE")]), None);
        let without = |exporter| addresses(&[BOTH, (exporter, "none")]);
        assert_eq!(without("OTEL_METRICS_EXPORTER"), some(Some(TRACES), None));
        assert_eq!(without("OTEL_TRACES_EXPORTER"), some(None, Some(METRICS)));
        let only = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://collector/spans");
        assert_eq!(addresses(&[only]), some(Some("https://collector/spans"), None));
        for (variable, uses_tls) in [(only, true), (BOTH, false)] {
            let settings = read(&[variable]).expect("it is valid").expect("it names one");
            assert_eq!(settings.uses_tls(), uses_tls);
        }
        let named = [BOTH, ("OTEL_SERVICE_NAME", "graph-eu")];
        let service = |variables| read(variables).ok().flatten().map(|settings| settings.service);
        assert_eq!(service(&named), Some("graph-eu".to_owned()));
        assert_eq!(service(&[BOTH]), Some("nexthink-graph".to_owned()));
    }

    #[test]
    fn what_cannot_be_followed_is_named() {
        let told =
            |variables: &[(&str, &str)]| read(variables).expect_err("it is wrong").to_string();
        let told_of = told(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317")]);
        assert!(told_of.starts_with("OTEL_EXPORTER_OTLP_ENDPOINT is no address"), "{told_of}");
        let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        let told_of = told(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317"), grpc]);
        assert!(told_of.starts_with("OTEL_EXPORTER_OTLP_PROTOCOL names a protocol"), "{told_of}");
        assert_eq!(read(&[grpc]), Ok(None), "nothing is sent");
    }
}
