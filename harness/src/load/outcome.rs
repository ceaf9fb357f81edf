//! What became of a request: four stamps, one outcome, and the ledger that closes over them.

use std::io;

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

/// What broke the connection of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Breakage {
    /// Nobody listens there.
    Refused,
    /// The other side reset it.
    Reset,
    /// The other side closed it in the middle of the exchange.
    Closed,
    /// Anything else the system said.
    Other,
}

impl Breakage {
    /// The class of an error that a connection ended with.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Self::Reset,
            io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Other,
        }
    }
}

/// One request's row. Times in nanoseconds on the driver's clock; 0 = never reached.
///
/// Whatever became of the request, `slip + conn_wait + service = response`, exactly.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// When it was due.
    pub intended_ns: u64,
    /// When the driver released it, or found that it had to shed it.
    pub dispatched_ns: u64,
    /// Right before its first byte was written; 0 when none was.
    pub written_ns: u64,
    /// After its answer's last byte was read; otherwise when it was given up. A shed request ends
    /// when it is released.
    pub done_ns: u64,
    /// Bytes written.
    pub request_bytes: u32,
    /// Bytes read.
    pub response_bytes: u32,
    /// The answer's status; 0 when there was none.
    pub status: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// What broke its connection, for [`Outcome::ConnectionError`].
    pub broken: Option<Breakage>,
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
        broken: None,
    };

    /// Intended start to last byte read: what a client waits.
    #[must_use]
    pub const fn response_ns(&self) -> u64 {
        self.done_ns.saturating_sub(self.intended_ns)
    }

    /// The driver's own lateness. Shed requests have one too: a driver that sheds because it is
    /// late must not look punctual.
    #[must_use]
    pub const fn slip_ns(&self) -> u64 {
        self.dispatched_ns.saturating_sub(self.intended_ns)
    }

    /// Release to first byte written: the wait for a free connection, and for a new one to be
    /// there. For a request that was never sent, all of its wait.
    #[must_use]
    pub const fn conn_wait_ns(&self) -> u64 {
        self.begun_ns().saturating_sub(self.dispatched_ns)
    }

    /// First byte written to last byte read; 0 for a request that was never sent.
    #[must_use]
    pub const fn service_ns(&self) -> u64 {
        self.done_ns.saturating_sub(self.begun_ns())
    }

    const fn begun_ns(&self) -> u64 {
        if self.written_ns == 0 { self.done_ns } else { self.written_ns }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Stamps in their order, each of the last two perhaps never reached.
        #[test]
        fn the_parts_of_a_response_add_up(
            begin in 1..u64::MAX / 4,
            gaps in prop::array::uniform3(0..u64::MAX / 4),
            was_sent: bool,
        ) {
            let [slip, conn_wait, service] = gaps;
            let dispatched_ns = begin + slip;
            let sent_ns = dispatched_ns + conn_wait;
            let row = Row {
                intended_ns: begin,
                dispatched_ns,
                written_ns: if was_sent { sent_ns } else { 0 },
                done_ns: sent_ns + service,
                ..Row::NEVER_SENT
            };
            let parts = (row.slip_ns(), row.conn_wait_ns(), row.service_ns());
            let unsent = (slip, conn_wait + service, 0);
            prop_assert_eq!(parts, if was_sent { (slip, conn_wait, service) } else { unsent });
            prop_assert_eq!(parts.0 + parts.1 + parts.2, row.response_ns());
        }
    }

    #[test]
    fn errors_fall_into_distinct_classes() {
        for (kind, class) in [
            (io::ErrorKind::ConnectionRefused, Breakage::Refused),
            (io::ErrorKind::ConnectionReset, Breakage::Reset),
            (io::ErrorKind::BrokenPipe, Breakage::Reset),
            (io::ErrorKind::UnexpectedEof, Breakage::Closed),
            (io::ErrorKind::AddrNotAvailable, Breakage::Other),
        ] {
            assert_eq!(Breakage::of(&kind.into()), class);
        }
    }
}
