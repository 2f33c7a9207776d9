//! Rows in the binary form of COPY.
//!
//! ```text
//! "PGCOPY\n\xff\r\n\0" | flags i32 | extension i32
//! row: count of fields i16, then for each: length i32, -1 for NULL | bytes
//! end: -1 i16
//! ```
//! All numbers big-endian; times are microseconds since 2000-01-01.

use actors::Timestamp;

const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// From 1970 to 2000, in microseconds.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// The years that PostgreSQL and people can read: what is outside is put to the end.
const MICROS_MAX: i64 = 253_402_300_799_999_999;

/// Rows of one table.
pub(super) struct Rows {
    bytes: Vec<u8>,
    count: u64,
    fields: i16,
}

impl Rows {
    /// Of so many fields each.
    pub(super) fn of(fields: i16) -> Self {
        Self { bytes: HEADER.to_vec(), count: 0, fields }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Begins the next row; all its fields follow.
    pub(super) fn row(&mut self) -> &mut Self {
        self.count += 1;
        self.bytes.extend_from_slice(&self.fields.to_be_bytes());
        self
    }

    pub(super) fn uuid(&mut self, id: u128) -> &mut Self {
        self.field(&id.to_be_bytes())
    }

    pub(super) fn uuid_or_null(&mut self, id: Option<u128>) -> &mut Self {
        match id {
            Some(id) => self.uuid(id),
            None => self.null(),
        }
    }

    /// PostgreSQL has no text with a zero in it.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        if text.contains('\0') {
            return self.field(text.replace('\0', "\u{fffd}").as_bytes());
        }
        self.field(text.as_bytes())
    }

    pub(super) fn text_or_null(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.text(text),
            None => self.null(),
        }
    }

    /// JSON, in version 1 of its binary form.
    pub(super) fn jsonb(&mut self, json: &str) -> &mut Self {
        self.field(&[&[1], json.as_bytes()].concat())
    }

    pub(super) fn flag(&mut self, flag: bool) -> &mut Self {
        self.field(&[u8::from(flag)])
    }

    pub(super) fn flag_or_null(&mut self, flag: Option<bool>) -> &mut Self {
        match flag {
            Some(flag) => self.flag(flag),
            None => self.null(),
        }
    }

    pub(super) fn int4(&mut self, number: i32) -> &mut Self {
        self.field(&number.to_be_bytes())
    }

    pub(super) fn int4_or_null(&mut self, number: Option<i32>) -> &mut Self {
        match number {
            Some(number) => self.int4(number),
            None => self.null(),
        }
    }

    pub(super) fn int8(&mut self, number: i64) -> &mut Self {
        self.field(&number.to_be_bytes())
    }

    pub(super) fn float8(&mut self, number: f64) -> &mut Self {
        self.field(&number.to_be_bytes())
    }

    pub(super) fn time(&mut self, time: Timestamp) -> &mut Self {
        let micros = time.micros().clamp(-MICROS_MAX, MICROS_MAX) - EPOCH_MICROS;
        self.int8(micros)
    }

    pub(super) fn time_or_null(&mut self, time: Option<Timestamp>) -> &mut Self {
        match time {
            Some(time) => self.time(time),
            None => self.null(),
        }
    }

    pub(super) fn null(&mut self) -> &mut Self {
        self.bytes.extend_from_slice(&(-1_i32).to_be_bytes());
        self
    }

    fn field(&mut self, bytes: &[u8]) -> &mut Self {
        let length = i32::try_from(bytes.len()).expect("no field is longer than a record");
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// The whole stream.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&(-1_i16).to_be_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_written_as_the_manual_says() {
        let mut rows = Rows::of(3);
        rows.row().int4(7).null().text("a\0");
        let bytes = rows.finish();
        let (head, rest) = bytes.split_at(19);
        assert_eq!(head, b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
        let expected = b"\0\x03\0\0\0\x04\0\0\0\x07\xff\xff\xff\xff\0\0\0\x04a\xef\xbf\xbd\xff\xff";
        assert_eq!(rest, expected);
    }
}
