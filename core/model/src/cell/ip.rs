//! IP addresses.

use std::net::{IpAddr, SocketAddrV4};

/// Returns the addresses of a cell, in its order; `None` for an item that is not an address. White
/// space, commas and semicolons, which an address never contains, separate items.
///
/// An IPv4 address mapped into IPv6 counts as IPv4. A prefix length, a zone and a port are cut off:
/// `10.0.0.5/24`, `fe80::1%eth0`, `[2001:db8::1]:443`.
pub fn ip_addresses(cell: &str) -> impl Iterator<Item = Option<IpAddr>> {
    let separates =
        |character: char| character.is_whitespace() || matches!(character, ',' | ';' | '\'' | '"');
    let items = cell.split(separates).filter(|item| !item.trim_matches(['[', ']']).is_empty());
    items.map(read)
}

fn read(item: &str) -> Option<IpAddr> {
    let item = item.strip_prefix('[').unwrap_or(item);
    let item = match item.split_once(']') {
        // The second bracket ends the list, if the address is its last item.
        Some((address, "" | "]")) => address,
        Some((address, rest)) => {
            rest.trim_end_matches(']').strip_prefix(':')?.parse::<u16>().ok()?;
            address.trim_start_matches('[')
        }
        None => item.trim_start_matches('['),
    };
    let (address, prefix) = match item.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
        None => (item, None),
    };
    let address = address.split_once('%').map_or(address, |(address, _)| address);
    let address = match address.parse::<SocketAddrV4>() {
        Ok(with_port) => IpAddr::V4(*with_port.ip()),
        Err(_) => address.parse::<IpAddr>().ok()?,
    };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    prefix.is_none_or(|prefix| prefix <= longest).then(|| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g23_an_address_is_read_with_whatever_is_certain_to_be_beside_it() {
        let table = [
            ("10.0.0.5", Some("10.0.0.5")),
            ("10.0.0.5/24", Some("10.0.0.5")),
            ("10.0.0.5:443", Some("10.0.0.5")),
            ("::ffff:10.0.0.5", Some("10.0.0.5")),
            ("fe80::1%eth0", Some("fe80::1")),
            ("fe80::1%eth0/64", Some("fe80::1")),
            ("2001:db8::1/64", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("10.0.0.5/33", None),
            ("10.0.0.5/", None),
            ("10.0.0.5/x", None),
            ("10.0.0.5:99999", None),
            ("[2001:db8::1]x", None),
            ("10.0.0.256", None),
            ("010.0.0.5", None),
            ("10.0.0.5|10.0.0.6", None),
            ("10.0.0.5-10.0.0.9", None),
            ("laptop", None),
        ];
        for (cell, expected) in table {
            let expected =
                vec![expected.map(|expected| expected.parse::<IpAddr>().expect("an address"))];
            assert_eq!(ip_addresses(cell).collect::<Vec<_>>(), expected, "{cell}");
        }
    }

    #[test]
    fn a_list_of_addresses_is_read_however_it_is_written() {
        let both = ["10.0.0.5", "fe80::1"].map(|address| address.parse::<IpAddr>().ok());
        for cell in [
            "10.0.0.5 fe80::1",
            "10.0.0.5,fe80::1",
            "10.0.0.5; fe80::1",
            "['10.0.0.5', 'fe80::1']",
            "[\"10.0.0.5\",\"fe80::1\"]",
            "[10.0.0.5, fe80::1]",
            "[10.0.0.5, [fe80::1]]",
            "[ 10.0.0.5:80, [fe80::1]:80 ]",
        ] {
            assert_eq!(ip_addresses(cell).collect::<Vec<_>>(), both, "{cell}");
        }
        assert_eq!(ip_addresses("[]").count() + ip_addresses(" , ").count(), 0);
    }
}
