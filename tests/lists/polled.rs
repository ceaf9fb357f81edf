//! Copies that are fetched: their lag, and their age.

use std::time::Duration;

use authbench::store::deny::DenyList;
use authbench::store::redis::filter::Filter;
use authbench::store::redis::polled::{Fetched, MAX_AGE, PolledList, Polling};

use crate::support::{NOW, Stage, denies, eventually, fresh_entry};

async fn is_known_after_a_poll<F: Fetched>() {
    let Some(stage) = Stage::new().await else { return };
    let (here, there) = (stage.node::<Polling<F>>().await, stage.node::<Polling<F>>().await);
    let gone = fresh_entry();
    here.deny(&gone, NOW).await.expect("filed");
    assert!(denies(&here, &gone).await, "the node that revokes knows at once");
    assert!(!denies(&there, &gone).await, "the other has not looked yet");
    stage.clock.advance(Duration::from_secs(1));
    assert!(eventually(async || denies(&there, &gone).await).await);
    assert!(denies(&stage.node::<Polling<F>>().await, &gone).await, "a node that starts");
}

async fn is_not_believed_when_old<F: Fetched>() {
    let Some(stage) = Stage::new().await else { return };
    let node = stage.node::<Polling<F>>().await;
    let Stage { server, clock, .. } = stage;
    drop(server);
    clock.advance(MAX_AGE - Duration::from_millis(1));
    assert!(!denies(&node, &fresh_entry()).await);
    clock.advance(Duration::from_millis(1));
    assert!(node.is_denied(&fresh_entry()).await.is_err());
    assert!(node.deny(&fresh_entry(), NOW).await.is_err());
}

#[tokio::test]
async fn a_poll_finds_what_was_revoked() {
    is_known_after_a_poll::<PolledList>().await;
    is_known_after_a_poll::<Filter>().await;
}

#[tokio::test]
async fn an_old_copy_is_not_believed() {
    is_not_believed_when_old::<PolledList>().await;
    is_not_believed_when_old::<Filter>().await;
}
