//! The order in which scikit-learn looks at columns, which decides ties between them.
//!
//! A node looks at all its columns in random order and keeps the first of equally good ones. To break ties as scikit-learn
//! does, its generators are followed to the bit: `numpy.random.RandomState` for the seed, then a 32-bit xorshift.

/// One more than the largest number drawn from the seed's generator.
const RAND_R_MAX: u32 = i32::MAX as u32;

/// The generator of a splitter.
#[derive(Clone, Debug)]
pub(super) struct Draw(u32);

impl Draw {
    /// The generator for `random_state`, of which the lowest 32 bits count.
    pub(super) fn new(random_state: i64) -> Draw {
        let state = mersenne_twister(random_state as u32);
        let first =
            (0..227).map(|place| mersenne_output(&state, place) & RAND_R_MAX).find(|&number| number < RAND_R_MAX);
        Draw(first.unwrap_or_default())
    }

    /// A number from `low` to `high`, it not included (Marsaglia 2003).
    fn between(&mut self, low: usize, high: usize) -> usize {
        let mut x = self.0.max(1);
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.0 = x;
        low + (x & RAND_R_MAX) as usize % (high - low)
    }
}

/// The seeded state of a Mersenne Twister (Matsumoto and Nishimura 1998).
fn mersenne_twister(seed: u32) -> [u32; 624] {
    let mut state = [seed; 624];
    for place in 1..state.len() {
        let before = state[place - 1];
        state[place] = 1_812_433_253_u32.wrapping_mul(before ^ (before >> 30)).wrapping_add(place as u32);
    }
    state
}

/// One of the first 227 outputs; later ones would need the state to be renewed.
fn mersenne_output(state: &[u32; 624], place: usize) -> u32 {
    let place = place % 227;
    let joined = (state[place] & 0x8000_0000) | (state[place + 1] & 0x7fff_ffff);
    let mut y = state[place + 397] ^ (joined >> 1) ^ if joined & 1 == 1 { 0x9908_b0df } else { 0 };
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c_5680;
    y ^= (y << 15) & 0xefc6_0000;
    y ^ (y >> 18)
}

/// Columns in the order in which the nodes of one tree look at them: a shuffle that goes on from node to node, and that
/// leaves aside columns known to be constant.
pub(super) struct Order {
    draw: Draw,
    columns: Vec<u32>,
    constants: Vec<u32>,
}

impl Order {
    pub(super) fn new(columns: usize, random_state: i64) -> Order {
        let columns: Vec<u32> = (0..columns as u32).collect();
        Order { draw: Draw::new(random_state), constants: vec![0; columns.len()], columns }
    }

    /// Looks at the columns of the next node: `known` of them were found constant above it, `is_constant` says of any other
    /// whether it is constant here, and `look` is called with each that is not, in order. Returns how many columns are known to
    /// be constant below.
    pub(super) fn visit(
        &mut self,
        known: usize,
        is_constant: impl Fn(u32) -> bool,
        mut look: impl FnMut(u32),
    ) -> usize {
        let columns = &mut self.columns;
        let (mut end, mut found, mut drawn) = (columns.len(), 0, 0);
        while end > known + found {
            let place = self.draw.between(drawn, end - found);
            if place < known {
                columns.swap(drawn, place);
                drawn += 1;
                continue;
            }
            let place = place + found;
            let column = columns[place];
            if is_constant(column) {
                columns.swap(place, known + found);
                found += 1;
            } else {
                end -= 1;
                columns.swap(end, place);
                look(column);
            }
        }
        columns[..known].copy_from_slice(&self.constants[..known]);
        self.constants[known..known + found].copy_from_slice(&columns[known..known + found]);
        known + found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_those_of_numpy() {
        // numpy.random.RandomState(seed).randint(0, 2147483647)
        for (seed, expected) in SEEDS {
            assert_eq!(Draw::new(seed).0, expected, "{seed}");
        }
    }

    const SEEDS: [(i64, u32); 4] =
        [(0, 209_652_396), (42, 1_608_637_542), (7, 327_741_615), (123_456_789, 141_016_760)];
}
