//! One line that is typed at the terminal, and not shown: a small editor, since the bytes are to be in the memory of a secret from the first one on.
//!
//! Knows the keys that people use to mend what they cannot see; does not know what the line is for. Keeps true: the terminal is again as it was when this returns, and when a signal ends
//! this program instead.

use super::line::{LINE_MAX, LineError};
use crate::secret::SecretBytes;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::SignalFd;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};

/// What is seen of a character that is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Nothing.
    Nothing,
    /// A star.
    Star,
}

/// Asks `question` at the terminal of this process, and takes the line that is typed.
///
/// A signal that ends this program (SIGINT, SIGTERM, SIGHUP) does so at once, but not before the terminal is as it was.
///
/// # Errors
/// [`LineError::TooLong`]; [`LineError::Read`], of the kind `Interrupted` when Ctrl-C was typed.
pub(super) fn ask(question: &str, shown: Shown) -> Result<SecretBytes, LineError> {
    let terminal = File::options().read(true).write(true).open("/dev/tty")?;
    (&terminal).write_all(question.as_bytes())?;
    let held = Held::begin()?;
    let _mute = Mute::begin(&terminal)?;
    let mut keys = Keys {
        terminal: &terminal,
        held: &held,
    };
    read(&mut keys, &mut &terminal, shown)
}

/// The signals that end a program, held back until this is dropped: then those that have come do what they do. Of other threads there are none yet that could take them.
struct Held {
    before: SigSet,
    /// Readable when one has come.
    coming: SignalFd,
}

impl Held {
    fn begin() -> io::Result<Self> {
        let ends: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
        let coming = SignalFd::new(&ends)?;
        let before = ends.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        Ok(Self { before, coming })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // It was the mask before.
        let _ = self.before.thread_set_mask();
    }
}

/// What is typed at a terminal, until a signal comes.
struct Keys<'a> {
    terminal: &'a File,
    held: &'a Held,
}

impl Read for Keys<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut fds = [
            PollFd::new(self.terminal, PollFlags::IN),
            PollFd::new(&self.held.coming, PollFlags::IN),
        ];
        loop {
            match poll(&mut fds, None) {
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
                // It ends this program in a moment.
                Ok(_) if !fds[1].revents().is_empty() => return Err(ErrorKind::ConnectionAborted.into()),
                Ok(_) => return self.terminal.read(bytes),
            }
        }
    }
}

/// A terminal that shows nothing by itself and gives every key at once, Ctrl-C also, until this is dropped.
struct Mute<'a>(&'a File, Termios);

impl<'a> Mute<'a> {
    fn begin(terminal: &'a File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut mute = before.clone();
        mute.local_modes &= !(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        mute.special_codes[SpecialCodeIndex::VMIN] = 1;
        mute.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(terminal, OptionalActions::Now, &mute)?;
        Ok(Self(terminal, before))
    }
}

impl Drop for Mute<'_> {
    fn drop(&mut self) {
        // It was possible a moment ago; now the terminal may be gone.
        let _ = tcsetattr(self.0, OptionalActions::Now, &self.1);
    }
}

/// Takes keys from `keys` until Enter.
fn read(keys: &mut impl Read, screen: &mut impl Write, shown: Shown) -> Result<SecretBytes, LineError> {
    let mut line = SecretBytes::new(LINE_MAX + 1);
    loop {
        match next(keys)? {
            b'\n' | b'\r' => {
                screen.write_all(b"\n")?;
                return Ok(line);
            }
            CTRL_C => {
                screen.write_all(b"\n")?;
                return Err(io::Error::from(ErrorKind::Interrupted).into());
            }
            CTRL_D if line.expose().is_empty() => return Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
            BACKSPACE | DELETE => {
                let keep = before_last_character(line.expose());
                erase(&mut line, keep, screen, shown)?;
            }
            CTRL_U => erase(&mut line, 0, screen, shown)?,
            CTRL_W => {
                let keep = before_last_word(line.expose());
                erase(&mut line, keep, screen, shown)?;
            }
            ESCAPE => skip_sequence(keys)?,
            0..=0x1f => {}
            byte if !line.push(byte) => return Err(LineError::TooLong),
            byte => show(byte, screen, shown)?,
        }
    }
}

const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
const BACKSPACE: u8 = 8;
const CTRL_U: u8 = 0x15;
const CTRL_W: u8 = 0x17;
const ESCAPE: u8 = 0x1b;
const DELETE: u8 = 0x7f;

fn next(keys: &mut impl Read) -> io::Result<u8> {
    let mut byte = [0];
    loop {
        match keys.read(&mut byte) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => return Ok(byte[0]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// What a key such as an arrow sends: it is no part of a line.
fn skip_sequence(keys: &mut impl Read) -> io::Result<()> {
    if matches!(next(keys)?, b'[' | b'O') {
        while !matches!(next(keys)?, 0x40..=0x7e) {}
    }
    Ok(())
}

/// Whether a byte begins a character, in UTF-8.
fn begins(byte: u8) -> bool {
    byte & 0xc0 != 0x80
}

fn before_last_character(line: &[u8]) -> usize {
    line.iter().rposition(|byte| begins(*byte)).unwrap_or(0)
}

/// Up to the last space that has something behind it.
fn before_last_word(line: &[u8]) -> usize {
    line.trim_ascii_end().iter().rposition(|byte| *byte == b' ').map_or(0, |at| at + 1)
}

fn show(byte: u8, screen: &mut impl Write, shown: Shown) -> io::Result<()> {
    match shown {
        Shown::Star if begins(byte) => screen.write_all(b"*"),
        Shown::Star | Shown::Nothing => Ok(()),
    }
}

/// Keeps the first `keep` bytes of the line, on the screen also.
fn erase(line: &mut SecretBytes, keep: usize, screen: &mut impl Write, shown: Shown) -> io::Result<()> {
    let stars = line.expose().iter().skip(keep).filter(|byte| begins(**byte)).count();
    line.truncate(keep);
    match shown {
        Shown::Star => screen.write_all(b"\x08 \x08".repeat(stars).as_slice()),
        Shown::Nothing => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &str, shown: Shown) -> (Result<Vec<u8>, LineError>, String) {
        let mut screen = Vec::new();
        let line = read(&mut keys.as_bytes(), &mut screen, shown);
        (line.map(|line| line.expose().to_vec()), String::from_utf8(screen).unwrap())
    }

    #[test]
    fn keys_become_a_line() {
        let table = [
            ("pw\n", "pw"),
            ("pw\r", "pw"),
            ("\n", ""),
            ("p w \nmore", "p w "),
            ("pä\u{7f}w\n", "pw"),
            ("p€\u{8}w\n", "pw"),
            ("\u{7f}pw\n", "pw"),
            ("wrong\u{15}pw\n", "pw"),
            ("one two\u{17}three\n", "one three"),
            ("one two  \u{17}three\n", "one three"),
            ("one\u{17}\u{17}two\n", "two"),
            ("p\u{1b}[Aw\u{1b}[1;5C\u{1b}OP\u{1b}x\n", "pw"),
            ("p\u{4}\u{1}\0\tw\n", "pw"),
        ];
        for (keys, line) in table {
            let (read, screen) = typed(keys, Shown::Nothing);
            assert_eq!((read.unwrap().as_slice(), screen.as_str()), (line.as_bytes(), "\n"), "{keys:?}");
        }
    }

    #[test]
    fn stars() {
        let table = [
            ("pä€\n", "***\n"),
            ("pä\u{7f}w\n", "**\x08 \x08*\n"),
            ("pä\u{15}\n", "**\x08 \x08\x08 \x08\n"),
            ("\u{7f}\n", "\n"),
        ];
        for (keys, seen) in table {
            assert_eq!(typed(keys, Shown::Star).1, seen, "{keys:?}");
        }
    }

    #[test]
    fn lines_that_do_not_end() {
        let kind = |keys| match typed(keys, Shown::Nothing).0 {
            Err(LineError::Read(error)) => Some(error.kind()),
            Ok(_) | Err(LineError::Empty | LineError::TooLong) => None,
        };
        assert_eq!(kind("pw\u{3}"), Some(ErrorKind::Interrupted));
        for keys in ["\u{4}", "", "pw", "\u{1b}", "\u{1b}["] {
            assert_eq!(kind(keys), Some(ErrorKind::UnexpectedEof), "{keys:?}");
        }
        assert!(matches!(
            typed(&"x".repeat(LINE_MAX + 2), Shown::Nothing).0,
            Err(LineError::TooLong)
        ));
    }
}
