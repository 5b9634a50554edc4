//! `--namespace`: the command sees files of its own in /etc, and a host name of its own.
//!
//! This is for programs that read /etc/passwd without libc. The process itself enters the namespaces
//! and then becomes the command, so ids, process id, exit code and signals are the command's.

mod files;
mod ids;
mod mounts;
mod refusal;

use rustix::io::Errno;
use rustix::thread::UnshareFlags;

use crate::options::Options;
use crate::system;

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
            Errno::INVAL => "--hostname: longer than 64 bytes".to_owned(),
            error => refusal::of("sethostname", error),
        })?;
    }
    Ok(())
}
