//! `plainview salvage`.

use super::SalvageArgs;
use super::advice::advised;
use super::check::Opened;
use super::exit::{Code, Failure, escaped};
use super::progress::Progress;
use super::voice::Voice;
use crate::check::{Salvaged, salvage};
use crate::journal::Access;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// Runs the command. All that can go wrong without the password is looked at before it is asked for.
pub(super) fn run(args: &SalvageArgs, voice: Voice) -> Result<(), Failure> {
    let map_path = map_path(&args.out);
    for path in [&args.out, &map_path] {
        if path.symlink_metadata().is_ok() {
            return Err(exists(path));
        }
    }
    let opened = Opened::open(&args.vault, &args.unlock, Access::ReadOnly)?;
    let file = opened.vault.open_damaged(&args.file).map_err(|errno| {
        let (file, vault) = (args.file.display(), args.vault.display());
        match errno {
            Errno::NOENT => Failure::other(format!(
                "there is no file {file} in {vault}, neither in the clear nor in the vault, and none on disk; `plainview check` prints the paths of damaged files"
            )),
            Errno::ISDIR => Failure::other(format!("{file} is no regular file; give one")),
            errno => Failure::other(format!("cannot open {file}: {}", advised(errno))),
        }
    })?;
    let len = rustix::fs::fstat(&file).map_or(0, |stat| u64::try_from(stat.st_size).unwrap_or(0));
    let (out, mut map) = (create(&args.out)?, create(&map_path)?);
    let progress = Progress::new("salvaging", len);
    let written = |path: &Path, why: &dyn std::fmt::Display| Failure::other(format!("cannot write {}: {why}", path.display()));
    let salvaged = salvage(&opened.vault, file, out.as_fd(), &|done| progress.set(done)).map_err(|errno| written(&args.out, &errno))?;
    drop(progress);
    out.sync_all().map_err(|error| written(&args.out, &error))?;
    map.write_all(salvaged.map.as_bytes())
        .and_then(|()| map.sync_all())
        .map_err(|error| written(&map_path, &error))?;
    finish(args, voice, &map_path, &salvaged)
}

fn finish(args: &SalvageArgs, voice: Voice, map_path: &Path, salvaged: &Salvaged) -> Result<(), Failure> {
    let Salvaged { len, bytes, missing, .. } = salvaged;
    let certain = if salvaged.end_is_known {
        ""
    } else {
        ", the end of the file not among them"
    };
    voice.tell(&escaped(&format!(
        "salvaged {bytes} of {len} bytes{certain} to {}; {missing} ranges are missing\n",
        args.out.display()
    )))?;
    match (salvaged.is_complete(), *bytes) {
        (true, _) => Ok(()),
        (false, 0) => Err(Failure::new(
            Code::DamageFound,
            format!(
                "nothing in {} is of a file of {}; `plainview check` prints the paths of damaged files",
                args.file.display(),
                args.vault.display()
            ),
        )),
        (false, _) => Err(Failure::new(
            Code::DamageFound,
            format!(
                "not all of {} can be read; {} says what is missing",
                args.file.display(),
                map_path.display()
            ),
        )),
    }
}

/// The path of the map: that of the file, with `.map` behind it.
fn map_path(out: &Path) -> PathBuf {
    let mut name = OsString::from(out);
    name.push(".map");
    PathBuf::from(name)
}

fn exists(path: &Path) -> Failure {
    Failure::new(Code::Exists, format!("{} is there already; give another name", path.display()))
}

/// Makes a file that only its owner may read.
fn create(path: &Path) -> Result<File, Failure> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => Ok(File::from(file)),
        Err(Errno::EXIST) => Err(exists(path)),
        Err(errno) => Err(Failure::other(format!("cannot make {}: {}", path.display(), advised(errno)))),
    }
}
