//! `PackStream`, the form in which Bolt sends values. Texts have their length before them and are neither quoted nor
//! parsed, so that no text of a cell can be anything but a text.

use std::sync::Arc;

use crate::value::Value;

/// The deepest nesting that is read. No answer to a statement of ours has more than three levels.
const DEEPEST: u32 = 32;

/// The form of a time. In Bolt 5 its seconds are UTC, in Bolt 4 they are those of its zone; ours is always UTC, so that
/// only the tag differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeForm {
    /// Bolt 5.
    Utc,
    /// Bolt 4.
    Local,
}

/// Bytes that are no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The places of the markers of a text, a list or a map: with a length of up to 15, 8, 16 and 32 bits.
struct Markers {
    tiny: u8,
    sized: [u8; 3],
}

const TEXT: Markers = Markers { tiny: 0x80, sized: [0xd0, 0xd1, 0xd2] };
const LIST: Markers = Markers { tiny: 0x90, sized: [0xd4, 0xd5, 0xd6] };
const MAP: Markers = Markers { tiny: 0xa0, sized: [0xd8, 0xd9, 0xda] };

/// Writes the beginning of a structure.
pub(crate) fn write_structure(tag: u8, fields: u8, bytes: &mut Vec<u8>) {
    bytes.extend([0xb0 | fields, tag]);
}

/// Writes a value.
pub(crate) fn write(value: &Value, form: TimeForm, bytes: &mut Vec<u8>) {
    match value {
        Value::Null => bytes.push(0xc0),
        Value::Boolean(truth) => bytes.push(0xc2 | u8::from(*truth)),
        Value::Integer(number) => write_integer(*number, bytes),
        Value::Float(number) => {
            bytes.push(0xc1);
            bytes.extend(number.to_be_bytes());
        }
        Value::Text(text) => write_text(text, bytes),
        Value::List(items) => {
            write_length(&LIST, items.len(), bytes);
            for item in items {
                write(item, form, bytes);
            }
        }
        Value::Map(fields) => {
            write_length(&MAP, fields.len(), bytes);
            for (name, value) in fields {
                write_text(name, bytes);
                write(value, form, bytes);
            }
        }
        Value::Time(ms) => {
            write_structure(if form == TimeForm::Utc { 0x49 } else { 0x46 }, 3, bytes);
            write_integer(ms.div_euclid(1_000), bytes);
            write_integer(ms.rem_euclid(1_000) * 1_000_000, bytes);
            write_integer(0, bytes);
        }
    }
}

fn write_text(text: &str, bytes: &mut Vec<u8>) {
    write_length(&TEXT, text.len(), bytes);
    bytes.extend_from_slice(text.as_bytes());
}

/// Writes a number in as few bytes as it needs.
fn write_integer(number: i64, bytes: &mut Vec<u8>) {
    if let Ok(number) = i8::try_from(number) {
        if number < -16 {
            bytes.push(0xc8);
        }
        bytes.extend(number.to_be_bytes());
    } else if let Ok(number) = i16::try_from(number) {
        bytes.push(0xc9);
        bytes.extend(number.to_be_bytes());
    } else if let Ok(number) = i32::try_from(number) {
        bytes.push(0xca);
        bytes.extend(number.to_be_bytes());
    } else {
        bytes.push(0xcb);
        bytes.extend(number.to_be_bytes());
    }
}

fn write_length(markers: &Markers, length: usize, bytes: &mut Vec<u8>) {
    let [one, two, four] = markers.sized;
    if let (Ok(length), true) = (u8::try_from(length), length > 15) {
        bytes.extend([one, length]);
    } else if let Ok(length) = u8::try_from(length) {
        bytes.push(markers.tiny | length);
    } else if let Ok(length) = u16::try_from(length) {
        bytes.push(two);
        bytes.extend(length.to_be_bytes());
    } else {
        bytes.push(four);
        bytes.extend(u32::try_from(length).expect("a batch has at most 4 GiB").to_be_bytes());
    }
}

/// Reads values out of the bytes of a message.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Reads the beginning of a structure: its tag and the number of its fields.
    pub(crate) fn structure(&mut self) -> Result<(u8, usize), Malformed> {
        let marker = self.byte()?;
        if marker & 0xf0 != 0xb0 {
            return Err(Malformed);
        }
        Ok((self.byte()?, usize::from(marker & 0x0f)))
    }

    /// Reads a value.
    pub(crate) fn value(&mut self) -> Result<Value, Malformed> {
        self.value_at(0)
    }

    fn value_at(&mut self, depth: u32) -> Result<Value, Malformed> {
        if depth > DEEPEST {
            return Err(Malformed);
        }
        let marker = self.byte()?;
        Ok(match marker {
            0xc0 => Value::Null,
            0xc1 => Value::Float(f64::from_be_bytes(self.array()?)),
            0xc2 => Value::Boolean(false),
            0xc3 => Value::Boolean(true),
            0xc8 => Value::Integer(i8::from_be_bytes(self.array()?).into()),
            0xc9 => Value::Integer(i16::from_be_bytes(self.array()?).into()),
            0xca => Value::Integer(i32::from_be_bytes(self.array()?).into()),
            0xcb => Value::Integer(i64::from_be_bytes(self.array()?)),
            0x00..=0x7f | 0xf0.. => Value::Integer(i64::from(marker.cast_signed())),
            0x80..=0x8f | 0xd0..=0xd2 => {
                let length = self.length(&TEXT, marker)?;
                Value::Text(self.text(length)?)
            }
            0x90..=0x9f | 0xd4..=0xd6 => {
                let length = self.length(&LIST, marker)?;
                let items = (0..length).map(|_| self.value_at(depth + 1));
                Value::List(items.collect::<Result<_, _>>()?)
            }
            0xa0..=0xaf | 0xd8..=0xda => {
                let length = self.length(&MAP, marker)?;
                let fields = (0..length).map(|_| self.field(depth + 1));
                Value::Map(fields.collect::<Result<_, _>>()?)
            }
            0xb0..=0xbf => {
                self.byte()?;
                for _ in 0..marker & 0x0f {
                    self.value_at(depth + 1)?;
                }
                // No statement of ours asks for a node or a time; what a server tells besides may have one.
                Value::Null
            }
            _ => return Err(Malformed),
        })
    }

    fn field(&mut self, depth: u32) -> Result<(Arc<str>, Value), Malformed> {
        let marker = self.byte()?;
        let length = self.length(&TEXT, marker)?;
        let name = self.text(length)?;
        Ok((Arc::from(name), self.value_at(depth)?))
    }

    fn length(&mut self, markers: &Markers, marker: u8) -> Result<usize, Malformed> {
        let length = if marker & 0xf0 == markers.tiny {
            u32::from(marker & 0x0f)
        } else if marker == markers.sized[0] {
            self.byte()?.into()
        } else if marker == markers.sized[1] {
            u16::from_be_bytes(self.array()?).into()
        } else if marker == markers.sized[2] {
            u32::from_be_bytes(self.array()?)
        } else {
            return Err(Malformed);
        };
        usize::try_from(length).map_err(|_| Malformed)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.bytes.split_first_chunk().ok_or(Malformed)?;
        self.bytes = rest;
        Ok(*array)
    }

    fn text(&mut self, length: usize) -> Result<String, Malformed> {
        let (text, rest) = self.bytes.split_at_checked(length).ok_or(Malformed)?;
        self.bytes = rest;
        Ok(str::from_utf8(text).map_err(|_| Malformed)?.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes_of(value: &Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(value, TimeForm::Utc, &mut bytes);
        bytes
    }

    #[test]
    fn values_have_the_bytes_of_the_specification() {
        let texts = |items: &[&str]| crate::value::texts(items.iter().copied());
        let rows: Vec<(Value, &[u8])> = vec![
            (Value::Null, b"\xc0"),
            (Value::Boolean(true), b"\xc3"),
            (Value::Integer(1), b"\x01"),
            (Value::Integer(-16), b"\xf0"),
            (Value::Integer(-17), b"\xc8\xef"),
            (Value::Integer(127), b"\x7f"),
            (Value::Integer(128), b"\xc9\x00\x80"),
            (Value::Integer(40_000), b"\xca\x00\x00\x9c\x40"),
            (Value::Integer(i64::MIN), b"\xcb\x80\0\0\0\0\0\0\0"),
            (Value::Float(1.5), b"\xc1\x3f\xf8\0\0\0\0\0\0"),
            (Value::from("A"), b"\x81A"),
            (Value::from("abcdefghijklmnop"), b"\xd0\x10abcdefghijklmnop"),
            (texts(&["a", ""]), b"\x92\x81a\x80"),
            (crate::value::map([("one", Value::Integer(1))]), b"\xa1\x83one\x01"),
            // 1970-01-01T00:00:01.5Z, and as long before 1970.
            (Value::Time(1_500), b"\xb3\x49\x01\xca\x1d\xcd\x65\x00\x00"),
            (Value::Time(-1_500), b"\xb3\x49\xfe\xca\x1d\xcd\x65\x00\x00"),
        ];
        for (value, expected) in rows {
            assert_eq!(bytes_of(&value), expected, "{value:?}");
        }
        let mut local = Vec::new();
        write(&Value::Time(1_500), TimeForm::Local, &mut local);
        assert_eq!(local[..2], [0xb3, 0x46], "Bolt 4 has another tag");
    }

    #[test]
    fn lengths_of_every_size_are_read_as_they_were_written() {
        for length in [0, 15, 16, 255, 256, 65_535, 65_536] {
            let text = Value::Text("x".repeat(length));
            let list = Value::List(vec![Value::Null; length]);
            for value in [text, list] {
                let bytes = bytes_of(&value);
                assert!(Reader::new(&bytes).value() == Ok(value), "{length}");
            }
        }
    }

    #[test]
    fn bytes_that_are_no_value_are_refused() {
        for bytes in [
            b"".as_slice(),
            b"\xc7",
            b"\x82a",
            b"\xd2\xff\xff\xff\xff",
            b"\xd6\xff\xff\xff\xff",
            b"\x81\xff",
            b"\xa1\x01\x01",
            b"\xcb\0",
            &[0x91; 64],
        ] {
            assert_eq!(Reader::new(bytes).value(), Err(Malformed), "{bytes:?}");
        }
        assert_eq!(Reader::new(b"\x91\x01").structure(), Err(Malformed));
    }

    #[test]
    fn a_structure_within_an_answer_is_passed_over() {
        let bytes = b"\x92\xb3\x49\x01\x02\x00\x07";
        let expected = Value::List(vec![Value::Null, Value::Integer(7)]);
        assert_eq!(Reader::new(bytes).value(), Ok(expected));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Boolean),
            any::<i64>().prop_map(Value::Integer),
            (-200_000_i64..200_000).prop_map(Value::Integer),
            ".*".prop_map(Value::Text),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let field = (".{0,20}".prop_map(Arc::from), inner.clone());
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Value::List),
                prop::collection::vec(field, 0..4).prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in any_value()) {
            prop_assert_eq!(Reader::new(&bytes_of(&value)).value(), Ok(value));
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Reader::new(&bytes).value();
        }
    }
}
