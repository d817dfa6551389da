//! A scan for what must stay where it belongs: the client secret, tokens, signatures of links, and a
//! person, in whatever form they are written.

use std::collections::BTreeSet;
use std::fs;

use aho_corasick::AhoCorasick;
use arrow_array::cast::AsArray as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use core_simulator::RecordedRequest;
use core_store::TableKind;

use crate::kit::{Ended, Scene, files};

/// A client secret that every encoding changes.
pub(crate) const SECRET: &str = "canary+b1d4/7c é";

/// The texts that must stay in their place.
struct Canary {
    name: &'static str,
    text: String,
    /// Where it belongs.
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The request for a token.
    TokenRequest,
    /// Requests to the API, in their header.
    ApiRequest,
    /// Requests to the file host, in their link.
    FileRequest,
    /// The tables of generations, and downloads.
    Rows,
}

/// Looks through what was printed, what is in the store, and what the tenant has received.
pub(crate) fn assert_none(scene: &Scene, ended: &Ended) {
    let canaries = canaries(scene);
    let forms: Vec<(usize, Vec<u8>)> = canaries
        .iter()
        .enumerate()
        .flat_map(|(n, canary)| forms(&canary.text).into_iter().map(move |form| (n, form)))
        .collect();
    let automaton = AhoCorasick::new(forms.iter().map(|(_, form)| form));
    let automaton = automaton.expect("there are few forms");
    let look = |name: &str, text: &[u8], place: Option<Place>| {
        for found in automaton.find_overlapping_iter(text) {
            let canary = &canaries[forms[found.pattern().as_usize()].0];
            assert!(Some(canary.place) == place, "{} is in {name}", canary.name);
        }
    };
    look("stdout", ended.stdout.as_bytes(), None);
    look("stderr", ended.stderr.as_bytes(), None);
    for path in files(&scene.path("store")) {
        let is_note = path.extension().is_some_and(|extension| extension == "json");
        let is_table = path.extension().is_some_and(|extension| extension == "parquet");
        let is_download =
            path.parent().is_some_and(|parent| parent.ends_with("downloads")) && !is_note;
        let place = (is_table || is_download).then_some(Place::Rows);
        look(&path.display().to_string(), &fs::read(&path).expect("it can be read"), place);
    }
    for request in scene.recorded() {
        let name = format!("{} {}", request.method, request.target.split('?').next().unwrap_or(""));
        let place = Some(place_of(&request));
        look(&name, request.target.as_bytes(), place.filter(|place| *place == Place::FileRequest));
        look(&name, &request.body, None);
        for (header, value) in &request.headers {
            let is_credential = header == "authorization";
            look(&format!("{header} of {name}"), value, place.filter(|_| is_credential));
        }
    }
}

fn place_of(request: &RecordedRequest) -> Place {
    if request.is_for_files {
        Place::FileRequest
    } else if request.target.starts_with("/oauth2/") {
        Place::TokenRequest
    } else {
        Place::ApiRequest
    }
}

fn canaries(scene: &Scene) -> Vec<Canary> {
    let credential = STANDARD.encode(format!("demo:{SECRET}"));
    let mut canaries = vec![
        Canary { name: "the secret", text: SECRET.to_owned(), place: Place::TokenRequest },
        Canary { name: "the credential", text: credential, place: Place::TokenRequest },
    ];
    let (mut tokens, mut signatures) = (BTreeSet::new(), BTreeSet::new());
    for request in scene.recorded() {
        let header = request.headers.iter().find(|(name, _)| name == "authorization");
        let value = header.map(|(_, value)| String::from_utf8_lossy(value).into_owned());
        tokens.extend(
            value.iter().filter_map(|value| value.strip_prefix("Bearer ")).map(str::to_owned),
        );
        let signature = request.target.split("X-Amz-Signature=").nth(1);
        signatures.extend(signature.filter(|signature| signature.len() > 16).map(str::to_owned));
    }
    let token = |text| Canary { name: "a token", text, place: Place::ApiRequest };
    canaries.extend(tokens.into_iter().map(token));
    let signature = |text| Canary { name: "a signature", text, place: Place::FileRequest };
    canaries.extend(signatures.into_iter().map(signature));
    let person = |text| Canary { name: "a person", text, place: Place::Rows };
    canaries.extend(person_of(scene).into_iter().map(person));
    canaries
}

/// Returns the identifiers of a person in the published generation.
fn person_of(scene: &Scene) -> Vec<String> {
    let mut batches = scene.published().batches(TableKind::Entity, "nexthink_user").expect("whole");
    let batch = batches.next().expect("there are users").expect("it is whole");
    ["displayName", "upn", "sid", "email"]
        .iter()
        .filter_map(|column| {
            let values = batch.column_by_name(column)?.as_string_opt::<i32>()?;
            values.iter().flatten().find(|value| value.len() > 6).map(str::to_owned)
        })
        .collect()
}

/// The forms in which a text may turn up.
pub(crate) fn forms(text: &str) -> Vec<Vec<u8>> {
    let mut forms = BTreeSet::from([text.as_bytes().to_vec()]);
    // A part of a longer text in base64, at each of the three ways in which it can lie; the first and
    // last characters depend on the neighbours.
    for shift in 0..3 {
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let encoded = engine.encode([&vec![0; shift], text.as_bytes()].concat());
            let inner = encoded.get(4..encoded.len().saturating_sub(4)).unwrap_or("");
            if inner.len() >= 8 {
                forms.insert(inner.as_bytes().to_vec());
            }
        }
    }
    let hex = |upper: bool| {
        let digits =
            text.bytes().map(|b| if upper { format!("{b:02X}") } else { format!("{b:02x}") });
        digits.collect::<String>().into_bytes()
    };
    forms.extend([hex(false), hex(true)]);
    for upper in [false, true] {
        let encode = |b: u8| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(b).to_string()
            }
            _ if upper => format!("%{b:02X}"),
            _ => format!("%{b:02x}"),
        };
        let encoded: String = text.bytes().map(encode).collect();
        forms.extend([encoded.clone().into_bytes(), encoded.replace("%20", "+").into_bytes()]);
    }
    forms.insert(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
    forms.insert(text.encode_utf16().flat_map(u16::to_be_bytes).collect());
    let escaped: String = text.chars().flat_map(char::escape_default).collect();
    forms.extend([escaped.into_bytes(), text.replace('/', "\\/").into_bytes()]);
    forms.into_iter().collect()
}

#[test]
fn a_canary_is_found_in_every_form() {
    let text = "Ada+Lovelace/é";
    let forms = forms(text);
    let automaton = AhoCorasick::new(&forms).expect("there are few forms");
    let haystacks: Vec<Vec<u8>> = vec![
        format!("x{text}y").into_bytes(),
        STANDARD.encode(format!("a longer text with {text} in it")).into_bytes(),
        STANDARD.encode(format!("longer text with {text} in it")).into_bytes(),
        STANDARD.encode(format!("onger text with {text} in it")).into_bytes(),
        URL_SAFE_NO_PAD.encode(format!("ger text with {text} in it")).into_bytes(),
        b"q=Ada%2BLovelace%2F%C3%A9&r".to_vec(),
        b"q=Ada%2bLovelace%2f%c3%a9&r".to_vec(),
        b"0x4164612b4c6f76656c6163652fc3a9".to_vec(),
        text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        b"\"Ada+Lovelace\\/\xc3\xa9\"".to_vec(),
        b"Ada+Lovelace/\\u{e9}".to_vec(),
    ];
    for (n, haystack) in haystacks.iter().enumerate() {
        assert!(automaton.is_match(haystack), "form {n}");
    }
    assert!(!automaton.is_match(b"Ada Lovelace"));
}
