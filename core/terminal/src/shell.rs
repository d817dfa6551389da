//! Words of commands that a user may copy from a message.

/// A word that a shell reads as it is.
pub fn for_shell(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+=:@%,".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(all(test, unix))]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_word_of_a_command_can_be_pasted_into_a_shell() {
        for word in ["acme", "a/b.toml", "two words", "it's", "$HOME", "", "naïve", "a\\b", "-c"] {
            let script = format!("printf %s {}", for_shell(word));
            let printed = Command::new("/bin/sh").arg("-c").arg(script).output().expect("a shell");
            assert_eq!(String::from_utf8_lossy(&printed.stdout), word);
        }
        assert_eq!(for_shell("a/b.toml"), "a/b.toml");
    }
}
