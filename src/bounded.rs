//! A bounded map in this process for copies of what is kept elsewhere, and the guard without which
//! such a map goes stale: what was invalidated while it was being fetched is not filed.
//!
//! Deliberately absent: time. Who files says how long a copy is believed, and checks it. So is
//! sharing one fetch among all who miss at once: a miss costs one command, its waiters would have
//! to survive the one who fetches being cancelled, and they would share its failure.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What copies are filed under: a SHA-256 digest. Callers file only under digests of what the
/// server itself made, so that nobody can choose where in the map they go.
pub(crate) type Digest = [u8; 32];

/// Locks; a power of two, at most 256.
const SHARDS: usize = 64;

/// Copies of `V`, at most a fixed number of them. When it is full, the copy goes that was not used
/// for longest, nearly (the CLOCK algorithm: a ring, and a second chance for what was used).
pub(crate) struct Bounded<V> {
    shards: Box<[Mutex<Shard<V>>]>,
    shard_capacity: usize,
}

impl<V> fmt::Debug for Bounded<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bounded(at most {} copies)", SHARDS * self.shard_capacity)
    }
}

/// A fetch under way: what was known to be true when it began. Nothing is left to clean up when it
/// is dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fetch {
    epoch: u64,
}

struct Shard<V> {
    /// Grows with every invalidation in the shard. One number for all its keys: a fetch is
    /// discarded now and then for a neighbour's sake, and costs its successor one fetch more.
    epoch: u64,
    places: HashMap<Digest, usize, BuildHasherDefault<IsHashed>>,
    ring: Vec<Slot<V>>,
    free: Vec<usize>,
    hand: usize,
}

struct Slot<V> {
    key: Digest,
    value: V,
    was_used: bool,
}

impl<V: Copy> Bounded<V> {
    /// An empty map of at most `capacity` copies, rounded up to a whole number for each lock.
    pub(crate) fn new(capacity: usize) -> Self {
        let shard = || {
            Mutex::new(Shard {
                epoch: 0,
                places: HashMap::default(),
                ring: Vec::new(),
                free: Vec::new(),
                hand: 0,
            })
        };
        Self {
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
            shard_capacity: capacity.div_ceil(SHARDS).max(1),
        }
    }

    fn shard(&self, key: &Digest) -> MutexGuard<'_, Shard<V>> {
        // The other end of the digest than the one that places the key within its shard.
        lock(&self.shards[usize::from(key[31]) % SHARDS])
    }

    /// The copy under `key`.
    pub(crate) fn get(&self, key: &Digest) -> Option<V> {
        let mut shard = self.shard(key);
        let place = *shard.places.get(key)?;
        let slot = &mut shard.ring[place];
        slot.was_used = true;
        Some(slot.value)
    }

    /// Says that what belongs under `key` is about to be fetched.
    pub(crate) fn begin(&self, key: &Digest) -> Fetch {
        Fetch { epoch: self.shard(key).epoch }
    }

    /// Files what was fetched, unless it may have been invalidated since the fetch began: whether
    /// it did.
    pub(crate) fn file(&self, fetch: Fetch, key: &Digest, value: V) -> bool {
        let mut shard = self.shard(key);
        let is_current = shard.epoch == fetch.epoch;
        if is_current {
            shard.put(key, value, self.shard_capacity);
        }
        is_current
    }

    /// Files what has just been written, as [`Bounded::file`]; what others began to fetch before
    /// that is not filed any more.
    pub(crate) fn replace(&self, fetch: Fetch, key: &Digest, value: V) {
        let mut shard = self.shard(key);
        if shard.epoch == fetch.epoch {
            shard.put(key, value, self.shard_capacity);
        }
        shard.epoch += 1;
    }

    /// Invalidates `key`.
    pub(crate) fn forget(&self, key: &Digest) {
        let mut shard = self.shard(key);
        shard.epoch += 1;
        shard.remove(key);
    }

    /// Invalidates every copy of which `is_stale` holds, and every fetch under way, because nobody
    /// knows what those will bring.
    pub(crate) fn forget_if(&self, mut is_stale: impl FnMut(&V) -> bool) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            shard.epoch += 1;
            let stale: Vec<Digest> = shard
                .places
                .iter()
                .filter(|(_, place)| is_stale(&shard.ring[**place].value))
                .map(|(key, _)| *key)
                .collect();
            stale.iter().for_each(|key| shard.remove(key));
        }
    }

    /// Invalidates everything.
    pub(crate) fn clear(&self) {
        self.forget_if(|_| true);
    }

    /// How many copies there are.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).places.len()).sum()
    }
}

impl<V> Shard<V> {
    fn put(&mut self, key: &Digest, value: V, capacity: usize) {
        let slot = Slot { key: *key, value, was_used: false };
        if let Some(place) = self.places.get(key) {
            self.ring[*place] = slot;
            return;
        }
        let place = if let Some(place) = self.free.pop() {
            place
        } else if self.ring.len() < capacity {
            self.ring.push(slot);
            self.places.insert(*key, self.ring.len() - 1);
            return;
        } else {
            self.make_room()
        };
        self.ring[place] = slot;
        self.places.insert(*key, place);
    }

    /// Evicts from a full ring: the first from the hand on that was not used since it last passed.
    fn make_room(&mut self) -> usize {
        loop {
            let place = self.hand;
            self.hand = (place + 1) % self.ring.len();
            let slot = &mut self.ring[place];
            if !std::mem::take(&mut slot.was_used) {
                self.places.remove(&slot.key);
                return place;
            }
        }
    }

    fn remove(&mut self, key: &Digest) {
        if let Some(place) = self.places.remove(key) {
            self.free.push(place);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A digest is a hash already: its first eight bytes will do.
#[derive(Default)]
struct IsHashed(u64);

impl Hasher for IsHashed {
    fn finish(&self) -> u64 {
        self.0
    }

    /// The last that is written counts: an array writes its length first.
    fn write(&mut self, bytes: &[u8]) {
        let mut first = [0; 8];
        let length = bytes.len().min(first.len());
        first[..length].copy_from_slice(&bytes[..length]);
        self.0 = u64::from_le_bytes(first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys of one shard.
    fn key(n: u64) -> Digest {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&n.to_le_bytes());
        key
    }

    fn file(map: &Bounded<u64>, n: u64) -> bool {
        map.file(map.begin(&key(n)), &key(n), n)
    }

    #[test]
    fn what_is_filed_is_found_until_it_is_forgotten() {
        let map = Bounded::new(SHARDS * 8);
        for n in 0..8 {
            assert!(file(&map, n));
            assert_eq!(map.get(&key(n)), Some(n));
        }
        map.forget(&key(3));
        assert_eq!((map.get(&key(3)), map.get(&key(4)), map.len()), (None, Some(4), 7));
        map.forget_if(|n| n % 2 == 0);
        assert_eq!((map.get(&key(4)), map.get(&key(5)), map.len()), (None, Some(5), 3));
        map.clear();
        assert_eq!(map.len(), 0);
        assert!(file(&map, 3));
        assert_eq!(map.get(&key(3)), Some(3));
    }

    #[test]
    fn what_was_invalidated_meanwhile_is_not_filed() {
        let map = Bounded::new(SHARDS);
        let invalidations: [fn(&Bounded<u64>); 4] = [
            |map| map.forget(&key(1)),
            |map| map.forget_if(|_| false),
            Bounded::clear,
            |map| map.replace(map.begin(&key(1)), &key(1), 9),
        ];
        for invalidate in invalidations {
            let fetch = map.begin(&key(1));
            invalidate(&map);
            assert!(!map.file(fetch, &key(1), 1));
            assert_ne!(map.get(&key(1)), Some(1));
        }
        let fetch = map.begin(&key(1));
        map.forget(&key(1));
        map.replace(fetch, &key(1), 1);
        assert_eq!(map.get(&key(1)), None, "nor is what was written before it");
    }

    #[test]
    fn it_never_holds_more_than_it_may_and_keeps_what_is_used() {
        let map = Bounded::new(SHARDS * 8);
        file(&map, 0);
        for n in 1..1_000 {
            assert!(file(&map, n));
            assert_eq!(map.get(&key(0)), Some(0), "after {n} others");
            assert!(map.len() <= 8);
            if n % 7 == 0 {
                map.forget(&key(n));
            }
        }
        assert_eq!(map.get(&key(1)), None);
    }
}
