//! The lines of one export, and the packets that carry them.

use std::time::SystemTime;

/// The lines of one snapshot. The lines before `next` have been written.
#[derive(Debug)]
pub(super) struct Batch {
    /// The time of the snapshot, which identifies it.
    time: SystemTime,
    /// The timestamp that the lines carry, in seconds since 1970.
    stamp: Option<u64>,
    text: String,
    lines: Vec<Line>,
    /// The index of the first line that has not been written.
    next: usize,
    /// The number of lines in the last written packet; 0 once that packet has been taken back.
    last: usize,
}

/// A line of a batch, without its timestamp, which is added when the line is written.
#[derive(Clone, Copy, Debug)]
struct Line {
    /// The end of the line in the concatenated text of all lines.
    end: usize,
    is_timed: bool,
}

/// Lines separated by newlines.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) bytes: Vec<u8>,
    pub(super) lines: usize,
}

impl Batch {
    pub(super) fn new(time: SystemTime) -> Self {
        Self { time, stamp: None, text: String::new(), lines: Vec::new(), next: 0, last: 0 }
    }

    pub(super) fn is_of(&self, time: SystemTime) -> bool {
        self.time == time
    }

    pub(super) fn time(&self) -> SystemTime {
        self.time
    }

    pub(super) fn stamp(&self) -> Option<u64> {
        self.stamp
    }

    /// Sets the timestamp of all lines that have not been written.
    pub(super) fn set_stamp(&mut self, stamp: u64) {
        self.stamp = Some(stamp);
    }

    /// Adds a line, without its newline. If `is_timed`, the timestamp is appended when the line is written.
    pub(super) fn push(&mut self, line: &str, is_timed: bool) {
        self.text.push_str(line);
        self.lines.push(Line { end: self.text.len(), is_timed });
    }

    /// Releases unused memory.
    pub(super) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.lines.shrink_to_fit();
    }

    /// Returns the next lines that fit into `limit` bytes, at least one. Returns `None` once all lines have been
    /// written.
    pub(super) fn next_packet(&self, limit: usize) -> Option<Packet> {
        let stamp = self.stamp.map(|stamp| format!("|T{stamp}")).unwrap_or_default();
        let mut start = self.end_of_line_before(self.next);
        let mut packet = Packet { bytes: Vec::with_capacity(limit), lines: 0 };
        for line in self.lines.get(self.next..)? {
            let stamp = if line.is_timed { stamp.as_str() } else { "" };
            let text = self.text.get(start..line.end)?;
            let newline = usize::from(packet.lines > 0);
            let size = packet.bytes.len() + newline + text.len() + stamp.len();
            if packet.lines > 0 && size > limit {
                break;
            }
            if packet.lines > 0 {
                packet.bytes.push(b'\n');
            }
            packet.bytes.extend_from_slice(text.as_bytes());
            packet.bytes.extend_from_slice(stamp.as_bytes());
            packet.lines += 1;
            start = line.end;
        }
        (packet.lines > 0).then_some(packet)
    }

    /// Marks the next `lines` as written: the operating system accepted their packet.
    pub(super) fn accept(&mut self, lines: usize) {
        self.next += lines;
        self.last = lines;
    }

    /// Marks the last accepted packet as lost, so that it is sent again next.
    pub(super) fn take_back_last(&mut self) {
        self.next -= self.last;
        self.last = 0;
    }

    /// Skips the next `lines`, which cannot be delivered.
    pub(super) fn skip(&mut self, lines: usize) {
        self.next += lines;
        self.last = 0;
    }

    /// Returns whether there are lines that have not been written.
    pub(super) fn has_more(&self) -> bool {
        self.next < self.lines.len()
    }

    /// Returns whether some lines have been written.
    pub(super) fn is_begun(&self) -> bool {
        self.next > 0
    }

    /// Returns a batch of the last written packet alone, in case it has to be taken back later.
    pub(super) fn into_last(self) -> Option<Self> {
        let first = self.next - self.last;
        let start = self.end_of_line_before(first);
        let lines = self.lines.get(first..self.next).filter(|lines| !lines.is_empty())?;
        let end = lines.last()?.end;
        let lines: Vec<Line> =
            lines.iter().map(|line| Line { end: line.end - start, ..*line }).collect();
        Some(Self {
            time: self.time,
            stamp: self.stamp,
            text: self.text.get(start..end)?.to_owned(),
            next: lines.len(),
            last: lines.len(),
            lines,
        })
    }

    fn end_of_line_before(&self, at: usize) -> usize {
        at.checked_sub(1).and_then(|at| self.lines.get(at)).map_or(0, |line| line.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(lines: &[(&str, bool)]) -> Batch {
        let mut batch = Batch::new(SystemTime::UNIX_EPOCH);
        for (line, is_timed) in lines {
            batch.push(line, *is_timed);
        }
        batch.set_stamp(1700);
        batch
    }

    /// Returns all packets, and marks each as accepted.
    fn packets(batch: &mut Batch, limit: usize) -> Vec<String> {
        let mut packets = Vec::new();
        while let Some(packet) = batch.next_packet(limit) {
            packets.push(String::from_utf8(packet.bytes).expect("text"));
            batch.accept(packet.lines);
        }
        packets
    }

    #[test]
    fn packets_are_as_long_as_allowed_and_no_longer() {
        let lines = [("a:1|c", true), ("b:2|g", true), ("c:3|d", false), ("d:4|c", true)];
        for (limit, expected) in [
            (1000, &["a:1|c|T1700\nb:2|g|T1700\nc:3|d\nd:4|c|T1700"][..]),
            (40, &["a:1|c|T1700\nb:2|g|T1700\nc:3|d", "d:4|c|T1700"]),
            (27, &["a:1|c|T1700\nb:2|g|T1700", "c:3|d\nd:4|c|T1700"]),
            (28, &["a:1|c|T1700\nb:2|g|T1700", "c:3|d\nd:4|c|T1700"]),
            (29, &["a:1|c|T1700\nb:2|g|T1700\nc:3|d", "d:4|c|T1700"]),
            (22, &["a:1|c|T1700", "b:2|g|T1700\nc:3|d", "d:4|c|T1700"]),
            (23, &["a:1|c|T1700\nb:2|g|T1700", "c:3|d\nd:4|c|T1700"]),
            (1, &["a:1|c|T1700", "b:2|g|T1700", "c:3|d", "d:4|c|T1700"]),
        ] {
            assert_eq!(packets(&mut batch(&lines), limit), expected, "{limit}");
        }
        assert_eq!(packets(&mut batch(&[]), 10), Vec::<String>::new());
    }

    #[test]
    fn what_waits_takes_no_more_room_than_it_needs() {
        let mut batch = batch(&[("a:1|c", true); 1000]);
        batch.shrink();
        assert!(batch.text.capacity() * 10 <= batch.text.len() * 12);
        assert!(batch.lines.capacity() * 10 <= batch.lines.len() * 12);
    }

    #[test]
    fn what_is_taken_back_comes_next_again_once() {
        let mut batch = batch(&[("a:1|c", true), ("b:2|c", true), ("c:3|c", true)]);
        batch.accept(1);
        batch.accept(1);
        batch.take_back_last();
        batch.take_back_last();
        assert!(batch.is_begun());
        assert_eq!(packets(&mut batch, 11), ["b:2|c|T1700", "c:3|c|T1700"]);
    }

    #[test]
    fn the_last_packet_can_be_kept_alone() {
        let mut all = batch(&[("a:1|c", true), ("b:2|d", false), ("c:3|c", true)]);
        all.accept(1);
        all.accept(2);
        let mut last = all.into_last().expect("a packet was written");
        assert_eq!(last.next_packet(1000), None);
        last.take_back_last();
        last.set_stamp(1800);
        assert_eq!(packets(&mut last, 1000), ["b:2|d\nc:3|c|T1800"]);
        assert!(batch(&[("a:1|c", true)]).into_last().is_none());
    }
}
