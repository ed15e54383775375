//! Processes and what the system counted for them.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};

use crate::Failure;

/// CPU seconds, and MiB at the most.
pub struct Cost {
    pub cpu: f64,
    pub peak: f64,
}

/// Run to its end, which may be any of these exit statuses.
pub fn measure(command: &mut Command, well: &[i32]) -> Result<Cost, Failure> {
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let pid = i32::try_from(child.id())?;
    // Read to its end first: a full pipe would hold the process up.
    let mut words = String::new();
    if let Some(stderr) = child.stderr {
        stderr.take(1 << 20).read_to_string(&mut words)?;
    }
    let mut status = 0;
    // SAFETY: `usage` is plain numbers for which zero is valid, and both pointers live through the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        if libc::wait4(pid, &raw mut status, 0, &raw mut usage) != pid {
            return Err(std::io::Error::last_os_error().into());
        }
        usage
    };
    if !libc::WIFEXITED(status) || !well.contains(&libc::WEXITSTATUS(status)) {
        let end: String = words.chars().rev().take(2000).collect::<Vec<_>>().into_iter().rev().collect();
        return Err(format!("a run failed ({status}): {end}").into());
    }
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Ok(Cost { cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime), peak: usage.ru_maxrss as f64 / 1024.0 })
}

/// Killed when it is dropped.
pub struct Daemon {
    child: Child,
}

impl Daemon {
    pub fn start(mut command: Command) -> Result<Daemon, Failure> {
        Ok(Daemon { child: command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()? })
    }

    /// What it holds now, without what it shares, in MiB.
    pub fn memory(&mut self) -> Result<f64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).ok_or("the daemon has ended")?;
        let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kilobytes / 1024.0)
    }

    /// CPU seconds of all its threads up to now.
    pub fn cpu(&mut self) -> Result<f64, Failure> {
        // The clock of another process (clock_getcpuclockid(3)): its number inverted, and 2 for what the scheduler counts.
        let clock = (!i32::try_from(self.child.id())? << 3) | 2;
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is valid and lives through the call.
        if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
            return Err(std::io::Error::last_os_error().into());
        }
        Ok(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
    }

    pub fn stop(mut self) -> Result<(), Failure> {
        // SAFETY: kill(2) touches no memory of ours; the child is not reaped before `wait`.
        unsafe { libc::kill(i32::try_from(self.child.id())?, libc::SIGTERM) };
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the daemon ended with {status}").into()) }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
