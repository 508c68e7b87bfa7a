//! The folder in which dashboards are created.

use std::hash::Hasher;

use fnv::FnvHasher;
use serde_json::{Value, json};

use super::api::Api;
use super::error::PublishError;

/// Returns the uid of the folder with this title. Creates the folder if it does not exist.
///
/// Follows Grafana's Folder HTTP API.
pub(crate) async fn find_or_create(api: &Api, title: &str) -> Result<String, PublishError> {
    if let Some(uid) = find(api, title).await? {
        return Ok(uid);
    }
    let uid = uid(title);
    let answer = api.post(CREATE, "/api/folders", &json!({"uid": uid, "title": title})).await?;
    if answer.status.is_success() {
        return Ok(uid);
    }
    // Another process may have just created the folder, or a person may have renamed it.
    let there = api.get(FIND, &format!("/api/folders/{uid}")).await?;
    if there.status.is_success() { Ok(uid) } else { Err(api.refused(CREATE, &answer)) }
}

async fn find(api: &Api, title: &str) -> Result<Option<String>, PublishError> {
    for page in 1..=PAGES {
        let path = format!("/api/folders?limit={ON_PAGE}&page={page}");
        let answer = api.get(FIND, &path).await?;
        let folders = answer.body.as_array().filter(|_| answer.status.is_success());
        let folders = folders.ok_or_else(|| api.refused(FIND, &answer))?;
        let text = |folder: &Value, key| folder.get(key).and_then(Value::as_str).map(str::to_owned);
        let found = folders.iter().find(|folder| text(folder, "title").as_deref() == Some(title));
        if let Some(uid) = found.and_then(|folder| text(folder, "uid")) {
            return Ok(Some(uid));
        }
        if folders.len() < ON_PAGE {
            break;
        }
    }
    Ok(None)
}

/// Returns the uid for a title. It is the same in every process, so that processes that create the folder at the same
/// time create only one.
fn uid(title: &str) -> String {
    let mut hasher = FnvHasher::default();
    hasher.write(title.as_bytes());
    format!("meterkit-{:016x}", hasher.finish())
}

const CREATE: &str = "create the folder";
const FIND: &str = "find the folder";

/// The page size: the maximum that Grafana allows.
const ON_PAGE: usize = 1000;

/// The maximum number of pages, in case the server ignores `page` and always returns the first one.
const PAGES: usize = 10;
