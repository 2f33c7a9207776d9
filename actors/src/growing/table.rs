//! Hash tables in shards.
//!
//! The items are spread over many small tables by their hash. How many one has got by chance
//! differs by the square root of that number, so they do not fill up all at once but one after the
//! other, and each moves its own part only.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::ids::{InviteCode, PersonId, Uuid};
use crate::mix::mix;

const SHARDS: usize = 256;

/// What a table is looked up by. The hash has no secret, so only what no client can choose is a
/// key: ids that are keyed hashes or random, codes that were made here, places in a list. (Codes
/// that were imported are the operator's own.)
pub(crate) trait Key: Copy + Eq {
    /// With chance in all its bits.
    fn hash(self) -> u64;
}

impl Key for PersonId {
    fn hash(self) -> u64 {
        let [high, low] = self.halves();
        mix(high ^ low)
    }
}

impl Key for InviteCode {
    fn hash(self) -> u64 {
        mix(self.folded())
    }
}

impl Key for Uuid {
    fn hash(self) -> u64 {
        mix((self.0 >> 64) as u64 ^ self.0 as u64)
    }
}

impl Key for u64 {
    fn hash(self) -> u64 {
        mix(self)
    }
}

impl Key for u32 {
    fn hash(self) -> u64 {
        mix(u64::from(self))
    }
}

/// Items that are found by a key which they have or lead to.
#[derive(Debug)]
pub(crate) struct Table<T> {
    shards: Box<[HashTable<T>]>,
    len: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| HashTable::new()).collect(), len: 0 }
    }
}

impl<T> Table<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn find(&self, key: impl Key, same: impl FnMut(&T) -> bool) -> Option<&T> {
        let hash = key.hash();
        self.shards[shard(hash)].find(hash, same)
    }

    pub(crate) fn find_mut(
        &mut self,
        key: impl Key,
        same: impl FnMut(&T) -> bool,
    ) -> Option<&mut T> {
        let hash = key.hash();
        self.shards[shard(hash)].find_mut(hash, same)
    }

    /// The item with that key, which `make` makes if there is none. `key_of` tells the key of any.
    pub(crate) fn find_or_insert<K: Key>(
        &mut self,
        key: K,
        same: impl FnMut(&T) -> bool,
        key_of: impl Fn(&T) -> K,
        make: impl FnOnce() -> T,
    ) -> &mut T {
        let hash = key.hash();
        let rehash = |item: &T| key_of(item).hash();
        match self.shards[shard(hash)].entry(hash, same, rehash) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(place) => {
                self.len += 1;
                place.insert(make()).into_mut()
            }
        }
    }

    /// Puts an item in the place of the one with its key; that one.
    pub(crate) fn replace<K: Key>(
        &mut self,
        key: K,
        item: T,
        same: impl FnMut(&T) -> bool,
        key_of: impl Fn(&T) -> K,
    ) -> Option<T> {
        let hash = key.hash();
        match self.shards[shard(hash)].entry(hash, same, |item| key_of(item).hash()) {
            Entry::Occupied(mut found) => Some(std::mem::replace(found.get_mut(), item)),
            Entry::Vacant(place) => {
                self.len += 1;
                place.insert(item);
                None
            }
        }
    }

    /// A new item, whose key no other has.
    pub(crate) fn insert_unique<K: Key>(&mut self, key: K, item: T, key_of: impl Fn(&T) -> K) {
        let hash = key.hash();
        self.len += 1;
        self.shards[shard(hash)].insert_unique(hash, item, |item| key_of(item).hash());
    }

    pub(crate) fn remove(&mut self, key: impl Key, same: impl FnMut(&T) -> bool) -> Option<T> {
        let hash = key.hash();
        let found = self.shards[shard(hash)].find_entry(hash, same).ok()?;
        self.len -= 1;
        Some(found.remove().0)
    }

    /// All items, in no order that means anything.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &T> {
        let mut items = self.shards.iter().flatten();
        (0..self.len).map(move |_| items.next().expect("the length counts the items"))
    }
}

/// Bits that the shard's own table uses last: it looks at the top seven, and from below at as many
/// as its size needs.
fn shard(hash: u64) -> usize {
    (hash >> 48) as usize % SHARDS
}

/// Key to value.
#[derive(Debug)]
pub(crate) struct Map<K, V>(Table<(K, V)>);

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self(Table::default())
    }
}

impl<K: Key, V> Map<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn get(&self, key: K) -> Option<&V> {
        self.0.find(key, |item| item.0 == key).map(|item| &item.1)
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.0.find_mut(key, |item| item.0 == key).map(|item| &mut item.1)
    }

    pub(crate) fn contains_key(&self, key: K) -> bool {
        self.get(key).is_some()
    }

    /// The value of a key, which `make` makes if there is none.
    pub(crate) fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        &mut self.0.find_or_insert(key, |item| item.0 == key, |item| item.0, || (key, make())).1
    }

    pub(crate) fn get_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.get_or_insert_with(key, V::default)
    }

    /// The value before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let before = self.0.replace(key, (key, value), |item| item.0 == key, |item| item.0);
        before.map(|item| item.1)
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        self.0.remove(key, |item| item.0 == key).map(|item| item.1)
    }

    /// All pairs, in no order that means anything.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_map_agrees_with_a_plain_one(
            steps in prop::collection::vec((0..300_u32, 0..4_u8, any::<i32>()), 0..2_000),
        ) {
            let mut map = Map::<u32, i32>::default();
            let mut model = BTreeMap::new();
            for (key, step, value) in steps {
                match step {
                    0 => prop_assert_eq!(map.insert(key, value), model.insert(key, value)),
                    1 => prop_assert_eq!(map.remove(key), model.remove(&key)),
                    2 => {
                        let found = model.entry(key).or_insert(value);
                        prop_assert_eq!(map.get_or_insert_with(key, || value), found);
                    }
                    _ => {
                        prop_assert_eq!(map.get(key), model.get(&key));
                        prop_assert_eq!(map.get_mut(key), model.get_mut(&key));
                        prop_assert_eq!(map.contains_key(key), model.contains_key(&key));
                    }
                }
                prop_assert_eq!((map.len(), map.is_empty()), (model.len(), model.is_empty()));
            }
            let items = map.iter();
            prop_assert_eq!(items.len(), model.len());
            prop_assert_eq!(items.collect::<BTreeMap<_, _>>(), model.iter().collect());
        }
    }

    /// Of all items, the largest share that was moved during `STEP` insertions in a row.
    fn largest_share_moved<K: Key>(keys: impl Iterator<Item = K>) -> f64 {
        const STEP: usize = 100;
        let mut map = Map::default();
        let capacities =
            |map: &Map<K, ()>| map.0.shards.iter().map(HashTable::capacity).collect::<Vec<_>>();
        let (mut before, mut largest) = (capacities(&map), 0.0_f64);
        for key in keys {
            map.insert(key, ());
            if map.len().is_multiple_of(STEP) {
                let after = capacities(&map);
                let moved = before.iter().zip(&after).zip(&map.0.shards);
                let moved = moved.filter(|((before, after), _)| before != after);
                let moved: usize = moved.map(|(_, shard)| shard.len()).sum();
                if map.len() > 50_000 {
                    largest = largest.max(moved as f64 / map.len() as f64);
                }
                before = after;
            }
        }
        largest
    }

    #[test]
    fn tables_do_not_grow_all_at_once() {
        let share = largest_share_moved(0..250_000_u32);
        assert!((0.001..0.1).contains(&share), "indexes: {share}");
        let person = |number| {
            let [high, low] = [mix(number), mix(!number)];
            PersonId::from_halves([high & !0xf000 | 0x8000, low >> 2 | 1 << 63])
        };
        let share = largest_share_moved((0..250_000).map(person));
        assert!((0.001..0.1).contains(&share), "people: {share}");
        let code = |number: u64| InviteCode::from_entropy(&u128::from(number).to_be_bytes(), 12);
        let share = largest_share_moved((0..250_000).map(code));
        assert!((0.001..0.1).contains(&share), "codes: {share}");
    }
}
