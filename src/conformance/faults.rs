//! Faults: what becomes of requests is declared, and the declaration is true.

use redis::cmd;

use super::revocation::log_out;
use super::{
    ALICE, BOB, Held, Outcome, Verdict, World, admitted, another, ask, ask_when_due, build, ensure,
    log_in,
};
use crate::credential::Credential;
use crate::error::AuthError;
use crate::identity::SubjectId;
use crate::strategy::contract::{AuthStrategy, FaultOutcome, Revocation, Uses};

const NOT_OURS: Held = Held::Skipped("it would stop or empty a Redis that is not the suite's own");

/// A valid credential while the store is silent: the outcome as declared, and no logout is
/// acknowledged that did not happen.
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
        if S::PROPERTIES.needs_redis() {
            return Ok(NOT_OURS);
        }
        ensure!(declared == FaultOutcome::Unaffected, "it has no store, and declares {declared:?}");
        return Ok(Held::Shown);
    };
    server.freeze();
    let silent = during_silence(&strategy, (&during, &leaver), world).await;
    server.thaw();
    silent.map_err(|what| format!("frozen: {what}"))?;
    let whose = if S::PROPERTIES.uses == Uses::Once { after } else { ALICE };
    admitted("after the fault", &strategy, &later, whose, world.now).await?;
    server.kill();
    during_silence(&strategy, (&at_last, &leaver), world)
        .await
        .map_err(|what| format!("dead: {what}"))?;
    Ok(Held::Shown)
}

async fn during_silence<S: AuthStrategy>(
    strategy: &S,
    (text, leaver): (&str, &str),
    world: &World,
) -> Result<(), String> {
    // What a cache still remembers is good for as long as is promised, or declared beyond that.
    world.take_effect(S::PROPERTIES.revoke);
    if let FaultOutcome::OpenFor(bound) = S::PROPERTIES.faults.store_down {
        world.clock.advance(bound);
    }
    let got = ask(strategy, text, world.now).await;
    let is_as_declared = match S::PROPERTIES.faults.store_down {
        FaultOutcome::Closed | FaultOutcome::OpenFor(_) => got == Outcome::Unavailable,
        FaultOutcome::Unaffected | FaultOutcome::Open | FaultOutcome::Revives => {
            matches!(got, Outcome::Admitted(_))
        }
    };
    ensure!(is_as_declared, "declared {:?}, got {got:?}", S::PROPERTIES.faults.store_down);
    if S::PROPERTIES.faults.store_down != FaultOutcome::Closed {
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
    let handle = match (&world.deps.redis, &world.server) {
        (Some(handle), Some(_)) => handle,
        _ if S::PROPERTIES.needs_redis() => return Ok(NOT_OURS),
        _ => {
            ensure!(declared == FaultOutcome::Unaffected, "it has no store: {declared:?}");
            return Ok(Held::Shown);
        }
    };
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
    handle.query::<()>(&cmd("FLUSHALL")).await.map_err(|e| e.to_string())?;
    // A cache or a list in the process may live a while longer.
    world.take_effect(S::PROPERTIES.revoke);
    let (revoked, valid) = (ask(&strategy, &gone, at).await, ask(&strategy, &live, at).await);
    let admits = |outcome: &Outcome| matches!(outcome, Outcome::Admitted(_));
    let is_as_declared = match declared {
        FaultOutcome::Unaffected => admits(&valid) && (effect.is_none() || !admits(&revoked)),
        FaultOutcome::Closed => !admits(&valid) && !admits(&revoked),
        FaultOutcome::Revives | FaultOutcome::Open => admits(&revoked),
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
