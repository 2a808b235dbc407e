//! Which addresses may be asked at all: http and https, on the public network.
//!
//! A shop's page can link or redirect to anything, so [`check_url`] looks at each address before it is asked, and
//! [`PublicResolver`] at each address that a name turns out to have. A store's file may allow loopback, for tests.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Why an address is not asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not http or https.
    #[error("{url}: the scheme is not http or https")]
    Scheme {
        /// The address.
        url: String,
    },
    /// It holds a user name or a password.
    #[error("{url}: the address holds a user name or a password")]
    Credentials {
        /// The address.
        url: String,
    },
    /// A port of another service than the web's.
    #[error("{url}: port {port} belongs to another service")]
    Port {
        /// The address.
        url: String,
        /// The port.
        port: u16,
    },
    /// It lies on this machine or in a private network.
    #[error("{host} {what}: loopback, private and reserved addresses are not asked")]
    Private {
        /// The host, as the address names it.
        host: String,
        /// What it is, in words that follow it.
        what: String,
    },
}

impl Refused {
    /// The cause in one word.
    pub fn cause(&self) -> &'static str {
        match self {
            Refused::Scheme { .. } => "scheme",
            Refused::Credentials { .. } => "credentials",
            Refused::Port { .. } => "port",
            Refused::Private { .. } => "private",
        }
    }
}

/// Ports that no browser asks by HTTP, since other services listen there (the Fetch standard's list).
const BLOCKED_PORTS: &[u16] = &[
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109,
    110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531,
    532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060,
    5061, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
];

/// Check what can be seen from the address alone; names are looked at when they are resolved.
pub fn check_url(url: &Url, allow_loopback: bool) -> Result<(), Refused> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Refused::Scheme { url: url.to_string() });
    }
    if !url.username().is_empty() || url.password().is_some() {
        let mut bare = url.clone();
        let _ = bare.set_username("");
        let _ = bare.set_password(None);
        return Err(Refused::Credentials { url: bare.to_string() });
    }
    if let Some(port) = url.port().filter(|port| BLOCKED_PORTS.contains(port)) {
        return Err(Refused::Port { url: url.to_string(), port });
    }
    let ip = match url.host() {
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
        Some(Host::Domain(name)) => {
            return match local_name(name) {
                Some(what) if !(allow_loopback && is_localhost(name)) => {
                    Err(Refused::Private { host: name.into(), what })
                }
                _ => Ok(()),
            };
        }
        None => return Err(Refused::Scheme { url: url.to_string() }),
    };
    if is_public(ip) || (allow_loopback && ip.is_loopback()) {
        Ok(())
    } else {
        Err(Refused::Private { host: ip.to_string(), what: format!("is {}", kind_of(ip)) })
    }
}

/// Whether the address itself names this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => is_localhost(name),
        None => false,
    }
}

/// `localhost` and what lies below it; the url crate has made it lower-case.
fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

/// Names that no public server answers to: names without a dot, and domains that are kept for local use or for none (RFC 6761,
/// 6762, 7686, 8375, 9476; ICANN's `internal`). Whatever they resolve to lies on somebody's own network. Says which of these it is.
fn local_name(name: &str) -> Option<String> {
    const LOCAL: [&str; 14] = [
        "localhost",
        "localdomain",
        "localdomain6",
        "local",
        "internal",
        "intranet",
        "lan",
        "home",
        "corp",
        "private",
        "onion",
        "alt",
        "home.arpa",
        "invalid",
    ];
    let name = name.trim_end_matches('.');
    let is_below = |domain: &str| name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    match LOCAL.iter().find(|domain| is_below(domain)) {
        Some(domain) => Some(format!("is reserved, as all names in `{domain}` are")),
        None if !name.contains('.') => Some("has no dot, so that it is a name in a local network".into()),
        None => None,
    }
}

/// What an address is that [`is_public`] does not take.
fn kind_of(ip: IpAddr) -> &'static str {
    match ip {
        ip if ip.is_loopback() => "a loopback address",
        IpAddr::V4(ip) if ip.is_private() => "a private address",
        IpAddr::V6(ip) if ip.is_unique_local() => "a private address",
        _ => "a reserved address",
    }
}

/// What is wrong with what a name resolves to.
fn resolved_to(found: Option<IpAddr>) -> String {
    found.map_or("resolves to nothing".into(), |ip| format!("resolves to {ip}, {}", kind_of(ip)))
}

/// Whether an address is one of the public network, by IANA's registers of special purposes.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let reserved = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_broadcast()
        || ip.is_documentation()
        || a == 0
        || (a == 100 && (64..128).contains(&b)) // shared by carriers
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99) // 6to4 relays
        || [a, b, c, ip.octets()[3]] == [168, 63, 129, 16] // a cloud's own services
        || (a == 198 && (18..20).contains(&b)) // benchmarks
        || a >= 224; // multicast and the future
    !reserved
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let s = ip.segments();
    // An IPv4 address in IPv6's clothes is judged as what it is.
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        [0, 0, 0, 0, 0, 0xffff, high, low] => embedded(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        // ISATAP carries the IPv4 address at its end.
        [.., 0 | 0x200, 0x5efe, high, low] if !embedded(high, low) => false,
        // 6to4, whose relays are gone (RFC 7526): where such an address leads is the local network's choice.
        [0x2002, ..] => false,
        // Teredo, benchmarks, ORCHID, and others of 2001::/23; then documentation.
        [0x2001, b, ..] if b < 0x200 => false,
        [0x2001, 0xdb8, ..] => false,
        [0x3fff, b, ..] if b < 0x1000 => false,
        // The 6bone that was.
        [0x3ffe, ..] => false,
        // Of all the rest, only 2000::/3 is given out.
        [a, ..] => a & 0xe000 == 0x2000,
    }
}

/// Whether an address may be asked whose name resolves to these addresses: every one of them must be public, since any of them
/// may be the one that is connected to.
///
/// # Errors
/// As [`check_url`]; [`Refused::Private`] also for a name that resolves to nothing.
pub fn check_resolved(url: &Url, addresses: &[IpAddr]) -> Result<(), Refused> {
    check_url(url, false)?;
    let host = url.host_str().unwrap_or_default();
    let is_name = matches!(url.host(), Some(Host::Domain(_)));
    let unfit = addresses.iter().copied().find(|ip| !is_public(*ip));
    if (is_name && addresses.is_empty()) || unfit.is_some() {
        return Err(Refused::Private { host: host.into(), what: resolved_to(unfit) });
    }
    Ok(())
}

/// Resolves names by the system, and refuses a name with an address among its own that [`is_public`] does not take.
#[derive(Clone, Copy, Debug)]
pub struct PublicResolver {
    /// Whether loopback may stay.
    pub allow_loopback: bool,
}

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_loopback = self.allow_loopback;
        Box::pin(async move {
            let host = name.as_str().to_string();
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let found: Vec<_> = found.collect();
            let is_fit = |ip: IpAddr| is_public(ip) || (allow_loopback && ip.is_loopback());
            // One private address among public ones is how a name is bent to another network.
            let unfit = found.iter().map(|a| a.ip()).find(|ip| !is_fit(*ip));
            if found.is_empty() || unfit.is_some() {
                return Err(Refused::Private { host, what: resolved_to(unfit) }.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_which_name_or_address_and_what_it_is() {
        let said = |url: &str| check_url(&url.parse().unwrap(), false).unwrap_err().to_string();
        let why = "loopback, private and reserved addresses are not asked";
        for (url, what) in [
            ("https://example.invalid/", "example.invalid is reserved, as all names in `invalid` are"),
            ("https://shop/", "shop has no dot, so that it is a name in a local network"),
            ("http://127.0.0.1/", "127.0.0.1 is a loopback address"),
            ("http://10.1.2.3/", "10.1.2.3 is a private address"),
            ("http://[fd00::1]/", "fd00::1 is a private address"),
            ("http://192.0.2.1/", "192.0.2.1 is a reserved address"),
        ] {
            assert_eq!(said(url), format!("{what}: {why}"));
        }
        let shop = "https://shop.example/".parse().unwrap();
        let bent = check_resolved(&shop, &["192.168.0.1".parse().unwrap()]).unwrap_err().to_string();
        assert_eq!(bent, format!("shop.example resolves to 192.168.0.1, a private address: {why}"));
        assert!(check_resolved(&shop, &[]).unwrap_err().to_string().contains("resolves to nothing"));
    }

    fn check(url: &str) -> bool {
        check_url(&url.parse().unwrap(), false).is_ok()
    }

    #[test]
    fn private_addresses_are_refused_in_every_writing() {
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1:8471/",
            "http://localhost/",
            "http://a.localhost./",
            "http://10.1.2.3/",
            "http://172.31.0.1/",
            "http://192.168.0.1/",
            "http://169.254.169.254/latest/meta-data",
            "http://100.64.0.1/",
            "http://0.0.0.0/",
            "http://198.18.0.1/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
            "http://[::1]/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[64:ff9b::10.0.0.1]/",
            "http://[2002:7f00:1::]/",
            "http://[fe80::1]/",
            "http://[fd00::1]/",
            "http://[2001:db8::1]/",
            "http://[ff02::1]/",
            "ftp://shop.example/",
            "file:///etc/passwd",
            "http://me:secret@shop.example/",
        ] {
            assert!(!check(url), "{url}");
        }
        for url in ["http://93.184.216.34/", "https://shop.example/a", "http://[2606:4700::1]/", "http://172.32.0.1/"] {
            assert!(check(url), "{url}");
        }
    }

    #[test]
    fn names_of_local_networks_and_ports_of_other_services_are_refused() {
        for url in [
            "http://intranet/",
            "http://metadata.google.internal/computeMetadata/v1/",
            "http://printer.local./",
            "http://router.home.arpa/",
            "http://\u{ff11}\u{ff12}\u{ff17}.0.0.1/",
            "http://\u{24db}ocalhost/",
            "http://[::127.0.0.1]/",
            "http://[64:ff9b:1::a00:1]/",
            "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
            "http://[2606:4700::200:5efe:10.0.0.1]/",
            "http://shop.example:22/",
            "http://shop.example:6379/",
            "http://168.63.129.16/",
        ] {
            assert!(!check(url), "{url}");
        }
        assert!(check("https://shop.example:8443/") && check("http://localhost.shop.example/"));
    }

    #[test]
    fn one_private_address_among_public_ones_is_enough() {
        let url = "https://shop.example/".parse().unwrap();
        let resolved = |all: &[&str]| {
            let addresses: Vec<IpAddr> = all.iter().map(|a| a.parse().unwrap()).collect();
            check_resolved(&url, &addresses).is_ok()
        };
        assert!(resolved(&["93.184.216.34", "2606:4700::1"]));
        assert!(!resolved(&["93.184.216.34", "10.0.0.1"]));
        assert!(!resolved(&[]));
    }

    proptest::proptest! {
        #[test]
        fn no_address_makes_it_panic(url in "(http://)?.{0,40}", segments: [u16; 8]) {
            if let Ok(url) = url.parse() {
                let _ = check_resolved(&url, &[IpAddr::V6(segments.into())]);
            }
        }
    }

    #[test]
    fn a_store_may_allow_loopback_and_no_more() {
        let allowed = |url: &str| check_url(&url.parse().unwrap(), true).is_ok();
        assert!(allowed("http://127.0.0.1:8471/") && allowed("http://[::1]/") && allowed("http://localhost/"));
        assert!(!allowed("http://10.0.0.1/") && !allowed("http://169.254.169.254/"));
    }

    #[test]
    fn a_refusal_does_not_repeat_the_password() {
        let refused = check_url(&"http://me:secret@shop.example/".parse().unwrap(), false).unwrap_err();
        assert!(!refused.to_string().contains("secret"), "{refused}");
    }

    #[tokio::test]
    async fn a_name_that_means_this_machine_is_refused_when_it_is_resolved() {
        let resolve = |allow_loopback| PublicResolver { allow_loopback }.resolve("localhost".parse().unwrap());
        assert!(resolve(false).await.is_err());
        assert!(resolve(true).await.is_ok());
    }
}
