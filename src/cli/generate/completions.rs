//! Completions.

use super::super::Cli;
use super::super::exit::Failure;
use clap::builder::Str;
use clap::{Arg, Command, CommandFactory, ValueHint};
use clap_complete::Shell;
use std::path::Path;

/// Writes those for each shell in `directory`, under the names by which the shells look for them.
pub(super) fn write(directory: &Path) -> Result<(), Failure> {
    let shells = [
        (Shell::Bash, "plainview.bash"),
        (Shell::Zsh, "_plainview"),
        (Shell::Fish, "plainview.fish"),
    ];
    for (shell, name) in shells {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut shown(&Cli::command()), "plainview", &mut text);
        super::write(directory, name, &text)?;
    }
    Ok(())
}

/// The command without what is hidden, which clap_complete would show, and in which what can only be a directory is completed as one.
fn shown(command: &Command) -> Command {
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set()).cloned();
    let commands = command.get_subcommands().filter(|command| !command.is_hide_set()).map(shown);
    Command::new(command.get_name().to_owned())
        .about(command.get_about().cloned().unwrap_or_default())
        .version(command.get_version().unwrap_or_default().to_owned())
        .disable_version_flag(command.get_version().is_none())
        .args(arguments.map(with_directories))
        .subcommands(commands)
}

fn with_directories(argument: Arg) -> Arg {
    let of_directory = |names: &[Str]| {
        names
            .iter()
            .any(|name| ["VAULT", "MOUNTPOINT", "FOLDER", "MOUNTPOINT|VAULT"].contains(&name.as_str()))
    };
    match argument.get_value_names().is_some_and(of_directory) {
        true => argument.value_hint(ValueHint::DirPath),
        false => argument,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_not_completed() {
        let mut command = shown(&Cli::command());
        command.build();
        assert!(command.find_subcommand("mount").is_some() && command.find_subcommand("generate").is_none());
        let mount = command.find_subcommand("mount").unwrap();
        let long = |name| mount.get_arguments().find(|argument| argument.get_long() == Some(name));
        assert!(long("passfile").is_some() && long("background-child").is_none());
    }
}
