//! How alike two orders of the same people are.

/// Kendall's tau-b between the order 0, 1, 2, … and `places`, the places that the same people have
/// in the other order, which are all different. None for fewer than two people.
///
/// Without ties tau-b is (pairs in the same order − pairs in the reversed one) / all pairs (M. G.
/// Kendall, "The treatment of ties in ranking problems", Biometrika 33, 1945). The reversed pairs
/// are the inversions, which a merge sort counts in O(n log n) (W. R. Knight, "A computer method
/// for calculating Kendall's tau with ungrouped data", JASA 61, 1966).
pub(super) fn kendall(places: Vec<u32>) -> Option<f64> {
    let people = places.len() as u64;
    if people < 2 {
        return None;
    }
    let pairs = people * (people - 1) / 2;
    let reversed = inversions(places);
    Some(1.0 - 2.0 * (reversed as f64 / pairs as f64))
}

/// How many pairs stand in the wrong order. From runs of one to runs of all, with one buffer.
fn inversions(values: Vec<u32>) -> u64 {
    let (mut from, mut to) = (values, Vec::new());
    let mut count = 0;
    let mut run = 1;
    while run < from.len() {
        to.clear();
        to.reserve(from.len());
        for pair in from.chunks(2 * run) {
            let (left, right) = pair.split_at(run.min(pair.len()));
            count += merge(left, right, &mut to);
        }
        std::mem::swap(&mut from, &mut to);
        run *= 2;
    }
    count
}

/// Merges two sorted runs; how many pairs of one of each stand in the wrong order.
fn merge(left: &[u32], right: &[u32], out: &mut Vec<u32>) -> u64 {
    let (mut left, mut right, mut count) = (left, right, 0);
    while let (Some(&l), Some(&r)) = (left.first(), right.first()) {
        if l <= r {
            out.push(l);
            left = &left[1..];
        } else {
            out.push(r);
            right = &right[1..];
            count += left.len() as u64;
        }
    }
    out.extend_from_slice(left);
    out.extend_from_slice(right);
    count
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_same_order_is_1_the_reversed_one_is_minus_1_and_nobody_has_none() {
        assert_eq!(kendall((0..1_000).collect()), Some(1.0));
        assert_eq!(kendall((0..1_000).rev().collect()), Some(-1.0));
        assert_eq!(kendall(vec![7]), None);
        assert_eq!(kendall(Vec::new()), None);
    }

    proptest! {
        #[test]
        fn tau_agrees_with_counting_all_pairs(
            keys in prop::collection::vec(any::<u16>(), 2..120),
        ) {
            let mut order: Vec<u32> = (0..keys.len() as u32).collect();
            order.sort_by_key(|&at| (keys[at as usize], at));
            let (mut same, mut reversed) = (0_u32, 0_u32);
            for (at, early) in order.iter().enumerate() {
                for late in &order[at + 1..] {
                    if early < late { same += 1 } else { reversed += 1 }
                }
            }
            let naive = (f64::from(same) - f64::from(reversed)) / f64::from(same + reversed);
            let tau = kendall(order).expect("there are two people");
            prop_assert!((tau - naive).abs() < 1e-12, "{tau} {naive}");
        }
    }
}
