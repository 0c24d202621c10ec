//! Chooses the next operation, so that many succeed and many fail.

use super::attrs::Clock;
use super::names::Taste;
use super::op::{AtOp, Lock, Op, Place, SlotOp, Sparse, Target, Text, TwoOp, XattrOp};
use super::paths::Want;
use super::side::{SLOTS, Side};
use super::values::{Abilities, Values};
use crate::people::Who;
use rand::RngExt;
use rustix::fs::{AtFlags, FileType, RenameFlags};
use std::collections::VecDeque;

/// How many paths with attributes are remembered.
const MARKED: usize = 8;

pub(super) struct Generator {
    values: Values,
    /// To be done before anything random.
    queue: VecDeque<Op>,
    /// Where attributes were set, so that there is something to find later.
    marked: VecDeque<Vec<u8>>,
    actor: Actor,
    /// Who acts at present, where that changes.
    who: Who,
}

/// Who performs the operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Actor {
    /// The thread as it is.
    Same,
    /// Now root, now the ordinary user.
    Changing,
}

impl Generator {
    pub(super) fn new(seed: u64, clock: Clock, taste: Taste, abilities: Abilities, actor: Actor) -> Self {
        Self {
            values: Values::new(seed, clock, taste, abilities),
            queue: VecDeque::new(),
            marked: VecDeque::new(),
            actor,
            who: Who::Root,
        }
    }

    /// Tells who acts now, if that is not as the last operation had it.
    pub(super) fn is(&mut self, who: Who) {
        self.who = who;
    }

    /// Half of the time.
    pub(super) fn now_and_then(&mut self) -> bool {
        self.values.chance(50)
    }

    /// Some of `directories` are to be emptied and removed, the deepest first.
    pub(super) fn prune(&mut self, directories: Vec<Place>) {
        for at in directories.into_iter().rev() {
            if self.values.chance(40) {
                self.queue.push_back(Op::At(at.clone(), AtOp::Sweep { room: 4096 }));
                self.queue.push_back(Op::At(at, AtOp::Rmdir));
            }
        }
    }

    /// The next operation, for what there is in `plain` at present.
    pub(super) fn next(&mut self, plain: &Side) -> Op {
        if let Some(op) = self.queue.pop_front() {
            return op;
        }
        if self.actor == Actor::Changing && self.values.chance(4) {
            self.who = if self.who == Who::Root { Who::User } else { Who::Root };
            return Op::Become(self.who);
        }
        match self.values.rng.random_range(0..100) {
            0..44 => self.with_slot(plain),
            44..68 => self.with_names(plain),
            68..82 => self.with_two(plain),
            82..92 => self.with_inode(plain),
            _ => self.with_xattr(plain),
        }
    }

    fn with_slot(&mut self, plain: &Side) -> Op {
        let used = plain.used();
        let slot = self.values.pick(&used, 0);
        if used.is_empty() || self.values.chance(30) {
            let at = self.values.place(plain, Want::Either);
            let slot = self.values.rng.random_range(0..SLOTS);
            return Op::At(
                at,
                AtOp::Open {
                    slot,
                    flags: self.values.open_flags(),
                    mode: self.values.mode(),
                },
            );
        }
        let what = match self.values.rng.random_range(0..70) {
            0..5 => SlotOp::Close,
            5..10 => SlotOp::Read { len: self.values.len() },
            10..18 => SlotOp::Write { data: self.values.data() },
            18..26 => SlotOp::Pread {
                offset: self.values.offset(),
                len: self.values.len(),
            },
            26..38 => SlotOp::Pwrite {
                offset: self.values.offset(),
                data: self.values.data(),
            },
            38..41 => SlotOp::Seek { to: self.values.seek() },
            41..44 => SlotOp::SeekSparse {
                offset: self.values.offset(),
                to: self.values.pick(&[Sparse::Data, Sparse::Hole], Sparse::Data),
            },
            44..49 => SlotOp::Resize { len: self.values.offset() },
            49..54 => SlotOp::Fallocate {
                flags: self.values.fallocate_flags(),
                offset: self.values.offset(),
                len: self.values.offset(),
            },
            54 => SlotOp::Sync,
            55 => SlotOp::DataSync,
            56 => SlotOp::Lock(self.values.pick(&[Lock::Shared, Lock::Exclusive, Lock::Unlock], Lock::Unlock)),
            57..59 => SlotOp::Chmod { mode: self.values.mode() },
            59 => {
                let (uid, gid) = self.values.owner();
                SlotOp::Chown { uid, gid }
            }
            60..62 => SlotOp::Utimens {
                times: self.values.times(),
            },
            62..64 => SlotOp::Stat,
            64..66 => SlotOp::ReadDir { room: self.room() },
            _ => {
                let (from_offset, to_offset) = (self.values.offset(), self.values.offset());
                return Op::Copy {
                    from: self.values.pick(&used, 0),
                    from_offset,
                    to: slot,
                    to_offset,
                    len: self.values.len(),
                };
            }
        };
        Op::Slot(slot, what)
    }

    fn with_names(&mut self, plain: &Side) -> Op {
        let (fresh, existing) = (self.values.place(plain, Want::Fresh), self.values.place(plain, Want::Existing));
        match self.values.rng.random_range(0..100) {
            0..22 => Op::At(fresh, AtOp::Mkdir { mode: self.values.mode() }),
            22..38 => Op::At(existing, AtOp::Rmdir),
            38..62 => Op::At(existing, AtOp::Unlink),
            62..76 => {
                let own_name = fresh.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
                let target = self.values.target(own_name);
                Op::At(fresh, AtOp::Symlink { target: Text(target) })
            }
            76..80 => Op::At(existing, AtOp::Readlink),
            80..91 => {
                let kind = self
                    .values
                    .pick(&[FileType::Fifo, FileType::Socket, FileType::RegularFile], FileType::Fifo);
                Op::At(
                    fresh,
                    AtOp::Mknod {
                        kind,
                        mode: self.values.mode(),
                    },
                )
            }
            91..98 => Op::At(existing, AtOp::ReadDir { room: self.room() }),
            98 => Op::At(existing, AtOp::Sweep { room: self.room() }),
            _ if self.values.taste == Taste::Recipe => Op::At(existing, AtOp::ReadDir { room: self.room() }),
            _ => Op::NameMax,
        }
    }

    fn with_two(&mut self, plain: &Side) -> Op {
        let from = self.values.place(plain, Want::Existing);
        let mut to = self.values.place(plain, Want::Either);
        if self.values.chance(4) {
            // Into itself.
            to = Place {
                base: from.base,
                path: [from.path.as_slice(), b"/", &self.values.name()].concat(),
            };
        }
        if self.values.taste == Taste::Recipe || self.values.chance(72) {
            let flags = self.values.rename_flags();
            // Stored under names of different forms, they cannot change places in one step.
            let different = || plain.is_directory(&from) != plain.is_directory(&to);
            let flags = match self.values.taste == Taste::Recipe && flags.contains(RenameFlags::EXCHANGE) && different() {
                true => RenameFlags::empty(),
                false => flags,
            };
            return Op::Two(from, to, TwoOp::Rename(flags));
        }
        let flags = self.values.pick(&[AtFlags::empty(), AtFlags::SYMLINK_FOLLOW], AtFlags::empty());
        Op::Two(from, to, TwoOp::Link(flags))
    }

    fn with_inode(&mut self, plain: &Side) -> Op {
        let at = self.values.place(plain, Want::Existing);
        let what = match self.values.rng.random_range(0..100) {
            0..25 => AtOp::Chmod { mode: self.values.mode() },
            25..37 => {
                let (uid, gid) = self.values.owner();
                AtOp::Chown {
                    uid,
                    gid,
                    flags: self.values.nofollow(),
                }
            }
            37..60 => AtOp::Utimens {
                times: self.values.times(),
                flags: self.values.nofollow(),
            },
            60..72 => {
                let (access, flags) = self.values.access();
                AtOp::Access { access, flags }
            }
            72..88 => AtOp::Stat {
                flags: self.values.nofollow(),
            },
            _ => AtOp::Same {
                slot: self.values.pick(&plain.used(), 0),
            },
        };
        Op::At(at, what)
    }

    fn with_xattr(&mut self, plain: &Side) -> Op {
        let index = self.values.rng.random_range(0..2 * MARKED);
        let path = self
            .marked
            .get(index)
            .cloned()
            .unwrap_or_else(|| self.values.path(plain, Want::Existing));
        let target = match self.values.rng.random_range(0..4) {
            0 => Target::Slot(self.values.pick(&plain.used(), 0)),
            1 => Target::NoFollow(Text(path)),
            _ => Target::Path(Text(path)),
        };
        let name = self.values.xattr_name();
        let what = match self.values.rng.random_range(0..100) {
            0..40 => XattrOp::Set {
                name,
                value: self.values.xattr_value(),
                flags: self.values.xattr_flags(),
            },
            // An ACL from who is not in the file's group takes set-group-id away. The kernel tells FUSE's server so in a way that fuser does not know.
            40..52 if self.who == Who::Root => {
                let (name, value) = self.values.acl();
                XattrOp::SetAcl { name, value }
            }
            40..72 => XattrOp::Get {
                name,
                room: self.values.pick(&[0, 1, 16, 500], 500),
            },
            72..84 => XattrOp::List,
            84..87 => XattrOp::Remove { name: self.values.acl().0 },
            _ => XattrOp::Remove { name },
        };
        if let (XattrOp::Set { .. }, Target::Path(path) | Target::NoFollow(path)) = (&what, &target) {
            self.marked.push_front(path.0.clone());
            self.marked.truncate(MARKED);
        }
        Op::Xattr(target, what)
    }

    /// Room to read a directory with: for a name or two, or for all.
    fn room(&mut self) -> usize {
        self.values.pick(&[600, 1024, 32_768], 1024)
    }
}
