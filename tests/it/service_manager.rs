//! A service manager hears that the program is ready, reloads, lives and stops.
#![cfg(target_os = "linux")]

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use core_simulator::TenantSpec;

use crate::kit::{Running, Scene, start, until};

const PATIENCE: Duration = Duration::from_secs(30);

/// A service manager: a socket, and all that was sent to it.
struct Manager {
    socket: UnixDatagram,
    path: String,
    heard: Vec<String>,
}

impl Manager {
    fn listen(scene: &Scene) -> Self {
        let path = scene.path("notify").display().to_string();
        let socket = UnixDatagram::bind(&path).expect("the folder is ours");
        socket.set_nonblocking(true).expect("it can be asked");
        Self { socket, path, heard: Vec::new() }
    }

    /// Starts the program under it, with signs of life expected every so many microseconds.
    fn start(&self, scene: &Scene, arguments: &[&str], watchdog: &str) -> Running {
        let variables = [("NOTIFY_SOCKET", self.path.as_str()), ("WATCHDOG_USEC", watchdog)];
        start(scene.folder(), arguments, &variables)
    }

    /// Waits for a line, and forgets all up to it.
    fn hears(&mut self, expected: &str) -> String {
        let heard = until(PATIENCE, || {
            let mut buffer = [0; 1024];
            match self.socket.recv(&mut buffer) {
                Ok(bytes) => {
                    let text = String::from_utf8_lossy(&buffer[..bytes]).into_owned();
                    self.heard.extend(text.lines().map(str::to_owned));
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
            }
            let place = self.heard.iter().position(|line| line.starts_with(expected))?;
            self.heard.drain(..=place).next_back()
        });
        heard.unwrap_or_else(|| panic!("it never said {expected}, but {:?}", self.heard))
    }
}

fn scene() -> Scene {
    let scene = Scene::of(TenantSpec { devices: 5, users: 4, alerts: 2, ..TenantSpec::default() });
    scene.configure(|configuration| configuration.text("schedule.interval", "12 hours"));
    scene
}

#[test]
fn a_schedule_says_what_it_does_from_its_start_to_its_end() {
    let scene = scene();
    let mut manager = Manager::listen(&scene);
    let running = manager.start(&scene, &["schedule"], "100000");
    manager.hears("READY=1");
    manager.hears("STATUS=1 tenant, 1 running");
    manager.hears("STATUS=1 tenant; next run at ");
    manager.hears("WATCHDOG=1");

    scene.configure(|configuration| configuration.text("schedule.interval", "never"));
    running.signal("HUP");
    manager.hears("RELOADING=1");
    let at = manager.hears("MONOTONIC_USEC=");
    assert!(at.split_once('=').is_some_and(|(_, at)| at.parse::<u64>().is_ok()), "{at}");
    manager.hears("READY=1");
    assert_eq!(manager.hears("STATUS="), "STATUS=0 tenants; files with a mistake: 1");
    scene.configure(|configuration| configuration.text("schedule.interval", "12 hours"));
    running.signal("HUP");
    manager.hears("READY=1");
    manager.hears("STATUS=1 tenant; next run at ");

    running.signal("TERM");
    manager.hears("STOPPING=1");
    assert_eq!(running.wait().exit, Some(143));
}

#[test]
fn a_served_explorer_gives_signs_of_life_and_no_notice_has_its_token() {
    let scene = scene();
    scene.run_completely();
    let mut manager = Manager::listen(&scene);
    let running = manager.start(&scene, &["serve", "--listen", "127.0.0.1:0"], "100000");
    manager.hears("READY=1");
    let status = manager.hears("STATUS=");
    assert!(status.starts_with("STATUS=the explorer answers at 127.0.0.1:"), "{status}");
    assert!(!status.contains("token"), "{status}");
    for _ in 0..2 {
        manager.hears("WATCHDOG=1");
    }
    running.signal("TERM");
    manager.hears("STOPPING=1");
    assert_eq!(running.wait().exit, Some(0));
}

#[test]
fn a_manager_that_is_gone_stops_nothing() {
    let scene = scene();
    let manager = Manager::listen(&scene);
    let Manager { path, .. } = manager;
    let variables = [("NOTIFY_SOCKET", path.as_str()), ("WATCHDOG_USEC", "nonsense")];
    let running = start(scene.folder(), &["schedule"], &variables);
    let told = until(PATIENCE, || running.has_said("acme: next run at ").then_some(()));
    assert!(told.is_some(), "{}", running.said());
    running.signal("TERM");
    assert_eq!(running.wait().exit, Some(143));
}
