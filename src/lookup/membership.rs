//! The groups that list a user as a member: getgrouplist(3).

use alloc::vec::Vec;

use crate::errno::Errno;
use crate::lookup::{self, Answer, Database};
use crate::module;
use crate::store::{Groups, Now, distinct};
use crate::sync::try_extend;
use crate::thread;

/// `first`, then the groups that list `user`, in the file's order, then those of the module, each
/// once.
pub(crate) fn of(user: &[u8], first: u32) -> Result<Answer<Vec<u32>>, Errno> {
    let has_file = Groups::source().is_on()?;
    let has_module = lookup::asks_module::<Groups>()?;
    let is_ours = has_file || has_module && module::serves::<libc::group>()?;
    if !is_ours {
        return Ok(Answer::Pass);
    }
    let mut gids = Vec::new();
    try_extend(&mut gids, &[first])?;
    if has_file {
        of_file(user, &mut gids)?;
    }
    if has_module {
        module::groups_of(user, first, &mut gids)?;
    }
    distinct(&mut gids)?;
    Ok(Answer::Row(gids))
}

fn of_file(user: &[u8], gids: &mut Vec<u32>) -> Result<(), Errno> {
    let Now::Here(lease) = Groups::source().now(Groups::home(thread::here()?))? else {
        return Ok(());
    };
    // No member's name is empty, and none has one of these.
    let can_be_listed = !user.is_empty() && !user.iter().any(|b| b",\n".contains(b));
    for row in lease.get().filter(|_| can_be_listed).iter().flat_map(|t| t.rows_with(user)) {
        if row.members().any(|name| name == user) {
            try_extend(gids, &[row.gid])?;
        }
    }
    Ok(())
}
