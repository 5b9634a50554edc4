//! Rows packed into lent memory: whole or not at all, and nothing beside it.

use core::mem::MaybeUninit;
use core::ops::Range;

use super::glibc::Reader;
use crate::errno::Errno;
use crate::pack::{Pack, pack_at};
use crate::record::Group;
use crate::store::{Groups, Passwds, Shadows};

/// Byte 0 says which database, bytes 1 and 2 the buffer's alignment and how much is lacking or too
/// much; then comes a line.
pub fn pack(data: &[u8]) {
    let Some((database, data)) = data.split_first() else { return };
    match database % 3 {
        0 => packed::<Passwds>(data, |row, _| {
            needed(&[row.name, row.passwd, row.gecos, row.dir, row.shell])
        }),
        1 => packed::<Groups>(data, |row: &Group<'_>, at| {
            let members: Vec<&[u8]> = row.members().collect();
            let list = at.wrapping_neg() % 8 + 8 * (members.len() + 1);
            list + needed(&members) + needed(&[row.name, row.passwd])
        }),
        _ => packed::<Shadows>(data, |row, _| needed(&[row.name, row.passwd])),
    }
}

fn needed(texts: &[&[u8]]) -> usize {
    texts.iter().map(|text| text.len() + 1).sum()
}

/// Memory around the buffer that must stay as it is.
const MARGIN: usize = 16;
const UNTOUCHED: u8 = 0xa5;

fn packed<'a, L>(data: &'a [u8], need: impl Fn(&L::Row<'a>, usize) -> usize)
where
    L: Reader,
    L::Row<'a>: Pack<C = L::C>,
    L::C: Parts,
{
    let [offset, spare, line @ ..] = data else { return };
    let Some(row) = super::row::<L>(line.split(|&b| b == b'\n').next().unwrap_or_default()) else {
        return;
    };
    let offset = usize::from(*offset) % 16 + MARGIN;
    let mut memory = vec![UNTOUCHED; offset + 10 * data.len() + 256 + MARGIN];
    let at = memory.as_mut_ptr().wrapping_add(offset);
    let need = need(&row, at.addr());
    let len = (need + usize::from(*spare)).saturating_sub(128);
    let mut out = MaybeUninit::<L::C>::uninit();
    // SAFETY: `memory` has room for more than `len` bytes from `at` on: `need` is less than ten
    // times the input and 80.
    let done = unsafe { pack_at(&row, out.as_mut_ptr(), at, len) };
    assert_eq!(done, if len < need { Err(Errno::ERANGE) } else { Ok(()) });
    if done.is_ok() {
        // SAFETY: packed.
        let out = unsafe { out.assume_init_ref() };
        let lent = at.addr()..at.addr() + len;
        out.assert_within(&lent);
        // SAFETY: packed, and the memory is still there.
        assert_eq!(unsafe { L::copied(out) }, L::owned(row));
    }
    let beside = memory[..offset].iter().chain(&memory[offset + len..]);
    assert!(beside.copied().all(|b| b == UNTOUCHED), "a byte beside the buffer was written");
}

/// All that a struct points to.
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
        assert!(lent.contains(&self.gr_mem.addr()) && self.gr_mem.is_aligned());
        let mut at = self.gr_mem;
        // SAFETY: a list that ends in null.
        while let member = unsafe { *at }
            && !member.is_null()
        {
            assert!(lent.contains(&member.addr()));
            // SAFETY: the list goes on until null.
            at = unsafe { at.add(1) };
        }
        assert!(lent.contains(&self.gr_name.addr()) && lent.contains(&self.gr_passwd.addr()));
    }
}
