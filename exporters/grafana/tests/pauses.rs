//! Receivers that ask for a pause.

use std::time::Duration;

use meterkit_core::Registry;
use meterkit_fakes::gate::until;
use meterkit_fakes::remote_write::{Answer, Receiver};
use meterkit_grafana::RemoteWriteTarget;
use meterkit_pipeline::{Pipeline, Schedule, Target};

use crate::snapshots::{config, pause, snapshot, target, times};

#[tokio::test]
async fn a_receiver_can_ask_for_a_pause_and_gets_it() {
    for status in [429, 503] {
        let busy = Answer::Http(status, vec![("retry-after", "3000")], "");
        let receiver = Receiver::start([busy]).await;
        // The staleness markers have the current time.
        let config = config(&receiver).with_queue(usize::MAX, Duration::MAX);
        let mut target = RemoteWriteTarget::new(config).expect("a target");
        let outcome = target.export(&snapshot(1, &[1])).await;
        assert_eq!(pause(&outcome), Some(Some(Duration::from_secs(3000))));
        let rest = pause(&target.export(&snapshot(2, &[1])).await).flatten().expect("a pause");
        assert!(rest > Duration::from_secs(2000) && rest <= Duration::from_secs(3000), "{rest:?}");
        assert_eq!(receiver.arrivals().len(), 1, "nothing is sent during the pause");
        assert_eq!(target.counts().waiting_requests(), 2, "snapshots are queued during the pause");
        target.shutdown().await;
        let written = receiver.taken();
        assert_eq!(times(&written)[..2], [1000, 2000], "the pause is ignored at shutdown");
        assert_eq!(written.len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_receiver_is_left_alone_each_collection_is_queued() {
    let busy = Answer::Http(429, vec![("retry-after", "3000")], "");
    let receiver = Receiver::start([Answer::Accept, busy]).await;
    let (target, registry) = (target(&receiver), Registry::new());
    let counts = target.counts();
    let schedule = Schedule { interval: Duration::from_millis(50), ..Schedule::default() };
    let pipeline = Pipeline::builder(registry).expect("a registry of its own");
    let pipeline = pipeline.target(target, schedule).start().expect("a thread");
    until("snapshots are queued during the pause", || counts.waiting_requests() > 3);
    assert!(pipeline.flush(Duration::from_secs(60)).await.is_err());
    assert_eq!(receiver.count(), 2);
    // The pause is ignored at shutdown, which is the last chance to send.
    let _ = pipeline.shutdown(Duration::from_secs(60)).await;
    let times = times(&receiver.taken());
    assert!(times.len() > 5 && times.is_sorted_by(|a, b| a < b), "each once, in order: {times:?}");
    assert_eq!((counts.dropped(), counts.refused()), (0, 0));
}

#[tokio::test]
async fn a_short_pause_ends() {
    let busy = Answer::Http(429, vec![("retry-after", "0")], "");
    let receiver = Receiver::start([busy]).await;
    let mut target = target(&receiver);
    assert_eq!(pause(&target.export(&snapshot(1, &[1])).await), Some(Some(Duration::ZERO)));
    assert_eq!(target.export(&snapshot(1, &[1])).await, Ok(()));
}
