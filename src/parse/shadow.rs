//! shadow(5).

use super::{Fields, Parsed, Reason, content, narrow};
use crate::record::{Shadow, skip_space};

/// One line of a shadow(5) file, without its newline. The four last fields may be missing together,
/// and the last alone: `shadow/sgetspent_r.c` of glibc.
pub(crate) fn shadow(line: &[u8]) -> Parsed<Shadow<'_>> {
    let Some(line) = content(line) else { return Ok(None) };
    let mut fields = Fields(line);
    let mut row = Shadow {
        name: fields.name()?,
        passwd: fields.long_text(),
        last_change: fields.days("the date of the last change is not a number")?,
        min: fields.days("the minimum age is not a number")?,
        max: fields.days("the maximum age is not a number")?,
        warn: -1,
        inactive: -1,
        expire: -1,
        flag: u64::MAX,
    };
    fields.0 = skip_space(fields.0);
    if !fields.0.is_empty() {
        row.warn = fields.days("the warning period is not a number")?;
        row.inactive = fields.days("the inactivity period is not a number")?;
        row.expire = fields.days("the expiration date is not a number")?;
        if !fields.0.is_empty() {
            row.flag = narrow(fields.0).ok_or("the flag field is not a number")?.into();
        }
    }
    Ok(Some(row))
}

impl Fields<'_> {
    /// A count of days, which must be there but may be empty. It is 32 bits of an `int`.
    fn days(&mut self, what: Reason) -> Result<i64, Reason> {
        if self.0.is_empty() {
            return Err("fields are missing");
        }
        let field = self.text();
        if field.is_empty() {
            return Ok(-1);
        }
        narrow(field).map(|days| i64::from(days.cast_signed())).ok_or(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found() {
        let row = shadow(b"bob:$6$h:19000:0:99999:7:30:20000:5").unwrap().unwrap();
        let want = Shadow {
            name: b"bob",
            passwd: b"$6$h",
            last_change: 19000,
            min: 0,
            max: 99999,
            warn: 7,
            inactive: 30,
            expire: 20000,
            flag: 5,
        };
        assert_eq!(row, want);
    }

    #[test]
    fn empty_and_missing_fields_are_minus_one() {
        for line in [&b"bob:!:::::::"[..], b"bob:!::::", b"bob:!:::: \t", b"bob:!::4294967295:::::"]
        {
            let row = shadow(line).unwrap().unwrap();
            let days = [row.last_change, row.min, row.max, row.warn, row.inactive, row.expire];
            assert_eq!((days, row.flag), ([-1; 6], u64::MAX), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn malformed_lines_are_refused_with_a_reason() {
        for line in [
            &b"bob"[..],
            b"bob:!",
            b"bob:!:",
            b"bob:!:::",
            b"bob:!:1:2:3:4",
            b"bob:!:1:2:3:4:5",
            b"bob:!:x::::::",
            b"bob:!:-1::::::",
            b"bob:!::::::4294967296:",
            b"bob:!: ::::::",
            b"bob:!:::::::x",
            b"bob:!:::::::1:",
            b"+bob:!:::::::",
        ] {
            assert!(shadow(line).is_err(), "{}", line.escape_ascii());
        }
    }
}
