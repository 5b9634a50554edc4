//! An enumeration goes on from the file into the NSS module.

use super::module::{group, group_of, user_of};
use crate::support::ask::{answers, expect};
use crate::support::module_scene::ModuleScene;
use crate::support::{library, module};

#[test]
fn an_enumeration_goes_on_from_the_files_into_the_module() {
    let scene = ModuleScene::new();
    let root = "root:x:0:0::/root:/bin/sh";
    let first = "first:x:11:11:of the file:/f:/f";
    let users = [
        root,
        first,
        "m0:x:10:11::/m:/bin/m",
        &user_of(2000, 11),
        "m2:x:12:13::/m:/bin/m",
        &user_of(70_000, 13),
        "m4:x:14:15::/m:/bin/m",
    ];
    let mut pairs = vec![("setpwent", "done")];
    pairs.extend(users.map(|row| ("getpwent", row)));
    pairs.extend([("getpwent", "none"), ("endpwent", "done"), ("getpwent", root)]);
    let groups = [
        "root:x:0:",
        "files:x:7:m0,first",
        &group(0),
        &group_of(2000, 21),
        &group(2),
        &group_of(70_000, 23),
        &group(4),
    ];
    pairs.extend(groups.map(|row| ("getgrent", row)));
    pairs.push(("getgrent", "none"));
    expect(&mut scene.plain(), &pairs);
    assert_eq!(scene.log(), "load\nsetpwent\nendpwent\nsetgrent\n");
}

#[test]
fn a_buffer_that_is_too_short_loses_no_row_of_an_enumeration() {
    let large_user = user_of(2000, 11);
    let large_group = group_of(2000, 21);
    let next_group = group(2);
    let pairs = [
        ("getpwent; getpwent; getpwent; getpwent_r 100", None),
        ("getpwent_r 100", Some("error ERANGE")),
        ("getpwent_r 2000", Some("error ERANGE")),
        ("getpwent_r 2100", Some(large_user.as_str())),
        ("getpwent_r 10", Some("error ERANGE")),
        ("getpwent_r 100", Some("m2:x:12:13::/m:/bin/m")),
        ("getgrent; getgrent; getgrent", None),
        ("getgrent_r 2000", Some("error ERANGE")),
        ("getgrent_r 3000", Some(large_group.as_str())),
        ("getgrent", Some(next_group.as_str())),
    ];
    let said = answers(&mut ModuleScene::new().plain(), &pairs.map(|(question, _)| question));
    assert!(said[0].ends_with("m0:x:10:11::/m:/bin/m; error ERANGE"), "{}", said[0]);
    for ((question, want), answer) in pairs.iter().zip(&said) {
        assert!(want.is_none_or(|want| want == answer), "{question}: {answer}");
    }
}

/// glibc holds a lock around these functions.
#[test]
fn one_thread_at_a_time_is_in_a_modules_enumeration() {
    for (rows, again) in [("share getpwent", "endpwent"), ("share getgrent", "setgrent")] {
        let scene = ModuleScene::new();
        let mut command = scene.users(library(), &module("plain", &["-DSLOW"]), "plain");
        let all = (rows, "7 rows, 7 different");
        expect(&mut command, &[all, (again, "done"), all]);
        assert!(!scene.log().contains("two at once"), "{}", scene.log());
    }
    let scene = ModuleScene::new();
    let slow = module("plain", &["-DSLOW", "-DWITHOUT_INITGROUPS"]);
    let groups = ("threads 4 2 getgrouplist m0 1", "7 of 7: 1 7 20 21 22 23 24");
    expect(&mut scene.users(library(), &slow, "plain"), &[groups]);
    assert!(!scene.log().contains("two at once"), "{}", scene.log());
}

#[test]
fn the_modules_set_and_end_are_called_as_the_enumeration_gets_there() {
    for (questions, want) in [
        (&["getpwnam root", "setpwent", "getpwent; getpwent", "endpwent"][..], ""),
        (&["getpwent; getpwent; getpwent", "endpwent", "endpwent"], "load\nsetpwent\nendpwent\n"),
        (&["all getpwent", "endpwent", "all getpwent"], "load\nsetpwent\nendpwent\nsetpwent\n"),
        (
            &["getpwent; getpwent; getpwent", "setpwent", "all getpwent"],
            "load\nsetpwent\nendpwent\nsetpwent\n",
        ),
        (
            &["getgrent; getgrent; getgrent", "setgrent", "getgrent; getgrent; getgrent"],
            "load\nsetgrent\nendgrent\nsetgrent\n",
        ),
    ] {
        let scene = ModuleScene::new();
        let said = answers(&mut scene.plain(), questions);
        assert!(!said.concat().contains("error"), "{said:?}");
        assert_eq!(scene.log(), want, "{questions:?}");
    }
}

#[test]
fn groups_are_searched_where_a_module_has_no_initgroups_dyn() {
    let scene = ModuleScene::new();
    let plain = module("plain", &["-DWITHOUT_INITGROUPS"]);
    let (first, second, third) = (group(0), group_of(2000, 21), group(2));
    let (fourth, fifth) = (group_of(70_000, 23), group(4));
    let of_m0 = "7 of 7: 1 7 20 21 22 23 24";
    // The searches do not disturb the enumeration.
    let pairs = [
        ("getgrouplist m0 1", of_m0),
        ("getgrouplist a,%20b 1", "6 of 6: 1 20 21 22 23 24"),
        ("getgrouplist none 1", "1 of 1: 1"),
        ("getgrent", "root:x:0:"),
        ("getgrent", "files:x:7:m0,first"),
        ("getgrent", &first),
        ("getgrent", &second),
        ("getgrouplist m0 1", of_m0),
        ("getgrouplist none 1", "1 of 1: 1"),
        ("getgrent", &third),
        ("getgrent", &fourth),
        ("getgrent", &fifth),
        ("getgrent", "none"),
    ];
    expect(&mut scene.users(library(), &plain, "plain"), &pairs);
}
