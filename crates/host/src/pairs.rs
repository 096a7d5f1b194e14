//! Header maps as the host lays them out: a count, two lengths for each pair, then names and values, each followed by a
//! NUL. All integers are little-endian and of 32 bits.

/// The names and values in a header map, in its order. Bytes that are no header map give the pairs before the fault.
pub fn pairs(map: &[u8]) -> Pairs<'_> {
    let (count, rest) = split_u32(map).unwrap_or((0, &[]));
    let table = (count as usize).saturating_mul(8);
    let (lengths, texts) = rest.split_at_checked(table).unwrap_or((&[], &[]));
    Pairs { lengths, texts }
}

/// A header map of these names and values.
pub fn to_map(pairs: &[(&str, &str)]) -> Vec<u8> {
    let length = |text: &str| u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut map = u32::try_from(pairs.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
    for (name, value) in pairs {
        map.extend(length(name));
        map.extend(length(value));
    }
    for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
        map.extend(text.as_bytes());
        map.push(0);
    }
    map
}

/// Iterates over the names and values of a header map, without a copy.
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    lengths: &'a [u8],
    texts: &'a [u8],
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = split_u32(self.lengths)?;
        let (value, lengths) = split_u32(rest)?;
        let (name, rest) = split_text(self.texts, name)?;
        let (value, texts) = split_text(rest, value)?;
        *self = Self { lengths, texts };
        Some((name, value))
    }
}

fn split_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (first, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*first), rest))
}

fn split_text(bytes: &[u8], length: u32) -> Option<(&[u8], &[u8])> {
    let (text, rest) = bytes.split_at_checked(length as usize)?;
    Some((text, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut map = (pairs.len() as u32).to_le_bytes().to_vec();
        for (name, value) in pairs {
            map.extend((name.len() as u32).to_le_bytes());
            map.extend((value.len() as u32).to_le_bytes());
        }
        for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
            map.extend(*text);
            map.push(0);
        }
        map
    }

    #[test]
    fn pairs_are_read_in_order_whatever_bytes_they_are() {
        let expected: [(&[u8], &[u8]); 3] = [(b":path", b"/a"), (b"x", b""), (b"user-agent", b"\xff\0\xfe")];
        let map = map(&expected);
        assert_eq!(pairs(&map).collect::<Vec<_>>(), expected);
        for length in 0..map.len() {
            assert!(pairs(&map[..length]).count() <= 3);
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let expected = [("content-type", "text/plain"), ("x", "")];
        let map = to_map(&expected);
        let read = pairs(&map).map(|(name, value)| (str::from_utf8(name).unwrap(), str::from_utf8(value).unwrap()));
        assert_eq!(read.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_no_map_has_no_pairs() {
        assert_eq!(pairs(b"").count(), 0);
        assert_eq!(pairs(&[0xff; 64]).count(), 0);
        assert_eq!(pairs(&[2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]).count(), 0);
    }
}
