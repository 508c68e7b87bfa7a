//! Publishes dashboards to Grafana: creates and updates them, unless a person has changed them.

use http::StatusCode;
use serde_json::Value;

use self::api::Api;
use self::given::Given;
use self::mark::{Latest, Version};
use self::shown::Shown;
use crate::error::BuildError;

mod api;
mod config;
mod error;
mod folder;
mod given;
mod mark;
mod shown;

pub use self::config::PublishConfig;
pub use self::error::PublishError;

/// Publishes dashboards to one Grafana, through its HTTP API.
///
/// - Each saved version carries a mark in its version message. The publisher only replaces a version that carries its
///   mark, and lets Grafana check that no newer version exists, so that changes by a person are never overwritten.
/// - Nothing is saved if Grafana already has the given dashboard.
/// - A dashboard stays in its folder, and may be moved to another one. A deleted dashboard is created again at the
///   next start.
/// - A request is attempted up to three times if the status is 429 or 5xx, or if there is no response.
/// - If processes publish different versions of a dashboard, as during a rolling update of a service, the last one
///   wins. [`publish_unless_less`](Self::publish_unless_less) keeps a version that shows more.
///
/// Grafana 9 and later are supported. Follows Grafana's HTTP API: Dashboard, Dashboard Versions and Folder.
#[derive(Debug)]
pub struct DashboardPublisher {
    api: Api,
    folder: Option<String>,
}

/// The result of publishing a dashboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Published {
    /// The dashboard did not exist, and was created.
    Created,
    /// An older version by a publisher was replaced.
    Updated,
    /// The dashboard already exists: it was published before, or by another process at the same time.
    Unchanged,
    /// A version by a publisher exists that shows the whole dashboard and more. It was kept. Only
    /// [`publish_unless_less`](DashboardPublisher::publish_unless_less) returns this.
    Kept,
}

impl DashboardPublisher {
    /// Creates a publisher with these settings. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// Returns an error if the publisher could never send anything: TLS is not built in, certificates cannot be used,
    /// the transport sets a compression, or the token contains characters that no header may hold.
    pub fn new(config: PublishConfig) -> Result<Self, BuildError> {
        Ok(Self { api: Api::new(&config)?, folder: config.folder })
    }

    /// Creates or updates a dashboard, given as classic JSON with a `uid` and a `title`. The crate
    /// `meterkit_dashboard` writes such JSON.
    ///
    /// Must run on a tokio runtime. The duration is bounded: every request is attempted three times at most, each
    /// time within the timeout.
    ///
    /// # Errors
    ///
    /// Returns an error if the dashboard could not be published. No error damages an existing dashboard; see
    /// [`PublishError`].
    pub async fn publish(&self, dashboard: &str) -> Result<Published, PublishError> {
        self.publish_over(dashboard, WhenLess::Replace).await
    }

    /// Creates or updates a dashboard like [`publish`](Self::publish), but keeps a published version that shows all
    /// of it and more.
    ///
    /// This is meant for a process that has just started: instruments may be created on first use, so that its
    /// dashboard still shows less than one that was published before.
    ///
    /// Panels are compared by their titles and queries, regardless of their position.
    ///
    /// # Errors
    ///
    /// Returns an error in the same cases as [`publish`](Self::publish).
    pub async fn publish_unless_less(&self, dashboard: &str) -> Result<Published, PublishError> {
        self.publish_over(dashboard, WhenLess::Keep).await
    }

    async fn publish_over(
        &self,
        dashboard: &str,
        less: WhenLess,
    ) -> Result<Published, PublishError> {
        let given = Given::read(dashboard)?;
        for _ in 0..ROUNDS {
            if let Some(published) = self.try_once(&given, less).await? {
                return Ok(published);
            }
        }
        Err(self.changed(&given, ""))
    }

    /// Returns `None` if someone else saved the dashboard in the meantime, so that it must be read again.
    async fn try_once(
        &self,
        given: &Given,
        less: WhenLess,
    ) -> Result<Option<Published>, PublishError> {
        let Some(there) = self.find(given).await? else {
            let folder = match &self.folder {
                Some(title) => Some(folder::find_or_create(&self.api, title).await?),
                None => None,
            };
            let is_saved = self.save(given, None, folder.as_deref()).await?;
            return Ok(is_saved.then_some(Published::Created));
        };
        let versions = self.versions(given).await?;
        match mark::latest(&versions, there.version) {
            Latest::Theirs { by } => Err(self.changed(given, &by)),
            Latest::Ours { content, .. } if content == given.content => {
                Ok(Some(Published::Unchanged))
            }
            Latest::Ours { .. }
                if less == WhenLess::Keep && given.shown.is_less_than(&there.shown) =>
            {
                Ok(Some(Published::Kept))
            }
            Latest::Ours { number, .. } => {
                let is_saved = self.save(given, Some(number), there.folder.as_deref()).await?;
                Ok(is_saved.then_some(Published::Updated))
            }
        }
    }

    async fn find(&self, given: &Given) -> Result<Option<There>, PublishError> {
        let answer = self.api.get(FIND, &format!("/api/dashboards/uid/{}", given.uid)).await?;
        if answer.status == StatusCode::NOT_FOUND && answer.body.get("message").is_some() {
            return Ok(None);
        }
        let there = There::read(&answer.body).filter(|_| answer.status.is_success());
        let there = there.ok_or_else(|| self.api.refused(FIND, &answer))?;
        if there.is_provisioned {
            let reason =
                "it is provisioned from a file; remove that file, or do not publish the dashboard";
            return Err(self.api.refusal(SAVE, reason));
        }
        Ok(Some(there))
    }

    async fn versions(&self, given: &Given) -> Result<Vec<Version>, PublishError> {
        let path = format!("/api/dashboards/uid/{}/versions?limit={HISTORY}", given.uid);
        let answer = self.api.get(LIST, &path).await?;
        let versions = mark::versions(&answer.body).filter(|_| answer.status.is_success());
        versions.ok_or_else(|| self.api.refused(LIST, &answer))
    }

    /// Returns whether the dashboard was saved. It is not if Grafana has another version than expected.
    async fn save(
        &self,
        given: &Given,
        version: Option<i64>,
        folder: Option<&str>,
    ) -> Result<bool, PublishError> {
        let body = given.body(version, folder);
        let answer = self.api.post(SAVE, "/api/dashboards/db", &body).await?;
        match answer.status {
            status if status.is_success() && answer.text("uid") == given.uid => Ok(true),
            // Other conflicts: the title is taken in this folder, or a plugin owns the dashboard.
            StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT
                if !matches!(answer.text("status"), "name-exists" | "plugin-dashboard") =>
            {
                Ok(false)
            }
            _ => Err(self.api.refused(SAVE, &answer)),
        }
    }

    fn changed(&self, given: &Given, by: &str) -> PublishError {
        let by = if by.is_empty() { "someone else".to_owned() } else { format!("`{by}`") };
        let url = self.api.address(&format!("/d/{}", given.uid));
        PublishError::ChangedByAPerson { title: given.title.clone(), url, by }
    }
}

/// Whether a dashboard replaces a version that shows more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WhenLess {
    Replace,
    Keep,
}

/// A dashboard that exists in Grafana.
#[derive(Debug)]
struct There {
    version: i64,
    /// The uid of the folder; `None` if the dashboard is in no folder.
    folder: Option<String>,
    is_provisioned: bool,
    shown: Shown,
}

impl There {
    fn read(body: &Value) -> Option<Self> {
        let meta = body.get("meta")?;
        let model = body.get("dashboard")?;
        let version = model.get("version").and_then(Value::as_i64);
        let folder = meta.get("folderUid").and_then(Value::as_str);
        // Some versions of Grafana return this uid for dashboards in no folder; others reject it.
        let folder = folder.filter(|uid| !uid.is_empty() && *uid != "general");
        Some(Self {
            version: version.or_else(|| meta.get("version")?.as_i64())?,
            folder: folder.map(str::to_owned),
            is_provisioned: meta.get("provisioned").and_then(Value::as_bool).unwrap_or_default(),
            shown: Shown::of(model),
        })
    }
}

const FIND: &str = "find the dashboard";
const LIST: &str = "list the versions of the dashboard";
const SAVE: &str = "save the dashboard";

/// The number of attempts if another process saves at the same time. It may have saved the same dashboard.
const ROUNDS: usize = 2;

/// The number of versions to fetch. Only the latest matters, but Grafana does not document the order.
const HISTORY: usize = 10;
