//! Publishes a dashboard to Grafana: draws it from the catalog while the service runs, and keeps it up to date.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use meterkit_core::{LogOnce, Registry};
use meterkit_dashboard::{Dashboard, Histograms};
use meterkit_grafana::{DashboardPublisher, PublishError, Published};
use meterkit_pipeline::{Source, Stop, Views};

/// The schedule on which the dashboard is drawn.
#[derive(Clone, Copy)]
struct Pace {
    /// The delay before the first drawing, by which time most instruments exist. The dashboard is then drawn again at
    /// increasing intervals, up to `longest`, for instruments that are created later.
    first: Duration,
    longest: Duration,
    /// The age below which a process keeps a dashboard that shows more metrics, because some of its own instruments may
    /// be created only when they are first used.
    young: Duration,
}

const PACE: Pace = Pace {
    first: Duration::from_millis(if cfg!(test) { 10 } else { 15_000 }),
    longest: Duration::from_secs(3600),
    young: Duration::from_secs(3600),
};

type Publishing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The content of the dashboard.
pub(crate) struct Drawing {
    pub(crate) registry: Registry,
    /// The views of the targets, because Grafana shows what the targets receive.
    pub(crate) views: Views,
    pub(crate) histograms: Histograms,
    pub(crate) title: String,
}

/// Publishes the dashboard whenever the catalog changes it. Runs independently of the targets, which are not affected
/// if it fails.
pub(crate) fn publish(
    drawing: Drawing,
    publisher: DashboardPublisher,
) -> impl FnOnce(Source, Stop) -> Publishing + Send {
    publish_at(PACE, drawing, publisher)
}

fn publish_at(
    pace: Pace,
    drawing: Drawing,
    publisher: DashboardPublisher,
) -> impl FnOnce(Source, Stop) -> Publishing + Send {
    move |_, mut stop| {
        Box::pin(async move {
            let title = &*drawing.title;
            let (mut last, logged) = (String::new(), LogOnce::default());
            let (mut age, mut pause) = (Duration::ZERO, pace.first);
            while !stop.requested_within(pause).await {
                age = age.saturating_add(pause);
                pause = (pause * 2).min(pace.longest);
                let dashboard = drawing.draw();
                if dashboard == last {
                    continue;
                }
                let publish = async {
                    match age < pace.young {
                        true => publisher.publish_unless_less(&dashboard).await,
                        false => publisher.publish(&dashboard).await,
                    }
                };
                match stop.before(publish).await {
                    Some(Ok(Published::Kept)) => {
                        tracing::debug!(
                            title,
                            "keeping the dashboard in Grafana, which shows more metrics than this process has"
                        );
                    }
                    Some(Ok(published)) => {
                        tell(title, published);
                        last = dashboard;
                    }
                    Some(Err(error)) => {
                        if logged.is_new(&error.to_string()) {
                            tracing::warn!(title, %error, "dashboard not published");
                        }
                        if let PublishError::ChangedByAPerson { .. } = error {
                            last = dashboard;
                        }
                    }
                    None => {}
                }
            }
        })
    }
}

impl Drawing {
    fn draw(&self) -> String {
        let catalog = self.views.catalog(self.registry.catalog());
        let dashboard = Dashboard::new(&*self.title).namespace(self.registry.naming().namespace());
        let dashboard = dashboard.histograms(self.histograms).of(&catalog).with_self_metrics();
        dashboard.to_classic_json()
    }
}

fn tell(title: &str, published: Published) {
    match published {
        Published::Created => tracing::info!(title, "dashboard created in Grafana"),
        Published::Updated => tracing::info!(title, "dashboard updated in Grafana"),
        _ => tracing::debug!(title, "the dashboard in Grafana is up to date"),
    }
}

/// Returns how dashboards query exponential histograms: as native histograms if OTLP or remote write delivers them.
/// Scrapes have only their counts and sums.
pub(crate) fn histograms<'a>(mut targets: impl Iterator<Item = &'a str>) -> Histograms {
    match targets.any(|name| ["otlp", "grafana"].contains(&name)) {
        true => Histograms::ByInstrument,
        false => Histograms::Classic,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::mpsc;
    use std::thread;

    use meterkit_grafana::{PublishConfig, Secret};
    use meterkit_pipeline::{Aggregation, Pipeline, View, ViewSelector, ViewStream};

    use crate::{Telemetry, TelemetryBuilder};

    use super::*;

    /// Starts a Grafana without dashboards. Returns its URL and the requests that it receives.
    fn grafana() -> (String, mpsc::Receiver<String>) {
        grafana_with(None)
    }

    /// Starts a Grafana that has this dashboard, published by meterkit.
    fn grafana_with(there: Option<String>) -> (String, mpsc::Receiver<String>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (asked, all) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let mut request = Vec::new();
                let mut chunk = [0; 65_536];
                while !is_whole(&request) {
                    match stream.read(&mut chunk) {
                        Ok(0) | Err(_) => break,
                        Ok(read) => request.extend_from_slice(&chunk[..read]),
                    }
                }
                let request = String::from_utf8_lossy(&request).into_owned();
                let line = request.lines().next().unwrap_or_default();
                let ours = r#"[{"version":1,"message":"Published by meterkit 0 (content 0123456789abcdef)"}]"#;
                let (status, body) = match &there {
                    _ if line.starts_with("POST ") => {
                        ("200 OK", r#"{"status":"success","version":1,"uid":"x"}"#.to_owned())
                    }
                    None => ("404 Not Found", r#"{"message":"Dashboard not found"}"#.to_owned()),
                    Some(_) if line.contains("/versions?") => ("200 OK", ours.to_owned()),
                    Some(model) => {
                        let meta = r#"{"version":1}"#;
                        ("200 OK", format!(r#"{{"dashboard":{model},"meta":{meta}}}"#))
                    }
                };
                let length = body.len();
                let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\n");
                let rest = format!("content-length: {length}\r\nconnection: close\r\n\r\n{body}");
                let _ = stream.write_all(format!("{head}{rest}").as_bytes());
                if asked.send(request).is_err() {
                    return;
                }
            }
        });
        (url, all)
    }

    /// Returns the next request that saves a dashboard, and the number of other requests before it.
    fn next_post(asked: &mpsc::Receiver<String>) -> (String, usize) {
        for before in 0..1000 {
            let request = asked.recv_timeout(Duration::from_secs(60)).expect("another dashboard");
            if request.starts_with("POST ") {
                return (request, before);
            }
        }
        panic!("no dashboard was saved");
    }

    fn is_whole(request: &[u8]) -> bool {
        let text = String::from_utf8_lossy(request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            return false;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        body.len() >= length.unwrap_or(0)
    }

    fn builder(url: &str) -> (Registry, TelemetryBuilder) {
        let registry = Registry::new();
        let config = PublishConfig::new(url, Secret::new("s3cret")).expect("a URL");
        let builder = Telemetry::builder().registry(registry.clone()).service_name("shop");
        (registry, builder.publish_dashboard(config))
    }

    #[test]
    fn existing_and_later_instruments_are_drawn() {
        let (url, asked) = grafana();
        let (registry, builder) = builder(&url);
        let meter = registry.scoped("plugin", "catalog");
        let _early = meter.counter::<u64>("early").build().expect("a name");
        let telemetry = builder.install().expect("it is installed");
        let (first, _) = next_post(&asked);
        assert!(first.contains("backstage_plugin_catalog_early_total"), "{first}");
        assert!(first.contains("Bearer s3cret") && first.contains("shop"), "{first}");
        let _late = meter.counter::<u64>("late").build().expect("a name");
        loop {
            let (next, _) = next_post(&asked);
            if next.contains("backstage_plugin_catalog_late_total") {
                break;
            }
        }
        telemetry.shutdown_blocking().expect("nothing is left");
    }

    fn drawn(registry: &Registry, views: Views, histograms: Histograms) -> String {
        let title = "shop".to_owned();
        Drawing { registry: registry.clone(), views, histograms, title }.draw()
    }

    #[test]
    fn renamed_and_dropped_metrics_are_drawn_as_the_targets_receive_them() {
        let (url, asked) = grafana();
        let (registry, builder) = builder(&url);
        let meter = registry.scoped("plugin", "catalog");
        let _entities = meter.counter::<u64>("entities").build().expect("a name");
        let _noise = meter.counter::<u64>("noise").build().expect("a name");
        let view = |name: &str, stream| {
            let name = format!("backstage.plugin.catalog.{name}");
            let selector =
                ViewSelector { instrument_name: Some(name.into()), ..Default::default() };
            View { selector, stream }
        };
        let renamed = ViewStream { name: Some("things".to_owned()), ..ViewStream::default() };
        let dropped = Some(Aggregation::Drop);
        let dropped = ViewStream { aggregation: dropped, ..ViewStream::default() };
        let views = Views::new(vec![view("entities", renamed), view("noise", dropped)]);
        let telemetry = builder.views(views).install().expect("it is installed");
        let (dashboard, _) = next_post(&asked);
        assert!(dashboard.contains("things_total"), "{dashboard}");
        assert!(!dashboard.contains("catalog_entities") && !dashboard.contains("noise"));
        telemetry.shutdown_blocking().expect("nothing is left");
    }

    fn young(young: Duration) -> Pace {
        let millisecond = Duration::from_millis(1);
        Pace { first: millisecond, longest: millisecond, young }
    }

    #[test]
    fn a_young_process_leaves_a_dashboard_that_shows_more_and_an_older_one_replaces_it() {
        let registry = Registry::new();
        let meter = registry.scoped("plugin", "catalog");
        let _first = meter.counter::<u64>("first").build().expect("a name");
        let drawing = || Drawing {
            registry: registry.clone(),
            views: Views::default(),
            histograms: Histograms::default(),
            title: "shop".to_owned(),
        };
        let more = Registry::new();
        let meter = more.scoped("plugin", "catalog");
        let _both = ["first", "on_use"].map(|name| meter.counter::<u64>(name).build());
        let there = Drawing { registry: more, ..drawing() }.draw();
        // Each attempt makes two requests: for the dashboard and for its versions.
        for (milliseconds, looks) in [(0, 1), (4, 4)] {
            let (url, asked) = grafana_with(Some(there.clone()));
            let config = PublishConfig::new(&url, Secret::new("s3cret")).expect("a URL");
            let publisher = DashboardPublisher::new(config).expect("a publisher");
            let pace = young(Duration::from_millis(milliseconds));
            let pipeline = Pipeline::builder(Registry::new()).expect("it is new");
            let pipeline = pipeline.service(publish_at(pace, drawing(), publisher));
            let pipeline = pipeline.start().expect("it starts");
            let (dashboard, before) = next_post(&asked);
            assert_eq!(before, 2 * looks);
            assert!(dashboard.contains("first_total") && !dashboard.contains("on_use"));
            pipeline.shutdown_blocking(Duration::from_secs(60)).expect("nothing is left");
        }
    }

    #[test]
    fn exponential_histograms_are_asked_for_as_the_targets_bring_them() {
        let native = "histogram_count(rate(backstage_plugin_catalog_time";
        let classic = "rate(backstage_plugin_catalog_time_count";
        let (registry, _scraped) = builder("http://127.0.0.1:1");
        let meter = registry.scoped("plugin", "catalog");
        let _time = meter.histogram::<f64>("time").exponential().build().expect("a name");
        let dashboard = drawn(&registry, Views::default(), histograms(["datadog"].into_iter()));
        assert!(dashboard.contains(classic) && !dashboard.contains(native), "{dashboard}");

        let dashboard = drawn(&registry, Views::default(), histograms(["grafana"].into_iter()));
        assert!(dashboard.contains(native) && !dashboard.contains(classic), "{dashboard}");
        assert_eq!(histograms(["console", "otlp"].into_iter()), Histograms::ByInstrument);
    }

    #[test]
    fn an_unreachable_grafana_does_no_harm() {
        let (_registry, builder) = builder("http://127.0.0.1:1");
        let telemetry = builder.install().expect("it is installed");
        thread::sleep(Duration::from_millis(50));
        telemetry.flush_blocking().expect("nothing to flush");
        telemetry.shutdown_blocking().expect("nothing is left");
    }
}
