//! Callbacks of observable instruments delay a scrape by at most their budget.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::checker::Exposition;
use crate::client::scrape;
use crate::served::{LONG, Number, Served};
use meterkit_core::{CallbackGuard, Registry};
use tokio::time::sleep;

const BUDGET: Duration = Duration::from_millis(50);

async fn page(served: &Served) -> Exposition {
    scrape(served.address).await.unwrap().exposition()
}

/// Returns the value of the only sample with this name, if it exists.
fn find(page: &Exposition, name: &str) -> Option<f64> {
    let is_there = page.samples.keys().any(|(sample, _)| sample == name);
    is_there.then(|| page.value(name, &[]))
}

/// Returns the value of the self-metric that counts callbacks in the background.
fn background(page: &Exposition) -> f64 {
    page.value("meterkit_callback_background", &[("instrument", "rows")])
}

/// Scrapes until the exposition meets the condition.
async fn page_when(served: &Served, is_so: impl Fn(&Exposition) -> bool) -> Exposition {
    let give_up = Instant::now() + LONG;
    loop {
        let page = page(served).await;
        if is_so(&page) {
            return page;
        }
        assert!(Instant::now() < give_up, "waited too long: {:?}", page.samples);
        sleep(Duration::from_millis(1)).await;
    }
}

/// A callback that counts its runs, and hangs in the next run on demand.
struct Hanging {
    next: Arc<Mutex<Option<mpsc::Receiver<()>>>>,
    _guard: CallbackGuard,
}

impl Hanging {
    fn new(registry: &Registry) -> Self {
        let next = Arc::new(Mutex::new(None::<mpsc::Receiver<()>>));
        let (held, runs) = (next.clone(), AtomicU64::new(0));
        let rows = registry.semconv("s").observable_gauge::<u64>("rows").budget(BUDGET);
        let guard = rows.observe(move || {
            let hold = held.lock().unwrap().take();
            if let Some(hold) = hold {
                let _ = hold.recv();
            }
            runs.fetch_add(1, SeqCst) + 1
        });
        Self { next, _guard: guard.unwrap() }
    }

    /// Makes the next run hang until the returned sender is dropped.
    fn hang(&self) -> mpsc::Sender<()> {
        let (release, hold) = mpsc::channel();
        *self.next.lock().unwrap() = Some(hold);
        release
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_scrapes_at_once_run_a_slow_callback_once() {
    let registry = Registry::new();
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let rows = registry.semconv("s").observable_gauge::<u64>("rows").budget(LONG);
    let _guard = rows
        .observe(move || {
            thread::sleep(Duration::from_millis(200));
            counted.fetch_add(1, SeqCst) + 1
        })
        .unwrap();
    let served = Served::start_sharing(&registry, LONG, |server| server.max_connections(100));
    let scrapes: Vec<_> = (0..100).map(|_| tokio::spawn(scrape(served.address))).collect();
    for scrape in scrapes {
        let page = scrape.await.unwrap().unwrap().exposition();
        assert_eq!(page.value("rows", &[]), 1.0);
    }
    assert_eq!(runs.load(SeqCst), 1);
    served.stop().await;
}

#[tokio::test]
async fn a_callback_that_hangs_costs_a_scrape_its_budget_and_then_nothing() {
    let registry = Registry::new();
    let hits = registry.semconv("s").counter::<u64>("hits").build().unwrap();
    let rows = Hanging::new(&registry);
    let served = Served::start(&registry, |server| server);
    let before = page_when(&served, |page| find(page, "rows").is_some()).await;
    let last = before.value("rows", &[]);

    // Each scrape would otherwise wait for the test itself.
    let release = rows.hang();
    let instrument = [("instrument", "rows")];
    for number in 1..=3 {
        hits.increment();
        let page = page(&served).await;
        // The previous run may have ended late, so that its value is served now.
        assert!(page.value("rows", &[]) >= last);
        assert_eq!(page.value("hits_total", &[]), f64::from(number), "all else is new");
        assert!(page.value("meterkit_callback_overruns_total", &instrument) >= f64::from(number));
    }
    let last = page(&served).await;
    assert_eq!(background(&last), 1.0);
    let begin = Instant::now();
    for number in 4..=40 {
        hits.increment();
        let page = page(&served).await;
        assert_eq!(page.value("rows", &[]), last.value("rows", &[]));
        assert_eq!(page.value("hits_total", &[]), f64::from(number));
    }
    assert!(begin.elapsed() < LONG);
    let overruns = "meterkit_callback_overruns_total";
    let page = page(&served).await;
    assert_eq!(page.value(overruns, &instrument), last.value(overruns, &instrument));

    drop(release);
    let page = page_when(&served, |page| background(page) == 0.0).await;
    assert!(page.value("rows", &[]) > last.value("rows", &[]), "its new values are served");
    served.stop().await;
}

#[tokio::test]
async fn a_callback_that_hangs_takes_nothing_from_others() {
    let registry = Registry::new();
    let hanging = Hanging::new(&registry);
    let runs = AtomicU64::new(0);
    let numbers = registry.semconv("s").observable_counter_group::<Number, u64>("numbers");
    let _numbers = numbers
        .budget(Duration::from_secs(10))
        .observe_with(move |observer| {
            let run = runs.fetch_add(1, SeqCst) + 1;
            (0..10).for_each(|number| observer.observe(Number(number), run));
        })
        .unwrap();
    let release = hanging.hang();
    let served = Served::start(&registry, |server| server);
    for run in 1..=5 {
        let page = page(&served).await;
        assert_eq!(find(&page, "rows"), None, "it never reported anything");
        let numbers = page.samples.iter().filter(|((name, _), _)| name == "numbers_total");
        let values: Vec<_> = numbers.map(|(_, value)| value.parse::<u64>().unwrap()).collect();
        assert_eq!(values, [run; 10]);
    }
    drop(release);
    page_when(&served, |page| find(page, "rows").is_some()).await;
    served.stop().await;
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_a_callback_that_hangs() {
    let registry = Registry::new();
    let hanging = Hanging::new(&registry);
    let _release = hanging.hang();
    let served = Served::start(&registry, |server| server);
    page(&served).await;
    served.stop().await;
}

#[tokio::test]
async fn kinds_and_labels_are_on_the_page_as_they_were_reported() {
    let registry = Registry::new();
    let meter = registry.semconv("s");
    let rows = meter.observable_gauge_group::<Number, i64>("rows").build().unwrap();
    let read = meter.observable_counter::<u64>("bytes.read").unit("By").build().unwrap();
    let open = meter.observable_up_down_counter::<i64>("open").build().unwrap();
    let instruments = (rows.clone(), read.clone(), open.clone());
    let served = Served::start(&registry, |server| server);
    let guard = meter.register_callback([&rows, &read, &open], move |observer| {
        let (rows, read, open) = &instruments;
        observer.observe_series(rows, Number(7), -7);
        observer.observe(read, 512);
        observer.observe(open, -1);
    });
    let page = page_when(&served, |page| find(page, "rows").is_some()).await;
    let kinds = ["rows", "bytes_read_bytes_total", "open"].map(|it| &*page.families[it]);
    assert_eq!(kinds, ["gauge", "counter", "gauge"]);
    assert_eq!(page.value("rows", &[("number", &format!("{:0500}", 7))]), -7.0);
    assert_eq!(page.value("bytes_read_bytes_total", &[]), 512.0);
    assert_eq!(page.value("open", &[]), -1.0);

    drop(guard);
    let scraped = scrape(served.address).await.unwrap();
    assert!(!scraped.text().contains("bytes_read"), "{}", scraped.text());
    served.stop().await;
}
