//! A shard: the tenants of a fleet that one of several processes works for.

use std::fmt;
use std::str::FromStr;

/// The tenants whose names fall to one of several processes. Each tenant falls to exactly one of them, on every machine
/// and in every version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    number: u32,
    of: u32,
}

/// A shard that cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write a number and how many there are, such as 1/3")]
pub struct ShardError;

impl Shard {
    /// Returns true if a tenant of this name falls to this shard.
    pub fn has(self, name: &str) -> bool {
        let hash = blake3::hash(name.as_bytes());
        let mut number = [0; 8];
        number.copy_from_slice(&hash.as_bytes()[..8]);
        u64::from_le_bytes(number) % u64::from(self.of) == u64::from(self.number - 1)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let (number, of) = text.split_once('/').ok_or(ShardError)?;
        let parse = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0);
        match (parse(number), parse(of)) {
            (Some(number), Some(of)) if number <= of => Ok(Self { number, of }),
            _ => Err(ShardError),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_a_number_of_several() {
        for (text, is_valid) in [
            ("1/1", true),
            ("3/3", true),
            ("0/3", false),
            ("4/3", false),
            ("1/0", false),
            ("1", false),
            ("a/b", false),
            ("", false),
        ] {
            let shard = text.parse::<Shard>();
            assert_eq!(shard.is_ok(), is_valid, "{text}");
            if let Ok(shard) = shard {
                assert_eq!(shard.to_string(), text);
            }
        }
    }

    #[test]
    fn every_tenant_falls_to_one_shard_and_each_has_about_as_many() {
        let shards: Vec<Shard> =
            (1..=4).map(|number| format!("{number}/4").parse().expect("it is one")).collect();
        let mut sizes = [0; 4];
        for number in 0..1_000 {
            let name = format!("tenant-{number}");
            let having: Vec<_> = (0..4).filter(|place| shards[*place].has(&name)).collect();
            assert_eq!(having.len(), 1, "{name}");
            sizes[having[0]] += 1;
        }
        assert!(sizes.iter().all(|size| (200..300).contains(size)), "{sizes:?}");
        // A new version must not move tenants to other machines.
        let acme: Vec<_> = shards.iter().filter(|shard| shard.has("acme")).collect();
        assert_eq!(acme.iter().map(ToString::to_string).collect::<Vec<_>>(), ["4/4"]);
    }
}
