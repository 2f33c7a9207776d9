//! The shape of the graph, by dense numbers: who stands below whom, at what depth, in which tree.
//!
//! Numbers count people in the order of appearance. Those whom a person brought hang on one another
//! from the newest to the oldest, so a person costs two words and a walk touches each once. It goes
//! level by level, where no step waits for the one before it: a million people are a matter of
//! milliseconds, and a line of them needs no stack.
//!
//! Trees are disjoint sets, united by size (Tarjan, "Efficiency of a Good But Not Linear Set Union
//! Algorithm", 1975) and never compressed. A person's depth is a sum over the way to the head of
//! its set, so a whole tree moves down by one addition, and root and depth are found in O(log n).

/// No person.
const NONE: u32 = u32::MAX;

/// A person's place among others.
#[derive(Clone, Copy, Debug)]
struct Links {
    newest_below: u32,
    next_older: u32,
}

/// A person's way to the head of its set; of a head, what is true of the whole tree.
#[derive(Clone, Copy, Debug)]
struct Set {
    parent: u32,
    /// What this adds to the depth of everybody whose way leads over it.
    depth: i32,
    people: u32,
    root: u32,
    deepest: u32,
}

/// The trees. Invariants: `above` has no cycle; `deepest` is the depth of the deepest tree. The
/// lists are plain ones: in chunks (`growing/`), a walk over a million took half as long again.
#[derive(Debug, Default)]
pub(super) struct Forest {
    links: Vec<Links>,
    above: Vec<u32>,
    sets: Vec<Set>,
    edges: u32,
    deepest: u32,
}

/// What stands below somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Below {
    pub(super) people: u64,
    /// Levels, of which the first are told.
    pub(super) depth: u32,
    pub(super) by_level: Vec<u32>,
}

impl Forest {
    pub(super) fn people(&self) -> u32 {
        self.links.len() as u32
    }

    pub(super) fn edges(&self) -> u32 {
        self.edges
    }

    pub(super) fn trees(&self) -> u32 {
        self.people() - self.edges
    }

    /// Edges on the longest way down from a root.
    pub(super) fn deepest(&self) -> u32 {
        self.deepest
    }

    /// A new person, alone in a tree.
    pub(super) fn plant(&mut self) -> u32 {
        let person = self.people();
        self.links.push(Links { newest_below: NONE, next_older: NONE });
        self.above.push(NONE);
        self.sets.push(Set { parent: NONE, depth: 0, people: 1, root: person, deepest: 0 });
        person
    }

    /// Puts the tree whose root is `below` under `above`, who is in another one.
    pub(super) fn link(&mut self, above: u32, below: u32) {
        debug_assert!(self.root(above) != below, "the graph stays a forest");
        self.edges += 1;
        self.above[below as usize] = above;
        let newest = std::mem::replace(&mut self.links[above as usize].newest_below, below);
        self.links[below as usize].next_older = newest;

        let ((upper, depth), (lower, _)) = (self.head(above), self.head(below));
        let down = depth + 1;
        let (over, under) = (self.sets[upper as usize], self.sets[lower as usize]);
        let people = over.people + under.people;
        let deepest = over.deepest.max(under.deepest + down.cast_unsigned());
        let moved = under.depth + down;
        let head = if over.people >= under.people {
            self.sets[lower as usize].parent = upper;
            self.sets[lower as usize].depth = moved - over.depth;
            upper
        } else {
            self.sets[upper as usize].parent = lower;
            self.sets[upper as usize].depth = over.depth - moved;
            self.sets[lower as usize].depth = moved;
            lower
        };
        let set = &mut self.sets[head as usize];
        (set.people, set.root, set.deepest) = (people, over.root, deepest);
        self.deepest = self.deepest.max(deepest);
    }

    /// The head of a person's set, and the person's depth.
    fn head(&self, person: u32) -> (u32, i32) {
        let (mut head, mut depth) = (person, 0);
        loop {
            let set = &self.sets[head as usize];
            depth += set.depth;
            if set.parent == NONE {
                return (head, depth);
            }
            head = set.parent;
        }
    }

    pub(super) fn root(&self, person: u32) -> u32 {
        self.sets[self.head(person).0 as usize].root
    }

    /// How many stand above a person.
    pub(super) fn depth(&self, person: u32) -> u32 {
        self.head(person).1.cast_unsigned()
    }

    /// A person and all above, up to the root.
    pub(super) fn up(&self, person: u32) -> impl Iterator<Item = u32> {
        let above = |person: &u32| some(self.above[*person as usize]);
        std::iter::successors(Some(person), above)
    }

    /// Those directly below a person, newest first.
    pub(super) fn down(&self, person: u32) -> impl Iterator<Item = u32> {
        let older = |person: &u32| some(self.links[*person as usize].next_older);
        std::iter::successors(some(self.links[person as usize].newest_below), older)
    }

    /// All below a person; how many on each of the first `levels_max` levels.
    pub(super) fn below(&self, person: u32, levels_max: usize) -> Below {
        let mut below = Below::default();
        let first = self.links[person as usize].newest_below;
        if first == NONE {
            return below;
        }
        // Whether somebody has a neighbour is a coin toss, which a processor cannot foresee: so
        // every name is written down, and counted only when it is one.
        let room = self.sets[self.head(person).0 as usize].people as usize + 1;
        let (mut level, mut next) = (vec![0; room], vec![0; room]);
        level[0] = first;
        let mut count = 1;
        while count > 0 {
            let (mut at, mut under) = (0, 0);
            while at < count {
                let Links { newest_below, next_older } = self.links[level[at] as usize];
                next[under] = newest_below;
                under += usize::from(newest_below != NONE);
                level[count] = next_older;
                count += usize::from(next_older != NONE);
                at += 1;
            }
            below.people += count as u64;
            below.depth += 1;
            if below.by_level.len() < levels_max {
                below.by_level.push(count as u32);
            }
            std::mem::swap(&mut level, &mut next);
            count = under;
        }
        below
    }
}

fn some(person: u32) -> Option<u32> {
    (person != NONE).then_some(person)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planted(people: u32) -> Forest {
        let mut forest = Forest::default();
        for _ in 0..people {
            forest.plant();
        }
        forest
    }

    fn line(people: u32, order: impl Iterator<Item = u32>) -> Forest {
        let mut forest = planted(people);
        order.for_each(|above| forest.link(above, above + 1));
        forest
    }

    #[test]
    fn a_line_of_a_hundred_thousand_is_one_deep_tree_in_whatever_order_it_grew() {
        let people = 100_000;
        let evens_first = (0..people - 1).step_by(2).chain((1..people - 1).step_by(2));
        for forest in [
            line(people, 0..people - 1),
            line(people, (0..people - 1).rev()),
            line(people, evens_first),
        ] {
            assert_eq!((forest.trees(), forest.deepest()), (1, people - 1));
            let below = forest.below(0, 10);
            assert_eq!((below.people, below.depth), (u64::from(people) - 1, people - 1));
            assert_eq!(below.by_level, [1; 10]);
            for person in [0, 1, 2, 777, people - 1] {
                assert_eq!((forest.root(person), forest.depth(person)), (0, person));
            }
            assert_eq!(forest.up(people - 1).count(), people as usize);
        }
    }

    #[test]
    fn levels_are_counted_below_the_person_who_is_asked_about() {
        let mut forest = planted(7);
        for (above, below) in [(1, 2), (1, 3), (3, 4), (0, 1), (4, 5)] {
            forest.link(above, below);
        }
        assert_eq!(forest.below(0, 9).by_level, [1, 2, 1, 1]);
        assert_eq!(forest.below(1, 9).by_level, [2, 1, 1]);
        assert_eq!(forest.below(6, 9), Below::default());
        assert_eq!(forest.down(1).collect::<Vec<_>>(), [3, 2], "newest first");
        assert_eq!((forest.trees(), forest.edges(), forest.deepest()), (2, 5, 4));
    }
}
