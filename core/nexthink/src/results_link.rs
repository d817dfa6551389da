//! The link to a results file, and the one rule that says which links are followed.
//!
//! The link comes out of an answer, so it is checked as hostile input; and it is signed, so who has
//! it has the data: it is never shown.

use std::fmt;

use url::{Host, Position, Url};
use zeroize::Zeroizing;

use crate::escape::escaped;

/// A checked link to a results file. It is secret: only its host can be seen.
#[derive(Clone, PartialEq, Eq)]
pub struct ResultsLink {
    text: Zeroizing<String>,
    host: String,
}

impl ResultsLink {
    /// The host that the file comes from.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The link itself, byte for byte as Nexthink sent it.
    pub(crate) fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for ResultsLink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ResultsLink").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Where results files may come from.
#[derive(Debug, Clone)]
pub(crate) enum FileHosts {
    /// Amazon S3 and Nexthink's own hosts, over HTTPS.
    Nexthink,
    /// Exactly the scheme, host and port of this URL, where the configuration overrides it.
    Only(Url),
}

/// The rule that a results link breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkRefusal {
    /// It is not a URL at all, or not one in its plainest spelling.
    Malformed,
    /// It is not https.
    NotHttps,
    /// It carries a user name or a password.
    UserInformation,
    /// It has a fragment.
    Fragment,
    /// It names a port other than 443.
    Port,
    /// Its host is an IP address.
    IpAddress,
    /// Its host has an address in a private or special range.
    PrivateAddress,
    /// Its host is not one of the hosts of results files.
    Host(String),
}

impl fmt::Display for LinkRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::Malformed => "it is not a plainly written URL",
            Self::NotHttps => "it is not https",
            Self::UserInformation => "it carries a user name or a password",
            Self::Fragment => "it has a fragment",
            Self::Port => "it names a port other than 443",
            Self::IpAddress => "its host is an IP address",
            Self::PrivateAddress => "its host has an address that is not public",
            Self::Host(host) => {
                return write!(
                    formatter,
                    "its host {host} is not one that results files come from (Amazon S3 or \
                     nexthink.cloud, or the files base URL if endpoints are overridden)"
                );
            }
        };
        formatter.write_str(words)
    }
}

/// Checks a link by the rule for `hosts`.
///
/// It is stricter than a browser: everything that a URL parser would repair (backslashes, tabs, dot
/// segments, unencoded characters) is refused, so that every parser sees the same host, and the
/// signed bytes are the sent bytes.
pub(crate) fn check_results_link(
    text: &str,
    hosts: &FileHosts,
) -> Result<ResultsLink, LinkRefusal> {
    let (scheme, rest) = text.split_once("://").ok_or(LinkRefusal::Malformed)?;
    let allowed_scheme = match hosts {
        FileHosts::Nexthink => "https",
        FileHosts::Only(origin) => origin.scheme(),
    };
    if scheme != allowed_scheme {
        return Err(LinkRefusal::NotHttps);
    }
    let (authority, path) = rest.split_at(rest.find('/').ok_or(LinkRefusal::Malformed)?);
    if authority.contains('@') {
        return Err(LinkRefusal::UserInformation);
    }
    if path.contains('#') {
        return Err(LinkRefusal::Fragment);
    }
    if !authority.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b)) {
        return Err(LinkRefusal::Malformed);
    }
    let url = Url::parse(text).map_err(|_| LinkRefusal::Malformed)?;
    if &url[Position::BeforePath..] != path {
        return Err(LinkRefusal::Malformed);
    }
    let host = url.host_str().ok_or(LinkRefusal::Malformed)?.to_owned();
    match hosts {
        FileHosts::Nexthink => check_host(&url)?,
        FileHosts::Only(origin) if url.origin() != origin.origin() => {
            return Err(LinkRefusal::Host(escaped(&host, 80)));
        }
        FileHosts::Only(_) => {}
    }
    Ok(ResultsLink { text: Zeroizing::new(text.to_owned()), host })
}

/// Checks port and host against those that Nexthink's results files come from.
fn check_host(url: &Url) -> Result<(), LinkRefusal> {
    if url.port().is_some() {
        return Err(LinkRefusal::Port);
    }
    let Some(Host::Domain(host)) = url.host() else {
        return Err(LinkRefusal::IpAddress);
    };
    let labels: Vec<&str> = host.split('.').collect();
    let plain = labels.iter().all(|label| {
        !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.len() <= 63
    });
    let known = match labels.as_slice() {
        // Endpoints of a region, also those of IPv6 and of FIPS 140.
        [.., "s3" | "s3-fips", region, "amazonaws", "com"]
        | [.., "s3" | "s3-fips", "dualstack", region, "amazonaws", "com"] => is_aws_region(region),
        [_, .., "s3" | "s3-accelerate", "amazonaws", "com"]
        | [_, .., "s3-accelerate", "dualstack", "amazonaws", "com"]
        | [_, .., "nexthink", "cloud"] => true,
        _ => false,
    };
    if plain && known { Ok(()) } else { Err(LinkRefusal::Host(escaped(host, 80))) }
}

/// Returns whether `label` has the shape of an AWS region: `eu-central-1`, `us-gov-west-1`.
fn is_aws_region(label: &str) -> bool {
    let parts: Vec<&str> = label.split('-').collect();
    let [area, places @ .., number] = parts.as_slice() else {
        return false;
    };
    area.len() == 2
        && (1..=2).contains(&places.len())
        && places.iter().all(|place| !place.is_empty())
        && [*area].iter().chain(places).all(|part| part.bytes().all(|b| b.is_ascii_lowercase()))
        && (1..=2).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e3_e19_links_to_the_hosts_of_nexthink_are_taken_byte_for_byte() {
        for link in [
            "https://bucket.s3.eu-central-1.amazonaws.com/a/b.csv.zst?X-Amz-Signature=0a",
            "https://buck.et.s3.us-gov-west-1.amazonaws.com/a?x=1",
            "https://s3.us-east-1.amazonaws.com/bucket/a?x=1",
            "https://bucket.s3.amazonaws.com/a?x=1",
            "https://bucket.s3.dualstack.eu-central-1.amazonaws.com/a?x=1",
            "https://s3.dualstack.eu-central-1.amazonaws.com/bucket/a?x=1",
            "https://bucket.s3-fips.us-gov-west-1.amazonaws.com/a?x=1",
            "https://bucket.s3-fips.dualstack.us-east-1.amazonaws.com/a?x=1",
            "https://bucket.s3-accelerate.amazonaws.com/a?x=1",
            "https://bucket.s3-accelerate.dualstack.amazonaws.com/a?x=1",
            "https://files.nexthink.cloud/a?x=1",
            "https://acme.files.eu.nexthink.cloud/a",
            "https://bucket.s3.eu-west-1.amazonaws.com:443/a?x=1",
            "https://bucket.s3.eu-west-1.amazonaws.com/a%2Fb~c+d?e=%2F%2f+~&f=%7E*&&=",
        ] {
            let checked = check_results_link(link, &FileHosts::Nexthink).expect(link);
            assert_eq!(checked.expose(), link);
        }
    }

    #[test]
    fn e18_links_that_are_not_plain_https_are_refused() {
        use LinkRefusal::{Fragment, IpAddress, Malformed, NotHttps, Port, UserInformation};
        let rows = [
            ("", Malformed),
            ("not a link", Malformed),
            ("//bucket.s3.amazonaws.com/a", Malformed),
            ("https:bucket.s3.amazonaws.com/a", Malformed),
            ("https:/bucket.s3.amazonaws.com/a", Malformed),
            ("https:\\\\bucket.s3.amazonaws.com\\a", Malformed),
            ("https://bucket.s3.amazonaws.com", Malformed),
            ("https:///bucket.s3.amazonaws.com/a", Malformed),
            ("http://bucket.s3.amazonaws.com/a", NotHttps),
            ("HTTPS://bucket.s3.amazonaws.com/a", NotHttps),
            (" https://bucket.s3.amazonaws.com/a", NotHttps),
            ("ftp://bucket.s3.amazonaws.com/a", NotHttps),
            ("file:///etc/passwd", NotHttps),
            ("gopher://127.0.0.1:25/a", NotHttps),
            ("https://user@bucket.s3.amazonaws.com/a", UserInformation),
            ("https://user:pass@bucket.s3.amazonaws.com/a", UserInformation),
            ("https://bucket.s3.amazonaws.com@evil.example/a", UserInformation),
            ("https://evil.example\\@bucket.s3.amazonaws.com/a", UserInformation),
            ("https://bucket.s3.amazonaws.com/a#b", Fragment),
            ("https://evil.example#.s3.amazonaws.com/a", Malformed),
            ("https://evil.example?.s3.amazonaws.com/a", Malformed),
            ("https://evil.example\\.s3.amazonaws.com/a", Malformed),
            ("https://evil.example%2f.s3.amazonaws.com/a", Malformed),
            ("https://bucket.s3.amazonaws%2ecom/a", Malformed),
            ("https://bücket.s3.amazonaws.com/a", Malformed),
            ("https://bucket.s3.amazonaws。com/a", Malformed),
            ("https://ｂucket.s3.amazonaws.com/a", Malformed),
            ("https://buck\tet.s3.amazonaws.com/a", Malformed),
            ("https://bucket.s3.amazonaws.com /a", Malformed),
            ("https://bucket_1.s3.amazonaws.com/a", Malformed),
            ("https://bucket.s3.amazonaws.com/a\tb", Malformed),
            ("https://bucket.s3.amazonaws.com/a\nb", Malformed),
            ("https://bucket.s3.amazonaws.com/a b", Malformed),
            ("https://bucket.s3.amazonaws.com/a/../b", Malformed),
            ("https://bucket.s3.amazonaws.com/a/%2e%2e/b", Malformed),
            ("https://bucket.s3.amazonaws.com/a\\b", Malformed),
            ("https://bucket.s3.amazonaws.com/a?x=ü", Malformed),
            ("https://bucket.s3.amazonaws.com:99999/a", Malformed),
            ("https://bucket.s3.amazonaws.com:22/a", Port),
            ("https://bucket.s3.amazonaws.com:80/a", Port),
            ("https://bucket.s3.amazonaws.com:8443/a", Port),
            ("https://127.0.0.1/a", IpAddress),
            ("https://169.254.169.254/latest/meta-data", IpAddress),
            ("https://2130706433/a", IpAddress),
            ("https://0x7f.1/a", IpAddress),
            ("https://0177.0.0.1/a", IpAddress),
            ("https://[::1]/a", IpAddress),
            ("https://[::ffff:127.0.0.1]/a", IpAddress),
        ];
        for (link, expected) in rows {
            let refusal = check_results_link(link, &FileHosts::Nexthink).expect_err(link);
            assert_eq!(refusal, expected, "{link:?}");
        }
    }

    #[test]
    fn e18_e19_hosts_are_compared_label_by_label() {
        for host in [
            "localhost",
            "evil.example",
            "s3.amazonaws.com",
            "nexthink.cloud",
            "evilnexthink.cloud",
            "a.nexthink.cloud.evil.example",
            "a.nexthink.cloud.",
            ".nexthink.cloud",
            "a..nexthink.cloud",
            "bucket.s3.amazonaws.com.evil.example",
            "bucket-s3.amazonaws.com",
            "bucket.s3-evil.amazonaws.com",
            "bucket.s3-website.eu-central-1.amazonaws.com",
            "bucket.s3.dualstack.amazonaws.com",
            "bucket.s3.dualstack.evil.amazonaws.com",
            "bucket.dualstack.eu-central-1.amazonaws.com",
            "s3-accelerate.amazonaws.com",
            "bucket.s3-fips.amazonaws.com",
            "bucket.s3-eu-west-1.amazonaws.com",
            "bucket.s3.cn-north-1.amazonaws.com.cn",
            "bucket.ec2.amazonaws.com",
            "bucket.s3.evil.amazonaws.com",
            "bucket.s3.eu-1.amazonaws.com",
            "bucket.s3.eu-central-1.amazonaws.org",
            "xamazonaws.com",
        ] {
            let link = format!("https://{host}/a");
            let refusal = check_results_link(&link, &FileHosts::Nexthink).expect_err(host);
            assert_eq!(refusal, LinkRefusal::Host(host.to_owned()));
        }
    }

    #[test]
    fn an_overridden_files_host_is_the_only_one() {
        let origin = Url::parse("http://127.0.0.1:9000/files").expect("a URL");
        let hosts = FileHosts::Only(origin);
        for (link, accepted) in [
            ("http://127.0.0.1:9000/any/path?sig=1", true),
            ("http://127.0.0.1:9001/any/path?sig=1", false),
            ("http://127.0.0.1/any/path", false),
            ("https://127.0.0.1:9000/any/path", false),
            ("http://localhost:9000/any/path", false),
            ("http://user@127.0.0.1:9000/any/path", false),
            ("http://127.0.0.1:9000/any#path", false),
            ("https://bucket.s3.amazonaws.com/a", false),
        ] {
            assert_eq!(check_results_link(link, &hosts).is_ok(), accepted, "{link}");
        }
    }

    #[test]
    fn a_link_shows_its_host_only() {
        let link = "https://bucket.s3.amazonaws.com/path?X-Amz-Signature=c0ffee";
        let checked = check_results_link(link, &FileHosts::Nexthink).expect("an allowed link");
        let shown = format!("{checked:?}");
        assert!(shown.contains("bucket.s3.amazonaws.com"), "{shown}");
        assert!(!shown.contains("path") && !shown.contains("c0ffee"), "{shown}");
    }
}
