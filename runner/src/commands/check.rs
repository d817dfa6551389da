//! `check`: looks at everything that a run needs, and says how to mend what is wrong.

use core_cli::Global;
use core_engine::FailureKind;
use core_engine::check::{Check, Checks};

use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::host::{engine, host};
use crate::output;

/// Checks, prints, and ends with the code of the first failed check. `unopened` is the failure to open the working copy of a
/// store in a bucket.
pub(super) async fn check(
    global: &Global,
    json: bool,
    unopened: Option<core_engine::Failure>,
) -> Result<Exit, Failure> {
    let Some(source) = config::find(global.config.as_deref()) else {
        return Err(super::not_configured());
    };
    let checks = match config::load(&source) {
        Ok(config) => {
            let file = source.settings_name(config::ENVIRONMENT);
            let mut checks = Checks(vec![Check::ok("configuration", file)]);
            if let Some(bucket) = &config.bucket {
                let reached = || Check::ok("bucket", &bucket.address);
                let failed = unopened.map(|failure| Check::failed_with("bucket", &failure));
                checks.0.push(failed.unwrap_or_else(reached));
            }
            checks.0.append(&mut all(&config).await.0);
            checks
        }
        Err(Failure { error, .. }) if json => {
            let detail = format!("{error:#}");
            Checks(vec![Check::failed("configuration", FailureKind::Configuration, detail)])
        }
        Err(failure) => return Err(failure),
    };
    if json {
        output::json(&checks.objects(host()))?;
    } else {
        output::result(&checks.lines());
    }
    if let Some(failed) = checks.failed() {
        output::error_text(&failed);
    }
    Ok(checks.ending().into())
}

/// Checks all that a valid configuration leads to.
pub(super) async fn all(config: &Config) -> Checks {
    core_engine::check::check(engine(config), &config.warnings.all()).await
}
