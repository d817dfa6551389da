//! Keeps a results link from leading into the private network: its host must have only public
//! addresses, and exactly those that were checked are connected to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Resolves names to public addresses only.
///
/// It is the resolver of the download client, so there is no second look-up that could answer
/// differently.
pub(crate) struct PublicAddresses {
    /// The host of the proxy, which was configured, so it may be in the private network.
    pub(crate) proxy: Option<String>,
}

/// The refusal of a name that has an address in a private or special range.
#[derive(Debug)]
pub(crate) struct NotPublic;

impl fmt::Display for NotPublic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the host has an address that is not public")
    }
}

impl std::error::Error for NotPublic {}

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        let is_proxy = self.proxy.as_deref() == Some(name.as_str());
        Box::pin(async move {
            // Port 0 is replaced by the one of the URL.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses: Vec<SocketAddr> = found.collect();
            if is_proxy || addresses.iter().all(|address| is_public(address.ip())) {
                return Ok(Box::new(addresses.into_iter()) as Addrs);
            }
            Err(NotPublic.into())
        })
    }
}

/// Returns whether an address can be one of a public server (IANA special-purpose address registries).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let shared = first == 100 && (64..128).contains(&second);
    let benchmarking = first == 198 && (18..20).contains(&second);
    let protocol_assignments = first == 192 && second == 0 && third == 0;
    let special = first == 0 || first >= 224 || shared || benchmarking || protocol_assignments;
    !(special
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    // Only 2000::/3 is given out; NAT64 carries an IPv4 address in its last 32 bits.
    let segments = address.segments();
    if segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    let documentation = segments[0] == 0x2001 && segments[1] == 0x0db8;
    let tunnels = segments[0] == 0x2002 || (segments[0] == 0x2001 && segments[1] == 0);
    segments[0] & 0xe000 == 0x2000 && !documentation && !tunnels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn c2_only_the_proxy_may_have_a_private_address() {
        for (proxy, allowed) in [(Some("localhost"), true), (Some("proxy.example"), false)] {
            let resolver = PublicAddresses { proxy: proxy.map(str::to_owned) };
            let found = resolver.resolve("localhost".parse().expect("a name")).await;
            assert_eq!(found.is_ok(), allowed, "{proxy:?}");
        }
    }

    #[test]
    fn c2_only_public_addresses_are_public() {
        for (address, expected) in [
            ("52.219.170.1", true),
            ("8.8.8.8", true),
            ("100.63.255.255", true),
            ("100.128.0.1", true),
            ("172.32.0.1", true),
            ("0.0.0.0", false),
            ("10.1.2.3", false),
            ("100.64.0.1", false),
            ("127.0.0.1", false),
            ("169.254.169.254", false),
            ("172.16.0.1", false),
            ("192.0.0.8", false),
            ("192.0.2.1", false),
            ("192.168.1.1", false),
            ("198.18.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("2600:1f18::1", true),
            ("64:ff9b::808:808", true),
            ("64:ff9b::a00:1", false),
            ("::", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:8.8.8.8", true),
            ("fe80::1", false),
            ("fd00:ec2::254", false),
            ("ff02::1", false),
            ("2001:db8::1", false),
            ("2002:7f00:1::", false),
            ("2001:0:1::1", false),
        ] {
            let parsed: IpAddr = address.parse().expect("an address");
            assert_eq!(is_public(parsed), expected, "{address}");
        }
    }
}
