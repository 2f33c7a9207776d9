//! A list in chunks: none moves when another one is added.

use std::ops::{Index, IndexMut};

use serde::{Serialize, Serializer};

/// Items of a chunk.
const CHUNK: usize = 4_096;

/// Items by index. Invariant: every chunk but the last is full, and none is empty.
#[derive(Debug)]
pub(crate) struct List<T>(Vec<Vec<T>>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> List<T> {
    pub(crate) fn len(&self) -> usize {
        self.0.last().map_or(0, |last| (self.0.len() - 1) * CHUNK + last.len())
    }

    pub(crate) fn push(&mut self, item: T) {
        match self.0.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(item),
            Some(_) | None => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(item);
                self.0.push(chunk);
            }
        }
    }

    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        self.0.get(index / CHUNK)?.get(index % CHUNK)
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.0.get_mut(index / CHUNK)?.get_mut(index % CHUNK)
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &T> {
        let mut items = self.0.iter().flatten();
        (0..self.len()).map(move |_| items.next().expect("the length counts the items"))
    }
}

impl<T> Index<usize> for List<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        &self.0[index / CHUNK][index % CHUNK]
    }
}

impl<T> IndexMut<usize> for List<T> {
    fn index_mut(&mut self, index: usize) -> &mut T {
        &mut self.0[index / CHUNK][index % CHUNK]
    }
}

/// As a `Vec` is written.
impl<T: Serialize> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::digest;

    #[test]
    fn a_list_is_a_vector_whose_items_stay_where_they_are() {
        let (mut list, mut model) = (List::default(), Vec::new());
        let mut first: Option<*const usize> = None;
        for item in 0..3 * CHUNK {
            assert_eq!(list.len(), item);
            assert_eq!(list.get(item), None);
            assert_eq!(list.get_mut(item), None);
            list.push(item);
            model.push(item);
            let place: *const usize = &raw const list[0];
            assert_eq!(*first.get_or_insert(place), place);
        }
        for index in [0, CHUNK - 1, CHUNK, 3 * CHUNK - 1] {
            list[index] += 1;
            model[index] += 1;
            assert_eq!(list.get(index), model.get(index));
            assert_eq!(list.get_mut(index), model.get_mut(index));
            assert_eq!(list[index], model[index]);
        }
        assert_eq!(list.iter().len(), model.len());
        assert!(list.iter().eq(&model));
        assert_eq!(digest(&list), digest(&model));
    }
}
