//! Secrets and certificates that change while a client runs.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use http::{HeaderMap, Uri};
use meterkit_fakes::log_lines;
use meterkit_fakes::server::{ANY, Server, response};
use meterkit_http::{
    Authentication, AuthenticationSettings, Client, Headers, Reply, Secret, SendError, Transport,
};
use meterkit_settings::{Environment, Setting, ValueType, password, token, username};

const HEADERS: Setting<Headers> =
    Setting::new("TEST_HEADERS", ValueType::Pairs, Headers::parse).secret();

const AUTHENTICATION: AuthenticationSettings = AuthenticationSettings {
    username: username("TEST_USERNAME"),
    password: password("TEST_PASSWORD"),
    bearer_token: token("TEST_TOKEN"),
};

/// A receiver that expects one value of `Authorization`, and records the values that it received.
struct Receiver {
    server: Server,
    expected: Arc<Mutex<&'static str>>,
    shown: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    async fn that_expects(authorization: &'static str) -> Self {
        let expected = Arc::new(Mutex::new(authorization));
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (known, log) = (expected.clone(), shown.clone());
        let server = Server::http(ANY, None, move |request, _| {
            let text = |name| {
                let value = request.headers().get(name).map(|it| it.to_str().expect("text"));
                value.unwrap_or_default().to_owned()
            };
            let text = text("authorization");
            let status = if text == *known.lock().unwrap() { 200 } else { 401 };
            log.lock().unwrap().push(text.clone());
            async move { Ok(response(status, &[], format!("no such key: {text}"))) }
        })
        .await;
        Self { server, expected, shown }
    }

    fn expects(&self, authorization: &'static str) {
        *self.expected.lock().unwrap() = authorization;
    }

    fn shown(&self) -> Vec<String> {
        std::mem::take(&mut self.shown.lock().unwrap())
    }

    fn uri(&self) -> Uri {
        self.server.url().parse().expect("a URL")
    }

    fn client(&self, headers: Headers) -> Client {
        let client = Client::new(&self.uri(), &Transport::default()).expect("a client");
        client.with_headers(headers, "test/1")
    }
}

fn bearer(path: &Path) -> Headers {
    let environment = Environment::of([("TEST_TOKEN_FILE", path)]);
    let authentication = environment.read(|reader| AUTHENTICATION.read(reader)).expect("a token");
    let mut headers = Headers::default();
    let authorization = authentication.authorization().expect("a header");
    headers.insert_secret("Authorization", &authorization).expect("a header");
    headers
}

async fn get(client: &Client) -> Result<Reply, SendError> {
    client.get(client.receiver().clone(), HeaderMap::new()).await
}

async fn status(client: &Client) -> u16 {
    get(client).await.expect("an answer").status().as_u16()
}

/// Lets time pass until files are checked again.
async fn until_the_next_look() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
}

fn run<T>(test: impl Future<Output = T>) -> (T, Vec<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    log_lines::of(|| runtime.expect("a runtime").block_on(test))
}

#[test]
fn after_a_refusal_the_secret_is_read_again_and_the_request_is_sent_once_more() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    let (_, lines) = run(async {
        fs::write(&path, "first").unwrap();
        let receiver = Receiver::that_expects("Bearer first").await;
        let client = receiver.client(bearer(&path));
        assert_eq!(status(&client).await, 200);
        receiver.expects("Bearer second");
        assert_eq!(status(&client).await, 401, "the file is as it was");
        assert_eq!(receiver.shown(), ["Bearer first", "Bearer first"], "nothing is sent twice");
        fs::write(&path, "second\n").unwrap();
        assert_eq!(status(&client).await, 200);
        assert_eq!(receiver.shown(), ["Bearer first", "Bearer second"]);
        assert_eq!(status(&client).await, 200);
        assert_eq!(receiver.shown(), ["Bearer second"]);
        // A late answer may quote the previous secret.
        let redacted = client.secrets().redact("not `first` but `second`");
        assert_eq!(redacted, "not `...` but `...`");
        assert!(!format!("{client:?}").contains("second"), "{client:?}");
    });
    let [line] = &*lines else { panic!("{lines:?}") };
    let start = "INFO read a setting again, as its file has changed endpoint=http://localhost:";
    assert!(line.starts_with(start) && line.ends_with(" setting=TEST_TOKEN_FILE"), "{line}");
}

#[test]
fn a_file_that_changed_is_read_within_the_minute_without_a_refusal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    run(async {
        fs::write(&path, "first").unwrap();
        let receiver = Receiver::that_expects("Bearer first").await;
        let client = receiver.client(bearer(&path));
        fs::write(&path, "second").unwrap();
        assert_eq!(status(&client).await, 200, "it is not time to look again");
        until_the_next_look().await;
        receiver.expects("Bearer second");
        assert_eq!(status(&client).await, 200);
        assert_eq!(receiver.shown(), ["Bearer first", "Bearer second"]);
    });
}

#[test]
fn while_the_new_secret_cannot_be_used_the_old_one_stays_and_one_line_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    let (_, lines) = run(async {
        fs::write(&path, "first").unwrap();
        let receiver = Receiver::that_expects("Bearer first").await;
        let client = receiver.client(bearer(&path));
        for content in [Some(""), Some("Bearer hunter2"), None] {
            match content {
                Some(content) => fs::write(&path, content).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            for _ in 0..2 {
                until_the_next_look().await;
                assert_eq!(status(&client).await, 200, "{content:?}");
            }
        }
        fs::write(&path, "second").unwrap();
        receiver.expects("Bearer second");
        assert_eq!(status(&client).await, 200);
    });
    let start = format!(
        "WARN a changed setting cannot be used, and the previous one stays in use: TEST_TOKEN_FILE=`{}`: ",
        path.display()
    );
    assert_eq!(lines.len(), 4, "{lines:#?}");
    let reasons = ["the file is empty; ", "contains white space; ", "the file cannot be read ("];
    for (line, reason) in lines.iter().zip(reasons) {
        let said = line.strip_prefix(&start).unwrap_or_else(|| panic!("{line}"));
        assert!(said.starts_with(reason) && !said.contains("hunter2"), "{line}");
    }
    assert!(lines[3].starts_with("INFO read a setting again"), "{lines:#?}");
}

#[test]
fn a_file_system_that_hangs_holds_up_no_request() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    run(async {
        fs::write(&path, "first").unwrap();
        let receiver = Receiver::that_expects("Bearer first").await;
        let environment = Environment::of([("TEST_TOKEN_FILE", &path)]);
        let token = environment.read(|reader| Secret::read(reader, &AUTHENTICATION.bearer_token));
        let (release, hanging) = mpsc::channel::<()>();
        let hanging = Mutex::new(hanging);
        let authorization = token.expect("good").expect("a token").map(move |token| {
            if token == "second" {
                // Blocks until the sender is dropped.
                let _ = hanging.lock().unwrap().recv();
            }
            format!("Bearer {token}")
        });
        let mut headers = Headers::default();
        headers.insert_secret("Authorization", &authorization).expect("a header");
        let client = receiver.client(headers);
        fs::write(&path, "second").unwrap();
        for _ in 0..2 {
            until_the_next_look().await;
            assert_eq!(status(&client).await, 200, "the first one is in use");
        }
        drop(release);
        receiver.expects("Bearer second");
        assert_eq!(status(&client).await, 200);
    });
}

#[test]
#[cfg(unix)]
fn a_secret_that_kubernetes_swaps_by_a_link_is_read_again() {
    use std::os::unix::fs::symlink;

    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    run(async {
        for (name, secret) in [("..1", "first"), ("..2", "secon")] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("token"), secret).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/token", at("token")).unwrap();
        let receiver = Receiver::that_expects("Bearer first").await;
        let client = receiver.client(bearer(&at("token")));
        assert_eq!(status(&client).await, 200);
        symlink("..2", at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        fs::remove_dir_all(at("..1")).unwrap();
        until_the_next_look().await;
        receiver.expects("Bearer secon");
        assert_eq!(status(&client).await, 200);
        assert_eq!(receiver.shown(), ["Bearer first", "Bearer secon"]);
    });
}

#[test]
fn a_password_keeps_its_name_and_a_list_of_headers_may_get_others() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    run(async {
        fs::write(at("password"), "a").unwrap();
        fs::write(at("headers"), "authorization=old,x-old=1,x-mine=theirs").unwrap();
        let environment = Environment::of([
            ("TEST_USERNAME", "me".into()),
            ("TEST_PASSWORD_FILE", at("password").into_os_string()),
            ("TEST_HEADERS_FILE", at("headers").into_os_string()),
        ]);
        let read = environment.read(|reader| {
            (AUTHENTICATION.read(reader), Headers::read(reader, &HEADERS).expect("headers"))
        });
        let (authentication, mut list) = read.expect("good settings");
        assert!(matches!(authentication, Authentication::Basic { .. }));
        list.insert("x-mine", b"mine").expect("a header");

        let receiver = Receiver::that_expects("Basic bWU6Yg==").await;
        let authorization = authentication.authorization().expect("a header");
        let mut basic = Headers::default();
        basic.insert_secret("Authorization", &authorization).expect("a header");
        let client = receiver.client(basic);
        fs::write(at("password"), "b").unwrap();
        assert_eq!(status(&client).await, 200);

        let client = receiver.client(list);
        fs::write(at("headers"), "authorization=Basic%20bWU6Yg==,x-new=1,x-mine=x").unwrap();
        assert_eq!(status(&client).await, 200);
        let headers = client.secrets();
        let names = ["x-old", "x-new", "x-mine"].map(|name| headers.as_map().get(name));
        assert_eq!(
            names.map(|value| value.map(|it| it.as_bytes())),
            [None, Some(&b"1"[..]), Some(b"mine")]
        );
    });
}

#[cfg(feature = "tls")]
mod tls {
    use meterkit_fakes::own_process::rerun;
    use meterkit_fakes::raw::RawServer;
    use meterkit_fakes::tls::{Authority, Identity};
    use meterkit_http::{TransportSettings, proxy, transport};

    use super::*;

    const TRANSPORT: TransportSettings = TransportSettings {
        package: "meterkit-test",
        proxy: Some(proxy("TEST_PROXY")),
        compression: transport::compression("TEST_COMPRESSION"),
        timeout: transport::timeout("TEST_TIMEOUT"),
        certificate: transport::certificate("TEST_CA"),
        client_key: transport::client_key("TEST_KEY"),
        client_certificate: transport::client_certificate("TEST_CERTIFICATE"),
        endpoint: "TEST_URL",
        credentials: &["TEST_TOKEN"],
        protocol: "",
        paths: &[],
    };

    fn read(variables: &[(&str, &Path)]) -> Transport {
        let environment = Environment::of(variables.iter().copied());
        environment.read(|reader| TRANSPORT.read(reader)).expect("good settings")
    }

    fn client(server: &RawServer, transport: &Transport) -> Client {
        let uri = format!("https://localhost:{}/", server.address().port());
        Client::new(&uri.parse().expect("a URL"), transport).expect("a client")
    }

    #[test]
    fn authorities_are_read_again_when_the_receiver_cannot_be_trusted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let (_, lines) = run(async {
            let (old, new) = (Authority::new(), Authority::new());
            fs::write(&path, old.pem()).unwrap();
            let server = RawServer::accepting_with_tls(new.server("localhost", None)).await;
            let client = client(&server, &read(&[("TEST_CA", &path)]));
            get(&client).await.expect_err("it shows the certificate of another authority");
            for content in ["", "no certificate"] {
                fs::write(&path, content).unwrap();
                get(&client).await.expect_err("the old one is in use");
            }
            fs::write(&path, new.pem()).unwrap();
            assert_eq!(status(&client).await, 200);
        });
        let [warning, info] = &*lines else { panic!("{lines:#?}") };
        let said = format!("TEST_CA=`{}`: holds no certificate in PEM form", path.display());
        assert!(warning.starts_with("WARN ") && warning.contains(&said), "{warning}");
        assert!(info.ends_with("setting=TEST_CA"), "{info}");
    }

    #[test]
    fn a_client_certificate_counts_once_its_key_belongs_to_it() {
        let directory = tempfile::tempdir().unwrap();
        let [ca, certificate, key] =
            ["ca.pem", "tls.crt", "tls.key"].map(|name| directory.path().join(name));
        let (_, lines) = run(async {
            let (authority, clients) = (Authority::new(), Authority::new());
            let expired: Identity = authority.issue("me");
            let renewed: Identity = clients.issue("me");
            fs::write(&ca, authority.pem()).unwrap();
            fs::write(&certificate, expired.pem()).unwrap();
            fs::write(&key, expired.key_pem()).unwrap();
            let tls = authority.server("localhost", Some(&clients));
            let server = RawServer::accepting_with_tls(tls).await;
            let files = [("TEST_CA", &*ca), ("TEST_CERTIFICATE", &certificate), ("TEST_KEY", &key)];
            let client = client(&server, &read(&files));
            get(&client).await.expect_err("it is of another authority");
            fs::write(&certificate, renewed.pem()).unwrap();
            get(&client).await.expect_err("the key is still that of the old one");
            fs::write(&key, renewed.key_pem()).unwrap();
            until_the_next_look().await;
            assert_eq!(status(&client).await, 200);
        });
        let [warning, info] = &*lines else { panic!("{lines:#?}") };
        let said = "TEST_CERTIFICATE: client certificate and key cannot be used (";
        assert!(warning.starts_with("WARN ") && warning.contains(said), "{warning}");
        assert!(info.ends_with("setting=TEST_CERTIFICATE, TEST_KEY"), "{info}");
    }

    #[test]
    fn authorities_of_the_system_are_read_again_too() {
        let name = "authorities_of_the_system_are_read_again_too";
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        fs::write(&path, Authority::new().pem()).unwrap();
        let variable = ("SSL_CERT_FILE", path.to_str().expect("text"));
        if rerun(name, &[variable, ("SSL_CERT_DIR", "")]).is_some() {
            return;
        }
        let path = std::env::var_os("SSL_CERT_FILE").expect("it is set");
        let (_, lines) = run(async {
            let authority = Authority::new();
            let tls = || authority.server("localhost", None);
            let server = RawServer::accepting_with_tls(tls()).await;
            let token = tempfile::NamedTempFile::new().unwrap();
            fs::write(token.path(), "first").unwrap();
            let client = client(&server, &Transport::default());
            let client = client.with_headers(bearer(token.path()), "test/1");
            get(&client).await.expect_err("it shows the certificate of another authority");
            fs::write(&path, "").unwrap();
            get(&client).await.expect_err("the old ones are in use");
            fs::write(&path, authority.pem()).unwrap();
            assert_eq!(status(&client).await, 200);
            // A problem with another file makes the link read these files only once.
            fs::write(token.path(), "").unwrap();
            fs::write(&path, authority.pem() + "\n").unwrap();
            for _ in 0..3 {
                until_the_next_look().await;
                assert_eq!(status(&client).await, 200);
            }
        });
        let [warning, info, again, other] = &*lines else { panic!("{lines:#?}") };
        assert_eq!(again, info);
        assert!(other.contains("TEST_TOKEN_FILE="), "{other}");
        assert!(
            warning.contains("SSL_CERT_FILE: no certificate authorities were found"),
            "{warning}"
        );
        assert!(info.ends_with("setting=SSL_CERT_FILE"), "{info}");
    }
}
