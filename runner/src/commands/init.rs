//! `init`: writes a configuration file, from flags or from questions on a terminal, prints the queries
//! to save, and checks what can be checked already.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::Path;

use core_cli::{Global, InitArguments};
use core_config::first_file::first_file;
use core_config::new_file;
use core_config::questionnaire::{self, GivenAnswers, Person};
use core_engine::saved_queries;
use core_settings::DEFAULT_FILE;

use super::check;
use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::{output, system};

/// Writes the file, prints the queries to save, and checks what there is.
pub(super) async fn init(global: &Global, arguments: InitArguments) -> Result<Exit, Failure> {
    let path = global.config.clone().unwrap_or_else(|| DEFAULT_FILE.into());
    let (no_check, force) = (arguments.no_check, arguments.force);
    new_file::check_free(&path, force, "--config")?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let given = GivenAnswers {
        tenant: arguments.tenant,
        region: arguments.region,
        client_id: arguments.client_id,
        secret_variable: arguments.secret_env,
        secret_file: arguments.secret_file,
        queries: arguments.queries,
    };
    let mut terminal = Terminal;
    let person = io::stdin().is_terminal().then_some(&mut terminal as &mut dyn Person);
    let text = first_file(&questionnaire::complete(given, person, folder)?);
    let paths = config::paths(folder);
    let config = Config::parse(&text, &BTreeMap::new(), &paths).map_err(|problems| {
        let file = path.display().to_string();
        config::invalid("the answers make no valid configuration", &problems, &file)
    })?;
    new_file::write(&path, &text, force, "--config")?;
    if !global.quiet {
        output::note(&format!(
            "wrote {}\n\nSave these queries in Nexthink, under Administration > NQL API queries:\n",
            path.display()
        ));
    }
    output::result(&saved_queries::texts(Some(&config), &[], None)?);
    if no_check {
        return Ok(Exit::Complete);
    }
    if !global.quiet {
        output::note("\nWhat is ready, and what is left to do:\n");
    }
    // The file is written, so that is no failure: what fails now is what comes next.
    output::note(&check::all(&config).await.lines());
    if !global.quiet {
        let program = system::own_command();
        output::note(&format!(
            "\nThen: `{program} check` until all is well, and `{program} run`. More than a million \
             rows? `{program} nql --partitioned --help`"
        ));
    }
    Ok(Exit::Complete)
}

/// The person at the terminal.
struct Terminal;

impl Person for Terminal {
    fn tell(&mut self, text: &str) {
        output::note(text);
    }

    fn answer(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line)?;
        Ok((read > 0).then_some(line))
    }
}
