//! The other traffic while credentials are revoked and probed.

use anyhow::ensure;
use rand::RngExt as _;
use rand_pcg::Pcg64;

use super::layout::Layout;
use super::series::Series;
use super::stage::Stage;
use super::trial::Beside;
use crate::load::exchange::{Exchange, Expect, Op};
use crate::load::outcome::{Outcome, Row};
use crate::load::schedule::Arrivals;
use crate::load::wallet::{Account, log_in};
use crate::measure::contestant::{Common, fresh_subjects};

/// Credentials whose use is the load.
const LOAD_WALLET: u32 = 200;
/// Of the requests beside, at most one in so many may be answered otherwise than they should.
const BESIDE_LOST_ONE_IN: usize = 100;

/// A load that loses its requests is not the one that was ordered.
pub(super) fn answered(beside: &[Row]) -> anyhow::Result<()> {
    let wrong = beside.iter().filter(|row| row.outcome != Outcome::Expected).count();
    ensure!(
        wrong * BESIDE_LOST_ONE_IN <= beside.len(),
        "{wrong} of {} requests beside were not answered as they should",
        beside.len()
    );
    Ok(())
}

/// The other traffic: `GET /me` with credentials that nobody takes back, on every node.
#[derive(Debug, Default)]
pub(super) struct Load {
    rate: u64,
    /// Of every node, one after the other.
    exchanges: Vec<Exchange>,
    targets: Vec<u32>,
}

impl Load {
    pub(super) fn prepare(
        common: &Common<'_>,
        stage: &mut Stage,
        series: &Series,
    ) -> anyhow::Result<Self> {
        let rate = series.load_per_second;
        if rate == 0 {
            return Ok(Self::default());
        }
        let purpose = format!("load beside {}, {}", stage.kind.name(), series.words());
        let subjects = fresh_subjects(common, &purpose, 0, LOAD_WALLET);
        let (credentials, _) = log_in(&mut stage.driver, stage.accounts[0], &subjects)?;
        let accounts = &stage.accounts[..series.nodes as usize];
        let me = |account: &Account| {
            let ask = |c: &String| account.exchange("GET", "/me", c, Expect::Status(200));
            credentials.iter().map(ask).collect::<Vec<_>>()
        };
        let exchanges = accounts.iter().flat_map(me).collect();
        Ok(Self { rate, exchanges, targets: accounts.iter().map(|a| a.target).collect() })
    }

    /// As long as the trials of `layout` last.
    pub(super) fn during(&self, nodes: usize, layout: &Layout, rng: &mut Pcg64) -> Beside {
        if self.rate == 0 {
            return Beside::default();
        }
        let last = layout.logouts_ns.iter().max().copied().unwrap_or(0) + layout.probe_for_ns;
        let times = Arrivals::Poisson.times(self.rate, last, rng);
        let ops = times.into_iter().map(|at_ns| {
            let node = rng.random_range(0..nodes);
            let credential = rng.random_range(0..LOAD_WALLET);
            let exchange = u32::try_from(node).unwrap_or(0) * LOAD_WALLET + credential;
            Op { at_ns, target: self.targets[node], exchange }
        });
        Beside { ops: ops.collect(), exchanges: self.exchanges.clone() }
    }
}
