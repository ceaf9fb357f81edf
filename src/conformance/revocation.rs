//! Revocation: each strategy keeps exactly the promise it declares, and takes back what it says.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::forge::encode;
use super::login::FLOOR;
use super::{
    ALICE, BOB, Held, Verdict, World, admitted, another, ask, build, ensure, log_in, refused,
};
use crate::credential::Credential;
use crate::error::{AuthError, Denial};
use crate::identity::UnixTime;
use crate::strategy::contract::{AuthStrategy, Deps, Family, Granularity, Revocation, Scope};
use crate::token::key::Algorithm;

/// What a revoked credential is turned away as: an allow-list knows nothing of it any more.
pub(super) const REVOKED: &[Denial] = &[Denial::Revoked, Denial::Unknown];

const NEVER: Held = Held::NotApplicable("it declares that nothing is taken back before it expires");

/// When a revocation at `now` is declared to have taken effect; never for `AtExpiry`.
pub(super) fn effective(promise: Revocation, now: UnixTime) -> Option<UnixTime> {
    match promise {
        Revocation::Immediate => Some(now),
        // A whole second more, because that is how finely `now` is cut.
        Revocation::Within(bound) => Some(now.plus(bound.as_secs() + 1)),
        Revocation::AtExpiry => None,
    }
}

/// Logs out, and demands that what is promised is what was declared.
pub(super) async fn log_out<S: AuthStrategy>(
    strategy: &S,
    text: &str,
    now: UnixTime,
) -> Result<(), String> {
    let promised = strategy.revoke(Credential::new(text), now).await;
    match promised {
        Ok(promised) if promised == S::PROPERTIES.revoke => Ok(()),
        other => Err(format!("declared {:?}, got {other:?}", S::PROPERTIES.revoke)),
    }
}

/// After the acknowledgement and the declared delay no node within reach admits the credential; or
/// it was said that it will be, and it is.
pub(super) async fn revocation_keeps_its_promise<S: AuthStrategy>(world: &World) -> Verdict {
    let here: S = build(&world.deps).await?;
    let there: S = build(&world.deps).await?;
    let text = log_in(&here, ALICE, world.now).await?;
    admitted("before the logout", &here, &text, ALICE, world.now).await?;
    if S::PROPERTIES.scope != Scope::Node {
        let text = another(&here, &text, ALICE, world.now).await?;
        admitted("before the logout, on another node", &there, &text, ALICE, world.now).await?;
    }
    let text = another(&here, &text, ALICE, world.now).await?;
    log_out(&here, &text, world.now).await?;
    let due = match S::PROPERTIES.revoke {
        Revocation::Within(bound) => use_until_due(&there, &text, world, bound).await,
        promise => world.take_effect(promise),
    };
    match due {
        Some(at) => {
            refused("after the logout", &here, &text, at, REVOKED).await?;
            if S::PROPERTIES.scope != Scope::Node {
                refused("after the logout, on another node", &there, &text, at, REVOKED).await?;
            }
        }
        None => {
            admitted("a logout that takes nothing back", &here, &text, ALICE, world.now).await?
        }
    }
    Ok(Held::Shown)
}

/// Lets `bound` pass in four steps in which the credential is in use, admitted or not: a cache may
/// not count from the last use. Says since when the revocation is due.
async fn use_until_due<S: AuthStrategy>(
    strategy: &S,
    text: &str,
    world: &World,
    bound: Duration,
) -> Option<UnixTime> {
    const STEPS: u32 = 4;
    for _ in 1..STEPS {
        world.clock.advance(bound / STEPS);
        ask(strategy, text, world.now).await;
    }
    world.clock.advance(bound - bound / STEPS * (STEPS - 1));
    effective(S::PROPERTIES.revoke, world.now)
}

/// One logout takes back the credential, or all of its subject's, or nothing: as declared, and
/// never another subject's. Logging in again works.
pub(super) async fn revocation_takes_back_what_it_says<S: AuthStrategy>(world: &World) -> Verdict {
    let strategy: S = build(&world.deps).await?;
    let text = log_in(&strategy, ALICE, world.now).await?;
    let other_device = log_in(&strategy, ALICE, world.now).await?;
    let bystander = log_in(&strategy, BOB, world.now).await?;
    log_out(&strategy, &text, world.now).await?;
    let at = world.take_effect(S::PROPERTIES.revoke).unwrap_or(world.now);
    match S::PROPERTIES.granularity {
        Granularity::Subject => {
            refused("the other device", &strategy, &other_device, at, REVOKED).await?;
        }
        Granularity::Credential => {
            admitted("the other device", &strategy, &other_device, ALICE, at).await?;
        }
        Granularity::Nothing | Granularity::Renewal => {
            admitted("the credential", &strategy, &text, ALICE, at).await?;
            admitted("the other device", &strategy, &other_device, ALICE, at).await?;
        }
    }
    admitted("another subject", &strategy, &bystander, BOB, at).await?;
    let again = log_in(&strategy, ALICE, world.now).await?;
    admitted("a login after the logout", &strategy, &again, ALICE, world.now).await?;
    Ok(Held::Shown)
}

/// Logout everywhere takes back every credential of the subject and nobody else's; or it was said
/// that it does not, and they live.
pub(super) async fn logout_everywhere_keeps_its_promise<S: AuthStrategy>(world: &World) -> Verdict {
    let strategy: S = build(&world.deps).await?;
    let mut devices = Vec::new();
    for _ in 0..5 {
        devices.push(log_in(&strategy, ALICE, world.now).await?);
    }
    let bystander = log_in(&strategy, BOB, world.now).await?;
    let promised = strategy.revoke_all(ALICE, world.now).await.map_err(|e| e.to_string())?;
    let declared = S::PROPERTIES.revoke_all;
    ensure!(promised == declared, "declared {declared:?}, got {promised:?}");
    let effect = world.take_effect(promised);
    for text in &devices {
        match effect {
            Some(at) => refused("a device", &strategy, text, at, REVOKED).await?,
            None => admitted("a device", &strategy, text, ALICE, world.now).await?,
        }
    }
    let at = effect.unwrap_or(world.now);
    admitted("another subject", &strategy, &bystander, BOB, at).await?;
    let again = log_in(&strategy, ALICE, world.now).await?;
    admitted("a login after it", &strategy, &again, ALICE, world.now).await?;
    Ok(Held::Shown)
}

/// Who can count a subject's live credentials counts each login, and none that was logged out.
pub(super) async fn the_living_are_counted<S: AuthStrategy>(world: &World) -> Verdict {
    let strategy: S = build(&world.deps).await?;
    let count = async || strategy.count_live(ALICE, world.now).await.map_err(|e| e.to_string());
    let counted = count().await?;
    ensure!(
        counted.is_some() == S::PROPERTIES.counts_live,
        "it declares {}, and counts {counted:?}",
        S::PROPERTIES.counts_live
    );
    if counted.is_none() {
        return Ok(Held::NotApplicable("it declares that it does not know who is logged in"));
    }
    let mut devices = Vec::new();
    for logins in 1..=4 {
        devices.push(log_in(&strategy, ALICE, world.now).await?);
        log_in(&strategy, BOB, world.now).await?;
        let counted = count().await?;
        ensure!(counted == Some(logins), "{logins} logins are counted as {counted:?}");
    }
    log_out(&strategy, &devices[0], world.now).await?;
    let left = if S::PROPERTIES.granularity == Granularity::Subject { 0 } else { 3 };
    let counted = count().await?;
    ensure!(counted == Some(left), "{left} are left after a logout, counted as {counted:?}");
    strategy.revoke_all(ALICE, world.now).await.map_err(|e| e.to_string())?;
    let counted = count().await?;
    ensure!(counted == Some(0), "after logout everywhere {counted:?} are counted");
    Ok(Held::Shown)
}

/// A forged, an expired or a revoked credential takes nothing back.
pub(super) async fn only_a_good_credential_revokes<S: AuthStrategy>(world: &World) -> Verdict {
    if S::PROPERTIES.family == Family::Floor {
        return Ok(FLOOR);
    }
    let strategy: S = build(&world.deps).await?;
    let old = strategy.issue(ALICE, world.now).await.map_err(|e| e.to_string())?;
    super::contents::age::<S>(world, world.now.seconds_until(old.expires_at)).await?;
    let grant = strategy.issue(ALICE, world.now).await.map_err(|e| e.to_string())?;
    let good = grant.access.expose();
    let middle = good.len() - good.len() / 4;
    let new = if &good[middle..=middle] == "A" { "B" } else { "A" };
    let forged = [&good[..middle], new, &good[middle + 1..]].concat();
    let attempts =
        [("forged", &*forged, world.now), ("expired", old.access.expose(), old.expires_at)];
    for (what, text, now) in attempts {
        let answer = strategy.revoke(Credential::new(text), now).await;
        ensure!(matches!(answer, Err(AuthError::Denied(_))), "{what}: got {answer:?}");
    }
    admitted("after that", &strategy, good, ALICE, world.now).await?;
    let good = &*another(&strategy, good, ALICE, world.now).await?;
    log_out(&strategy, good, world.now).await?;
    if let Some(at) = world.take_effect(S::PROPERTIES.revoke) {
        refused("after its logout", &strategy, good, at, REVOKED).await?;
        let answer = strategy.revoke(Credential::new(good), at).await;
        ensure!(matches!(answer, Err(AuthError::Denied(_))), "revoked: got {answer:?}");
    }
    Ok(Held::Shown)
}

/// What was taken back stays so for as long as a clock in the leeway could still accept it: to
/// the caller's clock, and to the store's own.
pub(super) async fn the_revoked_stays_revoked<S: AuthStrategy>(world: &World) -> Verdict {
    const LEEWAY_S: u64 = 30;
    let mut deps = world.deps.clone();
    deps.settings.leeway_s = LEEWAY_S;
    let strategy: S = build(&deps).await?;
    let grant = strategy.issue(ALICE, world.now).await.map_err(|e| e.to_string())?;
    let text = grant.access.expose();
    if S::PROPERTIES.revoke == Revocation::AtExpiry {
        return Ok(NEVER);
    }
    let is_ours = world.server.is_some();
    let before = if is_ours { super::contents::names(&deps).await? } else { Vec::new() };
    log_out(&strategy, text, world.now).await?;
    let Some(at) = world.take_effect(S::PROPERTIES.revoke) else { return Ok(NEVER) };
    let end = grant.expires_at;
    for probe in [at, UnixTime(end.0 - 1), end, end.plus(LEEWAY_S - 1)] {
        let what = format!("{} s before its expiry", i128::from(end.0) - i128::from(probe.0));
        refused(&what, &strategy, text, probe, &[]).await?;
    }
    if S::PROPERTIES.family != Family::TokenWithState {
        return Ok(Held::Shown);
    }
    // No test waits that long, so the store is asked how long it will remember, if it is ours.
    let needed_s = world.now.seconds_until(end) + LEEWAY_S;
    let after = if is_ours { super::contents::names(&deps).await? } else { Vec::new() };
    for name in after {
        if before.contains(&name) {
            continue;
        }
        let left = super::contents::seconds_left(&deps, &name).await?;
        // Five seconds for a slow machine.
        ensure!(
            left.is_none_or(|left| left + 5 >= needed_s),
            "the store forgets the logout after {left:?} s; the token is accepted for {needed_s} s"
        );
    }
    // In the last second of its leeway it can still be taken back.
    let late = log_in(&strategy, BOB, world.now).await?;
    let last = end.plus(LEEWAY_S - 1);
    log_out(&strategy, &late, last).await?;
    world.take_effect(S::PROPERTIES.revoke);
    refused("taken back in its last second", &strategy, &late, last, &[]).await?;
    Ok(Held::Shown)
}

/// Signatures that verify where this one does: `(r, n - s)` for ECDSA, and other spellings.
fn rewritten(algorithm: Algorithm, token: &str) -> Vec<String> {
    const SPELLINGS: &[u8; 64] =
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let Some((input, signature)) = token.rsplit_once('.') else { return Vec::new() };
    let stem = &signature[..signature.len() - 1];
    let mut all: Vec<String> =
        SPELLINGS.iter().map(|last| format!("{input}.{stem}{}", char::from(*last))).collect();
    all.push(format!("{token}="));
    all.push(format!("{token}=="));
    if algorithm == Algorithm::Es256
        && let Ok(mut bytes) = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(signature)
        && bytes.len() == 64
    {
        negate(&mut bytes[32..]);
        all.push(format!("{input}.{}", encode(&bytes)));
    }
    all
}

/// `s` becomes `n - s`, `n` being the order of P-256 (FIPS 186-5, SP 800-186 section 3.2.1.3).
fn negate(s: &mut [u8]) {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63,
        0x25, 0x51,
    ];
    let mut borrow = 0;
    for (digit, order) in s.iter_mut().zip(ORDER).rev() {
        let difference = i16::from(order) - i16::from(*digit) - borrow;
        borrow = i16::from(difference < 0);
        *digit = (difference + 256 * borrow).to_le_bytes()[0];
    }
}

/// A token that is taken back is not good again in another spelling, even one that verifies.
pub(super) async fn a_rewritten_token_stays_revoked<S: AuthStrategy>(world: &World) -> Verdict {
    let Some(algorithm) = S::PROPERTIES.algorithm else { return super::forge::NO_TOKEN };
    let strategy: S = build(&world.deps).await?;
    let text = log_in(&strategy, ALICE, world.now).await?;
    log_out(&strategy, &text, world.now).await?;
    let Some(at) = world.take_effect(S::PROPERTIES.revoke) else { return Ok(NEVER) };
    for other in rewritten(algorithm, &text) {
        refused("the same token rewritten", &strategy, &other, at, &[]).await?;
    }
    Ok(Held::Shown)
}

/// Runs two operations at once; the first is polled first.
async fn together<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut first, mut second) = (None, None);
    poll_fn(|context| {
        if first.is_none()
            && let Poll::Ready(done) = a.as_mut().poll(context)
        {
            first = Some(done);
        }
        if second.is_none()
            && let Poll::Ready(done) = b.as_mut().poll(context)
        {
            second = Some(done);
        }
        match (first.take(), second.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (first, second) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

/// A request that is under way while its session is logged out does not bring the session back.
pub(super) async fn logout_wins_over_use<S: AuthStrategy>(world: &World) -> Verdict {
    if S::PROPERTIES.family != Family::Session {
        return Ok(Held::NotApplicable("using its credential changes nothing"));
    }
    let mut deps: Deps = world.deps.clone();
    deps.settings.session_idle_s = 100;
    let strategy: S = build(&deps).await?;
    // Late enough for the use to prolong the session.
    let at = world.now.plus(60);
    for _ in 0..20 {
        let text = log_in(&strategy, ALICE, world.now).await?;
        let (out, _used) = together(log_out(&strategy, &text, at), ask(&strategy, &text, at)).await;
        out?;
        refused("after logout and use at once", &strategy, &text, at, REVOKED).await?;
    }
    Ok(Held::Shown)
}
