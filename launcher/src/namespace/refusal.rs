//! The message if the kernel, or the container, refuses a namespace.

use std::fs;

use rustix::io::Errno;

use crate::system;

/// One line: which step was refused, why, and what to allow.
pub(super) fn of(step: &str, error: Errno) -> String {
    let why = system::error(error);
    let why = nss_wrapper_environment::why(&why);
    let advice = advice(step, error, &Facts::read());
    format!("no namespace: {step}: {why}; {advice}")
}

/// The settings that decide who may have namespaces.
#[derive(Default)]
struct Facts {
    /// Debian's own switch.
    is_switched_off: bool,
    /// No user namespace may be made.
    has_no_room: bool,
    /// Ubuntu's AppArmor denies rights in a user namespace.
    is_restricted: bool,
    /// System calls are filtered, as in most containers.
    is_filtered: bool,
    /// The process is root, as in most containers too.
    is_root: bool,
}

impl Facts {
    fn read() -> Self {
        let has = |file: &str, value: &str| {
            fs::read_to_string(file).is_ok_and(|text| text.trim() == value)
        };
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            is_switched_off: has("/proc/sys/kernel/unprivileged_userns_clone", "0"),
            has_no_room: has("/proc/sys/user/max_user_namespaces", "0"),
            is_restricted: has("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
            is_filtered: status.lines().any(|line| line == "Seccomp:\t2"),
            is_root: system::is_root(),
        }
    }
}

fn advice(step: &str, error: Errno, facts: &Facts) -> String {
    let sysctl = |setting: &str| format!("allow it by sysctl {setting}");
    if facts.has_no_room || error == Errno::NOSPC || error == Errno::USERS {
        return sysctl("user.max_user_namespaces=1000 (or a higher number)");
    }
    if facts.is_switched_off {
        return sysctl("kernel.unprivileged_userns_clone=1");
    }
    if facts.is_restricted && (step != "unshare" || !facts.is_filtered) {
        return sysctl("kernel.apparmor_restrict_unprivileged_userns=0");
    }
    if facts.is_filtered {
        let options = if facts.is_root {
            "--cap-add SYS_ADMIN --security-opt apparmor=unconfined"
        } else {
            "--security-opt seccomp=unconfined --security-opt apparmor=unconfined"
        };
        return format!("allow it to the container: docker run {options}");
    }
    if error == Errno::INVAL || error == Errno::NOSYS {
        return "the kernel must have user, mount and UTS namespaces".to_owned();
    }
    "a security module or a chroot(2) forbids it; run it as root with CAP_SYS_ADMIN, or outside"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_names_what_forbids_it() {
        let none = Facts::default;
        for (step, error, facts, want) in [
            ("unshare", Errno::NOSPC, none(), "user.max_user_namespaces"),
            ("unshare", Errno::PERM, Facts { has_no_room: true, ..none() }, "max_user_namespaces"),
            ("unshare", Errno::PERM, Facts { is_switched_off: true, ..none() }, "userns_clone=1"),
            ("uid_map", Errno::PERM, Facts { is_restricted: true, ..none() }, "restrict_unpriv"),
            ("unshare", Errno::PERM, Facts { is_filtered: true, ..none() }, "seccomp=unconfined"),
            (
                "unshare",
                Errno::PERM,
                Facts { is_filtered: true, is_root: true, ..none() },
                "--cap-add SYS_ADMIN",
            ),
            ("unshare", Errno::INVAL, none(), "the kernel must have"),
            ("mount", Errno::ACCESS, none(), "a security module"),
        ] {
            let said = advice(step, error, &facts);
            assert!(said.contains(want), "{step}, {error}: {said}");
        }
        let said = of("unshare", Errno::PERM);
        assert!(said.starts_with("no namespace: unshare: Operation not permitted; "), "{said}");
        assert!(!said.contains('\n'));
    }
}
