#!/usr/bin/env python3
"""Records docs/recording.svg: a short session with plainview, typed at a pseudo-terminal.

    scripts/recording.py [PLAINVIEW]     with the release build, or the program that is named

The commands are run as they are shown, by bash, in a home directory that is made for it and removed again; one that fails ends the script with nothing written. What is typed and what is
printed becomes an animated SVG: each line appears, in CSS keyframes, when it did; no script is in it, so it also plays where a page shows it as a picture. Times are those of a
person who types, not of the machine, so that the same session gives the same film, but for random names.
"""

import html
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import termios
import textwrap
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PASSWORD = "correct horse battery staple"
SESSION = [
    "plainview init ~/Vault",
    "mkdir ~/Private",
    "plainview mount ~/Vault ~/Private",
    "echo 'Dear diary' > ~/Private/diary.txt",
    "ls ~/Private",
    "plainview umount ~/Private",
    "find ~/Vault -type f -printf '%P\\n'",
    "plainview cat ~/Vault diary.txt    # also without mounting",
]
KEY, BEFORE_ENTER, AFTER_COMMAND, SECRET, END = 0.06, 0.4, 1.0, 1.2, 4.0  # seconds
COLUMNS, LINES_MAX = 88, 24
WIDTH, HEIGHT = 8.4, 19  # of a character, in pixels
LONGEST = 60  # seconds that a command may take


class Film:
    """The lines of the screen, each a list of pieces: (when it appears, column, class, text); and what is typed: (from when, until when, line, column, letters)."""

    def __init__(self):
        self.now, self.lines, self.typed = 0.6, [], []

    def line(self):
        self.lines.append([])

    def show(self, text, kind=""):
        """Shows `text` at once at the end of the last line."""
        column = sum(len(piece[3]) for piece in self.lines[-1])
        self.lines[-1].append((self.now, column, kind, text))

    def print(self, text):
        """Shows lines; what is wider than the screen goes on in the next one, between words."""
        for line in text.split("\n"):
            indent = re.match(" *", line).group()
            for part in textwrap.wrap(line, COLUMNS, break_on_hyphens=False, subsequent_indent=indent):
                self.line()
                self.show(part)

    def type(self, text):
        """Types it, letter by letter."""
        start, column = self.now, sum(len(piece[3]) for piece in self.lines[-1])
        self.show(text, "typed")
        self.now += KEY * len(text) + BEFORE_ENTER
        self.typed.append((start, self.now - BEFORE_ENTER, len(self.lines) - 1, column, len(text)))


def run(film, command, home):
    """Runs one command, films it, and returns its exit code."""
    film.line()
    film.show("$ ", "prompt")
    film.type(command)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(home)
        os.execvpe("bash", ["bash", "-c", command], environment(home))
    screen, seen, code, deadline = "", 0, None, time.monotonic() + LONGEST
    while True:
        ready = select.select([terminal], [], [], 0.05)[0]
        if ready:
            try:
                screen += os.read(terminal, 65536).decode()
            except OSError:
                ready = []  # nobody has the terminal any more
        if code is not None and not ready:
            break
        # Typed when it will not be seen.
        if re.search(r"(assword|again): $", screen[seen:]) and not termios.tcgetattr(terminal)[3] & termios.ECHO:
            print_lines(film, screen[seen:], home)
            film.now += SECRET
            seen = len(screen)
            os.write(terminal, (PASSWORD + "\n").encode())
        if code is None:
            ended, status = os.waitpid(pid, os.WNOHANG)
            code = os.waitstatus_to_exitcode(status) if ended else None
        if code is None and time.monotonic() > deadline:
            os.kill(pid, 9)
    os.close(terminal)
    print_lines(film, screen[seen:], home)
    film.now += AFTER_COMMAND
    return code, screen


def print_lines(film, text, home):
    """Films what a command printed; the home directory is what a person calls it."""
    film.print(text.replace("\r\n", "\n").replace(home, "/home/anna").strip("\n"))


def environment(home):
    return {"HOME": home, "PATH": os.path.join(home, ".bin") + ":/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", "TERM": "dumb", "TZ": "UTC", "USER": "anna"}


def svg(film):
    """The film. Each moment has an animation of its own, whose keyframes say when in the whole it appears; where animations are switched off, all is there."""
    total = film.now + END
    width, height = round(COLUMNS * WIDTH + 40), min(LINES_MAX, len(film.lines)) * HEIGHT + 60
    moments = sorted({piece[0] for line in film.lines for piece in line})
    styles, body, covers = [], [], []
    for number, moment in enumerate(moments):
        at = 100 * moment / total
        styles.append(f"@keyframes k{number}{{0%,{at:.2f}%{{opacity:0}}{at + 0.01:.2f}%,100%{{opacity:1}}}}.k{number}{{animation-name:k{number}}}")
    # What is typed lies under a cover that a cursor draws to the right, by a letter each time.
    for number, (start, end, line, column, letters) in enumerate(film.typed):
        begin, ready, gone = (100 * when / total for when in (start, end, end + BEFORE_ENTER))
        wide = letters * WIDTH
        styles.append(
            f"@keyframes t{number}{{0%,{begin:.2f}%{{opacity:1;transform:none;animation-timing-function:steps({letters})}}"
            f"{ready:.2f}%{{opacity:1;transform:translateX({wide:.1f}px);animation-timing-function:step-end}}{gone:.2f}%,100%{{opacity:0}}}}.t{number}{{animation:t{number} {total:.1f}s infinite}}"
        )
        x, y = 20 + column * WIDTH, 42 + line * HEIGHT
        covers.append(f'<g class="cover t{number}"><rect x="{x:.1f}" y="{y}" width="{wide + WIDTH:.1f}" height="18" fill="#10161f"/><rect class="k{moments.index(start)}" x="{x + 1:.1f}" y="{y}" width="8" height="17" fill="#7fdb8a"/></g>')
    # When the screen is full, it goes up by a line each time.
    steps = []
    for number, line in enumerate(film.lines):
        if number >= LINES_MAX and line:
            steps.append((100 * line[0][0] / total, (number - LINES_MAX + 1) * HEIGHT))
    if steps:
        frames, before = ["0%{transform:translateY(0)}"], 0
        for at, up in steps:
            frames.append(f"{at - 0.01:.2f}%{{transform:translateY(-{before}px)}}{at:.2f}%{{transform:translateY(-{up}px)}}")
            before = up
        frames.append(f"100%{{transform:translateY(-{before}px)}}")
        styles.append(f"@keyframes up{{{''.join(frames)}}}.up{{animation:up {total:.1f}s linear infinite}}")
    for number, line in enumerate(film.lines):
        for moment, column, kind, text in line:
            column, text = column + len(text) - len(text.lstrip()), text.strip()
            x, y = 20 + column * WIDTH, 56 + number * HEIGHT
            # The width of each piece is said, for fonts that are narrower or wider.
            wide = f' textLength="{len(text) * WIDTH:.1f}" lengthAdjust="spacingAndGlyphs"' if len(text) > 1 else ""
            body.append(f'<text class="k{moments.index(moment)} {kind}" x="{x:.1f}" y="{y}"{wide}>{html.escape(text, quote=False)}</text>')
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-label="A session with plainview">
<style>
text{{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d6deeb;white-space:pre;animation:{total:.1f}s step-end infinite}}
.typed{{fill:#fff;font-weight:600}}.prompt{{fill:#7fdb8a}}.title{{fill:#8b98a9;animation:none}}.cover{{opacity:0}}
.cover rect{{animation-duration:{total:.1f}s;animation-timing-function:step-end;animation-iteration-count:infinite}}
{"".join(styles)}
@media (prefers-reduced-motion:reduce){{text,.up,.cover,.cover rect{{animation:none}}}}
</style>
<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8" fill="#10161f" stroke="#3b4656"/>
<circle cx="20" cy="17" r="5" fill="#ff6159"/><circle cx="38" cy="17" r="5" fill="#ffbd2e"/><circle cx="56" cy="17" r="5" fill="#28c941"/>
<text class="title" x="{width / 2:.0f}" y="22" text-anchor="middle">plainview</text>
<clipPath id="screen"><rect x="0" y="36" width="{width}" height="{height - 46}"/></clipPath>
<g clip-path="url(#screen)"><g class="up">
{chr(10).join(body + covers)}
</g></g>
</svg>
"""


def main():
    program = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "release", "plainview")
    home = tempfile.mkdtemp(prefix="plainview-recording-")
    try:
        os.mkdir(os.path.join(home, ".bin"))
        shutil.copy(program, os.path.join(home, ".bin", "plainview"))
        film = Film()
        for command in SESSION:
            code, screen = run(film, command, home)
            if code != 0:
                sys.exit(f"`{command}` failed with {code}:\n{screen}")
        film.line()
        film.show("$ ", "prompt")
        text = svg(film)
        if len(text) > 60_000:
            sys.exit(f"it is too large: {len(text)} bytes")
        with open(os.path.join(ROOT, "docs", "recording.svg"), "w", encoding="utf-8") as file:
            file.write(text)
        print(f"docs/recording.svg: {len(text)} bytes, {film.now + END:.0f} s")
    finally:
        if os.path.ismount(os.path.join(home, "Private")):
            subprocess.run(["fusermount3", "-u", "-z", os.path.join(home, "Private")], check=False)
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
