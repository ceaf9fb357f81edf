//! What became of a request: four stamps, one outcome, and the ledger that closes over them.

use crate::record::run::Ledger;

/// How a request ended. Every scheduled one ends in exactly one of these.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Answered as expected.
    Expected,
    /// Answered with the right protocol and the wrong content: admitted or denied against the
    /// expectation, or another body than the verified one.
    WrongOutcome,
    /// Answered with a status that is neither 2xx nor 401, or something that is not HTTP.
    HttpError,
    /// The connection failed before the answer was whole.
    ConnectionError,
    /// Not answered within the timeout, counted from the intended start.
    Timeout,
    /// Never sent: the backlog was full.
    Shed,
}

/// One request's row. Times in nanoseconds on the driver's clock; 0 = never reached.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// When it was due.
    pub intended_ns: u64,
    /// When the driver released it.
    pub dispatched_ns: u64,
    /// Right before its first byte was written.
    pub written_ns: u64,
    /// After its answer's last byte was read.
    pub done_ns: u64,
    /// Bytes written.
    pub request_bytes: u32,
    /// Bytes read.
    pub response_bytes: u32,
    /// The answer's status; 0 when there was none.
    pub status: u16,
    /// How it ended.
    pub outcome: Outcome,
}

impl Row {
    /// A request before anything has happened to it.
    pub const NEVER_SENT: Self = Self {
        intended_ns: 0,
        dispatched_ns: 0,
        written_ns: 0,
        done_ns: 0,
        request_bytes: 0,
        response_bytes: 0,
        status: 0,
        outcome: Outcome::Shed,
    };

    /// Intended start to last byte read: what a client waits.
    #[must_use]
    pub const fn response_ns(&self) -> u64 {
        self.done_ns.saturating_sub(self.intended_ns)
    }

    /// First byte written to last byte read.
    #[must_use]
    pub const fn service_ns(&self) -> u64 {
        self.done_ns.saturating_sub(self.written_ns)
    }

    /// The driver's own lateness.
    #[must_use]
    pub const fn slip_ns(&self) -> u64 {
        self.dispatched_ns.saturating_sub(self.intended_ns)
    }

    /// Whether an answer of any kind was read to its last byte.
    #[must_use]
    pub const fn was_answered(&self) -> bool {
        matches!(self.outcome, Outcome::Expected | Outcome::WrongOutcome | Outcome::HttpError)
            && self.status != 0
    }

    /// Whether the answer was 2xx.
    #[must_use]
    pub const fn was_accepted(&self) -> bool {
        self.status >= 200 && self.status < 300
    }
}

/// Counts what became of `rows`.
#[must_use]
pub fn ledger(rows: &[Row]) -> Ledger {
    let mut ledger = Ledger { scheduled: rows.len() as u64, ..Ledger::default() };
    for row in rows {
        *match row.outcome {
            Outcome::Expected => &mut ledger.expected,
            Outcome::WrongOutcome => &mut ledger.wrong_outcome,
            Outcome::HttpError => &mut ledger.http_error,
            Outcome::ConnectionError => &mut ledger.connection_error,
            Outcome::Timeout => &mut ledger.timeout,
            Outcome::Shed => &mut ledger.shed,
        } += 1;
    }
    ledger
}

/// The value below which `permille` of `values` lie (nearest rank); 0 for none. Sorts in place.
#[must_use]
pub fn nearest_rank(values: &mut [u64], permille: usize) -> u64 {
    if values.is_empty() {
        return 0;
    }
    values.sort_unstable();
    let rank = (values.len() * permille).div_ceil(1_000).clamp(1, values.len());
    values[rank - 1]
}
