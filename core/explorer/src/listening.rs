//! Where a server listens, and the names under which browsers reach it.

use std::net::{IpAddr, SocketAddr};

/// An address that a server listens on, and the proxy in front of it, if any.
#[derive(Debug, Clone, Copy)]
pub struct Listening<'a> {
    /// The address.
    pub address: SocketAddr,
    /// True if the server uses TLS itself.
    pub has_tls: bool,
    /// True if only a reverse proxy can reach it, which adds TLS.
    pub has_proxy: bool,
    /// True if the proxy names the users in a header.
    pub has_user_header: bool,
    /// The names under which browsers reach it besides those of this machine, each with a port or without.
    pub allowed_hosts: &'a [String],
}

/// A reason why others must not reach a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exposure {
    /// Anyone on the network path could read the traffic.
    Unencrypted,
    /// Anyone who reaches it could claim any user name.
    Impersonation,
    /// A page of another site could reach it under its own host name.
    NoName,
}

impl Exposure {
    /// Says why a server does not listen on an address, and what to do.
    fn refusal(self, address: SocketAddr) -> String {
        match self {
            Self::Unencrypted => format!(
                "{address} can be reached from other machines: give --tls-cert and --tls-key, or --proxy-address with \
                 the reverse proxy that adds TLS, or listen on a loopback address such as 127.0.0.1:8490"
            ),
            Self::Impersonation => format!(
                "whoever reaches {address} could set the header of --user-header: name the reverse proxy with \
                 --proxy-address"
            ),
            Self::NoName => format!(
                "browsers reach {address} under a name: give it with --allow-host, such as --allow-host \
                 graph.acme.example"
            ),
        }
    }
}

impl Listening<'_> {
    /// Checks that others may reach the server as it is, or cannot.
    ///
    /// # Errors
    /// The reason why they must not, and what to do.
    pub fn check(&self) -> Result<(), String> {
        self.exposure().map_or(Ok(()), |exposure| Err(exposure.refusal(self.address)))
    }

    /// Returns why others must not reach the server as it is; nothing if they may, or cannot.
    fn exposure(&self) -> Option<Exposure> {
        if self.address.ip().is_loopback() {
            None
        } else if !self.has_tls && !self.has_proxy {
            Some(Exposure::Unencrypted)
        } else if self.has_user_header && !self.has_proxy {
            Some(Exposure::Impersonation)
        } else if self.allowed_hosts.is_empty() {
            Some(Exposure::NoName)
        } else {
            None
        }
    }

    /// Returns true if browsers reach it over TLS only. A proxy on another machine adds it.
    pub fn is_secure(&self) -> bool {
        self.has_tls || !self.address.ip().is_loopback()
    }

    /// Returns true if only this machine, or a proxy on it, reaches the server.
    pub fn is_local(&self) -> bool {
        self.address.ip().is_loopback()
    }

    /// Returns the beginning of the address that a browser opens.
    pub fn origin(&self) -> String {
        let scheme = if self.has_tls { "https" } else { "http" };
        let (address, port) = (self.address.ip(), self.address.port());
        match (self.allowed_hosts.first().filter(|_| !address.is_loopback()), address) {
            // A proxy has its own port and scheme.
            (Some(name), _) if self.has_proxy => format!("https://{name}"),
            (Some(name), _) if name.contains(':') => format!("{scheme}://{name}"),
            (Some(name), _) => format!("{scheme}://{name}:{port}"),
            (None, IpAddr::V6(_)) => format!("{scheme}://[::1]:{port}"),
            (None, IpAddr::V4(_)) => format!("{scheme}://127.0.0.1:{port}"),
        }
    }

    /// Returns the values of `Host` to answer: the names of this machine, and those that are allowed.
    pub fn hosts(&self) -> Vec<String> {
        let port = self.address.port();
        let names = ["127.0.0.1", "localhost", "[::1]"].map(str::to_owned);
        let own = match self.address.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let names = names.into_iter().chain([own]);
        let names = names.map(|name| format!("{name}:{port}"));
        // A browser leaves out the port of its scheme, and names every other.
        let allowed = self.allowed_hosts.iter().map(|name| name.to_ascii_lowercase());
        let allowed = allowed.flat_map(|name| {
            let with_port = (!name.contains(':')).then(|| format!("{name}:{port}"));
            [Some(name), with_port]
        });
        names.chain(allowed.flatten()).collect()
    }
}

/// Returns true if a value of `Host` is a name of the machine that the browser runs on.
pub(crate) fn is_loopback_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: &str = "127.0.0.1:8490";
    const ALL: &str = "0.0.0.0:8490";

    fn listening<'a>(address: &str, allowed_hosts: &'a [String]) -> Listening<'a> {
        let address = address.parse().expect("it is an address");
        Listening {
            address,
            has_tls: false,
            has_proxy: false,
            has_user_header: false,
            allowed_hosts,
        }
    }

    #[test]
    fn others_reach_a_server_only_encrypted_under_a_name_and_under_their_own_name() {
        let named = ["graph.acme.example".to_owned()];
        let table = [
            // Address, TLS, proxy, header, named.
            (LOCAL, false, false, false, false, None),
            ("[::1]:8490", false, false, true, false, None),
            (ALL, false, false, false, true, Some(Exposure::Unencrypted)),
            (ALL, true, false, true, true, Some(Exposure::Impersonation)),
            (ALL, true, false, false, false, Some(Exposure::NoName)),
            (ALL, true, false, false, true, None),
            (ALL, false, true, true, true, None),
            ("192.0.2.7:80", false, true, true, false, Some(Exposure::NoName)),
            ("[2001:db8::7]:80", false, false, false, true, Some(Exposure::Unencrypted)),
        ];
        for (address, has_tls, has_proxy, has_user_header, is_named, expected) in table {
            let allowed = if is_named { &named[..] } else { &[] };
            let listening =
                Listening { has_tls, has_proxy, has_user_header, ..listening(address, allowed) };
            assert_eq!(listening.exposure(), expected, "{listening:?}");
        }
    }

    #[test]
    fn the_printed_address_is_the_one_that_a_browser_can_open() {
        let [plain, with_port] =
            ["Graph.acme.example", "graph.acme.example:443"].map(|name| [name.to_owned()]);
        let table = [
            (LOCAL, false, false, &[][..], "http://127.0.0.1:8490"),
            (LOCAL, true, false, &plain[..], "https://127.0.0.1:8490"),
            ("[::1]:8490", false, false, &[], "http://[::1]:8490"),
            (ALL, true, false, &plain, "https://Graph.acme.example:8490"),
            (ALL, true, false, &with_port, "https://graph.acme.example:443"),
            (ALL, false, true, &plain, "https://Graph.acme.example"),
        ];
        for (address, has_tls, has_proxy, allowed, expected) in table {
            let listening = Listening { has_tls, has_proxy, ..listening(address, allowed) };
            assert_eq!(listening.origin(), expected, "{listening:?}");
        }
    }

    #[test]
    fn a_server_answers_to_the_names_of_its_machine_and_to_those_that_are_allowed() {
        let allowed = ["Graph.acme.example".to_owned(), "other.example:444".to_owned()];
        let expected = [
            "127.0.0.1:8490",
            "localhost:8490",
            "[::1]:8490",
            "0.0.0.0:8490",
            "graph.acme.example",
            "graph.acme.example:8490",
            "other.example:444",
        ];
        assert_eq!(listening(ALL, &allowed).hosts(), expected);
    }

    #[test]
    fn a_loopback_name_is_known_with_a_port_and_without() {
        for name in
            ["127.0.0.1:8490", "127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:8490", "[::1]"]
        {
            assert!(is_loopback_name(name), "{name}");
        }
        for name in
            ["graph.acme.example", "192.0.2.7:80", "[2001:db8::7]:80", "localhost.example", ""]
        {
            assert!(!is_loopback_name(name), "{name}");
        }
    }

    #[test]
    fn cookies_are_for_tls_alone_wherever_others_are() {
        let tls = |address, has_tls| Listening { has_tls, ..listening(address, &[]) }.is_secure();
        assert_eq!([tls(LOCAL, false), tls(LOCAL, true), tls(ALL, false)], [false, true, true]);
    }
}
