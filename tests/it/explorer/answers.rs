//! Answers that take long: clients that read slowly, and people who are erased meanwhile.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use core_simulator::TenantSpec;

use super::{Explorer, token};
use crate::kit::Scene;

/// A query with more rows than a client reads in a day.
const LONG: &str = "select%20upn%20from%20nexthink_user,range(1000000000000)";

/// The time that the server may take to notice.
const SOON: Duration = Duration::from_secs(20);

fn scene() -> Scene {
    let scene = Scene::of(TenantSpec { devices: 10, users: 4, alerts: 2, ..TenantSpec::default() });
    scene.run_completely();
    scene
}

/// Asks for a long answer, and reads its beginning.
fn asked(explorer: &Explorer, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&explorer.address).expect("it listens");
    stream.set_read_timeout(Some(SOON)).expect("it can be limited");
    let head = format!(
        "GET /api/v1/tenants/acme/query.csv?query={LONG} HTTP/1.1\r\nHost: {}\r\n\
         Authorization: Bearer {token}\r\n\r\n",
        explorer.address
    );
    stream.write_all(head.as_bytes()).expect("it takes a request");
    let mut piece = [0; 1024];
    let read = stream.read(&mut piece).expect("it answers");
    assert!(piece[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&piece));
    stream
}

#[test]
fn an_answer_that_is_being_sent_is_cut_off_when_someone_is_erased() {
    let scene = scene();
    let made = scene.program(&["privacy", "key", "new"]);
    assert_eq!(made.exit, Some(0), "{}", made.stderr);
    let rows = scene.query("select upn from nexthink_user where upn is not null");
    let user = rows[0]["upn"].as_str().expect("a name");
    let analyst = token(&scene, "analyst", "analyst");
    let explorer = Explorer::start_with(&scene, "10m");
    let mut stream = asked(&explorer, &analyst);
    let erase = ["privacy", "erase", "--user", user, "--yes", "--reason", "request"];
    let erased = scene.program(&erase);
    assert_eq!(erased.exit, Some(0), "{}", erased.stderr);
    let started = Instant::now();
    let (mut piece, mut end) = (vec![0; 1024 * 1024], Vec::new());
    while started.elapsed() < SOON {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(read) => end = piece[..read].to_vec(),
        }
    }
    assert!(started.elapsed() < SOON, "it goes on");
    assert!(!end.ends_with(b"0\r\n\r\n"), "no one takes a part for the whole");
}

#[test]
fn clients_that_read_slowly_stop_no_query_of_others() {
    let scene = scene();
    let analyst = token(&scene, "analyst", "analyst");
    let explorer = Explorer::start_with(&scene, "10m");
    let number = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut slow: Vec<_> = (0..number).map(|_| asked(&explorer, &analyst)).collect();
    let answer = explorer.query(&analyst, "select 1 as one");
    assert_eq!(answer.status, 200, "{}", answer.body);
    // A client that reads again gets more.
    for stream in &mut slow {
        stream.read_exact(&mut vec![0; 16 * 1024 * 1024]).expect("it goes on");
    }
}
