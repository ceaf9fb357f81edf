//! Processes below one of ours, the ports they listen on, their memory. Nothing where there is no
//! `/proc`.

/// Every process below `parent`, theirs included.
#[must_use]
pub fn descendants(parent: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let children: Vec<u32> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| status_field(*pid, "PPid") == Some(parent.to_string()))
        .collect();
    children.iter().copied().chain(children.iter().flat_map(|c| descendants(*c))).collect()
}

/// Whether a process has ended; one that waits for its reaper has.
#[must_use]
pub fn is_gone(pid: u32) -> bool {
    status_field(pid, "State").is_none_or(|state| state.starts_with(['Z', 'X']))
}

/// The memory of a process that is in RAM, bytes.
#[must_use]
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let text = status_field(pid, "VmRSS")?;
    Some(text.strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1_024)
}

/// A field of `/proc/PID/status` (proc_pid_status(5)).
fn status_field(pid: u32, name: &str) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

/// The TCP ports a process listens on.
#[cfg(target_os = "linux")]
#[must_use]
pub fn listening_ports(pid: u32) -> Vec<u16> {
    use procfs::net::{TcpState, tcp};
    use procfs::process::{FDTarget, Process};

    let open = || {
        let process = Process::new(i32::try_from(pid).ok()?).ok()?;
        let files = process.fd().ok()?.flatten();
        let sockets: Vec<u64> = files
            .filter_map(|file| match file.target {
                FDTarget::Socket(inode) => Some(inode),
                _ => None,
            })
            .collect();
        let listening = tcp().ok()?.into_iter().filter(|entry| entry.state == TcpState::Listen);
        let own = listening.filter(|entry| sockets.contains(&entry.inode));
        Some(own.map(|entry| entry.local_address.port()).collect())
    };
    open().unwrap_or_default()
}

/// Unknown on this system.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn listening_ports(_pid: u32) -> Vec<u16> {
    Vec::new()
}
