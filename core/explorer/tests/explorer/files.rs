//! The files of the page: what browsers are told of them, and that they are those that they should be.

use std::fs;
use std::path::Path;

use axum::body::Body;
use axum::http::{Request, StatusCode};

use crate::kit::{HOST, served, text};

/// The most lines of a file of our own.
const MAX_LINES: usize = 500;

fn web() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/web"))
}

fn own_files() -> Vec<(String, String)> {
    let mut folders = vec![web().to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.starts_with(web().join("vendor")) {
                let text = fs::read_to_string(&path).expect("text");
                files.push((path.display().to_string(), text));
            }
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_of_the_page_is_served_and_kept_for_good() {
    let served = served();
    let get = |path: String, headers: &[(&'static str, String)]| {
        let mut request = Request::get(path).header("host", HOST);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        served.send(request.body(Body::empty()).expect("a request"))
    };
    let response = get("/t/acme/overview".to_owned(), &[]).await;
    assert_eq!(response.headers()["cache-control"], "no-store");
    let page = text(response).await;
    let addresses: Vec<&str> =
        page.split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert!(addresses.len() > 5, "{page}");
    for address in addresses {
        let response = get(address.to_owned(), &[("accept-encoding", "gzip, br".to_owned())]).await;
        assert_eq!(response.status(), StatusCode::OK, "{address}");
        let headers = response.headers();
        assert_eq!(headers["cache-control"], "public, max-age=31536000, immutable");
        assert_eq!(headers["content-encoding"], "gzip");
        let tag = headers["etag"].to_str().expect("text").to_owned();
        let again = get(address.to_owned(), &[("if-none-match", tag)]).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{address}");
        let plain = get(address.to_owned(), &[]).await;
        assert!(!plain.headers().contains_key("content-encoding"));
    }
    let old = get("/assets/0000000000000000/js/main.js".to_owned(), &[]).await;
    assert_eq!(old.status(), StatusCode::NOT_FOUND, "the files of another version");
}

#[test]
fn a_library_is_the_one_that_its_checksum_is_of() {
    let sums = fs::read_to_string(web().join("vendor/SHA256SUMS")).expect("there");
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").expect("a sum and a name");
        let bytes = fs::read(web().join("vendor").join(name)).expect(name);
        let digest = <sha2::Sha256 as sha2::Digest>::digest(&bytes);
        assert_eq!(data_encoding::HEXLOWER.encode(&digest), sum, "{name}");
    }
    assert_eq!(sums.lines().count(), 3);
}

/// Code that the content security policy forbids, or that makes markup of text, is not in the page either.
#[test]
fn no_file_makes_markup_of_text_or_names_another_host() {
    for (path, text) in own_files() {
        for forbidden in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "dangerouslySetInnerHTML",
            "eval(",
            "new Function",
            "javascript:",
            "setTimeout(\"",
            "https://",
        ] {
            assert!(!text.contains(forbidden), "{path} has {forbidden}");
        }
        let lines = text.lines().count();
        assert!(
            lines <= MAX_LINES,
            "{path} has {lines} lines, more than {MAX_LINES}: split it by topic"
        );
    }
}

#[test]
fn the_page_has_no_inline_script_or_style() {
    let page = fs::read_to_string(web().join("index.html")).expect("there");
    assert!(!page.contains("<style") && !page.contains("style=") && !page.contains(" on"));
    assert_eq!(
        page.matches("<script").count(),
        page.matches("<script type=\"module\" src=").count()
    );
}
