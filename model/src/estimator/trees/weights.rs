//! What the training rows that ended in each leaf weigh, which explanations need and predictions do not.
//!
//! They are kept as they stand in the file, tree after tree, leaves from left to right, and read anew for each use: a server
//! that is never asked to explain gives them a byte or two a leaf. What a split weighs is the sum of what its leaves weigh.

/// The weights of all leaves.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Weights {
    form: Form,
    bytes: Vec<u8>,
}

/// How weights are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Whole numbers, seven bits a byte, the lowest first; the highest bit says that more follow (LEB128).
    Whole,
    /// Shares of the whole tree, as 32-bit floats.
    Shares,
}

impl Form {
    fn code(self) -> u32 {
        match self {
            Form::Whole => 1,
            Form::Shares => 2,
        }
    }
}

impl Weights {
    /// What stands in the file.
    pub fn to_bytes(weights: Option<&Weights>) -> Vec<u8> {
        let code = weights.map_or(0, |weights| weights.form.code());
        let mut bytes = code.to_le_bytes().to_vec();
        bytes.extend(weights.iter().flat_map(|weights| &weights.bytes));
        bytes
    }

    /// Reads the weights of so many leaves, which are the whole of `bytes` behind their `code`.
    pub fn read(code: u32, bytes: &[u8], leaves: usize) -> Result<Option<Weights>, String> {
        let form = match code {
            0 if bytes.is_empty() => return Ok(None),
            0 => return Err(format!("{} bytes too many", bytes.len())),
            1 => Form::Whole,
            2 => Form::Shares,
            _ => return Err(format!("weights of form {code}")),
        };
        let mut rest = bytes;
        for _ in 0..leaves {
            form.next(&mut rest).ok_or("a leaf has no weight, or none above 0")?;
        }
        if !rest.is_empty() {
            return Err(format!("{} bytes too many", rest.len()));
        }
        Ok(Some(Weights { form, bytes: bytes.to_vec() }))
    }

    /// The weights, one after the other.
    pub fn iter(&self) -> impl Iterator<Item = f64> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || self.form.next(&mut rest))
    }
}

impl Form {
    /// Takes the next weight off `bytes`. None where there is none, or one that is not above 0 or not written in the one way.
    #[inline]
    fn next(self, bytes: &mut &[u8]) -> Option<f64> {
        match self {
            Form::Whole => {
                let (mut weight, mut shift) = (0_u64, 0);
                loop {
                    let (&byte, rest) = bytes.split_first()?;
                    *bytes = rest;
                    weight |= u64::from(byte & 0x7f) << shift;
                    if byte < 0x80 {
                        return u32::try_from(weight).ok().filter(|_| byte > 0).map(f64::from);
                    }
                    shift += 7;
                    if shift > 28 {
                        return None;
                    }
                }
            }
            Form::Shares => {
                let (share, rest) = bytes.split_first_chunk()?;
                *bytes = rest;
                let share = f32::from_le_bytes(*share);
                (share.is_normal() && 0.0 < share && share <= 1.0).then_some(f64::from(share))
            }
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
        let mut bytes = Vec::with_capacity(self.leaves.len());
        if self.leaves.iter().all(|weight| weight.fract() == 0.0 && *weight <= f64::from(u32::MAX)) {
            for &weight in &self.leaves {
                let mut rest = weight as u32;
                while rest >= 0x80 {
                    bytes.push(rest as u8 | 0x80);
                    rest >>= 7;
                }
                bytes.push(rest as u8);
            }
            return Some(Weights { form: Form::Whole, bytes });
        }
        let mut start = 0;
        for &end in &self.ends {
            let tree = &mut self.leaves[start..end];
            let largest = tree.iter().copied().fold(0.0, f64::max);
            // Twice, as the sum of very large weights would not be finite.
            for weight in &mut *tree {
                *weight /= largest;
            }
            let total: f64 = tree.iter().sum();
            bytes.extend(tree.iter().flat_map(|weight| ((weight / total) as f32).max(f32::MIN_POSITIVE).to_le_bytes()));
            start = end;
        }
        Some(Weights { form: Form::Shares, bytes })
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
        let leaves = [1.0, 127.0, 128.0, 300.0, 4_294_967_295.0];
        let weights = collected(&[&leaves[..2], &leaves[2..]]);
        let bytes = Weights::to_bytes(weights.as_ref());
        assert_eq!(bytes.len(), 4 + 1 + 1 + 2 + 2 + 5);
        let back = read(&bytes, 5).unwrap();
        assert_eq!(back, weights);
        assert_eq!(back.unwrap().iter().collect::<Vec<_>>(), leaves);
        assert!(read(&bytes, 4).is_err() && read(&bytes, 6).is_err());
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
