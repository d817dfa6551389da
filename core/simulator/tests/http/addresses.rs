//! The addresses that a tenant listens on.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use core_simulator::{Behaviour, Simulator};

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A free port, with a listener on that of its files, which is free as well.
fn free_port() -> (u16, TcpListener) {
    let free = || -> Option<(u16, TcpListener)> {
        let api = TcpListener::bind(loopback(0)).ok()?.local_addr().ok()?.port();
        Some((api, TcpListener::bind(loopback(api.checked_add(10_000)?)).ok()?))
    };
    (0..100).find_map(|_| free()).expect("two ports are free")
}

#[tokio::test]
async fn a_second_start_has_its_files_where_the_first_one_had_them_unless_the_port_is_taken() {
    let (port, taken) = free_port();
    let files = async || {
        let started = Simulator::start_at(loopback(port), Behaviour::default()).await;
        let tenant = started.expect("the port of the API is free");
        let files = tenant.endpoints().files.clone();
        tenant.stop().await;
        files
    };
    let beside = format!("http://127.0.0.1:{}", port + 10_000);
    assert_ne!(files().await, beside);
    drop(taken);
    assert_eq!(files().await, beside);
    assert_eq!(files().await, beside);
}
