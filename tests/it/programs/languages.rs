//! Interpreters, run as the user id 10000 that has no passwd entry, each without the library and with
//! it.

use crate::support::scene::{Scene, failure, has};
use crate::support::{PYTHON, stdout};

#[test]
fn python_finds_itself_and_its_groups() {
    let scene = Scene::new();
    let python = |code: &'static str| [PYTHON, "-c", code];
    for (code, answer) in [
        ("import os, pwd; print(pwd.getpwuid(os.getuid()).pw_gecos)", "Interactive Python,Room 1"),
        ("import pwd; print(pwd.getpwnam('ipython').pw_uid)", "10000"),
        ("import grp; print(*grp.getgrnam('lab').gr_mem)", "builder ipython"),
        ("import grp; print(grp.getgrgid(5002).gr_name)", "club"),
        ("import getpass; print(getpass.getuser())", "ipython"),
        ("import pathlib; print(pathlib.Path('.').owner())", "ipython"),
    ] {
        has(&scene.fails(python(code)), "KeyError");
        assert_eq!(scene.right(python(code)).trim_end(), answer, "{code}");
    }

    let all = python("import pwd; print(*[p.pw_name for p in pwd.getpwall()])");
    assert_ne!(stdout(&mut scene.bare(all)), "root builder ipython\n");
    assert_eq!(scene.right(all), "root builder ipython\n");
    let all = python("import grp; print(*[g.gr_name for g in grp.getgrall()])");
    assert_ne!(stdout(&mut scene.bare(all)), "crew lab club empty\n");
    assert_eq!(scene.right(all), "crew lab club empty\n");
    let list = python("import os; print(sorted(os.getgrouplist('ipython', 0)))");
    assert_eq!(stdout(&mut scene.bare(list)), "[0]\n");
    assert_eq!(scene.right(list), "[0, 5001, 5002]\n");
    let home = python("import os.path; print(os.path.expanduser('~builder'))");
    assert_eq!(stdout(&mut scene.bare(home)), "~builder\n");
    assert_eq!(scene.right(home), "/home/builder\n");
    let missing = python("import pwd; pwd.getpwnam('stranger')");
    has(&failure(&mut scene.wrapped(missing)), "KeyError");
}

#[test]
fn perl_finds_users_and_groups() {
    let scene = Scene::new();
    for (code, answer) in [
        (r#"print scalar getpwuid($<) // "none""#, "ipython"),
        (r#"print scalar getpwnam("ipython") // "none""#, "10000"),
        (r#"print +(getpwuid($<))[6] // "none""#, "Interactive Python,Room 1"),
        (r#"print scalar getgrnam("lab") // "none""#, "5001"),
        (r#"print +(getgrgid(5001))[3] // "none""#, "builder ipython"),
        (r#"print glob("~builder") =~ m{^/home} ? "home" : "none""#, "home"),
    ] {
        assert_eq!(stdout(&mut scene.bare(["perl", "-e", code])), "none", "{code}");
        assert_eq!(scene.right(["perl", "-e", code]), answer, "{code}");
    }
    for (code, answer) in [
        ("while (my $name = getpwent) { print qq($name ) }", "root builder ipython "),
        ("while (my $name = getgrent) { print qq($name ) }", "crew lab club empty "),
    ] {
        assert_ne!(stdout(&mut scene.bare(["perl", "-e", code])), answer, "{code}");
        assert_eq!(scene.right(["perl", "-e", code]), answer, "{code}");
    }
    let missing = r#"print defined(getpwnam("stranger")) ? "one" : "none""#;
    assert_eq!(scene.right(["perl", "-e", missing]), "none");
}
