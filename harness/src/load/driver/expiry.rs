//! Timeouts: from the intended start, whatever the request is waiting for.

use super::Mode;
use super::run::Run;
use crate::load::outcome::Outcome;

impl Run<'_> {
    /// When request `index` is given up. Deadlines ascend with the index, as the releases do.
    pub(super) fn deadline_ns(&self, index: usize) -> u64 {
        // Not from the row's own stamp: a negative control may have overwritten that.
        let begin_ns = match self.mode {
            Mode::Open => self.base_ns + self.ops[index].at_ns,
            Mode::Closed => self.executed.rows[index].dispatched_ns,
        };
        begin_ns.saturating_add(self.timeout_ns)
    }

    /// The deadline of the oldest request that has not ended; no other one is earlier.
    pub(super) fn oldest_deadline_ns(&self) -> u64 {
        if self.oldest < self.next { self.deadline_ns(self.oldest) } else { u64::MAX }
    }

    /// Gives up every request whose deadline has passed, in flight or still waiting.
    pub(super) fn expire(&mut self) {
        self.pass_ended();
        if self.oldest_deadline_ns() <= self.seen_ns {
            self.time_out();
            self.pass_ended();
        }
    }

    /// Moves on to the oldest request that has not ended: one step per request and execution.
    fn pass_ended(&mut self) {
        while self.oldest < self.next && self.executed.rows[self.oldest].done_ns != 0 {
            self.oldest += 1;
        }
    }

    fn time_out(&mut self) {
        let now_ns = self.seen_ns;
        for target in 0..self.core.targets.len() {
            while let Some(&index) = self.core.targets[target].queue.front()
                && self.deadline_ns(index) <= now_ns
            {
                self.core.targets[target].queue.pop_front();
                self.look();
                let row = &mut self.executed.rows[index];
                row.outcome = Outcome::Timeout;
                row.done_ns = self.seen_ns;
                self.count(self.seen_ns, -1);
            }
        }
        for slot in 0..self.core.slots.len() {
            let op = self.core.slots[slot].op;
            if op.is_some_and(|index| self.deadline_ns(index) <= now_ns) {
                self.fail(slot, Outcome::Timeout, None);
            }
        }
    }
}
