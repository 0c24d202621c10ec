#!/usr/bin/env python3
"""Runs the commands in the README and in docs/migrate.md as they are written there.

    scripts/commands.py [PLAINVIEW]     with the debug build, or the program that is named

Each indented block of commands is run in a home directory of its own, line by line, by bash at a pseudo-terminal, at which passwords are typed when they are asked for. A line that
fails fails the block, and so does one that says that it prints nothing and does. A block that is not known here fails, too: what is documented is either run, or said here to be run
elsewhere. And every command and option in the text between backquotes has to be one that there is.

Ends with `commands: N passed, M failed, K skipped`. Blocks for a program that is not installed are skipped; with CI=true that is a failure for those that scripts/setup.sh installs.
"""

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PASSWORD = "correct horse battery staple"
LONGEST = 120  # seconds that a line may take

# What has to be there before a block is run, in bash. `vault` makes a vault with some files in it, `old` a folder of another program, in ~/Old, mounted where it ends.
SETUP = {
    "vault": """
        printf '%s\\n' "$PASSWORD" > pass && mkdir Private stick && plainview init -q --kdf-memory 8M --kdf-passes 1 --passfile pass Vault
        mkdir -p all/Documents all/photos all/letters && echo text | tee all/notes.txt all/letters/anna.odt all/Documents/letter.odt > all/photos/1.jpg
        plainview import -q --passfile pass Vault all/. / && cp all/letters/anna.odt letter.odt
    """,
    "empty": "true",
    "from": """
        printf '%s\\n' "$PASSWORD" > pass && mkdir from && plainview init -q --kdf-memory 8M --kdf-passes 1 --passfile pass Vault
        mkdir from/a && echo text > from/a/text
    """,
    "recipe": """
        printf '%s\\n' "$PASSWORD" > pass && mkdir Private old && plainview init -q --kdf-memory 8M --kdf-passes 1 --passfile pass Vault
        echo text > letter.txt && echo text > old/a.txt && plainview recipe encrypt --passfile pass letter.txt old/a.txt && rm letter.txt old/a.txt
    """,
    "gocryptfs": """
        mkdir Old m && printf '%s\\n' "$PASSWORD" > pass && gocryptfs -init -q -scryptn 10 -passfile pass Old && gocryptfs -q -passfile pass Old m
    """,
    "encfs": """
        mkdir Old m && printf '%s\\n' "$PASSWORD" | encfs --standard -S "$HOME/Old" "$HOME/m" > /dev/null
    """,
    "cryfs": """
        mkdir Old m && printf '%s\\n' "$PASSWORD" | CRYFS_FRONTEND=noninteractive cryfs "$HOME/Old" "$HOME/m" > /dev/null 2>&1
    """,
    "securefs": """
        mkdir Old m && securefs create --pass "$PASSWORD" -r 1 Old && securefs mount -b --pass "$PASSWORD" Old m && sleep 1
    """,
}
# Files of many kinds, in what the programs above mounted on ~/m; each line may fail where a program cannot do it.
FILL = """
    cd m && mkdir -p a/b "with blank" && echo text > a/text && head -c 300000 /dev/urandom > a/b/random && : > empty
    ln -s a/text link; ln a/text hard
    truncate -s 5M sparse; echo end >> sparse
    setfattr -n user.colour -v blue a/text; setfacl -m u:1:r a/text
    chmod 640 a/b/random; touch -d '2001-02-03 04:05:06.789' a/b/random "with blank"; touch "$(printf 'n%.0s' $(seq 140))"
    cd .. && { fusermount3 -u m || fusermount -u m; }
"""

# What each section's blocks need, or why they are not run here. Blocks of one section are run one after the other.
ELSEWHERE = "elsewhere: "
SECTIONS = {
    ("README.md", "plainview"): "empty",
    ("README.md", "Installation"): ELSEWHERE + "scripts/package-test.sh runs each line, but for sudo, and mounts by the line of fstab",
    ("README.md", "See it work, test it"): ELSEWHERE + "continuous integration (.ci/run) runs the demo, then scripts/test.sh, of which this is a part",
    ("README.md", "Commands"): ELSEWHERE + "what each command takes, of which the options are looked for below",
    ("README.md", "Keys"): "vault",
    ("README.md", "Damage"): "vault",
    ("README.md", "Without mounting"): "vault",
    ("README.md", "Recipe folders"): "recipe",
    ("docs/migrate.md", "From gocryptfs"): "gocryptfs",
    ("docs/migrate.md", "From EncFS"): "encfs",
    ("docs/migrate.md", "From CryFS"): "cryfs",
    ("docs/migrate.md", "From securefs"): "securefs",
    ("docs/migrate.md", "Without mounting the vault"): "from",
}
INSTALLED_BY_SETUP = {"gocryptfs", "encfs"}


def sections(page):
    """The indented lines of each section of a page, which are commands."""
    section, found = "", {}
    with open(os.path.join(ROOT, page), encoding="utf-8") as file:
        for line in file:
            if line.startswith("#"):
                section = line.strip("# \n")
            elif line.startswith("    ") and line.strip():
                found.setdefault((page, section), []).append(line.strip())
    return found


class Home:
    """A home directory, and who types in it."""

    def __init__(self, program):
        self.path = tempfile.mkdtemp(prefix="plainview-commands-")
        os.mkdir(os.path.join(self.path, "bin"))
        # The program, or what is a copy of it where a link would not do.
        shutil.copy(program, os.path.join(self.path, "bin", "plainview"))
        self.password, self.new, self.recovery, self.line = PASSWORD, None, None, ""
        self.environment = {
            "HOME": self.path,
            "PASSWORD": PASSWORD,
            "PATH": os.path.join(self.path, "bin") + ":/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "TERM": "dumb",
            "USER": os.environ.get("USER", "root"),
            # CryFS: says nothing of updates, which it would look for.
            "CRYFS_NO_UPDATE_CHECK": "true",
        }

    def answer(self, question):
        """What is typed when the last line of the screen is `question`; None where it is no question."""
        if re.search(r"(New password|The same again|New Encfs Password): $", question):
            self.new = self.password if self.line.startswith("plainview init") else self.password + " and more"
            return self.new
        if re.search(r"Recovery key: $", question):
            return self.recovery
        if re.search(r"[Pp]assword( of [a-z ]+)?: ?$", question):
            return self.password
        return None

    def set_up(self, script):
        """Runs a script, which nobody watches; returns its exit code and what it printed."""
        with open(os.path.join(self.path, "log"), "w+", encoding="utf-8", errors="replace") as log:
            done = subprocess.run(["bash", "-c", script], cwd=self.path, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=LONGEST, check=False)
            log.seek(0)
            return done.returncode, log.read()

    def run(self, line):
        """Runs one line at a terminal; returns its exit code and what is on the screen."""
        self.line = line
        self.prepare(line)
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.path)
            os.execvpe("bash", ["bash", "-c", line], self.environment)
        screen, seen, deadline, code = "", 0, time.monotonic() + LONGEST, None
        while True:
            ready = select.select([terminal], [], [], 0.02)[0]
            if ready:
                try:
                    screen += os.read(terminal, 65536).decode(errors="replace")
                except OSError:
                    ready = []  # nobody has the terminal any more
            if code is not None and not ready:
                break
            question = screen[seen:].split("\n")[-1]
            # Typed when it will not be seen.
            if self.answer(question) is not None and not termios.tcgetattr(terminal)[3] & termios.ECHO:
                seen = len(screen)
                os.write(terminal, (self.answer(question) + "\n").encode())
            if code is None:
                ended, status = os.waitpid(pid, os.WNOHANG)
                code = os.waitstatus_to_exitcode(status) if ended else None
            if code is None and time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                screen += f"\n(not done after {LONGEST} s)"
        os.close(terminal)
        self.remember(line, screen)
        return code, screen.replace("\r\n", "\n")

    def prepare(self, line):
        """The files with passwords that a line names are there."""
        for name, text in (("old", self.password), ("new", self.password + " once more")):
            if f"passfile {name}" in line:
                with open(os.path.join(self.path, name), "w", encoding="utf-8") as file:
                    file.write(text + "\n")

    def remember(self, line, screen):
        """What a line changed of what is to be typed."""
        if line.startswith("plainview passwd") and self.new:
            self.password = self.new
        self.new = None
        shown = re.search(r"^ +([0-9A-Z]{5}(?:-[0-9A-Z]{5}){7})\r?$", screen, re.MULTILINE)
        self.recovery = shown.group(1) if shown else self.recovery

    def remove(self):
        """Unmounts what is left mounted, and removes the directory."""
        for line in reversed(open("/proc/self/mountinfo", encoding="utf-8").readlines()):
            point = line.split()[4]
            if point.startswith(self.path + "/"):
                subprocess.run(["fusermount3", "-u", "-z", point], check=False)
        shutil.rmtree(self.path, ignore_errors=True)


def failure(home, setup, lines):
    """What is wrong with the commands of a section; None when nothing is."""
    code, said = home.set_up(SETUP[setup])
    if code == 0 and setup in ("gocryptfs", "encfs", "cryfs", "securefs"):
        home.set_up(FILL)
        if os.path.ismount(os.path.join(home.path, "m")):
            return f"~/m stays mounted\n{said}"
    if code != 0:
        return f"cannot be set up\n{said}"
    for line in lines:
        code, screen = home.run(line)
        print(f"    $ {line}\n" + "".join(f"    {shown}\n" for shown in screen.splitlines()), end="")
        if code != 0:
            return f"`{line}` failed with {code}"
        if "prints nothing" in line and screen:
            return f"`{line}` printed something"
    if setup in ("gocryptfs", "encfs", "cryfs", "securefs"):
        return empty_copy(home)
    return None


def empty_copy(home):
    """What was compared and found equal would be so, too, if nothing was there."""
    home.set_up("mkdir -p to && plainview mount -q --passfile pass Vault to || { echo \"$PASSWORD\" > pass; plainview mount --passfile pass Vault to; }")
    code, said = home.set_up("cmp to/a/text <(echo text) && [ -L to/link ] && [ $(stat -c %s to/sparse) -gt 5000000 ] && [ $(stat -c %b to/sparse) -lt 2000 ]")
    return None if code == 0 else f"what was copied is not there\n{said}"


def unknown_options(program):
    """The commands and options in the pages' text that there are not."""
    helps = {}

    def help_of(words):
        if words not in helps:
            done = subprocess.run([program, *words, "--help"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
            helps[words] = done.stdout.decode() if done.returncode == 0 else None
        return helps[words]

    every = subprocess.run([program, "--help"], stdout=subprocess.PIPE, check=True).stdout.decode()
    commands = set(re.findall(r"^  ([a-z]+)  ", every, re.MULTILINE)) - {"help"}
    below = {"key": ("list", "add", "remove", "test"), "recipe": ("encrypt", "decrypt")}
    anywhere = "".join(help_of((one,)) or "" for one in commands) + "".join(help_of((one, two)) or "" for one in below for two in below[one])
    wrong = []
    for page in ("README.md", "docs/migrate.md"):
        with open(os.path.join(ROOT, page), encoding="utf-8") as file:
            text = file.read()
        if page != "README.md":
            # In the first column is what other programs know.
            text = re.sub(r"^\|[^|]*\|", "|", text, flags=re.MULTILINE)
        # These are EncFS's.
        text = text.replace("`--paranoia`", "").replace("`--forcedecode`", "")
        codes = re.findall(r"`((?:plainview |--)[^`]*)`", text) + re.findall(r"^    (plainview .*)$", text, re.MULTILINE)
        for code in codes:
            words = code.split()
            command = tuple(words[1:3]) if words[0] == "plainview" and words[1] in below else tuple(words[1:2]) if words[0] == "plainview" else ()
            command = tuple(word.split("|")[0].strip("`,;") for word in command)
            if command and command[0] not in commands and command[0] not in ("COMMAND", "--help", "--version"):
                wrong.append(f"{page}: there is no command {code!r}")
                continue
            known = help_of(command) if command and command[0] in commands else anywhere
            for option in re.findall(r"(?<![a-z-])--[a-z-]+", code):
                if known is None or option not in known:
                    wrong.append(f"{page}: there is no {option} in {code!r}")
    return wrong


def main():
    """Runs everything; the last line says how it went."""
    program = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "debug", "plainview")
    found = {**sections("README.md"), **sections("docs/migrate.md")}
    passed, failed, skipped = 0, 0, 0
    for key in sorted(set(found) | set(SECTIONS)):
        name, setup = f"{key[0]}, {key[1]}", SECTIONS.get(key)
        why = "no such section any more" if key not in found else "not known to this script" if setup is None else None
        if why is None and setup.startswith(ELSEWHERE):
            continue
        if why is None and setup in ("gocryptfs", "encfs", "cryfs", "securefs") and not shutil.which(setup):
            print(f"SKIPPED {name}: {setup} is not installed", file=sys.stderr)
            if os.environ.get("CI") == "true" and setup in INSTALLED_BY_SETUP:
                failed += 1
            elif setup in INSTALLED_BY_SETUP:
                skipped += 1
            continue
        if why is None:
            print(f"{name}:")
            home = Home(program)
            try:
                why = failure(home, setup, found[key])
            finally:
                home.remove()
        passed, failed = passed + (why is None), failed + (why is not None)
        print(f"ok      {name}" if why is None else f"FAILED  {name}: {why}")
    wrong = unknown_options(program)
    print("\n".join(wrong) or "ok      every command and option that is named is there")
    passed, failed = passed + (not wrong), failed + bool(wrong)
    print(f"commands: {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
