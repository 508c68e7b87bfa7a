//! The notifications that the Alertmanager of `examples/deploy` sends, and their receivers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::routing::post;
use integration_tests::alertmanager::Alertmanager;
use integration_tests::deploy;
use serde_json::Value;
use tokio::time::{Instant, sleep};

/// How long to wait for actions that a healthy server takes within a second.
const PATIENCE: Duration = Duration::from_secs(60);

type Labels = BTreeMap<String, String>;

/// The notifications sent so far: the receiver, and the labels of a firing alert.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notified(Arc<Mutex<Vec<(String, Labels)>>>);

impl Notified {
    /// Starts the receivers, and returns their host and port.
    async fn start() -> (Self, String) {
        let notified = Self::default();
        let taken = notified.clone();
        let take = move |Json(notification): Json<Value>| {
            let receiver = deploy::text(&notification["receiver"]).to_owned();
            let firing =
                deploy::list(&notification["alerts"]).filter(|it| it["status"] == "firing");
            let firing = firing.map(|alert| {
                let labels = alert["labels"].clone();
                (receiver.clone(), serde_json::from_value(labels).expect("labels are text"))
            });
            taken.0.lock().expect("no test has panicked").extend(firing);
            async {}
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("the listener is bound").to_string();
        let routes = axum::Router::new().route("/{receiver}", post(take));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (notified, address)
    }

    /// Waits for a notification to `receiver` about an alert with this label value: its name, or an instance.
    pub(crate) async fn arrived(&self, receiver: &str, value: &str) {
        let is_it = |(to, labels): &(String, Labels)| {
            to == receiver && labels.values().any(|it| it == value)
        };
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.all().iter().any(is_it) {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
        panic!("{receiver} was not notified about {value}: {:?}", self.all());
    }

    /// Returns all notifications so far.
    pub(crate) fn all(&self) -> Vec<(String, Labels)> {
        self.0.lock().expect("no test has panicked").clone()
    }
}

/// Starts Alertmanager with the file of `examples/deploy`, but with existing receivers, and without waiting to group
/// alerts.
pub(crate) async fn start_alertmanager(executable: &Path) -> (Alertmanager, Notified) {
    let (notified, address) = Notified::start().await;
    let settings = deploy::with(
        "alertmanager/alertmanager.yaml",
        &[
            ("replace-this.invalid", &address),
            ("group_wait: 30s", "group_wait: 0s"),
            ("group_interval: 5m", "group_interval: 1s"),
        ],
    );
    (Alertmanager::start(executable, &settings).await, notified)
}
