//! The accounts for which tokens are fetched.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use meterkit_otlp::{CredentialsError, Expiring};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use super::Token;
use super::access::Access;

/// An account that can fetch tokens.
pub(crate) enum Account {
    /// A service account with a key, or the login of a user, with the content of its file.
    OfFile(Kind, Value),
    /// The service account of the machine.
    OfMachine,
}

pub(crate) enum Kind {
    ServiceAccount,
    User,
}

/// The scope of tokens, for accounts that can choose it.
const SCOPE: &str = "https://www.googleapis.com/auth/monitoring.write";

const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";

impl Account {
    /// Finds the account.
    ///
    /// # Errors
    ///
    /// Returns an error if a file cannot be read or contains an unsupported account. Whether the machine has an account
    /// is not known before a token is requested.
    pub(crate) async fn find(access: &Access) -> Result<Self, CredentialsError> {
        let path = match access.variable("GOOGLE_APPLICATION_CREDENTIALS") {
            Some(path) => PathBuf::from(path),
            None => match login(access) {
                Some(path) if path.exists() => path,
                _ => return Ok(Self::OfMachine),
            },
        };
        let file = access.file(&path).await?;
        let kind = match file["type"].as_str().unwrap_or_default() {
            "service_account" => Kind::ServiceAccount,
            "authorized_user" => Kind::User,
            other => {
                let path = path.display();
                let accepted = "`service_account` and `authorized_user` are supported";
                return Err(
                    format!("file `{path}` has credentials of type `{other}`; {accepted}").into()
                );
            }
        };
        Ok(Self::OfFile(kind, file))
    }

    /// Returns the project that the account belongs to.
    pub(crate) async fn project(&self, access: &Access) -> Result<String, CredentialsError> {
        let project = match self {
            Self::OfFile(Kind::ServiceAccount, file) => field(file, "project_id")?.to_owned(),
            Self::OfFile(Kind::User, _) => {
                return Err(
                    "a user's login does not contain a project; set `METERKIT_GCP_PROJECT`".into(),
                );
            }
            Self::OfMachine => {
                String::from_utf8(access.metadata("project/project-id").await?.to_vec())?
            }
        };
        match project.trim() {
            "" => Err("the metadata server returned no project; set `METERKIT_GCP_PROJECT`".into()),
            project => Ok(project.to_owned()),
        }
    }

    /// Fetches a token.
    pub(crate) async fn token(&self, access: &Access) -> Result<Expiring<Token>, CredentialsError> {
        let (answer, quota_project) = match self {
            Self::OfMachine => {
                let path = format!("instance/service-accounts/default/token?scopes={SCOPE}");
                (access.metadata(&path).await?, None)
            }
            Self::OfFile(kind, file) => {
                let url = file["token_uri"].as_str().unwrap_or(TOKEN_URL);
                let answer = match kind {
                    Kind::ServiceAccount => {
                        let assertion = assertion(file, url)?;
                        let grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer";
                        let fields = [("grant_type", grant_type), ("assertion", &assertion)];
                        access.form(url, &fields).await?
                    }
                    Kind::User => {
                        let fields = [
                            ("grant_type", "refresh_token"),
                            ("client_id", field(file, "client_id")?),
                            ("client_secret", field(file, "client_secret")?),
                            ("refresh_token", field(file, "refresh_token")?),
                        ];
                        access.form(url, &fields).await?
                    }
                };
                (answer, file["quota_project_id"].as_str().map(str::to_owned))
            }
        };
        // Do not return the error of the parser, which may quote the token.
        let answer: Value = serde_json::from_slice(&answer)
            .map_err(|_| "the response with the token is not JSON")?;
        let lifetime = answer["expires_in"]
            .as_u64()
            .ok_or("the response with the token has no `expires_in`")?;
        let expires = SystemTime::now().checked_add(Duration::from_secs(lifetime));
        let text = field(&answer, "access_token")?.to_owned();
        Ok(Expiring { value: Token { text, quota_project }, expires })
    }
}

/// Returns the path at which the tool `gcloud` stores a login for programs.
fn login(access: &Access) -> Option<PathBuf> {
    let folder = match access.variable("CLOUDSDK_CONFIG") {
        Some(folder) => PathBuf::from(folder),
        None if cfg!(windows) => PathBuf::from(access.variable("APPDATA")?).join("gcloud"),
        None => PathBuf::from(access.variable("HOME")?).join(".config").join("gcloud"),
    };
    Some(folder.join("application_default_credentials.json"))
}

fn field<'a>(file: &'a Value, name: &str) -> Result<&'a str, CredentialsError> {
    let text = file[name].as_str().filter(|text| !text.is_empty());
    text.ok_or_else(|| format!("the credentials have no `{name}`").into())
}

/// Returns the signed assertion with which a service account requests a token, as RFC 7523 defines it.
fn assertion(file: &Value, url: &str) -> Result<String, CredentialsError> {
    let pem = field(file, "private_key")?;
    let lines = pem.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
    let bad = "the credentials have a `private_key` that is not an RSA key in PEM format (PKCS #8)";
    let der = STANDARD.decode(lines.collect::<String>()).map_err(|_| bad)?;
    let key = RsaKeyPair::from_pkcs8(&der).map_err(|_| bad)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({
        "alg": "RS256",
        "typ": "JWT",
        "kid": file["private_key_id"].as_str().unwrap_or_default(),
    });
    let claims = json!({
        "iss": field(file, "client_email")?,
        "scope": SCOPE,
        "aud": url,
        "iat": now,
        "exp": now + 3600,
    });
    let text = format!("{}.{}", encode(header), encode(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
        .map_err(|_| "the private key of the credentials cannot sign")?;
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
