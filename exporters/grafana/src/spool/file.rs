//! Requests as files.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use meterkit_settings::{open_own_file, read_own_file};

use crate::batch::Batch;
use crate::wire::Version;

/// The name of a file that this program may have written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) id: u64,
    /// Not one that is, or was, being written.
    pub(super) is_whole: bool,
}

const WHOLE: &str = "request";
const PART: &str = "part";

/// No queue counts this far. The sum of an id and any number of requests is an id.
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

/// Returns the names in `slot` that are ours, in order.
pub(super) fn names(slot: &Path) -> io::Result<Vec<Name>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(slot)? {
        names.extend(Name::of(&entry?.file_name()));
    }
    names.sort_unstable();
    Ok(names)
}

/// Reads a request of at most `limit` bytes. `None` if the file does not hold one.
pub(super) fn read(path: &Path, id: u64, limit: usize) -> io::Result<Option<Batch>> {
    let longest = limit.min(MOST_BYTES).saturating_add(HEAD + CHECKSUM);
    Ok(decode(id, &read_own_file(path, longest)?))
}

/// Writes a request, for this user alone.
pub(super) fn write(slot: &Path, batch: &Batch) -> io::Result<()> {
    let part = Name { id: batch.id, is_whole: false }.below(slot);
    let written = write_part(&part, batch).and_then(|()| fs::rename(&part, path(slot, batch.id)));
    if written.is_err() {
        // A part of a request is of no use, and a full disk has none to spare.
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
    // Whatever has this name is not written to: it may be a link.
    remove(part)?;
    let mut file = open_own_file(part, File::options().write(true).create_new(true))?;
    let (head, checksum) = frame(batch);
    file.write_all(&head)?;
    file.write_all(&batch.body)?;
    file.write_all(&checksum)?;
    // Otherwise the name may outlive a loss of power, and the content not.
    file.sync_data()
}

const MAGIC: &[u8; 8] = b"mkgraf01";
const HEAD: usize = MAGIC.len() + 8 * 5;
const CHECKSUM: usize = 4;

/// No receiver takes a longer request.
const MOST_BYTES: usize = 256 << 20;

/// A copy in Snappy's format takes 3 bytes at least where it stands for 64 bytes, and more for each in all others.
const MOST_COMPRESSED: usize = 64 / 3 + 1;

/// Returns what stands before the body: five numbers. And what stands behind it: a checksum of it all.
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

/// A checksum can be made by anyone: what follows from the body is checked against it.
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
    // Whoever decompresses it takes as much memory as it says.
    let is_sized = snap::raw::decompress_len(body)
        .is_ok_and(|length| length as u64 == size && length / MOST_COMPRESSED <= body.len());
    // Each value takes bytes.
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
    fn no_part_of_a_request_and_none_with_a_bit_that_flipped_is_taken_for_a_request() {
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
    fn numbers_that_cannot_be_those_of_the_body_are_refused_whatever_the_checksum() {
        // What snappy writes for 4 GiB of zeros, without the zeros.
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
