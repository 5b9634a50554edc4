//! `nss-wrapper --explain` says which source answers a question, or why the library cannot answer it.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::scene::{as_ids, as_self, on_layers, scene};
use crate::support::scene::{Scene, has, is_root};
use crate::support::{PYTHON, file, module, peer, run, stdout};

const USER: &str = "app:x:%u:%g::/:/bin/sh";

/// Asserts the exit code of the launcher, and returns what it writes to standard output.
#[track_caller]
fn said(command: &mut Command, code: i32) -> String {
    let out = run(command);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let errors = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(code), "{said}{errors}");
    said
}

/// `--explain` with these arguments, where the library is preloaded already.
fn under<const N: usize>(scene: &Scene, args: [&str; N]) -> Command {
    let mut command = as_ids(scene, 10000, 7000, ["--explain"]);
    command.args(args).env("LD_PRELOAD", &scene.library);
    command
}

#[test]
fn it_says_who_answers() {
    let (scene, _) = scene();
    file(&scene.home, "hosts", "# c\n10.0.0.1 db db.it\n");
    let (passwd, group) = (scene.path("passwd"), scene.path("group"));
    let files = |command: &mut Command| {
        command.env("NSS_WRAPPER_PASSWD", &passwd).env("NSS_WRAPPER_GROUP", &group);
        command.env("NSS_WRAPPER_HOSTS", scene.home.join("hosts"));
        command.env("NSS_WRAPPER_USER", USER);
    };
    let shown = |name: &str| scene.path(name).display().to_string();
    for (question, entry, source) in [
        (["user", "builder"], "builder:x:1001:0:Old Name:/home/builder:/bin/bash", "passwd:2"),
        (["user", "1001"], "builder:x:1001:0:Old Name:/home/builder:/bin/bash", "passwd:2"),
        (["group", "club"], "club:x:5002:ipython", "group:3"),
        (["host", "db.it"], "10.0.0.1 db.it", "home/hosts:2"),
        (["host", "10.0.0.1"], "10.0.0.1 db", "home/hosts:2"),
    ] {
        let mut command = under(&scene, question);
        files(&mut command);
        let said = said(&mut command, 0);
        let (file, line) = source.split_once(':').expect("a line");
        let [kind, key] = question;
        let want = format!("{kind} {key}: {entry}\nanswered by: the file {}:{line} (", shown(file));
        assert!(said.starts_with(&want), "{want}: {said}");
    }
    let mut command = under(&scene, ["user", "10000"]);
    let said_of = |command: &mut Command| said(command.env("NSS_WRAPPER_USER", USER), 0);
    has(
        &said_of(&mut command),
        "10000: app:x:10000:7000::/:/bin/sh\nanswered by: the line in NSS_WRAPPER_USER",
    );
    has(
        &said_of(&mut under(&scene, ["group", "7000"])),
        "answered by: the line in NSS_WRAPPER_USER",
    );
    has(&said_of(&mut under(&scene, ["user", "root"])), "answered by: the file /etc/passwd:1\n");
    // Somebody else has the name too, but that is not the answer.
    for (file, name) in [("", "daemon"), ("../group", "club"), ("../passwd", "builder")] {
        let (kind, variable) = match name {
            "club" => ("group", "NSS_WRAPPER_GROUP"),
            _ => ("user", "NSS_WRAPPER_PASSWD"),
        };
        let mut command = as_ids(&scene, 70007, 7000, ["--explain", kind, name]);
        command.env("LD_PRELOAD", &scene.library).env(variable, file);
        let line = format!("{name}:x:%u:%g::/:/bin/sh");
        let text = said(command.env("NSS_WRAPPER_USER", line), 0);
        has(&text, ":7000:");
        has(&text, "answered by: the line in NSS_WRAPPER_USER");
    }
    let mut command = under(&scene, ["user", "70001"]);
    files(&mut command);
    has(&said(&mut command, 1), "user 70001: nobody has an entry\npreloaded: ");
    let text = "a:x:1:1::/:/\nb:x:2:2::/:/\n";
    let mut command = under(&scene, ["user", "b"]);
    let said = said(command.env("NSS_WRAPPER_PASSWD", text), 0);
    has(&said, "answered by: the value of NSS_WRAPPER_PASSWD, line 2\n");
}

#[test]
fn it_says_what_the_options_would_make_of_it() {
    let (scene, _) = scene();
    let args = ["--explain", "user", "ipython", "--passwd", "../passwd"];
    let text = said(&mut as_ids(&scene, 7, 7, args), 0);
    has(&text, "answered by: the file");
    has(&text, &format!("preloaded: {}, for ", scene.library.display()));
    let text = said(
        &mut as_ids(&scene, 70007, 70008, ["--explain", "user", "70007", "--user", "magic"]),
        0,
    );
    has(
        &text,
        "user 70007: magic:x:70007:70008:magic:/:/bin/sh\nanswered by: the line in NSS_WRAPPER_USER",
    );
    assert!(text.contains("process: user id 70007, group id 70008, no secure process\n"), "{text}");
}

#[test]
fn a_module_that_answers_is_named() {
    let (scene, _) = scene();
    let so = scene.path("libnss_plain.so");
    fs::copy(module("plain", &[]), &so).expect("the module is built");
    let mut command = under(&scene, ["user", "m0"]);
    command.env("NSS_WRAPPER_PASSWD", scene.path("passwd"));
    command.env("NSS_WRAPPER_MODULE_SO_PATH", &so).env("NSS_WRAPPER_MODULE_FN_PREFIX", "plain");
    has(&said(&mut command, 0), &format!("answered by: the module {} (", so.display()));
}

#[test]
fn it_says_why_the_library_is_not_there() {
    let (scene, _) = scene();
    let question = ["--explain", "user", "10000"];
    let with = |preload: &str| {
        let mut command = as_ids(&scene, 10000, 0, question);
        let command = command.env("LD_PRELOAD", preload).env("NSS_WRAPPER_USER", USER);
        said(command, 1)
    };
    let text = said(as_ids(&scene, 10000, 0, question).env("NSS_WRAPPER_USER", USER), 1);
    has(&text, "preloaded: no, LD_PRELOAD is not set\n");
    has(&text, &format!("library: nss-wrapper would preload {}\n", scene.library.display()));
    has(&text, "service: no, /etc/nsswitch.conf does not name wrapper_rs for passwd\n");
    has(&text, &format!("variable: NSS_WRAPPER_USER={USER}\n"));
    let absent = "/none/libnss_wrapper_rs.so";
    has(
        &with(absent),
        &format!("preloaded: no, {absent} cannot be read: No such file or directory"),
    );
    let prose = file(scene.dir.path(), "libnss_wrapper_prose.so", "no library");
    has(&with(prose.to_str().expect("plain")), "libnss_wrapper_prose.so is no ELF file\n");
    let other = peer();
    has(&with(other.to_str().expect("plain")), "libnss_wrapper.so is another library\n");
    let mut bytes = fs::read(&scene.library).expect("readable");
    bytes[18] = if bytes[18] == 183 { 62 } else { 183 };
    let other = file(scene.dir.path(), "libnss_wrapper_other.so", bytes);
    has(&with(other.to_str().expect("plain")), "libnss_wrapper_other.so is for ");
}

#[test]
fn it_says_which_variables_are_wrong() {
    let (scene, _) = scene();
    let secret = file(&scene.home, "secret", "");
    if is_root() {
        stdout(Command::new("chmod").arg("600").arg(&secret));
    }
    let mut command = under(&scene, ["user", "10000"]);
    command.env("NSS_WRAPPER_GROUP", "/none/group").env("NSS_WRAPPER_SHADOW", "/dev/null");
    command.env("NSS_WRAPPER_HOSTS", &secret).env("NSS_WRAPPER_USER", "a:x");
    let text = said(&mut command, 1);
    has(&text, "variable: NSS_WRAPPER_GROUP=/none/group: No such file or directory\n");
    has(&text, "variable: NSS_WRAPPER_SHADOW=/dev/null: not a regular file\n");
    has(&text, "variable: NSS_WRAPPER_USER=a:x: ids are numbers");
    // Lines may have hashes of passwords in them, and what is said here may be shown to others.
    let mut command = under(&scene, ["user", "root"]);
    let shadow = "root:$6$secret:1::::::\na:$6$secret:1::::::\n";
    let said = said(command.env("NSS_WRAPPER_SHADOW", shadow), 0);
    assert!(!said.contains("secret"), "{said}");
    has(&said, "variable: NSS_WRAPPER_SHADOW=... (the content of a file, 43 bytes)\n");
    if is_root() {
        has(
            &text,
            &format!("variable: NSS_WRAPPER_HOSTS={}: Permission denied\n", secret.display()),
        );
    }
}

#[test]
fn it_says_whether_a_program_can_be_reached_and_does_not_run_it() {
    let (scene, _) = scene();
    let text = |path: &str| scene.path(path).to_str().expect("plain").to_owned();
    fs::copy("/usr/bin/env", text("suid")).expect("readable");
    stdout(Command::new("chmod").arg("4755").arg(text("suid")));
    file(scene.dir.path(), "script", "#!/bin/sh\ntouch ran\n");
    file(scene.dir.path(), "lost", "#!/usr/bin/env no-such-sh\n");
    file(scene.dir.path(), "data", "data\n");
    stdout(Command::new("chmod").arg("755").args(["script", "lost", "data"].map(text)));
    let mut programs = vec![
        (
            "su".to_owned(),
            "/su is set-user-id, so that nothing is preloaded; only a service answers it",
        ),
        (
            "/bin/busybox".to_owned(),
            "busybox is static and loads no library; nss-wrapper --namespace",
        ),
        ("sh".to_owned(), "/sh can be reached by the library"),
        (
            text("script"),
            "script is run by /bin/sh\nprogram: /bin/sh can be reached by the library",
        ),
        ("no-such-program".to_owned(), "program: no-such-program: not found"),
        (
            text("lost"),
            "lost is run by no-such-sh\nprogram: no-such-sh cannot be read: No such file",
        ),
        (text("data"), "data is no ELF file"),
        (text("passwd"), "passwd may not be executed\n"),
    ];
    if is_root() {
        fs::copy("/usr/bin/env", text("capable")).expect("readable");
        let mut command = Command::new("setcap");
        stdout(command.args(["cap_net_raw=ep", &text("capable")]));
        programs.push((text("capable"), "capable has file capabilities, so that nothing is"));
        // As sudo on Fedora.
        fs::copy("/usr/bin/env", text("hidden")).expect("readable");
        stdout(Command::new("chmod").arg("4111").arg(text("hidden")));
        programs.push((text("hidden"), "hidden is set-user-id, so that nothing is preloaded"));
    }
    for (program, want) in programs {
        let mut command = under(&scene, ["user", "root"]);
        has(&said(command.args(["--", &program]), 0), want);
    }
    assert!(!scene.home.join("ran").exists());
    // Whoever owns such a program gets no more rights by it, and so does root by capabilities.
    for program in ["suid", "capable"].map(text).iter().filter(|path| Path::new(path).exists()) {
        let mut command = as_ids(&scene, 0, 0, ["--explain", "user", "root", "--", program]);
        has(&said(&mut command, 0), "can be reached by the library\n");
        let mut command = Command::new(program);
        command.args(["id", "-un", "7"]).env("LD_PRELOAD", &scene.library);
        assert_eq!(stdout(command.env("NSS_WRAPPER_PASSWD", "a:x:7:7::/:/\n")), "a\n");
    }
}

/// As execvp(3) does, which the launcher uses to run it.
#[test]
fn a_file_in_path_that_may_not_be_executed_is_passed_over() {
    let (scene, _) = scene();
    let before = scene.dir.path();
    file(before, "sh", "no program\n");
    let mut command = under(&scene, ["user", "root"]);
    command.env("PATH", format!("{}:/bin", before.display())).args(["--", "sh"]);
    has(&said(&mut command, 0), "program: /bin/sh can be reached by the library\n");
    file(before, "only-here", "no program\n");
    let mut command = under(&scene, ["user", "root"]);
    command.env("PATH", format!("{}:/bin", before.display())).args(["--", "only-here"]);
    has(&said(&mut command, 0), "/only-here may not be executed\n");
}

#[test]
fn a_variable_whose_name_is_misspelt_is_named() {
    let (scene, _) = scene();
    let mut command = under(&scene, ["user", "root"]);
    command.env("NSS_WRAPPER_PASWD", "/x").env("NSS_WRAPPER_MAX_HOSTENTS", "9");
    let text = said(&mut command, 0);
    has(&text, "variable: NSS_WRAPPER_PASWD: the library has no such variable\n");
    assert!(!text.contains("MAX_HOSTENTS"), "{text}");
}

#[test]
fn the_configuration_of_a_service_answers_where_the_library_is_preloaded_and_its_faults_are_named()
{
    let (scene, _) = scene();
    let script = r#"
        printf '%s\n' "NSS_WRAPPER_USER=$line" NSS_WRAPPER_PASWD=/x >/etc/nss_wrapper_rs.conf
        $as_10000 env LD_PRELOAD="$library" "$launcher" --explain user 10000
        $as_10000 unshare --map-current-user env LD_PRELOAD="$library" "$launcher" --explain user 10000
    "#;
    if !is_root() {
        // In a user namespace the program sees that the configuration does not belong to root.
        return;
    }
    let script = format!("line='{USER}'; library='{}'\n{script}", scene.library.display());
    let text = said(&mut on_layers(&scene, &script), 0);
    // In the user namespace root has no number, and the file seems to be nobody's.
    let fault = "configuration: /etc/nss_wrapper_rs.conf:2: unknown name \"NSS_WRAPPER_PASWD\"\n";
    for said in ["answered by: the line in NSS_WRAPPER_USER, which", fault] {
        assert_eq!(text.matches(said).count(), 2, "{text}");
    }
}

#[test]
fn a_wrong_question_gives_one_line() {
    let (scene, _) = scene();
    for (args, why) in [
        (&["--explain", "user"][..], "2 values required for '--explain <KIND> <KEY>'"),
        (&["--explain", "users", "x"], "\"users\" is neither user, group nor host"),
        (&["--explain", "user", "x", "--check"], "cannot be used with"),
    ] {
        let out = run(as_self(&scene, []).args(args));
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!((out.status.code(), said.lines().count()), (Some(125), 1), "{said}");
        has(&said, why);
    }
}

#[test]
fn an_answer_of_the_service_is_told_from_one_of_the_system() {
    let (scene, _) = scene();
    let script = r#"
        "$launcher" --install-service --user "$line" >/dev/null
        $as_10000 env NSS_WRAPPER_USER="$line" sh -c \
            '"$launcher" --explain user 10000; "$launcher" --explain user 0'
        cd "$(sed -n 's|^[^/]*\(/.*\)/libc.so.6$|\1|p' /proc/self/maps | head -n 1)"
        mv libnss_wrapper_rs.so.2 packaged.so
        ln -s packaged.so libnss_wrapper_rs.so.2
        $as_10000 env NSS_WRAPPER_USER="$line" "$launcher" --explain user 10000
        cp packaged.so "$home/libnss_wrapper_rs.so.2"
        $as_10000 env NSS_WRAPPER_USER="$line" LD_LIBRARY_PATH="$home" "$launcher" --explain user 10000
    "#;
    let home = scene.home.display();
    let script = format!("line='{USER}'; home='{home}'\n{script}");
    let text = said(&mut on_layers(&scene, &script), 0);
    let answered = "answered by: the service wrapper_rs, from the line in NSS_WRAPPER_USER, which";
    assert_eq!(text.matches(answered).count(), 3, "{text}");
    has(&text, &format!("service: {home}/libnss_wrapper_rs.so.2, configured by"));
    if is_root() {
        // In a user namespace the program sees that the configuration does not belong to root, and does not
        // use it.
        has(&text, "libnss_wrapper_rs.so.2, configured by /etc/nss_wrapper_rs.conf\n");
    }
    has(&text, "user 0: root:x:0:0:root:/root:/bin/bash\nanswered by: the file /etc/passwd:1\n");
}

/// nscd asks the service itself, and has another user id than the program that asks it.
#[test]
fn it_says_that_nscd_asks_in_the_place_of_programs() {
    let (scene, _) = scene();
    let script = r#"
        "$launcher" --install-service --user "$line" >/dev/null
        $as_10000 "$launcher" --explain user 10000
        mount -t tmpfs -o mode=755 none /run
        mkdir /run/nscd
        "$python" -c 'if True:
            import os, socket
            os.umask(0)
            server = socket.socket(socket.AF_UNIX)
            server.bind("/run/nscd/socket")
            server.listen()
            open("/run/nscd/listens", "w")
            while True: server.accept()[0].close()' >/dev/null 2>&1 &
        trap "kill $!" EXIT
        until [ -e /run/nscd/listens ]; do sleep 0.1; done
        $as_10000 "$launcher" --explain user 10000
        $as_10000 env LD_PRELOAD="$library" "$launcher" --explain user 10000
    "#;
    let (python, library) = (PYTHON, scene.library.display());
    let script = format!("line='{USER}'; library='{library}'; python='{python}'\n{script}");
    let text = said(&mut on_layers(&scene, &script), 0);
    let found: Vec<_> = text.lines().filter(|line| line.starts_with("nscd: ")).collect();
    assert_eq!(found.len(), 1, "{text}");
    has(found[0], "asks in the place of all programs");
}

/// Each of these keeps a program without an answer, and nothing on its standard error need say so.
#[test]
fn it_says_what_of_a_service_cannot_be_read() {
    let (scene, _) = scene();
    let script = r#"
        "$launcher" --install-service --user "$line" >/dev/null
        explain() { $as_10000 "$launcher" --explain user 10000 || true; }
        chmod 700 /etc/nsswitch.conf
        explain
        chmod 644 /etc/nsswitch.conf
        lib=$(sed -n 's|^[^/]*\(/.*\)/libc.so.6$|\1|p' /proc/self/maps | head -n 1)
        chmod 600 "$lib/libnss_wrapper_rs.so.2"
        explain
        chmod 644 "$lib/libnss_wrapper_rs.so.2"
        printf '%s\n' NSS_WRAPPER_GROUP=/etc/none NSS_WRAPPER_SHADOW= >>/etc/nss_wrapper_rs.conf
        explain
    "#;
    if !is_root() {
        // In a user namespace the files seem to be nobody's, and others may not read them either.
        return;
    }
    let script = format!("line='{USER}'\n{script}");
    let text = said(&mut on_layers(&scene, &script), 0);
    has(&text, "service: no, /etc/nsswitch.conf: Permission denied\n");
    has(&text, "libnss_wrapper_rs.so.2 cannot be read: Permission denied\n");
    let fault = "configuration: NSS_WRAPPER_GROUP=/etc/none: No such file or directory\n";
    assert_eq!(text.matches("configuration: ").count(), 1, "{text}");
    has(&text, fault);
}
