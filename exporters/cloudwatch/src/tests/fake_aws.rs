//! A server that imitates CloudWatch, the metadata service of an instance, and the endpoint of a container.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use meterkit_core::Unpoisoned;
use meterkit_fakes::server::{ANY, Body, Server, read, response};
use reqsign_core::hash::{hex_hmac_sha256, hex_sha256, hmac_sha256};
use reqsign_core::time::Timestamp;

/// A running server. Dropping it stops the server.
pub(super) struct FakeAws {
    server: Server,
    state: Arc<Mutex<State>>,
}

struct State {
    /// Secrets and session tokens, by key id.
    keys: HashMap<String, (String, Option<String>)>,
    lifetime: Duration,
    ahead: i64,
    handed_out: usize,
    accepted: usize,
    refused: Vec<&'static str>,
    last_key: String,
}

impl FakeAws {
    pub(super) async fn start() -> Self {
        let state = Arc::new(Mutex::new(State {
            keys: HashMap::new(),
            lifetime: Duration::from_secs(6 * 3600),
            ahead: 0,
            handed_out: 0,
            accepted: 0,
            refused: Vec::new(),
            last_key: String::new(),
        }));
        let shared = state.clone();
        let server = Server::http(ANY, None, move |request, _| answer(shared.clone(), request));
        Self { server: server.await, state }
    }

    pub(super) fn url(&self) -> String {
        self.server.url()
    }

    /// Sets how many seconds the clock of AWS is ahead of this machine's clock.
    pub(super) fn set_clock_ahead(&self, seconds: i64) {
        self.state.lock().unpoisoned().ahead = seconds;
    }

    /// Sets how long new credentials are valid.
    pub(super) fn set_lifetime(&self, lifetime: Duration) {
        self.state.lock().unpoisoned().lifetime = lifetime;
    }

    /// Adds a key of a user.
    pub(super) fn add_key(&self, id: &str, secret: &str) {
        self.state.lock().unpoisoned().keys.insert(id.to_owned(), (secret.to_owned(), None));
    }

    pub(super) fn revoke_all(&self) {
        self.state.lock().unpoisoned().keys.clear();
    }

    /// Returns how many requests with metrics were accepted.
    pub(super) fn accepted(&self) -> usize {
        self.state.lock().unpoisoned().accepted
    }

    /// Returns the reasons for which requests were refused.
    pub(super) fn refused(&self) -> Vec<&'static str> {
        self.state.lock().unpoisoned().refused.clone()
    }

    /// Returns how often temporary credentials were handed out.
    pub(super) fn handed_out(&self) -> usize {
        self.state.lock().unpoisoned().handed_out
    }

    /// Returns the id of the key that signed the last request.
    pub(super) fn last_key(&self) -> String {
        self.state.lock().unpoisoned().last_key.clone()
    }
}

async fn answer(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> io::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let body = read(body).await?;
    let mut state = state.lock().unpoisoned();
    let header = |name: &str| head.headers.get(name).and_then(|it| it.to_str().ok());
    let has_token = header("x-aws-ec2-metadata-token") == Some("metadata token");
    const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
    Ok(match (&head.method, head.uri.path()) {
        (&Method::PUT, "/latest/api/token")
            if header("x-aws-ec2-metadata-token-ttl-seconds").is_some() =>
        {
            response(200, &[], "metadata token")
        }
        (&Method::GET, ROLES) if has_token => response(200, &[], "metrics-role"),
        (&Method::GET, path) if has_token && path.strip_prefix(ROLES) == Some("metrics-role") => {
            response(200, &[], state.hand_out("ASIAINSTANCE"))
        }
        (&Method::GET, "/container") if header("authorization") == Some("Bearer 5ecre7") => {
            response(200, &[], state.hand_out("ASIACONTAINER"))
        }
        (&Method::POST, "/v1/metrics") => {
            let date = Timestamp::from_second(state.now()).expect("a time").format_http_date();
            match state.verify(&head, &body) {
                Ok(()) => {
                    state.accepted += 1;
                    response(200, &[("date", &date)], "")
                }
                Err(reason) => {
                    state.refused.push(reason);
                    let headers = [("date", &*date), ("content-type", "application/json")];
                    // Quotes the header of the request, as receivers do.
                    let authorization = header("authorization").unwrap_or_default();
                    let text = format!(r#"{{"message":"{reason} ({authorization})"}}"#);
                    response(403, &headers, text)
                }
            }
        }
        _ => response(404, &[], "no such thing"),
    })
}

impl State {
    fn now(&self) -> i64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        since.as_secs() as i64 + self.ahead
    }

    fn hand_out(&mut self, id: &str) -> String {
        self.handed_out += 1;
        let id = format!("{id}{}", self.handed_out);
        let (secret, token) = (format!("key of {id}"), format!("token of {id}"));
        self.keys.insert(id.clone(), (secret.clone(), Some(token.clone())));
        let expires = SystemTime::now() + self.lifetime;
        let expires = expires.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
        let expires = Timestamp::from_second(expires as i64).expect("a time").format_rfc3339_zulu();
        format!(
            r#"{{"Code":"Success","AccessKeyId":"{id}","SecretAccessKey":"{secret}","Token":"{token}","Expiration":"{expires}"}}"#
        )
    }

    /// Verifies the signature of a request, as AWS documents it.
    fn verify(&mut self, head: &Parts, body: &Bytes) -> Result<(), &'static str> {
        let header = |name: &str| head.headers.get(name).and_then(|it| it.to_str().ok());
        let date = header("x-amz-date").ok_or("MissingDate")?;
        let text = header("authorization").ok_or("MissingAuthenticationToken")?;
        let text =
            text.strip_prefix("AWS4-HMAC-SHA256 Credential=").ok_or("IncompleteSignature")?;
        let (credential, rest) =
            text.split_once(", SignedHeaders=").ok_or("IncompleteSignature")?;
        let (names, signature) = rest.split_once(", Signature=").ok_or("IncompleteSignature")?;
        let (id, scope) = credential.split_once('/').ok_or("IncompleteSignature")?;
        let time: Timestamp = format!(
            "{}-{}-{}T{}:{}:{}Z",
            &date[..4],
            &date[4..6],
            &date[6..8],
            &date[9..11],
            &date[11..13],
            &date[13..15]
        )
        .parse()
        .map_err(|_| "MalformedDate")?;
        if (time.as_second() - self.now()).abs() > 5 * 60 {
            return Err("SignatureDoesNotMatch: expired");
        }
        if scope != format!("{}/eu-west-1/monitoring/aws4_request", &date[..8]) {
            return Err("SignatureDoesNotMatch: scope");
        }
        let (secret, token) = self.keys.get(id).ok_or("ExpiredTokenException")?;
        if header("x-amz-security-token") != token.as_deref() {
            return Err("InvalidClientTokenId");
        }
        for needed in
            ["host", "x-amz-date"].into_iter().chain(token.as_ref().map(|_| "x-amz-security-token"))
        {
            if !names.split(';').any(|name| name == needed) {
                return Err("SignatureDoesNotMatch: a header is not signed");
            }
        }
        let lines: String = names
            .split(';')
            .map(|name| format!("{name}:{}\n", header(name).unwrap_or_default()))
            .collect();
        let request = format!(
            "{}\n{}\n{}\n{lines}\n{names}\n{}",
            head.method,
            head.uri.path(),
            head.uri.query().unwrap_or_default(),
            hex_sha256(body)
        );
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex_sha256(request.as_bytes()));
        let key = scope.split('/').fold(format!("AWS4{secret}").into_bytes(), |key, part| {
            hmac_sha256(&key, part.as_bytes())
        });
        if hex_hmac_sha256(&key, text.as_bytes()) != signature {
            return Err("SignatureDoesNotMatch");
        }
        id.clone_into(&mut self.last_key);
        Ok(())
    }
}
