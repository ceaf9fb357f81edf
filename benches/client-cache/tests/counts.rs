//! The finding, held to: the race leaves removed keys behind, and the controls leave none.

use authbench_client_cache::{KEYS, Order, Removal, stale};
use authbench_fixture::PrivateRedis;

async fn count(removal: Removal, order: Order) -> Option<[usize; 2]> {
    let redis = PrivateRedis::start().map_err(|why| println!("skipped: {why}")).ok()?;
    let stale = stale(&redis, removal, order).await.expect("Redis answers");
    println!("{removal:?}, {order:?}: {stale:?} of {KEYS}");
    Some(stale)
}

#[tokio::test]
async fn a_removal_that_is_awaited_is_heard_of() {
    for removal in [Removal::Del, Removal::FlushAll] {
        let Some(stale) = count(removal, Order::OneAfterTheOther).await else { return };
        assert_eq!(stale, [0, 0], "{removal:?}");
    }
}

#[tokio::test]
async fn a_removal_that_overtakes_the_answer_is_lost() {
    for removal in [Removal::Del, Removal::FlushAll] {
        let Some(stale) = count(removal, Order::Together).await else { return };
        assert!(stale[0] > KEYS / 2, "{removal:?}: {stale:?}; if that is mended, say so");
    }
}
