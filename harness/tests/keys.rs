//! Verifiers that fetch their keys: the counts are exact, whatever the machine.

use authbench_harness::measure::spectrum::keys::{COOLDOWN_NS, WAVE_NS, measure};
use authbench_harness::record::spectrum::KeySeries;

const WAVES: u32 = 250;

#[test]
fn fetches_and_wrong_denials_follow_the_policy() {
    let found = measure(WAVES).unwrap();
    let of = |scenario: &str, policy: &str| -> &KeySeries {
        let is = |s: &&KeySeries| s.scenario == scenario && s.policy == policy;
        found.iter().find(is).unwrap()
    };
    for (scenario, policy, fetches, denied, new_key_after) in [
        ("steady", "naive", 1, 0, None),
        ("steady", "single-flight", 1, 0, None),
        ("steady", "cooldown", 1, 0, None),
        // Sixteen meet the new key at once.
        ("rotation", "naive", 17, 0, Some(0)),
        ("rotation", "single-flight", 2, 0, Some(0)),
        ("rotation", "cooldown", 2, 0, Some(0)),
        // Ten waves ask for a key that is not there, and fetch; then one more wave.
        ("rotation-late", "naive", 1 + 16 * 11, 160, Some(10)),
        ("rotation-late", "single-flight", 12, 160, Some(10)),
        // The fetch that found nothing bars the next one for a second.
        ("rotation-late", "cooldown", 3, 16 * 100, Some(100)),
        ("unknown-kid-flood", "naive", 2_001, 0, None),
        ("unknown-kid-flood", "single-flight", 251, 0, None),
        ("unknown-kid-flood", "cooldown", 3, 0, None),
        // Eight forged of each wave, and eight good ones of the wave that meets the new key.
        ("rotation-in-flood", "naive", 2_009, 0, Some(0)),
        ("rotation-in-flood", "single-flight", 251, 0, Some(0)),
        // The forger's fetches at 1 s and 2 s: in between no good token gets its key.
        ("rotation-in-flood", "cooldown", 3, 8 * 75, Some(75)),
    ] {
        let row = of(scenario, policy);
        let flooded = scenario.ends_with("flood");
        assert_eq!(row.fetches, fetches, "{row:?}");
        assert_eq!(row.valid_denied, denied, "{row:?}");
        assert_eq!(row.new_key_after_ns, new_key_after.map(|waves| waves * WAVE_NS), "{row:?}");
        assert_eq!(row.valid_presented, if flooded { 2_000 } else { 4_000 });
        assert_eq!(row.unknown_presented, if flooded { 2_000 } else { 0 });
        assert_eq!(row.unknown_admitted, 0, "{row:?}");
        assert_eq!(row.cooldown_ns, if policy == "cooldown" { COOLDOWN_NS } else { 0 });
    }
    assert_eq!(found.len(), 15);
}
