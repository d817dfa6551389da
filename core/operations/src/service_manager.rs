//! Notices for the service manager that has started this process: systemd, or another one that speaks its protocol.
//!
//! Without one, and on systems that have none, every call does nothing. A notice that cannot be sent is no reason to
//! stop: a manager that misses it restarts the program.

use std::time::Duration;

/// The service manager of this process.
#[derive(Debug)]
pub struct ServiceManager {
    /// The text that it has shown last.
    status: String,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// Asks which notices the service manager expects.
    pub fn from_environment() -> Self {
        Self { status: String::new(), watchdog: watchdog() }
    }

    /// The longest time between two signs of life, if the manager expects any: half of what it grants.
    pub fn sign_of_life_interval(&self) -> Option<Duration> {
        self.watchdog.map(|granted| granted / 2)
    }

    /// Says that the program works, from now on or again after a reload.
    pub fn ready() {
        #[cfg(target_os = "linux")]
        send(&[sd_notify::NotifyState::Ready]);
    }

    /// Says that the program reads its configuration again.
    pub fn reloading() {
        #[cfg(target_os = "linux")]
        {
            use sd_notify::NotifyState;
            // The manager tells with the time an old notice from one that answers its request.
            if let Ok(now) = NotifyState::monotonic_usec_now() {
                send(&[NotifyState::Reloading, now]);
            }
        }
    }

    /// Says that the program ends.
    pub fn stopping() {
        #[cfg(target_os = "linux")]
        send(&[sd_notify::NotifyState::Stopping]);
    }

    /// Gives a sign of life, and a new text for `systemctl status` if it has changed.
    pub fn alive(&mut self, status: &str) {
        #[cfg(target_os = "linux")]
        {
            use sd_notify::NotifyState;
            if self.watchdog.is_some() {
                send(&[NotifyState::Watchdog]);
            }
            if self.status != status {
                send(&[NotifyState::Status(status)]);
            }
        }
        status.clone_into(&mut self.status);
    }

    /// Gives signs of life for as long as this is polled.
    pub async fn keep_alive(&mut self, status: &str) {
        loop {
            self.alive(status);
            match self.sign_of_life_interval() {
                Some(interval) => tokio::time::sleep(interval).await,
                None => std::future::pending().await,
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|granted| !granted.is_zero())
}

#[cfg(not(target_os = "linux"))]
fn watchdog() -> Option<Duration> {
    None
}

#[cfg(target_os = "linux")]
fn send(notices: &[sd_notify::NotifyState<'_>]) {
    let _ = sd_notify::notify(notices);
}
