//! Keys derived from the HS256 secrets, one for each purpose: a MAC made for one means nothing to
//! another, nor to a token's signature.
//!
//! HMAC as the pseudo-random function of a single block, which is what HKDF-Expand (RFC 5869
//! section 2.3) does with a secret that is uniform already.

use aws_lc_rs::hmac;

use crate::error::BuildError;
use crate::token::key::{Algorithm, Keyring};

/// Bytes of a MAC under a derived key.
pub(super) const MAC_BYTES: usize = 32;

/// The keys for one purpose, one for each live secret: the first makes, all of them verify.
pub(super) struct DerivedKeys(Vec<hmac::Key>);

impl std::fmt::Debug for DerivedKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DerivedKeys({})", self.0.len())
    }
}

impl DerivedKeys {
    /// Derives the keys for `purpose`, a text that no other purpose has.
    ///
    /// # Errors
    /// There is no HS256 secret, or one is too short.
    pub(super) fn of(ring: &Keyring, purpose: &str) -> Result<Self, BuildError> {
        let derive = |secret: &[u8]| {
            let parent = hmac::Key::new(hmac::HMAC_SHA256, secret);
            let child = hmac::sign(&parent, &[b"authbench ", purpose.as_bytes(), &[1]].concat());
            hmac::Key::new(hmac::HMAC_SHA256, child.as_ref())
        };
        let secrets = ring.of(Algorithm::Hs256)?;
        Ok(Self(secrets.iter().map(|key| derive(&key.private)).collect()))
    }

    /// How many there are; at least one.
    pub(super) const fn count(&self) -> usize {
        self.0.len()
    }

    /// The MAC of `parts`, each of a fixed length, under the key in `place`.
    ///
    /// # Panics
    /// When there is no such place.
    pub(super) fn sign(&self, place: usize, parts: &[&[u8]]) -> [u8; MAC_BYTES] {
        mac(&self.0[place], parts)
    }

    /// Whether `tag` begins the MAC of `parts` under any key; compared in constant time.
    pub(super) fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        let is = |mac: [u8; MAC_BYTES]| {
            let mac = mac.get(..tag.len());
            mac.is_some_and(|mac| {
                aws_lc_rs::constant_time::verify_slices_are_equal(mac, tag).is_ok()
            })
        };
        self.0.iter().any(|key| is(mac(key, parts)))
    }
}

fn mac(key: &hmac::Key, parts: &[&[u8]]) -> [u8; MAC_BYTES] {
    let mut context = hmac::Context::with_key(key);
    parts.iter().for_each(|part| context.update(part));
    let mut mac = [0; MAC_BYTES];
    mac.copy_from_slice(context.sign().as_ref());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::OsEntropy;
    use crate::token::key::Keyring;

    #[test]
    fn a_mac_is_good_for_its_purpose_its_parts_and_its_ring() {
        let ring = Keyring::generate(&OsEntropy).expect("the generator works");
        let keys = DerivedKeys::of(&ring, "one").expect("HS256 keys");
        let parts: &[&[u8]] = &[b"a", b"b"];
        let mac = keys.sign(0, parts);
        assert!(keys.verify(parts, &mac) && keys.verify(parts, &mac[..16]));
        assert_eq!(keys.count(), 2);
        assert!(keys.verify(parts, &keys.sign(1, parts)));
        assert_ne!(mac, keys.sign(1, parts));
        assert!(!keys.verify(&[b"a", b"c"], &mac));
        assert!(!keys.verify(parts, &[mac.as_slice(), &[0]].concat()));
        let others = DerivedKeys::of(&ring, "two").expect("HS256 keys");
        assert!(!others.verify(parts, &mac));
        let ring = Keyring::generate(&OsEntropy).expect("the generator works");
        let strangers = DerivedKeys::of(&ring, "one").expect("HS256 keys");
        assert!(!strangers.verify(parts, &mac));
    }
}
