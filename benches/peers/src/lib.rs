//! Rivals, timed beside ours on the same tokens and the same store, with the same answers demanded.
//!
//! [`peer`] says what a JWT crate must do here; [`jwt_simple`], [`josekit`] and [`oxitoken`] do it;
//! [`forge`] makes what each must refuse before it is timed. [`tower_sessions`] looks sessions up.
//! [`redis_benchmark`] is context only. [`ours`] is what all are divided by.

#[cfg(not(any(feature = "boringssl", feature = "pure-rust")))]
compile_error!("jwt-simple needs RSA from somewhere: choose `pure-rust` or `boringssl`");
#[cfg(all(feature = "boringssl", feature = "openssl"))]
compile_error!("one program cannot link with BoringSSL and OpenSSL: leave one of the two out");

pub mod claims;
pub mod forge;
#[cfg(feature = "openssl")]
pub mod josekit;
pub mod jwt_simple;
pub mod list;
pub mod lookup;
pub mod ours;
pub mod oxitoken;
pub mod peer;
pub mod redis_benchmark;
pub mod tower_sessions;
