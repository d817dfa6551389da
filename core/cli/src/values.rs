//! Values of options that are more than a text or a number: times, sizes of time, parameters.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use core_terminal::age;
use jiff::SignedDuration;

/// An age in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age(u64);

impl Age {
    /// The age in seconds.
    pub fn seconds(self) -> u64 {
        self.0
    }
}

impl FromStr for Age {
    type Err = <TimeSpan as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(|span: TimeSpan| Self(span.milliseconds() / 1000))
    }
}

impl fmt::Display for Age {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&age(self.0))
    }
}

/// A length of time: `90m`, `12h`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeSpan(u64);

impl TimeSpan {
    /// The time in milliseconds.
    pub fn milliseconds(self) -> u64 {
        self.0
    }
}

impl FromStr for TimeSpan {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "write a time such as 90m, 12h or 7d";
        let unit = text.chars().last().ok_or(wrong)?;
        let minutes = match unit {
            'm' => 1,
            'h' => 60,
            'd' => 24 * 60,
            'w' => 7 * 24 * 60,
            _ => return Err(wrong),
        };
        let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong)?;
        if number == 0 || number > 10_000 {
            return Err(wrong);
        }
        Ok(Self(number * minutes * 60_000))
    }
}

/// Returns the values of parameters by name.
///
/// # Errors
///
/// A parameter is given twice.
pub fn parameters_by_name(parameters: &[Parameter]) -> Result<BTreeMap<String, String>, String> {
    let mut values = BTreeMap::new();
    for Parameter { name, value } in parameters {
        if values.insert(name.clone(), value.clone()).is_some() {
            return Err(format!("the parameter {name} is given twice: give it one value"));
        }
    }
    Ok(values)
}

/// The value of a parameter: `name=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// The name of the parameter.
    pub name: String,
    /// Its value, which may be empty.
    pub value: String,
}

impl FromStr for Parameter {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("write a name, =, and a value")?;
        Ok(Self { name: name.trim().to_owned(), value: value.to_owned() })
    }
}

/// A time limit: `90s`, `10m`, a number of seconds, or 0 for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeout(SignedDuration);

impl Timeout {
    /// The time after which to stop; none if there is no limit.
    pub fn limit(self) -> Option<Duration> {
        Duration::try_from(self.0).ok().filter(|limit| !limit.is_zero())
    }
}

impl FromStr for Timeout {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds = text.parse::<u32>().map(|seconds| SignedDuration::from_secs(seconds.into()));
        let duration = seconds.ok().or_else(|| text.parse().ok());
        let duration = duration.filter(|duration| !duration.is_negative());
        duration.map(Self).ok_or("write a time such as 90s or 10m, or 0 for no limit")
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:#}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_a_unit() {
        let table = [
            ("90s", Ok((Some(90), "1m 30s"))),
            ("10m", Ok((Some(600), "10m"))),
            ("45", Ok((Some(45), "45s"))),
            ("0", Ok((None, "0s"))),
            ("-5s", Err(())),
            ("soon", Err(())),
            ("", Err(())),
        ];
        for (text, expected) in table {
            let timeout = text.parse::<Timeout>();
            let read = timeout
                .map(|timeout| (timeout.limit().map(|limit| limit.as_secs()), timeout.to_string()));
            let expected = expected.map(|(seconds, shown)| (seconds, shown.to_owned()));
            assert_eq!(read.map_err(drop), expected, "{text}");
        }
    }

    #[test]
    fn an_age_has_a_unit_and_is_told_in_the_largest_that_fits_twice() {
        for (text, expected) in [
            ("26h", Some("26 hours")),
            ("2d", Some("2 days")),
            ("1d", Some("24 hours")),
            ("90m", Some("90 minutes")),
            ("1m", Some("60 seconds")),
            ("26", None),
            ("90s", None),
            ("0h", None),
            ("-1h", None),
            ("soon", None),
        ] {
            let age = text.parse::<Age>().ok().map(|age| age.to_string());
            assert_eq!(age.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_time_span_has_a_number_and_a_unit() {
        const MINUTE: u64 = 60_000;
        for (text, expected) in [
            ("90m", Some(90 * MINUTE)),
            ("12h", Some(720 * MINUTE)),
            ("7d", Some(7 * 1440 * MINUTE)),
            ("2w", Some(14 * 1440 * MINUTE)),
            ("10000d", Some(10_000 * 1440 * MINUTE)),
            ("10001d", None),
            ("0d", None),
            ("7", None),
            ("d", None),
            ("7é", None),
            ("", None),
        ] {
            let span = text.parse::<TimeSpan>().ok().map(TimeSpan::milliseconds);
            assert_eq!(span, expected, "{text}");
        }
    }

    #[test]
    fn a_parameter_has_a_name_and_a_value_once() {
        let read = |texts: &[&str]| {
            let parameters: Result<Vec<Parameter>, _> =
                texts.iter().map(|text| text.parse()).collect();
            parameters_by_name(&parameters?)
        };
        let values = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(
            read(&["a=1", "b=x=y", " c =", "d= 2"]),
            Ok(values(&[("a", "1"), ("b", "x=y"), ("c", ""), ("d", " 2"),]))
        );
        assert_eq!(read(&["a"]), Err("write a name, =, and a value".to_owned()));
        let twice = "the parameter a is given twice: give it one value";
        assert_eq!(read(&["a=1", "a=2"]), Err(twice.to_owned()));
    }
}
