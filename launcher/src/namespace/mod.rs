//! `--namespace`: the command sees files of its own in /etc, and a host name of its own.
//!
//! This is for programs that read /etc/passwd without libc. The process itself enters the namespaces
//! and then becomes the command, so ids, process id, exit code and signals are the command's.

mod files;
mod ids;
mod mounts;
mod refusal;

use std::ffi::OsString;

use nss_wrapper_environment::{Variables, names};
use rustix::io::Errno;
use rustix::thread::UnshareFlags;

use crate::options::Options;
use crate::system;
use crate::variables;

pub(crate) use ids::map as map_ids;

/// Enters the namespaces that the options need; none if no file would differ.
pub(crate) fn enter(options: &Options) -> Result<(), String> {
    let files = files::generate(options)?;
    let hostname = files::hostname(options);
    let mut flags = UnshareFlags::empty();
    if !files.is_empty() {
        flags |= UnshareFlags::NEWNS;
    }
    if hostname.is_some() {
        flags |= UnshareFlags::NEWUTS;
    }
    if flags.is_empty() {
        return Ok(());
    }
    let covers = mounts::covers(files)?;
    match system::unshare(flags) {
        Ok(()) => {}
        Err(Errno::PERM) => system::with_children(|| ids::unshare_with_user(flags))?,
        Err(error) => return Err(refusal::of("unshare", error)),
    }
    mounts::lay(&covers)?;
    if let Some(name) = hostname {
        rustix::system::sethostname(&name).map_err(|e| match e {
            Errno::INVAL => "the host name is longer than 64 bytes".to_owned(),
            error => refusal::of("sethostname", error),
        })?;
    }
    Ok(())
}

/// The library's variables in whose place there are options, set to nothing: it may be preloaded into the command.
pub(crate) fn replaced(options: &Options) -> Variables {
    let mut all: Vec<_> = options.files().map(|(database, _)| database.variable()).collect();
    if !options.user.is_empty() {
        all.extend([names::PASSWD, names::GROUP]);
    }
    if !options.host.is_empty() {
        all.push(names::HOSTS);
    }
    if options.hostname.is_some() {
        all.push(names::HOSTNAME);
    }
    let are_set = all.into_iter().filter(|name| variables::value(name).is_some());
    are_set.map(|name| (name, OsString::new())).collect()
}
