//! One test for each strategy and behaviour, by name: `SessionRedis::expiry_is_a_threshold`.

mod stage;

use authbench::conformance::{Behaviour, Held, check};
use authbench::strategy::StrategyKind;

/// Checks one behaviour of one strategy, and says so when there was nothing to check.
fn run(kind: StrategyKind, behaviour: Behaviour) {
    let _turn = stage::turn();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    runtime.block_on(async {
        let (name, rule) = (kind.name(), behaviour.name());
        let world = match stage::world(kind.properties().store).await {
            Ok(world) => world,
            Err(why) => return println!("skipped: {name}: {rule}: {why}"),
        };
        match check(kind, behaviour, world).await {
            Ok(Held::Shown) => {}
            Ok(Held::NotApplicable(why)) => println!("not applicable: {name}: {rule}: {why}"),
            Ok(Held::Skipped(why)) => println!("skipped: {name}: {rule}: {why}"),
            Err(what) => panic!("{name}: {rule}: {what}"),
        }
    });
}

macro_rules! behaviours {
    ($($module:ident $name:ident;)+) => {
        $(
            #[test]
            fn $name() {
                super::run(KIND, super::Behaviour::$name);
            }
        )+
    };
}

macro_rules! strategies {
    ($($kind:ident $name:literal $about:literal $strategy:ty;)+) => {
        $(
            mod $kind {
                const KIND: super::StrategyKind = super::StrategyKind::$kind;
                authbench::for_each_behaviour!(behaviours);
            }
        )+
    };
}
authbench::for_each_strategy!(strategies);
