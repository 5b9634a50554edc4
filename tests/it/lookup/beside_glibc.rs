//! The same questions are asked of the library, with files in its variables, and of glibc, with the same files in
//! `/etc`.

use std::process::Command;

use crate::support::ask::{ask, word};
use crate::support::namespace::after_mounts;
use crate::support::{file, probe, stdout};

const FILES: [(&str, &str); 4] = [
    (
        "passwd",
        "root:x:0:0:root:/root:/bin/bash\n# bob:x:9:9:::\n\t bob:*:1000:+100:Bob, B.:/home/bob:/bin/sh\n\
        bob:x:1001:100::/:/bin/false\nann:x:01000:4294967295:::\nshort:x:7:8\nbad:x:0x7:8:::\nminus:x:-1:1:::\n\
        \n :x:5:5:::\nend :x:4294967294:2:a:b:c:d:e \r\nNoNewline:x:65536:65536:::",
    ),
    (
        "group",
        "root:x:0:\nlab:*:100: bob,,ann ,\tbob\nclub::5:bob\nlab:x:6:ann\nnone:x:07\nbad:x::ann\n \n\
        odd name:x:8:a:b,bob\nlast:x:4294967294:bob,last",
    ),
    (
        "shadow",
        "bob:$6$hash:19001:1:90:7:30:20000:5\nold:!:1:2:3\nempty::::::::\nann:*:-1:0:99999:7:::\nbad:x:a:::::::\n\
        bob:second:1:1:1:::::\nlast:x:1:2:3:4:5:6:\nend:x:1:2:3",
    ),
    ("nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\n"),
];

/// Questions to every function, by each key, and enumerations with lookups between their rows.
fn questions() -> Vec<String> {
    let mut questions = Vec::new();
    let names =
        "root bob ann short bad minus end NoNewline lab club none last old empty nobody Bob";
    for name in
        names.split(' ').chain(["", "end ", "odd name", "# bob", "bob:*", "\tbob"]).map(word)
    {
        for database in ["pw", "gr", "sp"] {
            questions.push(format!("get{database}nam {name}"));
            questions.push(format!("get{database}nam_r {name}"));
        }
        for room in [0, 1, 3, 100] {
            questions.push(format!("getgrouplist {name} 100 {room}"));
        }
    }
    for id in [0, 1, 5, 6, 7, 8, 100, 1000, 1001, 65536, 4294967294_u32, u32::MAX] {
        for function in ["getpwuid", "getpwuid_r", "getgrgid", "getgrgid_r"] {
            questions.push(format!("{function} {id}"));
        }
    }
    for function in ["getpwnam_r root", "getpwuid_r 0", "getgrnam_r root", "getspnam_r bob"] {
        questions.push(format!("{function} 0"));
    }
    for (database, other) in [("pw", "getpwnam ann"), ("gr", "getgrgid 5"), ("sp", "getspnam old")]
    {
        let next = format!("get{database}ent; {other}; get{database}ent_r; get{database}ent_r 0");
        questions.push(format!("{next}; {next}; set{database}ent; {next}"));
        questions.push(format!("all get{database}ent; get{database}ent_r; end{database}ent"));
        questions.push(format!("all get{database}ent_r; get{database}ent"));
    }
    questions
}

#[test]
fn every_function_answers_as_glibcs_does() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let [passwd, group, shadow, nsswitch] = FILES.map(|(name, text)| file(dir.path(), name, text));
    let questions = questions();
    let script = "mount --bind \"$1\" /etc/passwd; mount --bind \"$2\" /etc/group; \
        mount --bind \"$3\" /etc/shadow; mount --bind \"$4\" /etc/nsswitch.conf";
    let mut plain = Command::new(probe("ask"));
    let theirs = stdout(&mut after_mounts(
        script,
        &[&passwd, &group, &shadow, &nsswitch],
        plain.args(&questions),
    ));
    let mut wrapped = ask();
    wrapped.env("NSS_WRAPPER_PASSWD", passwd).env("NSS_WRAPPER_GROUP", group);
    let ours = stdout(wrapped.env("NSS_WRAPPER_SHADOW", shadow).args(&questions));
    assert_eq!([theirs.lines().count(), ours.lines().count()], [questions.len(); 2]);
    // glibc sets errno where it has found a row or none, too.
    let plain = |answer: &str| answer.replace(" errno 0", "").replace(" errno ERANGE", "");
    for (question, (theirs, ours)) in questions.iter().zip(theirs.lines().zip(ours.lines())) {
        assert_eq!(plain(theirs), plain(ours), "{question}");
    }
}
