//! A host that sends exactly the bytes it is told to, which a server of HTTP would not.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::SIGNATURE;

/// The head of an answer.
pub(crate) fn http(status: u16, headers: &[&str]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Scripted\r\nConnection: close\r\n");
    for header in headers {
        write!(head, "{header}\r\n").expect("writing to a string cannot fail");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// A file host that sends exactly the next answer of its script and hangs up.
pub(crate) struct RawHost {
    pub(crate) base: String,
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
}

impl RawHost {
    pub(crate) async fn start(script: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&requests);
        let mut script: VecDeque<Vec<u8>> = script.into();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let request = read_request(&mut socket).await;
                seen.lock().expect("no test panics in here").push(request);
                let next = script.pop_front().unwrap_or_else(|| http(418, &["Content-Length: 0"]));
                // The client may hang up first where it refuses an answer.
                drop(socket.write_all(&next).await);
            }
        });
        Self { base, requests }
    }

    pub(crate) fn link(&self, n: u32) -> String {
        format!("{}/a?again={n}&{SIGNATURE}", self.base)
    }
}

pub(crate) async fn read_request(socket: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let byte = socket.read_u8().await.expect("a whole request");
        request.push(byte);
    }
    String::from_utf8(request).expect("a request is text here")
}
