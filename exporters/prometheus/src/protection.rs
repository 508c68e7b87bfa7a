//! How an endpoint is protected, as an operator says it: by variables.

use meterkit_pipeline::{VariableError, Variables};

use crate::credentials::Credentials;
use crate::tls::{self, Encryption, ServerTls};

const USERNAME: &str = "METERKIT_PROMETHEUS_USERNAME";
const PASSWORD: &str = "METERKIT_PROMETHEUS_PASSWORD";
const BEARER_TOKEN: &str = "METERKIT_PROMETHEUS_BEARER_TOKEN";
const CERTIFICATE: &str = "METERKIT_PROMETHEUS_TLS_CERTIFICATE";
const KEY: &str = "METERKIT_PROMETHEUS_TLS_KEY";
const CLIENT_CA: &str = "METERKIT_PROMETHEUS_TLS_CLIENT_CA";

/// Whom an endpoint serves, and by which certificate it is known. By default everybody, and none.
///
/// For [`PrometheusServer::protection`](crate::PrometheusServer::protection).
#[derive(Clone, Debug, Default)]
pub struct Protection {
    pub(crate) credentials: Option<Credentials>,
    pub(crate) tls: Option<ServerTls>,
}

impl Protection {
    /// What the variables say that are named `METERKIT_PROMETHEUS_`: `USERNAME` and `PASSWORD`, or `BEARER_TOKEN`;
    /// `TLS_CERTIFICATE`, `TLS_KEY` and `TLS_CLIENT_CA` (paths of PEM files, which are read now).
    ///
    /// # Errors
    ///
    /// All problems at once: half of a name and password, or of a certificate and key; both kinds of credentials;
    /// values that nobody could show; files that cannot be read or used; TLS that is not compiled in.
    pub fn from_variables(
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<VariableError>> {
        let mut variables = Variables::new(&lookup);
        let credentials = credentials(&mut variables);
        let tls = encryption(&mut variables);
        variables.finish(Self { credentials, tls })
    }
}

fn credentials(variables: &mut Variables<'_>) -> Option<Credentials> {
    let by_name = variables.first_set(&[USERNAME, PASSWORD]);
    let by_token = variables.first_set(&[BEARER_TOKEN]);
    if let (Some(variable), Some(other)) = (by_name, by_token) {
        let remedy = "keep the one that scrapers are to show";
        variables.problem(VariableError::conflict(variable, other, remedy));
        return None;
    }
    if by_token.is_some() {
        return variables.token(BEARER_TOKEN).map(|token| Credentials::Bearer { token });
    }
    by_name?;
    variables.needs(USERNAME, PASSWORD, "write the name that the password is for");
    variables.needs(PASSWORD, USERNAME, "write the password that goes with it");
    let (username, password) = (variables.username(USERNAME), variables.password(PASSWORD));
    Some(Credentials::Basic { username: username?, password: password? })
}

fn encryption(variables: &mut Variables<'_>) -> Option<ServerTls> {
    let present = variables.first_set(&[CERTIFICATE, KEY, CLIENT_CA])?;
    if let Some(reason) = tls::missing() {
        let path = variables.text(present).unwrap_or_default();
        variables.problem(VariableError::new(present, path, reason));
        return None;
    }
    variables.needs(CERTIFICATE, present, "name the PEM file with the certificate of the endpoint");
    variables.needs(KEY, present, "name the PEM file with the private key of the endpoint");
    let certificate = variables.pem(CERTIFICATE, tls::check_certificate);
    let key = variables.pem(KEY, tls::check_key);
    let authorities = variables.pem(CLIENT_CA, tls::check_client_authorities);
    let is_complete = variables.text(CLIENT_CA).is_none() || authorities.is_some();
    let tls = ServerTls::new(certificate?, key?);
    let tls = authorities.into_iter().fold(tls, ServerTls::client_authorities);
    match Encryption::new(&tls) {
        Err(error) if is_complete => {
            let path = variables.text(KEY).unwrap_or_default();
            variables.problem(VariableError::new(KEY, path, error.to_string()));
            None
        }
        _ => Some(tls),
    }
}

#[cfg(test)]
mod tests;
