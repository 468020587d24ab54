//! What the pages work with beside the store.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, watch};

use super::now::{Seat, Seats};
use crate::config::DashboardSection;
use crate::user::{Attempts, Lifetime, form_token};

/// Passwords that are hashed at a time: each takes 19 MiB and a core.
const HASHERS: usize = 2;

/// Settings, and what is remembered until the daemon ends.
#[derive(Debug)]
pub struct Dashboard {
    /// `[dashboard]`
    pub settings: DashboardSection,
    /// Places to hash a password at.
    pub hashers: Semaphore,
    seats: Arc<Seats>,
    stop: watch::Sender<bool>,
    key: [u8; 32],
    attempts: Mutex<Attempts>,
}

impl Dashboard {
    /// Of a configuration.
    pub fn new(settings: &DashboardSection) -> Dashboard {
        Dashboard {
            settings: settings.clone(),
            hashers: Semaphore::new(HASHERS),
            seats: Arc::default(),
            stop: watch::Sender::new(false),
            key: rand::random(),
            attempts: Mutex::default(),
        }
    }

    /// How long sessions last.
    pub fn lifetime(&self) -> Lifetime {
        Lifetime {
            whole: self.settings.session_hours * 3600,
            idle: self.settings.idle_minutes * 60,
        }
    }

    /// The token of forms for somebody who has no session of ours.
    pub fn form_token(&self, whose: &str) -> String {
        form_token(&self.key, whose)
    }

    /// A seat for a page of somebody that is live; `None` when there are as many as there may be.
    pub fn seat(&self, whose: &str) -> Option<Seat> {
        self.seats.take(whose)
    }

    /// Ends the pages that are live: the daemon ends.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Becomes true when the daemon ends.
    pub fn stopped(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Notes a try to log in; seconds to wait before it may be made.
    pub fn attempt(&self, name: &str, address: IpAddr, now: u32) -> Option<u32> {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.begin(name, address, now)
    }

    /// A try was right.
    pub fn succeeded(&self, name: &str, address: IpAddr) {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.succeeded(name, address);
    }
}
