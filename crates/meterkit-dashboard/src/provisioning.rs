//! A provisioning folder for Grafana.

use crate::dashboard::Dashboard;
use crate::yaml;

/// Grafana's default provisioning folder.
const MOUNT: &str = "/etc/grafana/provisioning";

/// The path of the dashboards within the folder.
const DASHBOARDS: &str = "dashboards/meterkit";

/// A folder to mount at `/etc/grafana/provisioning`. It contains a data source and dashboards, which Grafana loads when
/// it starts.
///
/// ```no_run
/// use meterkit_dashboard::{Dashboard, Provisioning};
///
/// let provisioning = Provisioning::new("http://prometheus:9090").dashboard(&Dashboard::new("Catalog"));
/// let folder = std::path::Path::new("grafana/provisioning");
/// for (path, text) in provisioning.files() {
///     let file = folder.join(path);
///     std::fs::create_dir_all(file.parent().unwrap())?;
///     std::fs::write(file, text)?;
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Provisioning {
    url: String,
    scrape_interval: String,
    mount: String,
    folder: String,
    dashboards: Vec<(String, String)>,
}

impl Provisioning {
    /// Creates a folder without dashboards, with the Prometheus or Mimir server at `url` as the data source.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            scrape_interval: "15s".to_owned(),
            mount: MOUNT.to_owned(),
            folder: "meterkit".to_owned(),
            dashboards: Vec::new(),
        }
    }

    /// Adds a dashboard, as classic JSON.
    #[must_use]
    pub fn dashboard(mut self, dashboard: &Dashboard) -> Self {
        let path = format!("{DASHBOARDS}/{}.json", dashboard.uid());
        self.dashboards.push((path, dashboard.to_classic_json()));
        self.dashboards.sort();
        self.dashboards.dedup();
        self
    }

    /// Sets the scrape interval of Prometheus. Default: `15s`. Grafana computes rates over at least four times the
    /// interval.
    #[must_use]
    pub fn scrape_interval(mut self, interval: impl Into<String>) -> Self {
        self.scrape_interval = interval.into();
        self
    }

    /// Sets the path where the folder is mounted. Default: `/etc/grafana/provisioning`.
    #[must_use]
    pub fn mounted_at(mut self, path: impl Into<String>) -> Self {
        self.mount = path.into();
        self
    }

    /// Sets the folder in Grafana that shows the dashboards. Default: `meterkit`.
    #[must_use]
    pub fn folder(mut self, name: impl Into<String>) -> Self {
        self.folder = name.into();
        self
    }

    /// Returns all files, as paths within the folder and contents.
    pub fn files(&self) -> Vec<(String, String)> {
        let mut files = vec![
            ("dashboards/meterkit.yaml".to_owned(), self.provider()),
            ("datasources/meterkit.yaml".to_owned(), self.datasource()),
        ];
        files.extend(self.dashboards.iter().cloned());
        files
    }

    fn provider(&self) -> String {
        let path = format!("{}/{DASHBOARDS}", self.mount.trim_end_matches('/'));
        format!(
            "apiVersion: 1\n\
             providers:\n\
             \x20 - name: meterkit\n\
             \x20   folder: {}\n\
             \x20   type: file\n\
             \x20   allowUiUpdates: false\n\
             \x20   disableDeletion: false\n\
             \x20   updateIntervalSeconds: 30\n\
             \x20   options:\n\
             \x20     path: {}\n",
            scalar(&self.folder),
            scalar(&path),
        )
    }

    fn datasource(&self) -> String {
        format!(
            "apiVersion: 1\n\
             datasources:\n\
             \x20 - name: meterkit\n\
             \x20   uid: meterkit-prometheus\n\
             \x20   type: prometheus\n\
             \x20   access: proxy\n\
             \x20   url: {}\n\
             \x20   jsonData:\n\
             \x20     httpMethod: POST\n\
             \x20     timeInterval: {}\n",
            scalar(&self.url),
            scalar(&self.scrape_interval),
        )
    }
}

/// Returns a YAML scalar that Grafana reads unchanged: in these files, Grafana replaces `$NAME` with an environment
/// variable, and `$$` with `$`.
fn scalar(text: &str) -> String {
    yaml::scalar(&text.replace('$', "$$"))
}
