//! A SQLite database to which transactions are made, one after another.

use super::findings::{Findings, Harm};
use super::history::{History, Window};
use super::workload::{Workload, sync_tree};
use crate::people::{Who, run, start};
use rand::rngs::StdRng;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Mutex;

/// How SQLite makes a transaction whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JournalMode {
    /// It writes pages to a log, which it syncs.
    Wal,
    /// It copies pages to a journal, which it removes. That the removal is durable when the transaction has returned, it promises only
    /// with `synchronous=EXTRA`.
    Delete,
}

/// Makes a transaction for each number that it reads, and says the number when it is committed.
const PROGRAM: &str = r#"
import sqlite3, sys
path, mode, sync = sys.argv[1:]
db = sqlite3.connect(path, isolation_level=None)
for line in (f"PRAGMA journal_mode={mode}", f"PRAGMA synchronous={sync}", "PRAGMA wal_autocheckpoint=60",
             "CREATE TABLE IF NOT EXISTS a(n INTEGER PRIMARY KEY, d BLOB)", "CREATE TABLE IF NOT EXISTS b(n INTEGER PRIMARY KEY, d BLOB)",
             "CREATE TABLE IF NOT EXISTS c(n INTEGER)", "INSERT INTO c SELECT 0 WHERE NOT EXISTS (SELECT * FROM c)"):
    db.execute(line).fetchall()
print("ready", flush=True)
for line in sys.stdin:
    n = int(line)
    data = bytes((n * 7 + i) % 251 for i in range(n * 37 % 3000))
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO a VALUES (?, ?)", (n, data))
    db.execute("UPDATE a SET d = ? WHERE n = ?", (data, n // 2))
    db.execute("INSERT INTO b VALUES (?, ?)", (n, data))
    db.execute("UPDATE c SET n = ?", (n,))
    db.execute("COMMIT")
    print(n, flush=True)
"#;

/// How many rows there are, and the last, in each table: all the same.
const ROWS: &str = "SELECT (SELECT count(*) FROM a), (SELECT ifnull(max(n), 0) FROM a), (SELECT count(*) FROM b), (SELECT ifnull(max(n), 0) FROM b), (SELECT n FROM c)";

/// The program at work.
struct Session {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    fn start(dir: &Path, mode: JournalMode) -> io::Result<Self> {
        let mut command = Who::me().command("python3");
        command.args(["-c", PROGRAM]).arg(dir.join("data"));
        command.args(match mode {
            JournalMode::Wal => ["WAL", "FULL"],
            JournalMode::Delete => ["DELETE", "EXTRA"],
        });
        let mut child = start(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()))?;
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut session = Self {
            child,
            input,
            output: BufReader::new(output),
        };
        session.expect("ready")?;
        Ok(session)
    }

    fn commit(&mut self, number: usize) -> io::Result<()> {
        writeln!(self.input, "{number}")?;
        self.expect(&number.to_string())
    }

    fn expect(&mut self, answer: &str) -> io::Result<()> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.trim_end() == answer {
            Ok(())
        } else {
            Err(io::Error::other(format!("SQLite says {line:?} and not {answer}")))
        }
    }

    fn end(mut self) {
        drop(self.input);
        let _ = self.child.wait();
    }
}

/// The workload.
pub(super) struct Databases {
    mode: JournalMode,
    history: History<()>,
    session: Mutex<Option<Session>>,
}

impl Databases {
    pub(super) fn new(mode: JournalMode) -> Self {
        Self {
            mode,
            history: History::new(),
            session: Mutex::new(None),
        }
    }
}

impl Workload for Databases {
    fn name(&self) -> String {
        format!("database {:?}", self.mode)
    }

    fn prepare(&self, dir: &Path) -> io::Result<()> {
        *self.session.lock().unwrap() = Some(Session::start(dir, self.mode)?);
        sync_tree(dir)
    }

    fn step(&self, _: &Path, _: &mut StdRng) -> io::Result<()> {
        let mut session = self.session.lock().unwrap();
        let number = self.history.begun() + 1;
        let session = session.as_mut().ok_or_else(|| io::Error::other("SQLite was not started"))?;
        self.history.perform((), || session.commit(number))
    }

    fn rest(&self) {
        if let Some(session) = self.session.lock().unwrap().take() {
            session.end();
        }
    }

    fn done(&self) -> usize {
        self.history.done()
    }

    fn begun(&self) -> usize {
        self.history.begun()
    }

    fn check(&self, dir: &Path, window: &Window, findings: &mut Findings) {
        let mut command = Who::me().command("sqlite3");
        let answer = run(command.arg(dir.join("data")).args(["PRAGMA integrity_check", ROWS]));
        let mut lines = answer.out.lines();
        let sound = answer.code == 0 && lines.next() == Some("ok");
        let rows: Vec<usize> = lines
            .next()
            .unwrap_or_default()
            .split('|')
            .filter_map(|row| row.parse().ok())
            .collect();
        let equal = rows.len() == 5 && rows.iter().all(|row| *row == rows[0]);
        if !sound || !equal || !(window.done..=window.begun).contains(&rows[0]) {
            findings.add(
                Harm::Database,
                format!(
                    "{:?}: between {} and {} commits: {:?} {:?}",
                    self.mode, window.done, window.begun, answer.out, answer.err
                ),
            );
        }
    }
}
