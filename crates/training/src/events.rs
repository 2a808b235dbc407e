//! TensorBoard's event files, written by hand: scalars are all that a run has to say there.
//!
//! A file is a row of TFRecords: length (u64), its checksum, the bytes, their checksum. The checksums are CRC-32C, turned and
//! shifted ("masked") as TensorFlow has it. The bytes are an `Event` in protobuf, of which we write three fields and a
//! `Summary` of simple values. The first event says which version of the format follows.

use std::sync::OnceLock;

/// The name of a run's file; TensorBoard looks for `tfevents` in it.
pub const NAME: &str = "events.out.tfevents.goodtwin";

/// The record that a file begins with.
pub fn version(seconds: f64) -> Vec<u8> {
    let mut event = Message::default();
    event.double(1, seconds);
    event.bytes(3, b"brain.Event:2");
    record(&event.0)
}

/// A record with these scalars: wall time in seconds since 1970, the step, and for each a tag such as `train/loss`.
pub fn scalars(seconds: f64, step: u64, values: &[(&str, f32)]) -> Vec<u8> {
    let mut summary = Message::default();
    for (tag, value) in values {
        let mut one = Message::default();
        one.bytes(1, tag.as_bytes());
        one.float(2, *value);
        summary.bytes(1, &one.0);
    }
    let mut event = Message::default();
    event.double(1, seconds);
    event.varint(2, step);
    event.bytes(5, &summary.0);
    record(&event.0)
}

/// A protobuf message: fields by number, each with its wire type.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn tag(&mut self, field: u8, wire: u8) {
        self.0.push(field << 3 | wire);
    }

    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn varint(&mut self, field: u8, value: u64) {
        self.tag(field, 0);
        self.number(value);
    }

    fn double(&mut self, field: u8, value: f64) {
        self.tag(field, 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u8, value: &[u8]) {
        self.tag(field, 2);
        self.number(value.len() as u64);
        self.0.extend(value);
    }

    fn float(&mut self, field: u8, value: f32) {
        self.tag(field, 5);
        self.0.extend(value.to_le_bytes());
    }
}

fn record(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    [&length[..], &masked(&length).to_le_bytes(), bytes, &masked(bytes).to_le_bytes()].concat()
}

fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), reflected, a byte at a time.
fn crc32c(bytes: &[u8]) -> u32 {
    static TABLE: OnceLock<[u32; 256]> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        std::array::from_fn(|i| {
            (0..8).fold(i as u32, |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 })
        })
    });
    !bytes.iter().fold(!0, |crc, byte| crc >> 8 ^ table[(crc as u8 ^ byte) as usize])
}

/// A reader that shares nothing with the writer: checksums bit by bit from the other end, messages by their wire types.
#[cfg(test)]
pub(crate) mod reader {
    /// One event: wall time, step, scalars; the version where it says one.
    #[derive(Debug, Default, PartialEq)]
    pub struct Event {
        pub seconds: f64,
        pub step: u64,
        pub version: Option<String>,
        pub scalars: Vec<(String, f32)>,
    }

    pub fn read(mut file: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        while !file.is_empty() {
            let (length, rest) = file.split_at(8);
            let (check, rest) = rest.split_at(4);
            assert_eq!(check, unmask_and_compare(length));
            let (event, rest) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
            let (check, rest) = rest.split_at(4);
            assert_eq!(check, unmask_and_compare(event));
            events.push(parse(event));
            file = rest;
        }
        events
    }

    fn unmask_and_compare(bytes: &[u8]) -> [u8; 4] {
        let reversed = bytes.iter().fold(0xffff_ffffu32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(byte.reverse_bits()) << 24, |crc, _| {
                if crc >> 31 == 1 { crc << 1 ^ 0x1edc_6f41 } else { crc << 1 }
            })
        });
        let crc = (!reversed).reverse_bits();
        (crc.rotate_right(15).wrapping_add(0xa282_ead8)).to_le_bytes()
    }

    fn parse(mut bytes: &[u8]) -> Event {
        let mut event = Event::default();
        while let Some((field, value)) = next(&mut bytes) {
            match (field, value) {
                (1, Value::Eight(v)) => event.seconds = f64::from_le_bytes(v),
                (2, Value::Varint(v)) => event.step = v,
                (3, Value::Bytes(v)) => event.version = Some(String::from_utf8(v.into()).unwrap()),
                (5, Value::Bytes(mut summary)) => {
                    while let Some((1, Value::Bytes(mut one))) = next(&mut summary) {
                        let Some((1, Value::Bytes(tag))) = next(&mut one) else { panic!("no tag") };
                        let Some((2, Value::Four(v))) = next(&mut one) else { panic!("no value") };
                        event.scalars.push((String::from_utf8(tag.into()).unwrap(), f32::from_le_bytes(v)));
                    }
                }
                (field, _) => panic!("field {field}"),
            }
        }
        event
    }

    enum Value<'a> {
        Varint(u64),
        Eight([u8; 8]),
        Bytes(&'a [u8]),
        Four([u8; 4]),
    }

    fn next<'a>(bytes: &mut &'a [u8]) -> Option<(u64, Value<'a>)> {
        let varint = |bytes: &mut &[u8]| {
            let (mut value, mut shift) = (0u64, 0);
            loop {
                let byte = bytes[0];
                *bytes = &bytes[1..];
                value |= u64::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    return value;
                }
            }
        };
        if bytes.is_empty() {
            return None;
        }
        let key = varint(bytes);
        let mut take = |n: usize| {
            let (taken, rest) = bytes.split_at(n);
            *bytes = rest;
            taken
        };
        let value = match key & 7 {
            0 => Value::Varint(varint(bytes)),
            1 => Value::Eight(take(8).try_into().unwrap()),
            2 => {
                let length = varint(bytes) as usize;
                let (taken, rest) = bytes.split_at(length);
                *bytes = rest;
                Value::Bytes(taken)
            }
            5 => Value::Four(take(4).try_into().unwrap()),
            wire => panic!("wire type {wire}"),
        };
        Some((key >> 3, value))
    }
}

#[cfg(test)]
mod tests {
    use super::reader::{Event, read};
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // RFC 3720, B.4, and the check value of the CRC catalogue.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn what_is_written_is_read_by_another() {
        let long = "validation/".repeat(30);
        let file =
            [version(1.5), scalars(2.5, 300, &[("train/loss", 0.25), (&long, -1.0)]), scalars(3.0, 0, &[])].concat();
        let event = |seconds, step, scalars: &[(&str, f32)]| Event {
            seconds,
            step,
            version: None,
            scalars: scalars.iter().map(|(tag, value)| (tag.to_string(), *value)).collect(),
        };
        let first = Event { version: Some("brain.Event:2".into()), ..event(1.5, 0, &[]) };
        assert_eq!(read(&file), [first, event(2.5, 300, &[("train/loss", 0.25), (&long, -1.0)]), event(3.0, 0, &[])]);
    }
}
