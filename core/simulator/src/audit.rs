//! The audit trail of the simulated tenant. Each line is a function of its second, so any part of
//! the trail is known without the rest. The form of the messages is documented; that of the times
//! before them is not.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::exports::{SavedQuery, push_csv_line};
use crate::server::clock::{Parts, iso_date, syslog_date};

/// The audit trail of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditSpec {
    /// The number of lines per hour in each log, at most 3600. Zero makes a tenant without a trail.
    pub lines_per_hour: u32,
    /// The Engines.
    pub engines: BTreeSet<String>,
    /// Unreachable Engines: HTTP 500 for their own log and for that of all Engines together.
    pub unreachable: BTreeSet<String>,
    /// The form of the time in a line.
    pub times: LineTime,
    /// The number of minutes by which the clock of the trail is ahead of UTC, in the lines and in
    /// `before_date`.
    pub zone_minutes: i32,
    /// True if the log is rotated at midnight, which truncates the beginning of the first line of a
    /// day.
    pub rotates: bool,
    /// True if every answer has the whole log up to now, whatever period is requested.
    pub ignores_period: bool,
    /// True if the last line of an answer has no line end.
    pub joins_lines: bool,
    /// The start of the trail, in seconds since 1970-01-01 UTC.
    pub begins: u64,
    /// A text that replaces all lines. It happened in the second before the last whole hour that is
    /// over for a minute.
    pub content: Option<String>,
    /// The number of hours that the saved query of the table `platform.audit_logs` looks back.
    pub table_hours: u64,
}

/// The form of the time in a line of the trail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineTime {
    /// `2026-03-01 10:00:00`
    #[default]
    Iso,
    /// `Mar  1 10:00:00 host nxaudit[17]:`
    Syslog,
    /// `1772359200`
    Epoch,
    /// No time.
    None,
}

/// A log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SimulatedTrail {
    /// The log of the web interface.
    Portal,
    /// The log of an Engine.
    Engine(String),
}

impl Default for AuditSpec {
    /// Two Engines, and six lines per hour in each log.
    fn default() -> Self {
        Self {
            lines_per_hour: 6,
            engines: ["engine-01", "engine-02"].map(str::to_owned).into(),
            unreachable: BTreeSet::new(),
            times: LineTime::default(),
            zone_minutes: 0,
            rotates: false,
            ignores_period: false,
            joins_lines: false,
            begins: 0,
            content: None,
            table_hours: 168,
        }
    }
}

/// The messages of the web interface, in turn; `#` stands for a user.
const PORTAL: [&str; 8] = [
    "[Portal|LOGIN|20101|#] User account logged with session id 4711",
    "[Portal|LOGIN|20103|*system] User account failed login attempts - wrong password of #",
    "[Infinity|LOGIN|90211|#] User logged in, id=17, name=#, session_id=s-17",
    "[Infinity|LOGIN|90213|*system] User failed to log in, name=#, error=\"Invalid username, password or MFA provided\"",
    "[Infinity|USER|91012|admin@corp.example] User created, name=#, roles=\"Administrator, Viewer\"",
    "[Infinity|API|91031|admin@corp.example] API credentials created, name=ingester",
    "[Infinity|SUPPORT|91041|admin@corp.example] Support access granted",
    "[Infinity|RA|94011|#] Remote action triggered manually, name=\"Clean disk\"\n  devices: 2\n  reason: slow",
];

/// The messages of an Engine, in turn; `@` stands for its name.
const ENGINE: [&str; 2] = [
    "[@|General|10001|nxengine] Engine is up and running",
    "[@|Communication|10006|#] Finder user logged in:[125]",
];

impl AuditSpec {
    /// Returns the lines of a log in a period, whose end is exclusive, in seconds since 1970-01-01
    /// UTC.
    pub fn lines(&self, trail: &SimulatedTrail, from: u64, to: u64) -> Vec<String> {
        let from = from.max(self.begins);
        if let Some(content) = &self.content {
            return vec![content.clone()];
        }
        if self.lines_per_hour == 0 {
            return Vec::new();
        }
        let step = self.step();
        let first = from.div_ceil(step);
        let numbers = (first..).take_while(|number| number * step < to);
        numbers.flat_map(|number| self.lines_of(trail, number * step, number, step)).collect()
    }

    /// Returns the rows of the table in a period, whose end is exclusive: the log of the web
    /// interface, with the cells that the saved query lists.
    pub fn rows(&self, from: u64, to: u64) -> Vec<[String; 4]> {
        let bare = Self { times: LineTime::None, rotates: false, content: None, ..self.clone() };
        let (from, step) = (from.max(self.begins), bare.step());
        let numbers = (from.div_ceil(step)..)
            .take_while(|number| self.lines_per_hour > 0 && number * step < to);
        let rows = numbers.flat_map(|number| {
            let lines = bare.lines_of(&SimulatedTrail::Portal, number * step, number, step);
            lines.into_iter().map(move |line| row(&line, &iso_date(number * step)))
        });
        rows.collect()
    }

    /// Returns the results file of the saved query at a second since 1970-01-01 UTC, and true if a
    /// cap has truncated it.
    pub(crate) fn table(&self, now: u64, row_cap: Option<u64>) -> (Vec<u8>, bool) {
        let rows = self.rows(now.saturating_sub(self.table_hours * 3_600), now + 1);
        let cap = row_cap.and_then(|cap| usize::try_from(cap).ok()).unwrap_or(usize::MAX);
        let mut csv = Vec::new();
        push_csv_line(&mut csv, SavedQuery::AuditLogs.columns().iter().copied());
        for row in rows.iter().take(cap) {
            push_csv_line(&mut csv, row.iter().map(String::as_str));
        }
        (csv, rows.len() > cap)
    }

    fn step(&self) -> u64 {
        (3_600 / u64::from(self.lines_per_hour.max(1))).max(1)
    }

    /// Returns the line of a second, or two: some actions happen twice.
    fn lines_of(&self, trail: &SimulatedTrail, at: u64, number: u64, step: u64) -> Vec<String> {
        let (texts, name): (&[&str], &str) = match trail {
            SimulatedTrail::Portal => (&PORTAL, "portal"),
            SimulatedTrail::Engine(name) => (&ENGINE, name),
        };
        let place = usize::try_from(number % texts.len() as u64).unwrap_or_default();
        let user = format!("user{:02}@corp.example", number * 7 % 23);
        // The name first: a user contains the same sign.
        let text = texts[place].replace("[@|", &format!("[{name}|")).replace('#', &user);
        let mut line = format!("{}{text}", self.prefix(at, name));
        let local = self.local(at);
        if self.rotates && local % 86_400 < step {
            let cut = line.len().min(9);
            line.drain(..cut);
        }
        if number.is_multiple_of(10) { vec![line.clone(), line] } else { vec![line] }
    }

    fn prefix(&self, at: u64, host: &str) -> String {
        let local = self.local(at);
        match self.times {
            LineTime::Iso => format!("{} ", iso_date(local).replace('T', " ")),
            LineTime::Syslog => format!("{} {host} nxaudit[17]: ", syslog_date(local)),
            LineTime::Epoch => format!("{at} "),
            LineTime::None => String::new(),
        }
    }

    fn local(&self, at: u64) -> u64 {
        at.saturating_add_signed(i64::from(self.zone_minutes) * 60)
    }

    /// Returns the second of a `before_date`: a day, or a day with a time.
    pub(crate) fn second_of(&self, text: &str) -> Option<u64> {
        let (day, time) = text.split_once('T').unwrap_or((text, "00:00:00"));
        let numbers = |text: &str, separator| -> Option<Vec<u64>> {
            text.split(separator).map(|part| part.parse().ok()).collect()
        };
        let ([year, month, day], [hour, minute, second]) =
            (numbers(day, '-')?.try_into().ok()?, numbers(time, ':')?.try_into().ok()?);
        let [year, month, day]: [u64; 3] = [year, month, day];
        let days = Parts::days_to(year, month, day)?;
        let [hour, minute, second]: [u64; 3] = [hour, minute, second];
        let local = days * 86_400 + hour * 3_600 + minute * 60 + second;
        Some(local.saturating_add_signed(-i64::from(self.zone_minutes) * 60))
    }
}

/// The cells of a line without a time: time, account, code, message.
fn row(line: &str, time: &str) -> [String; 4] {
    let (header, message) = line.split_once("] ").unwrap_or((line, ""));
    let mut fields = header.trim_start_matches('[').split('|').skip(2);
    let (code, account) = (fields.next().unwrap_or(""), fields.next().unwrap_or(""));
    [format!("{time}Z"), account.to_owned(), code.to_owned(), message.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_trail_does_not_depend_on_the_requested_period() {
        let spec = AuditSpec::default();
        for trail in [SimulatedTrail::Portal, SimulatedTrail::Engine("engine-01".to_owned())] {
            let whole = spec.lines(&trail, 1_772_359_200, 1_772_395_200);
            let mut parts = spec.lines(&trail, 1_772_359_200, 1_772_370_001);
            parts.extend(spec.lines(&trail, 1_772_370_001, 1_772_395_200));
            assert_eq!(whole, parts);
            assert_eq!(whole.len(), 66);
        }
    }

    #[test]
    fn a_date_follows_the_clock_of_the_trail() {
        let mut spec = AuditSpec::default();
        assert_eq!(spec.second_of("2026-03-01T10:00:00"), Some(1_772_359_200));
        assert_eq!(spec.second_of("2026-03-01"), Some(1_772_323_200));
        spec.zone_minutes = 60;
        assert_eq!(spec.second_of("2026-03-01T11:00:00"), Some(1_772_359_200));
        for text in ["", "soon", "2026-13-01", "2026-03-01T10:00", "2026-03-01 10:00:00"] {
            assert_eq!(spec.second_of(text), None, "{text}");
        }
    }
}
