//! gethostent(3): threads share the enumeration, as with users and groups.

use std::fmt::Write as _;

use crate::support::ask::{Session, ask};
use crate::support::file;

#[test]
fn threads_that_enumerate_hosts_together_get_each_host_once() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut hosts = String::new();
    for n in 0..2000 {
        writeln!(hosts, "10.0.{}.{} host{n}", n / 250, n % 250).expect("memory");
    }
    let hosts = file(dir.path(), "hosts", hosts);
    let mut session = Session::new(ask().env("NSS_WRAPPER_HOSTS", hosts));
    for _ in 0..100 {
        // Then all threads begin the enumeration at once.
        assert_eq!(session.ask("endhostent"), "done");
        assert_eq!(session.ask("share gethostent_r"), "2000 rows, 2000 different");
    }
}
