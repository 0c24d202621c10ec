//! Times before 1970, after 2038, and beyond what the backing filesystem can keep; with fractions.
//!
//! A file's mtime beyond that is left out: the kernel keeps it for a file in its write-back cache, shows it as it was set, and cannot be told of limits; what is
//! on disk is cut to them, and shown when the kernel has forgotten the file.

use super::{Language, same_in_mount_and_beside};
use crate::people::Who;

const STEPS: &str = r#"
import os
BILLION = 10 ** 9
def show(what):
    stat = os.stat("file", follow_symlinks=False)
    print(what, stat.st_atime_ns, stat.st_mtime_ns)
open("file", "w").write("x"); os.mkdir("dir"); os.symlink("file", "link")
times = [0, 1, -1, BILLION // 2, -BILLION // 2, -BILLION - 1, 2 ** 31 * BILLION - 1, 2 ** 31 * BILLION, 2 ** 32 * BILLION + 123456789, -2 ** 31 * BILLION, -2 ** 31 * BILLION - 1,
         (2 ** 34 - 2 ** 31 - 1) * BILLION, (2 ** 34 - 2 ** 31) * BILLION, (2 ** 34 + 5) * BILLION, -2 ** 33 * BILLION, 4000000000 * BILLION + 999999999]
for ns in times:
    os.utime("file", ns=(ns, times[-1] if ns == 0 else max(-ns // 3, -2 ** 31 * BILLION)))
    show(ns)
    for path in ("dir", "link"):
        os.utime(path, ns=(5, ns), follow_symlinks=False)
        print(path, os.stat(path, follow_symlinks=False).st_mtime_ns)
os.utime("file", ns=(-1500000000, -2500000001))
with open("file", "a") as file:
    os.utime(file.fileno(), ns=(3, 2 ** 32 * BILLION + 7)); show("by descriptor")
os.system("touch -a -d '1969-12-31 23:59:58.25 UTC' file; touch -m -d '2100-02-03 04:05:06.789 UTC' file"); show("touch")
os.system("cp -p file copy"); print(os.stat("copy").st_mtime_ns)
"#;

#[test]
fn times_before_1970_and_after_2038_are_kept_as_on_ext4() {
    for who in Who::both() {
        same_in_mount_and_beside(who, &[], Language::Python, STEPS);
    }
}
