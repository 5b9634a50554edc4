//! Addresses as text: inet(3).

use core::net::{IpAddr, Ipv4Addr};

/// An address family that a lookup asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// `AF_INET`.
    V4,
    /// `AF_INET6`.
    V6,
}

impl Family {
    /// The family with that number in C, if hosts have addresses of it. As with the peer `AF_UNSPEC` means IPv4
    /// where only one family can be asked for.
    pub(crate) fn from_c(number: i32) -> Option<Self> {
        match number {
            libc::AF_UNSPEC | libc::AF_INET => Some(Self::V4),
            libc::AF_INET6 => Some(Self::V6),
            _ => None,
        }
    }

    /// The family of an address.
    pub(crate) fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// The number in C, and how many bytes an address has.
    pub(crate) fn to_c(self) -> (i32, i32) {
        match self {
            Self::V4 => (libc::AF_INET, 4),
            Self::V6 => (libc::AF_INET6, 16),
        }
    }
}

/// An address from its bytes in network order; `None` if there are not as many as the family has.
pub(crate) fn from_octets(family: i32, octets: &[u8]) -> Option<IpAddr> {
    match family {
        libc::AF_INET => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
        libc::AF_INET6 => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
        _ => None,
    }
}

/// Hands the bytes of an address, in network order, to `take`.
pub(crate) fn with_octets<R>(address: IpAddr, take: impl FnOnce(&[u8]) -> R) -> R {
    match address {
        IpAddr::V4(ip) => take(&ip.octets()),
        IpAddr::V6(ip) => take(&ip.octets()),
    }
}

/// An IPv4 or IPv6 address as inet_pton(3) takes it.
pub(crate) fn address(text: &[u8]) -> Option<IpAddr> {
    core::str::from_utf8(text).ok()?.parse().ok()
}

/// An IPv4 address as inet_aton(3) takes it, with nothing after it: one to four numbers, each decimal, octal (`0…`) or
/// hexadecimal (`0x…`), of which the last stands for all remaining bytes.
pub(crate) fn loose_ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let mut parts = text.split(|&b| b == b'.');
    let (mut high, mut left) = (0_u32, 32_u32);
    loop {
        let part = number(parts.next()?)?;
        if parts.clone().next().is_none() {
            let fits = left == 32 || part >> left == 0;
            return fits.then(|| Ipv4Addr::from_bits(high | part));
        }
        left = left.checked_sub(8).filter(|&left| left > 0)?;
        high |= u32::from(u8::try_from(part).ok()?) << left;
    }
}

/// `strtoul(3)` in base 0, without blanks or a sign.
fn number(digits: &[u8]) -> Option<u32> {
    let (base, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', rest @ ..] if !rest.is_empty() => (8, rest),
        all => (10, all),
    };
    let digits = core::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    u32::from_str_radix(digits, base).ok()
}

/// What a host name is that could be an address.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Literal {
    /// An address of the family that is asked for.
    Address(IpAddr),
    /// It has the form of an address, but is none of the family: there is no such host.
    Wrong,
    /// A name to look for.
    Name,
}

/// Whether gethostbyname(3) looks a name up or takes it for an address. As in glibc its characters decide
/// (`nss/digits_dots.c`).
pub(crate) fn literal(name: &[u8], family: Family) -> Literal {
    let Some((&first, &last)) = name.first().zip(name.last()) else { return Literal::Name };
    let is_made_of = |accepted: fn(&u8) -> bool| name.iter().all(accepted) && last != b'.';
    let found = if first.is_ascii_digit() && is_made_of(|b| matches!(b, b'0'..=b'9' | b'.')) {
        match family {
            Family::V4 => loose_ipv4(name).map(IpAddr::V4),
            Family::V6 => None,
        }
    } else if first == b':' || first.is_ascii_hexdigit() && name.contains(&b':') {
        match family {
            Family::V4 => None,
            Family::V6 if is_made_of(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.')) => {
                address(name).filter(IpAddr::is_ipv6)
            }
            Family::V6 => return Literal::Name,
        }
    } else {
        return Literal::Name;
    };
    found.map_or(Literal::Wrong, Literal::Address)
}

/// An address in any form that getaddrinfo(3) takes, except one with a scope.
pub(crate) fn numeric(node: &[u8]) -> Option<IpAddr> {
    loose_ipv4(node).map(IpAddr::V4).or_else(|| address(node))
}

#[cfg(test)]
#[allow(unsafe_code, reason = "libc's own functions, to compare with")]
mod tests {
    use core::ffi::{c_char, c_int, c_void};

    use super::*;

    unsafe extern "C" {
        fn inet_pton(family: c_int, text: *const c_char, to: *mut c_void) -> c_int;
        fn inet_aton(text: *const c_char, to: *mut c_void) -> c_int;
    }

    fn pton<const N: usize>(family: c_int, text: &[u8]) -> Option<[u8; N]> {
        let (text, mut to) = ([text, b"\0"].concat(), [0; N]);
        // SAFETY: a C string, and room for an address of the family.
        let good = unsafe { inet_pton(family, text.as_ptr().cast(), to.as_mut_ptr().cast()) };
        (good == 1).then_some(to)
    }

    fn aton(text: &[u8]) -> Option<[u8; 4]> {
        let (text, mut to) = ([text, b"\0"].concat(), [0; 4]);
        // SAFETY: a C string, and room for an address.
        let good = unsafe { inet_aton(text.as_ptr().cast(), to.as_mut_ptr().cast()) };
        (good == 1).then_some(to)
    }

    fn compare(text: &[u8]) {
        let shown = text.escape_ascii();
        let want = pton::<4>(libc::AF_INET, text)
            .map(IpAddr::from)
            .or_else(|| pton::<16>(libc::AF_INET6, text).map(IpAddr::from));
        assert_eq!(address(text), want, "{shown}");
        // inet_aton(3) also takes what follows a blank.
        if !text.iter().any(|b| b" \t+-".contains(b)) {
            assert_eq!(loose_ipv4(text).map(|ip| ip.octets()), aton(text), "{shown}");
        }
    }

    const ODD: &str = "127.0.0.1 127.1 1 0 00 08 0x7f.1 0x 0X1f 1.2.3.4.5 256.1 1.256.1 1.2.65536 \
        1.2.65535 1.16777216 4294967295 4294967296 1..2 .1 1. 01.2.3.4 1.2.3.04 :: ::1 1:: :1 1: ::: \
        1::2::3 1:2:3:4:5:6:7:8 1:2:3:4:5:6:7:8:9 1:2:3:4:5:6:7:: 1:2:3:4::5:6:7:8 ::1.2.3.4 \
        1:2:3:4:5:6:1.2.3.4 1:2:3:4:5:6:7:1.2.3.4 ::1.2.3 1.2.3.4:: 12345:: ::G fe80::1%lo fe80::1%1 \
        ::ffff:1.2.3.4 ::01.2.3.4 FD00::aBcD 1:2:3:4:5:6:7";

    #[test]
    #[cfg_attr(miri, ignore = "libc's functions")]
    fn addresses_are_those_of_libc() {
        ODD.split(' ').chain([""]).for_each(|text| compare(text.as_bytes()));
        let alphabet = b"0011223459afF::::....x%";
        let mut state = 1_u64;
        let mut random = |limit: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % limit
        };
        for _ in 0..200_000 {
            let len = random(20);
            let text: Vec<u8> = (0..len).map(|_| alphabet[random(alphabet.len())]).collect();
            compare(&text);
        }
    }

    #[test]
    fn names_made_as_addresses_are_taken_for_addresses() {
        use Literal::{Name, Wrong};
        let ip = |text: &str| Literal::Address(text.parse().unwrap());
        for (name, v4, v6) in [
            ("127.0.0.1", ip("127.0.0.1"), Wrong),
            ("127.0.0.1.", Name, Name),
            ("1", ip("0.0.0.1"), Wrong),
            ("1.2.3.4.5", Wrong, Wrong),
            ("08", Wrong, Wrong),
            ("0x7f.1", Name, Name),
            ("1a.site", Name, Name),
            ("::1", Wrong, ip("::1")),
            ("ab:cd", Wrong, Wrong),
            ("fe80::1%lo", Wrong, Name),
            ("::1.", Wrong, Name),
            ("g::1", Name, Name),
            ("", Name, Name),
        ] {
            assert_eq!(literal(name.as_bytes(), Family::V4), v4, "{name}");
            assert_eq!(literal(name.as_bytes(), Family::V6), v6, "{name}");
        }
    }
}
