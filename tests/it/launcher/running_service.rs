//! The service of a system as `nss-wrapper --install-service` sets it up: what libc is told by it, and what becomes of its
//! configuration.

use super::scene::{on_layers, scene};
use crate::support::scene::{has, is_root};
use crate::support::{PYTHON, stdout};

const LINE: &str = "ipython:x:%u:%g:IPython:/home/ipython:/bin/bash";

#[test]
fn a_program_that_preloads_nothing_has_a_name_from_the_service() {
    let (scene, _) = scene();
    let script = r#"
        asked() { $as_10000 env "NSS_WRAPPER_USER=$line" id -un; }
        asked >/dev/null 2>&1 && exit 1
        "$launcher" --install-service --user "$line" >/dev/null
        asked
        getent passwd root >/dev/null
        "$launcher" --uninstall-service >/dev/null
        asked >/dev/null 2>&1 && exit 1
        grep wrapper_rs /etc/nsswitch.conf || true
    "#;
    let script = format!("line='{LINE}'\n{script}");
    assert_eq!(stdout(&mut on_layers(&scene, &script)), "ipython\n");
}

/// nss-systemd(8) and authselect(8) have the services after `files` add members to the groups there.
#[test]
fn members_that_another_service_adds_to_a_group_stay() {
    let (scene, _) = scene();
    let script = r#"
        printf 'passwd: files\ngroup: files [SUCCESS=merge] compat\n' >/etc/nsswitch.conf
        printf 'root:x:0:\nlab:x:7:alice\n' >/etc/group
        getent group lab
        "$launcher" --install-service --user "$line" >/dev/null
        getent group lab
        getent group 7
    "#;
    let script = format!("line='{LINE}'\n{script}");
    let merged = "lab:x:7:alice,alice\n";
    assert_eq!(stdout(&mut on_layers(&scene, &script)), merged.repeat(3));
}

#[test]
fn a_setting_whose_name_is_misspelt_is_reported_without_its_value() {
    let (scene, _) = scene();
    let script = r#"
        printf '%s\n' NSS_WRAPPER_PASWD=secret "NSS_WRAPPER_USER=$line" NSS_WRAPPER_USER >/etc/nss_wrapper_rs.conf
        $as_10000 env LD_PRELOAD="$library" id -un 2>&1
        "$launcher" --check || true
        "$launcher" --check --passwd /etc/passwd
    "#;
    let script = format!("line='{LINE}'; library='{}'\n{script}", scene.library.display());
    if !is_root() {
        // In a user namespace the program sees that the configuration does not belong to root.
        return;
    }
    let said = stdout(&mut on_layers(&scene, &script));
    has(&said, "nss_wrapper_rs.conf: unknown setting 'NSS_WRAPPER_PASWD'\n");
    has(&said, "nss_wrapper_rs.conf: unknown setting 'NSS_WRAPPER_USER'\n");
    has(&said, "\nipython\n");
    let conf = "/etc/nss_wrapper_rs.conf";
    let end = format!("{conf}:1: unknown name \"NSS_WRAPPER_PASWD\"\n{conf}:3: not NAME=value\n");
    assert!(said.ends_with(&end) && !said.contains("secret"), "{said}");
}

/// As where /etc lies on a partition of its own that is mounted elsewhere.
#[test]
fn a_configuration_in_a_linked_etc_is_used() {
    let (scene, _) = scene();
    let script = r#"
        top=${launcher%/*}/layers/root
        mkdir "$top" "$top/new" "$top/up" "$top/work"
        mount -t overlay -o "lowerdir=/,upperdir=$top/up,workdir=$top/work" none "$top/new"
        cd "$top/new"
        mkdir conf
        cp -a etc conf/etc
        rm -rf etc
        ln -s conf/etc etc
        cp "$launcher" "$library" usr/bin/
        mount --rbind /proc proc
        chroot . nss-wrapper --install-service --user "$line" >&2
        chroot . $as_10000 id -un
        chroot . nss-wrapper --explain user 10000 2>&1 || true
        echo NSS_WRAPPER_PASWD=x >>conf/etc/nss_wrapper_rs.conf
        chroot . nss-wrapper --check || true
        chroot . nss-wrapper --uninstall-service
    "#;
    let script = format!("line='{LINE}'; library='{}'\n{script}", scene.library.display());
    let said = stdout(&mut on_layers(&scene, &script));
    if is_root() {
        assert!(said.starts_with("ipython\n"), "{said}");
    }
    has(&said, "configured by /etc/nss_wrapper_rs.conf\n");
    assert!(!said.contains("configuration: "), "{said}");
    has(&said, "/conf/etc/nss_wrapper_rs.conf:3: unknown name \"NSS_WRAPPER_PASWD\"\n");
    has(&said, "removed /conf/etc/nss_wrapper_rs.conf\n");
}

/// Otherwise the library would use the first part of the configuration without its end.
#[test]
fn a_configuration_that_is_longer_than_the_library_reads_is_not_used() {
    let (scene, _) = scene();
    let script = r#"
        "$launcher" --install-service --user "$line" >/dev/null
        yes '# a comment' | head -c 16274 >>/etc/nss_wrapper_rs.conf
        $as_10000 id -un 2>&1 || true
        echo '# one more' >>/etc/nss_wrapper_rs.conf
        $as_10000 id -un 2>&1 || true
        "$launcher" --check 2>&1 || true
    "#;
    let script = format!("line='{LINE}'\n{script}");
    let said = stdout(&mut on_layers(&scene, &script));
    if is_root() {
        // In a user namespace the program sees that the configuration does not belong to root, and does not
        // use it.
        let (before, after) = said.split_once('\n').expect("lines");
        assert_eq!(before, "ipython");
        has(after, "nss_wrapper_rs.conf: it is longer than 16383 bytes, not used\n");
        has(after, "cannot find name for user ID 10000\n");
    }
    has(&said, "bytes is too long for the library: 16383 at most");
}

/// Otherwise the process would do without the configuration as long as it lives.
#[test]
fn a_configuration_for_which_there_is_no_descriptor_is_read_by_a_later_lookup() {
    let (scene, _) = scene();
    let script = r#"
        echo "NSS_WRAPPER_USER=$line" >/etc/nss_wrapper_rs.conf
        HOME=/ LD_PRELOAD="$library" $as_10000 "$python" -Sc 'if True:
            import os, pwd, resource
            resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
            held = []
            try:
                while True: held.append(os.dup(1))
            except OSError: pass
            try: print(pwd.getpwuid(10000).pw_name)
            except KeyError: print("none")
            for fd in held: os.close(fd)
            print(pwd.getpwuid(10000).pw_name)'
    "#;
    if !is_root() {
        // In a user namespace the program sees that the configuration does not belong to root.
        return;
    }
    let library = scene.library.display();
    let script = format!("line='{LINE}'; library='{library}'; python='{PYTHON}'\n{script}");
    assert_eq!(stdout(&mut on_layers(&scene, &script)), "none\nipython\n");
}

/// Otherwise whoever starts a set-user-id program in a directory with such a file would give it users.
#[test]
fn a_relative_path_in_the_configuration_is_not_used_and_reported() {
    let (scene, _) = scene();
    let script = r#"
        "$launcher" --install-service --user "$line" >/dev/null
        echo NSS_WRAPPER_PASSWD=passwd >>/etc/nss_wrapper_rs.conf
        cd "${launcher%/*}/home"
        echo evil:x:10000:0::/:/bin/sh >passwd
        chmod 644 passwd
        $as_10000 id -un 2>&1
        "$launcher" --check || true
        "$launcher" --install-service 2>&1 || true
    "#;
    if !is_root() {
        // In a user namespace the program sees that the configuration does not belong to root.
        return;
    }
    let said = stdout(&mut on_layers(&scene, &format!("line='{LINE}'\n{script}")));
    let conf = "/etc/nss_wrapper_rs.conf";
    has(&said, &format!("] - config: {conf}: NSS_WRAPPER_PASSWD: no absolute path, not used\n"));
    let fault = format!("{conf}:3: NSS_WRAPPER_PASSWD is no absolute path\n");
    assert!(said.ends_with(&format!("\nipython\n{fault}nss-wrapper: {fault}")), "{said}");
}
