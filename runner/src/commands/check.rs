//! `check`: looks at everything that a run needs, and says how to mend what is wrong. It starts no
//! export and publishes nothing.

pub(super) mod audit;
mod columns;
mod connection;
mod contents;
mod destination;
mod place;

use core_engine::text::count;
use core_model::step::Step;
use core_nexthink::NexthinkError;
use serde::Serialize;

use crate::cli::Global;
use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::{output, record};

/// What was found out.
pub(super) struct Checks(Vec<Check>);

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
struct Check {
    name: String,
    state: State,
    /// What was found, and where it is wrong how to mend it.
    detail: String,
    /// How the program ends if this is the first that failed.
    #[serde(rename = "exitCode", serialize_with = "as_code")]
    exit: Exit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warning,
    Failed,
    /// Something before it failed.
    Skipped,
}

/// Checks, prints, and ends with the code of what failed first.
pub(super) async fn check(global: &Global, json: bool) -> Result<Exit, Failure> {
    let Some(source) = config::find(global.config.as_deref()) else {
        return Err(super::not_configured());
    };
    let checks = match Config::load(&source) {
        Ok(config) => {
            let ok = Check::ok("configuration", source.name());
            Checks([vec![ok], check_all(&config).await.0].concat())
        }
        Err(Failure { exit, error }) if json => {
            Checks(vec![Check::failed("configuration", exit, format!("{error:#}"))])
        }
        Err(failure) => return Err(failure),
    };
    if json {
        let text = serde_json::to_string_pretty(&checks.0).map_err(anyhow::Error::new)?;
        output::result(&text);
    } else {
        output::result(&checks.lines());
    }
    if let Some(failed) = checks.failed() {
        output::error_text(&failed);
    }
    Ok(checks.exit())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference to the field")]
fn as_code<S: serde::Serializer>(exit: &Exit, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(*exit as u8)
}

/// Checks all that a valid configuration leads to.
pub(super) async fn check_all(config: &Config) -> Checks {
    let mut checks = place::check(config);
    for warning in &config.warnings {
        checks.push(Check::warning("configuration", warning));
    }
    contents::check(config, &mut checks);
    if let Some(warning) = record::transfer_warning(config) {
        checks.push(Check::warning("region", warning));
    }
    let mut connection = Checks(Vec::new());
    let client = connection::client(config, &mut connection);
    let (reached, offset) = match &client {
        Some(client) => connection::check(config, client, &mut connection).await,
        None => (false, None),
    };
    place::check_quota(config, offset, &mut checks);
    checks.0.append(&mut connection.0);
    for step in Step::all() {
        let Some(query) = step.query() else { continue };
        let Some(saved) = config.queries.get(query.config_field) else {
            if query.is_extra {
                continue;
            }
            let detail =
                format!("`queries.{}` is blank, so {} is skipped", query.config_field, step.id);
            checks.push(Check::warning(format!("query {}", query.config_field), detail));
            continue;
        };
        match &client {
            Some(client) if reached => columns::check(client, step, saved, &mut checks).await,
            _ => {
                let name = format!("query {}", query.config_field);
                checks.push(Check::skipped(name, "the API was not reached"));
            }
        }
    }
    let reached = client.as_deref().filter(|_| reached);
    audit::check(config, reached, &mut checks).await;
    destination::check(config, &mut checks).await;
    checks
}

impl Checks {
    fn push(&mut self, check: Check) {
        self.0.push(check);
    }

    /// A line for each check.
    pub(super) fn lines(&self) -> String {
        let width = self.0.iter().map(|check| check.name.len()).max().unwrap_or(0);
        let lines = self.0.iter().map(|check| {
            let state = match check.state {
                State::Ok => "ok  ",
                State::Warning => "warn",
                State::Failed => "FAIL",
                State::Skipped => "skip",
            };
            let detail = core_query::escape_for_terminal(&check.detail);
            format!("{state}  {:<width$}  {detail}", check.name)
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The names of the checks that failed, if any did.
    fn failed(&self) -> Option<String> {
        let failed = self.0.iter().filter(|check| check.state == State::Failed);
        let names: Vec<&str> = failed.map(|check| check.name.as_str()).collect();
        let (count, all) = (names.len(), count(self.0.len(), "check"));
        (count > 0).then(|| format!("{count} of {all} failed: {}", names.join(", ")))
    }

    /// The code of what failed first.
    fn exit(&self) -> Exit {
        let failed = self.0.iter().find(|check| check.state == State::Failed);
        failed.map_or(Exit::Complete, |check| check.exit)
    }
}

impl Check {
    fn ok(name: impl Into<String>, detail: impl Into<String>) -> Check {
        Check::new(name, State::Ok, detail)
    }

    fn warning(name: impl Into<String>, detail: impl Into<String>) -> Check {
        Check::new(name, State::Warning, detail)
    }

    fn skipped(name: impl Into<String>, detail: impl Into<String>) -> Check {
        Check::new(name, State::Skipped, detail)
    }

    fn failed(name: impl Into<String>, exit: Exit, detail: impl Into<String>) -> Check {
        Check { exit, ..Check::new(name, State::Failed, detail) }
    }

    /// What Nexthink or the way to it made fail.
    fn failed_at_nexthink(name: impl Into<String>, error: &NexthinkError) -> Check {
        let detail = format!("{:#}", anyhow::Error::new(error.clone()));
        Check::failed(name, core_engine::FailureKind::from(error.kind()).into(), detail)
    }

    fn new(name: impl Into<String>, state: State, detail: impl Into<String>) -> Check {
        Check { name: name.into(), state, detail: detail.into(), exit: Exit::Complete }
    }
}
