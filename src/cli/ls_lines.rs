//! What `plainview ls` prints of an entry.

use super::check_lines::Text;
use super::exit::Failure;
use super::print_bytes;
use crate::check::escaped;
use crate::view::{Attr, Time};
use rustix::fs::FileType;
use serde::Serialize;
use std::io::{self, IsTerminal};

/// Prints a name: at a terminal with what it would obey, or could not show, escaped; else as it is.
pub(super) fn print_name(name: &[u8]) -> Result<(), Failure> {
    print_bytes(&[&shown(name), &b"\n"[..]].concat())
}

fn shown(name: &[u8]) -> Vec<u8> {
    match io::stdout().is_terminal() {
        true => escaped(name).into_bytes(),
        false => name.to_vec(),
    }
}

/// An entry for programs.
#[derive(Serialize)]
pub(super) struct Line {
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
    kind: &'static str,
    size: u64,
    mode: String,
    uid: u32,
    gid: u32,
    mtime: i64,
    mtime_nsec: u32,
    links: u32,
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_base64: Option<String>,
}

impl Line {
    pub(super) fn of(path: &[u8], attr: &Attr, target: Option<&[u8]>) -> Self {
        let path = Text::of(path);
        let target = target.map(Text::of);
        let (target, target_base64) = target.map_or((None, None), |target| (target.text, target.base64));
        Self {
            path: path.text,
            path_base64: path.base64,
            kind: kind(attr.kind).1,
            size: attr.size,
            mode: format!("{:04o}", attr.perm),
            uid: attr.uid,
            gid: attr.gid,
            mtime: attr.mtime.secs,
            mtime_nsec: attr.mtime.nanos,
            links: attr.nlink,
            target,
            target_base64,
        }
    }
}

/// The letter and the word for a kind of entry.
fn kind(kind: FileType) -> (char, &'static str) {
    match kind {
        FileType::RegularFile => ('-', "file"),
        FileType::Directory => ('d', "directory"),
        FileType::Symlink => ('l', "symlink"),
        FileType::Fifo => ('p', "fifo"),
        FileType::Socket => ('s', "socket"),
        FileType::CharacterDevice => ('c', "character device"),
        FileType::BlockDevice => ('b', "block device"),
        FileType::Unknown => ('?', "unknown"),
    }
}

/// A line of `ls -l`.
pub(super) struct Row {
    mode: String,
    /// Links, owner, group, size.
    numbers: [String; 4],
    modified: String,
    name: Vec<u8>,
    target: Option<Vec<u8>>,
}

impl Row {
    pub(super) fn of(name: Vec<u8>, attr: &Attr, target: Option<Vec<u8>>) -> Self {
        let size = match attr.kind {
            FileType::CharacterDevice | FileType::BlockDevice => {
                let device = u64::from(attr.rdev);
                format!("{},{}", rustix::fs::major(device), rustix::fs::minor(device))
            }
            FileType::RegularFile | FileType::Directory | FileType::Symlink | FileType::Fifo | FileType::Socket | FileType::Unknown => {
                attr.size.to_string()
            }
        };
        Self {
            mode: format!("{}{}", kind(attr.kind).0, permissions(attr.perm)),
            numbers: [attr.nlink.to_string(), attr.uid.to_string(), attr.gid.to_string(), size],
            modified: date(attr.mtime),
            name,
            target,
        }
    }
}

/// How wide the columns of numbers are.
pub(super) struct Columns([usize; 4]);

impl Columns {
    pub(super) fn of(rows: &[Row]) -> Self {
        let mut widths = [0; 4];
        for row in rows {
            for (width, number) in widths.iter_mut().zip(&row.numbers) {
                *width = number.len().max(*width);
            }
        }
        Self(widths)
    }

    pub(super) fn print(&self, rows: &[Row]) -> Result<(), Failure> {
        let [links, uid, gid, size] = self.0;
        for row in rows {
            let [l, u, g, s] = &row.numbers;
            let mut line = format!("{} {l:>links$} {u:>uid$} {g:>gid$} {s:>size$} {} ", row.mode, row.modified).into_bytes();
            line.extend(shown(&row.name));
            if let Some(target) = &row.target {
                line.extend_from_slice(b" -> ");
                line.extend(shown(target));
            }
            line.push(b'\n');
            print_bytes(&line)?;
        }
        Ok(())
    }
}

/// `rwxr-xr-x`, with the letters that set-user-id, set-group-id and the sticky bit have.
fn permissions(perm: u16) -> String {
    let special = [(0o4000, 's', 'S'), (0o2000, 's', 'S'), (0o1000, 't', 'T')];
    let mut out = String::with_capacity(9);
    for (shift, (bit, with, without)) in [6, 3, 0].into_iter().zip(special) {
        let bits = perm >> shift;
        out.push(if bits & 4 != 0 { 'r' } else { '-' });
        out.push(if bits & 2 != 0 { 'w' } else { '-' });
        out.push(match (bits & 1 != 0, perm & bit != 0) {
            (true, true) => with,
            (false, true) => without,
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    out
}

/// `2026-11-23 01:44:33`, in UTC.
pub(super) fn date(time: Time) -> String {
    let (days, second) = (time.secs.div_euclid(86_400), time.secs.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Year, month and day of a day since 1970 in the Gregorian calendar. Years begin in March here, so that a leap day is the last of one; 400 of them have 146,097 days.
fn civil(days: i64) -> (i64, i64, i64) {
    // Days since 1 March of the year 0.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, after) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year_of_era + after, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (secs, expected) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (951_868_799, "2000-02-29 23:59:59"),
            (1_798_761_599, "2026-12-31 23:59:59"),
            (4_107_542_400, "2100-03-01 00:00:00"),
            (-1, "1969-12-31 23:59:59"),
            (-2_203_891_200, "1900-03-01 00:00:00"),
        ] {
            assert_eq!(date(Time { secs, nanos: 999_999_999 }), expected);
        }
    }

    #[test]
    fn permissions_have_their_letters() {
        for (perm, expected) in [
            (0o644, "rw-r--r--"),
            (0o4755, "rwsr-xr-x"),
            (0o2640, "rw-r-S---"),
            (0o1777, "rwxrwxrwt"),
            (0o1000, "--------T"),
        ] {
            assert_eq!(permissions(perm), expected);
        }
    }
}
