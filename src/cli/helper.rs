//! What mount(8) and umount(8) call: this program under the names `mount.plainview`, `mount.fuse.plainview`, `umount.plainview` and `umount.fuse.plainview`, which are links to
//! it. So lines of fstab, `mount -t plainview`, and units made of them work.
//!
//! Arguments are those of mount(8)'s "EXTERNAL HELPERS"; they are turned into a command line of `plainview mount` or `plainview umount`, so that whatever these
//! know, fstab knows: `passfile=F` in the list of `-o` is `--passfile F`, `no_journal` is `--no-journal`.

use super::exit::Failure;
use super::mount::CHILD;
use super::{Cli, run};
use crate::mount::Options;
use clap::{Command, CommandFactory, Parser};
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

/// Arguments of `mount.plainview`.
#[derive(Debug, Parser)]
#[command(
    name = "mount.plainview",
    version,
    about = "Show a vault in the clear, as mount(8) asks for it",
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = MOUNT_HELP
)]
pub(super) struct MountHelper {
    /// Options, separated by commas: those of mount(8), and every long option of plainview-mount(1) without its dashes, as in passfile=/etc/plainview/vault.pass
    #[arg(short, value_name = "OPT,...")]
    options: Vec<String>,
    /// Leave out options that are not known, instead of failing
    #[arg(short)]
    sloppy: bool,
    /// Only look at the arguments
    #[arg(short)]
    fake: bool,
    /// Do not write to /etc/mtab, which is never done
    #[arg(short)]
    no_mtab: bool,
    /// Tell on standard error what is done
    #[arg(short)]
    verbose: bool,
    /// Mount read-only
    #[arg(short)]
    read_only: bool,
    /// The type in fstab, which is known
    #[arg(short = 't', value_name = "TYPE")]
    kind: Option<String>,
    /// The vault
    #[arg(value_name = "VAULT")]
    vault: PathBuf,
    /// The directory to show it on
    #[arg(value_name = "MOUNTPOINT")]
    mountpoint: PathBuf,
}

const MOUNT_HELP: &str = "\
The password is asked for at the terminal, or comes from where passfile=, keyfile= or extpass= say; at boot, \
where there is no terminal, systemd's password agents ask for it (plainview-mount(1) has the order). A value that has \
a comma in it is written in double quotes. With uhelper=plainview, umount(8) returns when everything is \
on disk, as `plainview umount` does, and not a little earlier.

Besides what mount(8) describes there are: allow_other (others may use it, too), acl (POSIX ACLs are enforced), \
nonempty (MOUNTPOINT may hold something, which is hidden). With nofail, a vault that is not there is passed over without \
a word, and the exit status is 0; everything else that goes wrong is an error as ever.

The examples are a line of fstab that is mounted when somebody says so, one that is mounted at boot, and one \
that any user may mount.

Examples:
  /srv/vault  /srv/private  plainview  noauto,allow_other  0 0
  /srv/vault  /srv/private  plainview  nofail,passfile=/etc/plainview/vault.pass,uhelper=plainview  0 0
  /home/anna/Vault  /home/anna/Private  plainview  noauto,user  0 0
  mount -t plainview -o ro /srv/vault /mnt";

/// Arguments of `umount.fuse.plainview`.
#[derive(Debug, Parser)]
#[command(
    name = "umount.fuse.plainview",
    version,
    about = "End a mount, as umount(8) asks for it; when it returns, everything is on disk",
    arg_required_else_help = true
)]
struct UmountHelper {
    /// Take it out of sight now, and let it end when nobody uses it any more
    #[arg(short)]
    lazy: bool,
    /// Even if nothing answers any more
    #[arg(short)]
    force: bool,
    /// Do not write to /etc/mtab, which is never done
    #[arg(short)]
    no_mtab: bool,
    /// Make it read-only if it cannot be ended, which is not done
    #[arg(short)]
    read_only: bool,
    /// Accepted, and without effect
    #[arg(short)]
    verbose: bool,
    /// The type, which is known
    #[arg(short = 't', value_name = "TYPE")]
    kind: Option<String>,
    /// The mount point
    #[arg(value_name = "MOUNTPOINT")]
    mountpoint: PathBuf,
}

/// As what this program was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Itself.
    Plainview,
    /// mount(8)'s helper.
    Mount,
    /// umount(8)'s helper.
    Umount,
}

impl Form {
    /// The one that is called `name`.
    pub(super) fn of(name: Option<&OsStr>) -> Self {
        match name.and_then(|name| Path::new(name).file_name()?.to_str()) {
            Some("mount.plainview" | "mount.fuse.plainview") => Self::Mount,
            Some("umount.plainview" | "umount.fuse.plainview") => Self::Umount,
            Some(_) | None => Self::Plainview,
        }
    }
}

/// Mounts. `words` are all arguments, the name first.
pub(super) fn mount(words: Vec<OsString>) -> Result<(), Failure> {
    // The start in the background puts its mark before the other arguments.
    let (marks, words): (Vec<_>, Vec<_>) = words.into_iter().partition(|word| word == CHILD);
    let helper = MountHelper::parse_from(words);
    let cli = Cli::try_parse_from(translated(&helper, marks)).unwrap_or_else(|error| error.exit());
    if helper.fake || helper.may_be_left_out() {
        Ok(())
    } else {
        run(&cli)
    }
}

impl MountHelper {
    /// Whether there is nothing where the vault should be, and `nofail` says that this is no error, as mount(8) has it for devices.
    fn may_be_left_out(&self) -> bool {
        let nofail = self.options.iter().flat_map(|list| split(list)).any(|word| word == "nofail");
        nofail && self.vault.metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound)
    }
}

/// Unmounts. What only the kernel can do is left to umount(8), which is told not to come back here.
pub(super) fn umount(words: Vec<OsString>) -> Result<(), Failure> {
    let helper = UmountHelper::parse_from(words);
    let flags = [("-l", helper.lazy), ("-f", helper.force)];
    let flags: Vec<_> = flags.iter().filter(|(_, given)| *given).map(|(flag, _)| *flag).collect();
    if flags.is_empty() {
        let words = ["plainview", "umount", "--"].map(OsString::from).into_iter();
        return run(&Cli::parse_from(words.chain([helper.mountpoint.into()])));
    }
    let mut umount = std::process::Command::new("umount");
    let error = umount.arg("-i").args(flags).arg("--").arg(helper.mountpoint).exec();
    Err(Failure::other(format!("cannot run umount: {error}")))
}

/// The command line of `plainview mount` that means the same.
fn translated(helper: &MountHelper, marks: Vec<OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = ["plainview", "mount"].map(OsString::from).into();
    words.extend(marks);
    let mut command = Cli::command();
    // Now its commands have the options of all.
    command.build();
    let known = command.find_subcommand("mount");
    for word in helper.options.iter().flat_map(|list| split(list)) {
        match known.and_then(|mount| long(mount, &word)) {
            Some(long) => words.push(long.into()),
            None if helper.sloppy && Options::parse([word.as_str()]).is_err() => {}
            None if word.is_empty() => {}
            None => words.push(format!("-o{word}").into()),
        }
    }
    let is_quiet = words.iter().any(|word| word == "--quiet");
    words.extend((helper.verbose && !is_quiet).then(|| OsString::from("--verbose")));
    words.extend(helper.read_only.then(|| OsString::from("--ro")));
    words.extend([OsString::from("--"), helper.vault.clone().into(), helper.mountpoint.clone().into()]);
    words
}

/// The words of a list: commas part them, except between double quotes, which mount(8) leaves where they are.
fn split(list: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in list.chars() {
        match (c, words.last_mut()) {
            ('"', _) => quoted = !quoted,
            (',', _) if !quoted => words.push(String::new()),
            (_, Some(word)) => word.push(c),
            (_, None) => {}
        }
    }
    words
}

/// The long option of `plainview mount` that `word` means, `NAME` or `NAME=VALUE`. It may be written with underscores, as is usual in lists of options.
///
/// Not `ro`, which is one of the words that mount(8) knows, of which the last one wins; and not what makes no sense where somebody waits for the mount.
fn long(mount: &Command, word: &str) -> Option<String> {
    let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
    let name = name.replace('_', "-");
    let argument = mount.get_arguments().find(|argument| argument.get_long() == Some(name.as_str()))?;
    let excluded = argument.is_hide_set() || ["ro", "foreground", "help"].contains(&name.as_str());
    (!excluded && argument.get_action().takes_values() == value.is_some()).then(|| match value {
        Some(value) => format!("--{name}={value}"),
        None => format!("--{name}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(arguments: &str) -> Vec<String> {
        let helper = MountHelper::try_parse_from(["mount.plainview"].into_iter().chain(arguments.split_whitespace())).unwrap();
        let words = translated(&helper, Vec::new());
        words[2..].iter().map(|word| word.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_arguments_are_well_formed() {
        MountHelper::command().debug_assert();
        UmountHelper::command().debug_assert();
    }

    #[test]
    fn the_name_tells_the_form() {
        let cases = [
            ("plainview", Form::Plainview),
            ("/sbin/mount.plainview", Form::Mount),
            ("mount.fuse.plainview", Form::Mount),
            ("/usr/sbin/umount.fuse.plainview", Form::Umount),
            ("mount.plainview/", Form::Mount),
            ("mount", Form::Plainview),
        ];
        for (name, form) in cases {
            assert_eq!(Form::of(Some(OsStr::new(name))), form, "{name}");
        }
        assert_eq!(Form::of(None), Form::Plainview);
    }

    #[test]
    fn what_mount_passes_is_translated() {
        assert_eq!(of("V M -o rw"), ["-orw", "--", "V", "M"]);
        assert_eq!(
            of("V M -n -v -t plainview -o rw,,nofail"),
            ["-orw", "-onofail", "--verbose", "--", "V", "M"]
        );
        assert_eq!(of("V M -o quiet"), ["--quiet", "--", "V", "M"]);
        assert_eq!(of("-v V M -o rw,quiet"), ["-orw", "--quiet", "--", "V", "M"]);
        assert_eq!(of("-r -o passfile=/a,acl V M"), ["--passfile=/a", "-oacl", "--ro", "--", "V", "M"]);
        assert_eq!(
            of("V M -o no_journal,ro -o journal-size=8M"),
            ["--no-journal", "-oro", "--journal-size=8M", "--", "V", "M"]
        );
        assert_eq!(of(r#"V M -o passfile="/a,b",rw"#), ["--passfile=/a,b", "-orw", "--", "V", "M"]);
    }

    #[test]
    fn what_is_not_for_fstab_stays_a_word_that_is_refused() {
        for word in [
            "foreground",
            "background_child",
            "help",
            "passfile",
            "no_journal=1",
            "password=x",
            "options=ro",
        ] {
            assert_eq!(of(&format!("V M -o {word}")), [&format!("-o{word}"), "--", "V", "M"]);
            assert!(Options::parse([word]).is_err(), "{word}");
        }
    }

    #[test]
    fn sloppy_leaves_out_what_is_not_known() {
        assert_eq!(of("V M -s -o nonsense,ro,passfile=p"), ["-oro", "--passfile=p", "--", "V", "M"]);
        assert_eq!(of("V M -o nonsense"), ["-ononsense", "--", "V", "M"]);
    }

    #[test]
    fn nofail_leaves_out_what_is_not_there_and_nothing_else() {
        let left_out = |arguments: &str| {
            let helper = MountHelper::try_parse_from(["mount.plainview"].into_iter().chain(arguments.split_whitespace())).unwrap();
            helper.may_be_left_out()
        };
        assert!(left_out("/nonexistent/V M -o rw,nofail,passfile=p"));
        assert!(!left_out("/nonexistent/V M -o rw"));
        assert!(!left_out("/nonexistent/V M -o comment=nofail"));
        assert!(!left_out("/proc/version/V M -o nofail"), "this is another error");
        assert!(!left_out("/ M -o nofail"));
    }

    #[test]
    fn every_translation_is_a_command_line() {
        let lists = "defaults,rw,user,noexec,nosuid,nodev,nofail,_netdev,x-systemd.automount,allow_other,acl,passfile=p,no_journal";
        let helper = MountHelper::try_parse_from(["mount.plainview", "-V", "M", "-o", lists]);
        assert!(helper.is_err(), "a vault whose name begins with a dash needs --");
        let helper = MountHelper::try_parse_from(["mount.plainview", "-o", lists, "--", "-V", "M"]).unwrap();
        let cli = Cli::try_parse_from(translated(&helper, vec!["--background-child".into()])).unwrap();
        let super::super::Command::Mount(args) = cli.command else {
            panic!("it is mount")
        };
        assert!(args.background_child && args.no_journal);
        assert_eq!(args.vault, Path::new("-V"));
        assert!(Options::parse(args.options.iter().map(String::as_str)).is_ok());
    }
}
