//! Tools of the command line, run as the user id 10000 that has no passwd entry, each without the
//! library and with it.

use std::fs;
use std::os::unix::fs::chown;
use std::process::{Command, Stdio};

use crate::support;
use crate::support::scene::{Scene, both, failure, has, is_root};
use crate::support::{run, stdout};

#[test]
fn id_knows_the_user_and_all_its_groups() {
    let scene = Scene::new();
    has(&scene.fails(["id", "-un"]), "cannot find name for user ID 10000");
    has(&stdout(&mut scene.bare(["id"])), "uid=10000 gid=0(root)");
    has(&scene.fails(["id", "ipython"]), "no such user");

    assert_eq!(scene.right(["id", "-un"]), "ipython\n");
    assert_eq!(scene.right(["id", "-gn"]), "crew\n");
    has(&scene.right(["id"]), "uid=10000(ipython) gid=0(crew) groups=0(crew)");
    let whole = "uid=10000(ipython) gid=0(crew) groups=0(crew),5001(lab),5002(club)\n";
    assert_eq!(scene.right(["id", "ipython"]), whole);
    assert_eq!(scene.right(["id", "-Gn", "builder"]), "crew lab\n");
    has(&failure(&mut scene.wrapped(["id", "stranger"])), "no such user");
}

#[test]
fn whoami_knows_the_name() {
    let scene = Scene::new();
    has(&scene.fails(["whoami"]), "cannot find name for user ID 10000");
    assert_eq!(scene.right(["whoami"]), "ipython\n");
}

#[test]
fn ls_and_stat_show_the_owner_by_name() {
    let scene = Scene::new();
    let file = support::file(&scene.home, "notes", "");
    scene.give(&file);
    if is_root() {
        let old = support::file(&scene.home, "old", "");
        chown(old, Some(1001), Some(5001)).expect("root may give files away");
    }

    let owner = |listing: &str| {
        let line = listing.lines().find(|line| line.ends_with(" notes")).expect("the file exists");
        line.split_whitespace().skip(2).take(2).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(owner(&stdout(&mut scene.bare(["ls", "-l"]))), "10000 root");
    assert_eq!(owner(&scene.right(["ls", "-l"])), "ipython crew");
    let format = ["stat", "-c", "%U %G %u", "notes"];
    assert_eq!(stdout(&mut scene.bare(format)), "UNKNOWN root 10000\n");
    assert_eq!(scene.right(format), "ipython crew 10000\n");
    if is_root() {
        let format = ["stat", "-c", "%U %G", "old"];
        assert_eq!(stdout(&mut scene.bare(format)), "UNKNOWN UNKNOWN\n");
        assert_eq!(scene.right(format), "builder lab\n");
        let found = scene.right(["find", ".", "-user", "builder", "-group", "lab"]);
        assert_eq!(found, "./old\n");
    }
}

#[test]
fn chown_takes_a_wrapped_name() {
    let scene = Scene::new();
    let file = support::file(&scene.home, "notes", "");
    scene.give(&file);
    has(&scene.fails(["chown", "ipython:crew", "notes"]), "invalid user");
    scene.right(["chown", "ipython:crew", "notes"]);
}

#[test]
fn getent_finds_and_lists_users_and_groups() {
    let scene = Scene::new();
    let line =
        format!("ipython:x:10000:0:Interactive Python,Room 1:{}:/bin/bash\n", scene.home.display());
    for key in ["10000", "ipython"] {
        assert_eq!(scene.fails(["getent", "passwd", key]), "");
        assert_eq!(scene.right(["getent", "passwd", key]), line);
    }
    for key in ["5001", "lab"] {
        assert_eq!(scene.fails(["getent", "group", key]), "");
        assert_eq!(scene.right(["getent", "group", key]), "lab:x:5001:builder,ipython\n");
    }
    let groups = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let bare = stdout(&mut scene.bare(["getent", "initgroups", "ipython"]));
    assert_eq!(groups(&bare), ["ipython"]);
    let wrapped = scene.right(["getent", "initgroups", "ipython"]);
    assert_eq!(groups(&wrapped), ["ipython", "5001", "5002"]);

    for database in ["passwd", "group"] {
        let whole = fs::read_to_string(scene.path(database)).expect("it was written above");
        assert_eq!(scene.right(["getent", database]), whole);
        assert_ne!(stdout(&mut scene.bare(["getent", database])), whole);
    }
    assert_eq!(failure(&mut scene.wrapped(["getent", "passwd", "stranger"])), "");
}

#[test]
fn bash_has_a_name_in_its_prompt_and_homes_behind_tildes() {
    let scene = Scene::new();
    let bash = ["bash", "--noprofile", "--norc", "-c"];
    let prompt = [bash[0], bash[1], bash[2], bash[3], r"p='\u'; echo ${p@P}"];
    assert_eq!(stdout(&mut scene.bare(prompt)), "I have no name!\n");
    assert_eq!(scene.right(prompt), "ipython\n");

    // An interactive shell writes its prompt to standard error.
    let mut interactive = scene.wrapped(["bash", "--noprofile", "--norc", "-i"]);
    interactive.env("PS1", r"<\u>").stdin(Stdio::null());
    has(&both(&run(&mut interactive)), "<ipython>");
    interactive.env_remove("LD_PRELOAD");
    has(&both(&run(&mut interactive)), "<I have no name!>");

    let tildes = [bash[0], bash[1], bash[2], bash[3], "echo ~builder ~ipython ~stranger ~"];
    assert_eq!(stdout(&mut scene.bare(tildes)), "~builder ~ipython ~stranger /\n");
    let home = scene.home.display();
    assert_eq!(scene.right(tildes), format!("/home/builder {home} ~stranger {home}\n"));
}

#[test]
fn git_knows_the_author() {
    let scene = Scene::new();
    let repository = scene.home.join("repository");
    let repository = repository.to_str().expect("the path is ASCII");
    let git = |mut command: Command| {
        // Other configuration might name an author. The address is given, because git would make it of
        // the name of the machine.
        command
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("EMAIL", "ipython@example.org");
        command
    };
    stdout(&mut git(scene.wrapped(["git", "init", "-q", repository])));
    let commit = [
        "git",
        "-C",
        repository,
        "-c",
        "safe.directory=*",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "first",
    ];
    has(&failure(&mut git(scene.bare(commit))), "unable to auto-detect name");
    stdout(&mut git(scene.wrapped(commit)));
    let log = ["git", "-C", repository, "-c", "safe.directory=*", "log", "--format=%an <%ae>|%cn"];
    let author = "Interactive Python <ipython@example.org>|Interactive Python\n";
    assert_eq!(stdout(&mut git(scene.wrapped(log))), author);
}
