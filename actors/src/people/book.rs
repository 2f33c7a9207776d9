//! Texts of millions of people in few allocations: chunks of bytes, and a table that says where
//! each text lies.

use std::collections::BTreeMap;

use crate::growing::{List, Table};
use crate::ids::PersonId;
use crate::image::Sample;

const CHUNK_BYTES: usize = 1 << 20;
const LENGTH_BITS: u32 = 20;

#[derive(Clone, Copy, Debug)]
struct Slot {
    person: [u64; 2],
    /// Offset in the whole of all chunks, over the length.
    place: u64,
}

impl Slot {
    fn person(&self) -> PersonId {
        PersonId::from_halves(self.person)
    }
}

#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    live: u32,
}

/// Person to text. A removed text is overwritten with zeros at once; the memory of a chunk is given
/// back when its last text is removed.
#[derive(Debug, Default)]
pub(super) struct Book {
    slots: List<Slot>,
    free: Vec<u32>,
    by_person: Table<u32>,
    chunks: Vec<Chunk>,
}

impl Book {
    pub(super) fn get(&self, person: PersonId) -> Option<&[u8]> {
        let slot = self.slots[self.find(person)? as usize];
        let (chunk, range) = place(slot.place);
        self.chunks.get(chunk)?.bytes.get(range)
    }

    pub(super) fn len(&self) -> usize {
        self.by_person.len()
    }

    /// Everything, in the order of persons.
    pub(super) fn contents(&self) -> BTreeMap<[u64; 2], Option<&[u8]>> {
        let live = self.by_person.iter().map(|&index| &self.slots[index as usize]);
        live.map(|slot| (slot.person, self.get(slot.person()))).collect()
    }

    /// Every person and text, in no order that means anything.
    pub(super) fn texts(&self) -> impl Iterator<Item = (PersonId, &[u8])> {
        self.by_person.iter().map(|&index| {
            let slot = self.slots[index as usize];
            let (chunk, range) = place(slot.place);
            (slot.person(), &self.chunks[chunk].bytes[range])
        })
    }

    /// How many texts there are, and a hash of a sample of them and their persons, whatever their
    /// order.
    pub(super) fn fingerprint(&self, turn: u64) -> u64 {
        let sample = Sample::of(self.len(), turn);
        let taken = self.slots.iter().filter(|slot| sample.takes(slot.person[1]));
        // A free slot is nobody's: no id is 0, since each names its version.
        taken.filter(|slot| slot.person != [0; 2]).fold(self.len() as u64, |sum, slot| {
            let (chunk, range) = place(slot.place);
            let crc = u64::from(crc32c::crc32c(&self.chunks[chunk].bytes[range]));
            let mixed = (slot.person[1] ^ crc).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            sum.wrapping_add(mixed ^ (mixed >> 32) ^ slot.person[0])
        })
    }

    /// Puts a text down, in place of what was there.
    pub(super) fn put(&mut self, person: PersonId, text: &[u8]) {
        self.remove(person);
        let place = self.write(text);
        let slot = Slot { person: person.halves(), place };
        let index = match self.free.pop() {
            Some(index) => {
                self.slots[index as usize] = slot;
                index
            }
            None => {
                self.slots.push(slot);
                self.slots.len() as u32 - 1
            }
        };
        let slots = &self.slots;
        self.by_person.insert_unique(person, index, |&index| slots[index as usize].person());
    }

    /// Forgets a person; false when nothing was known.
    pub(super) fn remove(&mut self, person: PersonId) -> bool {
        let Some(index) = self.find(person) else { return false };
        let slot = self.slots[index as usize];
        self.by_person.remove(person, |&other| other == index);
        self.slots[index as usize] = Slot { person: [0; 2], place: 0 };
        self.free.push(index);
        let (number, range) = place(slot.place);
        let newest = number + 1 == self.chunks.len();
        let chunk = &mut self.chunks[number];
        chunk.bytes[range].fill(0);
        chunk.live -= 1;
        if chunk.live == 0 && !newest {
            chunk.bytes = Vec::new();
        }
        true
    }

    fn find(&self, person: PersonId) -> Option<u32> {
        let same = |&index: &u32| self.slots[index as usize].person() == person;
        self.by_person.find(person, same).copied()
    }

    fn write(&mut self, text: &[u8]) -> u64 {
        let fits = |chunk: &Chunk| chunk.bytes.len() + text.len() <= CHUNK_BYTES;
        if !self.chunks.last().is_some_and(fits) {
            self.chunks.push(Chunk { bytes: Vec::with_capacity(CHUNK_BYTES), live: 0 });
        }
        let number = self.chunks.len() - 1;
        let chunk = &mut self.chunks[number];
        let offset = number * CHUNK_BYTES + chunk.bytes.len();
        chunk.bytes.extend_from_slice(text);
        chunk.live += 1;
        (offset as u64) << LENGTH_BITS | text.len() as u64
    }
}

fn place(place: u64) -> (usize, std::ops::Range<usize>) {
    let (offset, length) = ((place >> LENGTH_BITS) as usize, place & ((1 << LENGTH_BITS) - 1));
    let start = offset % CHUNK_BYTES;
    (offset / CHUNK_BYTES, start..start + length as usize)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_book_agrees_with_a_plain_map(
            steps in prop::collection::vec(
                (0..40_u128, prop::option::of((0..60_000_usize, any::<u8>()))), 0..300,
            ),
        ) {
            let mut book = Book::default();
            let mut model = HashMap::new();
            for (person, text) in steps {
                let person = PersonId(person);
                match text {
                    Some((length, byte)) => {
                        book.put(person, &vec![byte; length]);
                        model.insert(person, vec![byte; length]);
                    }
                    None => prop_assert_eq!(book.remove(person), model.remove(&person).is_some()),
                }
            }
            prop_assert_eq!(book.len(), model.len());
            for (&person, text) in &model {
                prop_assert_eq!(book.get(person), Some(text.as_slice()));
            }
        }
    }

    #[test]
    fn an_erased_text_is_nowhere_in_memory() {
        let mut book = Book::default();
        book.put(PersonId(1), b"ada@example.com");
        book.put(PersonId(2), b"bob@example.com");
        assert!(book.remove(PersonId(1)));
        assert!(!book.chunks[0].bytes.windows(3).any(|window| window == b"ada"));
        assert_eq!(book.get(PersonId(2)), Some(&b"bob@example.com"[..]));
    }

    fn person(number: u128) -> PersonId {
        PersonId(8 << 64 | number)
    }

    #[test]
    fn books_of_the_same_texts_have_one_fingerprint_however_they_came_about() {
        let (mut one, mut other) = (Book::default(), Book::default());
        let text = |number: u128| number.to_le_bytes();
        for number in 0..10_000 {
            one.put(person(number), &text(number));
        }
        for number in (0..20_000).rev() {
            other.put(person(number), &text(number + 1));
        }
        for number in 0..20_000 {
            if number < 10_000 {
                other.put(person(number), &text(number));
            } else {
                other.remove(person(number));
            }
        }
        for turn in 0..50 {
            assert_eq!(one.fingerprint(turn), other.fingerprint(turn));
        }
    }

    #[test]
    fn a_text_that_went_wrong_is_seen_when_it_is_its_turn() {
        let mut book = Book::default();
        for number in 0..12 {
            book.put(person(number), b"text");
        }
        let shares = |book: &Book| [0, 1, 2].map(|turn| book.fingerprint(turn));
        let before = shares(&book);
        book.put(person(7), b"best");
        let changed = shares(&book);
        assert_eq!([changed[0], changed[2]], [before[0], before[2]]);
        assert_ne!(changed[1], before[1], "one of three shares has it");
        book.remove(person(7));
        assert!((0..3).all(|turn| shares(&book)[turn] != changed[turn]), "one less");
    }
}
