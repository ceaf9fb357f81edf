//! stub
use crate::record::run::Environment;
pub fn environment() -> Environment {
    Environment {
        cpu_model: None,
        arch: "x".into(),
        os: "x".into(),
        cores: 2,
        memory_bytes: None,
        virtualization: None,
        clocksource: None,
        governor: None,
        cpu_quota_millicores: None,
        load_before_milli: None,
        cpu_clock: "process-clock".into(),
        grade: "d".into(),
        grade_reasons: vec![],
        unknown: vec![],
    }
}
