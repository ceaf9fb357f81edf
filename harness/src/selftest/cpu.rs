//! Test 11: CPU time of another process is read to 1 %, whichever of its threads has spent it.

use std::io::{BufRead as _, Write as _};

use anyhow::{Context as _, bail, ensure};

use super::Scale;
use super::child::Dialogue;
use super::verdict::{Verdict, ms};
use crate::os::cpu::{ProcessCpu, burn_thread_ns, own_process_ns, thread_ns};

/// Where the child burns, one word each.
const PLACES: [&str; 3] = ["main", "worker", "exited"];
/// Share of what was burnt by which an account may be off.
const TOLERANCE: f64 = 0.01;
/// The flag that makes this program the child.
const BURN_FLAG: &str = "--burn-on-request";

/// What the child says about itself.
#[derive(Clone, Copy)]
struct OwnAccount {
    process_ns: u64,
    main_thread_ns: u64,
}

impl OwnAccount {
    fn parse(line: &str) -> anyhow::Result<Self> {
        let (process, thread) = line.split_once(' ').context("two figures were expected")?;
        Ok(Self { process_ns: process.parse()?, main_thread_ns: thread.parse()? })
    }
}

/// The child: burns on request, `PLACE NANOSECONDS` a line, and answers with its own account of its
/// process and of its main thread. Ends when standard input does.
///
/// # Errors
/// When a line cannot be understood, or nobody listens.
pub fn burn_on_request() -> anyhow::Result<()> {
    let (to_worker, jobs) = std::sync::mpsc::channel::<u64>();
    let (done, from_worker) = std::sync::mpsc::channel::<()>();
    // It lives as long as the process: its time is that of a thread that has not ended.
    std::thread::spawn(move || {
        for ns in jobs {
            burn_thread_ns(ns);
            if done.send(()).is_err() {
                return;
            }
        }
    });
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (place, ns) = line.split_once(' ').context("`PLACE NANOSECONDS` was expected")?;
        let ns: u64 = ns.parse()?;
        match place {
            "main" => burn_thread_ns(ns),
            "worker" => {
                to_worker.send(ns)?;
                from_worker.recv()?;
            }
            "exited" => {
                let burner = std::thread::spawn(move || burn_thread_ns(ns));
                ensure!(burner.join().is_ok(), "the burning thread panicked");
            }
            _ => bail!("nothing burns in `{place}`"),
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "{} {}", own_process_ns(), thread_ns())?;
        out.flush()?;
    }
    Ok(())
}

/// Test 11.
///
/// # Errors
/// When the child cannot be started or its clock not be read.
pub(super) fn accounting(scale: &Scale) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    let burnt_ns: u64 = scale.pick(1_000_000_000, 250_000_000);
    let mut child = Dialogue::start(&["selftest", BURN_FLAG])?;
    let clock = ProcessCpu::of(child.id(), || bail!("this child reports for itself"));
    // Its threads are there and everything is paged in before anything is counted.
    for place in PLACES {
        child.ask(&format!("{place} 1000000"))?;
    }
    let mut own = OwnAccount::parse(&child.ask("main 0")?)?;
    for place in PLACES {
        let has_clock = clock.kind() == "process-clock";
        let before = if has_clock { Some(clock.read_settled()?) } else { None };
        let now = OwnAccount::parse(&child.ask(&format!("{place} {burnt_ns}"))?)?;
        let by_clock = before.map(|before| Ok::<_, anyhow::Error>((before, clock.read_settled()?)));
        let limit = format!("{} +- 1 %", ms(burnt_ns));
        match by_clock.transpose()? {
            Some((before, after)) => {
                if !(before.settled && after.settled) {
                    verdict.disturbed("the unrest of the child's clock", after.ns - before.ns);
                }
                let found = after.ns - before.ns;
                let what = format!("burnt in `{place}`, by the process clock");
                verdict.check(what, ms(found), limit.clone(), near(found, burnt_ns));
            }
            None => verdict.not_run("this system has no clock of another process"),
        }
        let found = now.process_ns - own.process_ns;
        let what = format!("burnt in `{place}`, by its own getrusage");
        verdict.check(what, ms(found), limit.clone(), near(found, burnt_ns));
        if place != "main" {
            let found = now.main_thread_ns - own.main_thread_ns;
            let what = format!("burnt in `{place}`, by the clock of the main thread");
            verdict.control(what, ms(found), limit, near(found, burnt_ns));
        }
        own = now;
    }
    Ok(verdict)
}

fn near(found: u64, wanted: u64) -> bool {
    found.abs_diff(wanted) as f64 <= wanted as f64 * TOLERANCE
}
