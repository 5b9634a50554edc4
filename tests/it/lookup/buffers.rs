//! The caller's buffer: any length, any alignment, not a byte outside.

use crate::support::{file, probe, stdout, wrapped};

#[test]
fn every_short_buffer_is_refused_and_no_byte_outside_is_touched() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    // The rows of the probe.
    let passwd = "a::1:1:::\nbob:x:1000:100:Bob, B.:/home/bob:/bin/sh\n\
                  long-name-of-a-user:*:3:4:x:/:/sbin/nologin\n";
    let group = "g::1:\none:x:2:bob\nmany:x:3:a,bc,def,ghij,klmno\n\
                 long-name-of-a-group:*:4:bob,ann\n";
    let passwd = file(dir.path(), "passwd", passwd);
    let group = file(dir.path(), "group", group);
    let said = stdout(&mut wrapped(probe("buffers"), &*passwd, &*group));
    // Alignments, lengths, and pairs of a function and a row.
    assert_eq!(said, format!("{} calls\n", 16 * 400 * 16));
}
