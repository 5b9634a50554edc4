//! Rows written into the caller's memory: as a whole or not at all, and no byte outside of it.

use core::ffi::{c_char, c_int};
use core::mem::MaybeUninit;
use core::net::IpAddr;
use core::ops::Range;
use core::ptr::null_mut;

use super::glibc::{Reader, text};
use super::hosts::{Entry, list, model};
use super::naive::Owned;
use crate::db::address::Family;
use crate::db::hosts::{AddressTuple, HostRow, TupleList, write_all, write_tuples};
use crate::db::key::Key;
use crate::db::{Group, Hosts, Passwd, Shadow};
use crate::rt::errno::Errno;
use crate::rt::out_buf::{OutBuf, Room};

const WORD: usize = size_of::<usize>();

/// Byte 0 says which database; bytes 1 and 2 say how the buffer is aligned, and how much too short or too long it
/// is. Then comes a line; for hosts a name, a newline, and a file.
pub fn pack(data: &[u8]) {
    let Some((database, data)) = data.split_first() else { return };
    let [offset, spare, rest @ ..] = data else { return };
    let fit = Fit { offset: usize::from(*offset) % 16 + MARGIN, spare: usize::from(*spare) };
    match database % 4 {
        0 => packed::<Passwd>(fit, rest, |row, _| needed(&row.0)),
        1 => packed::<Group>(fit, rest, |row, at| {
            padding(at) + WORD * (row.2.len() + 1) + needed(&row.2) + needed(&row.0)
        }),
        2 => packed::<Shadow>(fit, rest, |row, _| needed(&row.0)),
        _ => hosts(fit, rest),
    }
}

fn needed(texts: &[Vec<u8>]) -> usize {
    texts.iter().map(|text| text.len() + 1).sum()
}

/// The padding that a pointer needs at `at`.
fn padding(at: usize) -> usize {
    at.wrapping_neg() % WORD
}

/// The bytes before and behind the buffer that must stay as they are.
const MARGIN: usize = 16;
const UNTOUCHED: u8 = 0xa5;

/// Where a buffer begins in its memory, and its length: `spare` more than is needed, less 128.
#[derive(Clone, Copy)]
struct Fit {
    offset: usize,
    spare: usize,
}

impl Fit {
    /// Lends buffers to `write`, which must succeed if a buffer is long enough, and fail with `ERANGE` if not. `read`
    /// checks what was written. `need` says how many bytes are enough at an address, and `most` how many at any.
    fn lend<T>(
        self,
        most: usize,
        need: impl Fn(usize) -> usize,
        write: impl Fn(*mut u8, usize) -> Result<T, Errno>,
        read: impl Fn(T, &Range<usize>),
    ) {
        let at = |memory: &mut Vec<u8>| memory.as_mut_ptr().wrapping_add(self.offset);
        let room = || vec![UNTOUCHED; self.offset + most + 256 + MARGIN];
        let need = |at: *mut u8| {
            let need = need(at.addr());
            assert!(need <= most);
            need
        };
        // The length that the input wants, the least that is enough, and one byte less.
        for len in [None, Some(0), Some(1)] {
            let mut memory = room();
            let at = at(&mut memory);
            let need = need(at);
            let len = match len {
                None => (need + self.spare).saturating_sub(128),
                Some(less) => need.saturating_sub(less),
            };
            match write(at, len) {
                Ok(written) => {
                    assert!(len >= need, "{len} bytes are less than {need}");
                    read(written, &(at.addr()..at.addr() + len));
                }
                Err(error) => {
                    assert_eq!(error, Errno::ERANGE);
                    assert!(len < need, "{len} bytes would do for {need}");
                }
            }
            let beside = memory[..self.offset].iter().chain(&memory[self.offset + len..]);
            assert!(
                beside.copied().all(|b| b == UNTOUCHED),
                "a byte beside the buffer was written"
            );
        }
    }
}

fn packed<D>(fit: Fit, data: &[u8], need: impl Fn(&Owned, usize) -> usize)
where
    D: Reader,
    D::C: Parts,
{
    let line = data.split(|&b| b == b'\n').next().unwrap_or_default();
    let Some(want) = D::read_line(line) else { return };
    let most = 10 * line.len() + 256;
    let write = |at: *mut u8, len| {
        let mut row = MaybeUninit::<D::C>::uninit();
        // SAFETY: a row, and memory that `Fit::lend` lends for longer than this.
        let mut out = unsafe { OutBuf::new(row.as_mut_ptr(), at.cast(), len) };
        super::alone::<D, _>(line, |row| D::write(&row, &mut out)).unwrap()?;
        // SAFETY: written.
        Ok(unsafe { row.assume_init() })
    };
    fit.lend(
        most,
        |at| need(&want, at),
        write,
        |row, lent| {
            row.assert_within(lent);
            // SAFETY: written, and the memory is still there.
            assert_eq!(unsafe { D::copied(&row) }, want);
        },
    );
}

/// A struct that can check whether all that it points to is in the buffer.
trait Parts {
    fn assert_within(&self, lent: &Range<usize>);
}

impl Parts for libc::passwd {
    fn assert_within(&self, lent: &Range<usize>) {
        for at in [self.pw_name, self.pw_passwd, self.pw_gecos, self.pw_dir, self.pw_shell] {
            assert!(lent.contains(&at.addr()));
        }
    }
}

impl Parts for libc::spwd {
    fn assert_within(&self, lent: &Range<usize>) {
        assert!(lent.contains(&self.sp_namp.addr()) && lent.contains(&self.sp_pwdp.addr()));
    }
}

impl Parts for libc::group {
    fn assert_within(&self, lent: &Range<usize>) {
        list_within(self.gr_mem, lent);
        assert!(lent.contains(&self.gr_name.addr()) && lent.contains(&self.gr_passwd.addr()));
    }
}

impl Parts for libc::hostent {
    fn assert_within(&self, lent: &Range<usize>) {
        list_within(self.h_aliases, lent);
        list_within(self.h_addr_list, lent);
        assert!(lent.contains(&self.h_name.addr()));
    }
}

fn list_within(at: *mut *mut c_char, lent: &Range<usize>) {
    assert!(lent.contains(&at.addr()) && at.is_aligned());
    // SAFETY: written by the library, as a list that ends in null.
    let all = unsafe { list(at) };
    assert!(lent.contains(&at.wrapping_add(all.len()).addr()));
    assert!(all.iter().all(|element| lent.contains(&element.addr())));
}

/// The lines of a name, written as one host of each family, and as a list of addresses.
fn hosts(fit: Fit, data: &[u8]) {
    let (name, content) = super::first_line(data);
    let lines = model(content);
    let table = super::load::<Hosts>(content);
    let found = table.find_all::<Hosts>(&Key::host(name)).unwrap();
    let rows = table.rows_at::<Hosts>(&found);
    let most = 100 * content.len() + 256;
    for (family, v6) in [(Family::V4, false), (Family::V6, true)] {
        let want = Entry::read(&lines, name, v6);
        let need = |at| {
            want.as_ref().map_or(0, |want| {
                let pointers = want.addresses.len() + 1 + want.aliases.len() + 1;
                let octets = want.addresses.len() * if v6 { 16 } else { 4 };
                padding(at) + WORD * pointers + octets + want.name.len() + 1 + needed(&want.aliases)
            })
        };
        let write = |at: *mut u8, len| {
            let mut row = MaybeUninit::<libc::hostent>::uninit();
            // SAFETY: a row, and memory that `Fit::lend` lends for longer than this.
            let mut out = unsafe { OutBuf::new(row.as_mut_ptr(), at.cast(), len) };
            let is_written = write_all(rows.clone(), family, &mut out)?;
            // SAFETY: written, if it says so.
            Ok(is_written.then(|| unsafe { row.assume_init() }))
        };
        fit.lend(most, need, write, |row, lent| {
            if let Some(row) = &row {
                row.assert_within(lent);
            }
            // SAFETY: written, and the memory is still there.
            let seen = row.map(|row| unsafe { Entry::copied(&row, v6) });
            assert_eq!(seen, want);
        });
    }
    if rows.clone().next().is_some() {
        tuples(fit, most, &rows);
    }
}

/// `struct gaih_addrtuple`, as glibc's `<nss.h>` declares it.
#[repr(C)]
struct Tuple {
    next: *mut Tuple,
    name: *mut c_char,
    family: c_int,
    address: [u8; 16],
    scope_id: u32,
}

const _: () = assert!(size_of::<Tuple>() == size_of::<AddressTuple>());

/// A list of addresses, the first in a tuple that the caller has, or in the buffer too.
fn tuples<'a>(fit: Fit, most: usize, rows: &(impl Iterator<Item = HostRow<'a>> + Clone)) {
    let want: Vec<IpAddr> = rows.clone().map(|row| row.address).collect();
    let name = rows.clone().next().unwrap().name;
    for given in [false, true] {
        let in_buffer = want.len() - usize::from(given);
        let need = |at| padding(at) + in_buffer * size_of::<Tuple>() + name.len() + 1;
        let write = |at: *mut u8, len| {
            let mut first = Box::new(MaybeUninit::<AddressTuple>::uninit());
            let mut list = if given { first.as_mut_ptr() } else { null_mut() };
            // SAFETY: memory that `Fit::lend` lends for longer than this.
            let room = unsafe { Room::new(at, len) };
            // SAFETY: a pointer that is null, or to room for a tuple.
            let place = unsafe { TupleList::new(&raw mut list) };
            write_tuples(rows.clone(), place, room)?;
            Ok((first, list.cast::<Tuple>()))
        };
        fit.lend(most, need, write, |(first, list), lent| {
            assert_eq!(list.addr() == first.as_ptr().addr(), given);
            let (mut at, mut seen) = (list, Vec::new());
            // SAFETY: null, or the next tuple of the list.
            while let Some(tuple) = unsafe { at.as_ref() } {
                assert!(at.is_aligned());
                assert!(given && seen.is_empty() || lent.contains(&at.addr()));
                let [a, b, c, d, ..] = tuple.address;
                seen.push(match tuple.family {
                    libc::AF_INET => IpAddr::from([a, b, c, d]),
                    family => {
                        assert_eq!(family, libc::AF_INET6);
                        IpAddr::from(tuple.address)
                    }
                });
                assert_eq!((tuple.name.is_null(), tuple.scope_id), (seen.len() > 1, 0));
                if !tuple.name.is_null() {
                    assert!(lent.contains(&tuple.name.addr()));
                    // SAFETY: a C string of the library's.
                    assert_eq!(unsafe { text(tuple.name) }, name);
                }
                at = tuple.next;
            }
            assert_eq!(seen, want);
        });
    }
}
