//! The XML of S3: just what its clients send and read.

use super::ListPage;

/// The date of every object: a simulated bucket has no clock.
const DATE: &str = "2026-01-01T00:00:00.000Z";

pub(super) fn listing(page: &ListPage) -> String {
    let mut text = String::from(r#"<?xml version="1.0" encoding="UTF-8"?><ListBucketResult>"#);
    for (key, size, etag) in &page.objects {
        let (key, etag) = (escape(key), escape(etag));
        text.push_str("<Contents><Key>");
        text.push_str(&key);
        text.push_str("</Key><LastModified>");
        text.push_str(DATE);
        text.push_str("</LastModified><ETag>");
        text.push_str(&etag);
        text.push_str("</ETag><Size>");
        text.push_str(&size.to_string());
        text.push_str("</Size></Contents>");
    }
    if let Some(next) = &page.next_after {
        text.push_str("<NextContinuationToken>");
        text.push_str(&escape(next));
        text.push_str("</NextContinuationToken>");
    }
    text.push_str("</ListBucketResult>");
    text
}

pub(super) fn upload_begun(key: &str, id: &str) -> String {
    let key = escape(key);
    format!(
        "<InitiateMultipartUploadResult><Key>{key}</Key><UploadId>{id}</UploadId>\
         </InitiateMultipartUploadResult>"
    )
}

pub(super) fn upload_completed(key: &str, etag: &str) -> String {
    let (key, etag) = (escape(key), escape(etag));
    format!(
        "<CompleteMultipartUploadResult><Key>{key}</Key><ETag>{etag}</ETag>\
         </CompleteMultipartUploadResult>"
    )
}

pub(super) fn deleted(keys: &[String]) -> String {
    let mut text = String::from("<DeleteResult>");
    for key in keys {
        text.push_str("<Deleted><Key>");
        text.push_str(&escape(key));
        text.push_str("</Key></Deleted>");
    }
    text.push_str("</DeleteResult>");
    text
}

pub(super) fn error(code: &str) -> String {
    format!("<Error><Code>{code}</Code><Message>simulated</Message></Error>")
}

/// The keys in the body of a request that deletes objects.
pub(super) fn keys_to_delete(body: &str) -> Vec<String> {
    let after_opening = body.split("<Key>").skip(1);
    let keys = after_opening.filter_map(|rest| rest.split_once("</Key>").map(|(key, _)| key));
    keys.map(unescape).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn unescape(text: &str) -> String {
    text.replace("&quot;", "\"").replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&")
}
