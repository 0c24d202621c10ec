//! `plainview ls`.

use super::access;
use super::cat::{failure, worse};
use super::copying::print_json;
use super::exit::Failure;
use super::ls_lines::{Columns, Line, Row, print_name};
use super::progress::Counter;
use super::{LsArgs, print};
use crate::walk::{Known, Last, NotThere, PlainPath, find};
use rustix::fs::FileType;

/// Runs the command.
pub(super) fn run(args: &LsArgs) -> Result<(), Failure> {
    let opened = access::to_read(&args.vault, &args.unlock)?;
    let root = Known::root(&opened.view).map_err(|error| opened.place.unusable(&error))?;
    let mut paths: Vec<PlainPath> = args.paths.iter().map(|path| PlainPath::new(path)).collect();
    if paths.is_empty() {
        paths.push(PlainPath::default());
    }
    let mut listing = Listing {
        args,
        worst: None,
        is_first: true,
        has_titles: paths.len() > 1 || args.recursive,
        counter: Counter::beside_output("listing"),
        looked_at: 0,
    };
    let mut directories = Vec::new();
    let mut others = Vec::new();
    for path in paths {
        match find(&root, &path, Last::Itself) {
            Ok(found) if found.attr.kind == FileType::Directory => directories.push(path),
            Ok(found) => others.push((found, path)),
            Err(error) => listing.fail(&path, error),
        }
    }
    listing.others(others)?;
    for directory in directories {
        listing.tree(&root, directory)?;
    }
    listing.end()
}

struct Listing<'a> {
    args: &'a LsArgs,
    /// The failure that says most, which is told at the end.
    worst: Option<Failure>,
    is_first: bool,
    /// Whether it is said which directory is listed.
    has_titles: bool,
    counter: Counter,
    /// How many entries.
    looked_at: u64,
}

impl Listing<'_> {
    /// Keeps what could not be shown, and goes on.
    fn fail(&mut self, path: &PlainPath, error: NotThere) {
        let failure = failure(path, error);
        let worst = &mut self.worst;
        self.counter.aside(|| {
            *worst = match worst.take() {
                Some(before) => worse(before, Some(failure)),
                None => Some(failure),
            };
        });
    }

    fn end(self) -> Result<(), Failure> {
        self.worst.map_or(Ok(()), Err)
    }

    /// What was named and is no directory.
    fn others(&mut self, others: Vec<(Known<'_>, PlainPath)>) -> Result<(), Failure> {
        if others.is_empty() {
            return Ok(());
        }
        self.is_first = false;
        let rows = others.iter().map(|(entry, path)| (entry, path.to_bytes(), path.clone())).collect();
        self.rows(rows)
    }

    /// A directory, and with -R those below it, each after the one that it is in. A loop, since a tree can be as deep as anybody likes.
    fn tree(&mut self, root: &Known<'_>, top: PlainPath) -> Result<(), Failure> {
        let mut stack = vec![top];
        while let Some(path) = stack.pop() {
            let listed = find(root, &path, Last::Followed).and_then(|dir| Ok((dir.names()?, dir)));
            let (names, dir) = match listed {
                Ok(listed) => listed,
                Err(error) => {
                    self.fail(&path, error);
                    continue;
                }
            };
            self.title(&path)?;
            let mut entries = Vec::new();
            for name in names {
                self.looked_at += 1;
                self.counter.set(self.looked_at);
                match Known::look(&dir, &name) {
                    Ok(Some(entry)) => entries.push((entry, name)),
                    // Removed meanwhile.
                    Ok(None) => {}
                    Err(error) => self.fail(&path.join(&name), error.into()),
                }
            }
            let rows = entries.iter().map(|(entry, name)| (entry, name.to_vec(), path.join(name)));
            self.rows(rows.collect())?;
            if self.args.recursive {
                let is_directory = |entry: &Known<'_>| entry.attr.kind == FileType::Directory;
                let below = entries.iter().rev().filter(|(entry, _)| is_directory(entry));
                stack.extend(below.map(|(_, name)| path.join(name)));
            }
        }
        Ok(())
    }

    fn title(&mut self, path: &PlainPath) -> Result<(), Failure> {
        if !self.has_titles || self.args.json {
            return Ok(());
        }
        if !std::mem::replace(&mut self.is_first, false) {
            print("\n")?;
        }
        let mut title = path.to_bytes();
        title.push(b':');
        print_name(&title)
    }

    /// Entries, each with the name to show and its path.
    fn rows(&mut self, entries: Vec<(&Known<'_>, Vec<u8>, PlainPath)>) -> Result<(), Failure> {
        let mut rows = Vec::new();
        for (entry, name, path) in entries {
            let mut target = None;
            if entry.attr.kind == FileType::Symlink && (self.args.json || self.args.long) {
                match entry.view().readlink(entry.node()) {
                    Ok(read) => target = Some(read),
                    Err(error) => self.fail(&path, error.into()),
                }
            }
            if self.args.json {
                print_json(&Line::of(&path.to_bytes(), &entry.attr, target.as_deref()))?;
            } else if self.args.long {
                rows.push(Row::of(name, &entry.attr, target));
            } else {
                print_name(&name)?;
            }
        }
        Columns::of(&rows).print(&rows)
    }
}
