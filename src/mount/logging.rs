//! Where log lines go: to standard error while there is one, then to the system's log.

use log::{LevelFilter, Log, Metadata, Record};
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, Ordering};

/// The socket of the system's log. The journal of systemd and every syslog daemon listen there.
const SYSTEM_LOG: &str = "/dev/log";
/// The facility `daemon`, which takes the upper bits of a line's priority.
const DAEMON: u8 = 3 << 3;

struct Logger {
    stderr: env_logger::Logger,
    /// Where lines go, once standard error is no more.
    system: UnixDatagram,
    in_background: AtomicBool,
}

static LOGGER: std::sync::OnceLock<Logger> = std::sync::OnceLock::new();

/// Starts logging to standard error: as much as `level` says, or what `RUST_LOG` asks for. fuser never says more than what is news, since it would name files.
///
/// Also makes panics log lines, which say where, but not with what words: those may quote a name.
pub fn start(level: LevelFilter) {
    let Ok(system) = UnixDatagram::unbound() else { return };
    let mut builder = env_logger::Builder::new();
    builder
        .filter_level(level)
        .parse_default_env()
        .format_timestamp(None)
        .format_target(false);
    let logger = LOGGER.get_or_init(|| Logger {
        stderr: builder.build(),
        system,
        in_background: AtomicBool::new(false),
    });
    // Only the first time, and then it is ours.
    if log::set_logger(logger).is_ok() {
        log::set_max_level(logger.stderr.filter());
        std::panic::set_hook(Box::new(|panic| match panic.location() {
            Some(place) => log::error!("panic at {place}"),
            None => log::error!("panic"),
        }));
    }
}

/// From now on lines go to the system's log; they are lost where there is none.
pub(super) fn to_system() {
    if let Some(logger) = LOGGER.get() {
        logger.in_background.store(true, Ordering::Relaxed);
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        !names_files(metadata) && self.stderr.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if names_files(record.metadata()) || comes_too_late(record) || !self.stderr.matches(record) {
            return;
        }
        if self.in_background.load(Ordering::Relaxed) {
            // Nobody is there who could be told that there is no log.
            let _ = self.system.send_to(line(record).as_bytes(), SYSTEM_LOG);
        } else {
            self.stderr.log(record);
        }
    }

    fn flush(&self) {
        self.stderr.flush();
    }
}

/// Below this level, fuser writes out the requests that it gets.
fn names_files(metadata: &Metadata<'_>) -> bool {
    metadata.level() > log::Level::Info && metadata.target().split("::").next() == Some("fuser")
}

/// fuser's complaint that the kernel does not know the request any more (ENOENT) that is being answered. Nobody waits for a release, so that one can still be under way when its
/// mount goes, and then it is none of anybody's business.
fn comes_too_late(record: &Record<'_>) -> bool {
    record.target() == "fuser::reply" && record.args().to_string().ends_with("(os error 2)")
}

/// A line as syslog(3) sends it, but for the time, which the receiver knows.
fn line(record: &Record<'_>) -> String {
    let severity = match record.level() {
        log::Level::Error => 3,
        log::Level::Warn => 4,
        log::Level::Info => 6,
        log::Level::Debug | log::Level::Trace => 7,
    };
    format!("<{}>plainview[{}]: {}", DAEMON | severity, std::process::id(), record.args())
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Level;

    #[test]
    fn lines_have_the_form_of_syslog() {
        let pid = std::process::id();
        for (level, priority) in [
            (Level::Error, 27),
            (Level::Warn, 28),
            (Level::Info, 30),
            (Level::Debug, 31),
            (Level::Trace, 31),
        ] {
            let record = line(&Record::builder().level(level).args(format_args!("what {}", 1)).build());
            assert_eq!(record, format!("<{priority}>plainview[{pid}]: what 1"));
        }
    }

    #[test]
    fn a_reply_that_nobody_waits_for_is_no_news() {
        let told = |target, errno| {
            let error = std::io::Error::from_raw_os_error(errno);
            let args = format_args!("Failed to send FUSE reply: {error}").to_string();
            !comes_too_late(&Record::builder().target(target).args(format_args!("{args}")).build())
        };
        assert!(!told("fuser::reply", 2));
        assert!(told("fuser::reply", 22) && told("fuser::session", 2) && told("plainview::fuse", 2));
    }

    #[test]
    fn fuser_stays_quiet_whatever_is_asked() {
        let names_files = |target, level| names_files(&Metadata::builder().target(target).level(level).build());
        assert!(names_files("fuser::request", Level::Debug));
        assert!(names_files("fuser", Level::Trace));
        assert!(!names_files("fuser::session", Level::Info));
        assert!(!names_files("plainview::fuse", Level::Debug));
    }
}
