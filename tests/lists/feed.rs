//! The feed: what is lost on the way is made good in time, and what is known is kept.

use std::time::Duration;

use authbench::store::deny::DenyList;
use authbench::store::redis::feed::Pushed;
use authbench::store::redis::feed::lease::{LEASE, Leased};
use authbench::store::redis::revoked::{Everything, Knowledge};
use authbench::strategy::contract::Revocation;
use redis::cmd;

use crate::support::{Forgets, NOW, Relay, Stage, denies, eventually, fresh_entry};

fn promised<L: DenyList>() -> Duration {
    match L::REVOKE {
        Revocation::Within(bound) => bound,
        Revocation::Immediate | Revocation::AtExpiry => Duration::ZERO,
    }
}

#[tokio::test]
async fn a_revocation_is_pushed() {
    let Some(stage) = Stage::new().await else { return };
    let (here, there) = (stage.node::<Pushed>().await, stage.node::<Pushed>().await);
    let (gone, live) = (fresh_entry(), fresh_entry());
    here.deny(&gone, NOW).await.expect("filed");
    assert!(denies(&here, &gone).await);
    // The clock stands still, so no copy is made.
    assert!(eventually(async || denies(&there, &gone).await).await);
    assert!(!denies(&there, &live).await);
    let later = stage.node::<Pushed>().await;
    assert!(denies(&later, &gone).await, "a node that starts has the list when it is ready");
}

#[tokio::test]
async fn a_feed_that_was_cut_is_opened_again() {
    let Some(stage) = Stage::new().await else { return };
    let (here, there) = (stage.node::<Pushed>().await, stage.node::<Pushed>().await);
    for _ in 0..5 {
        assert_eq!(stage.cut_feeds().await, 2);
        let gone = fresh_entry();
        here.deny(&gone, NOW).await.expect("filed");
        stage.clock.advance(promised::<Pushed>());
        assert!(eventually(async || denies(&there, &gone).await).await);
        // Both are back before they are cut again.
        let feeds = async || {
            let list: String = stage.query(cmd("CLIENT").arg("LIST")).await;
            list.matches("name=authbench-feed").count()
        };
        assert!(eventually(async || feeds().await == 2).await);
    }
}

#[tokio::test]
async fn a_lost_message_is_made_good_by_the_next_copy() {
    let Some(stage) = Stage::new().await else { return };
    let relay = Relay::to(stage.server.address());
    let (here, there) = (stage.node::<Pushed>().await, stage.node_behind::<Pushed>(&relay).await);
    relay.fall_silent();
    let gone = fresh_entry();
    here.deny(&gone, NOW).await.expect("filed");
    assert!(!denies(&there, &gone).await, "the relay leaks");
    stage.clock.advance(promised::<Pushed>());
    assert!(eventually(async || denies(&there, &gone).await).await);
    // And again, while the node tries in vain to open its feed.
    let gone = fresh_entry();
    here.deny(&gone, NOW).await.expect("filed");
    stage.clock.advance(promised::<Pushed>());
    assert!(eventually(async || denies(&there, &gone).await).await);
}

/// Whether a node goes on denying what a Redis that lost its list does not know any more.
async fn keeps_what_was_lost<K: Knowledge>() -> Option<bool> {
    let stage = Stage::new().await?;
    let node = stage.node::<Pushed<K>>().await;
    let gone = fresh_entry();
    node.deny(&gone, NOW).await.expect("filed");
    let _: () = stage.query(&cmd("FLUSHALL")).await;
    // When the second copy is asked for, the first has been taken in.
    for _ in 0..2 {
        let before = stage.calls("zrangebyscore").await;
        stage.clock.advance(promised::<Pushed>());
        assert!(eventually(async || stage.calls("zrangebyscore").await > before).await);
    }
    Some(denies(&node, &gone).await)
}

#[tokio::test]
async fn what_is_known_outlives_the_list() {
    let Some(keeps) = keeps_what_was_lost::<Everything>().await else { return };
    assert!(keeps);
    let forgets = keeps_what_was_lost::<Forgets>().await;
    assert_eq!(forgets, Some(false), "the control does not forget: the test sees nothing");
}

/// Whether an announcement that comes while a copy is on its way is still known after it.
fn keeps_what_came_since<K: Knowledge>() -> bool {
    let (known, old, new) = (K::default(), fresh_entry(), fresh_entry());
    let copy = [(old.id, old.accepted_until)];
    known.learn(new.id, new.accepted_until);
    known.merge(&copy);
    known.has(old.id) && known.has(new.id)
}

#[test]
fn a_copy_takes_away_nothing_that_came_since() {
    assert!(keeps_what_came_since::<Everything>());
    assert!(!keeps_what_came_since::<Forgets>(), "the control");
}

#[test]
fn what_is_over_is_dropped() {
    let (known, entry) = (Everything::default(), fresh_entry());
    known.learn(entry.id, entry.accepted_until);
    known.sweep(NOW.plus(899));
    assert!(known.has(entry.id));
    known.sweep(NOW.plus(900));
    assert!(!known.has(entry.id));
}

#[tokio::test]
async fn what_is_over_leaves_the_list_too() {
    let Some(stage) = Stage::new().await else { return };
    let node = stage.node::<Pushed>().await;
    node.deny(&fresh_entry(), NOW).await.expect("filed");
    // A minute for clocks that are apart.
    for (later, left) in [(959, 2), (960, 2)] {
        let mut token = fresh_entry();
        token.accepted_until = NOW.plus(2_000);
        node.deny(&token, NOW.plus(later)).await.expect("filed");
        let kept: u64 = stage.query(cmd("ZCARD").arg("revoked:pushed")).await;
        assert_eq!(kept, left, "after {later} s");
    }
    let life: i64 = stage.query(cmd("TTL").arg("revoked:pushed")).await;
    assert!((1_000..=1_101).contains(&life), "{life}");
}

#[tokio::test]
async fn a_node_whose_lease_ran_out_asks() {
    let Some(stage) = Stage::new().await else { return };
    let relay = Relay::to(stage.server.address());
    let (here, there) = (stage.node::<Leased>().await, stage.node_behind::<Leased>(&relay).await);
    // Whether a question about a token that nobody knows goes to Redis.
    let asks = async || {
        let before = stage.calls("zscore").await;
        assert!(!denies(&there, &fresh_entry()).await);
        stage.calls("zscore").await > before
    };
    assert!(eventually(async || !asks().await).await, "no lease begins");
    relay.fall_silent();
    let gone = fresh_entry();
    here.deny(&gone, NOW).await.expect("filed");
    stage.clock.advance(LEASE - Duration::from_millis(1));
    assert!(!asks().await, "the lease runs still");
    assert!(!denies(&there, &gone).await, "the relay leaks");
    stage.clock.advance(Duration::from_millis(1));
    assert!(asks().await, "the lease ran out");
    assert!(denies(&there, &gone).await);
    // With Redis gone it cannot judge; what it knows it knows.
    let Stage { server, .. } = stage;
    drop(server);
    assert!(there.is_denied(&fresh_entry()).await.is_err());
    assert!(denies(&there, &gone).await);
    assert!(here.deny(&fresh_entry(), NOW).await.is_err());
}

#[tokio::test]
async fn a_lease_goes_on_while_beats_come_back() {
    let Some(stage) = Stage::new().await else { return };
    let node = stage.node::<Leased>().await;
    let asks = async || {
        let before = stage.calls("zscore").await;
        assert!(!denies(&node, &fresh_entry()).await);
        stage.calls("zscore").await > before
    };
    for _ in 0..20 {
        stage.clock.advance(LEASE / 4);
        assert!(eventually(async || !asks().await).await);
    }
    // A feed that was cut renews nothing until it is whole again.
    stage.cut_feeds().await;
    stage.clock.advance(LEASE);
    assert!(
        eventually(async || {
            stage.clock.advance(LEASE / 4);
            tokio::time::sleep(Duration::from_millis(10)).await;
            !asks().await
        })
        .await
    );
}
