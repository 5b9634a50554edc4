//! `install.sh` and the Debian packages: what is installed, and that C projects find it, under its
//! own name and under the peer's.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support;
use crate::support::scene::{has, is_root};
use crate::support::{built, file, launcher, library, root, run, stdout};
use tempfile::TempDir;

const OWN: &[&str] = &[
    "bin/nss-wrapper",
    "bin/nss_wrapper.pl",
    "include/nss_wrapper_rs.h",
    "LIB/cmake/nss_wrapper_rs/nss_wrapper_rs-config-version.cmake",
    "LIB/cmake/nss_wrapper_rs/nss_wrapper_rs-config.cmake",
    "LIB/libnss_wrapper_rs.so",
    "LIB/libnss_wrapper_rs.so.2",
    "LIB/pkgconfig/nss_wrapper_rs.pc",
    "share/bash-completion/completions/nss-wrapper",
    "share/fish/vendor_completions.d/nss-wrapper.fish",
    "share/man/man1/nss-wrapper.1",
    "share/man/man1/nss_wrapper.pl.1",
    "share/man/man1/nss_wrapper_rs.1",
    "share/zsh/site-functions/_nss-wrapper",
];

const COMPAT: &[&str] = &[
    "LIB/cmake/nss_wrapper/nss_wrapper-config-version.cmake",
    "LIB/cmake/nss_wrapper/nss_wrapper-config.cmake",
    "LIB/libnss_wrapper.so",
    "LIB/libnss_wrapper.so.0",
    "LIB/pkgconfig/nss_wrapper.pc",
    "share/man/man1/nss_wrapper.1",
];

/// A new directory; the library and the launcher are built.
fn place() -> TempDir {
    library();
    launcher();
    let place = tempfile::tempdir_in(built()).expect("target/tmp is writable");
    file(place.path(), "passwd", "bob:x:4242:77:Bob:/b:/bin/b\n");
    file(place.path(), "group", "lab:x:77:bob,eve\n");
    place
}

fn install(args: &[&str]) -> Command {
    let mut command = Command::new(root().join("install.sh"));
    command.args(args).env("CARGO_TARGET_DIR", built().parent().expect("target"));
    for name in ["PREFIX", "LIBDIR", "DESTDIR"] {
        command.env_remove(name);
    }
    command
}

/// Installs below the place, and gives the prefix.
fn installed(place: &TempDir, options: &[&str]) -> PathBuf {
    let prefix = place.path().join("usr");
    stdout(install(options).arg(format!("PREFIX={}", prefix.display())));
    prefix
}

/// The files and links below a directory, as paths from there.
fn files(top: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![top.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).expect("readable") {
            let entry = entry.expect("readable");
            if entry.file_type().expect("readable").is_dir() {
                open.push(entry.path());
            } else {
                let path = entry.path();
                let below = path.strip_prefix(top).expect("found below it");
                found.insert(below.to_str().expect("plain").to_owned());
            }
        }
    }
    found
}

fn listed(lists: &[&[&str]], lib: &str) -> BTreeSet<String> {
    lists.concat().iter().map(|path| path.replace("LIB", lib)).collect()
}

/// Runs `tests/install/check.sh` for an installation below `prefix`, or for the machine's.
fn check(kind: &str, place: &Path, prefix: Option<&Path>) -> Vec<PathBuf> {
    let mut command = Command::new(root().join("tests/install/check.sh"));
    command.arg(kind).arg(place.join("work")).arg(root().join("tests/install/client.c")).arg(place);
    command.env_remove("LD_PRELOAD").env_remove("PKG_CONFIG_PATH");
    if let Some(prefix) = prefix {
        command.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display()));
        command.env("PKG_CONFIG_LIBDIR", prefix.join("lib/pkgconfig"));
    }
    stdout(&mut command).lines().map(PathBuf::from).collect()
}

#[test]
fn a_project_that_uses_the_peer_finds_it_on_this_machine() {
    let place = place();
    let found = check("peer", place.path(), None);
    assert_eq!(found, [support::peer(), support::peer()]);
}

#[test]
fn the_same_project_finds_an_installation_with_compat_by_changing_nothing() {
    let place = place();
    let prefix = installed(&place, &["--compat"]);
    assert_eq!(files(&prefix), listed(&[OWN, COMPAT], "lib"));
    let so = prefix.join("lib/libnss_wrapper.so");
    assert_eq!(check("peer", place.path(), Some(&prefix)), [so.clone(), so.clone()]);
    assert_eq!(fs::read(so).expect("readable"), fs::read(library()).expect("readable"));
}

#[test]
fn a_project_finds_an_installation_under_its_own_name() {
    let place = place();
    let prefix = installed(&place, &[]);
    assert_eq!(files(&prefix), listed(&[OWN], "lib"));
    let so = prefix.join("lib/libnss_wrapper_rs.so");
    assert_eq!(check("own", place.path(), Some(&prefix)), [so.clone(), so.clone()]);
    // The launcher finds the installed library, and is installed under the name of the peer's script, too.
    let said = stdout(Command::new(prefix.join("bin/nss-wrapper")).arg("--print-env"));
    has(&said, &so.display().to_string());
    has(&stdout(Command::new(prefix.join("bin/nss_wrapper.pl")).arg("-h")), "--passwd_path");
}

#[test]
fn a_launcher_that_fails_makes_the_installation_fail() {
    let place = place();
    let broken = file(place.path(), "broken", "#!/bin/sh\n[ $1 = --version ] && echo x 1.0\n");
    stdout(Command::new("chmod").arg("755").arg(&broken));
    let to = format!("DESTDIR={}", place.path().join("dest").display());
    let out = run(&mut install(&[&to, &format!("RUNNABLE={}", broken.display())]));
    assert_eq!(out.status.code(), Some(1));
}

#[test]
fn destdir_goes_before_every_path_and_into_no_file() {
    let place = place();
    let (dest, prefix) = (place.path().join("dest"), "/opt/it");
    let lib = format!("LIBDIR={prefix}/lib64");
    let to = format!("DESTDIR={}", dest.display());
    stdout(&mut install(&["--compat", &lib, &to, &format!("PREFIX={prefix}")]));
    let below = dest.join("opt/it");
    assert_eq!(files(&below), listed(&[OWN, COMPAT], "lib64"));
    assert_eq!(files(&dest).len(), OWN.len() + COMPAT.len());
    for path in files(&below) {
        let bytes = fs::read(below.join(&path)).expect("readable");
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("DESTDIR") && !text.contains(&*dest.to_string_lossy()), "{path}");
        let is_template = text.contains("@LIBDIR@") || text.contains("@VERSION@");
        assert!(!is_template, "{path}");
    }
    let pc = fs::read_to_string(below.join("lib64/pkgconfig/nss_wrapper.pc")).expect("readable");
    has(&pc, "libdir=/opt/it/lib64\n");
    has(&pc, "Version: 1.1.16\n");
    // --compat-only installs just what --compat adds.
    let more = place.path().join("more");
    let to = format!("DESTDIR={}", more.display());
    stdout(&mut install(&["--compat-only", &lib, &to, &format!("PREFIX={prefix}")]));
    assert_eq!(files(&more.join("opt/it")), listed(&[COMPAT], "lib64"));
}

#[test]
fn others_can_read_what_is_installed_whatever_the_umask() {
    let place = place();
    let mut command = Command::new("sh");
    command.args(["-c", "umask 077; exec \"$0\" \"$@\""]).arg(root().join("install.sh"));
    command.args(["--compat", "PREFIX=/opt/it", "LIBDIR=/opt/it/lib"]);
    command.arg(format!("DESTDIR={}", place.path().join("dest").display()));
    stdout(command.env("CARGO_TARGET_DIR", built().parent().expect("target")));
    let find = ["dest", "-mindepth", "1", "!", "-type", "l", "!", "-perm", "-o=r"];
    assert_eq!(stdout(Command::new("find").args(find).current_dir(place.path())), "");
}

/// Also if cargo's configuration names another directory, or the caller is in another one.
#[test]
fn what_is_not_built_is_built_where_it_is_looked_for() {
    let place = place();
    let cargo = r#"#!/bin/sh
        dir=$ELSEWHERE
        case "$*" in *--target-dir*) dir=${*##*--target-dir } ;; esac
        mkdir -p "$dir/release" && cp "$BUILT/nss-wrapper" "$BUILT/libnss_wrapper_rs.so" "$dir/release"
    "#;
    let cargo = file(place.path(), "cargo", cargo);
    stdout(Command::new("chmod").arg("755").arg(&cargo));
    let path = std::env::var("PATH").expect("text");
    let mut command = install(&["PREFIX=/opt/it", "DESTDIR=dest"]);
    command.env("PATH", format!("{}:{path}", place.path().display()));
    command.env("CARGO_TARGET_DIR", "relative").env("ELSEWHERE", place.path().join("elsewhere"));
    let target = built().parent().expect("target");
    stdout(command.env("BUILT", target.join("release")).current_dir(place.path()));
    assert_eq!(files(&place.path().join("dest/opt/it")), listed(&[OWN], "lib"));
}

/// The script's own programs have the library preloaded here, as in an image that sets LD_PRELOAD.
#[test]
fn a_program_that_starts_meanwhile_finds_the_old_library_or_the_new_one() {
    let place = place();
    let prefix = installed(&place, &[]);
    let to = format!("PREFIX={}", prefix.display());
    let out = run(install(&[&to]).env("LD_PRELOAD", prefix.join("lib/libnss_wrapper_rs.so")));
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success() && said.is_empty(), "{said}");
    assert_eq!(files(&prefix), listed(&[OWN], "lib"));
}

#[test]
fn what_is_no_option_or_no_path_is_refused() {
    for args in [["--no-such"], ["PREFIX=relative"], ["PREFIX=/a b"], ["LIBDIR=/a|b"]] {
        let out = run(install(&args).arg("DESTDIR=/nonexistent/x"));
        assert_eq!(out.status.code(), Some(1), "{args:?}");
        has(&String::from_utf8_lossy(&out.stderr), "install.sh: ");
    }
}

#[test]
fn the_manual_page_names_every_variable_of_the_library() {
    let config = fs::read_to_string(root().join("src/config.rs")).expect("committed");
    let page = fs::read_to_string(root().join("docs/nss_wrapper_rs.1")).expect("committed");
    let names = config.lines().filter(|line| line.contains("const "));
    let names = names.filter_map(|line| line.split("c\"").nth(1)?.split('"').next());
    let names: Vec<_> =
        names.filter(|n| n.starts_with("NSS_WRAPPER_") && !n.ends_with('_')).collect();
    assert!(names.len() >= 10, "{names:?}");
    for name in names {
        assert!(page.contains(name), "{name}");
    }
}

/// Installs the packages with dpkg in a copy of this machine's root that vanishes with its mount
/// namespace; the peer's package is installed there.
#[test]
fn the_packages_take_the_place_of_the_peers_and_c_projects_find_them() {
    let place = place();
    let debs = place.path().join("debs");
    let mut make = Command::new(root().join("ci/deb"));
    make.arg(&debs).env("CARGO_TARGET_DIR", built().parent().expect("target"));
    stdout(&mut make);

    let multiarch = stdout(Command::new("gcc").arg("-print-multiarch"));
    let lib = format!("lib/{}", multiarch.trim());
    let in_package = |lists: &[&[&str]]| {
        listed(lists, &lib)
            .iter()
            .map(|path| match path.strip_prefix("share/man/") {
                Some(_) => format!("{path}.gz"),
                None => path.replace("zsh/site-functions", "zsh/vendor-completions"),
            })
            .collect::<BTreeSet<_>>()
    };
    let is_of_library = |path: &&str| {
        path.starts_with("LIB/")
            || path.starts_with("include/")
            || path.ends_with("nss_wrapper_rs.1")
    };
    let (library, launcher): (Vec<&str>, Vec<&str>) = OWN.iter().copied().partition(is_of_library);
    let documents = ["changelog.gz", "copyright"];
    for (name, list, more) in [
        ("libnss-wrapper-rs", &library[..], &["README.md", "licences.md"][..]),
        ("nss-wrapper-rs", &launcher, &[]),
        ("nss-wrapper-rs-compat", COMPAT, &[]),
    ] {
        let deb = deb(&debs, &format!("{name}_"));
        let unpacked = place.path().join(name);
        stdout(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&unpacked));
        let mut want = in_package(&[list]);
        let more = more.iter().chain(&documents);
        want.extend(more.map(|file| format!("share/doc/{name}/{file}")));
        // debhelper compresses long documents.
        let have = files(&unpacked.join("usr"));
        let have: BTreeSet<_> = have.iter().map(|path| path.replace(".md.gz", ".md")).collect();
        assert_eq!(have, want, "{name}");
        sound(&deb);
    }

    // The script sees all of the machine's root by an overlay, and writes nothing to it.
    let script = r#"
        mkdir up && mount -t tmpfs none up && mkdir up/upper up/work root
        mount -t overlay overlay -o "lowerdir=/,upperdir=up/upper,workdir=up/work" root
        mount --rbind /proc root/proc && mount --rbind /dev root/dev
        mkdir -p "root$2" "root$3" && mount --bind "$2" "root$2" && mount --bind "$3" "root$3"
        exec chroot root sh -euc "$1" sh "$2" "$3"
    "#;
    let inside = r#"
        export DEBIAN_FRONTEND=noninteractive
        dpkg-query -W -f '${db:Status-Status}\n' libnss-wrapper
        dpkg -i "$1"/debs/*.deb >"$1/dpkg.log" 2>&1 || { cat "$1/dpkg.log" >&2; exit 1; }
        dpkg-query -W -f '${db:Status-Status}\n' libnss-wrapper-rs nss-wrapper-rs nss-wrapper-rs-compat
        ! dpkg-query -W -f '${db:Status-Status}\n' libnss-wrapper 2>/dev/null | grep -x installed
        dpkg --audit
        for kind in peer own; do
            "$2/tests/install/check.sh" $kind "$1/work-$kind" "$2/tests/install/client.c" "$1"
        done
        nss-wrapper --user magic -- id -un
        LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD=$1/passwd getent passwd bob
        nss_wrapper.pl --action add --type group --group_path "$1/group" --name new
        cat "$1/group"
    "#;
    // A user namespace would not do: in it the mounts below the root are locked, mount_namespaces(7).
    let mut command = Command::new(if is_root() { "unshare" } else { "sudo" });
    if !is_root() {
        command.args(["-n", "unshare"]);
    }
    command.args(["--mount", "--", "sh", "-euc", script, "sh", inside]);
    command.arg(place.path()).arg(root()).current_dir(place.path()).env_remove("LD_PRELOAD");
    let so = format!("/usr/{lib}/libnss_wrapper");
    let want = format!(
        "installed\ninstalled\ninstalled\ninstalled\n{so}.so\n{so}.so\n{so}_rs.so\n{so}_rs.so\nmagic\n\
         bob:x:4242:77:Bob:/b:/bin/b\nlab:x:77:bob,eve\nnew:x:1000:\n"
    );
    assert_eq!(stdout(&mut command), want);
}

/// The package in `dir` whose file name begins with `start`.
fn deb(dir: &Path, start: &str) -> PathBuf {
    let names = files(dir);
    let name = names.iter().find(|name| name.starts_with(start));
    dir.join(name.unwrap_or_else(|| panic!("{names:?}")))
}

/// What lintian(1) would complain about first: owners, modes, and a control file without a field.
fn sound(deb: &Path) {
    for line in stdout(Command::new("dpkg-deb").arg("-c").arg(deb)).lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let mode = match (line.starts_with('d'), words[5].starts_with("./usr/bin/")) {
            _ if line.starts_with('l') => "lrwxrwxrwx",
            (true, _) => "drwxr-xr-x",
            (_, true) => "-rwxr-xr-x",
            _ => "-rw-r--r--",
        };
        assert_eq!((words[0], words[1]), (mode, "root/root"), "{line}");
    }
    let fields = stdout(Command::new("dpkg-deb").arg("-f").arg(deb));
    for field in ["Maintainer: ", "Section: ", "Description: ", "Architecture: "] {
        has(&fields, field);
    }
    // The library needs nothing, the others need the library.
    let is_library = deb.to_string_lossy().contains("libnss-wrapper-rs_");
    assert_ne!(fields.contains("\nDepends: libnss-wrapper-rs (= "), is_library, "{fields}");
    let is_compat = deb.to_string_lossy().contains("compat");
    assert_eq!(fields.contains("\nProvides: libnss-wrapper (= 1.1.16)\n"), is_compat, "{fields}");
    assert_eq!(fields.contains("\nConflicts: libnss-wrapper\n"), is_compat, "{fields}");
    assert_eq!(fields.contains("\nReplaces: libnss-wrapper\n"), is_compat, "{fields}");
}
