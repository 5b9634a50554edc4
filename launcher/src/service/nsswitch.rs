//! nsswitch.conf(5) with the service and without it: bytes in, bytes out.
//!
//! The service is put after `files` or `compat`, so that users who have an entry there stay as they
//! are, and after the services whose members `[SUCCESS=merge]` adds to the groups in `files`, but
//! before any service that would end the search if it finds nothing. All other bytes stay.
//! An addition is a word with a blank before it, or a whole line that ends in a comment of ours. So
//! it can be recognised, and removing it restores the bytes from before.

use nss_wrapper_environment::Database;

/// The service's name, as in `libnss_wrapper_rs.so.2`.
pub(crate) const SERVICE: &str = "wrapper_rs";

/// The end of a line for a database that the file did not name.
const ADDED: &str = " # added by nss-wrapper --install-service";

/// The first line of a file that did not exist before.
const MADE: &str = "# Made by nss-wrapper --install-service, for there was none.";

/// The file with the service for exactly the databases in `wanted`. `None` means no file.
pub(crate) fn with_service(old: Option<&[u8]>, wanted: &[Database]) -> Option<Vec<u8>> {
    let mut named = Vec::new();
    let mut kept = Vec::new();
    let mut was_made = old.is_none();
    for line in old.unwrap_or_default().split_inclusive(|byte| *byte == b'\n') {
        if line.trim_ascii_end() == MADE.as_bytes() {
            was_made = true;
            continue;
        }
        let (name, services) = name_of(line);
        // If there is a line for initgroups, memberships are looked up by that, not by that of group.
        let is_of = |database: &Database| match name {
            b"initgroups" => *database == Database::Group,
            name => database.name().as_bytes() == name,
        };
        let Some(database) = Database::ALL.into_iter().find(is_of) else {
            kept.extend_from_slice(line);
            continue;
        };
        let is_wanted = wanted.contains(&database);
        if line.trim_ascii_end().ends_with(ADDED.as_bytes()) && !is_wanted {
            continue;
        }
        if name != b"initgroups" {
            named.push(database);
        }
        let (head, services) = line.split_at(services);
        kept.extend_from_slice(head);
        kept.extend(if is_wanted { with(services) } else { without(services) });
    }
    let mut new = Vec::new();
    if was_made && !(kept.is_empty() && wanted.is_empty()) {
        new.extend_from_slice(MADE.as_bytes());
        new.push(b'\n');
    }
    // At the beginning, because the last line may lack its line break.
    for database in wanted.iter().filter(|database| !named.contains(database)) {
        let services = with(default_services(*database).as_bytes());
        new.extend_from_slice(database.name().as_bytes());
        new.push(b':');
        new.extend_from_slice(&services);
        new.extend_from_slice(ADDED.as_bytes());
        new.push(b'\n');
    }
    new.extend(kept);
    if was_made && new.is_empty() { None } else { Some(new) }
}

/// True if the file has the service for the database.
pub(crate) fn has_service(text: &[u8], database: Database) -> bool {
    // Of several lines the last counts, as in glibc since 2.34.
    let mut lines = text.split(|byte| *byte == b'\n');
    let is_of = |line: &&[u8]| name_of(line).0 == database.name().as_bytes();
    lines.rfind(is_of).is_some_and(|line| {
        let services = &line[name_of(line).1..];
        items(services).iter().any(|item| item.text(services) == SERVICE.as_bytes())
    })
}

/// What glibc asks if the file names no services.
fn default_services(database: Database) -> &'static str {
    match database {
        Database::Passwd | Database::Group | Database::Shadow => " files",
        Database::Hosts => " dns [!UNAVAIL=return] files",
    }
}

/// The name at the head of the line, which ends at a colon or a blank, and where the rest begins.
fn name_of(line: &[u8]) -> (&[u8], usize) {
    let start = line.len() - line.trim_ascii_start().len();
    let is_end = |byte: &u8| *byte == b':' || byte.is_ascii_whitespace();
    let end = line[start..].iter().position(is_end).map_or(line.len(), |at| start + at);
    (&line[start..end], (end + 1).min(line.len()))
}

/// A service's name, or the actions in brackets after one.
struct Item {
    start: usize,
    end: usize,
    is_action: bool,
}

impl Item {
    fn text<'a>(&self, services: &'a [u8]) -> &'a [u8] {
        &services[self.start..self.end]
    }
}

/// The items before a comment or the line's end.
fn items(services: &[u8]) -> Vec<Item> {
    let end = services.iter().position(|byte| *byte == b'#').unwrap_or(services.len());
    let mut items = Vec::new();
    let mut at = 0;
    while at < end {
        let rest = &services[at..end];
        let is_action = rest[0] == b'[';
        let length = if rest[0].is_ascii_whitespace() {
            at += 1;
            continue;
        } else if is_action {
            match rest.iter().position(|byte| *byte == b']') {
                Some(last) => last + 1,
                // Without a closing bracket it is no action, and the rest of the line counts for nothing.
                None => break,
            }
        } else {
            let is_end = |byte: &u8| *byte == b'[' || byte.is_ascii_whitespace();
            rest.iter().position(is_end).unwrap_or(rest.len())
        };
        items.push(Item { start: at, end: at + length, is_action });
        at += length;
    }
    items
}

fn with(services: &[u8]) -> Vec<u8> {
    let items = items(services);
    if items.iter().any(|item| item.text(services) == SERVICE.as_bytes()) {
        return services.to_vec();
    }
    let (before, after) = services.split_at(place(services, &items));
    let is_apart = |byte: &u8| byte.is_ascii_whitespace() || b"[#".contains(byte);
    // A name that follows a colon or an action directly needs a blank between.
    if after.first().is_none_or(is_apart) {
        [before, b" ", SERVICE.as_bytes(), after].concat()
    } else {
        [before, SERVICE.as_bytes(), b" ", after].concat()
    }
}

fn without(services: &[u8]) -> Vec<u8> {
    let mut out = services.to_vec();
    for item in items(services).iter().rev() {
        if item.text(services) == SERVICE.as_bytes() {
            let is_blank = |at: usize| services.get(at).is_some_and(u8::is_ascii_whitespace);
            let has_before = item.start > 0 && is_blank(item.start - 1);
            let has_after = !has_before && is_blank(item.end);
            out.drain(item.start - usize::from(has_before)..item.end + usize::from(has_after));
        }
    }
    out
}

/// Where the service is put.
fn place(services: &[u8], items: &[Item]) -> usize {
    let actions = |at: usize| items[at + 1..].iter().take_while(|item| item.is_action);
    // What follows the status of the service at `at`.
    let then = |at: usize, status: &[u8]| {
        action_of(status, actions(at).map(|item| item.text(services))).unwrap_or_default()
    };
    let before = |at: usize| if at == 0 { 0 } else { items[at - 1].end };
    // True from `files` on.
    let mut is_after = false;
    for (at, item) in items.iter().enumerate().filter(|(_, item)| !item.is_action) {
        is_after |= matches!(item.text(services), b"files" | b"compat");
        let ends = then(at, b"NOTFOUND").eq_ignore_ascii_case(b"return");
        match (is_after, ends) {
            // The actions that would end the search come after our service.
            (true, true) => return item.end,
            // The next service adds members to the groups of this one; no other may stand between them.
            (true, false) if then(at, b"SUCCESS").eq_ignore_ascii_case(b"merge") => {}
            (true, false) => return actions(at).last().unwrap_or(item).end,
            (false, true) => return before(at),
            (false, false) => {}
        }
    }
    items.last().map_or(0, |item| item.end)
}

/// The last action for the status among those in brackets.
fn action_of<'a>(status: &[u8], actions: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let mut found = None;
    for action in actions {
        let words = action
            .split(|byte| byte.is_ascii_whitespace() || b"[]=".contains(byte))
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>();
        for pair in words.chunks_exact(2) {
            let (name, is_negated) = match pair[0].strip_prefix(b"!") {
                Some(name) => (name, true),
                None => (pair[0], false),
            };
            if name.eq_ignore_ascii_case(status) != is_negated {
                found = Some(pair[1]);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::Database::{Group, Hosts, Passwd, Shadow};
    use super::*;

    fn added(text: &str, wanted: &[Database]) -> String {
        let new = with_service(Some(text.as_bytes()), wanted).expect("a file stays a file");
        let new = String::from_utf8(new).expect("text");
        let again = with_service(Some(new.as_bytes()), wanted).expect("a file");
        assert_eq!(String::from_utf8(again).as_ref(), Ok(&new), "again is no change");
        let back = with_service(Some(new.as_bytes()), &[]).expect("a file");
        assert_eq!(String::from_utf8(back).as_deref(), Ok(text), "it can be taken back");
        new
    }

    #[test]
    fn the_service_stands_after_files_and_before_what_ends_the_search() {
        for (services, want) in [
            (" files", " files wrapper_rs"),
            ("files", "files wrapper_rs"),
            ("sss [NOTFOUND=return]", "wrapper_rs sss [NOTFOUND=return]"),
            ("files [SUCCESS=merge]sss", "files [SUCCESS=merge]sss wrapper_rs"),
            ("\t\tfiles systemd", "\t\tfiles wrapper_rs systemd"),
            (" files  # all of them", " files wrapper_rs  # all of them"),
            (" files# files", " files wrapper_rs# files"),
            (" compat [NOTFOUND=return] files", " compat wrapper_rs [NOTFOUND=return] files"),
            (" files[notfound=RETURN] sss", " files wrapper_rs[notfound=RETURN] sss"),
            (" files [!SUCCESS=return] sss", " files wrapper_rs [!SUCCESS=return] sss"),
            (" files [ NOTFOUND = return ] sss", " files wrapper_rs [ NOTFOUND = return ] sss"),
            (" files [SUCCESS=merge] systemd", " files [SUCCESS=merge] systemd wrapper_rs"),
            (
                " files [!NOTFOUND=merge] sss[SUCCESS=merge NOTFOUND=return] systemd db",
                " files [!NOTFOUND=merge] sss wrapper_rs[SUCCESS=merge NOTFOUND=return] systemd db",
            ),
            (
                " files [success = merge] sss [SUCCESS=merge] systemd db",
                " files [success = merge] sss [SUCCESS=merge] systemd wrapper_rs db",
            ),
            (" files [SUCCESS=merge]", " files [SUCCESS=merge] wrapper_rs"),
            (" files [TRYAGAIN=return] sss", " files [TRYAGAIN=return] wrapper_rs sss"),
            (" files [!NOTFOUND=return] sss", " files [!NOTFOUND=return] wrapper_rs sss"),
            (" sss files", " sss files wrapper_rs"),
            (" sss [NOTFOUND=return] files", " wrapper_rs sss [NOTFOUND=return] files"),
            (" db sss [NOTFOUND=return]", " db wrapper_rs sss [NOTFOUND=return]"),
            ("\tsss", "\tsss wrapper_rs"),
            ("", " wrapper_rs"),
            (" # none", " wrapper_rs # none"),
            (" files filesystem\r", " files wrapper_rs filesystem\r"),
        ] {
            let text = format!("passwd:{services}\ngroup: files\nshadow: files\n");
            let want = format!("passwd:{want}\ngroup: files wrapper_rs\nshadow: files\n");
            assert_eq!(added(&text, &[Passwd, Group]), want);
        }
        let mdns = "hosts: files mdns4_minimal [NOTFOUND=return] dns\npasswd:";
        let want =
            "hosts: files wrapper_rs mdns4_minimal [NOTFOUND=return] dns\npasswd: wrapper_rs";
        assert_eq!(added(mdns, &[Passwd, Hosts]), want);
        let resolved = "hosts: mymachines resolve [!UNAVAIL=return] files dns";
        let want = "hosts: mymachines wrapper_rs resolve [!UNAVAIL=return] files dns";
        assert_eq!(added(resolved, &[Hosts]), want);
    }

    #[test]
    fn every_line_of_a_database_and_that_of_initgroups_get_it_but_no_other() {
        let text = "# passwd: files\n  passwd: files\ngshadow: files\npasswd files\ninitgroups: \
                    files\ngroup: files\nnetgroup: nis\nhosts: files dns";
        let want = "# passwd: files\n  passwd: files wrapper_rs\ngshadow: files\npasswd files \
                    wrapper_rs\ninitgroups: files wrapper_rs\ngroup: files wrapper_rs\nnetgroup: \
                    nis\nhosts: files dns";
        assert_eq!(added(text, &[Passwd, Group]), want);
    }

    #[test]
    fn a_database_without_a_line_gets_one_with_the_defaults_of_glibc() {
        let want = "shadow: files wrapper_rs # added by nss-wrapper --install-service\n\
                    hosts: wrapper_rs dns [!UNAVAIL=return] files # added by nss-wrapper \
                    --install-service\npasswd: files wrapper_rs";
        assert_eq!(added("passwd: files", &[Passwd, Shadow, Hosts]), want);
        let want = "group: files wrapper_rs # added by nss-wrapper --install-service\n\
                    initgroups: files wrapper_rs [NOTFOUND=return] sss\n";
        assert_eq!(added("initgroups: files [NOTFOUND=return] sss\n", &[Group]), want);
    }

    #[test]
    fn a_file_that_is_not_there_is_made_and_removed_again() {
        let made = with_service(None, &[Passwd, Group]).expect("made");
        let text = String::from_utf8(made.clone()).expect("text");
        assert_eq!(
            text,
            format!("{MADE}\npasswd: files wrapper_rs{ADDED}\ngroup: files wrapper_rs{ADDED}\n")
        );
        assert_eq!(with_service(Some(&made), &[Passwd, Group]), Some(made.clone()));
        assert_eq!(with_service(Some(&made), &[]), None);
        let edited = format!("{text}hosts: files\n");
        let back = with_service(Some(edited.as_bytes()), &[]).expect("somebody's line is left");
        assert_eq!(String::from_utf8(back).expect("text"), format!("{MADE}\nhosts: files\n"));
        assert_eq!(with_service(None, &[]), None);
        assert_eq!(with_service(Some(b""), &[]), Some(Vec::new()), "an empty file stays");
    }

    #[test]
    fn whatever_the_line_says_the_service_is_added_once_and_can_be_taken_back() {
        let parts =
            ["\t", "files", "sss", "[NOTFOUND=return]", "[!UNAVAIL=return]", "#", "\n", "["];
        let mut texts = vec![String::new()];
        for _ in 0..5 {
            let longer = texts.iter().flat_map(|text| parts.map(|part| format!("{text}{part}")));
            texts = longer.collect();
        }
        for text in texts {
            let text = format!("passwd:{text}");
            let new = added(&text, &[Passwd]);
            assert_eq!(new.matches(SERVICE).count(), 1, "{new:?}");
            assert!(has_service(new.as_bytes(), Passwd), "{new:?}");
        }
    }

    #[test]
    fn the_service_is_removed_where_it_is_no_longer_wanted_and_stays_where_somebody_moved_it() {
        let text = b"passwd: wrapper_rs files\ngroup:\tfiles\twrapper_rs\nshadow:wrapper_rs files";
        let new = with_service(Some(text), &[Passwd]).expect("a file");
        let want = "passwd: wrapper_rs files\ngroup:\tfiles\nshadow:files";
        assert_eq!(String::from_utf8(new).as_deref(), Ok(want));
        assert!(has_service(text, Passwd) && has_service(text, Group) && !has_service(text, Hosts));
        assert!(!has_service(b"passwd: wrapper_rs\npasswd: files # wrapper_rs", Passwd));
        let all = with_service(None, &[Passwd, Hosts]).expect("made");
        let fewer = with_service(Some(&all), &[Passwd]).expect("a file");
        let want = format!("{MADE}\npasswd: files wrapper_rs{ADDED}\n");
        assert_eq!(String::from_utf8(fewer).expect("text"), want);
    }
}
