//! The machine, for the record: what it is, and how much it allows to be said. No host name, no
//! user, no path.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::cpu;
use super::host::{self, linux_file};
use crate::record::run::Environment;

/// Above these shares of one core per core, in thousandths, other work already runs here.
const LOAD_LIMITS: [(u64, char); 3] = [(500, 'd'), (200, 'c'), (100, 'b')];
/// Clock sources that are read without entering the kernel or the hypervisor.
const FAST_CLOCKS: [&str; 4] =
    ["tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page"];

/// The machine as it is now: call it before any load.
#[must_use]
pub fn environment() -> Environment {
    let cpuinfo = linux_file(Path::new("/proc/cpuinfo")).unwrap_or_default();
    let first_line = |path: &str| {
        let text = linux_file(Path::new(path))?;
        text.lines().next().map(|line| line.trim().to_owned())
    };
    let cores = std::thread::available_parallelism()
        .map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX));
    let mut facts = Environment {
        cpu_model: cpuinfo_field(&cpuinfo, "model name"),
        arch: std::env::consts::ARCH.to_owned(),
        os: operating_system(),
        cores,
        memory_bytes: linux_file(Path::new("/proc/meminfo")).and_then(|text| memory_of(&text)),
        virtualization: virtualization(&cpuinfo),
        clocksource: first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        governor: first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        cpu_quota_millicores: quota(),
        load_before_milli: host::load_milli(),
        cpu_clock: cpu::process_clock_kind().to_owned(),
        grade: String::new(),
        grade_reasons: Vec::new(),
        unknown: Vec::new(),
    };
    facts.unknown = unknown(&facts);
    let (grade, reasons) = grade(&facts);
    facts.grade = grade.to_string();
    facts.grade_reasons = reasons;
    facts
}

/// The facts that could not be found out. No quota found is no quota: it is not among them.
fn unknown(facts: &Environment) -> Vec<String> {
    let known = [
        ("cpu_model", facts.cpu_model.is_some()),
        ("memory_bytes", facts.memory_bytes.is_some()),
        ("virtualization", facts.virtualization.is_some()),
        ("clocksource", facts.clocksource.is_some()),
        ("governor", facts.governor.is_some()),
        ("load_before_milli", facts.load_before_milli.is_some()),
    ];
    known.iter().filter(|(_, known)| !known).map(|(name, _)| (*name).to_owned()).collect()
}

/// The worst of what speaks against the machine, `a` when nothing does, and all of it in words.
fn grade(facts: &Environment) -> (char, Vec<String>) {
    let mut against = Vec::new();
    match facts.cores {
        1 => against.push(('d', "one core: driver, server and store take turns".to_owned())),
        n @ 2..=3 => {
            against.push(('c', format!("{n} cores: driver, server and store share them")));
        }
        _ => {}
    }
    if let Some(quota) = facts.cpu_quota_millicores {
        against.push(('c', format!("a CPU quota of {quota} thousandths of a core throttles it")));
    }
    if let Some(kind @ ("vm" | "container")) = facts.virtualization.as_deref() {
        against.push(('b', format!("a {kind}: the host can take time away")));
    }
    if let Some(load) = facts.load_before_milli {
        let per_core = load / u64::from(facts.cores.max(1));
        if let Some((_, grade)) = LOAD_LIMITS.iter().find(|(limit, _)| per_core > *limit) {
            against.push((*grade, format!("other work ran before the start: load {load}/1000")));
        }
    }
    match facts.governor.as_deref() {
        None | Some("performance") => {}
        Some(other) => against.push(('b', format!("frequency governor `{other}`"))),
    }
    match facts.clocksource.as_deref() {
        Some(clock) if !FAST_CLOCKS.contains(&clock) => {
            against.push(('c', format!("slow clock source `{clock}`")));
        }
        _ => {}
    }
    if facts.cpu_clock != "process-clock" {
        against.push(('c', "CPU time is what each server reports of itself".to_owned()));
    }
    if facts.unknown.len() > 3 {
        against.push(('b', format!("unknown: {}", facts.unknown.join(", "))));
    }
    let worst = against.iter().map(|(grade, _)| *grade).max().unwrap_or('a');
    (worst, against.into_iter().map(|(_, reason)| reason).collect())
}

fn operating_system() -> String {
    let release = linux_file(Path::new("/proc/sys/kernel/osrelease")).or_else(|| {
        let output = Command::new("uname").arg("-r").output().ok()?;
        String::from_utf8(output.stdout).ok()
    });
    format!("{} {}", std::env::consts::OS, release.unwrap_or_default().trim()).trim().to_owned()
}

fn cpuinfo_field(cpuinfo: &str, name: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

/// A hypervisor shows in the processor's flags (x86), in the firmware's names, or to Xen's guests;
/// a container in the files its runtime leaves.
fn virtualization(cpuinfo: &str) -> Option<String> {
    const VENDORS: [&str; 9] =
        ["QEMU", "KVM", "Amazon EC2", "Google", "VMware", "Xen", "innotek", "Microsoft", "Alibaba"];
    let flags = cpuinfo_field(cpuinfo, "flags");
    let firmware = linux_file(Path::new("/sys/class/dmi/id/sys_vendor"));
    let hypervisor = flags.as_ref().is_some_and(|f| f.split(' ').any(|flag| flag == "hypervisor"))
        || firmware.as_ref().is_some_and(|v| VENDORS.iter().any(|name| v.starts_with(name)))
        || linux_file(Path::new("/sys/hypervisor/type")).is_some();
    let container = ["/.dockerenv", "/run/.containerenv"].iter().any(|f| Path::new(f).exists());
    let kind = match (hypervisor, container) {
        (true, _) => "vm",
        (false, true) => "container",
        (false, false) if flags.is_some() || firmware.is_some() => "none",
        (false, false) => return None,
    };
    Some(kind.to_owned())
}

/// The quota of this process's control group, in thousandths of a core: version 2, then 1.
fn quota() -> Option<u64> {
    let groups = linux_file(Path::new("/proc/self/cgroup"))?;
    let path_of = |prefix: &str| {
        let found = groups.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            rest.strip_prefix(prefix)?.strip_prefix(":/")
        });
        found.unwrap_or_default().to_owned()
    };
    let version_2 = PathBuf::from("/sys/fs/cgroup").join(path_of("")).join("cpu.max");
    if let Some(text) = linux_file(&version_2) {
        return quota_of(&text);
    }
    let folder = PathBuf::from("/sys/fs/cgroup/cpu").join(path_of("cpu"));
    let quota = linux_file(&folder.join("cpu.cfs_quota_us"))?;
    let period = linux_file(&folder.join("cpu.cfs_period_us"))?;
    quota_of(&format!("{} {}", quota.trim(), period.trim()))
}

/// `quota period` in microseconds; `max` or a negative quota is none.
fn quota_of(text: &str) -> Option<u64> {
    let mut fields = text.split_ascii_whitespace().map(str::parse::<u64>);
    let quota = fields.next()?.ok()?;
    let period = fields.next()?.ok()?;
    (quota * 1_000).checked_div(period)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Environment {
        Environment {
            cpu_model: Some("model".into()),
            arch: "x86_64".into(),
            os: "linux 6".into(),
            cores: 8,
            memory_bytes: Some(1),
            virtualization: Some("none".into()),
            clocksource: Some("tsc".into()),
            governor: Some("performance".into()),
            cpu_quota_millicores: None,
            load_before_milli: Some(100),
            cpu_clock: "process-clock".into(),
            grade: String::new(),
            grade_reasons: Vec::new(),
            unknown: Vec::new(),
        }
    }

    #[test]
    fn the_grade_is_the_worst_of_what_speaks_against_the_machine() {
        assert_eq!(grade(&good()), ('a', Vec::new()));
        let cases: [(Environment, char); 8] = [
            (Environment { cores: 1, ..good() }, 'd'),
            (Environment { cores: 2, load_before_milli: Some(0), ..good() }, 'c'),
            (Environment { virtualization: Some("vm".into()), ..good() }, 'b'),
            (Environment { load_before_milli: Some(4_008), ..good() }, 'd'),
            (Environment { load_before_milli: Some(900), ..good() }, 'b'),
            (Environment { cpu_clock: "self-reported".into(), ..good() }, 'c'),
            (Environment { clocksource: Some("hpet".into()), ..good() }, 'c'),
            (Environment { cpu_quota_millicores: Some(1_500), ..good() }, 'c'),
        ];
        for (facts, expected) in cases {
            let (worst, reasons) = grade(&facts);
            assert_eq!((worst, reasons.len()), (expected, 1), "{reasons:?}");
        }
    }

    #[test]
    fn files_are_read_by_their_format() {
        assert_eq!(quota_of("150000 100000\n"), Some(1_500));
        assert_eq!(quota_of("max 100000\n"), None);
        assert_eq!(quota_of("-1 100000"), None);
        assert_eq!(memory_of("MemTotal:       16 kB\nMemFree: 1 kB\n"), Some(16_384));
        let model = cpuinfo_field("processor\t: 0\nmodel name\t: Some CPU\n", "model name");
        assert_eq!(model.as_deref(), Some("Some CPU"));
    }

    #[test]
    fn this_machine_has_a_grade() {
        let facts = environment();
        assert!(["a", "b", "c", "d"].contains(&facts.grade.as_str()));
        assert_eq!(facts.grade == "a", facts.grade_reasons.is_empty());
        assert!(facts.cores >= 1);
    }
}
