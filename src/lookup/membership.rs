//! The groups that list a user as a member: getgrouplist(3).

use alloc::vec::Vec;

use crate::errno::Errno;
use crate::lookup::{Answer, Database};
use crate::store::{Groups, Now, distinct};
use crate::thread;

/// `first`, then the groups that list `user`, in the file's order, each once.
pub(crate) fn of(user: &[u8], first: u32) -> Result<Answer<Vec<u32>>, Errno> {
    if !Groups::source().is_on()? {
        return Ok(Answer::Pass);
    }
    let now = Groups::source().now(Groups::home(thread::here()?))?;
    let mut gids = Vec::new();
    push(&mut gids, first)?;
    match &now {
        Now::Off | Now::Missing => {}
        Now::Here(lease) => {
            // No member's name is empty, and none has one of these.
            let can_be_listed = !user.is_empty() && !user.iter().any(|b| b",\n".contains(b));
            for row in lease.get().filter(|_| can_be_listed).iter().flat_map(|t| t.rows_with(user))
            {
                if row.members().any(|name| name == user) {
                    push(&mut gids, row.gid)?;
                }
            }
        }
    }
    distinct(&mut gids)?;
    Ok(Answer::Row(gids))
}

fn push(gids: &mut Vec<u32>, gid: u32) -> Result<(), Errno> {
    gids.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
    gids.push(gid);
    Ok(())
}
