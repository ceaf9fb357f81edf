//! Faults that a gate has to notice. A gate that was never seen to fail proves nothing.
//!
//! Where the world can be made to misbehave, it is: the driver is stalled, processes are frozen,
//! strangers send requests and commands. Where it cannot (a hypervisor that steals time, a counter
//! that lies), the reading is falsified, and [`Sabotage::is_falsified`] says so.

use std::borrow::Cow;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::contestant::Contestant;
use super::gates::{GATES, Gate};
use super::slot::Measured;
use crate::load::driver::Driver;
use crate::load::exchange::Exchange;
use crate::record::run::Role;

/// The gate whose fault is brought about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sabotage {
    gate: &'static str,
}

impl Sabotage {
    /// One for every gate.
    pub fn all() -> impl Iterator<Item = Self> {
        GATES.iter().map(|gate| Self { gate: gate.name })
    }

    /// The gate that has to notice.
    #[must_use]
    pub const fn gate(self) -> &'static str {
        self.gate
    }

    /// Whether a reading is falsified, because the fault itself cannot be brought about.
    #[must_use]
    pub fn is_falsified(self) -> bool {
        ["steal", "host-steal", "ledger-closes", "little", "out-of-range"].contains(&self.gate)
    }
}

impl std::str::FromStr for Sabotage {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = GATES.iter().find(|gate| gate.name == name);
        found.map(|gate| Self { gate: gate.name }).ok_or_else(|| {
            let names: Vec<&str> = GATES.iter().map(|gate: &Gate| gate.name).collect();
            format!("there is no gate `{name}`; it is `all` or one of {}", names.join(", "))
        })
    }
}

/// Whether the sabotage of `gate` is on.
#[must_use]
pub fn is(sabotage: Option<Sabotage>, gate: &str) -> bool {
    sabotage.is_some_and(|sabotage| sabotage.gate == gate)
}

/// A process frozen for a while, on a thread of its own; thawed whatever happens.
#[derive(Debug)]
pub struct Freeze(Option<JoinHandle<()>>);

impl Freeze {
    /// Freezes `pid` from `after` now on, for `length`.
    #[must_use]
    pub fn later(pid: u32, after: Duration, length: Duration) -> Self {
        let pid = Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX));
        Self(Some(std::thread::spawn(move || {
            std::thread::sleep(after);
            // A process that is gone cannot be frozen, and the run says so by itself.
            let _ = kill(pid, Signal::SIGSTOP);
            std::thread::sleep(length);
            let _ = kill(pid, Signal::SIGCONT);
        })))
    }
}

impl Drop for Freeze {
    fn drop(&mut self) {
        let _ = self.0.take().map(JoinHandle::join);
    }
}

/// Threads that do something over and over until this is dropped.
#[derive(Debug)]
pub struct Busy {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Busy {
    /// `threads` times `work`, over and over.
    pub fn with(threads: usize, work: impl Fn() + Clone + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..threads)
            .map(|_| {
                let (stop, work) = (Arc::clone(&stop), work.clone());
                std::thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        work();
                    }
                })
            })
            .collect();
        Self { stop, threads }
    }

    /// Somebody who asks the server for its counters all the time.
    #[must_use]
    pub fn asking(control: SocketAddr) -> Self {
        Self::with(1, move || {
            let _ = ask(control, "/counters");
        })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// A stranger's request.
///
/// # Errors
/// When the server does not answer.
pub fn ask(address: SocketAddr, path: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    stream.read_to_end(&mut Vec::new())?;
    Ok(())
}

/// What has to go on while a slot is measured.
#[derive(Debug)]
pub enum Fault {
    /// Nothing.
    None,
    /// A frozen process.
    Freeze(Freeze),
    /// Busy threads.
    Busy(Busy),
    /// A shell that freezes this very process, which cannot thaw itself.
    Shell(Option<Child>),
}

impl Drop for Fault {
    fn drop(&mut self) {
        if let Self::Shell(Some(shell)) = self {
            let _ = shell.wait();
        }
    }
}

/// Freezes this process for 150 ms in the middle of `length_ns`, the observer of the host included:
/// what a host that looks away does.
fn freeze_all(length_ns: u64) -> Option<Child> {
    let pid = std::process::id();
    let half_s = length_ns as f64 / 2e9;
    let script = format!("sleep {half_s:.3}; kill -STOP {pid}; sleep 0.15; kill -CONT {pid}");
    // In a group of its own: a Ctrl-C must not take the one who thaws.
    Command::new("sh").args(["-c", &script]).stdin(Stdio::null()).process_group(0).spawn().ok()
}

/// Brings about what the gate of a slot has to notice.
#[must_use]
pub fn in_slot(
    sabotage: Option<Sabotage>,
    driver: &mut Driver,
    contestant: &Contestant<'_>,
    order: u32,
) -> Fault {
    let ms = Duration::from_millis;
    match sabotage.map(Sabotage::gate) {
        Some("slip") if order == 0 => driver.inject_stall(ms(5), ms(40)),
        Some("discarded-slots") => driver.inject_stall(ms(5), ms(40)),
        Some("unsettled-clock") => {
            return Fault::Busy(Busy::asking(contestant.server.control()));
        }
        // Longer than its connections and the sabotaged backlog can hold.
        Some("dispatched") => {
            return Fault::Freeze(Freeze::later(contestant.server.pid(), ms(5), ms(60)));
        }
        _ => {}
    }
    Fault::None
}

/// Brings about what the gate of a window of `length_ns` has to notice.
#[must_use]
pub fn in_window(
    sabotage: Option<Sabotage>,
    driver: &mut Driver,
    contestant: &Contestant<'_>,
    length_ns: u64,
) -> Fault {
    let ms = Duration::from_millis;
    match sabotage.map(Sabotage::gate) {
        Some("window-slip" | "discarded-windows") => driver.inject_stall(ms(60), ms(60)),
        Some("window-dispatch") => driver.inject_stall(ms(60), ms(150)),
        Some("window-hiccup") => return Fault::Shell(freeze_all(length_ns)),
        Some("window-stationary") => {
            let half = Duration::from_nanos(length_ns / 2);
            return Fault::Freeze(Freeze::later(contestant.server.pid(), half, half));
        }
        _ => {}
    }
    Fault::None
}

/// The exchanges; under the sabotage of `gate`, each asks the server to close the connection.
#[must_use]
pub fn exchanges<'a>(
    sabotage: Option<Sabotage>,
    gate: &str,
    own: &'a [Exchange],
) -> Cow<'a, [Exchange]> {
    if !is(sabotage, gate) {
        return Cow::Borrowed(own);
    }
    let closing = own.iter().map(|exchange| {
        let head = exchange.request.strip_suffix(b"\r\n").unwrap_or(&exchange.request);
        let request = [head, b"Connection: close\r\n\r\n"].concat().into_boxed_slice();
        Exchange { request, expect: exchange.expect.clone() }
    });
    Cow::Owned(closing.collect())
}

/// Falsifies what was read of a slot, where the fault itself cannot be brought about.
pub fn falsify(sabotage: Option<Sabotage>, measured: &mut Measured) {
    match sabotage.map(Sabotage::gate) {
        Some("steal") => measured.steal_ticks = measured.steal_ticks.map(|ticks| ticks + 5),
        Some("host-steal") => measured.steal_ticks = measured.steal_ticks.map(|ticks| ticks + 1),
        _ => {}
    }
}

/// CPU that a server burns beyond what its arm says.
#[must_use]
pub fn extra_spin_ns(sabotage: Option<Sabotage>, role: Role) -> u64 {
    if is(sabotage, "a-a") && role == Role::AaControl { 40_000 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gate_has_its_sabotage_and_nothing_else_has() {
        assert_eq!(Sabotage::all().count(), GATES.len());
        for gate in GATES {
            assert_eq!(gate.name.parse::<Sabotage>().unwrap().gate(), gate.name);
        }
        let error = "gravity".parse::<Sabotage>().unwrap_err();
        assert!(error.contains("gravity") && error.contains("ledger-closes"), "{error}");
        assert!(Sabotage::all().filter(|s| s.is_falsified()).count() == 5);
    }
}
