//! The barrier: when a revocation is acknowledged, no node accepts the token.

use authbench::error::{BuildError, Outage};
use authbench::identity::UnixTime;
use authbench::store::deny::{DenyList, Entry};
use authbench::store::redis::feed::barrier::Barrier;
use authbench::store::redis::feed::lease::{LEASE, Leased};
use authbench::strategy::contract::{Deps, Faults, RedisCommands, Revocation};
use redis::cmd;

use crate::support::{NOW, Relay, Stage, denies, eventually, fresh_entry, let_pass};

/// Promises what a barrier does, and does not wait.
#[derive(Debug)]
struct DoesNotWait(Leased);

impl DenyList for DoesNotWait {
    const REVOKE: Revocation = Revocation::Immediate;
    const FAULTS: Faults = Leased::<authbench::store::redis::revoked::Everything>::FAULTS;
    const REDIS: RedisCommands = RedisCommands::NONE;

    async fn open(deps: &Deps) -> Result<Self, BuildError> {
        Leased::open(deps).await.map(Self)
    }

    async fn generation(&self) -> Result<Option<u64>, Outage> {
        self.0.generation().await
    }

    async fn is_denied(&self, token: &Entry) -> Result<bool, Outage> {
        self.0.is_denied(token).await
    }

    async fn deny(&self, token: &Entry, now: UnixTime) -> Result<(), Outage> {
        self.0.deny(token, now).await
    }

    fn sweep(&self, now: UnixTime) {
        self.0.sweep(now);
    }
}

/// Waits until the node judges by what it knows.
async fn has_lease<L: DenyList>(stage: &Stage, node: &L) {
    let has = eventually(async || {
        let before = stage.calls("zscore").await;
        denies(node, &fresh_entry()).await;
        stage.calls("zscore").await == before
    });
    assert!(has.await, "no lease begins");
}

#[tokio::test]
async fn no_node_accepts_what_was_acknowledged() {
    let Some(stage) = Stage::new().await else { return };
    let (here, there) = (stage.node::<Barrier>().await, stage.node::<Barrier>().await);
    has_lease(&stage, &here).await;
    has_lease(&stage, &there).await;
    let asked = stage.calls("zscore").await;
    for round in 0..500 {
        let gone = fresh_entry();
        let (one, other) = if round % 2 == 0 { (&here, &there) } else { (&there, &here) };
        one.deny(&gone, NOW).await.expect("acknowledged");
        assert!(denies(other, &gone).await, "round {round}");
    }
    assert_eq!(stage.calls("zscore").await, asked, "the other node knew it all by itself");
}

/// With one node's feed silent: whether the call waited for its lease, and whether that node then
/// refuses the token.
async fn with_a_silent_node<L: DenyList>() -> Option<(bool, bool)> {
    let stage = Stage::new().await?;
    let relay = Relay::to(stage.server.address());
    let (here, there) = (stage.node::<L>().await, stage.node_behind::<L>(&relay).await);
    has_lease(&stage, &here).await;
    has_lease(&stage, &there).await;
    relay.fall_silent();
    let gone = fresh_entry();
    let ((), waited) = let_pass(&stage.clock, LEASE, here.deny(&gone, NOW)).await;
    Some((waited, denies(&there, &gone).await))
}

#[tokio::test]
async fn a_silent_node_is_waited_for_until_it_asks() {
    let Some(seen) = with_a_silent_node::<Barrier>().await else { return };
    assert_eq!(seen, (true, true));
    let control = with_a_silent_node::<DoesNotWait>().await;
    assert_eq!(control, Some((false, false)), "the control is not found");
}

#[tokio::test]
async fn a_dead_node_is_waited_for_once() {
    let Some(stage) = Stage::new().await else { return };
    let (here, there) = (stage.node::<Barrier>().await, stage.node::<Barrier>().await);
    drop(there);
    let deny = async || here.deny(&fresh_entry(), NOW).await;
    assert!(let_pass(&stage.clock, LEASE, deny()).await.1, "its lease may run still");
    assert!(!let_pass(&stage.clock, LEASE, deny()).await.1, "it is known to be gone");
}

#[tokio::test]
async fn a_node_that_joins_is_waited_for() {
    let Some(stage) = Stage::new().await else { return };
    let here = stage.node::<Barrier>().await;
    for round in 0..20 {
        let gone = fresh_entry();
        let (there, acknowledged) = tokio::join!(
            stage.node::<Barrier>(),
            let_pass(&stage.clock, LEASE, async {
                // At another point of its start in each round.
                for _ in 0..round {
                    tokio::task::yield_now().await;
                }
                here.deny(&gone, NOW).await
            })
        );
        let ((), _) = acknowledged;
        assert!(denies(&there, &gone).await, "round {round}");
    }
}

#[tokio::test]
async fn a_register_that_was_lost_is_not_believed() {
    let Some(stage) = Stage::new().await else { return };
    let relay = Relay::to(stage.server.address());
    let here = stage.node::<Barrier>().await;
    let there = stage.node_behind::<Barrier>(&relay).await;
    has_lease(&stage, &there).await;
    relay.fall_silent();
    // Nothing says any more that there is another node.
    let _: () = stage.query(&cmd("FLUSHALL")).await;
    let gone = fresh_entry();
    let ((), waited) = let_pass(&stage.clock, LEASE, here.deny(&gone, NOW)).await;
    assert!(waited && denies(&there, &gone).await);
}

#[tokio::test]
async fn a_failed_call_promises_nothing() {
    let Some(stage) = Stage::new().await else { return };
    let here = stage.node::<Barrier>().await;
    let Stage { server, .. } = stage;
    drop(server);
    assert!(here.deny(&fresh_entry(), NOW).await.is_err());
}
