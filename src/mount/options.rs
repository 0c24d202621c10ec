//! The `-o` list, as people write it and as mount(8) passes it on from fstab.

use super::Error;
use crate::fuse::Acls;
use crate::view::Access;
use rustix::mount::MountFlags;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Who may enter a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Who mounts it.
    Owner,
    /// Everybody, as far as permissions allow (`allow_other`).
    Everyone,
}

/// What may be in the directory that is mounted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Covering {
    /// Nothing: what is there would be hidden.
    Nothing,
    /// Anything (`nonempty`).
    Anything,
}

/// How to mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub(super) audience: Audience,
    pub(super) covering: Covering,
    pub(super) acls: Acls,
    pub(super) flags: MountFlags,
    /// After what time without use it is unmounted, if it is to be (`idle=`).
    pub(super) idle: Option<Duration>,
    /// How long the kernel may go by what it knows of names and attributes (`cache_time=`).
    pub(super) cache_time: Duration,
}

/// For how long what others change in a vault may go unseen, unless it is said.
const CACHE_TIME: Duration = Duration::from_secs(1);

/// The words that are flags of a mount: what each sets, and what it clears.
const FLAGS: [(&str, MountFlags, MountFlags); 20] = [
    ("ro", MountFlags::RDONLY, NONE),
    ("rw", NONE, MountFlags::RDONLY),
    ("nosuid", MountFlags::NOSUID, NONE),
    ("suid", NONE, MountFlags::NOSUID),
    ("nodev", MountFlags::NODEV, NONE),
    ("dev", NONE, MountFlags::NODEV),
    ("noexec", MountFlags::NOEXEC, NONE),
    ("exec", NONE, MountFlags::NOEXEC),
    ("sync", MountFlags::SYNCHRONOUS, NONE),
    ("async", NONE, MountFlags::SYNCHRONOUS),
    ("dirsync", MountFlags::DIRSYNC, NONE),
    ("noatime", MountFlags::NOATIME, MountFlags::RELATIME.union(MountFlags::STRICTATIME)),
    ("atime", NONE, MountFlags::NOATIME),
    ("relatime", MountFlags::RELATIME, MountFlags::NOATIME.union(MountFlags::STRICTATIME)),
    ("norelatime", NONE, MountFlags::RELATIME),
    (
        "strictatime",
        MountFlags::STRICTATIME,
        MountFlags::NOATIME.union(MountFlags::RELATIME),
    ),
    ("nostrictatime", NONE, MountFlags::STRICTATIME),
    ("nodiratime", MountFlags::NODIRATIME, NONE),
    ("diratime", NONE, MountFlags::NODIRATIME),
    ("nosymfollow", MountFlags::NOSYMFOLLOW, NONE),
];

const NONE: MountFlags = MountFlags::empty();

/// Words that say when and by whom something is mounted, which is over when we see them, or what holds anyway.
const IGNORED: [&str; 13] = [
    "",
    "auto",
    "noauto",
    "user",
    "users",
    "nouser",
    "owner",
    "group",
    "nofail",
    "_netdev",
    "defaults",
    "default_permissions",
    "subtype=plainview",
];

/// The same, with something behind the word. The name that is shown is always the vault's path: it is how the vault is found again when it is unmounted.
const IGNORED_PREFIXES: [&str; 6] = ["x-", "X-", "comment=", "user=", "fsname=", "uhelper="];

impl Options {
    /// Reads the words of the list; later ones win.
    ///
    /// Devices and set-user-id are off unless `dev` and `suid` ask for them: what is in a vault may come from another machine.
    ///
    /// # Errors
    /// [`Error::UnknownOption`] with the first word that is not known.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let none = Self {
            audience: Audience::Owner,
            covering: Covering::Nothing,
            acls: Acls::Stored,
            flags: MountFlags::NOSUID | MountFlags::NODEV,
            idle: None,
            cache_time: CACHE_TIME,
        };
        words.into_iter().try_fold(none, Self::with)
    }

    fn with(self, word: &str) -> Result<Self, Error> {
        if let Some((_, set, clear)) = FLAGS.iter().find(|(name, ..)| *name == word) {
            return Ok(Self {
                flags: (self.flags - *clear) | *set,
                ..self
            });
        }
        match word {
            "allow_other" => Ok(Self {
                audience: Audience::Everyone,
                ..self
            }),
            "acl" => Ok(Self {
                acls: Acls::Enforced,
                ..self
            }),
            "noacl" => Ok(Self {
                acls: Acls::Absent,
                ..self
            }),
            "nonempty" => Ok(Self {
                covering: Covering::Anything,
                ..self
            }),
            word if word.starts_with("idle=") => Ok(Self {
                idle: Some(parse_idle(&word[5..]).map_err(|why| Error::BadOption(word.to_owned(), why))?),
                ..self
            }),
            word if word.starts_with("cache_time=") => Ok(Self {
                cache_time: parse_cache_time(&word[11..]).map_err(|why| Error::BadOption(word.to_owned(), why))?,
                ..self
            }),
            word if IGNORED.contains(&word) || IGNORED_PREFIXES.iter().any(|prefix| word.starts_with(prefix)) => Ok(self),
            unknown => Err(Error::UnknownOption(unknown.to_owned())),
        }
    }

    /// The same, to be unmounted after `idle` without use, if that is said.
    #[must_use]
    pub fn with_idle(self, idle: Option<Duration>) -> Self {
        Self {
            idle: idle.or(self.idle),
            ..self
        }
    }

    /// The same, with that time for which the kernel goes by what it knows, if it is said.
    #[must_use]
    pub fn with_cache_time(self, cache_time: Option<Duration>) -> Self {
        Self {
            cache_time: cache_time.unwrap_or(self.cache_time),
            ..self
        }
    }

    /// Whether the vault may be changed.
    pub fn access(&self) -> Access {
        if self.flags.contains(MountFlags::RDONLY) {
            Access::ReadOnly
        } else {
            Access::ReadWrite
        }
    }

    /// Who may enter.
    pub fn audience(&self) -> Audience {
        self.audience
    }

    /// The words for those of the flags `among` that are set, for a program that wants words.
    pub(super) fn flag_words(&self, among: MountFlags) -> impl Iterator<Item = &'static str> {
        let flags = self.flags & among;
        FLAGS
            .into_iter()
            .filter(move |(_, set, _)| !set.is_empty() && flags.contains(*set))
            .map(|(word, ..)| word)
    }
}

/// How long a mount may be unused: a number and `s`, `m` or `h`, one second to a week.
///
/// # Errors
/// What it must be.
pub fn parse_idle(text: &str) -> Result<Duration, &'static str> {
    parse_time(text, 1..=7 * 24 * 3600, "it must be 1s to 168h")
}

/// How long the kernel may go by what it knows: a number and `s`, `m` or `h`, at most a day.
///
/// # Errors
/// What it must be.
pub fn parse_cache_time(text: &str) -> Result<Duration, &'static str> {
    parse_time(text, 0..=24 * 3600, "it must be 0s to 24h")
}

fn parse_time(text: &str, bounds: RangeInclusive<u64>, out_of_bounds: &'static str) -> Result<Duration, &'static str> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err("it must be a number and a unit, like 90s, 15m or 2h"),
    };
    let seconds = number.parse().ok().and_then(|number: u64| number.checked_mul(unit));
    let in_range = seconds.filter(|seconds| bounds.contains(seconds));
    in_range.map(Duration::from_secs).ok_or(out_of_bounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(list: &str) -> Options {
        Options::parse(list.split(',')).unwrap()
    }

    #[test]
    fn nothing_asked() {
        let options = parse("");
        assert_eq!(options.flags, MountFlags::NOSUID | MountFlags::NODEV);
        assert_eq!(
            (options.access(), options.audience(), options.covering, options.acls),
            (Access::ReadWrite, Audience::Owner, Covering::Nothing, Acls::Stored)
        );
        assert_eq!(options.flag_words(MountFlags::all()).collect::<Vec<_>>(), ["nosuid", "nodev"]);
    }

    #[test]
    fn each_word_does_its_part() {
        assert_eq!(parse("ro").access(), Access::ReadOnly);
        assert_eq!(parse("dev,suid").flags, MountFlags::empty());
        assert_eq!(parse("allow_other").audience(), Audience::Everyone);
        assert_eq!(parse("nonempty").covering, Covering::Anything);
        assert_eq!(parse("acl").acls, Acls::Enforced);
        assert_eq!(
            parse("ro,noexec,noatime,sync,dirsync")
                .flag_words(MountFlags::all())
                .collect::<Vec<_>>(),
            ["ro", "nosuid", "nodev", "noexec", "sync", "dirsync", "noatime"]
        );
    }

    #[test]
    fn later_words_win() {
        assert_eq!(parse("ro,rw").access(), Access::ReadWrite);
        assert_eq!(parse("rw,ro").access(), Access::ReadOnly);
        assert_eq!(parse("dev,nodev,suid,nosuid"), parse(""));
        assert_eq!(parse("noexec,exec,sync,async,noatime,atime"), parse(""));
        assert_eq!(parse("noatime,relatime"), parse("relatime"));
        assert_eq!(parse("relatime,noatime"), parse("noatime"));
        assert_eq!((parse("acl,noacl"), parse("noacl").acls), (parse("noacl"), Acls::Absent));
        assert_eq!(parse("noacl,acl"), parse("acl"));
    }

    #[test]
    fn what_mount_passes_on_is_taken() {
        let list = "rw,defaults,auto,noauto,user,users,nouser,owner,nofail,_netdev,x-systemd.automount,comment=a b,fsname=x,uhelper=plainview,subtype=plainview,default_permissions";
        assert_eq!(parse(list), parse(""));
    }

    #[test]
    fn the_cache_has_a_time() {
        assert_eq!(parse("").cache_time, Duration::from_secs(1));
        assert_eq!(parse("cache_time=0s").cache_time, Duration::ZERO);
        assert_eq!(
            parse("cache_time=24h").with_cache_time(None).cache_time,
            Duration::from_secs(86_400)
        );
        assert_eq!(
            parse("cache_time=1m").with_cache_time(Some(Duration::from_secs(5))).cache_time,
            Duration::from_secs(5)
        );
        for word in ["cache_time=", "cache_time=1", "cache_time=25h", "cache_time=-1s"] {
            assert!(matches!(Options::parse([word]), Err(Error::BadOption(..))), "{word}");
        }
    }

    #[test]
    fn idle_has_a_time() {
        assert_eq!(parse("idle=15m").idle, Some(Duration::from_secs(900)));
        assert_eq!(parse("idle=15m,idle=1s").idle, Some(Duration::from_secs(1)));
        assert_eq!(parse("idle=168h").with_idle(None).idle, Some(Duration::from_secs(604_800)));
        assert_eq!(
            parse("idle=168h").with_idle(Some(Duration::from_secs(2))).idle,
            Some(Duration::from_secs(2))
        );
        for word in [
            "idle=",
            "idle=15",
            "idle=m",
            "idle=0s",
            "idle=169h",
            "idle=1d",
            "idle=-1s",
            "idle=99999999999999999999h",
            "idle=1.5h",
        ] {
            assert!(
                matches!(Options::parse([word]), Err(Error::BadOption(named, _)) if named == word),
                "{word}"
            );
        }
    }

    #[test]
    fn unknown_words_are_named() {
        for word in ["frobnicate", "subtype=sshfs", "RO", " ro", "allow_other=1"] {
            match Options::parse(["rw", word]) {
                Err(Error::UnknownOption(named)) => assert_eq!(named, word),
                other => panic!("{word}: {other:?}"),
            }
        }
    }
}
