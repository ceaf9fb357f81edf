//! Test 23: however a run ends, nothing of it is left: no process, no port, no folder.

use std::cell::RefCell;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Scale;
use super::child::{Program, wait_until};
use super::verdict::Verdict;
use crate::os::processes::{descendants, is_gone, listening_ports};
use crate::os::provenance;

/// What is still there after this long is left behind.
const CLEANED_UP: Duration = Duration::from_secs(10);
const SMOKE: &str = include_str!("../../plans/smoke.toml");

/// How a run ends.
#[derive(Clone, Copy)]
enum End {
    ByItself,
    By(Signal),
}

impl End {
    const fn name(self) -> &'static str {
        match self {
            Self::ByItself => "by itself",
            Self::By(signal) => signal.as_str(),
        }
    }
}

/// What a run had started, while it ran.
#[derive(Clone, Debug, Default)]
struct Traces {
    processes: Vec<u32>,
    ports: Vec<u16>,
}

impl Traces {
    /// Everything below `parent`.
    fn of(parent: u32) -> Self {
        let processes = descendants(parent);
        let ports = processes.iter().flat_map(|pid| listening_ports(*pid)).collect();
        Self { processes, ports }
    }

    /// Those that are still there, and what is in `folder`, once they had time to go.
    fn left(&self, folder: &Path, limit: Duration) -> [usize; 3] {
        let deadline = Instant::now() + limit;
        loop {
            let processes = self.processes.iter().filter(|pid| !is_gone(**pid)).count();
            // Whoever listens keeps it from being bound; connecting would fill a backlog.
            let taken = |port: &&u16| TcpListener::bind(("127.0.0.1", **port)).is_err();
            let ports = self.ports.iter().filter(taken).count();
            let entries = std::fs::read_dir(folder).map_or(0, Iterator::count);
            let left = [processes, ports, entries];
            if left == [0; 3] || Instant::now() > deadline {
                return left;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether servers, and the guard of a store where there is one, are among them.
    const fn are_of_a_run(&self) -> bool {
        self.processes.len() >= 2 && self.ports.len() >= 2
    }

    fn said(&self, left: [usize; 3]) -> String {
        let [processes, ports, entries] = left;
        format!(
            "{processes} of {} processes, {ports} of {} ports, {entries} entries",
            self.processes.len(),
            self.ports.len()
        )
    }
}

const NOTHING: &str = "nothing left of at least 2 processes and 2 ports";

/// Test 23.
///
/// # Errors
/// When a run cannot be started or does not come to measure anything.
pub(super) fn run(_: &Scale) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    if !cfg!(target_os = "linux") {
        verdict.not_run("processes and ports of others are found through /proc alone");
        return Ok(verdict);
    }
    for end in [End::ByItself, End::By(Signal::SIGINT), End::By(Signal::SIGKILL)] {
        let home = tempfile::Builder::new().prefix("authbench-selftest-").tempdir()?;
        let (traces, left) = one(home.path(), end)?;
        let what = format!("left after a run that ended {}", end.name());
        let pass = traces.are_of_a_run() && left == [0; 3];
        verdict.check(what, traces.said(left), NOTHING, pass);
    }
    control(&mut verdict)?;
    Ok(verdict)
}

/// A run in a folder of its own, its temporary files in another.
fn one(home: &Path, end: End) -> anyhow::Result<(Traces, [usize; 3])> {
    let blocks = if matches!(end, End::ByItself) { "1" } else { "10000" };
    let plan = SMOKE
        .replace("arms = \"every\"", "arms = [\"none\", \"session-memory\"]")
        .replace("blocks = 2", &format!("blocks = {blocks}"))
        .replace("micro_ms = 300", "micro_ms = 0");
    // The controls of strategies that are not in the plan would be arms without a partner.
    let plan = plan.split("\n[[control]]").next().unwrap_or_default().to_owned();
    let (file, out, temporary) = (home.join("plan.toml"), home.join("kept"), home.join("tmp"));
    std::fs::write(&file, plan)?;
    std::fs::create_dir(&temporary)?;
    let mut command = Command::new(provenance::own_program()?);
    command.arg("run").arg("--plan").arg(&file).arg("--out").arg(&out);
    command.env("TMPDIR", &temporary).env_remove("AUTHBENCH_REDIS_URL").stdin(Stdio::null());
    let child = Program::spawn(&mut command)?;
    if matches!(end, End::By(_)) {
        wait_until("the first block", || {
            let record = std::fs::read_to_string(out.join("run.json")).unwrap_or_default();
            let record: serde_json::Value = serde_json::from_str(&record).unwrap_or_default();
            record["cells"].as_array().is_some_and(|cells| !cells.is_empty())
        })?;
    }
    let traces = RefCell::new(Traces::default());
    // Between two blocks there are no servers.
    wait_until("servers of the run", || {
        traces.replace(Traces::of(child.id()));
        traces.borrow().are_of_a_run()
    })?;
    if let End::By(signal) = end {
        kill(Pid::from_raw(i32::try_from(child.id())?), signal)?;
    }
    child.end()?;
    let traces = traces.into_inner();
    let left = traces.left(&temporary, CLEANED_UP);
    Ok((traces, left))
}

/// A program that leaves a process, a port and a file behind must be found out.
fn control(verdict: &mut Verdict) -> anyhow::Result<()> {
    let home = tempfile::Builder::new().prefix("authbench-selftest-").tempdir()?;
    std::fs::write(home.path().join("left"), "")?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let mut command = Command::new("sh");
    command.args(["-c", "sleep 60 >/dev/null 2>&1 & wait"]).stdin(Stdio::null());
    let careless = Program::spawn(&mut command)?;
    wait_until("the careless program's child", || !descendants(careless.id()).is_empty())?;
    let traces = Traces {
        processes: descendants(careless.id()),
        ports: vec![listener.local_addr()?.port()],
    };
    // Killed, and its child is nobody's.
    drop(careless);
    let left = traces.left(home.path(), Duration::from_secs(1));
    for pid in traces.processes.iter().filter(|pid| !is_gone(**pid)) {
        kill(Pid::from_raw(i32::try_from(*pid)?), Signal::SIGKILL)?;
    }
    for (left, what) in left.into_iter().zip(["processes", "ports", "folder entries"]) {
        let what = format!("{what} left by a program that leaves one");
        verdict.control(what, left, "0", left == 0);
    }
    Ok(())
}
