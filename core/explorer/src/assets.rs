//! The files of the page. They are part of the program, under an address that has the hash of all of them, so
//! that browsers keep them for good and a new program is never mixed with an old page.

use std::borrow::Cow;
use std::io::Write as _;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::error::ApiError;

mod table;

/// The version in addresses while files are read from a folder.
const LIVE: &str = "live";

/// One file of the page.
struct Asset {
    /// Its path below `web`.
    path: &'static str,
    bytes: &'static [u8],
    compressed: OnceLock<Vec<u8>>,
}

impl Asset {
    const fn new(path: &'static str, bytes: &'static [u8]) -> Self {
        Self { path, bytes, compressed: OnceLock::new() }
    }

    /// The file in gzip, made when it is first asked for.
    fn compressed(&self) -> &[u8] {
        self.compressed.get_or_init(|| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            let written = encoder.write_all(self.bytes).and_then(|()| encoder.finish());
            written.expect("a Vec takes everything")
        })
    }
}

/// The files of the page.
pub(crate) struct Assets {
    version: String,
    folder: Option<PathBuf>,
}

impl Assets {
    /// Files from a folder if there is one, else those of the program.
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        let version = if folder.is_some() { LIVE.to_owned() } else { version() };
        Self { version, folder }
    }

    /// The page itself, with the addresses of its files.
    pub(crate) fn page(&self) -> Result<String, ApiError> {
        let page = self.read("index.html")?;
        Ok(String::from_utf8_lossy(&page)
            .replace("/assets/VERSION/", &format!("/assets/{}/", self.version)))
    }

    /// Answers with a file.
    pub(crate) fn answer(&self, version: &str, path: &str, headers: &HeaderMap) -> Response {
        if version != self.version {
            return ApiError::not_found("the page is of another version: reload it")
                .into_response();
        }
        let Some(content_type) = content_type(path) else {
            return ApiError::not_found("there is no such file").into_response();
        };
        let etag = format!("\"{version}\"");
        let kept = if version == LIVE { "no-cache" } else { "public, max-age=31536000, immutable" };
        let mut answer_headers = vec![
            (header::CONTENT_TYPE, content_type.to_owned()),
            (header::CACHE_CONTROL, kept.to_owned()),
            (header::VARY, "accept-encoding".to_owned()),
        ];
        if version != LIVE {
            answer_headers.push((header::ETAG, etag.clone()));
            let is_known = headers.get(header::IF_NONE_MATCH).is_some_and(|tag| *tag == *etag);
            if is_known && asset(path).is_some() {
                return (StatusCode::NOT_MODIFIED, headers_of(answer_headers)).into_response();
            }
        }
        let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
        let takes_gzip = accepted.is_some_and(|value| value.contains("gzip"));
        match asset(path) {
            Some(asset) if takes_gzip && self.folder.is_none() => {
                answer_headers.push((header::CONTENT_ENCODING, "gzip".to_owned()));
                (headers_of(answer_headers), asset.compressed()).into_response()
            }
            _ => match self.read(path) {
                Ok(bytes) => (headers_of(answer_headers), bytes.into_owned()).into_response(),
                Err(error) => error.into_response(),
            },
        }
    }

    fn read(&self, path: &str) -> Result<Cow<'static, [u8]>, ApiError> {
        let missing = || ApiError::not_found("there is no such file");
        let Some(folder) = &self.folder else {
            return asset(path).map(|asset| Cow::Borrowed(asset.bytes)).ok_or_else(missing);
        };
        // Requests with `..` in their path have been refused; this checks the joined path too.
        let is_below =
            Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        let read = is_below.then(|| std::fs::read(folder.join(path)).ok()).flatten();
        read.map(Cow::Owned).ok_or_else(missing)
    }
}

fn headers_of(pairs: Vec<(header::HeaderName, String)>) -> HeaderMap {
    let pairs = pairs.into_iter().filter_map(|(name, value)| Some((name, value.parse().ok()?)));
    pairs.collect()
}

fn asset(path: &str) -> Option<&'static Asset> {
    table::ASSETS.iter().find(|asset| asset.path == path)
}

/// The hash of all files, with their names.
fn version() -> String {
    let mut hasher = blake3::Hasher::new();
    for asset in &table::ASSETS {
        hasher.update(asset.path.as_bytes());
        hasher.update(&asset.bytes.len().to_le_bytes());
        hasher.update(asset.bytes);
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

fn content_type(path: &str) -> Option<&'static str> {
    match path.rsplit_once('.')?.1 {
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        "html" => Some("text/html; charset=utf-8"),
        _ => None,
    }
}
