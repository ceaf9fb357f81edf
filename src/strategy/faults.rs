//! How things fail, and what a strategy declares of each way before it is measured.

use std::time::Duration;

/// What becomes of requests under a fault, declared before it is measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FaultOutcome {
    /// Nothing changes: the strategy does not depend on what failed.
    Unaffected,
    /// Valid credentials are refused or unjudged; no revoked one is accepted.
    Closed,
    /// Revoked credentials are accepted for up to this long beyond the promise.
    OpenFor(Duration),
    /// Revoked credentials are accepted for as long as the fault lasts. Where the store forgets,
    /// those whose revocation it lost before every node knew of it are, until they expire.
    Open,
    /// Credentials revoked before the fault are accepted again until they expire.
    Revives,
}

impl FaultOutcome {
    /// The outcome's name in records and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unaffected => "unaffected",
            Self::Closed => "closed",
            Self::OpenFor(_) => "open-for",
            Self::Open => "open",
            Self::Revives => "revives",
        }
    }
}

/// A way in which things fail. What each strategy makes of it is declared, then measured.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Fault {
    /// The socket on which revocations are announced is reset.
    FeedCut,
    /// That socket stays open and brings nothing more.
    FeedSilent,
    /// One node's connections to the store stay open and bring nothing more; the others work.
    Partition,
    /// The store does not answer anybody for a while, and forgets nothing.
    StoreDown,
    /// The store is killed and comes back empty.
    StoreLost,
    /// The store has reached its memory limit and evicts: of all that it holds, or only of what
    /// expires. The outcome is the worse of the two.
    StoreEvicts,
    /// A server process restarts.
    NodeRestart,
    /// One node's clock is half a minute behind the others'.
    ClockBehind,
}

impl Fault {
    /// Every fault, in report order.
    pub const ALL: [Self; 8] = [
        Self::FeedCut,
        Self::FeedSilent,
        Self::Partition,
        Self::StoreDown,
        Self::StoreLost,
        Self::StoreEvicts,
        Self::NodeRestart,
        Self::ClockBehind,
    ];

    /// The fault's name in records and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FeedCut => "feed-cut",
            Self::FeedSilent => "feed-silent",
            Self::Partition => "partition",
            Self::StoreDown => "store-down",
            Self::StoreLost => "store-lost",
            Self::StoreEvicts => "store-evicts",
            Self::NodeRestart => "node-restart",
            Self::ClockBehind => "clock-behind",
        }
    }
}

/// The declared outcome of each [`Fault`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Faults {
    /// Of [`Fault::FeedCut`].
    pub feed_cut: FaultOutcome,
    /// Of [`Fault::FeedSilent`].
    pub feed_silent: FaultOutcome,
    /// Of [`Fault::Partition`].
    pub partition: FaultOutcome,
    /// Of [`Fault::StoreDown`].
    pub store_down: FaultOutcome,
    /// Of [`Fault::StoreLost`].
    pub store_lost: FaultOutcome,
    /// Of [`Fault::StoreEvicts`].
    pub store_evicts: FaultOutcome,
    /// Of [`Fault::NodeRestart`].
    pub node_restart: FaultOutcome,
    /// Of [`Fault::ClockBehind`].
    pub clock_behind: FaultOutcome,
}

impl Faults {
    /// Nothing to fail: no store, no clock, and keys that outlive the process.
    pub const NONE: Self = Self {
        feed_cut: FaultOutcome::Unaffected,
        feed_silent: FaultOutcome::Unaffected,
        partition: FaultOutcome::Unaffected,
        store_down: FaultOutcome::Unaffected,
        store_lost: FaultOutcome::Unaffected,
        store_evicts: FaultOutcome::Unaffected,
        node_restart: FaultOutcome::Unaffected,
        clock_behind: FaultOutcome::Unaffected,
    };

    /// A signed token that needs no store: a verifier whose clock is behind takes a fresh one for
    /// one from the future, and refuses it.
    pub const TOKEN: Self = Self { clock_behind: FaultOutcome::Closed, ..Self::NONE };

    /// An allow-list that is asked on every request: what it cannot find or reach, it refuses.
    pub const ALLOW_LIST: Self = Self {
        partition: FaultOutcome::Closed,
        store_down: FaultOutcome::Closed,
        store_lost: FaultOutcome::Closed,
        store_evicts: FaultOutcome::Closed,
        ..Self::NONE
    };

    /// A list of what is not good, asked on every request of a signed token: closed while it
    /// cannot be reached, and what stood on it is good again once it is lost.
    pub const DENY_LIST: Self = Self {
        partition: FaultOutcome::Closed,
        store_down: FaultOutcome::Closed,
        store_lost: FaultOutcome::Revives,
        store_evicts: FaultOutcome::Revives,
        ..Self::TOKEN
    };

    /// What is declared for `fault`.
    #[must_use]
    pub const fn of(&self, fault: Fault) -> FaultOutcome {
        match fault {
            Fault::FeedCut => self.feed_cut,
            Fault::FeedSilent => self.feed_silent,
            Fault::Partition => self.partition,
            Fault::StoreDown => self.store_down,
            Fault::StoreLost => self.store_lost,
            Fault::StoreEvicts => self.store_evicts,
            Fault::NodeRestart => self.node_restart,
            Fault::ClockBehind => self.clock_behind,
        }
    }
}
