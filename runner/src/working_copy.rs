//! The working copy of a store in a bucket: made what the bucket has before a command, and published after it. A command
//! knows only the folder in which it works.

use core_bucket::{Needed, OpenedCopy};
use core_cli::{Asked, AskedQuery, Cli, Command};
use core_config::working_copy::{self, Access, Wanted};
use core_engine::Failure;
use core_store::TenantStore;

use crate::config::{self, ENVIRONMENT};
use crate::host::host;
use crate::system;

/// Opens the working copy that a command needs, if it needs one.
pub(crate) async fn open(cli: &Cli) -> Result<Option<OpenedCopy>, Failure> {
    let starts_others = matches!(&cli.command, Some(Command::Run(run)) if run.all);
    let Some(source) = config::find(cli.global.config.as_deref()) else { return Ok(None) };
    if cli.worker || starts_others {
        return Ok(None);
    }
    let words: Vec<_> = cli.words.iter().map(String::as_str).collect();
    let access = Access::of(&words);
    let Asked { generations, query } = cli.asked();
    let reads_history = query.is_some_and(|query| match query {
        AskedQuery::Text(text) => core_query::may_read_history(text),
        AskedQuery::Question(id) => core_reading::asks_for_history(&source.folder(ENVIRONMENT), id),
    });
    let needed = if reads_history { Needed::All } else { working_copy::needed(&words) };
    let named = |tenant: &TenantStore| core_reading::named_generations(tenant, &generations);
    let wanted = Wanted { needed, named: &named };
    let random = system::random_numbers().map_err(anyhow::Error::new)?;
    let opened = working_copy::open(&source, access, wanted, host(), random, ENVIRONMENT).await?;
    if let Some(OpenedCopy::Writing(session)) = &opened {
        config::watch_store(session.watch());
    }
    Ok(opened)
}
