//! nginx is stopped, started again, and replaced by a new master, as operators do it.

use std::process::{Command, Stdio};

use crate::nginx::{Nginx, children, wait_for};

impl Nginx {
    /// Ends nginx by a signal to its master (SIGKILL: and to its workers) and starts it again with this
    /// configuration, on the same port and in the same directory.
    ///
    /// # Panics
    /// When it does not end, or not start again.
    pub fn restart(&mut self, signal: i32, http: &str) {
        let workers = self.workers();
        self.signal(self.master(), signal);
        self.wait_until_gone(self.master());
        let gone = || workers.iter().all(|pid| !is_running(*pid)).then_some(());
        if signal == libc::SIGKILL {
            for pid in &workers {
                kill(*pid, signal);
            }
        }
        wait_for(gone).expect("the workers end");
        self.launch(http);
    }

    /// The same, as a daemon: a master whose parent is there still ignores SIGUSR2.
    ///
    /// # Panics
    /// When it does not end, or not start again.
    pub fn restart_as_daemon(&mut self, http: &str) {
        self.signal(self.master(), libc::SIGQUIT);
        self.wait_until_gone(self.master());
        self.launch_daemon(http);
    }

    /// A new master beside the old one (SIGUSR2), whose workers serve alone once the old one was told to quit;
    /// `between` happens before that. For a daemon only.
    ///
    /// # Panics
    /// When a step does not come to its end.
    pub fn upgrade(&mut self, between: impl FnOnce()) {
        let old = self.master();
        kill(old, libc::SIGUSR2);
        let new = wait_for(|| self.noted_master().filter(|pid| *pid != old && is_running(*pid)));
        let new = new.unwrap_or_else(|| panic!("no new master:\n{}", self.error_log()));
        wait_for(|| (children(new).len() == self.size()).then_some(())).expect("new workers");
        between();
        kill(old, libc::SIGQUIT);
        self.wait_until_gone(old);
        self.adopt(new);
    }

    /// The process that nginx's pid file names.
    pub(crate) fn noted_master(&self) -> Option<u32> {
        self.read("nginx.pid").trim().parse().ok()
    }
}

/// Sends a signal; a process that is gone already is none to complain about.
pub(crate) fn kill(pid: u32, signal: i32) {
    let _ = Command::new("kill")
        .arg(format!("-{signal}"))
        .arg(pid.to_string())
        .stderr(Stdio::null())
        .status();
}

/// Whether there is such a process, other than as a zombie.
pub(crate) fn is_running(pid: u32) -> bool {
    crate::nginx::state_and_parent(pid).is_some_and(|(state, _)| state != "Z")
}
