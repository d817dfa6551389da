//! Messages byte by byte, and bytes that are no messages.

use bytes::BufMut as _;
use proptest::prelude::*;

use super::*;

fn framed(kind: Option<u8>, body: &[u8]) -> BytesMut {
    let mut buffer = BytesMut::new();
    buffer.extend(kind);
    buffer.put_u32(u32::try_from(body.len() + 4).expect("it is short"));
    buffer.put_slice(body);
    buffer
}

fn read(kind: u8, body: &[u8]) -> Result<Option<Message>, Malformed> {
    message(&mut framed(Some(kind), body), MAX_BYTES)
}

#[test]
fn a_session_begins_with_parameters_and_other_first_messages_have_numbers() {
    let startup = |version: u32| {
        let mut body = BytesMut::new();
        body.put_u32(version);
        body.put_slice(b"user\0desk\0database\0acme\0\0");
        first(&mut framed(None, &body))
    };
    let parameters =
        vec![("user".to_owned(), "desk".to_owned()), ("database".to_owned(), "acme".to_owned())];
    let expected = First::Startup { parameters: parameters.clone(), is_newer: false };
    assert_eq!(startup(0x3_0000), Ok(Some(expected)));
    assert_eq!(startup(0x3_0002), Ok(Some(First::Startup { parameters, is_newer: true })));
    assert_eq!(startup(0x2_0000), Err(Malformed::Version));
    let numbers = |numbers: &[u32]| {
        let body: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        first(&mut framed(None, &body))
    };
    assert_eq!(numbers(&[80_877_103]), Ok(Some(First::Tls)));
    assert_eq!(numbers(&[80_877_104]), Ok(Some(First::Gss)));
    let cancel = First::Cancel { process: 7, secret: -1 };
    assert_eq!(numbers(&[80_877_102, 7, u32::MAX]), Ok(Some(cancel)));
    assert_eq!(numbers(&[80_877_102, 7]), Err(Malformed::Content));
    assert_eq!(numbers(&[80_877_103, 7]), Err(Malformed::Content), "more than it has");
}

#[test]
fn messages_are_read_as_clients_send_them() {
    let bind = Bind {
        portal: String::new(),
        statement: "s".to_owned(),
        formats: vec![1],
        values: vec![Some(Bytes::from_static(b"ab")), None],
        result_formats: vec![],
    };
    let table = [
        (b'Q', &b"select 1\0"[..], Message::Query("select 1".to_owned())),
        (b'p', b"secret\0", Message::Password("secret".to_owned())),
        (
            b'P',
            b"s\0select $1\0\0\x01\0\0\0\x14",
            Message::Parse { name: "s".to_owned(), query: "select $1".to_owned(), types: vec![20] },
        ),
        (b'B', b"\0s\0\0\x01\0\x01\0\x02\0\0\0\x02ab\xff\xff\xff\xff\0\0", Message::Bind(bind)),
        (b'D', b"Ss\0", Message::Describe { target: Target::Statement, name: "s".to_owned() }),
        (b'C', b"P\0", Message::Close { target: Target::Portal, name: String::new() }),
        (b'E', b"\0\0\0\0\x05", Message::Execute { portal: String::new(), max_rows: 5 }),
        (b'E', b"\0\xff\xff\xff\xff", Message::Execute { portal: String::new(), max_rows: 0 }),
        (b'H', b"", Message::Flush),
        (b'S', b"", Message::Sync),
        (b'X', b"", Message::Terminate),
        (b'd', b"anything", Message::Copy),
    ];
    for (kind, body, expected) in table {
        assert_eq!(read(kind, body), Ok(Some(expected)));
    }
}

#[test]
fn what_is_no_message_is_refused_by_its_first_wrong_byte() {
    for (kind, body, expected) in [
        (b'Q', &b"no end"[..], Malformed::Content),
        (b'Q', b"one\0two\0", Malformed::Content),
        (b'Q', b"\xff\0", Malformed::Encoding),
        (b'B', b"\0\0\0\0\0\x01\0\0\x7f\xff", Malformed::Content),
        (b'B', b"\0\0\0\0\0\x01\0\0\0\x09ab\0\0", Malformed::Content),
        (b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0", Malformed::Content),
        (b'P', b"\0\0\xff\xff", Malformed::TooLong),
        (b'D', b"X\0", Malformed::Content),
        (b'!', b"", Malformed::Kind(b'!')),
    ] {
        assert_eq!(read(kind, body), Err(expected), "{}", char::from(kind));
    }
    for length in [0_u32, 3, u32::MAX] {
        let mut buffer = BytesMut::new();
        buffer.put_u8(b'S');
        buffer.put_u32(length);
        assert_eq!(message(&mut buffer, MAX_BYTES), Err(Malformed::Content), "{length}");
    }
    let mut long = BytesMut::from(&b"p\0\0\x40\x01"[..]);
    assert_eq!(message(&mut long, MAX_EARLY_BYTES), Err(Malformed::TooLong), "before it arrives");
}

proptest! {
    #[test]
    fn no_bytes_of_a_client_are_a_defect(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = first(&mut BytesMut::from(&bytes[..]));
        let mut buffer = BytesMut::from(&bytes[..]);
        while let Ok(Some(_)) = message(&mut buffer, MAX_BYTES) {}
    }

    #[test]
    fn no_body_of_a_message_is_a_defect(
        kind in prop::sample::select(b"pQPBDCEHSXdcf".to_vec()),
        body in prop::collection::vec(prop_oneof![Just(0_u8), Just(1), any::<u8>()], 0..60),
    ) {
        let _ = read(kind, &body);
    }

    #[test]
    fn a_message_is_the_same_however_it_arrives(query in "[^\0]{0,40}", cut in 0_usize..60) {
        let body = [query.as_bytes(), b"\0"].concat();
        let whole = framed(Some(b'Q'), &body);
        let cut = cut.min(whole.len());
        let mut buffer = BytesMut::from(&whole[..cut]);
        if cut < whole.len() {
            prop_assert_eq!(message(&mut buffer, MAX_BYTES), Ok(None));
        }
        buffer.extend_from_slice(&whole[cut..]);
        prop_assert_eq!(message(&mut buffer, MAX_BYTES), Ok(Some(Message::Query(query))));
        prop_assert!(buffer.is_empty());
    }
}
