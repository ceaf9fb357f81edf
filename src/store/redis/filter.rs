//! A Bloom filter of live revocations, kept in Redis as bitmaps, and a copy of it on every node.
//!
//! One bitmap holds the tokens whose acceptance ends within one window of time, so that nothing is
//! ever taken out of a filter: a bitmap goes as a whole. A token asks the bitmap of its own end.
//! What the filter does not hold was not revoked, and is admitted without a question; what it seems
//! to hold is looked up exactly. A false positive costs a lookup and never a login.
//!
//! With `n` tokens in `m` bits and `k` bits for each, a token that is not in the filter seems to be
//! with probability `(1 - e^(-kn/m))^k`: for 65,536 tokens in 2^20 bits and ten for each, 4.7e-4.
//! A thousandth needs 14.4 bits for each token; here are 16, because a power of two is a mask.

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use redis::{Cmd, Script, cmd};

use super::RedisHandle;
use super::denied::key_name;
use super::polled::{self, Fetched};
use super::revoked::{CLOCKS_APART_S, Fields};
use crate::error::{BuildError, Outage};
use crate::identity::UnixTime;
use crate::store::deny::Entry;
use crate::strategy::contract::{Deps, FaultOutcome, Faults, RedisCommands};
use crate::token::TokenId;

/// Bits of one bitmap: 128 KiB.
pub const BITS: u64 = 1 << 20;
/// Bits for each token.
const HASHES: u64 = 10;
/// Seconds of one window. Tokens that live 15 minutes end in four of them.
const WINDOW_S: u64 = 300;
/// The hash of the live windows: which token was filed last in each.
const WINDOWS: &str = "filter:windows";

/// `KEYS`: the bitmap, the hash of windows, the exact entry. `ARGV`: the window, the token, the
/// entry's life and the bitmap's in seconds, the first window that is still live, the bits.
static FILE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
redis.call('SET', KEYS[3], '', 'EX', ARGV[3])
for i = 6, #ARGV do redis.call('SETBIT', KEYS[1], ARGV[i], 1) end
redis.call('EXPIRE', KEYS[1], ARGV[4])
for _, window in ipairs(redis.call('HKEYS', KEYS[2])) do
    if tonumber(window) < tonumber(ARGV[5]) then redis.call('HDEL', KEYS[2], window) end
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[4], 'NX')
redis.call('EXPIRE', KEYS[2], ARGV[4], 'GT')
",
    )
});

/// The window in which a token's acceptance ends.
const fn window_of(end: UnixTime) -> u64 {
    end.0 / WINDOW_S
}

/// The Redis key of a window's bitmap.
fn bitmap_name(window: u64) -> String {
    format!("filter:{window}")
}

/// The token's bits. A `jti` is random, so its halves are two independent hashes already, and ten
/// are made of two without a loss that matters (Kirsch and Mitzenmacher, 2006).
pub fn bits_of(id: TokenId) -> impl Iterator<Item = u64> {
    let halves = u128::from_be_bytes(id.0);
    let (first, second) = ((halves >> 64) as u64, halves as u64);
    // An odd step visits ten different bits.
    (0..HASHES).map(move |i| first.wrapping_add(i.wrapping_mul(second | 1)) % BITS)
}

/// A copy of the bitmaps, each of [`BITS`]; bit 0 is the highest of the first byte, as in Redis.
#[derive(Debug, Default)]
struct Bitmaps(HashMap<u64, Vec<u8>>);

impl Bitmaps {
    fn holds(&self, window: u64, id: TokenId) -> bool {
        let Some(bitmap) = self.0.get(&window) else { return false };
        bits_of(id).all(|bit| bitmap[(bit / 8) as usize] & (0x80 >> (bit % 8)) != 0)
    }

    fn window(&mut self, window: u64) -> &mut [u8] {
        self.0.entry(window).or_insert_with(|| vec![0; (BITS / 8) as usize])
    }

    fn add(&mut self, window: u64, id: TokenId) {
        let bitmap = self.window(window);
        bits_of(id).for_each(|bit| bitmap[(bit / 8) as usize] |= 0x80 >> (bit % 8));
    }

    /// Bits are only ever added: what a Redis that lost its state does not know stays known.
    fn merge(&mut self, window: u64, from_redis: &[u8]) {
        self.window(window).iter_mut().zip(from_redis).for_each(|(ours, theirs)| *ours |= theirs);
    }
}

/// The filter and its copy.
///
/// The copy outlives a loss of the store, and is of no use then: the exact entries are lost.
#[derive(Debug)]
pub struct Filter {
    redis: RedisHandle,
    bitmaps: RwLock<Bitmaps>,
    /// The token filed last in each window when its bitmap was fetched.
    fetched: RwLock<Fields>,
}

impl Fetched for Filter {
    const FAULTS: Faults = Faults {
        store_lost: FaultOutcome::Revives,
        store_evicts: FaultOutcome::Revives,
        ..polled::FAULTS
    };
    const REDIS: RedisCommands = RedisCommands {
        authenticate: 1,
        round_trips: 1,
        cached: true,
        // The windows, and the bitmaps of those that changed.
        background_per_second: 2,
    };

    fn new(deps: &Deps) -> Result<Self, BuildError> {
        Ok(Self { redis: deps.redis()?, bitmaps: RwLock::default(), fetched: RwLock::default() })
    }

    async fn fetch(&self) -> Result<(), Outage> {
        // The windows first: a bitmap that changes in between is fetched again.
        let last: Fields = self.redis.query(cmd("HGETALL").arg(WINDOWS)).await?;
        let mut changed = last.clone();
        {
            let fetched = self.fetched.read().unwrap_or_else(PoisonError::into_inner);
            changed.retain(|window, token| fetched.get(window) != Some(token));
        }
        let number = |window: &[u8]| std::str::from_utf8(window).ok()?.parse().ok();
        let windows: Option<Vec<u64>> = changed.keys().map(|window| number(window)).collect();
        let windows = windows.ok_or_else(|| Outage::new("the filter has no such window"))?;
        if !windows.is_empty() {
            let names: Vec<String> = windows.iter().map(|window| bitmap_name(*window)).collect();
            let found: Vec<Option<Vec<u8>>> = self.redis.query(cmd("MGET").arg(&names)).await?;
            let mut bitmaps = self.bitmaps.write().unwrap_or_else(PoisonError::into_inner);
            for (window, bitmap) in windows.into_iter().zip(found) {
                bitmaps.merge(window, &bitmap.unwrap_or_default());
            }
        }
        *self.fetched.write().unwrap_or_else(PoisonError::into_inner) = last;
        Ok(())
    }

    fn says(&self, token: &Entry) -> Option<bool> {
        let bitmaps = self.bitmaps.read().unwrap_or_else(PoisonError::into_inner);
        let may_be = bitmaps.holds(window_of(token.accepted_until), token.id);
        (!may_be).then_some(false)
    }

    async fn ask(&self, token: &Entry) -> Result<bool, Outage> {
        self.redis.query(&Cmd::exists(&key_name(token.id)[..])).await
    }

    async fn file(&self, token: &Entry, now: UnixTime) -> Result<(), Outage> {
        let end = token.accepted_until;
        let window = window_of(end);
        let entry_s = now.seconds_until(end) + CLOCKS_APART_S;
        let live_from = window_of(UnixTime(now.0.saturating_sub(CLOCKS_APART_S)));
        let mut call = FILE.prepare_invoke();
        call.key(bitmap_name(window)).key(WINDOWS).key(&key_name(token.id)[..]);
        call.arg(window).arg(&token.id.0[..]).arg(entry_s).arg(entry_s + WINDOW_S).arg(live_from);
        bits_of(token.id).for_each(|bit| {
            call.arg(bit);
        });
        self.redis.run::<()>(&call).await?;
        self.bitmaps.write().unwrap_or_else(PoisonError::into_inner).add(window, token.id);
        Ok(())
    }

    fn sweep(&self, now: UnixTime) {
        let live_from = window_of(now);
        let mut bitmaps = self.bitmaps.write().unwrap_or_else(PoisonError::into_inner);
        bitmaps.0.retain(|window, _| *window >= live_from);
    }
}
