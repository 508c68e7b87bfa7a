//! Dashboards in Grafana: created, kept up to date, and left alone once a person has changed them.

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

/// Puts dashboards into one Grafana, through its HTTP API.
///
/// - What it saves bears a mark, in the message of the version. It saves again only over a version with its mark, and
///   has Grafana check that no other came after it: what a person changed stays as it is.
/// - It saves nothing when the dashboard there is the one given.
/// - A dashboard stays in the folder where it is, and may be moved. Who deletes it gets it back at the next start.
/// - Status 429, 5xx and no answer at all are tried again, three times in all.
/// - Processes that give different texts for one dashboard, as during an update of a service, each save theirs: the
///   last one counts. [`publish_unless_less`](Self::publish_unless_less) leaves one that shows more.
///
/// It works with Grafana 9 and later. By Grafana's HTTP API: Dashboard, Dashboard Versions and Folder.
#[derive(Debug)]
pub struct DashboardPublisher {
    api: Api,
    folder: Option<String>,
}

/// What became of a dashboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Published {
    /// It was not there, and is now.
    Created,
    /// An older one of ours was there, and is replaced.
    Updated,
    /// It was there already: from before, or because another process was faster.
    Unchanged,
    /// One of ours is there that shows all of it, and more; it stays. Of
    /// [`publish_unless_less`](DashboardPublisher::publish_unless_less) alone.
    Kept,
}

impl DashboardPublisher {
    /// A publisher with these settings. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// When it could never send: encryption that is not built in, certificates that cannot be used, a token that no
    /// header can hold.
    pub fn new(config: PublishConfig) -> Result<Self, BuildError> {
        Ok(Self { api: Api::new(&config)?, folder: config.folder })
    }

    /// Creates or updates the dashboard in this text: classic JSON with a `uid` and a `title`, such as
    /// `meterkit_dashboard` writes. It has to run on a tokio runtime, and ends: every request is tried three times at
    /// most, each time within its timeout.
    ///
    /// # Errors
    ///
    /// When it is not there now. See [`PublishError`]; none of them does harm to what is there.
    pub async fn publish(&self, dashboard: &str) -> Result<Published, PublishError> {
        self.publish_over(dashboard, Less::Too).await
    }

    /// Like [`publish`](Self::publish), but one of ours that shows all of this one, and more, stays as it is. For a
    /// process that has just started: instruments may be made when they are first used, so that what it draws now is
    /// less than what it, or another, has drawn before.
    ///
    /// Panels are compared by their titles and queries, wherever they stand.
    ///
    /// # Errors
    ///
    /// As for `publish`.
    pub async fn publish_unless_less(&self, dashboard: &str) -> Result<Published, PublishError> {
        self.publish_over(dashboard, Less::Not).await
    }

    async fn publish_over(&self, dashboard: &str, less: Less) -> Result<Published, PublishError> {
        let given = Given::read(dashboard)?;
        for _ in 0..ROUNDS {
            if let Some(published) = self.try_once(&given, less).await? {
                return Ok(published);
            }
        }
        Err(self.changed(&given, ""))
    }

    /// `None` when someone saved it in between: it has to be looked at again.
    async fn try_once(&self, given: &Given, less: Less) -> Result<Option<Published>, PublishError> {
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
            Latest::Ours { .. } if less == Less::Not && given.shown.is_less_than(&there.shown) => {
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
                "it is provisioned from a file there; remove it from one of the two places";
            return Err(self.api.refusal(SAVE, reason));
        }
        Ok(Some(there))
    }

    async fn versions(&self, given: &Given) -> Result<Vec<Version>, PublishError> {
        let path = format!("/api/dashboards/uid/{}/versions?limit={HISTORY}", given.uid);
        let answer = self.api.get(TELL, &path).await?;
        let versions = mark::versions(&answer.body).filter(|_| answer.status.is_success());
        versions.ok_or_else(|| self.api.refused(TELL, &answer))
    }

    /// Whether it is saved: it is not when another version is there than was thought.
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

/// Whether a dashboard takes the place of one that shows more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Less {
    Too,
    Not,
}

/// A dashboard that Grafana has.
#[derive(Debug)]
struct There {
    version: i64,
    /// The uid of its folder, if it is in one.
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
        // What some Grafanas call no folder, and others do not know.
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
const TELL: &str = "tell the versions of the dashboard";
const SAVE: &str = "save the dashboard";

/// Once more when another process was faster: what it saved may be the same.
const ROUNDS: usize = 2;

/// The last one is enough, and should be the first. Grafana promises no order.
const HISTORY: usize = 10;
