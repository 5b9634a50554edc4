//! The exported functions on a file that changes, compared with a simple loop over its lines.

use core::ffi::{c_char, c_int};
use core::mem::MaybeUninit;
use core::ptr::null_mut;
use std::ffi::CString;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use super::glibc::Reader;
use super::hosts::{Entry, model};
use super::naive::{Naive, Owned};
use crate::db::address::{Family, Literal, literal};
use crate::db::{Group, Passwd, Shadow};
use crate::interpose::{getent, grouplist, hosts as netdb};

/// Byte 0 says which database; then questions, a newline, and the file, which replaces that of the
/// run before.
pub fn lookup(data: &[u8]) {
    static FILE: OnceLock<File> = OnceLock::new();
    let file = FILE.get_or_init(configure);
    let Some((database, data)) = data.split_first() else { return };
    let (questions, content) = super::questions(data);
    file.set_len(content.len() as u64).unwrap();
    file.write_all_at(content, 0).unwrap();
    match database % 6 {
        0 => answers::<Passwd>(&questions, content),
        1 => answers::<Group>(&questions, content),
        2 => answers::<Shadow>(&questions, content),
        3 => memberships(&questions, content),
        v6 => hosts(&questions, content, v6 == 5),
    }
}

/// Makes a file in memory, and names it in the library's variables.
fn configure() -> File {
    let path = format!("/dev/shm/nss_wrapper_rs-fuzz-{}", std::process::id());
    let file = File::create(&path).unwrap();
    for name in
        ["NSS_WRAPPER_PASSWD", "NSS_WRAPPER_GROUP", "NSS_WRAPPER_SHADOW", "NSS_WRAPPER_HOSTS"]
    {
        // SAFETY: libFuzzer runs the target in one thread.
        unsafe { std::env::set_var(name, &path) };
    }
    extern "C" fn remove() {
        _ = std::fs::remove_file(format!("/dev/shm/nss_wrapper_rs-fuzz-{}", std::process::id()));
    }
    // SAFETY: the function lives as long as the program.
    unsafe { libc::atexit(remove) };
    file
}

type ByName<T> =
    unsafe extern "C" fn(*const c_char, *mut T, *mut c_char, usize, *mut *mut T) -> c_int;
type ById<T> = unsafe extern "C" fn(u32, *mut T, *mut c_char, usize, *mut *mut T) -> c_int;
type Next<T> = unsafe extern "C" fn(*mut T, *mut c_char, usize, *mut *mut T) -> c_int;

/// The exported functions of a database.
trait Exports: Reader {
    const BY_NAME_R: ByName<Self::C>;
    const BY_ID_R: Option<ById<Self::C>>;
    const NEXT_R: Next<Self::C>;
    const BY_NAME: unsafe extern "C" fn(*const c_char) -> *mut Self::C;
    const BY_ID: Option<unsafe extern "C" fn(u32) -> *mut Self::C>;
    const SET: unsafe extern "C" fn();
    const END: unsafe extern "C" fn();
}

impl Exports for Passwd {
    const BY_NAME_R: ByName<libc::passwd> = getent::getpwnam_r;
    const BY_ID_R: Option<ById<libc::passwd>> = Some(getent::getpwuid_r);
    const NEXT_R: Next<libc::passwd> = getent::getpwent_r;
    const BY_NAME: unsafe extern "C" fn(*const c_char) -> *mut libc::passwd = getent::getpwnam;
    const BY_ID: Option<unsafe extern "C" fn(u32) -> *mut libc::passwd> = Some(getent::getpwuid);
    const SET: unsafe extern "C" fn() = getent::setpwent;
    const END: unsafe extern "C" fn() = getent::endpwent;
}

impl Exports for Group {
    const BY_NAME_R: ByName<libc::group> = getent::getgrnam_r;
    const BY_ID_R: Option<ById<libc::group>> = Some(getent::getgrgid_r);
    const NEXT_R: Next<libc::group> = getent::getgrent_r;
    const BY_NAME: unsafe extern "C" fn(*const c_char) -> *mut libc::group = getent::getgrnam;
    const BY_ID: Option<unsafe extern "C" fn(u32) -> *mut libc::group> = Some(getent::getgrgid);
    const SET: unsafe extern "C" fn() = getent::setgrent;
    const END: unsafe extern "C" fn() = getent::endgrent;
}

impl Exports for Shadow {
    const BY_NAME_R: ByName<libc::spwd> = getent::getspnam_r;
    const BY_ID_R: Option<ById<libc::spwd>> = None;
    const NEXT_R: Next<libc::spwd> = getent::getspent_r;
    const BY_NAME: unsafe extern "C" fn(*const c_char) -> *mut libc::spwd = getent::getspnam;
    const BY_ID: Option<unsafe extern "C" fn(u32) -> *mut libc::spwd> = None;
    const SET: unsafe extern "C" fn() = getent::setspent;
    const END: unsafe extern "C" fn() = getent::endspent;
}

fn answers<D: Exports>(questions: &[&[u8]], content: &[u8]) {
    let model = super::model::<D>(content);
    // The file has just changed, so each lookup reads all of it. To save time the questions take the two forms of
    // the functions in turn.
    for (question, reentrant) in questions.iter().zip([true, false]) {
        let name = c_string(question);
        let name = name.as_c_str();
        let got = if reentrant {
            // SAFETY: a C string, and what `with_room` lends.
            with_room::<D>(0, |out, buf, len, found| unsafe {
                D::BY_NAME_R(name.as_ptr(), out, buf, len, found)
            })
        } else {
            // SAFETY: a C string.
            let row = unsafe { D::BY_NAME(name.as_ptr()) };
            // SAFETY: null, or this thread's row.
            unsafe { taken::<D>(row) }
        };
        assert_eq!(got, model.iter().find(|row| row.0[0] == name.to_bytes()).cloned());
        let (Some(id), Some(by_id_r), Some(by_id)) = (super::id(question), D::BY_ID_R, D::BY_ID)
        else {
            continue;
        };
        let got = if reentrant {
            // SAFETY: what `with_room` lends.
            with_room::<D>(0, |out, buf, len, found| unsafe { by_id_r(id, out, buf, len, found) })
        } else {
            // SAFETY: takes a number.
            let row = unsafe { by_id(id) };
            // SAFETY: null, or this thread's row.
            unsafe { taken::<D>(row) }
        };
        assert_eq!(got, model.iter().find(|row| D::id(row) == Some(id)).cloned());
    }
    // SAFETY: takes nothing.
    unsafe { D::SET() };
    for row in model.iter().map(Some).chain([None]) {
        // SAFETY: what `with_room` lends.
        let got = with_room::<D>(libc::ENOENT, |out, buf, len, found| unsafe {
            D::NEXT_R(out, buf, len, found)
        });
        assert_eq!(got.as_ref(), row);
    }
    // SAFETY: takes nothing.
    unsafe { D::END() };
}

/// A question as C asks it.
fn c_string(question: &[u8]) -> CString {
    CString::new(question.split(|&b| b == 0).next().unwrap()).unwrap()
}

/// A copy of a result.
///
/// # Safety
///
/// `row` is null or filled.
unsafe fn taken<D: Exports>(row: *mut D::C) -> Option<Owned> {
    // SAFETY: null, or filled.
    let row = unsafe { row.as_ref() }?;
    // SAFETY: filled.
    Some(unsafe { D::copied(row) })
}

/// Calls with a buffer that grows until the answer fits. The buffer is on the heap, where AddressSanitizer watches
/// its ends. `absent` is what the function returns if it finds nothing.
fn with_room<D: Exports>(
    absent: c_int,
    mut call: impl FnMut(*mut D::C, *mut c_char, usize, *mut *mut D::C) -> c_int,
) -> Option<Owned> {
    let mut len = 96;
    loop {
        let mut buf = vec![0_u8; len].into_boxed_slice();
        let mut out = MaybeUninit::<D::C>::uninit();
        let mut found = out.as_mut_ptr();
        let rc = call(out.as_mut_ptr(), buf.as_mut_ptr().cast(), len, &raw mut found);
        match rc {
            libc::ERANGE => {
                assert!(found.is_null());
                len *= 8;
            }
            0 if !found.is_null() => {
                // SAFETY: filled, as the function says.
                return unsafe { taken::<D>(found) };
            }
            _ => {
                assert_eq!((rc, found), (absent, null_mut()));
                return None;
            }
        }
    }
}

fn memberships(questions: &[&[u8]], content: &[u8]) {
    let first = 7;
    let rows = super::model::<Group>(content);
    for question in questions.iter().take(1) {
        let name = c_string(question);
        let mut want = vec![first];
        for row in rows.iter().filter(|row| row.2.iter().any(|member| member == name.to_bytes())) {
            let gid = Group::id(row).unwrap();
            if !want.contains(&gid) {
                want.push(gid);
            }
        }
        let mut count = c_int::try_from(want.len()).unwrap() - 1;
        let mut gids = vec![0; want.len() - 1].into_boxed_slice();
        // SAFETY: a C string, and as many elements as `count` says.
        let rc = unsafe {
            grouplist::getgrouplist(name.as_ptr(), first, gids.as_mut_ptr(), &raw mut count)
        };
        assert_eq!((rc, count), (-1, c_int::try_from(want.len()).unwrap()));
        assert_eq!(*gids, want[..want.len() - 1]);
        let mut gids = vec![0; want.len()].into_boxed_slice();
        // SAFETY: a C string, and as many elements as `count` says.
        let rc = unsafe {
            grouplist::getgrouplist(name.as_ptr(), first, gids.as_mut_ptr(), &raw mut count)
        };
        assert_eq!((rc, &*gids), (count, &*want));
    }
}

/// Hosts by name. The length of the first buffer depends on the content, and a buffer that is too short is doubled.
fn hosts(questions: &[&[u8]], content: &[u8], v6: bool) {
    let (family, number) =
        if v6 { (Family::V6, libc::AF_INET6) } else { (Family::V4, libc::AF_INET) };
    for question in questions.iter().take(2) {
        let name = c_string(question);
        let mut len = usize::from(content.first().copied().unwrap_or(0)) / 2;
        let got = loop {
            let mut buf = vec![0_u8; len].into_boxed_slice();
            let mut out = MaybeUninit::<libc::hostent>::uninit();
            let (mut found, mut reason) = (out.as_mut_ptr(), 0);
            // SAFETY: a C string, and memory of these lengths.
            let rc = unsafe {
                netdb::gethostbyname2_r(
                    name.as_ptr(),
                    number,
                    out.as_mut_ptr(),
                    buf.as_mut_ptr().cast(),
                    len,
                    &raw mut found,
                    &raw mut reason,
                )
            };
            if rc == libc::ERANGE {
                assert!(found.is_null());
                len = len * 2 + 1;
                continue;
            }
            assert_eq!(rc, 0);
            // SAFETY: null, or filled.
            let row = unsafe { found.as_ref() };
            // SAFETY: filled, and what it points to is in `buf`.
            break row.map(|row| unsafe { Entry::copied(row, v6) });
        };
        if literal(name.as_bytes(), family) == Literal::Name {
            assert_eq!(got, Entry::read(&model(content), name.as_bytes(), v6));
        }
    }
}
