//! The settings of a session. Those of Postgres that a client sets because it always does are kept and shown; those
//! that would change what it gets are refused.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::catalog::SERVER_VERSION;
use crate::error::{WireError, state};

/// The settings that a client is told of, when it logs in and when they change.
const TOLD: [&str; 11] = [
    "application_name",
    "client_encoding",
    "DateStyle",
    "default_transaction_read_only",
    "in_hot_standby",
    "integer_datetimes",
    "IntervalStyle",
    "is_superuser",
    "server_encoding",
    "server_version",
    "standard_conforming_strings",
];

/// The settings and the values that they have at first.
const DEFAULTS: [(&str, &str); 36] = [
    ("application_name", ""),
    ("bytea_output", "hex"),
    ("client_encoding", "UTF8"),
    ("client_min_messages", "notice"),
    ("DateStyle", "ISO, MDY"),
    ("default_transaction_isolation", "repeatable read"),
    ("default_transaction_read_only", "on"),
    ("enable_nestloop", "on"),
    ("escape_string_warning", "on"),
    ("extra_float_digits", "1"),
    ("geqo", "on"),
    ("idle_in_transaction_session_timeout", "0"),
    ("idle_session_timeout", "0"),
    ("in_hot_standby", "off"),
    ("integer_datetimes", "on"),
    ("IntervalStyle", "postgres"),
    ("is_superuser", "off"),
    ("jit", "off"),
    ("lc_collate", "C"),
    ("lc_ctype", "C"),
    ("lock_timeout", "0"),
    ("max_identifier_length", "63"),
    ("max_index_keys", "32"),
    ("quote_all_identifiers", "off"),
    ("row_security", "off"),
    ("search_path", "public"),
    ("server_encoding", "UTF8"),
    ("server_version", SERVER_VERSION),
    ("server_version_num", "150000"),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("TimeZone", "UTC"),
    ("transaction_isolation", "repeatable read"),
    ("transaction_read_only", "on"),
    ("work_mem", "4MB"),
    ("xmloption", "content"),
];

/// The settings that a client may set to anything: nothing here depends on them.
const FREE: [&str; 18] = [
    "application_name",
    "bytea_output",
    "client_min_messages",
    "default_transaction_isolation",
    "enable_nestloop",
    "escape_string_warning",
    "extra_float_digits",
    "geqo",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "jit",
    "lock_timeout",
    "quote_all_identifiers",
    "row_security",
    "search_path",
    "transaction_isolation",
    "work_mem",
    "xmloption",
];

/// The settings of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    values: BTreeMap<String, String>,
    statement_timeout: Option<Duration>,
}

/// A change of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changed {
    /// The name that Postgres has for the setting.
    pub(crate) name: &'static str,
    /// True if the client is told the new value.
    pub(crate) is_told: bool,
    /// The remark about a value that is not what the client wanted.
    pub(crate) remark: Option<&'static str>,
}

impl Settings {
    /// The settings at the start of a session of a user.
    pub(crate) fn new(user: &str) -> Self {
        let defaults =
            DEFAULTS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut values: BTreeMap<String, String> = defaults.collect();
        values.insert("session_authorization".to_owned(), user.to_owned());
        Self { values, statement_timeout: None }
    }

    /// Returns all settings.
    pub(crate) fn values(&self) -> &BTreeMap<String, String> {
        &self.values
    }

    /// Returns the settings that a client is told of when it logs in.
    pub(crate) fn told(&self) -> impl Iterator<Item = (&str, &str)> {
        let others = ["session_authorization", "TimeZone"];
        let names = TOLD.into_iter().chain(others);
        names.filter_map(|name| Some((name, self.values.get(name)?.as_str())))
    }

    /// Returns the limit that the client has set for a statement.
    pub(crate) fn statement_timeout(&self) -> Option<Duration> {
        self.statement_timeout
    }

    /// Returns the value of a setting and its name as Postgres writes it.
    pub(crate) fn get(&self, name: &str) -> Result<(&str, &str), WireError> {
        let found = self.values.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(name, value)| (name.as_str(), value.as_str())).ok_or_else(|| unknown(name))
    }

    /// Changes a setting.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<Changed, WireError> {
        let known = DEFAULTS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let (name, default) = *known.ok_or_else(|| unknown(name))?;
        // Some clients quote what they send when a session begins.
        let value = value.trim().trim_matches('\'');
        let value = if value.eq_ignore_ascii_case("default") { default } else { value };
        let refused = |reason: &str| {
            Err(WireError::new(state::INVALID_VALUE, format!("{name} cannot be {value}: {reason}")))
        };
        let lower = value.trim().to_ascii_lowercase();
        let mut remark = None;
        let kept = match name {
            "statement_timeout" => {
                let Some(timeout) = duration(&lower) else {
                    return refused("write milliseconds, or a number with a unit, such as 30s");
                };
                self.statement_timeout = Some(timeout).filter(|timeout| !timeout.is_zero());
                value.to_owned()
            }
            "client_encoding" => match lower.replace(['-', '_'], "").as_str() {
                "utf8" | "unicode" | "sqlascii" => "UTF8".to_owned(),
                _ => return refused("texts are sent as UTF8"),
            },
            "DateStyle" if lower.starts_with("iso") => default.to_owned(),
            "DateStyle" => return refused("times are sent in the style ISO"),
            "TimeZone" => {
                if !matches!(lower.as_str(), "utc" | "etc/utc" | "gmt" | "z" | "0" | "local") {
                    remark = Some("times are shown in UTC, whatever the time zone of the session");
                }
                default.to_owned()
            }
            name if FREE.contains(&name) => value.to_owned(),
            _ if is_same(&lower, default) => default.to_owned(),
            _ => return refused("this server is read-only, and has this value"),
        };
        self.values.insert(name.to_owned(), kept);
        Ok(Changed { name, is_told: TOLD.contains(&name) || name == "TimeZone", remark })
    }

    /// Gives a setting, or all, the value that it had at first.
    pub(crate) fn reset(&mut self, name: Option<&str>) -> Result<(), WireError> {
        if let Some(name) = name {
            return self.set(name, "default").map(drop);
        }
        let user = self.values.get("session_authorization").cloned().unwrap_or_default();
        *self = Self::new(&user);
        Ok(())
    }
}

fn unknown(name: &str) -> WireError {
    WireError::new(state::NO_SETTING, format!("there is no setting {name} here"))
}

/// Returns true if both words say the same: `on` and `true` do.
fn is_same(value: &str, default: &str) -> bool {
    let word = |text: &str| match text {
        "on" | "true" | "yes" | "1" => "on".to_owned(),
        "off" | "false" | "no" | "0" => "off".to_owned(),
        other => other.to_ascii_lowercase(),
    };
    word(value) == word(default)
}

/// Reads a time: a number of milliseconds, or of a unit.
fn duration(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().ok()?;
    let unit_ms = match unit.trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(unit_ms)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_sets_what_does_no_harm_and_is_told_what_it_cannot_have() {
        let mut settings = Settings::new("desk");
        for (name, value, expected) in [
            ("extra_float_digits", "3", Ok("3")),
            ("APPLICATION_NAME", "psql", Ok("psql")),
            ("datestyle", "ISO, DMY", Ok("ISO, MDY")),
            ("client_encoding", "UNICODE", Ok("UTF8")),
            ("client_encoding", "'utf-8'", Ok("UTF8")),
            ("timezone", "Europe/Zurich", Ok("UTC")),
            ("standard_conforming_strings", "true", Ok("on")),
            ("transaction_read_only", "on", Ok("on")),
            ("datestyle", "German", Err("22023")),
            ("client_encoding", "LATIN1", Err("22023")),
            ("default_transaction_read_only", "off", Err("22023")),
            ("server_version", "16", Err("22023")),
            ("statement_timeout", "soon", Err("22023")),
            ("no_such_setting", "1", Err("42704")),
        ] {
            let set = settings.set(name, value).map_err(|error| error.state);
            let kept =
                set.and_then(|changed| settings.get(changed.name).map_err(|error| error.state));
            assert_eq!(kept.map(|(_, value)| value), expected, "{name} = {value}");
        }
        let zone = settings.set("TimeZone", "Europe/Zurich").expect("it is a setting");
        assert!(zone.is_told && zone.remark.is_some());
    }

    #[test]
    fn a_time_limit_has_a_unit_or_is_in_milliseconds_and_zero_is_none() {
        let mut settings = Settings::new("desk");
        for (value, expected) in
            [("1500", Some(1_500)), ("2s", Some(2_000)), ("1 min", Some(60_000)), ("0", None)]
        {
            settings.set("statement_timeout", value).expect(value);
            assert_eq!(
                settings.statement_timeout(),
                expected.map(Duration::from_millis),
                "{value}"
            );
        }
        settings.set("statement_timeout", "5s").expect("it is a time");
        settings.reset(None).expect("all can be reset");
        assert_eq!(settings.statement_timeout(), None);
        assert_eq!(settings.get("session_authorization"), Ok(("session_authorization", "desk")));
    }
}
