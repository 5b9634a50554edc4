//! A user namespace in which every id stays what it was: user_namespaces(7).
//!
//! A process that may not mount gets that right in a user namespace of its own. A user who is not
//! root may map only one user and one group there, their own; supplementary groups keep their
//! effect, but are shown as 65534. Root without the right to mount, as in a container, maps all ids,
//! so that the command can still change to another user. Only a process outside of the namespace may
//! do that: it is this program again, with `--map-ids`.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::thread::UnshareFlags;

use super::refusal;
use crate::system;
use nss_wrapper_environment::why;

/// The option by which this program is told to map all ids of its parent.
const OPTION: &str = "--map-ids";

/// Enters a user namespace together with those in `flags`.
pub(super) fn unshare_with_user(flags: UnshareFlags) -> Result<(), String> {
    let (uid, gid) = system::effective_ids();
    let helper = if uid == 0 { Some(helper().map_err(map_failed)?) } else { None };
    let entered = system::unshare(flags | UnshareFlags::NEWUSER);
    if entered.is_ok() {
        if let Some(helper) = helper {
            if map_from_outside(helper).map_err(map_failed)?.success() {
                return Ok(());
            }
        }
        return map_own(uid, gid).map_err(map_failed);
    }
    if let Some(mut helper) = helper {
        // It ends by itself when the other end of the pipe is closed.
        drop(helper.stdin.take());
        let _ = helper.wait();
    }
    entered.map_err(|error| refusal::of("unshare", error))
}

fn map_failed(error: io::Error) -> String {
    if error.kind() == ErrorKind::NotFound {
        return "no namespace: it needs /proc, which is not mounted here".to_owned();
    }
    match error.raw_os_error() {
        Some(code) => refusal::of("uid_map", rustix::io::Errno::from_raw_os_error(code)),
        None => format!("uid_map: {}", why(&error)),
    }
}

/// Maps the caller's user and group, as everyone may.
fn map_own(uid: u32, gid: u32) -> io::Result<()> {
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1\n"))?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1\n"))
}

fn helper() -> io::Result<Child> {
    Command::new("/proc/self/exe")
        .arg(OPTION)
        .arg(std::process::id().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

fn map_from_outside(mut helper: Child) -> io::Result<ExitStatus> {
    if let Some(mut stdin) = helper.stdin.take() {
        stdin.write_all(b"\n")?;
    }
    helper.wait()
}

/// `--map-ids PID`: waits until the process has entered its namespace, and maps all ids that exist
/// here to themselves there.
pub(crate) fn map(pid: u32) -> io::Result<()> {
    if io::stdin().read(&mut [0])? == 0 {
        return Ok(());
    }
    for file in ["uid_map", "gid_map"] {
        let known = fs::read_to_string(format!("/proc/self/{file}"))?;
        fs::write(format!("/proc/{pid}/{file}"), identity(&known))?;
    }
    Ok(())
}

/// A map of the ids of this namespace, each to itself.
fn identity(known: &str) -> String {
    let mut lines = String::new();
    for line in known.lines() {
        let mut fields = line.split_whitespace();
        if let (Some(first), Some(_), Some(count)) = (fields.next(), fields.next(), fields.next()) {
            lines += &format!("{first} {first} {count}\n");
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_that_is_known_is_mapped_to_itself() {
        let known = "         0          0 4294967295\n";
        assert_eq!(identity(known), "0 0 4294967295\n");
        let known = "         0       1000          1\n         1     100000      65536\n";
        assert_eq!(identity(known), "0 0 1\n1 1 65536\n");
    }
}
