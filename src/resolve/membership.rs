//! The groups that list a user as a member: getgrouplist(3).

use super::synthetic_user;
use super::user_line::User;
use crate::config::{self, Config};
use crate::db::key::Key;
use crate::db::{Database, Group};
use crate::file::index::dedup_stable;
use crate::file::source::{FileState, Request};
use crate::module;
use crate::rt::errno::Errno;
use crate::rt::log::log;
use crate::rt::memory::ScratchBuf;
use crate::rt::thread::Call;

/// The groups of a user.
pub(crate) struct Groups {
    pub(crate) gids: ScratchBuf<u32>,
    /// libc's groups are to be added.
    pub(crate) asks_libc: bool,
}

/// `first`, then the groups that list `user`, in the file's order, then those of the module, each once; `None` if only
/// libc's count.
///
/// If the groups cannot be read there is only `first`, as in glibc: callers take an error for a lack of room, and
/// would double their array for ever.
pub(crate) fn groups_of(call: &mut Call, user: &[u8], first: u32) -> Result<Option<Groups>, Errno> {
    let config = config::get()?;
    let has_file = config.file(Group::FILE).is_some();
    let has_module = super::asks_module::<Group>(config);
    let is_ours = has_file || has_module && module::serves::<Group>()?;
    let is_synthetic = config.user.is_some() && User::is_called(config, user)?;
    if !is_ours && !is_synthetic {
        return Ok(None);
    }
    let mut gids = ScratchBuf::copy_of(&[first])?;
    let added = add_all(config, call, user, first, is_synthetic, &mut gids);
    if let Err(error) = added {
        log!(Warn, "getgrouplist", "the groups cannot be read: {error}");
        gids.truncate(1);
    }
    Ok(Some(Groups { gids, asks_libc: !is_ours || config.fall_through }))
}

fn add_all(
    config: &'static Config,
    call: &mut Call,
    user: &[u8],
    first: u32,
    is_synthetic: bool,
    gids: &mut ScratchBuf<u32>,
) -> Result<(), Errno> {
    if let Some(path) = config.file(Group::FILE) {
        let request = Request { kind: Group::FILE, path, key: None, call };
        if let FileState::Loaded(table, _) = request.current::<Group>()? {
            let lines = table.find_all::<Group>(&Key::name(user))?;
            for row in table.rows_at::<Group>(&lines) {
                gids.push(row.gid)?;
            }
        }
    }
    if super::asks_module::<Group>(config) {
        module::groups_of(call, user, first, gids)?;
    }
    if is_synthetic {
        synthetic_user::add_nameless(config, call, gids)?;
    }
    dedup_stable(gids)
}
