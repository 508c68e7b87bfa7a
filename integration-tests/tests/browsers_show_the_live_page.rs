//! The live page of the scrape endpoint in a real browser.

use std::time::Duration;

use integration_tests::browser::Browser;
use integration_tests::process::Process;
use integration_tests::{client, peer, program};
use meterkit_core::{
    AttributeValue, Attributes, LabelKey, LabelRef, LabelVisitor, Labels, Registry,
};
use meterkit_pipeline::Pipeline;
use meterkit_prometheus::PrometheusServer;
use serde_json::json;

const LONG: Duration = Duration::from_secs(60);

/// Text that markup would interpret as an element and as a change of writing direction.
const HOSTILE: &str =
    "<img src=x onerror=\"window.hacked = 1\">\u{202e}</script><script>window.hacked = 1</script>";

struct Status<'a>(&'a str);

impl Labels for Status<'_> {
    type Set = Status<'static>;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("status")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Str(self.0));
    }
}

/// Shows the endpoint of a registry in a browser. Returns `None` if the browser is not installed.
async fn show(registry: &Registry) -> Option<(Pipeline, Browser)> {
    let driver = peer::find("chromedriver")?;
    let bound = PrometheusServer::new().host("127.0.0.1").port(0).bind().expect("a port is free");
    let url = format!("http://{}/", bound.address());
    let service = [("service.name".into(), AttributeValue::from(HOSTILE))];
    let pipeline =
        Pipeline::builder(registry.clone()).expect("no other pipeline uses the registry");
    let pipeline = pipeline.resource(Attributes::from_pairs(service));
    let pipeline = pipeline.service(|source, stop| bound.serve(source, stop));
    let pipeline = pipeline.start().expect("the pipeline starts");
    let browser = Browser::start(&driver).await;
    browser.open(&url).await;
    browser.until("document.querySelector('details.metric')").await;
    Some((pipeline, browser))
}

fn quiet_registry() -> Registry {
    let registry = Registry::new();
    registry.set_disabled_scopes("meterkit".parse().expect("a pattern"));
    registry
}

/// A JavaScript expression for the names of the listed instruments.
const LISTED: &str =
    "[...document.querySelectorAll('.metric .name')].map((it) => it.textContent).join()";

#[tokio::test(flavor = "multi_thread")]
async fn values_are_shown_kept_up_to_date_and_found() {
    let registry = quiet_registry();
    let shop = registry.scoped("plugin", "shop");
    let orders = shop.counter_group::<Status<'static>, u64>("orders").unit("{order}");
    let orders = orders.description("Orders, by status.").build().unwrap();
    orders.with(Status("paid")).add(1_234);
    orders.with(Status("open")).add(1);
    let duration = shop.histogram::<f64>("duration").unit("s").buckets([0.01, 0.1, 1.0]);
    let duration = duration.build().unwrap();
    (0..100).for_each(|_| duration.record(0.05));
    let length = registry.scoped("core", "queue").gauge::<i64>("length").build().unwrap();
    length.set(7);
    let Some((pipeline, browser)) = show(&registry).await else { return };

    browser.until(&format!("{LISTED} === 'length,duration,orders'")).await;
    browser.until("document.body.innerText.includes('Orders, by status.')").await;
    browser.until("document.body.innerText.includes('counter · order')").await;
    browser
        .until("document.querySelector('#found').textContent === '3 instruments, 4 series'")
        .await;
    browser.until("document.querySelector('#targets').innerText.includes('prometheus/0')").await;
    length.set(8_765);
    browser.until("document.querySelector('.metric .value').textContent === '8,765'").await;
    orders.with(Status("paid")).add(1_000_000);
    browser.until("/[1-9].*\\/s1,001,235 in total/.test(document.body.textContent)").await;
    browser.until("document.querySelector('.spark .line').getAttribute('d').includes('L')").await;

    // Uses the keyboard only.
    browser.type_into(".scope:nth-child(2) .metric:last-child summary", "\u{E007}").await;
    browser.until("document.querySelectorAll('.detail tbody tr').length === 2").await;
    let cells = "[...document.querySelectorAll('.detail tbody tr')].map((it) => it.cells[0].textContent).join()";
    browser.until(&format!("{cells} === 'open,paid'")).await;
    browser.type_into(".detail th:nth-child(2) button", "\u{E007}").await;
    browser.until(&format!("{cells} === 'paid,open'")).await;
    browser
        .until("document.querySelector('.detail th:nth-child(2)').ariaSort === 'descending'")
        .await;
    browser.type_into(".scope:nth-child(2) .metric:first-child summary", "\u{E007}").await;
    browser.until("document.querySelectorAll('figure rect').length === 1").await;
    let label = "document.querySelector('figure svg').getAttribute('aria-label')";
    browser.until(&format!("{label}.startsWith('Distribution of 100 values: p50 50 ms')")).await;

    for (search, listed, series) in [
        ("plugin.*", "duration,orders", "2 instruments, 3 series"),
        ("core.*", "length", "1 instrument, 1 series"),
        ("status=pai", "orders", "1 instrument, 1 series"),
        ("plugin.shop by", "orders", "1 instrument, 2 series"),
        ("s*tus=p*d", "", "No metrics found."),
        ("nowhere", "", "No metrics found."),
        ("", "length,duration,orders", "3 instruments, 4 series"),
    ] {
        browser.run("document.getElementById('search').value = ''").await;
        browser.type_into("#search", &format!("{search} ")).await;
        browser.until(&format!("{LISTED} === '{listed}'")).await;
        browser
            .until(&format!("document.querySelector('#found').textContent === '{series}'"))
            .await;
    }
    assert_eq!(browser.complaints().await, [""; 0]);
    pipeline.shutdown(LONG).await.unwrap();
    // The last values stay visible, and are marked as old.
    browser.until("/No answer|reached/.test(document.querySelector('#warnings').innerText)").await;
    browser.until(&format!("{LISTED} === 'length,duration,orders'")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_named_stays_text() {
    let registry = quiet_registry();
    let meter = registry.semconv("shop");
    let group = meter.counter_group::<Status<'static>, u64>("orders").description(HOSTILE);
    group.build().unwrap().with(Status(HOSTILE)).increment();
    let Some((pipeline, browser)) = show(&registry).await else { return };

    browser.run("document.querySelector('details.metric').open = true").await;
    let hostile = json!(HOSTILE);
    for element in ["#service", ".about", ".detail td", "#resource dd"] {
        let text = format!("document.querySelector({}).textContent", json!(element));
        browser.until(&format!("{text} === {hostile}")).await;
    }
    let found =
        browser.run("return [window.hacked ?? 0, document.images.length, document.scripts.length]");
    assert_eq!(found.await, json!([0, 0, 1]));
    // The content security policy blocks what a bug in the page would let through.
    browser
        .run("const it = document.createElement('script'); it.textContent = 'window.hacked = 1'; document.body.append(it)")
        .await;
    assert_eq!(browser.run("return window.hacked ?? 0").await, 0);
    let complaints = browser.complaints().await;
    assert!(complaints.iter().all(|it| it.contains("Content Security Policy")), "{complaints:?}");
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    pipeline.shutdown(LONG).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_series_are_listed_piece_by_piece() {
    let registry = quiet_registry();
    let meter = registry.semconv("large");
    let group = meter.counter_group::<Status<'static>, u64>("series").cardinality_limit(10_000);
    let group = group.build().unwrap();
    (0..10_000_u64).for_each(|it| group.with(Status(&format!("no {it:05}"))).add(it));
    for number in 0..1_000 {
        meter.gauge::<u64>(format!("gauge{number:04}")).build().unwrap().set(number);
    }
    let Some((pipeline, browser)) = show(&registry).await else { return };

    browser
        .until(
            "document.querySelector('#found').textContent === '1,001 instruments, 11,000 series'",
        )
        .await;
    let near = "document.querySelector('#warnings').innerText.includes('Many series')";
    browser.until(near).await;
    let elements = browser.run("return document.querySelectorAll('*').length").await;
    assert!(elements.as_u64().unwrap() < 5_000, "{elements} elements before anything is open");
    browser.type_into("#search", "series").await;
    browser.until(&format!("{LISTED} === 'series'")).await;
    browser.type_into(".metric summary", "\u{E007}").await;
    browser.until("document.querySelectorAll('.detail tbody tr').length === 200").await;
    browser.type_into(".detail .more", "\u{E007}").await;
    browser.until("document.querySelectorAll('.detail tbody tr').length === 400").await;
    // The largest of all series, not only of those that were visible.
    browser.type_into(".detail th:nth-child(2) button", "\u{E007}").await;
    browser.until("document.querySelector('.detail td').textContent === 'no 09999'").await;
    browser.type_into("#search", " status=04321").await;
    browser.until("document.querySelectorAll('.detail tbody tr').length === 1").await;
    browser.until("document.querySelector('.detail td').textContent === 'no 04321'").await;
    assert_eq!(browser.complaints().await, [""; 0]);
    pipeline.shutdown(LONG).await.unwrap();
}

/// With `METERKIT_UPDATE_PICTURES=1`, this test writes the pictures of the README.
#[tokio::test(flavor = "multi_thread")]
async fn catalog_service_is_shown_by_day_and_by_night() {
    let Some(driver) = peer::find("chromedriver") else { return };
    let is_update = std::env::var_os("METERKIT_UPDATE_PICTURES").is_some();
    let mut service = Process::start(
        &program::build("catalog-service"),
        &["--port", "0", "--load", "50"],
        &[
            ("OTEL_METRICS_EXPORTER", "prometheus"),
            ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
            ("OTEL_SERVICE_NAME", "catalog-service"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=catalog-1,service.version=1.4.0"),
        ],
    );
    let metrics = service.line("metrics: ").await;
    let page = metrics.strip_suffix("metrics").expect("metrics are at /metrics");
    let browser = Browser::start(&driver).await;
    browser.open(page).await;
    browser.until("document.querySelector('#service').textContent === 'catalog-service'").await;
    browser.until("document.body.innerText.includes('backstage.plugin.scaffolder')").await;
    // A screenshot of a page after some traffic, with an open histogram.
    let seen = if is_update { 24 } else { 2 };
    let points = "document.querySelector('.spark .line').getAttribute('d').split('L').length";
    browser.until(&format!("{points} >= {seen}")).await;
    browser
        .run("[...document.querySelectorAll('.metric')].find((it) => it.textContent.includes('statements.duration')).open = true")
        .await;
    browser.until("document.querySelectorAll('figure rect').length > 2").await;
    client::get(&metrics).await.expect("the endpoint answers");
    browser.until("document.querySelector('#targets').innerText.includes('working')").await;
    let screen = json!({"width": 1120, "height": 980, "deviceScaleFactor": 1, "mobile": false});
    browser.command("Emulation.setDeviceMetricsOverride", screen).await;
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        browser.command("Emulation.setEmulatedMedia", media).await;
        browser.until(&format!("matchMedia('(prefers-color-scheme: {scheme})').matches")).await;
        grounds.push(browser.run("return getComputedStyle(document.body).backgroundColor").await);
        if is_update {
            let file = format!("../examples/catalog-service/page-{scheme}.png");
            std::fs::write(file, browser.screenshot().await).expect("the picture is written");
        }
    }
    assert_ne!(grounds[0], grounds[1]);
    let phone = json!({"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": true});
    browser.command("Emulation.setDeviceMetricsOverride", phone).await;
    browser.until("document.documentElement.scrollWidth <= innerWidth").await;
    assert_eq!(browser.complaints().await, [""; 0]);
    assert!(service.terminate().await.success());
}
