//! One execution: waits, releases what is due, and counts what is in flight.

use std::io;
use std::time::Duration;

use mio::{Events, Poll, Token};

use super::{Core, DECOY, Executed, Mode, StampFrom, TIMER};
use crate::load::decoy::Decoy;
use crate::load::exchange::{Exchange, Op};
use crate::load::outcome::{Outcome, Row};
use crate::load::pacer::Pacer;

/// How far ahead a schedule begins: its first arrival is not to be late by the loop's own start.
const LEAD_NS: u64 = 50_000;
/// Most places made in a target's queue before the first request is due.
const QUEUE_RESERVE: usize = 16_384;

/// What one execution works on.
pub(super) struct Run<'a> {
    pub(super) core: &'a mut Core,
    pub(super) ops: &'a [Op],
    pub(super) exchanges: &'a [Exchange],
    pub(super) mode: Mode,
    with_decoy: bool,
    pub(super) base_ns: u64,
    /// The first request that has not been released.
    pub(super) next: usize,
    /// The first request that may not have ended.
    pub(super) oldest: usize,
    /// The last look at the clock.
    pub(super) seen_ns: u64,
    /// Whether nothing but bookkeeping has happened since that look: it may serve as a stamp.
    pub(super) is_fresh: bool,
    pub(super) timeout_ns: u64,
    /// When the driver freezes, and for how long.
    stall: Option<(u64, Duration)>,
    in_flight: u64,
    /// When `in_flight` changed last.
    changed_ns: u64,
    pub(super) executed: Executed,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        core: &'a mut Core,
        ops: &'a [Op],
        exchanges: &'a [Exchange],
        mode: Mode,
        with_decoy: bool,
    ) -> Self {
        let executed = Executed { rows: vec![Row::NEVER_SENT; ops.len()], ..Executed::default() };
        let room = core.settings.backlog_limit.min(ops.len()).min(QUEUE_RESERVE);
        for target in &mut core.targets {
            target.queue.reserve(room);
        }
        let base_ns = core.clock.now_ns() + LEAD_NS;
        let stall = core.stall.take();
        let timeout_ns = u64::try_from(core.settings.timeout.as_nanos()).unwrap_or(u64::MAX);
        Self {
            core,
            ops,
            exchanges,
            mode,
            with_decoy,
            base_ns,
            next: 0,
            oldest: 0,
            seen_ns: 0,
            is_fresh: false,
            timeout_ns,
            stall: stall.map(|s| (base_ns.saturating_add(s.after_ns), s.length)),
            in_flight: 0,
            changed_ns: base_ns,
            executed,
        }
    }

    /// Runs until every request has ended.
    ///
    /// Answers are read before anything is written: a read costs a fifth of a write, and what waits
    /// in a socket behind our own writes would be charged to the server.
    pub(super) fn to_end(
        &mut self,
        poll: &mut Poll,
        events: &mut Events,
        pacer: &mut Pacer,
    ) -> io::Result<()> {
        // Whether the clock must be read before anything is held against it. After answers it need
        // not: their own stamps are recent, and a time that passed since then fires the timer.
        let mut look = true;
        loop {
            if look {
                self.look();
            }
            if self.freeze() {
                look = true;
                continue;
            }
            self.expire();
            self.serve_waiting();
            self.release()?;
            self.serve_waiting();
            if self.is_over() {
                return Ok(());
            }
            let wake_ns = self.wake_ns();
            let limit = pacer.arm(&self.core.clock, self.seen_ns, wake_ns)?;
            match poll.poll(events, limit) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => other?,
            }
            self.is_fresh = false;
            look = !pacer.has_timer();
            for event in &*events {
                match event.token() {
                    TIMER => {
                        pacer.fired();
                        look = true;
                    }
                    DECOY => {
                        if let Some(decoy) = &mut self.core.decoy {
                            decoy.flush()?;
                            decoy.read()?;
                        }
                    }
                    Token(slot) => self.heard(slot, event),
                }
            }
        }
    }

    /// Reads the clock.
    pub(super) fn look(&mut self) -> u64 {
        self.seen_ns = self.core.clock.now_ns();
        self.is_fresh = true;
        self.seen_ns
    }

    /// Sleeps through the injected stall, once; whether it did.
    fn freeze(&mut self) -> bool {
        let seen_ns = self.seen_ns;
        let Some((_, length)) = self.stall.take_if(|(at_ns, _)| *at_ns <= seen_ns) else {
            return false;
        };
        std::thread::sleep(length);
        true
    }

    fn is_over(&self) -> bool {
        let settled = !self.with_decoy || self.core.decoy.as_ref().is_none_or(Decoy::is_settled);
        self.next == self.ops.len() && self.in_flight == 0 && settled
    }

    /// When something must happen even if nothing is heard.
    fn wake_ns(&self) -> u64 {
        let due_ns = match self.ops.get(self.next) {
            Some(op) if self.mode == Mode::Open => {
                self.core.settings.pacing.wake_ns(self.base_ns + op.at_ns)
            }
            _ => u64::MAX,
        };
        let stall_ns = self.stall.map_or(u64::MAX, |(at_ns, _)| at_ns);
        due_ns.min(self.oldest_deadline_ns()).min(stall_ns)
    }

    /// Releases every request whose time to wake has come; in closed mode, as many as there are
    /// idle connections.
    fn release(&mut self) -> io::Result<()> {
        let pacing = self.core.settings.pacing;
        while let Some(op) = self.ops.get(self.next) {
            let is_due = match self.mode {
                Mode::Open => pacing.wake_ns(self.base_ns + op.at_ns) <= self.seen_ns,
                Mode::Closed => !self.core.targets[op.target as usize].idle.is_empty(),
            };
            if !is_due {
                break;
            }
            if !self.is_fresh {
                self.look();
            }
            self.dispatch(*op)?;
            // A write takes as long as all the rest: what is due next is asked after it.
            self.look();
        }
        Ok(())
    }

    /// Stamps the next request's release and writes it, lets it wait, or sheds it.
    fn dispatch(&mut self, op: Op) -> io::Result<()> {
        let (index, now_ns) = (self.next, self.seen_ns);
        self.next += 1;
        let row = &mut self.executed.rows[index];
        row.dispatched_ns = now_ns;
        row.intended_ns = match (self.mode, self.core.settings.stamp) {
            (Mode::Open, StampFrom::Intended) => self.base_ns + op.at_ns,
            _ => now_ns,
        };
        if self.deadline_ns(index) <= now_ns {
            // The driver was so late that the client has given up: nobody sends it any more.
            let row = &mut self.executed.rows[index];
            (row.outcome, row.done_ns) = (Outcome::Timeout, now_ns);
            return Ok(());
        }
        let row = &mut self.executed.rows[index];
        let target = &mut self.core.targets[op.target as usize];
        let waiting = target.queue.len();
        if waiting == 0
            && let Some(slot) = target.idle.pop()
        {
            self.count(now_ns, 1);
            // Between the release and this write there is nothing: one look serves both stamps.
            self.send(slot, index);
        } else if waiting < self.core.settings.backlog_limit {
            target.queue.push_back(index);
            self.count(now_ns, 1);
        } else {
            // Its end is its release: it was never in the system, and never sent.
            (row.outcome, row.done_ns) = (Outcome::Shed, now_ns);
            return Ok(());
        }
        if self.with_decoy
            && let Some(decoy) = &mut self.core.decoy
        {
            self.is_fresh = false;
            decoy.send()?;
        }
        Ok(())
    }

    /// Adds `change` to the requests in flight at `now_ns`.
    pub(super) fn count(&mut self, now_ns: u64, change: i64) {
        self.executed.in_flight_ns += self.in_flight * now_ns.saturating_sub(self.changed_ns);
        self.changed_ns = now_ns;
        self.in_flight = self.in_flight.saturating_add_signed(change);
    }

    /// Gives waiting requests to the connections that became free.
    pub(super) fn serve_waiting(&mut self) {
        let mut done = 0;
        // A request that fails at once frees its connection again, and names its target again.
        while let Some(&index) = self.core.ready.get(done) {
            done += 1;
            loop {
                let target = &mut self.core.targets[index];
                if target.queue.is_empty() {
                    break;
                }
                let Some(slot) = target.idle.pop() else { break };
                let Some(op) = target.queue.pop_front() else { break };
                self.look();
                self.send(slot, op);
            }
        }
        self.core.ready.clear();
    }
}
