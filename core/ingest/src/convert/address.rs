//! IP addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use core_model::cell::ip_addresses;

/// The kind of addresses to take from a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addresses {
    /// IPv4 addresses.
    V4,
    /// IPv6 addresses.
    V6,
    /// Addresses that are not routed on the internet.
    Private,
    /// Addresses that are routed on the internet.
    Public,
}

/// Returns the wanted addresses of a cell, each once and in its order, and true if the cell also
/// holds something that is no address.
pub fn addresses(cell: &str, wanted: Addresses) -> (Vec<IpAddr>, bool) {
    let (mut found, mut is_unreadable) = (Vec::new(), false);
    for item in ip_addresses(cell) {
        match item {
            Some(address) if wanted.includes(address) && !found.contains(&address) => {
                found.push(address);
            }
            Some(_) => {}
            None => is_unreadable = true,
        }
    }
    (found, is_unreadable)
}

impl Addresses {
    fn includes(self, address: IpAddr) -> bool {
        match self {
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
            Self::Private => is_private(address),
            Self::Public => !is_private(address),
        }
    }
}

/// Returns true for an address that the internet does not route: private, shared (RFC 6598),
/// loopback, link-local, unique local, unspecified, multicast, reserved, or for documentation or
/// tests.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => is_private_v6(address),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || first == 0
        || first >= 240
        || (first == 100 && (64..128).contains(&second))
        || (first == 198 && matches!(second, 18 | 19))
        || [first, second, third] == [192, 0, 0]
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let is_documentation = address.segments()[..2] == [0x2001, 0xdb8];
    address.is_loopback()
        || address.is_unspecified()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || address.is_multicast()
        || is_documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(cell: &str, wanted: Addresses) -> Vec<String> {
        addresses(cell, wanted).0.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn addresses_are_classified_by_version_and_reachability() {
        let cell = "10.0.0.5, ::ffff:10.0.0.5, 8.8.8.8, fe80::1%eth0, 2a00:1450::1, 10.0.0.256, x";
        assert_eq!(texts(cell, Addresses::V4), ["10.0.0.5", "8.8.8.8"]);
        assert_eq!(texts(cell, Addresses::V6), ["fe80::1", "2a00:1450::1"]);
        assert_eq!(texts(cell, Addresses::Private), ["10.0.0.5", "fe80::1"]);
        assert_eq!(texts(cell, Addresses::Public), ["8.8.8.8", "2a00:1450::1"]);
    }

    #[test]
    fn a_text_that_is_no_address_differs_from_an_unwanted_address() {
        for (cell, expected) in [
            ("10.0.0.5/24", false),
            ("10.0.0.5, fe80::1", false),
            ("10.0.0.5|10.0.0.6", true),
            ("", false),
        ] {
            assert_eq!(addresses(cell, Addresses::Public), (Vec::new(), expected), "{cell}");
        }
        assert_eq!(texts("8.8.8.8, laptop", Addresses::Public), ["8.8.8.8"]);
    }

    #[test]
    fn addresses_that_the_internet_does_not_route_are_private() {
        for cell in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.31.0.1",
            "192.168.1.1",
            "192.0.0.8",
            "198.19.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "203.0.113.9",
            "::",
            "::1",
            "fd00::1",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
        ] {
            assert_eq!(texts(cell, Addresses::Public), [""; 0], "{cell}");
        }
        for cell in ["9.9.9.9", "100.128.0.1", "172.32.0.1", "2606:4700::1111"] {
            assert_eq!(texts(cell, Addresses::Private), [""; 0], "{cell}");
        }
    }
}
