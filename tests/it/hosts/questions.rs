//! Lists of questions about hosts for the probe `ask`; each combines all values of its arguments.

use crate::support::ask::word;

/// Addresses of hosts in the tests' files, and some that are in none.
const ADDRESSES: [&str; 11] = [
    "127.0.0.11",
    "127.0.0.13",
    "127.0.0.15",
    "127.0.0.99",
    "fd00::12",
    "fd00::99",
    "127.0.0.1",
    "127.0.0.16",
    "::ffff:127.0.0.16",
    "::ffff:127.0.0.11",
    "10.0.0.1",
];

/// The number of no address family.
const NO_FAMILY: &str = "77";

/// Questions to every function that takes a name, for these names, and to every one that takes an address.
pub(super) fn by_key(names: &[&str]) -> Vec<String> {
    let mut questions = Vec::new();
    for name in names.iter().map(|name| word(name)) {
        questions.push(format!("gethostbyname_r {name}"));
        questions.push(format!("gethostbyname {name}"));
        for family in ["inet", "inet6", NO_FAMILY] {
            questions.push(format!("gethostbyname2_r {name} {family}"));
            questions.push(format!("gethostbyname2 {name} {family}"));
        }
    }
    for address in ADDRESSES {
        let too_short =
            if address.contains(':') { "inet6 15".to_owned() } else { "inet 3".to_owned() };
        questions.push(format!("gethostbyaddr_r {address}"));
        questions.push(format!("gethostbyaddr {address}"));
        questions.push(format!("gethostbyaddr_r {address} {too_short}"));
        questions.push(format!("gethostbyaddr {address} {NO_FAMILY}"));
    }
    questions
}

/// Enumerations by gethostent(3), and by `gethostent_r` if `with_r` is true: musl does not have it.
pub(super) fn enumerations(with_r: bool) -> Vec<String> {
    let mut questions = Vec::new();
    for stay_open in [0, 1] {
        questions.push(format!("sethostent {stay_open}"));
        questions.push("all gethostent".to_owned());
        questions.push("endhostent".to_owned());
        if with_r {
            questions.push("all gethostent_r".to_owned());
            questions.push("endhostent".to_owned());
        }
    }
    questions
}

/// getaddrinfo(3) of a stream socket, for each node of each family, with and without `AI_CANONNAME`.
pub(super) fn first_results(nodes: &[&str]) -> Vec<String> {
    let families = [libc::AF_UNSPEC, libc::AF_INET, libc::AF_INET6];
    let mut questions = Vec::new();
    for node in nodes {
        for family in families {
            for flags in [0, libc::AI_CANONNAME] {
                let kind = libc::SOCK_STREAM;
                questions.push(format!("getaddrinfo {node} 80 {family} {kind} 0 {flags}"));
            }
        }
    }
    questions
}

/// getnameinfo(3) for addresses, flags, lengths of both buffers, and wrong sizes of the address.
pub(super) fn nameinfo() -> Vec<String> {
    let addresses = [
        "127.0.0.11",
        "127.0.0.13",
        "127.0.0.99",
        "fd00::12",
        "fd00::99",
        "::ffff:127.0.0.16",
        "fe80::1",
        "::1",
        "::",
        "127.0.0.1",
        "10.0.0.1",
    ];
    let flags = [
        0,
        libc::NI_NAMEREQD,
        libc::NI_NUMERICHOST,
        libc::NI_NUMERICSERV,
        libc::NI_NOFQDN,
        libc::NI_DGRAM,
        libc::NI_NAMEREQD | libc::NI_NUMERICHOST,
        libc::NI_NOFQDN | libc::NI_NAMEREQD,
        0x4000,
    ];
    let (lengths, ports) = ([0, 3, 64], [80, 69, 53, 9]);
    let mut questions = Vec::new();
    for (a, address) in addresses.iter().enumerate() {
        for (f, flags) in flags.iter().enumerate() {
            for (n, node) in lengths.iter().enumerate() {
                for service in lengths {
                    for more in [-1, 0, 1] {
                        let port = ports[(a + f + n) % ports.len()];
                        questions.push(format!(
                            "getnameinfo {address} {port} {flags} {node} {service} {more}"
                        ));
                    }
                }
            }
        }
    }
    questions.push(format!("getnameinfo unix 0 {} 64 64", libc::NI_NUMERICHOST));
    questions
}

const NODES: [&str; 34] = [
    "NULL",
    "",
    "v4.site",
    "V4.SITE",
    "v4",
    "v6.site",
    "v6",
    "dual.site",
    "Dual",
    "dual6",
    "multi.site",
    "mapped.site",
    "loop.site",
    "v4.site.",
    "dual.site.",
    "127.0.0.11",
    "127.0.0.99",
    "0x7f.11",
    "127.11",
    "127.0.0.11.",
    "fd00::12",
    "FD00:0:0:0:0:0:0:12",
    "fd00::99",
    "fe80::1%lo",
    "fe80::1%99",
    "::ffff:127.0.0.11",
    "::1",
    "0.0.0.0",
    "::",
    "nosuch.site",
    "nosuch.site.",
    "comment.site",
    "v4.site ",
    "no such",
];

const SERVICES: [&str; 10] =
    ["NULL", "80", "http", "domain", "tftp", "nosuch", "", "99999", "-1", " 80"];

const FAMILIES: [i32; 4] = [libc::AF_UNSPEC, libc::AF_INET, libc::AF_INET6, libc::AF_UNIX];

const FLAGS: [i32; 14] = [
    0,
    libc::AI_CANONNAME,
    libc::AI_PASSIVE,
    libc::AI_NUMERICHOST,
    libc::AI_NUMERICHOST | libc::AI_CANONNAME,
    libc::AI_V4MAPPED,
    libc::AI_V4MAPPED | libc::AI_ALL,
    libc::AI_ALL,
    libc::AI_ADDRCONFIG,
    libc::AI_ADDRCONFIG | libc::AI_V4MAPPED,
    libc::AI_CANONNAME | libc::AI_V4MAPPED | libc::AI_ALL,
    libc::AI_NUMERICSERV,
    libc::AI_PASSIVE | libc::AI_NUMERICSERV,
    0x8000,
];

/// Types of sockets and their protocols.
const TYPES: [(i32, i32); 12] = [
    (0, 0),
    (libc::SOCK_STREAM, 0),
    (libc::SOCK_DGRAM, 0),
    (libc::SOCK_RAW, 0),
    (libc::SOCK_RAW, libc::IPPROTO_ICMP),
    (libc::SOCK_SEQPACKET, 0),
    (0, libc::IPPROTO_TCP),
    (0, libc::IPPROTO_UDP),
    (libc::SOCK_STREAM, libc::IPPROTO_TCP),
    (libc::SOCK_STREAM, libc::IPPROTO_UDP),
    (libc::SOCK_STREAM, libc::IPPROTO_SCTP),
    (77, 0),
];

/// getaddrinfo(3) for every `step`th node, and combinations of service and hints.
pub(super) fn addrinfo(step: usize) -> Vec<String> {
    let mut questions = Vec::new();
    for (n, node) in NODES.iter().enumerate().step_by(step) {
        let node = word(node);
        let mut ask = |service: &str, hints: &str| {
            questions.push(format!("getaddrinfo {node} {}{hints}", word(service)));
        };
        for service in SERVICES {
            ask(service, "");
        }
        for family in FAMILIES {
            for flags in FLAGS {
                ask("domain", &format!(" {family} 0 0 {flags}"));
                ask("80", &format!(" {family} {} 0 {flags}", libc::SOCK_STREAM));
            }
            for (kind, protocol) in TYPES.iter().filter(|_| n % 5 == 0) {
                for (s, service) in SERVICES.iter().enumerate() {
                    let flags = if s % 2 == 0 { 0 } else { libc::AI_CANONNAME };
                    ask(service, &format!(" {family} {kind} {protocol} {flags}"));
                }
            }
        }
    }
    questions
}
