//! The layers of the program, and that its code keeps to them: which module may use which, where fuser may be named, and which modules are pure.
//!
//! It reads `src/` as text. Comments and strings do not count, and neither do tests, which may build what they need from below.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// From low to high. A module uses only modules of lower layers; those in one layer do not know each other.
const LAYERS: [&[&str]; 13] = [
    &["secret"],
    &["password"],
    &["keys"],
    &["record", "name"],
    &["journal"],
    &["folder"],
    &["vault", "local"],
    &["recipe"],
    &["view", "check"],
    &["walk"],
    &["fuse", "transfer"],
    &["mount"],
    &["cli"],
];
/// Beside the layers: what every module may use, unless it is pure. `error` knows the errors of the pure layers, `sys` nothing at all.
const ASIDE: [(&str, &[&str]); 2] = [("error", &["record", "name"]), ("sys", &[])];
/// Modules that compute and do nothing else: no I/O, no locks, no clock, no errno.
const PURE: [&str; 2] = ["record", "name"];
/// What a pure module does not touch.
const IMPURE: [&str; 11] = [
    "std::fs",
    "std::io",
    "std::net",
    "std::env",
    "std::time",
    "std::thread",
    "std::process",
    "std::sync",
    "rustix::",
    "parking_lot::",
    "log::",
];
/// The module that names fuser.
const FUSER: &str = "fuse";
/// The module that may be unsafe, where the lints are told so.
const UNSAFE: &str = "sys";

/// Whether the module `user` may use the module `used`.
fn may_use(user: &str, used: &str) -> bool {
    let layer = |module: &str| LAYERS.iter().position(|layer| layer.contains(&module));
    let aside = |module: &str| ASIDE.iter().find(|(name, _)| *name == module).map(|(_, uses)| *uses);
    match (aside(user), aside(used)) {
        _ if user == used => true,
        (Some(uses), _) => uses.contains(&used),
        (None, Some(_)) => !PURE.contains(&user),
        (None, None) => matches!((layer(user), layer(used)), (Some(user), Some(used)) if used < user),
    }
}

/// What is wrong with one file's code, whose path inside `src` is `path`.
fn violations(path: &Path, text: &str) -> Vec<String> {
    let user = module(path);
    let code = without_tests(&without_comments_and_strings(text));
    let mut wrong: Vec<String> = modules_used(path, &code)
        .iter()
        .filter(|used| !may_use(&user, used))
        .map(|used| format!("{user} uses {used}"))
        .collect();
    if user != FUSER && words(&code).any(|word| word == "fuser") {
        wrong.push(format!("{user} names fuser"));
    }
    if user != UNSAFE && words(&code).any(|word| word == "unsafe") {
        wrong.push(format!("{user} is unsafe"));
    }
    if PURE.contains(&user.as_str()) {
        let impure = IMPURE.iter().filter(|what| code.contains(**what));
        wrong.extend(impure.map(|what| format!("{user} is pure and uses {what}")));
    }
    wrong
}

/// The top module that a file belongs to.
fn module(path: &Path) -> String {
    let first = path.iter().next().expect("a path inside src has a first part");
    Path::new(first).file_stem().expect("it is a name").to_string_lossy().into_owned()
}

/// The top modules that `code` names: after `crate::`, in the braces of `crate::{...}`, and after as many `super::` as lead to the root.
fn modules_used(path: &Path, code: &str) -> BTreeSet<String> {
    let is_mod_file = path.file_name().is_some_and(|name| name == "mod.rs");
    let depth = path.iter().count() - usize::from(is_mod_file);
    let roots = ["crate::".to_owned(), "super::".repeat(depth)];
    let flat: String = code
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace(":: ", "::")
        .replace(" ::", "::");
    roots
        .iter()
        .flat_map(|root| after_each(&flat, root))
        .flat_map(first_names)
        .collect()
}

/// What follows each `path` in `code`, where that begins a path.
fn after_each<'a>(code: &'a str, path: &str) -> Vec<&'a str> {
    let begins = |at: usize| !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == ':');
    code.match_indices(path)
        .filter(|(at, _)| begins(*at))
        .map(|(at, found)| &code[at + found.len()..])
        .collect()
}

/// The first name of a path, or of each path in a group.
fn first_names(path: &str) -> Vec<String> {
    let Some(group) = path.strip_prefix('{') else {
        return words(path).take(1).filter(|word| *word != "super").map(str::to_owned).collect();
    };
    let (mut depth, mut start, mut names) = (1, true, Vec::new());
    for (at, char) in group.char_indices() {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => start = true,
            _ if start && !char.is_whitespace() => {
                names.extend(words(&group[at..]).next().map(str::to_owned));
                start = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|char: char| !char.is_alphanumeric() && char != '_')
        .filter(|word| !word.is_empty())
}

/// The code without comments and without what is in quotes.
fn without_comments_and_strings(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        let skipped = comment(rest).or_else(|| quoted(rest)).unwrap_or(0);
        if skipped > 0 {
            code.push(' ');
            rest = &rest[skipped..];
        } else {
            code.push(char);
            rest = &rest[char.len_utf8()..];
        }
    }
    code
}

/// The length of the comment that `text` begins with.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    text.starts_with("/*").then(|| text.find("*/").map_or(text.len(), |end| end + 2))
}

/// The length of the string or character that `text` begins with. An apostrophe also begins a lifetime, which is none.
fn quoted(text: &str) -> Option<usize> {
    if let Some(raw) = text.strip_prefix('r').filter(|raw| raw.trim_start_matches('#').starts_with('"')) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let end = format!("\"{}", "#".repeat(hashes));
        let body = &raw[hashes + 1..];
        return body.find(&end).map(|at| 1 + hashes + 1 + at + end.len());
    }
    let quote = text.chars().next().filter(|char| matches!(char, '"' | '\''))?;
    let mut chars = text.char_indices().skip(1);
    while let Some((at, char)) = chars.next() {
        match char {
            '\\' => drop(chars.next()),
            _ if char == quote => return Some(at + 1),
            // The second character of a lifetime has no apostrophe after it.
            _ if quote == '\'' && !text[at + char.len_utf8()..].starts_with('\'') => return None,
            _ => {}
        }
    }
    None
}

/// The code without what is only compiled for tests: the item after each `#[cfg(test)]`, to its closing brace or its semicolon.
fn without_tests(code: &str) -> String {
    let Some((before, after)) = code.split_once("#[cfg(test)]") else {
        return code.to_owned();
    };
    let mut depth = 0;
    let end = after.char_indices().find(|(_, char)| match char {
        '{' => {
            depth += 1;
            false
        }
        '}' => {
            depth -= 1;
            depth == 0
        }
        ';' => depth == 0,
        _ => false,
    });
    before.to_owned() + &without_tests(&after[end.map_or(after.len(), |(at, _)| at + 1)..])
}

fn sources() -> Vec<PathBuf> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).expect("src can be read") {
            let path = entry.expect("src can be read").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &mut found);
    found.sort();
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Files that are only compiled for tests, by their names; and the two roots, which are above all modules.
fn is_exempt(path: &Path) -> bool {
    path.iter().any(|part| part == "tests" || part == "tests.rs") || path == Path::new("lib.rs") || path == Path::new("main.rs")
}

#[test]
fn every_arrow_points_down() {
    let root = root();
    let mut checked = 0;
    let mut wrong = Vec::new();
    for source in sources() {
        let path = source.strip_prefix(&root).expect("it was found there");
        if !is_exempt(path) {
            checked += 1;
            let text = fs::read_to_string(&source).expect("a source is text");
            wrong.extend(
                violations(path, &text)
                    .into_iter()
                    .map(|what| format!("{}: {what}", path.display())),
            );
        }
    }
    assert!(checked > 20, "only {checked} files were looked at");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_has_its_layer() {
    let known: BTreeSet<&str> = LAYERS
        .iter()
        .flat_map(|layer| layer.iter().copied())
        .chain(ASIDE.iter().map(|(name, _)| *name))
        .collect();
    let text = fs::read_to_string(root().join("lib.rs")).unwrap();
    let code = without_comments_and_strings(&text);
    let declared: Vec<&str> = code.split("mod ").skip(1).filter_map(|after| words(after).next()).collect();
    assert!(declared.len() > 10, "{declared:?}");
    for module in declared {
        assert!(
            known.contains(module),
            "the module {module} has no layer yet: put it where it belongs"
        );
    }
}

#[test]
fn wrong_arrows_are_found() {
    let cases = [
        ("view/mod.rs", "use crate::fuse::Session;", "view uses fuse"),
        ("view/inode.rs", "fn f() { crate::mount::umount() }", "view uses mount"),
        (
            "view/inode.rs",
            "use crate::{error::Error, cli::{Cli, x}, name::Y};",
            "view uses cli",
        ),
        ("view/inode.rs", "use crate::\n    fuse;", "view uses fuse"),
        ("view/inode.rs", "use super::super::fuse;", "view uses fuse"),
        ("view/mod.rs", "use super::fuse;", "view uses fuse"),
        ("folder.rs", "use super::view::View;", "folder uses view"),
        ("record/mod.rs", "use crate::name::DirId;", "record uses name"),
        ("record/mod.rs", "use crate::error::Error;", "record uses error"),
        ("name/mod.rs", "use crate::sys;", "name uses sys"),
        ("sys/mod.rs", "use crate::error::Error;", "sys uses error"),
        ("error.rs", "use crate::view::View;", "error uses view"),
        ("name/mod.rs", "use std::fs::File;", "name is pure and uses std::fs"),
        ("record/seal.rs", "use rustix::io::Errno;", "record is pure and uses rustix::"),
        ("mount/serve.rs", "fn f() -> fuser::Session {}", "mount names fuser"),
        ("view/mod.rs", "fn f() { unsafe { g() } }", "view is unsafe"),
        ("vault/mod.rs", "use crate::unheard_of;", "vault uses unheard_of"),
        (
            "view/mod.rs",
            "const C: char = '\"'; use crate::fuse; const D: char = '\\''; fn f<'a>() {}",
            "view uses fuse",
        ),
        ("view/mod.rs", "#[cfg(test)] mod tests; use crate::fuse;", "view uses fuse"),
        (
            "view/mod.rs",
            "#[cfg(test)] mod tests { fn f() { {} } } use crate::fuse;",
            "view uses fuse",
        ),
    ];
    for (path, text, expected) in cases {
        assert_eq!(violations(Path::new(path), text), [expected], "{path}: {text}");
    }
}

#[test]
fn right_arrows_and_mere_words_are_not() {
    let cases = [
        (
            "view/inode.rs",
            "use crate::error::Error; use super::descriptors; use super::super::folder::Folder;",
        ),
        (
            "view/mod.rs",
            "// use crate::fuse;\n/* crate::cli */ const A: &str = \"crate::mount unsafe fuser\"; const B: &str = r#\"\"crate::cli\"\"#;",
        ),
        (
            "view/mod.rs",
            "/// [`crate::fuse`]\n#[cfg(test)] mod tests { use crate::cli; fn f() { {} } }",
        ),
        ("view/mod.rs", "mycrate::fuse::x(); defuser(); pub(crate) fn f() {}"),
        ("fuse/mod.rs", "use fuser::Session; use crate::view::View;"),
        ("error.rs", "use crate::record::Damage; use crate::name::NameError;"),
        ("cli/mod.rs", "use crate::{mount, view::{self, View}};"),
    ];
    for (path, text) in cases {
        assert_eq!(violations(Path::new(path), text), [""; 0], "{path}: {text}");
    }
}
