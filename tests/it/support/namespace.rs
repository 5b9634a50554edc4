//! Programs in a mount namespace of their own, with files mounted over the machine's. This needs root, or user
//! namespaces.

use std::path::Path;
use std::process::Command;

use super::file;
use super::scene::is_root;

/// Runs a shell script that mounts something, and then the command, in a new mount namespace. The script
/// gets `args` as `$1`, `$2` and so on.
pub(crate) fn after_mounts(script: &str, args: &[&Path], command: &Command) -> Command {
    let mut inside = Command::new("unshare");
    if !is_root() {
        inside.arg("--map-root-user");
    }
    let script = format!("{script}; shift {}; exec env \"$@\"", args.len());
    inside.args(["--mount", "sh", "-ec", &script, "sh"]).args(args);
    // The variables are for the command alone: no library is to be loaded into the shell.
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => {
                let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
                inside.arg(format!("{name}={value}"))
            }
            None => inside.env_remove(name),
        };
    }
    inside.arg(command.get_program()).args(command.get_args());
    inside
}

/// Runs the command where libc reads hosts from the file `hosts` and from nowhere else. The
/// configuration for that is written to `dir`.
pub(crate) fn with_hosts(dir: &Path, hosts: &Path, command: &Command) -> Command {
    with_services(dir, hosts, "files", command)
}

/// Like [`with_hosts`], with these services for hosts in nsswitch.conf(5).
pub(crate) fn with_services(
    dir: &Path,
    hosts: &Path,
    services: &str,
    command: &Command,
) -> Command {
    let nsswitch = format!("hosts: {services}\nservices: files\n");
    let nsswitch = file(dir, "nsswitch.conf", nsswitch);
    let host_conf = file(dir, "host.conf", "multi on\n");
    let script = "mount --bind \"$1\" /etc/hosts; mount --bind \"$2\" /etc/nsswitch.conf; \
        mount --bind \"$3\" /etc/host.conf";
    after_mounts(script, &[hosts, &nsswitch, &host_conf], command)
}
