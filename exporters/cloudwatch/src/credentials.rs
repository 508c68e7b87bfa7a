//! AWS credentials, which sign requests.

mod access;

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use http::header::DATE;
use http::{HeaderMap, Request, StatusCode};
use meterkit_http::Proxies;
use meterkit_http::reply::with_causes;
use meterkit_otlp::{Cached, Credentials, CredentialsError, Expiring, HeadersFuture};
use reqsign_aws_core::{
    AssumeRoleWithWebIdentityCredentialProvider, Credential, ECSCredentialProvider,
    EnvCredentialProvider, IMDSv2CredentialProvider, ProfileCredentialProvider,
    SSOCredentialProvider,
};
use reqsign_core::time::Timestamp;
use reqsign_core::{Context, OsEnv, ProvideCredentialDyn};

use crate::signature::Signer;

pub(crate) use self::access::context;

/// A source of credentials, with its name in errors.
type Source = (&'static str, Box<dyn ProvideCredentialDyn<Credential = Credential>>);

/// Finds and caches credentials, and signs requests with them.
pub(crate) struct AwsCredentials {
    sources: [Source; 6],
    context: Context,
    signer: Signer,
    kept: Cached<Credential>,
    /// How many seconds the clock of AWS is ahead of this machine's clock; 0 unless they were found to differ by too
    /// much.
    skew: AtomicI64,
}

/// Largest tolerated difference of the clocks, in seconds. AWS accepts signatures for five minutes before and after
/// their time.
const LARGEST_SKEW: i64 = 4 * 60;

impl AwsCredentials {
    /// Creates credentials that are found in the environment of this process.
    pub(crate) fn of_process(region: &str, proxies: Option<Proxies>) -> Self {
        Self::new(region, context(OsEnv, proxies))
    }

    pub(crate) fn new(region: &str, context: Context) -> Self {
        Self {
            sources: [
                ("the environment", Box::new(EnvCredentialProvider::new())),
                (
                    "the web identity",
                    Box::new(
                        AssumeRoleWithWebIdentityCredentialProvider::new()
                            .with_region(region.to_owned())
                            .with_regional_sts_endpoint()
                            .with_role_session_name("meterkit".to_owned()),
                    ),
                ),
                ("the profile", Box::new(ProfileCredentialProvider::new())),
                ("the single sign-on", Box::new(SSOCredentialProvider::new())),
                ("the container's endpoint", Box::new(ECSCredentialProvider::new())),
                ("the instance's metadata service", Box::new(IMDSv2CredentialProvider::new())),
            ],
            context,
            signer: Signer { region: region.to_owned(), service: "monitoring" },
            kept: Cached::default(),
            skew: AtomicI64::new(0),
        }
    }

    /// Returns the credentials of the first source that has some. If a source fails, no further source is tried,
    /// because its credentials may belong to another role.
    async fn find(&self) -> Result<Expiring<Credential>, CredentialsError> {
        for (name, source) in &self.sources {
            match source.provide_credential_dyn(&self.context).await {
                Ok(Some(credential)) => {
                    let expires = credential.expires_in.map(Timestamp::as_system_time);
                    return Ok(Expiring { value: credential, expires });
                }
                Ok(None) => {}
                Err(error) => {
                    let others = "sources with a higher priority have none either";
                    let cause = with_causes(&error);
                    return Err(format!("{name} has no credentials ({others}): {cause}").into());
                }
            }
        }
        Err("no source of AWS credentials is configured, and the metadata service is disabled"
            .into())
    }

    /// Returns the time of AWS as far as it is known, otherwise that of this machine.
    fn now(&self) -> Result<Timestamp, CredentialsError> {
        Ok(Timestamp::from_second(own_seconds() + self.skew.load(Ordering::Relaxed))?)
    }
}

impl Credentials for AwsCredentials {
    fn headers<'a>(&'a self, request: &'a Request<Bytes>) -> HeadersFuture<'a> {
        Box::pin(async {
            let credential = self.kept.get_or_fetch(self.find()).await?;
            Ok(self.signer.sign(request, &credential, self.now()?)?)
        })
    }

    fn rejected(&self, _: StatusCode, answer: &HeaderMap) -> bool {
        let date =
            answer.get(DATE).and_then(|it| httpdate::parse_http_date(it.to_str().ok()?).ok());
        let ahead = date.map_or(0, |date| seconds(date) - own_seconds());
        let known = self.skew.load(Ordering::Relaxed);
        if (ahead - known).abs() > LARGEST_SKEW {
            tracing::warn!(
                seconds = ahead,
                "the clock of AWS differs from that of this machine (positive: AWS is ahead); requests are signed with \
                 the time of AWS"
            );
            self.skew.store(ahead, Ordering::Relaxed);
            return true;
        }
        self.kept.forget()
    }
}

fn own_seconds() -> i64 {
    seconds(SystemTime::now())
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or_default()
}
