//! What keeps the memory of this process to itself: there are keys in it.

use rustix::io::Result;
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// From now on, and in every process that is started until its exec: no core dump, and no other process of the same user can trace this one or read its memory. Who may do
/// so with any process, root, still can.
///
/// What a process does with itself stays as it was: its descriptors by `/proc/self/fd`, which belongs to root then, can still be opened by it, since the kernel knows that it is itself.
///
/// Programs that are run inherit the limit, and nothing else. It is only the one that they may raise again.
///
/// # Errors
/// What the operating system says; what could be done of both is done.
pub fn raise() -> Result<()> {
    let maximum = getrlimit(Resource::Core).maximum;
    let limited = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum });
    // The limit does not hold where cores go through a pipe to a program, and this does.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).and(limited)
}
