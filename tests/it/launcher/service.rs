//! `nss-wrapper --install-service`: what it changes in a tree of files, and that `--uninstall-service` undoes this.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::scene::{as_root, scene};
use crate::support::scene::{Scene, has, is_root};
use crate::support::{file, run, stdout};

const LINE: &str = "ipython:x:%u:%g:IPython:/home/ipython:/bin/bash";
const CONF: &str = "etc/nss_wrapper_rs.conf";

/// A directory with files as in a container image: a C library for this machine, and nsswitch.conf.
struct Image {
    scene: Scene,
    root: PathBuf,
    lib: PathBuf,
}

impl Image {
    fn new(nsswitch: &str) -> Self {
        let (scene, _) = scene();
        let root = scene.path("image");
        let lib = root.join("usr/lib/this-linux-gnu");
        for dir in [&lib, &root.join("etc"), &root.join("data")] {
            fs::create_dir_all(dir).expect("the directory is ours");
            open_to_all(dir);
        }
        open_to_all(&root);
        symlink("usr/lib", root.join("lib")).expect("the directory is ours");
        // The launcher reads only the ELF header of the C library.
        let library = fs::read(&scene.library).expect("the library is there");
        file(&lib, "libc.so.6", &library[..64]);
        file(&root, "etc/nsswitch.conf", nsswitch);
        Self { scene, root, lib }
    }

    /// The launcher, run by root on the image.
    fn launcher(&self, args: &[&str]) -> Command {
        let mut command = as_root(&self.scene.path("nss-wrapper"));
        command.args(args).arg("--root").arg(&self.root);
        command.env_remove("LD_PRELOAD").env("LC_ALL", "C");
        command
    }

    /// The one line with which the launcher refuses to do something; it may not have changed anything.
    fn refused(&self, args: &[&str]) -> String {
        let before = self.files();
        let out = run(&mut self.launcher(args));
        let said = String::from_utf8(out.stderr).expect("text");
        assert_eq!(out.status.code(), Some(125), "{args:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(out.stdout.is_empty());
        assert!(before == self.files(), "{args:?} changed something");
        said
    }

    /// Every file: its content or where its link leads, its mode, its owner, and its inode number.
    fn files(&self) -> BTreeMap<PathBuf, (Vec<u8>, u32, u32, u64)> {
        let mut all = BTreeMap::new();
        let mut dirs = vec![self.root.clone()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).expect("readable") {
                let path = entry.expect("an entry").path();
                let status = fs::symlink_metadata(&path).expect("it is there");
                let content = if status.is_dir() {
                    dirs.push(path.clone());
                    Vec::new()
                } else if status.is_symlink() {
                    let target = fs::read_link(&path).expect("a link");
                    target.into_os_string().into_encoded_bytes()
                } else {
                    fs::read(&path).expect("readable")
                };
                all.insert(path, (content, status.mode(), status.uid(), status.ino()));
            }
        }
        all
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).expect("it is there")
    }
}

fn open_to_all(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o755)).expect("the file is ours");
}

#[test]
fn the_service_is_installed_once_and_taken_back_to_the_byte() {
    let text = "# Comment\r\npasswd:\t\tfiles systemd\n\ngroup: files [SUCCESS=merge] systemd # g\n\
                shadow: files\nhosts: files dns";
    let image = Image::new(text);
    let nsswitch = image.root.join("etc/nsswitch.conf");
    fs::set_permissions(&nsswitch, Permissions::from_mode(0o604)).expect("the file is ours");
    let before = image.files();
    let install = ["--install-service", "--user", LINE];
    let said = stdout(&mut image.launcher(&install));
    for path in ["usr/lib/this-linux-gnu/libnss_wrapper_rs.so.2", CONF, "etc/nsswitch.conf"] {
        has(&said, &image.root.join(path).display().to_string());
    }
    assert_eq!(said.lines().count(), 3, "{said}");
    assert_eq!(
        image.text("etc/nsswitch.conf"),
        "# Comment\r\npasswd:\t\tfiles wrapper_rs systemd\n\ngroup: files [SUCCESS=merge] \
         systemd wrapper_rs # g\nshadow: files\nhosts: files dns"
    );
    assert_eq!(fs::metadata(&nsswitch).expect("it is there").mode() & 0o7777, 0o604);
    let header = "# Written by nss-wrapper --install-service.\n";
    assert_eq!(image.text(CONF), format!("{header}NSS_WRAPPER_USER={LINE}\n"));
    let service = image.lib.join("libnss_wrapper_rs.so.2");
    let library = fs::read(&image.scene.library).expect("the library is there");
    assert!(fs::read(&service).expect("the service is there") == library);
    for path in [&service, &image.root.join(CONF)] {
        let status = fs::metadata(path).expect("it is there");
        assert_eq!((status.mode() & 0o7777, status.uid()), (0o644, before[&nsswitch].2));
    }

    let installed = image.files();
    for again in [&install[..], &["--install-service"]] {
        assert_eq!(stdout(&mut image.launcher(again)), "nothing to change\n");
        assert!(image.files() == installed, "{again:?} changed something");
    }

    assert_eq!(stdout(&mut image.launcher(&["--uninstall-service"])).lines().count(), 3);
    let without_number = |files: BTreeMap<PathBuf, (Vec<u8>, u32, u32, u64)>| {
        files.into_iter().map(|(path, (a, b, c, _))| (path, a, b, c)).collect::<Vec<_>>()
    };
    assert!(without_number(image.files()) == without_number(before));
    let said = stdout(&mut image.launcher(&["--uninstall-service"]));
    assert_eq!(said, "nothing to change\n");
}

#[test]
fn a_configuration_of_files_has_shadow_and_hosts_asked_too_and_another_one_not_any_more() {
    let image = Image::new("passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n");
    file(&image.root, "data/passwd", "app:x:70000:70000::/:/bin/sh\n");
    file(&image.root, "data/shadow", "app:*:1:0:9:7:::\n");
    file(&image.root, "data/hosts", "10.0.0.1 db\n");
    let files = [
        "--passwd",
        "/data/passwd",
        "--shadow",
        "/data/shadow",
        "--hosts",
        "/lib/../../data/hosts",
    ];
    stdout(image.launcher(&["--install-service"]).args(files));
    assert_eq!(
        image.text("etc/nsswitch.conf"),
        "passwd: files wrapper_rs\ngroup: files wrapper_rs\nshadow: files wrapper_rs\n\
         hosts: files wrapper_rs dns\n"
    );
    has(&image.text(CONF), "\nNSS_WRAPPER_PASSWD=/data/passwd\nNSS_WRAPPER_SHADOW=/data/shadow\n");
    let said = stdout(&mut image.launcher(&["--install-service", "--user", "app"]));
    assert_eq!(said.lines().count(), 2, "{said}");
    assert_eq!(
        image.text("etc/nsswitch.conf"),
        "passwd: files wrapper_rs\ngroup: files wrapper_rs\nshadow: files\nhosts: files dns\n"
    );
    has(&image.text(CONF), "\nNSS_WRAPPER_USER=app:x:%u:%g:app:%h:/bin/sh\n");
}

#[test]
fn links_stay_and_lead_to_files_within_the_image() {
    let image = Image::new("");
    let nsswitch = image.root.join("etc/nsswitch.conf");
    fs::remove_file(&nsswitch).expect("the file is ours");
    file(&image.root, "data/nsswitch", "passwd: files\ngroup: files\n");
    symlink("/data/nsswitch", &nsswitch).expect("the directory is ours");
    stdout(&mut image.launcher(&["--install-service", "--user", LINE]));
    assert_eq!(fs::read_link(&nsswitch).expect("still a link"), Path::new("/data/nsswitch"));
    let want = "passwd: files wrapper_rs\ngroup: files wrapper_rs\n";
    assert_eq!(image.text("data/nsswitch"), want);
    // A package's link to its library is used, not replaced.
    stdout(&mut image.launcher(&["--uninstall-service"]));
    let link = image.lib.join("libnss_wrapper_rs.so.2");
    symlink("libnss_wrapper_rs.so", &link).expect("the directory is ours");
    has(&image.refused(&["--install-service", "--user", LINE]), "a link to no library for");
    fs::copy(&image.scene.library, image.lib.join("libnss_wrapper_rs.so")).expect("ours");
    stdout(&mut image.launcher(&["--install-service", "--user", LINE]));
    assert!(link.is_symlink());
    stdout(&mut image.launcher(&["--uninstall-service"]));
    assert!(link.is_symlink());
}

/// None of them fails or takes back what another has done, and none leaves a temporary file.
#[test]
fn several_who_install_at_once_wait_for_each_other() {
    let image = Image::new("passwd: files\ngroup: files\n");
    let user = |number: usize| format!("user{number}:x:%u:%g::/:/bin/sh");
    let mut children = Vec::new();
    for number in 0..16 {
        let line = user(number);
        let mut install = image.launcher(&["--install-service", "--user", &line]);
        let mut uninstall = image.launcher(&["--uninstall-service"]);
        for command in [&mut install, &mut uninstall].into_iter().take(1 + number % 2) {
            let piped = command.stdout(Stdio::null()).stderr(Stdio::piped());
            children.push(piped.spawn().expect("the launcher runs"));
        }
    }
    for child in children {
        let out = child.wait_with_output().expect("it ends");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
    stdout(&mut image.launcher(&["--install-service", "--user", &user(0)]));
    let installed = image.files();
    let names: BTreeSet<_> = installed.keys().filter_map(|path| path.file_name()).collect();
    for name in ["libnss_wrapper_rs.so.2", "nss_wrapper_rs.conf", "nsswitch.conf"] {
        assert!(names.contains(OsStr::new(name)), "{names:?}");
    }
    assert!(!names.iter().any(|name| name.to_string_lossy().starts_with('.')), "{names:?}");
    has(&image.text(CONF), &user(0));
    let want = "passwd: files wrapper_rs\ngroup: files wrapper_rs\n";
    assert_eq!(image.text("etc/nsswitch.conf"), want);
}

#[test]
fn a_link_that_leads_nowhere_or_out_of_roots_hands_is_refused_in_one_line() {
    let image = Image::new("");
    let nsswitch = image.root.join("etc/nsswitch.conf");
    let world = image.root.join("tmp");
    fs::create_dir(&world).expect("the directory is ours");
    fs::set_permissions(&world, Permissions::from_mode(0o1777)).expect("the directory is ours");
    file(&world, "nsswitch.conf", "passwd: files\n");
    for (target, why) in [
        ("nsswitch.conf", "nsswitch.conf: Too many levels of symbolic links"),
        ("/tmp/nsswitch.conf", "/tmp has the mode 1777, but only root"),
        ("none/nsswitch.conf", "etc/none/nsswitch.conf: No such file or directory"),
    ] {
        fs::remove_file(&nsswitch).expect("the file is ours");
        symlink(target, &nsswitch).expect("the directory is ours");
        has(&image.refused(&["--install-service", "--user", LINE]), why);
    }
    fs::remove_file(&nsswitch).expect("the file is ours");
    let conf = image.root.join(CONF);
    symlink("/tmp/conf", &conf).expect("the directory is ours");
    has(&image.refused(&["--install-service", "--user", LINE]), "conf: is a symbolic link");
}

#[test]
fn a_missing_nsswitch_conf_is_made_and_removed() {
    let image = Image::new("");
    let nsswitch = image.root.join("etc/nsswitch.conf");
    fs::remove_file(&nsswitch).expect("the file is ours");
    stdout(&mut image.launcher(&["--install-service", "--user", LINE]));
    let text = image.text("etc/nsswitch.conf");
    has(&text, "\npasswd: files wrapper_rs #");
    has(&text, "\ngroup: files wrapper_rs #");
    stdout(&mut image.launcher(&["--uninstall-service"]));
    assert!(!nsswitch.exists());
}

/// A tree that somebody else has made may have anything in it.
#[test]
fn a_fifo_in_the_place_of_a_file_is_not_opened() {
    let image = Image::new("passwd: files\n");
    let lib = image.lib.join("libc.so.6");
    for (path, why) in [
        (image.root.join(CONF), "nss_wrapper_rs.conf: not a regular file"),
        (image.root.join("etc/nsswitch.conf"), "nsswitch.conf: not a regular file"),
        (lib, "there is no libc.so.6"),
    ] {
        let kept = image.root.join("kept");
        let was_there = fs::rename(&path, &kept).is_ok();
        stdout(Command::new("mkfifo").args(["--mode=644"]).arg(&path));
        let install = image.launcher(&["--install-service", "--user", LINE]);
        let mut limited = Command::new("timeout");
        limited.arg("20").arg(install.get_program()).args(install.get_args()).env("LC_ALL", "C");
        let out = run(&mut limited);
        assert_eq!(out.status.code(), Some(125), "{why}");
        has(&String::from_utf8_lossy(&out.stderr), why);
        fs::remove_file(&path).expect("the file is ours");
        if was_there {
            fs::rename(&kept, &path).expect("the file is ours");
        }
    }
}

#[test]
fn what_others_than_root_can_write_is_refused_and_nothing_changes() {
    let image = Image::new("passwd: files\n");
    file(&image.root, CONF, format!("NSS_WRAPPER_USER={LINE}\n"));
    file(&image.root, "data/passwd", "app:x:70000:70000::/:/bin/sh\n");
    let mode = |path: &str, mode| {
        let mode = Permissions::from_mode(mode);
        fs::set_permissions(image.root.join(path), mode).expect("the file is ours");
    };
    let by_user = &["--install-service", "--user", LINE][..];
    let by_file = &["--install-service", "--passwd", "/data/passwd"][..];
    for (path, bad, good, args) in [
        (CONF, 0o664, 0o644, by_user),
        (CONF, 0o646, 0o644, &["--install-service"]),
        ("etc", 0o775, 0o755, by_user),
        ("", 0o777, 0o755, by_user),
        ("etc/nsswitch.conf", 0o666, 0o644, by_user),
        ("usr/lib", 0o777, 0o755, by_user),
        ("data/passwd", 0o602, 0o644, by_file),
        ("data", 0o1777, 0o755, by_file),
    ] {
        mode(path, bad);
        let said = image.refused(args);
        has(
            &said,
            &format!("{} has the mode {bad:04o}", image.root.join(path).display())
                .replace("/ ", " "),
        );
        has(&said, "only root may be able to write");
        mode(path, good);
    }
    if is_root() {
        for path in [CONF, "etc", "data/passwd"] {
            let args = if path == "data/passwd" { by_file } else { by_user };
            let path = image.root.join(path);
            chown(&path, Some(10000), None).expect("root may give files away");
            has(&image.refused(args), &format!("{} belongs to the user id 10000", path.display()));
            chown(&path, Some(0), None).expect("root may take files");
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=10000", "--regid=10000", "--clear-groups"]);
        let out = run(command.arg(image.scene.path("nss-wrapper")).args(by_user));
        assert_eq!(out.status.code(), Some(125));
        has(&String::from_utf8_lossy(&out.stderr), "only root can install a service");
    }
    // Whoever owns a link in such a directory can let it lead elsewhere.
    let world = image.root.join("tmp");
    fs::create_dir(&world).expect("the directory is ours");
    fs::set_permissions(&world, Permissions::from_mode(0o1777)).expect("the directory is ours");
    symlink("/data/passwd", world.join("link")).expect("the directory is ours");
    symlink("../tmp/link", image.root.join("data/link")).expect("the directory is ours");
    for link in ["/tmp/link", "/data/link"] {
        let said = image.refused(&["--install-service", "--passwd", link]);
        has(&said, &format!("the directory {} has the mode 1777", world.display()));
    }
    stdout(&mut image.launcher(by_file));
}

#[test]
fn what_cannot_be_a_service_is_one_clear_line_and_nothing_changes() {
    let image = Image::new("passwd: files\n");
    file(&image.root, "data/prose", "There are no users.\n");
    let long = format!("a:x:%u:%g:{}:/:/bin/sh", "x".repeat(1 << 14));
    for (args, why) in [
        (&["--install-service"][..], "nothing says what the service is to answer"),
        (&["--install-service", "--passwd", "/data/none"], "/data/none: No such file"),
        (&["--install-service", "--passwd", "/data/prose"], "not a passwd(5) file"),
        (&["--install-service", "--user"], "a value is required for '--user"),
        (&["--install-service", "--user", "a:x:%u:%g:%q:/:/bin/sh"], "%q stands for nothing"),
        (&["--install-service", "--user", &long], "bytes is too long for the library: 16383"),
        (&["--install-service", "--host", "a=::1"], "--hosts FILE"),
        (&["--install-service", "--user", LINE, "--library", "/etc/hosts"], "is no ELF file"),
        (&["--install-service", "--debug", "1"], "nothing says what the service is to answer"),
        (&["--uninstall-service", "--user", LINE], "cannot be used with"),
        (&["--install-service", "--uninstall-service"], "cannot be used with"),
    ] {
        has(&image.refused(args), why);
    }
    file(&image.root, CONF, format!("NSS_WRAPPER_USER={LINE}\n"));
    let settings = ["--install-service", "--fall-through", "--debug", "1"];
    has(&image.refused(&settings), "nothing says what the service is to answer");
    file(&image.root, CONF, "NSS_WRAPPER_USER=x\nLD_PRELOAD=/x\n");
    has(
        &image.refused(&["--install-service"]),
        "nss_wrapper_rs.conf:2: unknown name \"LD_PRELOAD\"",
    );
    fs::remove_file(image.root.join(CONF)).expect("the file is ours");
    let nsswitch = image.root.join("etc/nsswitch.conf");
    fs::remove_file(&nsswitch).expect("the file is ours");
    file(&image.root, CONF, "NSS_WRAPPER_USER=before\n");
    fs::create_dir(&nsswitch).expect("the directory is ours");
    has(
        &image.refused(&["--install-service", "--user", LINE]),
        "nsswitch.conf: not a regular file",
    );
    fs::remove_file(image.lib.join("libc.so.6")).expect("the file is ours");
    has(&image.refused(&["--install-service", "--user", LINE]), "there is no libc.so.6");
    file(&image.root, "usr/lib/ld-musl-x86_64.so.1", "");
    has(
        &image.refused(&["--install-service", "--user", LINE]),
        "musl, which knows no NSS services",
    );
}
