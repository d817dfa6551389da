//! The certificate and the key of the explorer, from the files that the user names.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use core_explorer::Tls;
use core_files::ensure_private;

use crate::cli::ServeArguments;
use crate::exit::{Exit, Failure};

/// The largest file: a chain has a few certificates. Bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// Reads them; none if the explorer is to answer plain HTTP.
pub(super) fn read(arguments: &ServeArguments) -> Result<Option<Tls>, Failure> {
    let (Some(certificate), Some(key)) = (&arguments.tls_cert, &arguments.tls_key) else {
        return Ok(None);
    };
    let (certificates, _) = read_file(certificate)?;
    let (key_text, key_file) = read_file(key)?;
    ensure_private(&key_file, key, "the file of the private key")
        .map_err(|error| Failure::new(Exit::Configuration, error))?;
    let tls = Tls::from_pem(&certificates, &key_text);
    Ok(Some(tls.map_err(|error| Failure::new(Exit::Configuration, error))?))
}

fn read_file(path: &Path) -> Result<(Vec<u8>, File), Failure> {
    let read = || -> anyhow::Result<(Vec<u8>, File)> {
        let file = File::open(path)?;
        let mut bytes = Vec::new();
        (&file).take(MAX_BYTES).read_to_end(&mut bytes)?;
        Ok((bytes, file))
    };
    let read = read().with_context(|| format!("cannot read {}", path.display()));
    read.map_err(|error| Failure { exit: Exit::Configuration, error })
}
