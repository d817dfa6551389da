//! The texts that the data model allows, as plain functions; the same as its patterns and formats say,
//! or stricter.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Url;

/// A rule for one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextRule {
    /// Anything.
    Any,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A host name without dots.
    HostName,
    /// A dotted name.
    DomainName,
    /// Six pairs of lower-case hexadecimal digits with colons between them.
    MacAddress,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address without a zone.
    Ipv6,
    /// An address of either kind.
    Ip,
    /// An e-mail address.
    Email,
    /// An absolute http or https address.
    Uri,
}

impl TextRule {
    /// Returns whether the text is legal.
    pub(crate) fn accepts(self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(words) => words.contains(&text),
            Self::HostName => text.len() >= 2 && is_label(text),
            Self::DomainName => is_domain_name(text),
            Self::MacAddress => is_mac_address(text),
            Self::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            Self::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
            Self::Ip => text.parse::<IpAddr>().is_ok(),
            Self::Email => is_email(text),
            Self::Uri => is_web_address(text),
        }
    }
}

/// 1 to 63 letters, digits and inner hyphens.
fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_domain_name(text: &str) -> bool {
    let Some((labels, last)) = text.rsplit_once('.') else { return false };
    (4..=253).contains(&text.len())
        && labels.split('.').all(is_label)
        && (2..=63).contains(&last.len())
        && last.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn is_mac_address(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_pair = |pair: &str| pair.len() == 2 && pair.bytes().all(is_digit);
    text.split(':').count() == 6 && text.split(':').all(is_pair)
}

fn is_email(text: &str) -> bool {
    let Some((name, domain)) = text.rsplit_once('@') else { return false };
    let is_atom = |part: &str| {
        let legal =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&byte);
        !part.is_empty() && part.bytes().all(legal)
    };
    name.split('.').all(is_atom) && domain.contains('.') && domain.split('.').all(is_label)
}

fn is_web_address(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}[]%".contains(&byte);
    text.bytes().all(is_plain)
        && Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
        && text.contains("://")
        && text.matches('#').count() <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_judged_by_their_rule() {
        let long = "a".repeat(64);
        let rows: &[(TextRule, &[&str], &[&str])] = &[
            (
                TextRule::HostName,
                &["ab", "LON-LT-0042", "1a"],
                &["a", "a_b", "a.b", "-a", "a-", "bü", "", &long],
            ),
            (
                TextRule::DomainName,
                &["pc-1.corp.example", "a.bc"],
                &["pc-1", "a.b", ".example", "a..example", "a_b.example", "-a.example", "a.e1"],
            ),
            (
                TextRule::MacAddress,
                &["00:1a:2b:3c:4d:5e"],
                &["00:1A:2b:3c:4d:5e", "00-1a-2b-3c-4d-5e", "00:1a:2b:3c:4d", "0:1a:2b:3c:4d:5e"],
            ),
            (TextRule::Ipv4, &["10.0.0.1"], &["10.0.0", "10.0.0.256", "::1", "010.0.0.1"]),
            (TextRule::Ipv6, &["::1", "2001:db8::1"], &["fe80::1%eth0", "10.0.0.1", ":::"]),
            (TextRule::Ip, &["::1", "10.0.0.1"], &["host.example", ""]),
            (
                TextRule::Email,
                &["jane.doe@corp.example", "o'hara+x@a.example"],
                &["jdoe@localhost", "@corp.example", "a..b@corp.example", "a b@corp.example", "x"],
            ),
            (
                TextRule::Uri,
                &["https://acme.us.nexthink.cloud", "http://a.example/b?c=d#e"],
                &["acme.example", "ftp://a.example", "https://a b.example", "https:a", ""],
            ),
            (TextRule::OneOf(&["darwin"]), &["darwin"], &["Darwin", "macOS"]),
            (TextRule::Any, &["", "anything"], &[]),
        ];
        for (rule, legal, illegal) in rows {
            for text in *legal {
                assert!(rule.accepts(text), "{rule:?} {text:?}");
            }
            for text in *illegal {
                assert!(!rule.accepts(text), "{rule:?} {text:?}");
            }
        }
    }
}
