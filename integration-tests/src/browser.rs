//! A real browser without a window, driven over HTTP with the W3C's WebDriver protocol.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::process::Process;

/// How long to wait for changes that a page makes within a few seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Chromium with one page, which ends when this is dropped.
#[derive(Debug)]
pub struct Browser {
    session: String,
    /// The driver process. When the driver ends, the browser notices it through a pipe and ends, too.
    _driver: Process,
}

impl Browser {
    /// Starts the browser through its driver, the program `chromedriver`.
    pub async fn start(driver: &Path) -> Self {
        let mut process = Process::start(driver, &["--port=0"], &[]);
        let port = process.line("ChromeDriver was started successfully on port ").await;
        let driver = format!("http://127.0.0.1:{}", port.trim_end_matches('.'));
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--remote-debugging-pipe",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1180,1000",
        ];
        let wanted = json!({
            "browserName": "chrome",
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        });
        let wanted = json!({"capabilities": {"alwaysMatch": wanted}});
        let session = send(Method::POST, &format!("{driver}/session"), wanted).await;
        let id = session["sessionId"].as_str().expect("a session has an id");
        Self { session: format!("{driver}/session/{id}"), _driver: process }
    }

    /// Opens this URL and waits until the page is loaded.
    pub async fn open(&self, url: &str) {
        self.post("url", json!({"url": url})).await;
    }

    /// Runs a function body in the page, and returns its result.
    pub async fn run(&self, script: &str) -> Value {
        self.post("execute/sync", json!({"script": script, "args": []})).await
    }

    /// Waits until an expression is true in the page.
    ///
    /// # Panics
    ///
    /// Panics if the expression is not true within a minute.
    pub async fn until(&self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.run(&format!("return Boolean({expression})")).await != true {
            if Instant::now() > deadline {
                let text = self.run("return document.body.innerText").await;
                panic!("`{expression}` is not true in time of this page: {text}");
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Types text into the first element that matches a CSS selector, as a keyboard does.
    pub async fn type_into(&self, selector: &str, text: &str) {
        let query = json!({"using": "css selector", "value": selector});
        let element = self.post("element", query).await;
        let element = element.as_object().and_then(|it| it.values().next()?.as_str());
        let element = element.expect("an element is an object with its id");
        self.post(&format!("element/{element}/value"), json!({"text": text})).await;
    }

    /// Runs a command of the browser's own protocol.
    pub async fn command(&self, command: &str, parameters: Value) {
        self.post("goog/cdp/execute", json!({"cmd": command, "params": parameters})).await;
    }

    /// Returns a screenshot of the page as a PNG.
    pub async fn screenshot(&self) -> Vec<u8> {
        let picture = send(Method::GET, &format!("{}/screenshot", self.session), Value::Null).await;
        let picture = picture.as_str().expect("a picture is text");
        BASE64_STANDARD.decode(picture).expect("the text is in base64")
    }

    /// Returns the page's log since the last call: script errors, and violations of the content security policy.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.post("se/log", json!({"type": "browser"})).await;
        let lines = log.as_array().expect("a list of lines").iter();
        lines.map(|line| line["message"].to_string()).collect()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        send(Method::POST, &format!("{}/{path}", self.session), body).await
    }
}

async fn send(method: Method, url: &str, body: Value) -> Value {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = Request::builder().method(method).uri(url);
    let request = request.header("content-type", "application/json").body(Full::from(body));
    let response = client.request(request.expect("a request")).await.expect("the driver answers");
    let status = response.status();
    let body = response.into_body().collect().await.expect("the driver answers in full");
    let answer =
        serde_json::from_slice::<Value>(&body.to_bytes()).expect("the server answers in JSON");
    assert!(status.is_success(), "{url}: {answer}");
    answer["value"].clone()
}
