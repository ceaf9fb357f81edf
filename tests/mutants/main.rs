//! Strategies that are broken on purpose, one flaw each, and the behaviour that finds the flaw.
//!
//! A suite that passes everything proves nothing. For each mutant exactly the named behaviours
//! fail and all others hold, so each name on the right is known to see what it claims to see.

#[path = "../stage/mod.rs"]
mod stage;

mod caches;
mod links;
mod renewals;
mod sessions;
mod tokens;

use std::collections::BTreeSet;

use authbench::conformance::{Behaviour, Held};
use authbench::strategy::contract::AuthStrategy;

/// Checks every behaviour of the mutant `S`, and demands that `expected` fail and no other.
fn only_these_fail<S: AuthStrategy>(expected: &[Behaviour]) {
    let _turn = stage::turn();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    runtime.block_on(async {
        let mut failed = BTreeSet::new();
        let mut said = String::new();
        for behaviour in Behaviour::ALL {
            let world = match stage::world(S::PROPERTIES.store).await {
                Ok(world) => world,
                Err(why) => return println!("skipped: {why}"),
            };
            match behaviour.check::<S>(&world).await {
                Ok(Held::Skipped(why)) => return println!("skipped: {why}"),
                Ok(_) => {}
                Err(what) => {
                    failed.insert(behaviour.name());
                    said += &format!("\n{}: {what}", behaviour.name());
                }
            }
        }
        let expected: BTreeSet<_> = expected.iter().map(|behaviour| behaviour.name()).collect();
        assert_eq!(failed, expected, "the behaviours said:{said}");
    });
}

/// One test for each mutant: its name, its type, and what finds it.
macro_rules! mutants {
    ($($name:ident: $mutant:ty => [$($behaviour:ident),*];)+) => {
        $(
            #[test]
            fn $name() {
                use authbench::conformance::Behaviour;
                let finders: &[Behaviour] = &[$(Behaviour::$behaviour),*];
                crate::only_these_fail::<$mutant>(finders);
            }
        )+
    };
}
use mutants;
