//! A fake Grafana on this machine, limited to dashboards: it stores and checks versions, and records requests.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};

use http::{HeaderMap, Method, Request, Response};
use hyper::body::Incoming;
use meterkit_fakes::server::{ANY, Body, Server, read, response};
use serde_json::{Value, json};

/// The only valid token.
pub(crate) const TOKEN: &str = "glsa_hunter2";

/// A version of a dashboard.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    pub(crate) model: Value,
    pub(crate) folder: String,
    pub(crate) message: String,
    pub(crate) by: &'static str,
}

/// The content of the fake Grafana.
#[derive(Debug, Default)]
pub(crate) struct Store {
    /// The versions of dashboards, by uid. The first version is 1.
    pub(crate) dashboards: BTreeMap<String, Vec<Saved>>,
    /// The uids and titles of folders.
    pub(crate) folders: Vec<(String, String)>,
    pub(crate) is_provisioned: bool,
    /// Whether versions are returned within an object, as of Grafana 11.6, and here with the oldest first.
    pub(crate) is_new: bool,
}

impl Store {
    /// Saves a dashboard as a person does in Grafana's user interface.
    pub(crate) fn saved_by(&mut self, by: &'static str, uid: &str, message: &str) {
        let model = json!({"uid": uid, "title": "My own", "panels": []});
        let saved = Saved { model, folder: String::new(), message: message.to_owned(), by };
        self.dashboards.entry(uid.to_owned()).or_default().push(saved);
    }
}

/// An event that happens before a request is handled.
pub(crate) enum Event {
    /// Sends this response instead of handling the request.
    Answer(u16, &'static [(&'static str, &'static str)], &'static str),
    /// Handles the request, but sends this response.
    Lost(u16),
    /// Someone else saves the dashboard first.
    Meanwhile(Box<dyn FnOnce(&mut Store) + Send>),
    Nothing,
}

/// A running fake Grafana. It ends when this value is dropped.
pub(crate) struct Grafana {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    store: Mutex<Store>,
    events: Mutex<VecDeque<Event>>,
    asked: Mutex<Vec<(String, Value)>>,
}

impl Grafana {
    /// Starts a fake Grafana. `events` apply to the first requests.
    pub(crate) async fn start(events: impl IntoIterator<Item = Event>) -> Self {
        let events = Mutex::new(events.into_iter().collect());
        let shared = Arc::new(Shared { events, ..Shared::default() });
        let served = shared.clone();
        let server = Server::http(ANY, None, move |request, _| answer(request, served.clone()));
        Self { server: server.await, shared }
    }

    /// Returns the URL, with a path as behind a proxy.
    pub(crate) fn url(&self) -> String {
        self.server.url() + "/grafana"
    }

    pub(crate) fn store<T>(&self, read: impl FnOnce(&mut Store) -> T) -> T {
        read(&mut self.shared.store.lock().unwrap())
    }

    /// Returns the versions of a dashboard.
    pub(crate) fn history(&self, uid: &str) -> Vec<Saved> {
        self.store(|store| store.dashboards.get(uid).cloned().unwrap_or_default())
    }

    pub(crate) fn next(&self, events: impl IntoIterator<Item = Event>) {
        self.shared.events.lock().unwrap().extend(events);
    }

    /// Returns the requests since the last call, as `GET /api/...`.
    pub(crate) fn asked(&self) -> Vec<String> {
        let asked = std::mem::take(&mut *self.shared.asked.lock().unwrap());
        asked.into_iter().map(|(line, _)| line).collect()
    }

    /// Returns the bodies of the requests to `line` since the last call.
    pub(crate) fn sent(&self, line: &str) -> Vec<Value> {
        let asked = std::mem::take(&mut *self.shared.asked.lock().unwrap());
        asked.into_iter().filter(|(other, _)| other == line).map(|(_, body)| body).collect()
    }
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> io::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let body = read(body).await?;
    let body: Value = match head.method {
        Method::POST => serde_json::from_slice(&body).expect("JSON"),
        _ => Value::Null,
    };
    let path = head.uri.path_and_query().expect("a path").as_str();
    let path = path.strip_prefix("/grafana").expect("requests under its path").to_owned();
    shared.asked.lock().unwrap().push((format!("{} {path}", head.method), body.clone()));

    let event = shared.events.lock().unwrap().pop_front();
    let mut store = shared.store.lock().unwrap();
    let mut lost = None;
    match event {
        Some(Event::Answer(status, headers, body)) => return Ok(response(status, headers, body)),
        Some(Event::Lost(status)) => lost = Some(status),
        Some(Event::Meanwhile(change)) => change(&mut store),
        Some(Event::Nothing) | None => {}
    }
    let (status, body) = if is_known(&head.headers) {
        route(&mut store, &head.method, &path, &body)
    } else {
        (401, json!({"message": "Invalid API key"}))
    };
    let headers = [("content-type", "application/json; charset=UTF-8")];
    Ok(response(lost.unwrap_or(status), &headers, body.to_string()))
}

fn is_known(headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|it| it == &format!("Bearer {TOKEN}"))
}

fn route(store: &mut Store, method: &Method, path: &str, body: &Value) -> (u16, Value) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let parts: Vec<_> = path.split('/').skip(1).collect();
    match (method.as_str(), &*parts) {
        ("GET", ["api", "dashboards", "uid", uid]) => tell(store, uid),
        ("GET", ["api", "dashboards", "uid", uid, "versions"]) => history(store, uid, query),
        ("POST", ["api", "dashboards", "db"]) => save(store, body),
        ("GET", ["api", "folders"]) => {
            let json = |(uid, title): &(String, String)| json!({"uid": uid, "title": title});
            let numbers: Vec<usize> = query
                .split('&')
                .map(|pair| pair.split_once('=').expect("a pair").1.parse().expect("a number"))
                .collect();
            let [limit, page] = numbers[..] else { panic!("`{query}`") };
            let folders = store.folders.iter().skip(limit * (page - 1)).take(limit);
            (200, folders.map(json).collect())
        }
        ("GET", ["api", "folders", uid]) => match store.folders.iter().find(|it| it.0 == *uid) {
            Some((uid, title)) => (200, json!({"uid": uid, "title": title})),
            None => (404, json!({"status": "not-found", "message": "folder not found"})),
        },
        ("POST", ["api", "folders"]) => {
            let (uid, title) = (text(&body["uid"]), text(&body["title"]));
            if store.folders.iter().any(|folder| folder.0 == uid) {
                return (409, json!({"message": "a folder with the same uid already exists"}));
            }
            store.folders.push((uid.clone(), title));
            (200, json!({"uid": uid}))
        }
        _ => (404, json!({"message": "Not found"})),
    }
}

fn tell(store: &Store, uid: &str) -> (u16, Value) {
    let Some((saved, version)) =
        store.dashboards.get(uid).and_then(|it| Some((it.last()?, it.len())))
    else {
        return (404, json!({"message": "Dashboard not found"}));
    };
    let mut model = saved.model.clone();
    model["version"] = json!(version);
    model["id"] = json!(7);
    let meta = json!({"folderUid": saved.folder, "provisioned": store.is_provisioned});
    (200, json!({"dashboard": model, "meta": meta}))
}

fn history(store: &Store, uid: &str, query: &str) -> (u16, Value) {
    let limit: usize = query.strip_prefix("limit=").expect("a limit").parse().expect("a number");
    let versions = store.dashboards[uid].iter().enumerate().map(
        |(at, saved)| json!({"version": at + 1, "message": saved.message, "createdBy": saved.by}),
    );
    let newest: Vec<_> = versions.rev().take(limit).collect();
    if store.is_new {
        let newest: Vec<_> = newest.into_iter().rev().collect();
        return (200, json!({"continueToken": "", "versions": newest}));
    }
    (200, newest.into())
}

fn save(store: &mut Store, body: &Value) -> (u16, Value) {
    assert_eq!(body["overwrite"], json!(false));
    let folder = body.get("folderUid").map(text).unwrap_or_default();
    if !folder.is_empty() && !store.folders.iter().any(|(uid, _)| *uid == folder) {
        return (400, json!({"message": "folder not found"}));
    }
    let model = body["dashboard"].clone();
    let uid = text(&model["uid"]);
    let versions = store.dashboards.entry(uid.clone()).or_default();
    if model.get("version").map_or(0, |it| it.as_u64().expect("a number")) != versions.len() as u64
    {
        let message = "The dashboard has been changed by someone else";
        return (412, json!({"status": "version-mismatch", "message": message}));
    }
    versions.push(Saved { model, folder, message: text(&body["message"]), by: "sa-1-meterkit" });
    (200, json!({"status": "success", "uid": uid, "version": versions.len()}))
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
