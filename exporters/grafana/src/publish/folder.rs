//! The folder that dashboards are created in.

use std::hash::Hasher;

use fnv::FnvHasher;
use serde_json::{Value, json};

use super::api::Api;
use super::error::PublishError;

/// The uid of the folder with this title, which is created if there is none.
///
/// By Grafana's Folder HTTP API.
pub(crate) async fn find_or_create(api: &Api, title: &str) -> Result<String, PublishError> {
    if let Some(uid) = find(api, title).await? {
        return Ok(uid);
    }
    let uid = uid(title);
    let answer = api.post(CREATE, "/api/folders", &json!({"uid": uid, "title": title})).await?;
    if answer.status.is_success() {
        return Ok(uid);
    }
    // Another process has just created it, or a person has given it another title.
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

/// The same in every process: two that create the folder at the same time create one.
fn uid(title: &str) -> String {
    let mut hasher = FnvHasher::default();
    hasher.write(title.as_bytes());
    format!("meterkit-{:016x}", hasher.finish())
}

const CREATE: &str = "create the folder";
const FIND: &str = "find the folder";

/// As many as Grafana gives at once.
const ON_PAGE: usize = 1000;

/// A bound, in case pages are ignored and all are the same.
const PAGES: usize = 10;
