//! The messages of failed assertions about metrics, and the lines that they point at.

use std::panic::{AssertUnwindSafe, catch_unwind};

use meterkit::testing::{TestKit, assert_metric, assert_no_metric};
use meterkit::{InstrumentError, LabelValue, Labels};

#[derive(Labels)]
struct Operation {
    kind: Kind,
    success: bool,
}

#[derive(Clone, Copy, LabelValue)]
enum Kind {
    Create,
    Delete,
}

fn catalog() -> Result<TestKit, InstrumentError> {
    let kit = TestKit::new();
    let meter = kit.scoped("plugin", "catalog");
    let operations = meter.counter_group::<Operation, u64>("operations").build()?;
    operations.with(Operation { kind: Kind::Create, success: true }).add(3);
    operations.with(Operation { kind: Kind::Delete, success: true }).add(1);
    let duration = meter.histogram::<f64>("duration").unit("s").buckets([0.1, 1.0]).build()?;
    duration.record(0.25);
    Ok(kit)
}

/// Returns the message of the failed assertion.
fn failure(assertion: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(assertion)).expect_err("the assertion holds");
    *panic.downcast::<String>().expect("a text")
}

#[test]
fn a_wrong_value_is_shown_with_the_expected_one_and_all_series() -> Result<(), InstrumentError> {
    let seen = catalog()?.collect();
    let text = failure(|| {
        assert_metric!(seen, "backstage.plugin.catalog.operations" { kind = Kind::Create, success = true } == 4);
    });
    assert_eq!(
        text,
        r#"metric `backstage.plugin.catalog.operations{kind="create",success="true"}` is not as expected
  expected: == 4
    actual: 3
its series:
  > backstage.plugin.catalog.operations{kind="create",success="true"} 3
    backstage.plugin.catalog.operations{kind="delete",success="true"} 1"#
    );
    Ok(())
}

#[test]
fn each_check_that_fails_is_shown_and_no_other() -> Result<(), InstrumentError> {
    let seen = catalog()?.collect();
    let text = failure(|| {
        assert_metric!(
            seen,
            "backstage.plugin.catalog.duration"
            count == 2, sum == 0.25, min > 0.25, max in 1.0..=2.0, buckets == [1, 0, 0]
        );
    });
    assert_eq!(
        text,
        "metric `backstage.plugin.catalog.duration` is not as expected
  expected: count == 2
    actual: count = 1
  expected: min > 0.25
    actual: min = 0.25
  expected: max in 1..=2
    actual: max = 0.25
  expected: buckets == [1, 0, 0]
    actual: buckets = [0, 1, 0]
its series:
  > backstage.plugin.catalog.duration count=1 sum=0.25 min=0.25 max=0.25 ≤0.1:0 ≤1:1 ≤inf:0"
    );
    Ok(())
}

#[test]
fn a_missing_series_is_reported_with_the_existing_ones() -> Result<(), InstrumentError> {
    let seen = catalog()?.collect();
    let text = failure(|| {
        assert_metric!(seen, "backstage.plugin.catalog.operations" { success = false, kind = "create" } == 1);
    });
    assert_eq!(
        text,
        r#"metric `backstage.plugin.catalog.operations` has no series {kind="create",success="false"}
  expected: backstage.plugin.catalog.operations{kind="create",success="false"} == 1
its series:
    backstage.plugin.catalog.operations{kind="create",success="true"} 3
    backstage.plugin.catalog.operations{kind="delete",success="true"} 1"#
    );
    Ok(())
}

#[test]
fn labels_that_were_left_out_are_pointed_at() -> Result<(), InstrumentError> {
    let seen = catalog()?.collect();
    let text =
        failure(|| assert_metric!(seen, "backstage.plugin.catalog.operations" { kind = "create" }));
    assert!(text.contains(r#"has no series {kind="create"}"#), "{text}");
    assert!(
        text.ends_with("write `..` after the labels to match a series that has more of them"),
        "{text}"
    );
    let text = failure(|| assert_metric!(seen, "backstage.plugin.catalog.operations" == 3));
    assert!(text.contains("`backstage.plugin.catalog.operations` has no series without labels"));
    Ok(())
}

#[test]
fn several_series_are_shown_with_what_tells_them_apart() -> Result<(), InstrumentError> {
    let kit = catalog()?;
    let seen = kit.collect();
    let text = failure(|| {
        assert_metric!(seen, "backstage.plugin.catalog.operations" { success = true, .. } == 3);
    });
    assert_eq!(
        text,
        r#"metric `backstage.plugin.catalog.operations` has 2 series {success="true",..}
    backstage.plugin.catalog.operations{kind="create",success="true"} 3
    backstage.plugin.catalog.operations{kind="delete",success="true"} 1
specify more of the labels"#
    );

    kit.semconv("http").counter::<u64>("requests").build()?.increment();
    kit.semconv("grpc").version("1.2").counter::<u64>("requests").build()?.increment();
    let seen = kit.collect();
    let text = failure(|| assert_metric!(seen, "requests" == 1));
    assert_eq!(
        text,
        "metric `requests` has 2 series without labels
    requests 1 in scope grpc 1.2
    requests 1 in scope http
select one of their scopes with `Seen::scope`"
    );
    assert_metric!(seen.scope("grpc"), "requests" == 1);
    Ok(())
}

#[test]
fn a_missing_metric_is_answered_with_the_nearest_names() -> Result<(), InstrumentError> {
    let seen = catalog()?.collect();
    let text = failure(|| assert_metric!(seen, "backstage.plugin.catalog.operatoins" == 1));
    assert_eq!(
        text,
        "there is no metric `backstage.plugin.catalog.operatoins`
  expected: backstage.plugin.catalog.operatoins == 1
did you mean:
    backstage.plugin.catalog.operations"
    );
    let text = failure(|| assert_metric!(seen, "duration" count == 1));
    assert!(text.ends_with("did you mean:\n    backstage.plugin.catalog.duration"), "{text}");
    let text = failure(|| assert_metric!(seen, "http.server.active_requests" == 1));
    assert!(text.contains("\nthe metrics are:\n    backstage.plugin.catalog.duration\n"), "{text}");
    let text = failure(|| assert_metric!(seen, "meterkit.serie" { .. } == 2));
    assert!(text.ends_with("did you mean:\n    meterkit.series"), "{text}");
    let empty = TestKit::new();
    let text = failure(|| assert_metric!(empty, "requests"));
    assert!(text.ends_with("  expected: requests\nno metric has a value yet"), "{text}");
    Ok(())
}

#[test]
fn an_unwanted_series_is_shown() -> Result<(), InstrumentError> {
    let seen = catalog()?.collect();
    let text = failure(|| {
        assert_no_metric!(seen, "backstage.plugin.catalog.operations" { kind = "delete", .. });
    });
    assert_eq!(
        text,
        r#"metric `backstage.plugin.catalog.operations` should have no series {kind="delete",..}, but has
    backstage.plugin.catalog.operations{kind="delete",success="true"} 1"#
    );
    Ok(())
}

#[test]
fn a_check_of_the_wrong_kind_says_what_the_metric_has() -> Result<(), InstrumentError> {
    let seen = catalog()?.collect();
    let text = failure(|| assert_metric!(seen, "backstage.plugin.catalog.duration" == 1));
    assert!(text.contains("actual: a histogram, which has `count`"), "{text}");
    let text = failure(|| {
        assert_metric!(seen, "backstage.plugin.catalog.operations" { kind = "create", .. } count == 3);
    });
    assert!(text.contains("actual: not a histogram: write `== ..` for its value"), "{text}");
    let later = seen.since(&seen);
    let text = failure(|| assert_metric!(later, "backstage.plugin.catalog.duration" min == 1));
    assert!(text.contains("actual: min is not known"), "{text}");
    let text = failure(|| {
        let _ = seen.value("backstage.plugin.catalog.duration", []);
    });
    assert_eq!(
        text,
        "`backstage.plugin.catalog.duration` is a histogram: call `histogram` instead"
    );
    Ok(())
}

#[test]
fn many_series_are_cut_short_but_not_the_one_in_question() -> Result<(), InstrumentError> {
    #[derive(Labels)]
    struct Shard {
        shard: u8,
    }
    let kit = TestKit::new();
    let shards = kit.semconv("db").counter_group::<Shard, u64>("queries").build()?;
    for shard in 0..100 {
        shards.with(Shard { shard }).increment();
    }
    let seen = kit.collect();
    let text = failure(|| assert_metric!(seen, "queries" { shard = 77 } == 2));
    assert!(text.contains("\n  > queries{shard=\"77\"} 1\n"), "{text}");
    assert!(text.ends_with("\n    and 79 more"), "{text}");
    assert_eq!(text.lines().count(), 4 + 21 + 1, "{text}");
    Ok(())
}

#[test]
fn a_failure_points_at_the_line_of_the_assertion() -> Result<(), InstrumentError> {
    use std::sync::{Arc, Mutex};

    let seen = catalog()?.collect();
    let line = Arc::new(Mutex::new(None));
    let noted = line.clone();
    let this_thread = std::thread::current().id();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == this_thread {
            let place = info.location().map(|it| (it.file().to_owned(), it.line()));
            *noted.lock().unwrap() = place;
        }
        before(info);
    }));
    let expected = line!() + 1;
    failure(|| assert_metric!(seen, "nothing" == 1));
    let place = line.lock().unwrap().take();
    assert!(
        place.as_ref().is_some_and(|(file, line)| {
            file.ends_with("testing_failures.rs") && *line == expected
        }),
        "{place:?}"
    );
    Ok(())
}

#[test]
fn a_check_of_an_exponential_histogram_says_what_it_has() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let sizes = kit.scoped("plugin", "catalog").histogram::<f64>("sizes");
    sizes.exponential().build()?.record(1.0);
    let name = "backstage.plugin.catalog.sizes";
    let seen = kit.collect();
    for text in [
        failure(|| assert_metric!(seen, (name) == 1)),
        failure(|| assert_metric!(seen, (name) buckets == [1])),
    ] {
        let has = "an exponential histogram, which has `count`, `sum`, `min` and `max`; \
                   for its buckets, use `Seen::exponential_histogram`";
        assert!(text.contains(has), "{text}");
    }
    let text = failure(|| assert!(seen.histogram(name, []).is_none()));
    assert!(
        text.contains("is an exponential histogram: call `exponential_histogram` instead"),
        "{text}"
    );
    Ok(())
}
