//! The Bloom filter: it errs as often as its formula says, and only ever on the cheap side.

use std::time::Duration;

use authbench::store::deny::{DenyList, Entry};
use authbench::store::redis::filter::{BITS, Filter, bits_of};
use authbench::store::redis::polled::{Fetched, Polling};
use redis::cmd;

use crate::support::{NOW, Stage, denies, eventually, fresh_entry};

/// Puts a bitmap where the filter keeps that of the tokens' window.
async fn plant(stage: &Stage, bitmap: &[u8]) {
    let window = fresh_entry().accepted_until.0 / 300;
    let _: () = stage.query(cmd("SET").arg(format!("filter:{window}")).arg(bitmap)).await;
    let mut last = cmd("HSET");
    last.arg("filter:windows").arg(window).arg("planted");
    let _: () = stage.query(&last).await;
}

#[tokio::test]
async fn a_false_positive_denies_nobody() {
    let Some(stage) = Stage::new().await else { return };
    let node = stage.node::<Polling<Filter>>().await;
    let (gone, live) = (fresh_entry(), fresh_entry());
    node.deny(&gone, NOW).await.expect("filed");
    let lookups = async |token: &Entry| {
        let before = stage.calls("exists").await;
        let denied = denies(&node, token).await;
        (denied, stage.calls("exists").await - before)
    };
    assert_eq!(lookups(&live).await, (false, 0));
    assert_eq!(lookups(&gone).await, (true, 1));
    plant(&stage, &vec![0xff; (BITS / 8) as usize]).await;
    stage.clock.advance(Duration::from_secs(1));
    assert!(eventually(async || lookups(&live).await == (false, 1)).await);
    assert_eq!(lookups(&gone).await, (true, 1));
}

/// How many of `asked` tokens that are not in the filter seem to be.
fn false_positives(filter: &Filter, asked: usize) -> usize {
    (0..asked).filter(|_| filter.says(&fresh_entry()).is_none()).count()
}

#[tokio::test]
async fn ten_thousand_entries_are_found_and_hardly_another() {
    let Some(stage) = Stage::new().await else { return };
    let filter = Filter::new(&stage.deps).expect("there is a store");
    let mut filed = Vec::new();
    for _ in 0..10_000 {
        let token = fresh_entry();
        filter.file(&token, NOW).await.expect("filed");
        filed.push(token);
    }
    let copy = Filter::new(&stage.deps).expect("there is a store");
    copy.fetch().await.expect("fetched");
    for token in &filed {
        assert!(copy.says(token).is_none(), "a revoked token is not in the copy");
    }
    let wrong = false_positives(&copy, 20_000);
    assert!(wrong < 40, "{wrong} of 20,000");
}

#[tokio::test]
async fn a_full_filter_errs_as_often_as_its_formula_says() {
    let Some(stage) = Stage::new().await else { return };
    let mut bitmap = vec![0_u8; (BITS / 8) as usize];
    for _ in 0..65_536 {
        bits_of(fresh_entry().id).for_each(|bit| bitmap[(bit / 8) as usize] |= 0x80 >> (bit % 8));
    }
    plant(&stage, &bitmap).await;
    let copy = Filter::new(&stage.deps).expect("there is a store");
    copy.fetch().await.expect("fetched");
    // 4.7e-4 of 200,000 is 94, give or take ten.
    let wrong = false_positives(&copy, 200_000);
    assert!((40..160).contains(&wrong), "{wrong} of 200,000");
}
