//! A disk that can be copied at any instant: what a copy holds is what a power cut at that instant would have left.
//!
//! ext4 on a loop device whose file lies on btrfs. That file has what was written to the disk, in the order in which it was, but not what the operating system
//! has only in memory; and btrfs copies it at one instant (FICLONE), whatever its size, while everybody goes on. Without ext4's own mercy
//! for programs that rename a file before it is synced (`noauto_da_alloc`), which other filesystems do not have.

use crate::people::{Who, run, skipped};
use crate::places::{Scratch, SmallFilesystem};
use rustix::fs::ioctl_ficlone;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// How the disk is mounted.
const OPTIONS: &[&str] = &["noauto_da_alloc"];

/// A disk that is in use. Needs root.
pub(crate) struct Disk {
    // In the order in which they are taken away.
    filesystem: SmallFilesystem,
    image: PathBuf,
    copies: AtomicU32,
    below: SmallFilesystem,
}

impl Disk {
    /// An empty disk of `mib` MiB; says that the test is skipped where the kernel has no btrfs. Copies share what is equal, and there is room for ten times what is not.
    pub(crate) fn new(mib: u32) -> Option<Self> {
        let kernel = std::fs::read_to_string("/proc/filesystems").unwrap();
        if !kernel.contains("btrfs") && run(Who::Root.command("modprobe").arg("btrfs")).code != 0 {
            skipped("the kernel has no btrfs");
            return None;
        }
        let below = SmallFilesystem::btrfs(10 * mib.max(16));
        let image = below.path().join("disk");
        File::create(&image).unwrap().set_len(u64::from(mib) << 20).unwrap();
        run(Who::Root.command("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image)).ok();
        Some(Self {
            filesystem: SmallFilesystem::in_image(Scratch::new(Who::Root, None), &image, OPTIONS),
            image,
            copies: AtomicU32::new(0),
            below,
        })
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        self.filesystem.path()
    }

    /// What a power cut now would leave on it.
    pub(crate) fn cut(&self) -> Cut<'_> {
        self.cut_of(&self.image)
    }

    /// What a power cut now leaves of the disk in the file `image`, which is beside our own.
    fn cut_of(&self, image: &Path) -> Cut<'_> {
        let number = self.copies.fetch_add(1, Ordering::Relaxed);
        let copy = self.below.path().join(format!("copy {number}"));
        ioctl_ficlone(File::create(&copy).unwrap(), File::open(image).unwrap()).unwrap();
        Cut { copy, disk: self }
    }
}

/// A disk as a power cut left it. Its file is beside that of the disk, and goes when this value is dropped.
pub(crate) struct Cut<'d> {
    copy: PathBuf,
    disk: &'d Disk,
}

impl<'d> Cut<'d> {
    /// Switches it on again.
    pub(crate) fn mount(&self) -> SmallFilesystem {
        SmallFilesystem::in_image(Scratch::new(Who::Root, None), &self.copy, OPTIONS)
    }

    /// What another power cut now leaves of it, while it is mounted.
    pub(crate) fn cut(&self) -> Cut<'d> {
        self.disk.cut_of(&self.copy)
    }
}

impl Drop for Cut<'_> {
    fn drop(&mut self) {
        // Otherwise many cuts fill the disk that all of them are on.
        std::fs::remove_file(&self.copy).unwrap();
    }
}
