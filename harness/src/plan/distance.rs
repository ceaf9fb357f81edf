//! How far away the store is put: the plan of the distance sweep.

use serde::Deserialize;

/// Further away than this an answer of Redis is an outage, by default 250 ms after its command.
const ROUND_TRIP_MAX_US: u64 = 200_000;

/// The table `[distance]` of a plan. Every key has a default.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SweepPlan {
    /// Fresh server processes and every window once in random order, this often.
    pub blocks: u32,
    /// Round trips that the delay line adds, ascending, microseconds; the first is 0.
    pub round_trips_us: Vec<u64>,
    /// Requests per second: few, so that nothing queues and a request is seen alone.
    pub rate_per_second: u64,
    /// Measured part of a window, milliseconds.
    pub window_ms: u64,
    /// Keep-alive connections per arm: many, so that no request waits for one.
    pub connections: u32,
    /// Strategies, by id; empty for every one of the plan that can be measured so.
    pub arms: Vec<String>,
    /// Sent and thrown away before a window, milliseconds.
    pub lead_in_ms: u64,
}

impl Default for SweepPlan {
    fn default() -> Self {
        Self {
            blocks: 5,
            round_trips_us: vec![0, 250, 500, 1_000, 2_000, 5_000, 20_000, 70_000],
            rate_per_second: 300,
            window_ms: 1_000,
            connections: 64,
            arms: Vec::new(),
            lead_in_ms: 50,
        }
    }
}

impl SweepPlan {
    /// Whether it can be measured.
    ///
    /// # Errors
    /// The first key that cannot be used, and what it must be.
    pub fn check(&self) -> Result<(), String> {
        let least = [
            ("blocks", u64::from(self.blocks), 1),
            ("rate_per_second", self.rate_per_second, 10),
            ("window_ms", self.window_ms, 100),
            ("connections", u64::from(self.connections), 1),
        ];
        for (key, value, least) in least {
            if value < least {
                return Err(format!("distance: `{key}` is {value}; it must be at least {least}"));
            }
        }
        let trips = &self.round_trips_us;
        if trips.first() != Some(&0) || trips.windows(2).any(|two| two[0] >= two[1]) {
            return Err(format!(
                "distance: `round_trips_us` is {trips:?}; it must begin with 0 and ascend"
            ));
        }
        let farthest_us = trips.last().copied().unwrap_or(0);
        if farthest_us > ROUND_TRIP_MAX_US {
            return Err(format!(
                "distance: `round_trips_us` goes to {farthest_us}; beyond {ROUND_TRIP_MAX_US} \
                 answers of Redis meet the servers' response timeout"
            ));
        }
        // Little's law, with as much again for bursts and the request's own time.
        let in_flight = self.rate_per_second * farthest_us / 1_000_000;
        if u64::from(self.connections) < 2 * in_flight {
            return Err(format!(
                "distance: `connections` is {}; {} requests per second over {farthest_us} µs keep \
                 {in_flight} of them busy, and it must be at least twice that, or requests queue",
                self.connections, self.rate_per_second
            ));
        }
        Ok(())
    }

    /// Milliseconds of planned measuring over `direct` arms and `stored` ones, which are measured
    /// at every distance.
    #[must_use]
    pub fn planned_ms(&self, direct: u64, stored: u64) -> u64 {
        let windows = direct + stored * (1 + self.round_trips_us.len() as u64);
        u64::from(self.blocks) * windows * (self.window_ms + self.lead_in_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SweepPlan, String> {
        let plan: SweepPlan = toml::from_str(text).map_err(|e| e.to_string())?;
        plan.check().map(|()| plan)
    }

    #[test]
    fn an_empty_table_is_the_default_and_keys_change_it() {
        assert_eq!(read("").unwrap(), SweepPlan::default());
        let own = read("blocks = 12\nround_trips_us = [0, 400]").unwrap();
        assert_eq!((own.blocks, own.round_trips_us), (12, vec![0, 400]));
        assert_eq!(SweepPlan { blocks: 2, ..SweepPlan::default() }.planned_ms(7, 3), 71_400);
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for (text, word) in [
            ("block = 3", "block"),
            ("blocks = 0", "blocks"),
            ("round_trips_us = []", "begin with 0"),
            ("round_trips_us = [100, 200]", "begin with 0"),
            ("round_trips_us = [0, 200, 200]", "ascend"),
            ("round_trips_us = [0, 300000]", "timeout"),
            ("connections = 8", "queue"),
            ("window_ms = 10", "window_ms"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
