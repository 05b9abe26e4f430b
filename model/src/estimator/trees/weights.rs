//! What the training rows that ended in each leaf weigh, which explanations need and predictions do not.
//!
//! They are kept tree after tree, leaves from left to right, and unpacked anew for each use: a server that is never asked to
//! explain gives them two bits a leaf, and a few bytes each where more than a few rows ended. What a split weighs is the sum
//! of what its leaves weigh.

/// The weights of all leaves.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Weights {
    /// Whole numbers.
    Whole(Whole),
    /// Shares of the whole tree.
    Shares(Vec<f32>),
}

/// Whole numbers above 0, most of them small.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Whole {
    count: usize,
    /// Four a byte, from the lowest bits on: a number from 1 to 3, or 0 for one that is among the large ones.
    small: Vec<u8>,
    /// Seven bits a byte, the lowest first; the highest bit says that more follow (LEB128).
    large: Vec<u8>,
}

impl Whole {
    fn push(&mut self, number: u32) {
        let place = self.count % PLACES;
        if place == 0 {
            self.small.push(0);
        }
        match self.small.last_mut() {
            Some(byte) if number <= SMALL => *byte |= (number as u8) << (BITS * place),
            _ => push_long(&mut self.large, number),
        }
        self.count += 1;
    }

    fn iter(&self) -> impl Iterator<Item = u32> {
        let mut large = &self.large[..];
        (0..self.count).map_while(move |place| {
            match u32::from(self.small[place / PLACES]) >> (BITS * (place % PLACES)) & SMALL {
                0 => next_long(&mut large),
                small => Some(small),
            }
        })
    }
}

/// Bits of a small number, the largest, and how many are in a byte.
const BITS: usize = 2;
const SMALL: u32 = 3;
const PLACES: usize = 4;

/// Appends a number, seven bits a byte.
fn push_long(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a number off `bytes`. None where there is none, or one that is 0 or not written in the one way.
#[inline]
fn next_long(bytes: &mut &[u8]) -> Option<u32> {
    let (mut number, mut shift) = (0_u64, 0);
    loop {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return u32::try_from(number).ok().filter(|_| byte > 0);
        }
        shift += 7;
        if shift > 28 {
            return None;
        }
    }
}

/// Takes a share off `bytes`. None where there is none, or one that is not above 0.
fn next_share(bytes: &mut &[u8]) -> Option<f32> {
    let (share, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    let share = f32::from_le_bytes(*share);
    (share.is_normal() && 0.0 < share && share <= 1.0).then_some(share)
}

impl Weights {
    /// What stands in the file.
    pub fn to_bytes(weights: Option<&Weights>) -> Vec<u8> {
        let code = match weights {
            None => 0_u32,
            Some(Weights::Whole(_)) => 1,
            Some(Weights::Shares(_)) => 2,
        };
        let mut bytes = code.to_le_bytes().to_vec();
        match weights {
            None => {}
            Some(Weights::Whole(whole)) => whole.iter().for_each(|weight| push_long(&mut bytes, weight)),
            Some(Weights::Shares(shares)) => bytes.extend(shares.iter().flat_map(|share| share.to_le_bytes())),
        }
        bytes
    }

    /// Reads the weights of so many leaves, which are the whole of `bytes` behind their `code`.
    pub fn read(code: u32, bytes: &[u8], leaves: usize) -> Result<Option<Weights>, String> {
        const WRONG: &str = "a leaf has no weight, or none above 0";
        let mut rest = bytes;
        let weights = match code {
            0 => None,
            1 => {
                let mut whole = Whole::default();
                for _ in 0..leaves {
                    whole.push(next_long(&mut rest).ok_or(WRONG)?);
                }
                whole.small.shrink_to_fit();
                whole.large.shrink_to_fit();
                Some(Weights::Whole(whole))
            }
            2 => {
                let shares = (0..leaves).map(|_| next_share(&mut rest).ok_or(WRONG)).collect::<Result<_, _>>()?;
                Some(Weights::Shares(shares))
            }
            _ => return Err(format!("weights of form {code}")),
        };
        if rest.is_empty() { Ok(weights) } else { Err(format!("{} bytes too many", rest.len())) }
    }

    /// The weights, one after the other.
    pub fn iter(&self) -> Box<dyn Iterator<Item = f64> + '_> {
        match self {
            Weights::Whole(whole) => Box::new(whole.iter().map(f64::from)),
            Weights::Shares(shares) => Box::new(shares.iter().copied().map(f64::from)),
        }
    }
}

/// Collects the weights of trees while they are put together.
#[derive(Debug, Default)]
pub(super) struct Collected {
    leaves: Vec<f64>,
    /// Where each tree ends among the leaves.
    ends: Vec<usize>,
}

impl Collected {
    /// The next leaf of a tree.
    pub fn push(&mut self, weight: f64) {
        self.leaves.push(weight);
    }

    /// No more leaves of this tree.
    pub fn end_tree(&mut self) {
        self.ends.push(self.leaves.len());
    }

    /// The weights, if every leaf has one.
    pub fn finish(mut self) -> Option<Weights> {
        if self.leaves.iter().any(|weight| !weight.is_finite() || *weight <= 0.0) {
            return None;
        }
        if self.leaves.iter().all(|weight| weight.fract() == 0.0 && *weight <= f64::from(u32::MAX)) {
            let mut whole = Whole::default();
            self.leaves.iter().for_each(|&weight| whole.push(weight as u32));
            return Some(Weights::Whole(whole));
        }
        let mut shares = Vec::with_capacity(self.leaves.len());
        let mut start = 0;
        for &end in &self.ends {
            let tree = &mut self.leaves[start..end];
            let largest = tree.iter().copied().fold(0.0, f64::max);
            // Twice, as the sum of very large weights would not be finite.
            for weight in &mut *tree {
                *weight /= largest;
            }
            let total: f64 = tree.iter().sum();
            shares.extend(tree.iter().map(|weight| ((weight / total) as f32).max(f32::MIN_POSITIVE)));
            start = end;
        }
        Some(Weights::Shares(shares))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collected(trees: &[&[f64]]) -> Option<Weights> {
        let mut collected = Collected::default();
        for tree in trees {
            tree.iter().for_each(|weight| collected.push(*weight));
            collected.end_tree();
        }
        collected.finish()
    }

    fn read(bytes: &[u8], leaves: usize) -> Result<Option<Weights>, String> {
        let (code, bytes) = bytes.split_first_chunk().unwrap();
        Weights::read(u32::from_le_bytes(*code), bytes, leaves)
    }

    #[test]
    fn whole_weights_come_back_as_they_were_and_take_a_byte_or_two() {
        let leaves = [1.0, 127.0, 128.0, 3.0, 4_294_967_295.0, 2.0];
        let weights = collected(&[&leaves[..2], &leaves[2..]]);
        let bytes = Weights::to_bytes(weights.as_ref());
        assert_eq!(bytes.len(), 4 + 1 + 1 + 2 + 1 + 5 + 1);
        let back = read(&bytes, 6).unwrap();
        assert_eq!(back, weights);
        assert_eq!(back.unwrap().iter().collect::<Vec<_>>(), leaves);
        assert!(read(&bytes, 5).is_err() && read(&bytes, 7).is_err());
    }

    #[test]
    fn other_weights_become_shares_of_their_tree() {
        let weights = collected(&[&[0.5, 1.5], &[1e308, 1e308], &[1e-300, 1.0]]).unwrap();
        let shares: Vec<f64> = weights.iter().collect();
        assert_eq!(shares[..4], [0.25, 0.75, 0.5, 0.5]);
        assert!(shares[4] > 0.0 && shares[4] < 1e-30);
        let bytes = Weights::to_bytes(Some(&weights));
        assert_eq!(read(&bytes, 6).unwrap(), Some(weights));
    }

    #[test]
    fn a_leaf_without_weight_leaves_all_without() {
        for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(collected(&[&[1.0, weight]]), None);
        }
        assert_eq!(read(&Weights::to_bytes(None), 2).unwrap(), None);
    }

    #[test]
    fn weights_that_are_none_are_refused() {
        let whole = |bytes: &[u8]| Weights::read(1, bytes, 1).is_err();
        assert!(!whole(&[5]));
        assert!(whole(&[0]), "0");
        assert!(whole(&[0x85, 0]), "written longer than needed");
        assert!(whole(&[0xff, 0xff, 0xff, 0xff, 0x1f]), "more than 32 bits");
        assert!(whole(&[0xff, 0xff, 0xff, 0xff, 0xff, 1]), "more bytes than 32 bits take");
        let share = |share: f32| Weights::read(2, &share.to_le_bytes(), 1).is_err();
        assert!(!share(0.5) && !share(1.0));
        for wrong in [0.0, -0.5, 1.5, f32::NAN, f32::INFINITY] {
            assert!(share(wrong), "{wrong}");
        }
        assert!(Weights::read(0, &[1], 1).is_err());
        assert!(Weights::read(3, &[1], 1).is_err());
    }
}
