//! The `-o` list, as people write it and as mount(8) passes it on from fstab.

use super::Error;
use crate::fuse::Acls;
use crate::view::Access;
use rustix::mount::MountFlags;

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
}

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
                acls: Acls::Stored,
                ..self
            }),
            "nonempty" => Ok(Self {
                covering: Covering::Anything,
                ..self
            }),
            word if IGNORED.contains(&word) || IGNORED_PREFIXES.iter().any(|prefix| word.starts_with(prefix)) => Ok(self),
            unknown => Err(Error::UnknownOption(unknown.to_owned())),
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
        assert_eq!(parse("acl,noacl"), parse(""));
        assert_eq!(parse("noacl,acl"), parse("acl"));
    }

    #[test]
    fn what_mount_passes_on_is_taken() {
        let list = "rw,defaults,auto,noauto,user,users,nouser,owner,nofail,_netdev,x-systemd.automount,comment=a b,fsname=x,uhelper=plainview,subtype=plainview,default_permissions";
        assert_eq!(parse(list), parse(""));
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
