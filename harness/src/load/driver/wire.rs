//! A request on a connection: sent, answered, judged, or failed.

use std::io;

use mio::Token;
use mio::event::Event;

use super::run::Run;
use super::{Core, StampFrom};
use crate::load::connection::{Answer, Connection, Progress};
use crate::load::exchange::Expect;
use crate::load::outcome::{Breakage, Outcome};

impl Run<'_> {
    /// Puts request `index` on the free slot `slot`, where a connection is opened if there is none.
    pub(super) fn send(&mut self, slot: usize, index: usize) {
        let entry = &mut self.core.slots[slot];
        entry.op = Some(index);
        match &mut entry.connection {
            Some(connection) => connection.begin(),
            None => {
                if let Err(e) = self.connect(slot) {
                    return self.fail(slot, Outcome::ConnectionError, Some(Breakage::of(&e)));
                }
            }
        }
        self.write(slot, index);
    }

    fn connect(&mut self, slot: usize) -> io::Result<()> {
        let Core { registry, targets, slots, .. } = &mut *self.core;
        let entry = &mut slots[slot];
        self.executed.reconnects += 1;
        self.is_fresh = false;
        let address = targets[entry.target].address;
        entry.connection = Some(Connection::start(address, registry, Token(slot))?);
        Ok(())
    }

    /// Writes what the socket takes of request `index`; the last look at the clock is the stamp of
    /// its first byte.
    fn write(&mut self, slot: usize, index: usize) {
        let Core { targets, slots, settings, .. } = &mut *self.core;
        let entry = &mut slots[slot];
        let Some(connection) = &mut entry.connection else { return };
        let request = &self.exchanges[self.ops[index].exchange as usize].request;
        let is_first = connection.written() == 0;
        self.is_fresh = false;
        let wrote = connection.write(request);
        let row = &mut self.executed.rows[index];
        row.request_bytes = bytes(connection.written());
        if is_first && connection.written() > 0 {
            row.written_ns = self.seen_ns;
            if settings.stamp == StampFrom::Send {
                (row.intended_ns, row.dispatched_ns) = (self.seen_ns, self.seen_ns);
            }
        }
        match wrote {
            Ok(whole) => targets[entry.target].sent += u64::from(whole),
            Err(e) => self.fail(slot, Outcome::ConnectionError, Some(Breakage::of(&e))),
        }
    }

    /// The poll has news of a connection.
    pub(super) fn heard(&mut self, slot: usize, event: &Event) {
        self.is_fresh = false;
        let is_readable = event.is_readable() || event.is_read_closed() || event.is_error();
        let entry = &self.core.slots[slot];
        let (Some(connection), Some(index)) = (&entry.connection, entry.op) else {
            // The server closed an idle connection, or sent what nobody asked for and the next
            // request would take for its answer: replaced before it is needed.
            if entry.connection.is_some() && is_readable {
                self.replace(slot);
            }
            return;
        };
        let request = &self.exchanges[self.ops[index].exchange as usize].request;
        if connection.written() < request.len() {
            self.look();
            self.write(slot, index);
        }
        let entry = &mut self.core.slots[slot];
        let Some(connection) = entry.connection.as_mut().filter(|_| entry.op == Some(index)) else {
            return;
        };
        if !is_readable {
            return;
        }
        match connection.read() {
            Ok(Progress::Pending) => {}
            Ok(Progress::Done(answer)) => self.finish(slot, index, answer),
            Ok(Progress::Malformed) => self.fail(slot, Outcome::HttpError, None),
            Err(e) => self.fail(slot, Outcome::ConnectionError, Some(Breakage::of(&e))),
        }
    }

    /// A whole answer: stamp it, judge it, free the connection.
    fn finish(&mut self, slot: usize, index: usize, answer: Answer) {
        let done_ns = self.look();
        let is_late = self.deadline_ns(index) <= done_ns;
        let entry = &mut self.core.slots[slot];
        let exchange = &self.exchanges[self.ops[index].exchange as usize];
        let row = &mut self.executed.rows[index];
        row.done_ns = done_ns;
        row.status = answer.status;
        row.response_bytes = bytes(answer.bytes);
        // Answered before all of it was sent: the rest can no longer be.
        let mut close = answer.close;
        if let Some(connection) = &entry.connection {
            let text = connection.answer_bytes(answer);
            // An answer that came too late has not come, whether or not it was awaited so long.
            row.outcome = match exchange.expect.judge(answer.status, &text[answer.body_start..]) {
                _ if is_late => Outcome::Timeout,
                outcome => outcome,
            };
            if exchange.expect == Expect::Any {
                self.executed.captured.push((index, text.into()));
            }
            close |= connection.written() < exchange.request.len();
        }
        entry.op = None;
        let target = entry.target;
        self.count(done_ns, -1);
        if close {
            self.replace(slot);
            self.core.targets[target].idle.insert(0, slot);
        } else {
            self.core.targets[target].idle.push(slot);
        }
        self.note_free(target);
    }

    /// The request failed: stamp it, replace the connection.
    pub(super) fn fail(&mut self, slot: usize, outcome: Outcome, broken: Option<Breakage>) {
        let done_ns = self.look();
        let entry = &mut self.core.slots[slot];
        let target = entry.target;
        let Some(index) = entry.op.take() else { return };
        let row = &mut self.executed.rows[index];
        row.done_ns = done_ns;
        row.outcome = outcome;
        row.broken = broken;
        row.response_bytes = entry.connection.as_ref().map_or(0, |c| bytes(c.filled()));
        self.count(done_ns, -1);
        self.replace(slot);
        self.core.targets[target].idle.insert(0, slot);
        self.note_free(target);
    }

    fn note_free(&mut self, target: usize) {
        if !self.core.targets[target].queue.is_empty() {
            self.core.ready.push(target);
        }
    }

    /// Closes a connection and, if it was of use, begins to open another: one that never brought an
    /// answer would be opened and lost over and over. The next request on the slot tries again.
    fn replace(&mut self, slot: usize) {
        let Core { registry, slots, .. } = &mut *self.core;
        let Some(old) = slots[slot].connection.take() else { return };
        self.is_fresh = false;
        let was_of_use = old.has_answered();
        old.close(registry);
        if was_of_use {
            // What is wrong now is said to the request that needs it.
            let _ = self.connect(slot);
        }
    }
}

fn bytes(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
