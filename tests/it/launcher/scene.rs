//! The launcher beside the library, in a directory that the user id 10000 may read.

use std::path::Path;
use std::process::Command;

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

/// A command that root runs; without its rights, root of a user namespace.
pub(crate) fn as_root(program: &Path) -> Command {
    if is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--"]).arg(program);
    command
}
