//! `serve token`: the tokens of people and scripts.

use std::path::{Path, PathBuf};

use core_cli::{Global, TokenCommand};
use core_explorer::{AccessToken, TokenFile, TokenFileError};

use crate::commands::show;
use crate::exit::{Exit, Failure};
use crate::{config, output, system, typed};

/// Does what the command line says.
pub(super) fn dispatch(global: &Global, command: &TokenCommand) -> Result<Exit, Failure> {
    let file = file(global, command.file());
    match command {
        TokenCommand::New { name, role, .. } => {
            let text = file.add(name, typed::role(*role), system::fill_random).map_err(refused)?;
            output::result(&text);
            output::note(&format!(
                "this is the only time that the token is shown; its hash is in {}",
                file.path().display()
            ));
        }
        TokenCommand::List { output, .. } => {
            let tokens = file.read()?;
            let shown = tokens.iter().map(AccessToken::without_hash);
            let cells = tokens.iter().map(|token| [token.name.clone(), token.role.name().into()]);
            return show::list(output.output, shown, ["name", "role"], cells, 2);
        }
        TokenCommand::Remove { name, .. } => {
            file.remove(name).map_err(refused)?;
            output::note(&format!("token {name} is withdrawn: servers refuse it within seconds"));
        }
    }
    Ok(Exit::Complete)
}

/// The file with the hashes of tokens: the one that is named, else the one beside the configuration.
pub(super) fn file(global: &Global, named: Option<&Path>) -> TokenFile {
    let source = || config::find(global.config.as_deref());
    let folder = || source().map_or_else(PathBuf::new, |found| found.folder(config::ENVIRONMENT));
    named.map_or_else(|| TokenFile::beside(&folder()), |path| TokenFile::new(path.to_owned()))
}

fn refused(error: TokenFileError) -> Failure {
    match error {
        TokenFileError::File(error) => error.into(),
        error => Failure::new(Exit::Configuration, error),
    }
}
