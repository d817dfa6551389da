//! The ledger in a search. It names those who have read or changed data, and is kept to account for them, also if one
//! of them is erased later: it is a chain, in which no name can be replaced. So those who acted are searched apart from
//! everything else in it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

/// A line of the ledger, in two parts.
pub(crate) struct Line {
    /// The one who acted: the user of the operating system, and the user of a server of this program.
    pub(crate) actor: String,
    /// The line without it.
    pub(crate) rest: Vec<u8>,
}

/// Reads each line of a ledger. A line that is no entry has no actor. Nothing is read if there is no file.
pub(crate) fn each_line(path: &Path, mut look: impl FnMut(&Line)) -> anyhow::Result<()> {
    let failed = || format!("cannot read {}", path.display());
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(failed),
    };
    let mut file = BufReader::new(file);
    let mut bytes = Vec::new();
    while file.read_until(b'\n', &mut bytes).with_context(failed)? > 0 {
        look(&parts(std::mem::take(&mut bytes)));
    }
    Ok(())
}

fn parts(bytes: Vec<u8>) -> Line {
    let Ok(Value::Object(mut entry)) = serde_json::from_slice(&bytes) else {
        return Line { actor: String::new(), rest: bytes };
    };
    let user = entry.get_mut("facts").and_then(Value::as_object_mut);
    let user = user.and_then(|facts| facts.remove("user"));
    let actors = [entry.remove("who"), user].into_iter().flatten();
    let actors: Vec<_> = actors.filter_map(|actor| actor.as_str().map(str::to_owned)).collect();
    Line { actor: actors.join("\n"), rest: Value::Object(entry).to_string().into_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_who_acted_is_apart_from_everything_else() {
        let line = br#"{"sequence":2,"who":"uid 7 (zoe)","event":"query","facts":{"user":"zoe@acme.example","view":"x"}}"#;
        let Line { actor, rest } = parts(line.to_vec());
        assert_eq!(actor, "uid 7 (zoe)\nzoe@acme.example");
        let rest = String::from_utf8(rest).expect("it is text");
        assert_eq!(rest, r#"{"event":"query","facts":{"view":"x"},"sequence":2}"#);
    }

    #[test]
    fn a_line_that_is_no_entry_is_searched_as_it_is() {
        for text in [&b"{\"who\":\"zoe\""[..], b"\"who\"", b"\xff zoe"] {
            let Line { actor, rest } = parts(text.to_vec());
            assert_eq!((actor.as_str(), rest.as_slice()), ("", text));
        }
    }
}
