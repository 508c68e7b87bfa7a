//! A console whose output nobody reads.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use meterkit_core::Registry;
use meterkit_pipeline::{ConsoleTarget, Pipeline, Schedule};

/// A writer that blocks in its first write until the other end of the channel is dropped.
struct StuckPipe {
    unread: Receiver<()>,
    writes: Arc<AtomicU64>,
}

impl Write for StuckPipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes.fetch_add(1, SeqCst);
        let _ = self.unread.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stuck_console_holds_up_no_scrape_and_does_not_pile_up_pages() {
    let registry = Registry::new();
    registry.scoped("plugin", "catalog").counter::<u64>("requests").build().unwrap().increment();
    let (reader, unread) = channel();
    let writes = Arc::new(AtomicU64::new(0));
    let pipe = StuckPipe { unread, writes: writes.clone() };
    let short = Duration::from_millis(2);
    let pipeline = Pipeline::builder(registry)
        .unwrap()
        .snapshot_max_age(Duration::ZERO)
        .target(ConsoleTarget::new(pipe), Schedule { interval: short, timeout: short })
        .start()
        .unwrap();

    // Time for some hundred exports, all of which time out.
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(writes.load(SeqCst), 1, "one page is on its way");
    assert_eq!(pipeline.source().snapshot_blocking().scopes[0].metrics.len(), 1);

    drop(reader);
    pipeline.shutdown_blocking(Duration::from_secs(10)).unwrap();
    let written = writes.load(SeqCst);
    assert!(written < 20, "{written} pages were written once the pipe was read");
}
