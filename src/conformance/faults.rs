//! Faults: what becomes of requests is declared, and the declaration is true.

use std::time::Duration;

use super::contents;
use super::revocation::log_out;
use super::{
    ALICE, BOB, DELIVERY_LIMIT, DELIVERY_POLL, Held, Outcome, Verdict, World, admitted, another,
    ask, ask_when_due, build, ensure, log_in,
};
use crate::credential::Credential;
use crate::error::AuthError;
use crate::identity::SubjectId;
use crate::strategy::contract::{AuthStrategy, FaultOutcome, Revocation, StoreKind, Uses};

const NOT_OURS: Held = Held::Skipped("it would stop or empty a store that is not the suite's own");

/// Whether its store is a server, which can stop and lose what it knew; a file cannot.
const fn has_a_server<S: AuthStrategy>() -> bool {
    matches!(S::PROPERTIES.store, Some(StoreKind::Redis | StoreKind::Postgres))
}

/// Leases and copies are over after this, whatever is promised: a barrier keeps its promise because
/// it waits for leases, and still answers by them.
const LEASES_ARE_OVER: Duration = Duration::from_secs(60);

/// Somebody whose logout came before the fault.
const CAROL: SubjectId = SubjectId(0xca401);

/// A valid and a revoked credential while the store is silent: the outcome as declared, and no
/// logout is acknowledged that did not happen.
pub(super) async fn a_store_that_is_down_is_as_declared<S: AuthStrategy>(world: &World) -> Verdict {
    let declared = S::PROPERTIES.faults.store_down;
    let strategy: S = build(&world.deps).await?;
    let text = log_in(&strategy, ALICE, world.now).await?;
    let leaver = log_in(&strategy, BOB, world.now).await?;
    admitted("before the fault", &strategy, &text, ALICE, world.now).await?;
    // What is presented during silence may be carried out when it ends, and use up what is good
    // once: each presentation has a credential of its own, of a subject of its own.
    let [frozen, after, dead] = [SubjectId(1), SubjectId(2), SubjectId(3)];
    let during = another(&strategy, &text, frozen, world.now).await?;
    let later = another(&strategy, &text, after, world.now).await?;
    let at_last = another(&strategy, &text, dead, world.now).await?;
    let Some(server) = &world.server else {
        if has_a_server::<S>() {
            return Ok(NOT_OURS);
        }
        ensure!(declared == FaultOutcome::Unaffected, "no server, and it declares {declared:?}");
        return Ok(Held::Shown);
    };
    let gone = log_in(&strategy, CAROL, world.now).await?;
    log_out(&strategy, &gone, world.now).await?;
    let credentials = Credentials { text: &text, leaver: &leaver, gone: &gone };
    server.freeze();
    let silent =
        during_silence(&strategy, Credentials { text: &during, ..credentials }, world).await;
    server.thaw();
    silent.map_err(|what| format!("frozen: {what}"))?;
    let whose = if S::PROPERTIES.uses == Uses::Once { after } else { ALICE };
    admitted_again("after the fault", &strategy, (&later, whose), world).await?;
    server.kill();
    during_silence(&strategy, Credentials { text: &at_last, ..credentials }, world)
        .await
        .map_err(|what| format!("dead: {what}"))?;
    Ok(Held::Shown)
}

/// Demands that `text`, which is `what`, is admitted once what was lost has been fetched.
async fn admitted_again<S: AuthStrategy>(
    what: &str,
    strategy: &S,
    (text, whose): (&str, SubjectId),
    world: &World,
) -> Result<(), String> {
    if S::PROPERTIES.uses == Uses::Once {
        return admitted(what, strategy, text, whose, world.now).await;
    }
    let mut left = DELIVERY_LIMIT;
    while ask(strategy, text, world.now).await == Outcome::Unavailable && left > Duration::ZERO {
        world.clock.advance(DELIVERY_POLL);
        tokio::time::sleep(DELIVERY_POLL).await;
        left = left.saturating_sub(DELIVERY_POLL);
    }
    admitted(what, strategy, text, whose, world.now).await
}

/// What is tried during a fault.
#[derive(Clone, Copy, Debug)]
struct Credentials<'c> {
    /// A good one.
    text: &'c str,
    /// One that is to be taken back.
    leaver: &'c str,
    /// One that was.
    gone: &'c str,
}

async fn during_silence<S: AuthStrategy>(
    strategy: &S,
    Credentials { text, leaver, gone }: Credentials<'_>,
    world: &World,
) -> Result<(), String> {
    let declared = S::PROPERTIES.faults.store_down;
    // What a cache still remembers is good for as long as is promised, or declared beyond that.
    let effect = world.take_effect(S::PROPERTIES.revoke);
    world.clock.advance(LEASES_ARE_OVER);
    let got = ask(strategy, text, world.now).await;
    let is_as_declared = match declared {
        FaultOutcome::Closed | FaultOutcome::OpenFor(_) => got == Outcome::Unavailable,
        FaultOutcome::Unaffected | FaultOutcome::Open | FaultOutcome::Revives => {
            matches!(got, Outcome::Admitted(_))
        }
    };
    ensure!(is_as_declared, "declared {declared:?}, got {got:?}");
    if let Some(at) = effect {
        let got = ask_when_due(strategy, gone, at).await;
        let is_admitted = matches!(got, Outcome::Admitted(_));
        let is_open = declared == FaultOutcome::Open;
        ensure!(is_admitted == is_open, "declared {declared:?}, the revoked got {got:?}");
    }
    if !has_a_server::<S>() || S::PROPERTIES.revoke == Revocation::AtExpiry {
        return Ok(());
    }
    let out = strategy.revoke(Credential::new(leaver), world.now).await;
    ensure!(matches!(out, Err(AuthError::Unavailable(_))), "a logout was answered {out:?}");
    let everywhere = strategy.revoke_all(BOB, world.now).await;
    ensure!(
        everywhere.is_err() || S::PROPERTIES.revoke_all == Revocation::AtExpiry,
        "a logout everywhere was answered {everywhere:?}"
    );
    Ok(())
}

/// A store that answers and has forgotten everything. What revives is shown to revive: the
/// weakness that is declared is there.
pub(super) async fn a_store_that_lost_its_state_is_as_declared<S: AuthStrategy>(
    world: &World,
) -> Verdict {
    let declared = S::PROPERTIES.faults.store_lost;
    if !has_a_server::<S>() {
        ensure!(declared == FaultOutcome::Unaffected, "no server, and it declares {declared:?}");
        return Ok(Held::Shown);
    }
    if world.server.is_none() {
        return Ok(NOT_OURS);
    }
    let strategy: S = build(&world.deps).await?;
    let gone = log_in(&strategy, ALICE, world.now).await?;
    let live = log_in(&strategy, BOB, world.now).await?;
    log_out(&strategy, &gone, world.now).await?;
    let effect = world.take_effect(S::PROPERTIES.revoke);
    let at = effect.unwrap_or(world.now);
    if effect.is_some() {
        let got = ask_when_due(&strategy, &gone, at).await;
        ensure!(matches!(got, Outcome::Denied(_)), "the logout did nothing: {got:?}");
    }
    contents::forget(&world.deps).await?;
    // A cache or a list in the process may live a while longer.
    world.take_effect(S::PROPERTIES.revoke);
    let (revoked, valid) = (ask(&strategy, &gone, at).await, ask(&strategy, &live, at).await);
    let admits = |outcome: &Outcome| matches!(outcome, Outcome::Admitted(_));
    let is_as_declared = match declared {
        FaultOutcome::Unaffected => admits(&valid) && (effect.is_none() || !admits(&revoked)),
        FaultOutcome::Closed => !admits(&valid) && !admits(&revoked),
        FaultOutcome::Revives => admits(&revoked),
        // What this node knew it keeps; what another had not heard of is lost to that one.
        FaultOutcome::Open => !admits(&revoked) && is_lost_to_another::<S>(world).await?,
        FaultOutcome::OpenFor(bound) => {
            let later = at.plus(bound.as_secs() + 1);
            !admits(&ask(&strategy, &gone, later).await)
        }
    };
    ensure!(is_as_declared, "declared {declared:?}; revoked: {revoked:?}, valid: {valid:?}");
    let again = log_in(&strategy, ALICE, world.now).await?;
    admitted("a login after the loss", &strategy, &again, ALICE, world.now).await?;
    Ok(Held::Shown)
}

/// Whether a node goes on admitting a credential that was taken back at another, when the store
/// loses that before this one has heard of it.
async fn is_lost_to_another<S: AuthStrategy>(world: &World) -> Result<bool, String> {
    let (home, other): (S, S) = (build(&world.deps).await?, build(&world.deps).await?);
    let gone = log_in(&home, CAROL, world.now).await?;
    log_out(&home, &gone, world.now).await?;
    contents::forget(&world.deps).await?;
    let at = world.take_effect(S::PROPERTIES.revoke).unwrap_or(world.now);
    let at_home = ask_when_due(&home, &gone, at).await;
    ensure!(matches!(at_home, Outcome::Denied(_)), "the logout did nothing: {at_home:?}");
    // What it could fetch since, it has fetched.
    tokio::time::sleep(DELIVERY_POLL).await;
    Ok(matches!(ask(&other, &gone, at).await, Outcome::Admitted(_)))
}

/// The same process started again with the same keys and the same store.
pub(super) async fn a_restart_is_as_declared<S: AuthStrategy>(world: &World) -> Verdict {
    let declared = S::PROPERTIES.faults.node_restart;
    let before: S = build(&world.deps).await?;
    let gone = log_in(&before, ALICE, world.now).await?;
    let live = log_in(&before, BOB, world.now).await?;
    log_out(&before, &gone, world.now).await?;
    drop(before);
    let after: S = build(&world.deps).await?;
    let effect = world.take_effect(S::PROPERTIES.revoke);
    let at = effect.unwrap_or(world.now);
    let (revoked, valid) = (ask_when_due(&after, &gone, at).await, ask(&after, &live, at).await);
    let admits = |outcome: &Outcome| matches!(outcome, Outcome::Admitted(_));
    let is_as_declared = match declared {
        FaultOutcome::Unaffected => admits(&valid) && (effect.is_none() || !admits(&revoked)),
        FaultOutcome::Closed => !admits(&valid) && !admits(&revoked),
        FaultOutcome::Revives | FaultOutcome::Open => admits(&revoked),
        FaultOutcome::OpenFor(bound) => {
            !admits(&ask(&after, &gone, at.plus(bound.as_secs() + 1)).await)
        }
    };
    ensure!(is_as_declared, "declared {declared:?}; revoked: {revoked:?}, valid: {valid:?}");
    let again = log_in(&after, ALICE, world.now).await?;
    admitted("a login after the restart", &after, &again, ALICE, world.now).await?;
    Ok(Held::Shown)
}
