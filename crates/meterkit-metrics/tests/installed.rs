//! The program's recorder.

use meterkit_core::Registry;
use meterkit_fakes::own_process::rerun;
use meterkit_fakes::readings::total;
use meterkit_metrics::MetricsRecorder;
use metrics::counter;

#[test]
fn a_program_has_one_recorder() {
    if rerun("a_program_has_one_recorder", &[]).is_some() {
        return;
    }
    counter!("calls").increment(1);
    MetricsRecorder::global().install().expect("the first");
    let error = MetricsRecorder::global().install().expect_err("the second").to_string();
    assert!(error.contains("already has a recorder") && error.contains("FanoutBuilder"), "{error}");
    counter!("calls").increment(2);
    std::thread::spawn(|| counter!("calls").increment(3)).join().expect("it records");
    let local = Registry::new();
    metrics::with_local_recorder(&MetricsRecorder::new(&local), || counter!("calls").increment(9));
    assert_eq!(total(Registry::global(), "calls"), 5.0);
    assert_eq!(total(&local, "calls"), 9.0);
}
