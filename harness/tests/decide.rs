//! The decision: who is out, who is best, what flips it; and the same from the page's script.

use std::path::{Path, PathBuf};
use std::process::Command;

use authbench_harness::decide::choice::{choose, decide_by, rank};
use authbench_harness::decide::constraints::contradiction;
use authbench_harness::decide::figures::Figures;
use authbench_harness::decide::workload::{Encoder, PRESETS, StoreDown, Workload};
use serde_json::{Value, json};

/// Figures of a kept record, as they stood once: what is tested is the model, not the machine.
const FIGURES: &str = include_str!("golden/figures.json");
/// What the model made of them.
const GOLDEN: &str = include_str!("golden/ranked.json");

fn figures() -> Figures {
    serde_json::from_str(FIGURES).expect("the golden figures can be read")
}

/// The presets, and each with one input turned far.
fn workloads() -> Vec<Workload> {
    let mut all = Vec::new();
    for (name, _) in PRESETS {
        let preset = Workload::preset(name).unwrap();
        let turned = [
            ("store_rtt_ms", 70.0),
            ("lifetime_s", 10.0),
            ("nodes", 1.0),
            ("burst", 3.0),
            ("claims_bytes", 900.0),
            ("claims_bytes", 3_600.0),
            ("claims_bytes", 9_000.0),
            ("application_ms", 0.05),
            ("internal_hops", 2.0),
            ("period_s", 30.0),
            ("memory_gib", 40.0),
            ("session_s", 60.0),
            ("traffic_gib", 0.1),
            ("lag_limit_s", 0.5),
            ("requests_per_second", 1.0),
            ("requests_per_second", 1e7),
        ];
        all.extend(turned.map(|(key, value)| preset.with(key, value)));
        all.push(preset);
    }
    let mut other = Workload::preset("spa-backend").unwrap().with("leeway_s", 30.0);
    (other.encoder, other.utilisation) = (Encoder::Http1, 0.3);
    other.demands.lag_limit_partition_s = Some(2.0);
    other.demands.stores = Some(vec!["redis".into()]);
    all.push(other.with("sessions", 10.0));
    other.encoder = Encoder::NeverIndexed;
    other.demands.no_revival = true;
    all.push(other);
    all
}

/// Of the best so many every figure is compared.
const COMPARED: usize = 10;

/// What is compared: the order of all, and every figure of the best.
fn ranked(figures: &Figures, workload: &Workload) -> Value {
    let all = rank(figures, workload);
    let order: Vec<String> = all.iter().map(|a| a.strategy.clone()).collect();
    let rows: Vec<Value> = all
        .into_iter()
        .take(COMPARED)
        .map(|a| {
            json!({
                "strategy": a.strategy, "cpu_ns": a.cpu_ns, "cores": a.cores,
                "share_percent": a.share_percent, "store_operations": a.store_operations,
                "request_bytes": a.request_bytes, "memory_bytes": a.memory_bytes,
                "latency_ns": a.latency_ns, "lag": a.lag, "monthly": a.monthly,
                "broken": a.broken,
            })
        })
        .collect();
    json!({ "workload": workload, "order": order, "ranked": rows })
}

/// Whether two agree: numbers to a part in a thousand million, everything else exactly.
fn agree(a: &Value, b: &Value, at: &str) -> Result<(), String> {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => {
            let (x, y) = (x.as_f64().unwrap(), y.as_f64().unwrap());
            let near = (x - y).abs() <= 1e-9 * x.abs().max(y.abs()).max(1e-9);
            if near { Ok(()) } else { Err(format!("{at}: {x} and {y}")) }
        }
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => x
            .iter()
            .zip(y)
            .enumerate()
            .try_for_each(|(i, (x, y))| agree(x, y, &format!("{at}/{i}"))),
        (Value::Object(x), Value::Object(y)) => x.iter().try_for_each(|(key, value)| {
            agree(value, y.get(key).unwrap_or(&Value::Null), &format!("{at}/{key}"))
        }),
        _ if a == b => Ok(()),
        _ => {
            let short = |value: &Value| value.to_string().chars().take(80).collect::<String>();
            Err(format!("{at}: {} and {}", short(a), short(b)))
        }
    }
}

#[test]
fn the_model_gives_the_golden_vectors() {
    let figures = figures();
    let all: Vec<Value> = workloads().iter().map(|w| ranked(&figures, w)).collect();
    let all = Value::Array(all);
    let golden: Value = serde_json::from_str(GOLDEN).unwrap_or(Value::Null);
    if let Err(what) = agree(&golden, &all, "") {
        let now = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ranked.json");
        std::fs::write(&now, serde_json::to_string(&all).unwrap()).unwrap();
        panic!("{what}; if the model was meant to change, take over {}", now.display());
    }
}

/// A program that runs scripts: Node, by its name.
fn node() -> Option<PathBuf> {
    let found = Command::new("node").arg("--version").output().is_ok_and(|o| o.status.success());
    found.then(|| PathBuf::from("node"))
}

#[test]
fn the_script_of_the_page_gives_the_golden_vectors() {
    let Some(node) = node() else {
        return println!("skipped: no `node` was found to run the page's script with");
    };
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("check.js");
    let model = include_str!("../templates/model.js");
    let check = "const fs = require('fs');
        const figures = JSON.parse(fs.readFileSync(process.argv[2]));
        const golden = JSON.parse(fs.readFileSync(process.argv[3]));
        const all = golden.map((one) => {
          const ranked = authbench.rank(figures, one.workload);
          return { workload: one.workload, order: ranked.map((a) => a.strategy),
            ranked: ranked.slice(0, one.ranked.length) }; });
        fs.writeSync(1, JSON.stringify(all));";
    std::fs::write(&script, format!("{model}\n{check}")).unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let output = Command::new(node)
        .arg(&script)
        .args([golden.join("figures.json"), golden.join("ranked.json")])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let script: Value = serde_json::from_slice(&output.stdout).unwrap();
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    // The negative control: a figure that is off by a part in a million is seen.
    let mut wrong = golden.clone();
    let figure = wrong.pointer_mut("/0/ranked/0/monthly/value").unwrap();
    *figure = json!(figure.as_f64().unwrap() * 1.000_001);
    assert!(agree(&wrong, &script, "").is_err());
    agree(&golden, &script, "").unwrap();
}

#[test]
fn crossing_a_printed_flip_flips_the_answer() {
    let figures = figures();
    let mut crossed = 0;
    for (name, _) in PRESETS {
        let workload = Workload::preset(name).unwrap();
        let decision = decide_by(&figures, &workload);
        for flip in &decision.flips {
            let now = flip.now.unwrap_or(flip.at * 10.0);
            let up = flip.at >= now;
            let beyond = flip.at * if up { 1.000_001 } else { 0.999_999 };
            // Some flip at a hair from where they are.
            let hair = (now - flip.at).abs() < 1e-6 * now;
            let before = if hair { now } else { flip.at + (now - flip.at) * 1e-3 };
            let choice = |value| choose(&figures, &workload.with(&flip.input, value));
            assert_eq!(choice(beyond), flip.becomes, "{name}: {flip:?}");
            assert_eq!(choice(before), decision.choice, "{name}: {flip:?}");
            crossed += 1;
        }
    }
    assert!(crossed >= 6, "{crossed} flips in all presets");
}

#[test]
fn demands_that_exclude_each_other_are_named() {
    let mut workload = Workload::preset("single-web-app").unwrap();
    workload.demands.third_party = true;
    let decision = decide_by(&figures(), &workload);
    assert_eq!(decision.choice, None);
    let named = &decision.contradiction;
    assert!(named.contains(&"third_party".to_owned()) && named.len() >= 2, "{named:?}");
    // They are the fewest: without any one of them somebody is left.
    for name in named {
        let mut rest = decision.assessments.clone();
        rest.iter_mut().for_each(|a| a.broken.retain(|b| named.contains(b) && b != name));
        assert!(contradiction(&rest).is_empty(), "{name} does not matter");
    }
}

#[test]
fn a_deadline_and_a_store_that_is_down_exclude_who_they_must() {
    let figures = figures();
    let all = Workload { nodes: 2.0, ..Workload::default() };
    let broken = |workload: &Workload, id: &str| {
        let found = rank(&figures, workload);
        found.into_iter().find(|a| a.strategy == id).unwrap().broken
    };
    let soon = all.with("lag_limit_s", 1.0);
    assert!(broken(&soon, "session-redis").is_empty());
    assert!(broken(&soon, "session-redis-l1").is_empty());
    assert_eq!(broken(&soon, "jwt-hs256"), ["lag_limit_s"]);
    let sooner = all.with("lag_limit_s", 0.5);
    assert_eq!(broken(&sooner, "session-redis-l1"), ["lag_limit_s"]);
    let mut on = all.clone();
    on.demands.store_down = StoreDown::GoesOn;
    assert_eq!(broken(&on, "session-redis"), ["store_down"]);
    assert!(broken(&on, "jwt-hs256").is_empty());
    assert_eq!(broken(&all, "session-memory"), ["nodes"]);
}

#[test]
fn what_was_not_measured_is_said_and_not_guessed() {
    let mut figures = figures();
    for facts in &mut figures.strategies {
        if facts.declared.store.as_deref() == Some("redis") {
            (facts.cpu_ns, facts.p50_ns, facts.commands) = (None, None, None);
            facts.cpu_by_rate.clear();
        }
    }
    let workload = Workload::preset("single-web-app").unwrap();
    let all = rank(&figures, &workload);
    let redis = all.iter().find(|a| a.strategy == "session-redis").unwrap();
    assert_eq!((redis.cores, redis.monthly, redis.latency_ns), (None, None, None));
    assert!(redis.missing.iter().any(|what| what.contains("authbench run")), "{redis:?}");
    // Who has a price comes first, whatever else is true.
    assert_eq!(choose(&figures, &workload).as_deref(), Some("session-postgres"));
}

#[test]
fn a_rate_that_was_not_measured_has_no_price() {
    let figures = figures();
    let highest = figures.none_by_rate.last().unwrap().per_second;
    let preset = Workload::preset("single-web-app").unwrap();
    let at = |per_node: f64| preset.with("requests_per_second", per_node * preset.nodes);
    let redis = |figures: &Figures, workload: &Workload| {
        rank(figures, workload).into_iter().find(|a| a.strategy == "session-redis").unwrap()
    };
    let above = redis(&figures, &at(highest * 1.2));
    assert_eq!((above.cores, above.monthly, above.share_percent), (None, None, None));
    let said = above.missing.join("; ");
    assert!(said.contains(&format!("measured up to {highest:.0}/s")), "{said}");
    assert!(redis(&figures, &at(highest * 1.05)).monthly.is_some());
    // Below the lowest there is a law, as long as it was checked.
    let low = at(0.25);
    let below = redis(&figures, &low);
    let lowest = &figures.of("session-redis").unwrap().cpu_by_rate[0];
    let law = figures.idle_law.as_ref().unwrap();
    assert_eq!(below.cpu_ns, Some(law.around(lowest.cpu_ns.is)));
    assert!(below.laws.iter().any(|law| law.contains("CPU per request stays")), "{below:?}");
    let unchecked = Figures { idle_law: None, ..figures.clone() };
    let without = redis(&unchecked, &low);
    assert_eq!(without.monthly, None);
    assert!(without.missing.join("; ").contains("measured from"), "{without:?}");
    // And no flip is printed from beyond what was measured.
    for (name, _) in PRESETS {
        let workload = Workload::preset(name).unwrap();
        for flip in decide_by(&figures, &workload).flips {
            let there = workload.with(&flip.input, flip.at);
            assert!(there.per_node() <= highest * 1.1, "{name}: {flip:?}");
        }
    }
}

#[test]
fn what_is_remembered_helps_as_far_as_there_is_room_and_time_for_it() {
    let figures = figures();
    let preset = Workload::preset("single-web-app").unwrap();
    let cpu = |workload: &Workload, id: &str| {
        let all = rank(&figures, workload);
        all.into_iter().find(|a| a.strategy == id).unwrap().cpu_ns.unwrap().value
    };
    for (id, asks) in [
        ("session-redis-tracked", "session-redis"),
        ("session-redis-l1", "session-redis"),
        ("jwt-verified-cache", "jwt-es256"),
    ] {
        // A hundred busy clients, and a crowd each of whom comes once.
        let few = preset.with("sessions", 100.0).with("burst", 50.0);
        let crowd = preset.with("sessions", 1e9).with("burst", 1.0);
        assert!(cpu(&few, id) < 0.5 * cpu(&few, asks), "{id}");
        let share = cpu(&crowd, id) / cpu(&crowd, asks);
        assert!((0.99..=1.01).contains(&share), "{id}: {share}");
    }
}
