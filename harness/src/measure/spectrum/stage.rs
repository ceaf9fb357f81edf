//! Several server processes of one strategy that share the store and the keys, and a driver.

use anyhow::Context as _;
use authbench::settings::Settings;
use authbench::strategy::StrategyKind;

use crate::load::driver::Driver;
use crate::load::wallet::Account;
use crate::measure::block::driver_settings;
use crate::measure::contestant::Common;
use crate::os::cpu::ProcessCpu;
use crate::plan::usual_arm;
use crate::server::child::ServerChild;

/// The servers of one strategy; gone when dropped.
#[derive(Debug)]
pub struct Stage {
    /// The strategy.
    pub kind: StrategyKind,
    /// One process per node.
    pub servers: Vec<ServerChild>,
    /// Their CPU accounts, in the same order.
    pub cpus: Vec<ProcessCpu>,
    /// What sends and stamps.
    pub driver: Driver,
    /// How the driver reaches each node.
    pub accounts: Vec<Account>,
}

impl Stage {
    /// Starts `nodes` fresh servers and connects to them.
    ///
    /// # Errors
    /// When one does not start or refuses connections.
    pub fn open(
        common: &Common<'_>,
        kind: StrategyKind,
        settings: &Settings,
        nodes: u32,
    ) -> anyhow::Result<Self> {
        let arm = usual_arm(kind);
        let config = common.config(&arm, settings);
        let servers: Vec<ServerChild> =
            (0..nodes).map(|_| ServerChild::spawn(&config)).collect::<anyhow::Result<_>>()?;
        let mut driver = Driver::new(driver_settings(common.plan))?;
        let mut accounts = Vec::new();
        for server in &servers {
            let address = server.data();
            let target = driver
                .add_target(address, common.plan.connections as usize)
                .with_context(|| format!("cannot connect to a server of `{}`", kind.name()))?;
            accounts.push(Account { target, address, carrier: arm.carrier });
        }
        let cpus = servers.iter().map(ServerChild::cpu).collect();
        Ok(Self { kind, servers, cpus, driver, accounts })
    }

    /// CPU of the first `nodes` servers so far, nanoseconds.
    ///
    /// # Errors
    /// When a clock cannot be read.
    pub fn server_cpu_ns(&self, nodes: u32) -> anyhow::Result<u64> {
        let mut sum = 0;
        for cpu in self.cpus.iter().take(nodes as usize) {
            sum += cpu.read_settled()?.ns;
        }
        Ok(sum)
    }
}
