//! What a process has used so far, read from `/proc`.

#![allow(dead_code)] // Each benchmark uses its own part.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

type Failure = Box<dyn Error>;

/// Of `utime` and `stime` in `/proc/<pid>/stat`: `USER_HZ`, 100 on every Linux there is.
const TICKS_PER_SECOND: f64 = 100.0;

/// Its state, such as 'Z' once it has ended, and its user and system time in seconds.
pub fn state_and_cpu(pid: u32) -> Result<(char, f64), Failure> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may hold anything.
    let (_, rest) = stat.rsplit_once(") ").ok_or("an odd /proc/<pid>/stat")?;
    let fields: Vec<_> = rest.split(' ').collect();
    let ticks = |field: usize| fields.get(field).and_then(|ticks| ticks.parse::<f64>().ok()).ok_or("an odd /proc/<pid>/stat");
    let state = rest.chars().next().ok_or("an odd /proc/<pid>/stat")?;
    Ok((state, (ticks(11)? + ticks(12)?) / TICKS_PER_SECOND))
}

pub fn cpu_seconds(pid: u32) -> Result<f64, Failure> {
    Ok(state_and_cpu(pid)?.1)
}

/// CPU seconds of its threads, by their names.
pub fn threads(pid: u32) -> Result<BTreeMap<String, f64>, Failure> {
    let mut threads = BTreeMap::new();
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?.path();
        // A thread may end while it is looked at.
        let (Ok(name), Ok(times)) = (std::fs::read_to_string(task.join("comm")), std::fs::read_to_string(task.join("schedstat"))) else {
            continue;
        };
        let on_cpu_ns: f64 = times.split(' ').next().unwrap_or_default().parse()?;
        *threads.entry(name.trim().to_owned()).or_default() += on_cpu_ns / 1e9;
    }
    Ok(threads)
}

/// A thread of this process, of which Linux says how long it stood in a run queue: ready, and without a core.
pub struct Thread {
    schedstat: PathBuf,
}

impl Thread {
    pub fn current() -> Result<Self, Failure> {
        Ok(Self { schedstat: Path::new("/proc").join(std::fs::read_link("/proc/thread-self")?).join("schedstat") })
    }

    pub fn queued_seconds(&self) -> Result<f64, Failure> {
        let times = std::fs::read_to_string(&self.schedstat)?;
        let queued_ns: f64 = times.split(' ').nth(1).ok_or("an odd schedstat")?.parse()?;
        Ok(queued_ns / 1e9)
    }
}

/// The thread of this process with that name.
pub fn thread_named(name: &str) -> Result<Thread, Failure> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name) {
            return Ok(Thread { schedstat: task.join("schedstat") });
        }
    }
    Err(format!("no thread is called {name}").into())
}

/// CPU seconds of the calling thread, to the nanosecond.
pub fn thread_cpu_seconds() -> f64 {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}

/// Resident memory now and at most, in MiB.
pub fn rss_mib(pid: u32) -> Result<(f64, f64), Failure> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    let mib = |key: &str| kib(key).map(|kib| kib / 1024.0).ok_or_else(|| format!("no {key} of the process"));
    Ok((mib("VmRSS:")?, mib("VmHWM:")?))
}
