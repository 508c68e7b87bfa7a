//! Deltas of exponential histograms, whose scales fall during their lifetime.

use std::time::{Duration, SystemTime};

use meterkit_core::{
    Attributes, Data, ExponentialBuckets, ExponentialHistogramPoint, Registry, Temporality,
};
use meterkit_fakes::catalog;
use meterkit_fakes::label_sets::Route;
use meterkit_fakes::many_sizes::{one, points, record_some};
use meterkit_pipeline::Snapshot;

fn snapshot(registry: &Registry, seconds: u64) -> Snapshot {
    let time = SystemTime::now() + Duration::from_secs(seconds);
    Snapshot::new(Attributes::empty(), time, registry.read())
}

/// Returns the sum of both, at the scale of `delta`.
fn sum(earlier: &ExponentialBuckets, delta: &ExponentialBuckets) -> Vec<(i32, u64)> {
    let low = earlier.offset.min(delta.offset);
    let end = |it: &ExponentialBuckets| it.offset + it.counts.len() as i32;
    let indices = low..end(earlier).max(end(delta));
    let counts = indices.map(|index| (index, earlier.count(index) + delta.count(index)));
    counts.filter(|(_, count)| *count > 0).collect()
}

#[test]
fn a_delta_and_the_earlier_point_add_up_even_if_the_scale_fell() {
    for (seed, first, second) in
        [(3, 10.0, 12.0), (4, 2.0, 1e9), (5, 1e9, 2.0), (6, 1e-3, 1e150), (7, 1.0, 1.0)]
    {
        let (registry, meter) = catalog();
        let sizes = meter.histogram::<f64>("sizes").exponential().build().unwrap();
        record_some(&sizes, seed, 300, first);
        let earlier = snapshot(&registry, 0);
        record_some(&sizes, seed + 100, 300, second);
        let later = snapshot(&registry, 10);

        let delta = later.delta_since(Some(&earlier));
        assert_eq!(points(&delta).0, Temporality::Delta);
        let (delta, now) = (one(&delta), one(&later));
        assert_eq!((delta.start, delta.scale), (earlier.time, now.scale));
        let earlier = one(&earlier);
        let further = |now: Option<f64>, before| now.filter(|_| now != before);
        assert_eq!(delta.min, further(now.min, earlier.min));
        assert_eq!(delta.max, further(now.max, earlier.max));
        let before = earlier.clone().downscaled(now.scale);
        assert_eq!(before.count + delta.count, now.count);
        assert_eq!(before.zero_count + delta.zero_count, now.zero_count);
        assert!((before.sum + delta.sum - now.sum).abs() <= 1e-9 * now.sum.abs());
        let none = ExponentialBuckets::default();
        assert_eq!(sum(&before.positive, &delta.positive), sum(&none, &now.positive));
        assert_eq!(sum(&before.negative, &delta.negative), sum(&none, &now.negative));
    }
}

#[test]
fn a_delta_has_no_empty_buckets_at_its_ends() {
    let (registry, meter) = catalog();
    let sizes = meter.histogram::<f64>("sizes").exponential_with(160, 0).build().unwrap();
    [1.5, 3.0, 100.0].iter().for_each(|size| sizes.record(*size));
    let earlier = snapshot(&registry, 0);
    sizes.record(3.0);
    let later = snapshot(&registry, 10);
    let delta = later.delta_since(Some(&earlier));
    assert_eq!(one(&delta).positive, ExponentialBuckets { offset: 1, counts: vec![1] });
    let nothing = later.delta_since(Some(&later));
    assert_eq!((one(&nothing).count, &one(&nothing).positive), (0, &ExponentialBuckets::default()));
}

#[test]
fn what_fell_or_got_finer_is_given_in_full() {
    let (registry, meter) = catalog();
    let sizes = meter.histogram::<f64>("sizes").exponential_with(160, 0).build().unwrap();
    [1.5, 3.0, 100.0, 0.0].iter().for_each(|size| sizes.record(*size));
    let now = snapshot(&registry, 10);
    let changes: [fn(&mut ExponentialHistogramPoint); 5] = [
        |earlier| earlier.positive.counts[1] += 1,
        |earlier| earlier.negative.counts.push(1),
        |earlier| earlier.zero_count += 1,
        |earlier| earlier.count += 1,
        |earlier| earlier.scale -= 1,
    ];
    for (at, change) in changes.iter().enumerate() {
        let mut earlier = snapshot(&registry, 0);
        let Data::ExponentialHistogram { points, .. } = &mut earlier.scopes[0].metrics[0].data
        else {
            panic!("{earlier:?}")
        };
        change(&mut points[0]);
        let delta = now.delta_since(Some(&earlier));
        let expected = ExponentialHistogramPoint { start: earlier.time, ..one(&now).clone() };
        assert_eq!(*one(&delta), expected, "change {at}");
    }
}

#[test]
fn a_series_that_restarted_is_exported_in_full() {
    let (registry, meter) = catalog();
    let sizes = meter.histogram_group::<Route, f64>("sizes").exponential().build().unwrap();
    sizes.with(Route("/a")).record(1.0);
    let earlier = snapshot(&registry, 0);
    assert!(sizes.remove(Route("/a")));
    sizes.with(Route("/a")).record(3.0);
    sizes.with(Route("/a")).record(5.0);
    let later = snapshot(&registry, 10);
    assert_eq!(one(&later.delta_since(Some(&earlier))), one(&later));
}
