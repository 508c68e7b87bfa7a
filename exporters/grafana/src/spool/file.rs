//! The file format of requests.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use meterkit_settings::{open_own_file, read_own_file};

use crate::batch::Batch;
use crate::wire::Version;

/// A file name in the format that this program writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) id: u64,
    /// Whether the file holds a complete request, rather than one whose writing has not finished.
    pub(super) is_whole: bool,
}

const WHOLE: &str = "request";
const PART: &str = "part";

/// The limit for ids in file names, which no queue reaches. Adding a number of requests to an id below it does not
/// overflow.
const MOST_ID: u64 = 1 << 63;

impl Name {
    fn of(name: &OsStr) -> Option<Self> {
        let (digits, kind) = name.to_str()?.split_once('.')?;
        let id = digits.parse().ok().filter(|id| *id < MOST_ID && format!("{id:020}") == digits)?;
        (kind == WHOLE || kind == PART).then_some(Self { id, is_whole: kind == WHOLE })
    }

    pub(super) fn below(self, slot: &Path) -> PathBuf {
        slot.join(format!("{:020}.{}", self.id, if self.is_whole { WHOLE } else { PART }))
    }
}

/// Returns the path of a request.
pub(super) fn path(slot: &Path, id: u64) -> PathBuf {
    Name { id, is_whole: true }.below(slot)
}

/// Returns the file names in `slot` that have this program's format, in order.
pub(super) fn names(slot: &Path) -> io::Result<Vec<Name>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(slot)? {
        names.extend(Name::of(&entry?.file_name()));
    }
    names.sort_unstable();
    Ok(names)
}

/// Reads a request of at most `limit` bytes. Returns `None` if the file does not hold a valid request.
pub(super) fn read(path: &Path, id: u64, limit: usize) -> io::Result<Option<Batch>> {
    let longest = limit.min(MOST_BYTES).saturating_add(HEAD + CHECKSUM);
    Ok(decode(id, &read_own_file(path, longest)?))
}

/// Writes a request to a file that only the current user may access.
pub(super) fn write(slot: &Path, batch: &Batch) -> io::Result<()> {
    let part = Name { id: batch.id, is_whole: false }.below(slot);
    let written = write_part(&part, batch).and_then(|()| fs::rename(&part, path(slot, batch.id)));
    if written.is_err() {
        // A partial file is useless, and takes space on a disk that may be full.
        let _ = fs::remove_file(&part);
    }
    written
}

/// Removes a file, if it exists.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

fn write_part(part: &Path, batch: &Batch) -> io::Result<()> {
    // Remove an existing file instead of writing to it: it may be a link.
    remove(part)?;
    let mut file = open_own_file(part, File::options().write(true).create_new(true))?;
    let (head, checksum) = frame(batch);
    file.write_all(&head)?;
    file.write_all(&batch.body)?;
    file.write_all(&checksum)?;
    // Without this, a power failure could leave a file with its final name but without its content.
    file.sync_data()
}

const MAGIC: &[u8; 8] = b"mkgraf01";
const HEAD: usize = MAGIC.len() + 8 * 5;
const CHECKSUM: usize = 4;

/// The maximum size of a request body, well above what receivers accept.
const MOST_BYTES: usize = 256 << 20;

/// An upper bound for Snappy's compression ratio: its densest element encodes 64 bytes in 3.
const MOST_COMPRESSED: usize = 64 / 3 + 1;

/// Returns the header, which holds five numbers, and the checksum of header and body. The body is stored between
/// them.
fn frame(batch: &Batch) -> ([u8; HEAD], [u8; CHECKSUM]) {
    let version = if batch.version == Version::V2 { 2 } else { 1 };
    let time = batch.time as u64;
    let mut head = [0; HEAD];
    let (magic, numbers) = head.split_at_mut(MAGIC.len());
    magic.copy_from_slice(MAGIC);
    let given = [version, time, batch.size as u64, batch.samples, batch.histograms];
    for (bytes, number) in numbers.chunks_exact_mut(8).zip(given) {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&head);
    checksum.update(&batch.body);
    (head, checksum.finalize().to_le_bytes())
}

/// Decodes a file. A valid checksum proves nothing about the author, so that the numbers of the header are checked
/// against the body too.
fn decode(id: u64, bytes: &[u8]) -> Option<Batch> {
    let (content, checksum) = bytes.split_last_chunk::<CHECKSUM>()?;
    if crc32fast::hash(content) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let (head, body) = content.split_at_checked(HEAD)?;
    let numbers = head.strip_prefix(MAGIC)?;
    let mut numbers = numbers.chunks_exact(8).map(|it| it.try_into().map(u64::from_le_bytes));
    let mut next = || numbers.next()?.ok();
    let version = match next()? {
        1 => Version::V1,
        2 => Version::V2,
        _ => return None,
    };
    let (time, size, samples, histograms) = (next()? as i64, next()?, next()?, next()?);
    // Decompression allocates the size that the body claims.
    let is_sized = snap::raw::decompress_len(body)
        .is_ok_and(|length| length as u64 == size && length / MOST_COMPRESSED <= body.len());
    // Each value takes at least one byte.
    let is_counted = samples.checked_add(histograms).is_some_and(|values| values <= size);
    (is_sized && is_counted).then(|| Batch {
        id,
        version,
        time,
        size: size as usize,
        samples,
        histograms,
        body: Bytes::copy_from_slice(body),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(change: impl FnOnce(&mut Batch)) -> Vec<u8> {
        let plain: Vec<u8> = (0..100).collect();
        let mut batch = Batch {
            id: 3,
            time: 7,
            version: Version::V2,
            body: snap::raw::Encoder::new().compress_vec(&plain).expect("it is short").into(),
            size: plain.len(),
            samples: 60,
            histograms: 40,
        };
        change(&mut batch);
        let (head, checksum) = frame(&batch);
        [&head[..], &batch.body, &checksum].concat()
    }

    #[test]
    fn truncated_requests_and_requests_with_a_flipped_bit_are_rejected() {
        let whole = whole(|_| {});
        assert!(decode(3, &whole).is_some());
        for length in 0..whole.len() {
            assert!(decode(3, &whole[..length]).is_none(), "{length} bytes");
        }
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(3, &flipped).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn numbers_that_do_not_match_the_body_are_rejected_even_if_the_checksum_is_right() {
        // A snappy header that claims 4 GiB, followed by too few bytes.
        let huge = [&[0xff, 0xff, 0xff, 0xff, 0x0f][..], &[0; 100]].concat();
        let changes: [&dyn Fn(&mut Batch); 6] = [
            &|batch| batch.samples += 1,
            &|batch| batch.samples = u64::MAX,
            &|batch| batch.histograms = u64::MAX,
            &|batch| batch.size -= 1,
            &|batch| batch.size = usize::MAX,
            &|batch| (batch.size, batch.body) = (u32::MAX as usize, huge.clone().into()),
        ];
        for (at, change) in changes.into_iter().enumerate() {
            assert!(decode(3, &whole(change)).is_none(), "change {at}");
        }
    }

    #[test]
    fn the_densest_body_is_accepted() {
        let plain = vec![0; 1 << 20];
        let dense = snap::raw::Encoder::new().compress_vec(&plain).expect("it is short");
        let bytes = whole(|batch| (batch.size, batch.body) = (plain.len(), dense.into()));
        assert!(decode(3, &bytes).is_some());
    }

    #[test]
    fn only_names_that_this_program_writes_are_its_own() {
        let of = |name: &str| Name::of(OsStr::new(name)).map(|name| (name.id, name.is_whole));
        assert_eq!(of("00000000000000000017.request"), Some((17, true)));
        assert_eq!(of("00000000000000000017.part"), Some((17, false)));
        for other in [
            "17.request",
            "+0000000000000000017.request",
            "000000000000000000017.request",
            "00000000000000000017.request.part",
            "00000000000000000017",
            "18446744073709551615.request",
            ".request",
            "lock",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
