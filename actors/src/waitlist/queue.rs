//! The order-statistic structure: a B+tree of 64-bit keys in which every inner node knows how many
//! keys lie below each child, so that the rank of a key and the key of a rank are found on one way
//! down.
//!
//! A key is the inverted score over the number of the entry: smaller is further in front. Nodes are
//! not merged when keys leave, only freed when empty; height therefore follows the largest size so
//! far, which keeps every operation in O(log of that).

const LEAF_KEYS_MAX: usize = 256;
const CHILDREN_MAX: usize = 64;

/// Place of an entry in the order: the smaller, the further in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(u64);

impl Key {
    pub(crate) const fn new(score: i32, index: u32) -> Self {
        // Flipping all but the sign bit turns the order of scores around, as unsigned numbers.
        let inverted = (score ^ i32::MAX) as u32;
        Self((inverted as u64) << 32 | index as u64)
    }

    pub(crate) const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    pub(crate) const fn raw(self) -> u64 {
        self.0
    }

    pub(crate) const fn index(self) -> u32 {
        self.0 as u32
    }
}

#[derive(Debug)]
enum Node {
    Leaf(Vec<u64>),
    Inner(Vec<Child>),
}

#[derive(Clone, Copy, Debug)]
struct Child {
    /// No key below is smaller.
    least: u64,
    count: u32,
    node: u32,
}

/// A set of keys with ranks.
#[derive(Debug)]
pub(crate) struct Queue {
    nodes: Vec<Node>,
    free: Vec<u32>,
    root: u32,
    len: u32,
}

impl Default for Queue {
    fn default() -> Self {
        Self { nodes: vec![Node::Leaf(Vec::new())], free: Vec::new(), root: 0, len: 0 }
    }
}

impl Queue {
    /// How many keys there are.
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// Adds a key; false when it was there.
    pub(crate) fn insert(&mut self, key: Key) -> bool {
        let (inserted, split) = self.insert_below(self.root, key.0);
        if let Some(right) = split {
            let left = Child { least: 0, count: self.len + 1 - right.count, node: self.root };
            self.root = self.allocate(Node::Inner(vec![left, right]));
        }
        self.len += u32::from(inserted);
        inserted
    }

    /// Takes a key out; false when it was not there.
    pub(crate) fn remove(&mut self, key: Key) -> bool {
        let removed = self.remove_below(self.root, key.0);
        self.len -= u32::from(removed);
        while let Node::Inner(children) = &self.nodes[self.root as usize] {
            let [only] = children.as_slice() else { break };
            let only = only.node;
            self.release(self.root);
            self.root = only;
        }
        removed
    }

    /// How many keys are in front of `key`, whether or not it is there.
    pub(crate) fn rank(&self, key: Key) -> u32 {
        let mut before = 0;
        let mut node = self.root;
        loop {
            match &self.nodes[node as usize] {
                Node::Leaf(keys) => return before + keys.partition_point(|&k| k < key.0) as u32,
                Node::Inner(children) => {
                    let at = child_for(children, key.0);
                    before += children[..at].iter().map(|child| child.count).sum::<u32>();
                    node = children[at].node;
                }
            }
        }
    }

    /// The key with `rank` keys in front of it.
    pub(crate) fn at(&self, mut rank: u32) -> Option<Key> {
        let mut node = self.root;
        loop {
            match &self.nodes[node as usize] {
                Node::Leaf(keys) => return keys.get(rank as usize).copied().map(Key),
                Node::Inner(children) => {
                    let child = children.iter().find(|child| {
                        let here = rank < child.count;
                        if !here {
                            rank -= child.count;
                        }
                        here
                    })?;
                    node = child.node;
                }
            }
        }
    }

    /// Inserts below `node`; the new right sibling of `node` when it had to be split.
    fn insert_below(&mut self, node: u32, key: u64) -> (bool, Option<Child>) {
        let (at, below) = match &mut self.nodes[node as usize] {
            Node::Leaf(keys) => {
                let Err(at) = keys.binary_search(&key) else { return (false, None) };
                let Some(right) = insert_splitting(keys, at, key, LEAF_KEYS_MAX) else {
                    return (true, None);
                };
                let (least, count) = (right[0], right.len() as u32);
                let node = self.allocate(Node::Leaf(right));
                return (true, Some(Child { least, count, node }));
            }
            Node::Inner(children) => {
                let at = child_for(children, key);
                (at, children[at].node)
            }
        };
        let (inserted, split) = self.insert_below(below, key);
        let children = self.children_mut(node);
        children[at].count += u32::from(inserted);
        let Some(new) = split else { return (inserted, None) };
        children[at].count -= new.count;
        let Some(right) = insert_splitting(children, at + 1, new, CHILDREN_MAX) else {
            return (inserted, None);
        };
        let (least, count) = (right[0].least, right.iter().map(|child| child.count).sum());
        let node = self.allocate(Node::Inner(right));
        (inserted, Some(Child { least, count, node }))
    }

    fn remove_below(&mut self, node: u32, key: u64) -> bool {
        let (at, below) = match &mut self.nodes[node as usize] {
            Node::Leaf(keys) => {
                let Ok(at) = keys.binary_search(&key) else { return false };
                keys.remove(at);
                return true;
            }
            Node::Inner(children) => {
                let at = child_for(children, key);
                (at, children[at].node)
            }
        };
        if !self.remove_below(below, key) {
            return false;
        }
        let children = self.children_mut(node);
        children[at].count -= 1;
        if children[at].count == 0 && children.len() > 1 {
            children.remove(at);
            self.release(below);
        }
        true
    }

    fn children_mut(&mut self, node: u32) -> &mut Vec<Child> {
        match &mut self.nodes[node as usize] {
            Node::Inner(children) => children,
            Node::Leaf(_) => {
                unreachable!("an inner node stays one while its children are worked on")
            }
        }
    }

    fn allocate(&mut self, node: Node) -> u32 {
        if let Some(index) = self.free.pop() {
            self.nodes[index as usize] = node;
            return index;
        }
        self.nodes.push(node);
        self.nodes.len() as u32 - 1
    }

    /// Frees a node and what is left below it: a chain of nodes without a key, at most.
    fn release(&mut self, node: u32) {
        let released = std::mem::replace(&mut self.nodes[node as usize], Node::Leaf(Vec::new()));
        self.free.push(node);
        if let Node::Inner(children) = released
            && children.iter().all(|child| child.count == 0)
        {
            children.iter().for_each(|child| self.release(child.node));
        }
    }
}

/// The child under which `key` is or belongs: the last whose least key is not above it, or the
/// first.
fn child_for(children: &[Child], key: u64) -> usize {
    children.partition_point(|child| child.least <= key).saturating_sub(1)
}

/// Inserts into a list, splitting it when it is full, and gives back the right part.
///
/// Joins of one score arrive in order and end up at one spot, mostly inside a node. So a node is
/// split where the new item goes, not in the middle: what is behind the spot moves away, and what
/// arrives next fills the left part. No part is smaller than an eighth, so that insertions in any
/// other order leave no crumbs.
fn insert_splitting<T>(list: &mut Vec<T>, at: usize, item: T, max: usize) -> Option<Vec<T>> {
    if list.len() < max {
        list.insert(at, item);
        return None;
    }
    if at == list.len() {
        return Some(vec![item]);
    }
    let mut right = list.split_off(at.clamp(max / 8, max - max / 8));
    if at <= list.len() {
        list.insert(at, item);
    } else {
        right.insert(at - list.len(), item);
    }
    Some(right)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_higher_score_is_further_in_front_and_earlier_joins_come_first() {
        let order = [
            Key::new(i32::MAX, 9),
            Key::new(20, 3),
            Key::new(20, 4),
            Key::new(0, 1),
            Key::new(-5, 0),
            Key::new(i32::MIN, 0),
        ];
        assert!(order.is_sorted());
        assert_eq!(order[2].index(), 4);
        assert_eq!(Key::from_raw(order[4].raw()), order[4]);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(i32, u32),
        Remove(usize),
        RemoveFront(u16),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0..12_i32, 0..4_000_u32).prop_map(|(score, index)| Step::Insert(score, index)),
            2 => any::<usize>().prop_map(Step::Remove),
            1 => (0..60_u16).prop_map(Step::RemoveFront),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn rank_and_selection_agree_with_a_sorted_list(
            ordered in 0..20_000_u32, steps in prop::collection::vec(step(), 0..1_500),
        ) {
            let mut queue = Queue::default();
            let mut model = BTreeSet::new();
            for index in 0..ordered {
                let key = Key::new((index % 7) as i32, 10_000 + index);
                queue.insert(key);
                model.insert(key);
            }
            for step in steps {
                match step {
                    Step::Insert(score, index) => {
                        let key = Key::new(score, index);
                        prop_assert_eq!(queue.insert(key), model.insert(key));
                    }
                    Step::Remove(nth) => {
                        let nth = nth.checked_rem(model.len()).unwrap_or(0);
                        if let Some(&key) = model.iter().nth(nth) {
                            prop_assert_eq!(queue.rank(key) as usize, nth);
                            prop_assert!(queue.remove(key) && model.remove(&key));
                            prop_assert!(!queue.remove(key));
                        }
                    }
                    Step::RemoveFront(count) => for _ in 0..count {
                        prop_assert_eq!(queue.at(0), model.first().copied());
                        if let Some(key) = model.pop_first() {
                            queue.remove(key);
                        }
                    },
                }
                prop_assert_eq!(queue.len() as usize, model.len());
            }
            for (rank, &key) in model.iter().enumerate() {
                prop_assert_eq!(queue.at(rank as u32), Some(key));
                prop_assert_eq!(queue.rank(key) as usize, rank);
            }
            prop_assert_eq!(queue.at(queue.len()), None);
        }
    }

    #[test]
    fn keys_that_arrive_in_order_fill_their_leaves() {
        let mut queue = Queue::default();
        for index in 0..100_000 {
            queue.insert(Key::new([20, 15, 10, 8, 5][index as usize % 5], index));
        }
        let leaves = queue.nodes.iter().filter(|node| matches!(node, Node::Leaf(_))).count();
        assert!(leaves < 100_000 / LEAF_KEYS_MAX * 5 / 4, "{leaves} leaves");
    }
}
