//! `plainview cat`.

use super::CatArgs;
use super::access;
use super::exit::{Code, Failure};
use super::export::not_there;
use super::progress::{Progress, shows_progress_beside_output};
use crate::error::Error;
use crate::walk::{Known, Last, NotThere, PlainPath, find, os_name};
use rustix::fs::FileType;
use rustix::io::Errno;
use std::io::{self, Write};

/// Bytes that are read at a time.
const PIECE: usize = 1 << 20;

/// Why not all of a file was printed.
enum Halt {
    /// Nobody reads any more.
    Closed,
    /// Standard output takes no more.
    Unwritable(io::Error),
    /// The file has no more.
    Unreadable(Failure),
}

/// Runs the command.
pub(super) fn run(args: &CatArgs) -> Result<(), Failure> {
    let opened = access::to_read(&args.vault, &args.unlock)?;
    let root = Known::root(&opened.view).map_err(|error| opened.place.unusable(&error))?;
    let paths: Vec<PlainPath> = args.paths.iter().map(|path| PlainPath::new(path)).collect();
    // Counted only for who sees it.
    let total = if shows_progress_beside_output() { total(&root, &paths) } else { 0 };
    let progress = Progress::beside_output("reading", total);
    let (mut printed, mut last) = (0, None);
    for path in &paths {
        let count = |bytes| {
            printed += bytes;
            progress.set(printed.min(total));
        };
        match print_file(&root, path, count) {
            Ok(()) => {}
            Err(Halt::Closed) => return Ok(()),
            Err(Halt::Unwritable(error)) => return Err(Failure::other(format!("cannot write to standard output: {error}"))),
            Err(Halt::Unreadable(failure)) => {
                // The last one is told when this is left, and damage outdoes all else.
                if let Some(before) = last.replace(failure) {
                    progress.aside(|| last = worse(before, last.take()));
                }
            }
        }
    }
    last.map_or(Ok(()), Err)
}

/// How many bytes there are to print. What cannot be looked at is told when it is its turn.
fn total(root: &Known<'_>, paths: &[PlainPath]) -> u64 {
    let files = paths.iter().filter_map(|path| find(root, path, Last::Followed).ok());
    let regular = files.filter(|file| file.attr.kind == FileType::RegularFile);
    regular.map(|file| file.attr.size).sum()
}

/// Tells one failure, and keeps the other one, whose code says more.
pub(super) fn worse(before: Failure, now: Option<Failure>) -> Option<Failure> {
    match now {
        Some(now) if before.code() == Code::DamageFound => {
            now.report();
            Some(before)
        }
        now => {
            before.report();
            now
        }
    }
}

/// Prints a file, and calls `count` with the length of each piece.
fn print_file(root: &Known<'_>, path: &PlainPath, mut count: impl FnMut(u64)) -> Result<(), Halt> {
    let file = find(root, path, Last::Followed).map_err(|error| Halt::Unreadable(failure(path, error)))?;
    let unreadable = |error: Error| Halt::Unreadable(failure(path, error.into()));
    if file.attr.kind != FileType::RegularFile {
        let message = format!(
            "{}: only regular files can be printed, and this is none; `plainview ls` shows what it is",
            os_name(&path.to_bytes()).display()
        );
        return Err(Halt::Unreadable(Failure::other(message)));
    }
    let (mut out, mut piece, mut offset) = (io::stdout().lock(), Vec::new(), 0);
    loop {
        file.view().read(file.node(), offset, PIECE, &mut piece).map_err(unreadable)?;
        if piece.is_empty() {
            break;
        }
        out.write_all(&piece).map_err(halt)?;
        let len = u64::try_from(piece.len()).unwrap_or(0);
        offset += len;
        count(len);
    }
    out.flush().map_err(halt)
}

fn halt(error: io::Error) -> Halt {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Halt::Closed
    } else {
        Halt::Unwritable(error)
    }
}

/// Why a path cannot be shown, with the code that damage has.
pub(super) fn failure(path: &PlainPath, error: NotThere) -> Failure {
    match &error {
        NotThere::Failed(Error::Damage(_) | Error::Undecodable(_) | Error::Os(Errno::IO)) => {
            let path = path.to_bytes();
            let path = os_name(&path).display();
            Failure::new(
                Code::DamageFound,
                format!("{path}: {error}; `plainview check` tells more, `plainview salvage` saves what is left of a file"),
            )
        }
        NotThere::Failed(_) | NotThere::Missing | NotThere::NotADirectory | NotThere::Outside | NotThere::Loop => not_there(path, &error),
    }
}
