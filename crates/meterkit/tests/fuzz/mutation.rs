//! Mutates inputs slightly.

use meterkit_fakes::Dice;

/// Bytes that parsers treat specially.
const WORDS: &[&[u8]] = &[
    b"\0",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"-1",
    b"18446744073709551616",
    b"1e999",
    b"NaN",
    b"\r\n",
    b"\r\n\r\n",
    b"%00",
    b"${",
    b"${A:-",
    b"}",
    b"{",
    b"[",
    b"\"",
    b"\\",
    b"&a ",
    b"*a",
    b": ",
    b"\n  - ",
    b"\x1b[31m",
    b"\xe2\x80\xae",
    b"content-length: 99999999999\r\n",
    b"transfer-encoding: chunked\r\n",
    b"retry-after: 99999999999999999999\r\n",
    b"hunter2secret",
];

/// Returns `input` with some mutations, which may insert parts of `others`.
pub(crate) fn mutate(input: &[u8], others: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=dice.below(6) {
        let at = place(&bytes, dice);
        let end = (at + dice.below(16) as usize).min(bytes.len());
        match dice.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            1 if at < bytes.len() => bytes[at] = dice.below(256) as u8,
            2 => drop(bytes.drain(at..end)),
            3 => {
                let again = bytes[at..end].to_vec();
                insert(&mut bytes, at, &again);
            }
            4 => bytes.truncate(at),
            5 => {
                let other = &others[dice.below(others.len() as u64) as usize];
                let from = place(other, dice);
                insert(&mut bytes, at, &other[from..]);
            }
            _ => insert(&mut bytes, at, WORDS[dice.below(WORDS.len() as u64) as usize]),
        }
    }
    bytes
}

fn place(bytes: &[u8], dice: &mut Dice) -> usize {
    dice.below(bytes.len() as u64 + 1) as usize
}

fn insert(bytes: &mut Vec<u8>, at: usize, what: &[u8]) {
    bytes.splice(at..at, what.iter().copied());
}
