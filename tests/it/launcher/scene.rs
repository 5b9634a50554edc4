//! The launcher and the library, in a directory that the user id 10000 may read.

use std::path::Path;
use std::process::Command;

use crate::support::namespace::after_mounts;
use crate::support::scene::{Scene, is_root};
use crate::support::{copy_program, launcher};

/// A scene in which the launcher stands beside the library, and the launcher's path.
pub(crate) fn scene() -> (Scene, String) {
    let scene = Scene::new();
    let copy = scene.path("nss-wrapper");
    copy_program(launcher(), &copy);
    let copy = copy.to_str().expect("a plain path").to_owned();
    (scene, copy)
}

/// The launcher run by these ids, with nothing preloaded before.
pub(crate) fn as_ids<const N: usize>(
    scene: &Scene,
    uid: u32,
    gid: u32,
    args: [&str; N],
) -> Command {
    let mut command = scene.as_ids(uid, gid, [scene.path("nss-wrapper").to_str().expect("plain")]);
    command.args(args).env_remove("LD_PRELOAD");
    command
}

/// The launcher run by whoever runs the test.
pub(crate) fn as_self<const N: usize>(scene: &Scene, args: [&str; N]) -> Command {
    let mut command = Command::new(scene.path("nss-wrapper"));
    command.args(args).env_remove("LD_PRELOAD").env("LC_ALL", "C").current_dir(&scene.home);
    command
}

/// A command that root runs, or root of a user namespace if the tests do not run as root.
pub(crate) fn as_root(program: &Path) -> Command {
    if is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--"]).arg(program);
    command
}

/// A shell script that root runs. It sees this machine's files, with overlays over /etc and over the C
/// library's directory, which take its changes and vanish when it ends. `$launcher` is the launcher, and
/// `$as_10000 COMMAND` runs a command as that user id.
pub(crate) fn on_layers(scene: &Scene, script: &str) -> Command {
    let layers = scene.path("layers");
    std::fs::create_dir(&layers).expect("the directory is ours");
    let mounts = r#"
        mount -t tmpfs none "$1"
        mkdir "$1/etc" "$1/lib" "$1/work1" "$1/work2"
        lib=$(sed -n 's|^[^/]*\(/.*\)/libc.so.6$|\1|p' /proc/self/maps | head -n 1)
        mount -t overlay -o "lowerdir=/etc,upperdir=$1/etc,workdir=$1/work1" none /etc
        mount -t overlay -o "lowerdir=$lib,upperdir=$1/lib,workdir=$1/work2" none "$lib"
    "#;
    // In a further user namespace the files of this one's root belong to 10000.
    let as_10000 = if is_root() {
        "setpriv --reuid=10000 --regid=10000 --clear-groups"
    } else {
        "unshare --map-user=10000 --map-group=10000"
    };
    let mut command = Command::new("sh");
    command.args(["-euc", script]);
    command.env("launcher", scene.path("nss-wrapper")).env("as_10000", as_10000);
    command.env_remove("LD_PRELOAD").env_remove("NSS_WRAPPER_USER");
    after_mounts(mounts.trim_end(), &[&layers], &command)
}
