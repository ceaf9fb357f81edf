//! One key for each token: what happens without Redis, after a loss, and under eviction.

use authbench::store::deny::{DenyList, Entry};
use authbench::store::redis::denied::{DeniedKeys, FailClosed, FailOpen, Sentinel};
use redis::cmd;

use crate::support::{NOW, Stage, denies, fresh_entry};

#[tokio::test]
async fn who_fails_open_counts_whom_it_did_not_ask_about() {
    let Some(stage) = Stage::new().await else { return };
    let open = stage.node::<DeniedKeys<FailOpen>>().await;
    let closed = stage.node::<DeniedKeys<FailClosed>>().await;
    let gone = fresh_entry();
    open.deny(&gone, NOW).await.expect("filed");
    assert!(denies(&open, &gone).await && denies(&closed, &gone).await);
    assert_eq!(open.admitted_unasked(), 0);
    let Stage { server, .. } = stage;
    drop(server);
    for asked in 1..=3 {
        assert!(!denies(&open, &gone).await, "declared open, and is not");
        assert_eq!(open.admitted_unasked(), asked);
        assert!(closed.is_denied(&gone).await.is_err());
        assert!(open.deny(&fresh_entry(), NOW).await.is_err(), "a logout was acknowledged");
    }
}

async fn issue(list: &Sentinel) -> Entry {
    let generation = list.generation().await.expect("Redis answers");
    Entry { generation, ..fresh_entry() }
}

#[tokio::test]
async fn a_loss_is_noticed() {
    let Some(stage) = Stage::new().await else { return };
    let list = stage.node::<Sentinel>().await;
    let (gone, live) = (issue(&list).await, issue(&list).await);
    assert_eq!(gone.generation, live.generation);
    list.deny(&gone, NOW).await.expect("filed");
    assert!(denies(&list, &gone).await && !denies(&list, &live).await);
    let _: () = stage.query(&cmd("FLUSHALL")).await;
    assert!(list.is_denied(&gone).await.is_err() && list.is_denied(&live).await.is_err());
    // The first login makes a generation, and the others take it.
    let [one, other] = [issue(&list).await, issue(&list).await];
    assert_eq!(one.generation, other.generation);
    assert_ne!(one.generation, live.generation);
    assert!(!denies(&list, &one).await && !denies(&list, &other).await);
    assert!(denies(&list, &gone).await && denies(&list, &live).await);
    let without = Entry { generation: None, ..one };
    assert!(denies(&list, &without).await);
}

/// The declared weakness is there: an LRU takes the entries and leaves the generation.
#[tokio::test]
async fn eviction_is_not_noticed() {
    let Some(stage) = Stage::new().await else { return };
    let list = stage.node::<Sentinel>().await;
    let (gone, live) = (issue(&list).await, issue(&list).await);
    list.deny(&gone, NOW).await.expect("filed");
    let key = [b"denied:", &gone.id.0[..]].concat();
    // As if nobody had presented the token for ten minutes.
    let dump: Vec<u8> = stage.query(cmd("DUMP").arg(&key)).await;
    let mut idle = cmd("RESTORE");
    idle.arg(&key).arg(900_000).arg(dump).arg("REPLACE").arg("IDLETIME").arg(600);
    let _: () = stage.query(&idle).await;
    let info: String = stage.query(cmd("INFO").arg("memory")).await;
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    let used: u64 = used.and_then(|used| used.parse().ok()).expect("it says so");
    let mut limit = cmd("CONFIG");
    limit.arg("SET").arg("maxmemory-policy").arg("allkeys-lru");
    limit.arg("maxmemory").arg(used + 512 * 1_024);
    let _: () = stage.query(&limit).await;
    let filler = "x".repeat(1_000);
    let mut is_evicted = false;
    for i in 0..20_000 {
        let _: () = stage.query(cmd("SET").arg(format!("filler:{i}")).arg(&filler)).await;
        // Requests keep the generation warm.
        assert!(!denies(&list, &live).await, "the generation was evicted, or the wrong token");
        is_evicted = stage.query::<u64>(cmd("EXISTS").arg(&key)).await == 0;
        if is_evicted {
            break;
        }
    }
    assert!(is_evicted, "nothing was evicted");
    assert!(!denies(&list, &gone).await, "declared to revive, and does not");
}
