//! Answers that take long: clients that read slowly, and people who are erased meanwhile.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures::TryStreamExt as _;
use tokio_postgres::{Client, Error, RowStream};

use super::{Server, scene, told};

/// A query with more rows than a client reads in a day.
const LONG: &str = "select upn from nexthink_user, range(1000000000000)";

/// Asks, and reads nothing of the answer yet.
async fn asked(client: &Client, sql: &str) -> Result<RowStream, Error> {
    client.query_raw(sql, [""; 0]).await
}

#[test]
fn an_answer_that_is_being_sent_is_cut_off_when_someone_is_erased() {
    let scene = scene();
    let made = scene.program(&["privacy", "key", "new"]);
    assert_eq!(made.exit, Some(0), "{}", made.stderr);
    let server = Server::start(&scene, &["--timeout", "2m"]);
    let client = server.analyst();
    let users = "select upn from nexthink_user where upn is not null limit 1";
    let user = server.texts(&client, users).expect("it can be asked").remove(0);
    let refused = server.runtime.block_on(async {
        let rows = asked(&client, LONG).await.unwrap_or_else(|error| panic!("{}", told(&error)));
        let mut rows = pin!(rows);
        assert!(rows.try_next().await.is_ok_and(|row| row.is_some()), "it has begun");
        tokio::task::block_in_place(|| {
            let erase = ["privacy", "erase", "--user", &user, "--yes", "--reason", "request"];
            let erased = scene.program(&erase);
            assert_eq!(erased.exit, Some(0), "{}", erased.stderr);
        });
        loop {
            match rows.try_next().await {
                Ok(Some(_)) => {}
                Ok(None) => return "the whole answer was sent".to_owned(),
                Err(error) => return told(&error),
            }
        }
    });
    assert!(refused.contains("erased since this answer began"), "{refused}");
    assert_eq!(server.texts(&client, "select 1").expect("the session goes on"), ["1"]);
}

#[test]
fn clients_that_do_not_read_stop_no_query_of_others() {
    let scene = scene();
    let server = Server::start(&scene, &["--timeout", "10m"]);
    let stalled: Vec<Client> = std::thread::available_parallelism()
        .map_or(1..=1, |number| 1..=number.get())
        .map(|_| server.analyst())
        .collect();
    server.runtime.block_on(async {
        let mut answers = Vec::new();
        for client in &stalled {
            answers
                .push(asked(client, LONG).await.unwrap_or_else(|error| panic!("{}", told(&error))));
        }
        let started = Instant::now();
        let other = tokio::task::block_in_place(|| server.analyst());
        let limit = tokio::time::timeout(Duration::from_secs(20), other.query("select 1", &[]));
        assert!(limit.await.is_ok_and(|rows| rows.is_ok()), "{:?}", started.elapsed());
        // A client that reads again gets more.
        let mut first = pin!(answers.remove(0));
        for _ in 0..100_000 {
            let row = first.try_next().await;
            assert!(row.is_ok_and(|row| row.is_some()), "it goes on");
        }
    });
}
