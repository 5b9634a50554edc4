//! After `install.sh --compat` the bare name in `LD_PRELOAD=libnss_wrapper.so` loads this library, in every
//! installation, whether or not Debian's package of the peer is there.

use std::path::Path;
use std::process::Command;

use crate::support::scene::is_root;
use crate::support::{built, launcher, library, root, run};
use tempfile::TempDir;

/// Runs a script in a copy of this machine's root that vanishes with its mount namespace. `$1` is the
/// checkout, `$2` the target directory.
fn in_copy(script: &str) -> String {
    let dir = tempfile::tempdir_in(built()).expect("target/tmp is writable");
    let target = built().parent().expect("target/tmp has a parent");
    let outside = r#"
        mkdir up && mount -t tmpfs none up && mkdir up/upper up/work root
        mount -t overlay overlay -o "lowerdir=/,upperdir=up/upper,workdir=up/work" root
        mount --rbind /proc root/proc && mount --rbind /dev root/dev
        mkdir -p "root$2" "root$3" && mount --bind "$2" "root$2" && mount --bind "$3" "root$3"
        exec chroot root bash -euc "$1" bash "$2" "$3"
    "#;
    // A user namespace would not do: in it the mounts below the root are locked, mount_namespaces(7).
    let mut command = Command::new(if is_root() { "unshare" } else { "sudo" });
    if !is_root() {
        command.args(["-n", "unshare"]);
    }
    command.args(["--mount", "--", "sh", "-euc", outside, "sh", script]);
    command.arg(root()).arg(target).current_dir(dir.path()).env_remove("LD_PRELOAD");
    let out = run(&mut command);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{said}\n{}", String::from_utf8_lossy(&out.stderr));
    said
}

/// Installs with `--compat`, and runs programs with each name in `LD_PRELOAD`. Prints whether the loader's cache
/// has changed; for each name how often bob is listed, and how often the library is loaded; and which file that is.
fn installed(prefix: &str, has_debians: bool) -> String {
    library();
    launcher();
    let remove = if has_debians { "" } else { "dpkg -r --force-all libnss-wrapper >/dev/null" };
    // The loader does not search this prefix, so the user has to name it.
    let path = if prefix == "/opt/it" { "/opt/it/lib" } else { "" };
    let script = format!(
        r#"
        export DEBIAN_FRONTEND=noninteractive
        {remove}
        ldconfig
        before=$(sha256sum </etc/ld.so.cache)
        CARGO_TARGET_DIR=$2 "$1/install.sh" --compat PREFIX={prefix}
        after=$(sha256sum </etc/ld.so.cache)
        [ "$before" = "$after" ] && echo "the same cache" || echo "another cache"
        [ -z "{path}" ] || export LD_LIBRARY_PATH={path}
        export NSS_WRAPPER_PASSWD=$'bob:x:4242:77::/b:/s\n' NSS_WRAPPER_FALLTHROUGH=1
        for names in libnss_wrapper.so libnss_wrapper.so:libnss_wrapper_rs.so \
            libnss_wrapper_rs.so:libnss_wrapper.so libnss_wrapper.so.0; do
            echo "$names: $(LD_PRELOAD=$names getent passwd | grep -c ^bob:) bob," \
                "$(LD_PRELOAD=$names NSS_WRAPPER_DEBUGLEVEL=2 getent passwd bob 2>&1 | grep -c 'loaded [0-9]') loaded"
        done
        LD_PRELOAD=libnss_wrapper.so getent passwd bob
        LD_PRELOAD=libnss_wrapper.so grep -o '/[^ ]*/lib/libnss_wrapper_rs.so' /proc/self/maps | sort -u
        LD_PRELOAD=libnss_wrapper.so grep '/lib/.*-linux-gnu/libnss_wrapper.so' /proc/self/maps || true
        "#
    );
    in_copy(&script)
}

#[track_caller]
fn is_found(prefix: &str, has_debians: bool) {
    let one = |names: &str| format!("{names}: 1 bob, 1 loaded\n");
    let want = [
        one("libnss_wrapper.so"),
        one("libnss_wrapper.so:libnss_wrapper_rs.so"),
        one("libnss_wrapper_rs.so:libnss_wrapper.so"),
        one("libnss_wrapper.so.0"),
        "bob:x:4242:77::/b:/s\n".to_owned(),
        format!("{prefix}/lib/libnss_wrapper_rs.so\n"),
    ];
    let said = installed(prefix, has_debians);
    let (cache, said) = said.split_once('\n').expect("a line about the cache");
    assert_eq!(said, want.concat());
    let is_private = Path::new(prefix).starts_with("/opt");
    assert_eq!(cache == "the same cache", is_private, "{cache}");
}

#[test]
fn beside_debians_package_the_bare_name_is_this_library() {
    is_found("/usr/local", true);
    is_found("/usr", true);
}

#[test]
fn without_debians_package_the_bare_name_is_found() {
    is_found("/usr/local", false);
    is_found("/usr", false);
}

/// The library is found if `LD_LIBRARY_PATH` names its directory.
#[test]
fn a_private_prefix_leaves_the_loaders_cache_alone() {
    is_found("/opt/it", true);
    is_found("/opt/it", false);
}

/// The bare name leads to a filter object, ld(1) `--filter`. With a path in `LD_PRELOAD` there is no need for one,
/// and musl's loader does not know filters: that path must lead to the library.
#[test]
fn the_path_is_the_librarys_own() {
    library();
    launcher();
    let dir: TempDir = tempfile::tempdir_in(built()).expect("target/tmp is writable");
    let mut command = Command::new(root().join("install.sh"));
    command.arg("--compat").arg(format!("PREFIX={}", dir.path().join("it").display()));
    command.env("CARGO_TARGET_DIR", built().parent().expect("target"));
    assert!(run(&mut command).status.success());
    let path = dir.path().join("it/lib/libnss_wrapper.so");
    let real = path.canonicalize().expect("installed");
    assert!(real.ends_with("libnss_wrapper_rs.so"), "{}", real.display());
}
