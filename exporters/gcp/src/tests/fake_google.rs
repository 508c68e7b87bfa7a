//! A server that imitates Google's token endpoint and the metadata server of a machine.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{Request, Response};
use hyper::body::Incoming;
use meterkit_core::Unpoisoned;
use meterkit_fakes::server::{ANY, Body, Server, read, response};
use percent_encoding::percent_decode_str;
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde_json::Value;

/// A running server. Dropping it stops the server.
pub(super) struct FakeGoogle {
    server: Server,
    state: Arc<Mutex<State>>,
}

struct State {
    lifetime: u64,
    handed_out: usize,
}

impl FakeGoogle {
    pub(super) async fn start() -> Self {
        let state = Arc::new(Mutex::new(State { lifetime: 3600, handed_out: 0 }));
        let shared = state.clone();
        let server = Server::http(ANY, None, move |request, _| answer(shared.clone(), request));
        Self { server: server.await, state }
    }

    pub(super) fn url(&self) -> String {
        self.server.url()
    }

    /// Returns the host and port of the server.
    pub(super) fn authority(&self) -> String {
        self.server.address().to_string()
    }

    /// Sets how many seconds tokens are valid.
    pub(super) fn set_lifetime(&self, seconds: u64) {
        self.state.lock().unpoisoned().lifetime = seconds;
    }

    /// Returns how many tokens were handed out.
    pub(super) fn handed_out(&self) -> usize {
        self.state.lock().unpoisoned().handed_out
    }
}

async fn answer(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> io::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let body = read(body).await?;
    let mut state = state.lock().unpoisoned();
    let knows_metadata = head.headers.get("metadata-flavor").is_some_and(|it| it == "Google");
    let scope = head.uri.query().unwrap_or_default();
    const METADATA: &str = "/computeMetadata/v1/";
    let metadata = head.uri.path().strip_prefix(METADATA).filter(|_| knows_metadata);
    Ok(match (head.uri.path(), metadata) {
        (_, Some("project/project-id")) => response(200, &[], "project-of-the-machine\n"),
        (_, Some("instance/service-accounts/default/token"))
            if scope == "scopes=https://www.googleapis.com/auth/monitoring.write" =>
        {
            response(200, &[], state.token("machine"))
        }
        ("/token", _) => {
            let body = String::from_utf8_lossy(&body);
            let fields = body.split('&').filter_map(|pair| pair.split_once('='));
            let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
            let fields: HashMap<_, _> =
                fields.map(|(name, value)| (name.to_owned(), decoded(value))).collect();
            let audience = format!("http://{}/token", head.headers["host"].to_str().expect("text"));
            match account(&fields, &audience) {
                Some(account) => response(200, &[], state.token(account)),
                // Quotes the request, as a real endpoint might.
                None => {
                    response(400, &[], format!(r#"{{"error":"invalid_grant","got":"{body}"}}"#))
                }
            }
        }
        _ => response(404, &[], "no such thing"),
    })
}

impl State {
    fn token(&mut self, account: &str) -> String {
        self.handed_out += 1;
        let (number, lifetime) = (self.handed_out, self.lifetime);
        format!(
            r#"{{"access_token":"{account}-5ecre7-{number}","expires_in":{lifetime},"token_type":"Bearer"}}"#
        )
    }
}

/// Returns the account for which a request may get a token, if the request proves its identity.
fn account(fields: &HashMap<String, String>, audience: &str) -> Option<&'static str> {
    let is = |name: &str, value: &str| fields.get(name).is_some_and(|it| it == value);
    if is("grant_type", "refresh_token") {
        let is_user = is("client_id", "client.example")
            && is("client_secret", "5ecre7-of-the-client")
            && is("refresh_token", "5ecre7-to-refresh");
        return is_user.then_some("user");
    }
    if !is("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer") {
        return None;
    }
    let (text, signature) = fields.get("assertion")?.rsplit_once('.')?;
    let pem = include_str!("key.pem").lines().filter(|line| !line.starts_with("-----"));
    let der = STANDARD.decode(pem.collect::<String>()).ok()?;
    let key = RsaKeyPair::from_pkcs8(&der).ok()?;
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref());
    public.verify(text.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
    let (header, claims) = text.split_once('.')?;
    let json = |part| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    let (header, claims) = (json(header)?, json(claims)?);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    let is_right = header["alg"] == "RS256"
        && header["kid"] == "key-1"
        && claims["iss"] == "metrics@project-of-the-key.example"
        && claims["aud"] == audience
        && claims["scope"] == "https://www.googleapis.com/auth/monitoring.write"
        && claims["iat"].as_u64()?.abs_diff(now) < 60
        && claims["exp"].as_u64()? == claims["iat"].as_u64()? + 3600;
    is_right.then_some("service")
}
