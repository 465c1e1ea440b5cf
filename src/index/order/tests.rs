//! The list against a plain sort.

use super::*;

fn id(number: usize) -> Option<SessionId> {
    SessionId::new(&format!("s{number:05}"))
}

/// What the walk must give, from a plain sort.
fn expected(keys: &[u64], direction: Direction) -> Vec<u32> {
    let mut rows: Vec<u32> = (0..keys.len() as u32).collect();
    rows.sort_by_key(|row| match direction {
        Direction::Descending => (u64::MAX - keys[*row as usize], *row),
        _ => (keys[*row as usize], *row),
    });
    if direction == Direction::Reversed {
        rows.reverse();
    }
    rows
}

/// What is looked through in the place of the blocks says how they end.
fn check_lasts(order: &Order, ids: &Ids) {
    let lasts: Vec<(u64, &str)> =
        order.blocks.iter().map(|block| block.last().unwrap()).map(|last| (last.key(), id_of(ids, last.row))).collect();
    assert!(lasts.is_sorted_by(|a, b| a < b));
    let noted = order.maxes.iter().zip(&order.last_ids).map(|(max, id)| (*max, id.as_ref().map_or("", SessionId::as_str)));
    assert_eq!(noted.collect::<Vec<_>>(), lasts);
}

fn check(order: &Order, keys: &[u64]) {
    let ascending = expected(keys, Direction::Ascending);
    for key in keys.iter().flat_map(|key| [key.saturating_sub(1), *key, key + 1]).take(300).chain([0, u64::MAX]) {
        let n_below = keys.iter().filter(|other| **other < key).count();
        assert_eq!(order.n_below(key), n_below);
        let mut rows = Vec::new();
        order.each(n_below / 2..n_below, |row| rows.push(row));
        assert_eq!(rows, ascending[n_below / 2..n_below]);
    }
    for direction in [Direction::Ascending, Direction::Descending, Direction::Reversed] {
        let expected = expected(keys, direction);
        for rank in [0, 1, 63, 64, 127, 128, 129, keys.len() / 2, keys.len().saturating_sub(1), keys.len(), keys.len() + 7] {
            let walked: Vec<u32> = order.walk(direction, rank).collect();
            assert_eq!(walked, expected.get(rank..).unwrap_or_default(), "{direction:?} from {rank} of {}", keys.len());
            for step in [1, 2, 7, 300] {
                let mut fits = RowSet::default();
                (0..keys.len() as u32)
                    .filter(|row| row.wrapping_mul(0x9e37_79b1) >> 16 & 0x3ff < 1_024 / step)
                    .for_each(|row| fits.insert(row));
                let walked: Vec<u32> = order.walk_fitting(direction, &fits, rank).collect();
                let fitting: Vec<u32> = expected.iter().copied().filter(|row| fits.contains(*row)).collect();
                assert_eq!(walked, fitting.get(rank..).unwrap_or_default(), "{direction:?} from {rank} of every {step}th");
            }
        }
    }
}

#[test]
fn every_rank_in_every_direction_agrees_with_a_plain_sort() {
    for (n, n_keys) in [(0, 1), (1, 1), (128, 1), (129, 1), (1_000, 1), (1_000, 3), (1_000, 40), (1_000, 1_000_000)] {
        let ids: Vec<_> = (0..n).map(id).collect();
        let keys: Vec<u64> = (0..n as u64).map(|i| ((i * 7_919 + 13) % 1_009 % n_keys) << 30).collect();
        let mut order = Order::default();
        for row in 0..n {
            let row = (row * 617 + 5) % n;
            order.insert(keys[row], row as u32, &ids);
        }
        assert_eq!(order.len(), n);
        check_lasts(&order, &ids);
        check(&order, &keys);

        let mut keyed: Vec<_> = (0..n as u32).map(|row| (keys[row as usize], row)).collect();
        keyed.sort_unstable();
        check(&Order::from_sorted(&keyed, &ids), &keys);
    }
}

#[test]
fn blocks_shrink_and_merge_without_losing_an_entry() {
    let n = 2_000;
    let ids: Vec<_> = (0..n).map(id).collect();
    let mut order = Order::default();
    for row in 0..n {
        order.insert(row as u64 / 3, row as u32, &ids);
    }
    let mut left: Vec<u32> = (0..n as u32).collect();
    for row in (0..n as u32).filter(|row| row % 10 != 0) {
        assert!(order.remove(u64::from(row) / 3, row, &ids));
        assert!(!order.remove(u64::from(row) / 3, row, &ids));
        left.retain(|other| *other != row);
        check_lasts(&order, &ids);
    }
    assert_eq!(order.walk(Direction::Ascending, 0).collect::<Vec<_>>(), left);
    assert_eq!(order.len(), left.len());
    assert!(order.memory_bytes() < 40 * left.len(), "{} bytes for {} entries", order.memory_bytes(), left.len());
    for row in left {
        assert!(order.remove(u64::from(row) / 3, row, &ids));
    }
    assert_eq!((order.len(), order.blocks.len()), (0, 0));
}
